# SPDX-License-Identifier: Apache-2.0
"""Answers are of the present: stamp, depth and transforms of the newest frame of a view."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.msg", reason="the messages are not built")

from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from lifecycle_msgs.msg import Transition
from ros_bench import BOX, GREY, Bench, LeftHalf, show
from ros_peer import FRAME_ID, Peer
from rosgraph_msgs.msg import Clock
from test_node_depth import RgbD
from test_node_managed import change
from test_node_space import PICTURE, Camera, Tower, vector

from refseg_ros.results import Status
from refseg_ros.ros import qos
from refseg_ros.ros.frames import FrameError

pytestmark = pytest.mark.usefixtures("ros")

HAS_TF2 = importlib.util.find_spec("tf2_ros") is not None
CACHE_SECONDS = 10


class MovingChain:
    """A camera that moves by 1 cm a second, as tf2 knows it: for ten seconds, up to now."""

    def __init__(self) -> None:
        self.now = 0.0
        self.connections = 0

    def connect(self, node: Any) -> MovingChain:
        self.connections += 1
        return self

    def transform(self, target: str, header: Any, wait: float) -> tuple[np.ndarray, np.ndarray]:
        stamp = header.stamp.sec + header.stamp.nanosec / 1e9
        if stamp > self.now:
            raise FrameError(f"extrapolation into the future: {stamp} of {self.now}")
        if stamp < self.now - CACHE_SECONDS:
            raise FrameError(f"extrapolation into the past: {stamp} of {self.now}")
        return np.eye(3), np.array([0.01 * int(stamp), 0.0, 0.0])

    def forget(self) -> None:
        self.now = 0.0


@pytest.fixture
def chain() -> MovingChain:
    return MovingChain()


@pytest.fixture
def camera(ros: None, chain: MovingChain) -> Iterator[Camera]:
    models = Tower()
    bench = Bench(lambda *_: models, transforms=chain.connect, target_frame="base_link")
    yield Camera(bench)
    models.gate.set()
    bench.close()


def ask_at(camera: Camera, chain: MovingChain, second: int) -> Any:
    """The answer about an unchanged view, seen again at a moment."""
    camera.peer._stamp = second - 1
    chain.now = second + 0.5
    return camera.answer(pixels=PICTURE)


# ------------------------------------------------------------------- the newest frame


def test_a_view_that_is_known_is_answered_with_the_newest_header(
    peer: Peer, models: LeftHalf
) -> None:
    show(peer, peer.image(GREY))
    assert not peer.ask("the box")[0].reused_observation
    for text in ("the box", "the left half"):
        peer._stamp += 400
        newest = show(peer, peer.image(GREY + 1))
        result, mask = peer.ask(text)
        assert result.reused_observation
        assert result.header == newest.header
        assert mask is not None
        assert mask.header == newest.header
        drawn = peer.heard["overlay"]
        peer.wait(lambda: drawn and drawn[-1].header == newest.header, "the overlay")  # noqa: B023
        assert peer.call(text).result.header == newest.header
    assert models.observed == 1


def test_the_depth_is_that_of_the_newest_frame(peer: Peer, models: LeftHalf) -> None:
    camera = RgbD(peer)
    for metres in (3.0, 1.0, 2.0):
        image = peer.image(GREY)
        camera.send(image, np.full((20, 30), metres))
        show(peer, image)
        result = peer.ask("the box")[0]
        assert result.header == image.header
        assert result.distance == pytest.approx(metres, abs=0.01)
    assert models.observed == 1


def test_depth_that_comes_just_after_its_image_is_waited_for(peer: Peer) -> None:
    camera = RgbD(peer)
    first = peer.image(GREY)
    camera.send(first, np.full((20, 30), 3.0))
    show(peer, first)
    peer.ask("the box")
    late = peer.image(GREY)
    camera.send(first, np.full((20, 30), 3.0))  # the stream goes on
    peer.send(late)
    peer.spin(0.05)
    peer.heard["result"].clear()
    peer.say("the box")
    peer.spin(0.03)
    camera.send(late, np.full((20, 30), 2.0))
    result = peer.wait(lambda: peer.heard["result"], "the result")[-1]
    assert (result.header, result.distance) == (late.header, pytest.approx(2.0, abs=0.01))


def test_a_view_first_seen_without_depth_is_measured_when_depth_comes(
    peer: Peer, models: LeftHalf
) -> None:
    camera = RgbD(peer)
    show(peer, peer.image(GREY))
    peer.ask("the box")
    assert models.measured == []
    metres = np.full((20, 30), 2.0)
    metres[BOX] = 1.0
    image = peer.image(GREY)
    camera.send(image, metres)
    show(peer, image)
    peer.ask("the box")
    ((depth, _),) = models.measured
    assert depth == pytest.approx(metres)
    assert models.observed == 1


def test_continuous_mode_answers_a_view_once(bench: Bench, peer: Peer) -> None:
    bench.set("mode", "continuous")
    show(peer, peer.image(GREY))
    peer.ask("the box")
    peer.heard["result"].clear()
    for _ in range(5):
        show(peer, peer.image(GREY))
    assert peer.heard["result"] == []


# -------------------------------------------------------- what does not outlive its time


def test_an_observation_does_not_survive_deactivation(peer: Peer, models: LeftHalf) -> None:
    camera = RgbD(peer)
    image = peer.image(GREY)
    camera.send(image, np.ones((20, 30)))
    show(peer, image)
    peer.ask("the box")
    assert change(peer, Transition.TRANSITION_DEACTIVATE)
    assert change(peer, Transition.TRANSITION_ACTIVATE)
    peer.wait_until_connected()
    show(peer, peer.image(GREY))
    result, _ = peer.ask("the box")
    assert not result.reused_observation
    assert models.observed == 2
    assert np.isnan(result.distance)


@pytest.mark.parametrize("second", [5, 5000])
def test_nothing_survives_a_jump_of_the_clock(
    camera: Camera, chain: MovingChain, second: int
) -> None:
    bench, peer = camera.bench, camera.peer
    publisher = peer.node.create_publisher(Clock, "/clock", qos.RESULT)
    bench.set("use_sim_time", True)
    peer.wait(publisher.get_subscription_count, "the clock's subscription")
    set_clock(bench, publisher, 1000)
    first = ask_at(camera, chain, 1000)
    assert first.has_pose
    set_clock(bench, publisher, second)
    assert chain.now == 0.0
    # No frame of the new time has come.
    assert "no image on" in peer.call("the tower").message
    chain.now = second + 0.5
    again = ask_at(camera, chain, second)
    assert again.header.stamp.sec == second
    assert not again.reused_observation
    assert again.has_pose, again.space_problem
    bench.set("use_sim_time", False)


def set_clock(bench: Bench, publisher: Any, second: int) -> None:
    """Publish a simulated time until the node has it."""
    publisher.publish(Clock(clock=Time(sec=second)))
    clock = bench.node.get_clock()
    bench.peer.wait(lambda: clock.now().nanoseconds == second * 10**9, "the clock")


# --------------------------------------------------------------------- frames that move


def test_transforms_are_listened_to_before_the_first_command(
    camera: Camera, chain: MovingChain
) -> None:
    assert chain.connections == 1


def test_transforms_are_listened_to_from_when_the_parameter_is_set(ros: None) -> None:
    chain = MovingChain()
    bench = Bench(lambda *_: LeftHalf(), transforms=chain.connect)
    try:
        assert chain.connections == 0
        bench.set("reference_frame", "base_link")
        assert chain.connections == 1
        bench.set("target_frame", "base_link")
        assert chain.connections == 1
    finally:
        bench.close()


def test_every_command_on_an_unchanged_view_has_the_pose_of_its_time(
    camera: Camera, chain: MovingChain
) -> None:
    lateral = []
    for second in (100, 104, 130, 500):
        result = ask_at(camera, chain, second)
        assert result.space_problem == ""
        assert (result.pose.header.frame_id, result.header.stamp.sec) == ("base_link", second)
        assert result.pose.header.stamp == result.header.stamp
        lateral.append(result.pose.pose.position.x)
    assert np.array(lateral) - lateral[0] == pytest.approx([0.0, 0.04, 0.3, 4.0], abs=1e-6)
    assert camera.bench.node._answering._looking._observer.last is not None


def test_the_transform_is_kept_while_the_models_look_for_longer_than_tf2_remembers(
    camera: Camera, chain: MovingChain
) -> None:
    bench = camera.bench
    models: Any = bench.node._answering.segmenter
    before = ask_at(camera, chain, 100)
    models.gate.clear()
    models.waiting.clear()

    def go_on() -> None:
        assert models.waiting.wait(20)
        chain.now += 2 * CACHE_SECONDS
        models.gate.set()

    threading.Thread(target=go_on, daemon=True).start()
    chain.now = 110.5
    camera.peer._stamp = 109
    result = camera.answer()
    assert result.space_problem == ""
    moved = np.array(vector(result.pose.pose.position)) - vector(before.pose.pose.position)
    assert moved == pytest.approx([0.1, 0.0, 0.0], abs=1e-6)


def test_a_transform_that_comes_after_the_image_is_waited_for(
    camera: Camera, chain: MovingChain
) -> None:
    ask_at(camera, chain, 100)

    class Late:
        """The chain, whose newest transform comes while one waits for it."""

        def transform(self, target: str, header: Any, wait: float) -> Any:
            if wait:
                chain.now = header.stamp.sec + 0.1
            return chain.transform(target, header, wait)

        def forget(self) -> None:
            chain.forget()

    camera.bench.node._connection._made = Late()
    camera.peer._stamp = 100
    assert camera.answer(pixels=PICTURE).has_pose


@pytest.mark.skipif(not HAS_TF2, reason="tf2_ros is not installed (it is not on pip)")
def test_tf2_with_a_chain_that_is_broadcast_fifty_times_a_second(ros: None) -> None:
    from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster

    models = Tower()
    bench = Bench(lambda *_: models, target_frame="base_link")
    try:
        camera = Camera(bench)
        node = camera.peer.node
        static, moving = StaticTransformBroadcaster(node), TransformBroadcaster(node)
        link = TransformStamped(child_frame_id=FRAME_ID)
        link.header.frame_id, link.transform.rotation.w = "wrist", 1.0
        static.sendTransform(link)

        def send() -> None:
            arm = TransformStamped(child_frame_id="wrist")
            arm.header.frame_id, arm.header.stamp = "base_link", node.get_clock().now().to_msg()
            arm.transform.rotation.w = 1.0
            moving.sendTransform(arm)

        node.create_timer(0.02, send)
        camera.peer.spin(0.5)
        for _ in range(4):
            camera.peer._stamp = node.get_clock().now().seconds_nanoseconds()[0] - 1
            result = camera.answer(pixels=PICTURE)
            assert result.space_problem == ""
            assert result.pose.header.frame_id == "base_link"
            assert result.status == Status.SELECTED
            camera.peer.spin(1.0)
        assert models.observed == 1
    finally:
        bench.close()
