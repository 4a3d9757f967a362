# SPDX-License-Identifier: Apache-2.0
"""The segmenter node around a hand-made segmenter: order, failures, time-outs and depth.

The models' part is in test_node_process.py; here their answers are known in advance.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.msg", reason="the messages are not built")

from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from ros_peer import NAMESPACE, Peer, ros_domain
from sensor_msgs.msg import CameraInfo, Image
from visualization_msgs.msg import Marker, MarkerArray

from refseg_ros.errors import WeightsError
from refseg_ros.results import Candidate, Proposals, Selection, Status
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import to_image
from refseg_ros.ros.segmenter_node import SegmenterNode
from refseg_ros.ros.worker import MAX_CALLS

GREY = np.full((20, 30, 3), 90, np.uint8)
BOX = (slice(5, 15), slice(10, 20))


class LeftHalf:
    """Finds the left half of any image, and a box that lies over both halves."""

    description = "hand-made"

    def __init__(self) -> None:
        self.observed = 0
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Event()

    def observe(self, image: Any) -> Any:
        self.waiting.set()
        assert self.gate.wait(20)
        self.observed += 1
        masks = np.zeros((2, *image.shape[:2]), np.bool_)
        masks[0, :, : image.shape[1] // 2] = True
        masks[1, BOX[0], BOX[1]] = True
        proposals = Proposals(masks, np.ones(2, np.float32))
        return SimpleNamespace(
            image=image,
            proposals=proposals,
            seconds={"proposals": 0.25, "total": 0.5},
            select=lambda text: self.select(proposals, text),
        )

    def select(self, proposals: Proposals, text: str) -> Selection:
        if text == "fail":
            raise RuntimeError("the models fell over")
        index = 1 if text == "the box" else 0
        candidates = tuple(
            Candidate(
                k, share, {"V": 20.0 + k}, k == index, proposals.boxes[k], int(proposals.areas[k])
            )
            for k, share in ((index, 0.75), (1 - index, 0.25))
        )
        return Selection(
            text,
            Status.SELECTED,
            "it was said to be so",
            proposals.masks[index],
            proposals.boxes[index],
            0.75,
            0.5,
            index,
            candidates,
            {"total": 0.001},
        )


class Bench:
    """The node and a peer on one executor."""

    def __init__(self, load: Callable[[str, str], Any]) -> None:
        self.executor = SingleThreadedExecutor()
        self.node = SegmenterNode(load)
        self.executor.add_node(self.node)
        self.peer = Peer(self.executor)
        self.peer.wait_until_connected()

    def close(self) -> None:
        assert self.node.close()
        self.peer.node.destroy_node()
        self.node.destroy_node()


@pytest.fixture(scope="module", autouse=True)
def ros() -> Iterator[None]:
    with ros_domain(["--ros-args", "-r", f"__ns:={NAMESPACE}"]):
        yield


@pytest.fixture
def models() -> LeftHalf:
    return LeftHalf()


@pytest.fixture
def bench(models: LeftHalf) -> Iterator[Bench]:
    bench = Bench(lambda preset, device: models)
    yield bench
    models.gate.set()
    bench.close()


@pytest.fixture
def peer(bench: Bench) -> Peer:
    return bench.peer


def show(peer: Peer, image: Image) -> Image:
    before = int(peer.figures()["frames received"])
    peer.send(image)
    peer.wait(lambda: int(peer.figures()["frames received"]) > before, "the frame")
    return image


def test_an_answer_is_complete(peer: Peer) -> None:
    image = show(peer, peer.image(GREY))
    result, mask = peer.ask("the box")
    assert mask is not None
    assert result.header == mask.header == image.header
    assert (result.status, result.target_id, result.area) == (Status.SELECTED, 2, 100)
    assert (result.score, result.margin) == (0.75, 0.5)
    roi = result.roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (10, 5, 10, 10)
    assert (result.observe_ms, result.select_ms) == (500.0, 1.0)
    assert (result.stage_names, list(result.stage_ms)) == (["proposals"], [250.0])
    assert [(item.id, item.eligible) for item in result.candidates] == [(2, True), (1, False)]
    assert result.candidates[0].term_names == ["V"]
    assert list(result.candidates[0].term_values) == [21.0]
    labels = peer.wait(lambda: peer.heard["label_image"], "the labels")[-1]
    expected = np.zeros((20, 30), np.uint16)
    expected[:, :15] = 1
    expected[BOX] = 2
    np.testing.assert_array_equal(np.frombuffer(labels.data, np.uint16).reshape(20, 30), expected)
    assert labels.header == image.header


def test_a_command_waits_for_the_first_frame(peer: Peer, models: LeftHalf) -> None:
    peer.say("the box")
    peer.spin(0.3)
    assert peer.heard["result"] == []
    image = peer.send(peer.image(GREY))
    result = peer.wait(lambda: peer.heard["result"], "the result")[-1]
    assert (result.command, result.header) == ("the box", image.header)
    assert models.observed == 1


def test_the_newest_command_wins_and_none_is_lost(peer: Peer, models: LeftHalf) -> None:
    for text in ("one", "two", "the box"):
        peer.say(text)
    peer.wait(lambda: len(peer.heard["result"]) == 2, "two replaced commands")
    peer.send(peer.image(GREY))
    peer.wait(lambda: len(peer.heard["result"]) == 3, "the answer")
    answers = [(item.command, item.status) for item in peer.heard["result"]]
    assert answers == [
        ("one", Status.IDLE),
        ("two", Status.IDLE),
        ("the box", Status.SELECTED),
    ]
    assert "'two'" in peer.heard["result"][0].reason
    assert len(peer.wait(lambda: peer.heard["mask"], "the mask")) == 1


def test_a_command_that_comes_while_observing_is_the_one_answered(
    peer: Peer, models: LeftHalf
) -> None:
    show(peer, peer.image(GREY))
    models.gate.clear()
    peer.say("the left half")
    peer.wait(models.waiting.is_set, "the observation")
    peer.say("the box")
    peer.wait(lambda: peer.heard["result"], "the replaced command")
    models.gate.set()
    peer.wait(lambda: len(peer.heard["result"]) == 2, "the answer")
    assert [item.command for item in peer.heard["result"]] == ["the left half", "the box"]
    assert models.observed == 1


def test_clearing_while_observing_gives_no_mask(peer: Peer, models: LeftHalf) -> None:
    show(peer, peer.image(GREY))
    models.gate.clear()
    peer.say("the box")
    peer.wait(models.waiting.is_set, "the observation")
    peer.say("")
    peer.spin(0.2)
    models.gate.set()
    peer.wait(lambda: len(peer.heard["result"]) == 2, "the answer")
    assert [item.status for item in peer.heard["result"]] == [Status.IDLE, Status.IDLE]
    mask = peer.wait(lambda: peer.heard["mask"], "the mask")[-1]
    assert not any(mask.data)


def test_a_failure_of_the_models_is_told_and_survived(peer: Peer) -> None:
    image = show(peer, peer.image(GREY))
    result, mask = peer.ask("fail")
    assert (result.status, result.reason) == (Status.ERROR, "the models fell over")
    assert result.header == image.header
    assert mask is not None
    assert not any(mask.data)
    assert peer.figures()["last error"] == "the models fell over"
    result, _ = peer.ask("the box")
    assert result.status == Status.SELECTED
    response = peer.call("fail")
    assert (response.success, response.message) == (False, "the models fell over")


def test_continuous_mode_looks_before_it_is_asked(
    bench: Bench, peer: Peer, models: LeftHalf
) -> None:
    bench.node.set_parameters([Parameter("mode", value="continuous")])
    peer.send(peer.image(GREY))
    peer.wait(lambda: models.observed == 1, "the observation")
    peer.wait(lambda: peer.heard["label_image"], "the labels")
    assert peer.heard["result"] == []
    result, _ = peer.ask("the box")
    assert result.reused_observation
    # A call looks at the new view first: the stream still answers about it.
    models.gate.clear()
    image = peer.send(peer.image(GREY + 50))
    peer.wait(lambda: models.waiting.is_set(), "the observation")
    peer.heard["result"].clear()
    models.gate.set()
    again = peer.wait(lambda: peer.heard["result"], "the answer about the new view")[-1]
    assert (again.command, again.header) == ("the box", image.header)
    assert models.observed == 2


def test_an_unchanged_view_is_observed_again_after_the_period(
    bench: Bench, peer: Peer, models: LeftHalf
) -> None:
    bench.node.set_parameters([Parameter("mode", value="continuous")])
    bench.node.set_parameters([Parameter("keyframe_period", value=0.2)])
    for _ in range(4):
        peer.send(peer.image(GREY))
        peer.spin(0.15)
    assert 2 <= models.observed <= 3


def test_calls_that_wait_too_long_are_told(bench: Bench, peer: Peer, models: LeftHalf) -> None:
    bench.node.set_parameters([Parameter("service_timeout", value=0.3)])
    models.gate.clear()
    response = peer.call("the box", peer.image(GREY))
    assert not response.success
    assert "in time" in response.message
    assert response.result.status == Status.ERROR
    models.gate.set()
    bench.node.set_parameters([Parameter("service_timeout", value=20.0)])
    assert peer.call("the box", peer.image(GREY)).success


def test_too_many_calls_are_refused_not_lost(peer: Peer, models: LeftHalf) -> None:
    models.gate.clear()
    images = [peer.image(GREY) for _ in range(MAX_CALLS + 4)]
    pending = [peer.begin_call("the box", image) for image in images]
    peer.wait(lambda: sum(item.done() for item in pending) >= 3, "refusals")
    models.gate.set()
    peer.wait(lambda: all(item.done() for item in pending), "all answers")
    responses = [item.result() for item in pending]
    # One may be at work while the others wait.
    assert sum(item.success for item in responses) in (MAX_CALLS, MAX_CALLS + 1)
    assert {item.message for item in responses if not item.success} == {
        "too many calls wait already; call again later"
    }
    headers = [item.result.header.stamp for item in responses if item.success]
    assert headers == [image.header.stamp for image in images[: len(headers)]]


def test_a_call_without_any_image(peer: Peer) -> None:
    response = peer.call("the box")
    assert not response.success
    assert "no image" in response.message


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


def test_depth_gives_distance_pose_and_markers(peer: Peer) -> None:
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
    pose = peer.wait(lambda: peer.heard["target"], "the target")[-1]
    assert pose.header == image.header
    position = pose.pose.position
    assert (position.x, position.y, position.z) == pytest.approx((0.0, 0.01, 1.0), abs=1e-6)
    markers = peer.wait(lambda: peer.heard["markers"], "the markers")[-1].markers
    assert [marker.type for marker in markers] == [Marker.CUBE, Marker.TEXT_VIEW_FACING]
    assert "the box" in markers[1].text
    peer.heard["markers"].clear()
    peer.ask("")
    removed = peer.wait(lambda: peer.heard["markers"], "their removal")[-1].markers
    assert [marker.action for marker in removed] == [Marker.DELETEALL]


def test_depth_of_another_time_is_not_used(peer: Peer) -> None:
    camera = RgbD(peer)
    image = peer.image(GREY)
    camera.send(image, np.ones((20, 30)), delay_ns=80_000_000)
    show(peer, image)
    result, _ = peer.ask("the box")
    assert np.isnan(result.distance)
    assert peer.heard["target"] == []
    assert "within 0.05 s" in peer.figures()["message"]


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


def test_missing_weights_end_the_process_with_one() -> None:
    def load(preset: str, device: str) -> Any:
        raise WeightsError("clip: no such file")

    bench = Bench(load)
    bench.peer.wait(lambda: bench.node.exit_code == 1, "the exit code")
    bench.close()
