# SPDX-License-Identifier: Apache-2.0
"""An answer before the captions are made, and the last word with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.msg", reason="the messages are not built")

from hand_made import Blocks, Captioner, segmenter
from ros_bench import Bench, show
from ros_peer import Peer

from refseg_ros.results import Status
from refseg_ros.segmenter import Segmenter

pytestmark = pytest.mark.usefixtures("ros")

MANY = tuple(
    (("red", "green", "blue")[min(row, 2)], (20 * row, 40, 20 * row + 15, 60)) for row in range(9)
)
RED, BLUE = ("red", (20, 40, 50, 64)), ("blue", (150, 10, 180, 34))


class Slow(Captioner):
    """Says what a crop shows when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.waiting = threading.Event()
        self.fails = False
        self.failed = 0

    def caption(self, images: Sequence[np.ndarray]) -> list[str]:
        self.waiting.set()
        assert self.gate.wait(20)
        if self.fails:
            self.failed += 1
            raise RuntimeError("the captioner fell over")
        return super().caption(images)


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def made(slow: Slow) -> Segmenter:
    made = segmenter(Blocks(RED, BLUE), "tabletop")
    made._captioner = slow  # type: ignore[assignment]
    return made


@pytest.fixture
def bench(ros: None, made: Segmenter, slow: Slow) -> Iterator[Bench]:
    bench = Bench(lambda preset, device: made, anytime=True)
    yield bench
    slow.gate.set()
    bench.close()


@pytest.fixture
def needed(ros: None, slow: Slow) -> Iterator[Peer]:
    """Someone who talks to a node whose captions are made when they are needed."""
    made = segmenter(Blocks(*MANY), "fast")
    made._captioner = slow  # type: ignore[assignment]
    slow.gate.set()
    bench = Bench(lambda preset, device: made)
    yield bench.peer
    bench.close()


def picture(peer: Peer) -> Any:
    return show(peer, peer.image(Blocks(RED, BLUE).image))


def test_a_scene_answers_before_its_captions_and_the_same_with_them(
    made: Segmenter, slow: Slow
) -> None:
    image = Blocks(RED, BLUE).image
    early = made.observe(image, captions=False)
    assert early.captions == ("", "")
    first = early.select("the red block")
    assert first.status is Status.SELECTED
    assert {"P", "C"}.isdisjoint(first.candidates[0].terms)
    slow.gate.set()
    complete, whole = early.captioned(), made.observe(image)
    assert complete.captions == whole.captions == ("a red block", "a blue block")
    assert complete.captioned() is complete
    one, other = complete.select("the red block"), whole.select("the red block")
    assert one.candidates[0].terms == other.candidates[0].terms
    assert one.reason == other.reason
    assert set(complete.seconds) == set(whole.seconds)
    assert complete.seconds["total"] > early.seconds["total"]


def test_there_are_two_results_the_second_final(peer: Peer, slow: Slow) -> None:
    image = picture(peer)
    peer.say("the red block")
    first = peer.wait(lambda: peer.heard["result"], "the first result")[0]
    assert slow.waiting.wait(10)
    assert not first.is_final
    assert (first.command, first.header) == ("the red block", image.header)
    assert first.status == Status.SELECTED
    assert [item.caption for item in first.candidates] == ["", ""]
    slow.gate.set()
    peer.wait(lambda: len(peer.heard["result"]) == 2, "the second result")
    second = peer.heard["result"][1]
    assert second.is_final
    assert (second.command, second.header) == (first.command, first.header)
    assert second.candidates[0].caption == "a red block"
    # The same view is known by now.
    result, _ = peer.ask("the blue block")
    assert result.is_final
    assert result.reused_observation
    peer.spin(0.2)
    assert len(peer.heard["result"]) == 1


def test_a_command_that_comes_between_them_has_its_own_turn(peer: Peer, slow: Slow) -> None:
    picture(peer)
    peer.say("the red block")
    peer.wait(lambda: peer.heard["result"], "the first result")
    peer.say("the blue block")
    peer.spin(0.2)
    slow.gate.set()
    peer.wait(lambda: len(peer.heard["result"]) == 3, "all results")
    told = [(item.command, item.is_final) for item in peer.heard["result"]]
    assert told == [
        ("the red block", False),
        ("the red block", True),
        ("the blue block", True),
    ]


def test_captions_that_fail_are_the_last_word(peer: Peer, slow: Slow) -> None:
    slow.fails = True
    slow.gate.set()
    picture(peer)
    peer.say("the red block")
    peer.wait(lambda: len(peer.heard["result"]) == 2, "both results")
    first, second = peer.heard["result"]
    assert (first.is_final, first.status) == (False, Status.SELECTED)
    assert (second.is_final, second.status) == (True, Status.ERROR)
    assert "the captioner fell over" in second.reason
    slow.fails = False
    result, _ = peer.ask("the red block")
    assert result.status == Status.SELECTED


def test_a_call_gets_one_answer_and_the_conversation_hears_once(peer: Peer, slow: Slow) -> None:
    slow.gate.set()
    picture(peer)
    response = peer.call("the red block")
    assert response.result.is_final
    assert response.result.candidates[0].caption == "a red block"
    peer.ask("the red block")
    assert peer.ask("the other one")[0].candidates[0].caption == "a blue block"


def test_the_last_word_is_followed(bench: Bench, peer: Peer, slow: Slow) -> None:
    bench.set("track", True)
    picture(peer)
    peer.say("the red block")
    peer.wait(lambda: peer.heard["result"], "the first result")
    picture(peer)
    slow.gate.set()
    image = picture(peer)
    results = peer.heard["result"]
    peer.wait(lambda: [item for item in results if item.header == image.header], "it is followed")
    kinds = [(item.is_final, item.tracked) for item in results]
    assert kinds[:3] == [(False, False), (True, False), (True, True)]


def test_captions_that_no_answer_needs_are_made_when_nothing_is_asked(
    needed: Peer, slow: Slow
) -> None:
    show(needed, needed.image(Blocks(*MANY).image))
    result, _ = needed.ask("the red block")
    assert (result.status, result.is_final) == (Status.SELECTED, True)
    assert [item.caption for item in result.candidates].count("") == len(MANY) - 1
    needed.wait(lambda: sum(slow.calls) == 1 + len(MANY), "the rest of the captions")
    assert slow.calls[:2] == [1, 1]  # the whole image, and what was chosen
    assert max(slow.calls) == 4
    result, _ = needed.ask("the green block")
    assert result.reused_observation
    assert "" not in [item.caption for item in result.candidates]
    assert sum(slow.calls) == 1 + len(MANY)


class Tiring(Slow):
    """Makes two calls and fails from then on."""

    def caption(self, images: Sequence[np.ndarray]) -> list[str]:
        self.fails = len(self.calls) >= 2
        return super().caption(images)


@pytest.fixture
def tiring() -> Tiring:
    return Tiring()


def test_a_rest_that_fails_is_not_tried_for_ever(ros: None, tiring: Tiring) -> None:
    tiring.gate.set()
    made = segmenter(Blocks(*MANY), "fast")
    made._captioner = tiring  # type: ignore[assignment]
    bench = Bench(lambda preset, device: made)
    try:
        show(bench.peer, bench.peer.image(Blocks(*MANY).image))
        assert bench.peer.ask("the red block")[0].status == Status.SELECTED
        bench.peer.wait(lambda: tiring.failed == 1, "the failure")
        bench.peer.spin(0.3)
        assert tiring.failed == 1
        # The node goes on, and what is known is known.
        assert bench.peer.ask("the red block")[0].status == Status.SELECTED
    finally:
        bench.close()
