# SPDX-License-Identifier: Apache-2.0
"""The action of the segmenter node: feedback on the way, cancelling, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.action", reason="the messages are not built")

from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from refseg_ros.action import SegmentExpression
from ros_bench import GREY, Bench, LeftHalf, show
from ros_peer import Peer

from refseg_ros.results import Status
from refseg_ros.ros.worker import MAX_CALLS

pytestmark = pytest.mark.usefixtures("ros")


class Asking:
    """An action client that keeps the feedback."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.stages: list[str] = []
        self.client = ActionClient(peer.node, SegmentExpression, "refseg/segment_expression")
        peer.wait(self.client.server_is_ready, "the action server")

    def send(self, text: str, image: Any = None) -> Any:
        goal = SegmentExpression.Goal(expression=text)
        if image is not None:
            goal.image = image
        future = self.client.send_goal_async(goal, self._on_feedback)
        return self.peer.wait(future.result, "the goal's acceptance")

    def _on_feedback(self, message: Any) -> None:
        self.stages.append(message.feedback.stage)

    def result(self, handle: Any) -> Any:
        future = handle.get_result_async()
        return self.peer.wait(future.result, "the goal's result")


@pytest.fixture
def asking(peer: Peer) -> Iterator[Asking]:
    asking = Asking(peer)
    yield asking
    asking.client.destroy()


def test_a_goal_is_answered_with_feedback(peer: Peer, asking: Asking) -> None:
    peer.wait(lambda: peer.figures()["model"] != "loading", "the models")
    image = peer.image(GREY)
    answer = asking.result(asking.send("the box", image))
    assert answer.status == GoalStatus.STATUS_SUCCEEDED
    result = answer.result
    assert (result.success, result.result.status) == (True, Status.SELECTED)
    assert result.result.header == result.mask.header == image.header
    assert np.frombuffer(result.mask.data, np.uint8).sum() == 255 * 100
    peer.wait(lambda: asking.stages == ["waiting", "observing", "selecting"], "the stages", 5)
    assert peer.heard["result"] == []


def test_a_goal_about_the_newest_image(peer: Peer, asking: Asking) -> None:
    answer = asking.result(asking.send("the box"))
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert "no image" in answer.result.message
    image = show(peer, peer.image(GREY))
    answer = asking.result(asking.send("the box"))
    assert answer.status == GoalStatus.STATUS_SUCCEEDED
    assert answer.result.result.header == image.header


def test_an_empty_goal_is_idle_as_the_action_says(peer: Peer, asking: Asking) -> None:
    answer = asking.result(asking.send("", peer.image(GREY)))
    assert answer.status == GoalStatus.STATUS_SUCCEEDED
    assert (answer.result.success, answer.result.result.status) == (True, Status.IDLE)


def test_a_failure_aborts_in_words(peer: Peer, asking: Asking) -> None:
    answer = asking.result(asking.send("fail", peer.image(GREY)))
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert (answer.result.success, answer.result.message) == (False, "the models fell over")


@pytest.mark.parametrize("clients", [1, 8])
def test_of_sixty_goals_at_once_each_is_answered_or_refused(
    bench: Bench, peer: Peer, clients: int
) -> None:
    peer.wait(lambda: peer.figures()["model"] != "loading", "the models")
    made = [
        ActionClient(peer.node, SegmentExpression, "refseg/segment_expression")
        for _ in range(clients)
    ]
    for client in made:
        peer.wait(client.server_is_ready, "the action server")
    peer.spin(0.5)
    image = peer.image(GREY)
    goal = SegmentExpression.Goal(expression="the box", image=image)
    sent = [made[number % clients].send_goal_async(goal) for number in range(60)]
    handles = [peer.wait(future.result, "a reply to the goal", 10) for future in sent]
    results = [handle.get_result_async() for handle in handles if handle.accepted]
    answers = [peer.wait(future.result, "a result", 10).result for future in results]
    assert any(answer.success for answer in answers)
    told = [answer.message for answer in answers if not answer.success]
    assert all("too many calls are waiting" in message for message in told)
    if len(answers) < 60:
        assert "a goal is rejected: too many calls are waiting" in peer.figures()["message"]
    for client in made:
        client.destroy()


@pytest.mark.parametrize("at_work", [True, False])
def test_a_goal_is_cancelled_at_once(
    peer: Peer, asking: Asking, models: LeftHalf, at_work: bool
) -> None:
    models.gate.clear()
    first = asking.send("the box", peer.image(GREY))
    peer.wait(models.waiting.is_set, "the observation")
    handle = first if at_work else asking.send("the left half", peer.image(GREY))
    cancelled = handle.cancel_goal_async()
    assert len(peer.wait(cancelled.result, "the cancelling", 5).goals_canceling) == 1
    # While the models are still at work.
    answer = asking.result(handle)
    assert answer.status == GoalStatus.STATUS_CANCELED
    assert (answer.result.success, answer.result.message) == (False, "the goal was cancelled")
    models.gate.set()
    after = asking.result(asking.send("the box", peer.image(GREY)))
    assert after.result.result.status == Status.SELECTED
    assert "selecting" in asking.stages


def test_goals_beyond_those_that_may_wait_are_rejected(
    peer: Peer, asking: Asking, models: LeftHalf
) -> None:
    models.gate.clear()
    handles = [asking.send("the box", peer.image(GREY))]
    peer.wait(models.waiting.is_set, "the first goal's turn")
    handles += [asking.send("the box", peer.image(GREY)) for _ in range(MAX_CALLS + 1)]
    assert [handle.accepted for handle in handles] == [True] * (MAX_CALLS + 1) + [False]
    assert "a goal is rejected: too many calls are waiting" in peer.figures()["message"]
    models.gate.set()
    for handle in handles[:-1]:
        assert asking.result(handle).status == GoalStatus.STATUS_SUCCEEDED
