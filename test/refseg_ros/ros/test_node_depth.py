# SPDX-License-Identifier: Apache-2.0
"""Which depth image belongs to a colour image, and the distance that it gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.msg", reason="the messages are not built")

from geometry_msgs.msg import PoseStamped
from ros_bench import BOX, GREY, LeftHalf, show
from ros_peer import Peer
from sensor_msgs.msg import CameraInfo, Image
from visualization_msgs.msg import MarkerArray

from refseg_ros.ros import qos
from refseg_ros.ros.conversions import to_image

pytestmark = pytest.mark.usefixtures("ros")


class RgbD:
    """Publishes depth and calibration beside the peer's images."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._depth = peer.node.create_publisher(Image, "depth", qos.CAMERA)
        self._info = peer.node.create_publisher(CameraInfo, "camera_info", qos.CAMERA)
        for kind, name in ((PoseStamped, "target"), (MarkerArray, "markers")):
            peer.listen(kind, f"refseg/{name}", name)
        peer.wait(
            lambda: (
                self._depth.get_subscription_count()
                and self._info.get_subscription_count()
                and peer.node.count_publishers("refseg/markers")
                and peer.node.count_publishers("refseg/target")
            ),
            "the depth subscriptions",
        )
        peer.spin(0.2)

    def send(self, image: Image, metres: Any, delay_ns: int = 0) -> None:
        info = CameraInfo(height=20, width=30)
        info.k = [50.0, 0.0, 14.5, 0.0, 50.0, 9.5, 0.0, 0.0, 1.0]
        self._info.publish(info)
        depth = to_image((metres * 1000).astype(np.uint16), "16UC1", image.header)
        header = type(image.header)(frame_id=image.header.frame_id)
        header.stamp.sec = image.header.stamp.sec
        header.stamp.nanosec = image.header.stamp.nanosec + delay_ns
        depth.header = header
        self._depth.publish(depth)
        self._peer.spin(0.2)


def test_what_is_observed_is_measured_by_its_depth_image(peer: Peer, models: LeftHalf) -> None:
    camera = RgbD(peer)
    metres = np.full((20, 30), 2.0)
    metres[BOX] = 1.0
    image = peer.image(GREY)
    camera.send(image, metres)
    show(peer, image)
    peer.ask("the box")
    ((depth, matrix),) = models.measured
    assert depth == pytest.approx(metres)
    assert matrix[0].tolist() == [50.0, 0.0, 14.5]
    peer.ask("the left half")  # the same view: not measured again
    assert len(models.measured) == 1


def test_depth_gives_a_distance_and_a_point(peer: Peer) -> None:
    camera = RgbD(peer)
    metres = np.full((20, 30), 2.0)
    metres[BOX] = 1.0
    metres[5, 10:20] = 0.0  # unknown
    image = peer.image(GREY)
    camera.send(image, metres)
    show(peer, image)
    result, _ = peer.ask("the box")
    # Rows 6 to 14 and columns 10 to 19 have a depth; their middle is (10, 14.5).
    assert result.distance == pytest.approx(np.hypot(1.0, 0.01), rel=1e-4)
    point = result.point
    assert (point.x, point.y, point.z) == pytest.approx((0.0, 0.01, 1.0), abs=1e-6)
    markers = peer.wait(lambda: peer.heard["markers"], "the markers")[-1].markers
    assert "the box" in markers[-1].text


def test_depth_of_another_time_is_not_used(peer: Peer) -> None:
    camera = RgbD(peer)
    image = peer.image(GREY)
    camera.send(image, np.ones((20, 30)), delay_ns=80_000_000)
    show(peer, image)
    result, _ = peer.ask("the box")
    assert np.isnan(result.distance)
    assert peer.heard["target"] == []
    assert "within 0.05 s" in peer.figures()["message"]


def test_of_depth_images_with_one_stamp_the_newest_counts(peer: Peer) -> None:
    camera = RgbD(peer)
    image = peer.image(GREY)
    camera.send(image, np.full((20, 30), 3.0))
    show(peer, image)
    assert peer.ask("the box")[0].distance == pytest.approx(3.0, abs=0.01)
    camera.send(image, np.ones((20, 30)))
    assert peer.ask("the box")[0].distance == pytest.approx(1.0, abs=0.01)


def test_depth_that_comes_while_observing_is_used(peer: Peer, models: LeftHalf) -> None:
    camera = RgbD(peer)
    models.gate.clear()
    image = show(peer, peer.image(GREY))
    peer.say("the box")
    peer.wait(models.waiting.is_set, "the observation")
    camera.send(image, np.ones((20, 30)), delay_ns=30_000_000)
    for later in range(1, 12):  # more than are kept besides
        other = peer.image(GREY)
        other.header.stamp.sec += 100 + later
        camera.send(other, np.full((20, 30), 5.0))
    models.gate.set()
    result = peer.wait(lambda: peer.heard["result"], "the result")[-1]
    assert result.distance == pytest.approx(1.0, abs=0.01)


def test_a_replaced_command_leaves_the_markers_alone(peer: Peer) -> None:
    RgbD(peer)
    peer.say("one")
    peer.say("two")
    peer.wait(lambda: peer.heard["result"], "the replaced command")
    peer.spin(0.3)
    assert [item.command for item in peer.heard["result"]] == ["one"]
    assert peer.heard["markers"] == []
