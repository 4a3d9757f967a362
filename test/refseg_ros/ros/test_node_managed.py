# SPDX-License-Identifier: Apache-2.0
"""The life cycle of the segmenter node: who decides when it loads, listens and ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.action", reason="the messages are not built")

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.parameter import Parameter
from ros_bench import GREY, Bench, LeftHalf, show
from ros_peer import NAMESPACE, Peer

from refseg_ros.errors import WeightsError
from refseg_ros.results import Status
from refseg_ros.ros.segmenter_node import SegmenterNode

pytestmark = pytest.mark.usefixtures("ros")


class Files:
    """Weights that can be missing."""

    def __init__(self, models: LeftHalf) -> None:
        self.models = models
        self.missing = False
        self.loads = self.loading = self.at_once = 0
        self.gate = threading.Event()
        self.gate.set()

    def load(self, config: Any, device: str) -> Any:
        self.loads += 1
        self.loading += 1
        self.at_once = max(self.at_once, self.loading)
        assert self.gate.wait(20)
        self.loading -= 1
        if self.missing:
            raise WeightsError("sam: no such file")
        return self.models


@pytest.fixture
def files(models: LeftHalf) -> Files:
    return Files(models)


@pytest.fixture
def managed(ros: None, files: Files) -> Iterator[Peer]:
    """The node as a manager finds it: not configured."""
    bench = Bench(files.load, autostart=False)
    yield bench.peer
    bench.close()


def call(peer: Peer, kind: Any, name: str, request: Any) -> Any:
    client = peer.node.create_client(kind, f"refseg/{name}")
    peer.wait(client.service_is_ready, name)
    future = client.call_async(request)
    answer = peer.wait(future.result, f"the answer of {name}", 5)
    peer.node.destroy_client(client)
    return answer


def change(peer: Peer, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(call(peer, ChangeState, "change_state", request).success)


def state(peer: Peer) -> int:
    return int(call(peer, GetState, "get_state", GetState.Request()).current_state.id)


def start(peer: Peer) -> None:
    assert change(peer, Transition.TRANSITION_CONFIGURE)
    assert change(peer, Transition.TRANSITION_ACTIVATE)
    peer.wait_until_connected()


def test_by_default_it_starts_itself(peer: Peer) -> None:
    assert state(peer) == State.PRIMARY_STATE_ACTIVE
    peer.wait(lambda: peer.figures()["level"] == 0, "the models")


def test_without_autostart_it_waits_and_says_so(managed: Peer, files: Files) -> None:
    assert state(managed) == State.PRIMARY_STATE_UNCONFIGURED
    figures = managed.figures()
    assert figures["level"] == 1
    assert f"ros2 lifecycle set {NAMESPACE}/refseg configure" in figures["message"]
    assert files.loads == 0
    response = managed.call("the box", managed.image(GREY))
    assert (response.success, "activate" in response.message) == (False, True)
    assert change(managed, Transition.TRANSITION_CONFIGURE)
    assert state(managed) == State.PRIMARY_STATE_INACTIVE
    managed.wait(lambda: files.loads == 1, "the models")
    assert f"ros2 lifecycle set {NAMESPACE}/refseg activate" in managed.figures()["message"]
    assert not managed.call("the box", managed.image(GREY)).success


def test_inactive_it_hears_and_says_nothing(managed: Peer, files: Files) -> None:
    start(managed)
    show(managed, managed.image(GREY))
    assert managed.ask("the box")[0].status == Status.SELECTED
    assert change(managed, Transition.TRANSITION_DEACTIVATE)
    managed.wait(lambda: managed.node.count_subscribers("image") == 0, "the end of it")
    managed.heard["result"].clear()
    managed.say("the box")
    managed.send(managed.image(GREY))
    managed.spin(0.5)
    assert managed.heard["result"] == []
    # The same models go on, and the command of before is over.
    assert change(managed, Transition.TRANSITION_ACTIVATE)
    managed.wait_until_connected()
    show(managed, managed.image(GREY))
    assert managed.figures()["command"] == ""
    assert managed.ask("the left half")[0].status == Status.SELECTED
    assert files.loads == 1


def test_what_waits_when_it_is_deactivated_is_told(managed: Peer, models: LeftHalf) -> None:
    start(managed)
    show(managed, managed.image(GREY))
    models.gate.clear()
    managed.say("the box")
    managed.wait(models.waiting.is_set, "the observation")
    pending = managed.begin_call("the left half", managed.image(GREY))
    managed.spin(0.3)
    assert change(managed, Transition.TRANSITION_DEACTIVATE)
    response = managed.wait(pending.result, "the refusal")
    assert (response.success, "not active" in response.message) == (False, True)
    results = managed.wait(lambda: managed.heard["result"], "the command's end")
    assert [(item.command, item.status) for item in results] == [("the box", Status.IDLE)]
    # What was at work is thrown away.
    models.gate.set()
    managed.spin(0.5)
    assert len(managed.heard["result"]) == 1
    assert managed.heard["mask"] == []


def test_models_that_are_missing_can_be_put_there(managed: Peer, files: Files) -> None:
    files.missing = True
    assert change(managed, Transition.TRANSITION_CONFIGURE)
    change(managed, Transition.TRANSITION_ACTIVATE)
    deadline = time.monotonic() + 10
    while state(managed) != State.PRIMARY_STATE_UNCONFIGURED:
        assert time.monotonic() < deadline
    figures = managed.figures()
    assert figures["level"] == 2
    assert "sam: no such file" in figures["message"]
    files.missing = False
    start(managed)
    show(managed, managed.image(GREY))
    assert managed.ask("the box")[0].status == Status.SELECTED
    assert managed.figures()["level"] == 0


def test_an_activation_while_loading_fails_hides_no_failure(ros: None, files: Files) -> None:
    files.missing = True
    bench = Bench(files.load, autostart=False)
    health = bench.node._health
    failed = health.failed

    def activated_meanwhile(text: str) -> None:
        failed(text)
        health.failure = ""  # as an activation does at that moment

    health.failed = activated_meanwhile
    try:
        peer = bench.peer
        assert change(peer, Transition.TRANSITION_CONFIGURE)
        peer.wait(lambda: "sam: no such file" in peer.figures()["message"], "the failure", 20)
        assert state(peer) == State.PRIMARY_STATE_UNCONFIGURED
    finally:
        bench.close()


def test_cleaned_up_it_loads_anew(managed: Peer, files: Files) -> None:
    start(managed)
    assert change(managed, Transition.TRANSITION_DEACTIVATE)
    assert change(managed, Transition.TRANSITION_CLEANUP)
    assert managed.figures()["model"] == "loading"
    start(managed)
    show(managed, managed.image(GREY))
    assert managed.ask("the box")[0].status == Status.SELECTED
    assert files.loads == 2


def test_an_impossible_transition_is_refused_and_survived(peer: Peer) -> None:
    assert not change(peer, Transition.TRANSITION_ACTIVATE)
    assert not change(peer, Transition.TRANSITION_CLEANUP)
    assert not change(peer, 99)
    show(peer, peer.image(GREY))
    assert peer.ask("the box")[0].status == Status.SELECTED


def test_an_activation_that_fails_is_undone_and_names_its_cause(
    ros: None, models: LeftHalf
) -> None:
    name = f"qos_overrides.{NAMESPACE}/camera_info.subscription.reliability"
    bench = Bench(lambda *_: models, autostart=False, **{name: "sometimes"})
    peer = bench.peer
    try:
        assert change(peer, Transition.TRANSITION_CONFIGURE)
        for _ in range(2):
            assert not change(peer, Transition.TRANSITION_ACTIVATE)
            assert state(peer) == State.PRIMARY_STATE_INACTIVE
            assert bench.node._inputs._subscriptions == []
            peer.wait(lambda: peer.node.count_subscribers("image") == 0, "the end of it")
            assert "not active" in peer.call("the box", peer.image(GREY)).message
        figures = peer.figures()
        assert figures["level"] == 2
        assert f"cannot be activated: qos_overrides.{NAMESPACE}/camera_info" in figures["message"]
        assert "`sometimes`" in figures["message"]
        assert change(peer, Transition.TRANSITION_CLEANUP)
        assert "not active" in peer.call("the box", peer.image(GREY)).message
        assert bench.node.exit_code is None
    finally:
        bench.close()


def test_an_activation_that_fails_ends_what_starts_itself(ros: None, models: LeftHalf) -> None:
    name = f"qos_overrides.{NAMESPACE}/command.subscription.history"
    overrides = [Parameter(name, value="now and then")]
    node = SegmenterNode(lambda *_: models, parameter_overrides=overrides)
    try:
        assert node.exit_code == 1
    finally:
        assert any(node.close() for _ in range(60))
        node.destroy_node()


def test_a_transition_that_breaks_leaves_nothing_that_answers(
    managed: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of order")

    start(managed)
    monkeypatch.setattr("refseg_ros.ros.segmenter_node.SegmenterNode._forget", broken)
    assert not change(managed, Transition.TRANSITION_DEACTIVATE)
    monkeypatch.undo()
    assert state(managed) in (State.PRIMARY_STATE_UNCONFIGURED, State.PRIMARY_STATE_FINALIZED)
    assert "not active" in managed.call("the box", managed.image(GREY)).message
    managed.wait(lambda: managed.node.count_subscribers("image") == 0, "the end of it")


def test_all_calls_are_told_when_it_is_deactivated(managed: Peer, models: LeftHalf) -> None:
    start(managed)
    managed.wait(lambda: managed.figures()["model"] != "loading", "the models")
    models.gate.clear()
    pending = [managed.begin_call("the box", managed.image(GREY)) for _ in range(6)]
    managed.wait(models.waiting.is_set, "the observation")
    managed.spin(0.3)
    began = time.monotonic()
    assert change(managed, Transition.TRANSITION_DEACTIVATE)
    assert change(managed, Transition.TRANSITION_CLEANUP)
    for future in pending:  # the one at work too
        assert "not active" in managed.wait(future.result, "the refusal", 5).message
    assert time.monotonic() - began < 5
    models.gate.set()


def test_what_is_cleaned_up_before_its_turn_to_load_is_not_loaded(
    managed: Peer, files: Files
) -> None:
    files.gate.clear()
    for _ in range(5):
        assert change(managed, Transition.TRANSITION_CONFIGURE)
        assert change(managed, Transition.TRANSITION_CLEANUP)
    start(managed)
    files.gate.set()
    show(managed, managed.image(GREY))
    assert managed.ask("the box")[0].status == Status.SELECTED
    assert files.loads == 2  # the first, which had begun, and the last
    assert files.at_once == 1


def test_shut_down_it_ends_the_process(bench: Bench, peer: Peer) -> None:
    assert change(peer, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert bench.node.exit_code == 0
