# SPDX-License-Identifier: Apache-2.0
"""Whose left and right commands mean: the camera's, or those of a frame of the robot."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.msg", reason="the messages are not built")

from geometry_msgs.msg import TransformStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from ros_bench import GREY, Bench, LeftHalf, show
from ros_peer import FRAME_ID, Peer
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from refseg_ros.results import Status
from refseg_ros.ros import qos
from refseg_ros.ros.frames import FrameError, Tf2Transforms

pytestmark = pytest.mark.usefixtures("ros")

HAS_TF2 = importlib.util.find_spec("tf2_ros") is not None
DOWN = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""A camera that looks straight down, the top of its picture forward."""


class Hung:
    """Rotations that are known in advance, or not known."""

    def __init__(self) -> None:
        self.known: np.ndarray | None = DOWN
        self.asked: list[tuple[str, str, int]] = []

    def transform(self, target: str, header: Any, wait: float) -> tuple[np.ndarray, np.ndarray]:
        self.asked.append((target, header.frame_id, header.stamp.sec))
        if self.known is None:
            raise FrameError("two trees that are not connected")
        return self.known, np.array([0.1, 0.2, 0.9])

    def forget(self) -> None:
        """What is known does not move."""


@pytest.fixture
def hung() -> Hung:
    return Hung()


@pytest.fixture
def bench(ros: None, models: LeftHalf, hung: Hung) -> Iterator[Bench]:
    bench = Bench(lambda preset, device: models, transforms=lambda node: hung)
    yield bench
    bench.close()


def calibrate(peer: Peer, bench: Bench) -> None:
    """Publish a calibration until the node has it."""
    publisher = peer.node.create_publisher(CameraInfo, "camera_info", qos.CAMERA)
    peer.wait(publisher.get_subscription_count, "the subscription to camera_info")
    info = CameraInfo(height=20, width=30)
    info.k = [50.0, 0.0, 14.5, 0.0, 50.0, 9.5, 0.0, 0.0, 1.0]
    publisher.publish(info)
    store = bench.node._depth
    peer.wait(lambda: store.intrinsics((20, 30), Header())[0] is not None, "camera_info")


def set_frame(bench: Bench, name: str) -> None:
    (result,) = bench.node.set_parameters([Parameter("reference_frame", value=name)])
    assert result.successful


def test_the_cameras_left_needs_nothing(peer: Peer, bench: Bench, models: LeftHalf) -> None:
    show(peer, peer.image(GREY))
    assert peer.ask("the left half")[0].status == Status.SELECTED
    set_frame(bench, FRAME_ID)
    assert peer.ask("the left half")[0].status == Status.SELECTED
    assert models.measured == []
    assert peer.figures()["left and right of"] == FRAME_ID


def test_a_frame_is_looked_up_at_the_stamp_of_the_image(
    peer: Peer, bench: Bench, models: LeftHalf, hung: Hung
) -> None:
    calibrate(peer, bench)
    set_frame(bench, "base_link")
    image = show(peer, peer.image(GREY))
    assert peer.ask("the left half")[0].status == Status.SELECTED
    assert hung.asked[-1] == ("base_link", FRAME_ID, image.header.stamp.sec)
    assert [found.frame for found in models.viewpoints] == ["base_link"]
    assert models.measured[0][0] is None
    assert models.measured[0][1][0].tolist() == [50.0, 0.0, 14.5]
    # The same view from the same side is not measured anew, but from another side it is.
    peer.ask("the right half")
    assert len(models.viewpoints) == 1
    hung.known = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).T @ DOWN
    peer.ask("the left half")
    assert len(models.viewpoints) == 2
    assert models.viewpoints[1].right == pytest.approx(hung.known[1] * -1)
    set_frame(bench, "")
    peer.ask("the left half")
    assert models.viewpoints[2] is None
    assert models.observed == 1


def test_without_the_frame_nobody_guesses_at_left(
    peer: Peer, bench: Bench, models: LeftHalf, hung: Hung
) -> None:
    set_frame(bench, "base_link")
    show(peer, peer.image(GREY))
    result, _ = peer.ask("the left half", has_mask=False)
    assert result.status == Status.ERROR
    assert result.reason == "reference_frame base_link: there is no camera_info"
    calibrate(peer, bench)
    hung.known = None
    result, _ = peer.ask("the half left of the box", has_mask=False)
    assert result.status == Status.ERROR
    assert result.reason == "reference_frame base_link: two trees that are not connected"
    assert result.reason in peer.figures()["message"]
    assert peer.call("the left half").result.status == Status.ERROR
    # What has no side is found all the same, and so is what is said of the picture.
    assert peer.ask("the box")[0].status == Status.SELECTED
    assert peer.ask("the left half of the picture")[0].status == Status.SELECTED
    assert models.viewpoints == []
    hung.known = DOWN
    assert peer.ask("the left half")[0].status == Status.SELECTED
    assert "reference_frame" not in peer.figures()["message"]


def test_a_frame_that_sees_no_table_is_a_problem(peer: Peer, bench: Bench, hung: Hung) -> None:
    calibrate(peer, bench)
    set_frame(bench, "ceiling")
    hung.known = np.diag([1.0, -1.0, -1.0]) @ DOWN
    show(peer, peer.image(GREY))
    result, _ = peer.ask("the left half", has_mask=False)
    assert result.status == Status.ERROR
    assert "the camera does not look down in this frame" in result.reason


def test_an_image_sent_along_is_seen_from_the_frame_too(
    peer: Peer, bench: Bench, models: LeftHalf, hung: Hung
) -> None:
    calibrate(peer, bench)
    set_frame(bench, "base_link")
    image = peer.image(GREY)
    assert peer.call("the left half", image).result.status == Status.SELECTED
    assert models.viewpoints[-1].frame == "base_link"
    image.header.frame_id = ""
    response = peer.call("the left half", image)
    assert not response.success
    assert response.message == "reference_frame base_link: the image's header names no frame"


@pytest.mark.skipif(HAS_TF2, reason="tf2_ros is installed here")
def test_without_tf2_it_is_said(ros: None, models: LeftHalf) -> None:
    bench = Bench(lambda preset, device: models, reference_frame="base_link")
    try:
        show(bench.peer, bench.peer.image(GREY))
        result, _ = bench.peer.ask("the left half", has_mask=False)
        assert result.status == Status.ERROR
        assert "reference_frame base_link: tf2_ros is not installed" in result.reason
        assert bench.peer.ask("the box")[0].status == Status.SELECTED
    finally:
        bench.close()


@pytest.mark.skipif(not HAS_TF2, reason="tf2_ros is not installed (it is not on pip)")
def test_a_static_transform_is_found(ros: None) -> None:
    from tf2_ros import StaticTransformBroadcaster

    node = Node("frames")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    transforms = Tf2Transforms(node)
    message = TransformStamped(header=Header(frame_id="base_link"), child_frame_id="camera")
    half = float(np.sqrt(0.5))
    # Turned about the axis between x and -y by half a turn: as `DOWN`.
    message.transform.rotation.x, message.transform.rotation.y = half, -half
    message.transform.rotation.w = 0.0
    StaticTransformBroadcaster(node).sendTransform(message)
    deadline = time.monotonic() + 20
    found = None
    while found is None and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.05)
        try:
            found, _ = transforms.transform("base_link", Header(frame_id="camera"), 0.1)
        except FrameError:
            continue
    assert found == pytest.approx(DOWN)
    with pytest.raises(FrameError, match="nowhere"):
        transforms.transform("nowhere", Header(frame_id="camera"), 0.1)
    node.destroy_node()
