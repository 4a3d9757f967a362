# SPDX-License-Identifier: Apache-2.0
"""Replies at the wrong time to the bundled models: a part of ``benchmarks/replies.py``."""

from __future__ import annotations

from typing import Any

import pytest
from benchmark_scripts import benchmark

from refseg_lab.simulation.benchmark import bundled_slice
from refseg_ros import Segmenter, Status


@pytest.fixture(scope="module")
def replies() -> Any:
    return benchmark("replies")


@pytest.fixture(scope="module")
def pictures(replies: Any) -> list[Any]:
    segmenter = Segmenter.from_preset("tabletop", "cpu")
    scenes = bundled_slice()[:4]
    return [replies.Picture(scene, segmenter.observe(scene.frame.rgb)) for scene in scenes]


def test_no_reply_about_another_view_selects_another_kind(
    replies: Any, pictures: list[Any]
) -> None:
    counts, wrong = replies.changed(pictures)
    assert sum(counts[status.name] for status in Status) > 100
    assert wrong == []


def test_another_persons_command_is_answered_as_if_nothing_had_been_asked(
    replies: Any, pictures: list[Any]
) -> None:
    counts, wrong = replies.clients(pictures)
    assert sum(counts[status.name] for status in Status) > 80
    assert wrong == []
