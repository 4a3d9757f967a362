# SPDX-License-Identifier: Apache-2.0
"""Questions and answers over ROS: the segmenter node around scenes whose names are true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.msg", reason="the messages are not built")

from dialogue_bench import Words, scene
from rclpy.parameter import Parameter
from ros_bench import Bench, show
from ros_peer import Peer
from spatial_layouts import around

from refseg_ros.results import Status
from refseg_ros.scene import Scene

pytestmark = pytest.mark.usefixtures("ros")

NAMES = ["red mug", "red mug", "blue book"]
HERE = [around(20, 50), around(70, 50), around(45, 20)]
MOVED = [around(23, 52), around(73, 52), around(48, 22)]
AWAY = [around(20, 90), around(70, 90), around(45, 20)]


class Table:
    """Sees two red mugs and a book; the grey level of a frame says where they stand."""

    description = "hand-made"

    def __init__(self) -> None:
        self.words = Words()
        self.places = {0: HERE, 50: MOVED, 100: AWAY}

    def observe(self, image: Any) -> Scene:
        level = int(image[0, 0, 0])
        # In another order each time: numbers belong to one observation.
        names, boxes = NAMES, self.places[level]
        if level == 50:
            names, boxes = names[::-1], boxes[::-1]
        return scene(names, *boxes, words=self.words)


def frame(level: int) -> np.ndarray:
    return np.full((100, 100, 3), level, np.uint8)


@pytest.fixture
def table(ros: None) -> Iterator[Bench]:
    bench = Bench(lambda preset, device: Table())
    yield bench
    bench.close()


def test_a_second_command_answers_the_question_of_the_first(table: Bench) -> None:
    peer = table.peer
    show(peer, peer.image(frame(0)))
    asked, _ = peer.ask("the mug")
    assert asked.status == Status.AMBIGUOUS
    assert asked.question == "Two red mugs: the left or the right one?"
    assert asked.options == ["the left one", "the right one"]
    assert sorted(asked.tied_ids) == [1, 2]
    answered, mask = peer.ask("the right one")
    assert (answered.command, answered.status) == ("the right one", Status.SELECTED)
    assert (answered.target_id, answered.question, list(answered.tied_ids)) == (2, "", [])
    assert mask is not None
    assert np.flatnonzero(mask.data).size == answered.area == 100
    other, _ = peer.ask("the other one")
    assert (other.status, other.target_id) == (Status.SELECTED, 1)


def test_an_empty_command_ends_the_conversation(table: Bench) -> None:
    peer = table.peer
    show(peer, peer.image(frame(0)))
    peer.ask("the mug")
    cleared, _ = peer.ask("")
    assert (cleared.status, cleared.question) == (Status.IDLE, "")
    result, _ = peer.ask("it", has_mask=False)
    assert result.status == Status.ERROR
    assert "before" in result.reason


def test_the_service_neither_hears_nor_disturbs_the_conversation(table: Bench) -> None:
    peer = table.peer
    image = show(peer, peer.image(frame(0)))
    peer.ask("the mug")
    called = peer.call("the book", image)
    assert called.result.target_id == 3
    alone = peer.call("it", image)
    assert (alone.success, alone.result.status) == (False, Status.ERROR)
    unsure = peer.call("the mug", image)
    assert unsure.result.question == "Two red mugs: the left or the right one?"
    answered, _ = peer.ask("the left one")
    assert (answered.status, answered.target_id) == (Status.SELECTED, 1)


def test_calls_of_one_name_are_a_conversation(table: Bench) -> None:
    peer = table.peer
    image = show(peer, peer.image(frame(0)))
    peer.ask("the mug")
    ann = peer.call("the mug", image, conversation="ann")
    assert ann.result.question == "Two red mugs: the left or the right one?"
    # Another person's command, one without a name and the topic's stand between; none is answered.
    assert peer.call("it", image, conversation="bob").result.status == Status.ERROR
    assert peer.call("the book", image).result.target_id == 3
    assert peer.call("the right one", image, conversation="ann").result.target_id == 2
    assert peer.call("the other one", conversation="ann").result.target_id == 1
    assert peer.ask("the left one")[0].target_id == 1
    assert peer.call("  ", image, conversation="ann").result.status == Status.IDLE
    assert peer.call("it", image, conversation="ann").result.status == Status.ERROR


def test_only_the_conversations_used_last_are_kept(table: Bench) -> None:
    peer = table.peer
    image = show(peer, peer.image(frame(0)))
    for number in range(9):
        peer.call("the book", image, conversation=str(number))
    assert peer.call("it", image, conversation="1").result.target_id == 3
    assert peer.call("it", image, conversation="0").result.status == Status.ERROR


def test_later_frames_follow_what_was_meant_not_the_words(table: Bench) -> None:
    peer: Peer = table.peer
    table.node.set_parameters([Parameter("mode", value="continuous")])
    show(peer, peer.image(frame(0)))
    peer.ask("the mug")
    peer.ask("the right one")
    results = peer.heard["result"]
    for level, status, number in (
        (50, Status.SELECTED, 2),
        (100, Status.LOST, 0),
        (0, Status.SELECTED, 2),
    ):
        results.clear()
        image = peer.send(peer.image(frame(level)))
        followed = peer.wait(lambda: results, "the answer about the new view")[-1]
        assert followed.header == image.header
        assert (followed.command, followed.status) == ("the right one", status)
        assert followed.target_id == number
