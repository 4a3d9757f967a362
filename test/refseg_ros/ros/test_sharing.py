# SPDX-License-Identifier: Apache-2.0
"""Nodes that share models: loaded once, used in turns, freed with the last of them."""

from __future__ import annotations

import gc
import threading
from dataclasses import replace
from typing import Any

import pytest

from refseg_ros.config import SegmenterConfig
from refseg_ros.ros.sharing import FairLock, SharedModels

CONFIG = SegmenterConfig.from_preset("tabletop")


class Models:
    """Stands for a segmenter."""


def test_equal_configurations_share_and_others_do_not() -> None:
    loaded: list[tuple[str, str]] = []

    def load(config: SegmenterConfig, device: str) -> Any:
        loaded.append((config.name, device))
        return Models()

    models = SharedModels(load)
    first = models(CONFIG, "cpu")
    assert models(SegmenterConfig.from_preset("tabletop"), "cpu") is first
    other = models(replace(CONFIG, name="other"), "cpu")
    assert other is not first
    assert models(CONFIG, "auto") is not first
    assert loaded == [("tabletop", "cpu"), ("other", "cpu"), ("tabletop", "auto")]


def test_models_that_nobody_uses_are_freed_and_loaded_anew() -> None:
    count = 0

    def load(config: SegmenterConfig, device: str) -> Any:
        nonlocal count
        count += 1
        return Models()

    models = SharedModels(load)
    first, second = models(CONFIG, "cpu"), models(CONFIG, "cpu")
    assert first is second
    del first, second
    gc.collect()
    models(CONFIG, "cpu")
    assert count == 2


def test_a_failure_to_load_is_told_and_tried_again() -> None:
    failing = [True]

    def load(config: SegmenterConfig, device: str) -> Any:
        if failing:
            raise OSError("not there yet")
        return Models()

    models = SharedModels(load)
    with pytest.raises(OSError, match="not there yet"):
        models(CONFIG, "cpu")
    failing.clear()
    assert models(CONFIG, "cpu") is not None


def test_turns_go_round_in_the_order_of_asking() -> None:
    turn = FairLock()
    order: list[str] = []
    queued = threading.Event()

    def wait_for_turn(name: str) -> None:
        queued.set()
        with turn:
            order.append(name)

    threads = []
    with turn:
        for name in ("first", "second", "third"):
            queued.clear()
            thread = threading.Thread(target=wait_for_turn, args=(name,))
            thread.start()
            threads.append(thread)
            assert queued.wait(10)
            while len(turn._queue) < 1 + len(threads):
                thread.join(0.001)
    # Asks at once again, but behind those who wait.
    with turn:
        order.append("again")
    for thread in threads:
        thread.join(10)
    assert order == ["first", "second", "third", "again"]


def test_a_turn_that_fails_goes_on() -> None:
    turn = FairLock()
    with pytest.raises(ValueError, match="a mishap"), turn:
        raise ValueError("a mishap")
    with turn:
        pass
