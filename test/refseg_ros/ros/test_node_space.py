# SPDX-License-Identifier: Apache-2.0
"""Where the target is: pose, size, height, cloud and markers, from depth of every kind."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkout import ROOT

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.msg", reason="the messages are not built")

import table_rays
from geometry_msgs.msg import PoseStamped
from ros_bench import Bench, LeftHalf
from ros_peer import FRAME_ID, NAMESPACE
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from visualization_msgs.msg import Marker, MarkerArray

from refseg_ros.results import Proposals, Status
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import to_image
from refseg_ros.ros.frames import FrameError

pytestmark = pytest.mark.usefixtures("ros")

METRES, MASKS = table_rays.rendered()
TOWER = 2  # 6 cm wide and deep, 16 cm tall, 0.15 m to the right of the camera
PICTURE = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
TURN = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
SHIFT = np.array([0.1, -0.2, 0.6])


def on_the_tower(metres: float) -> np.ndarray:
    """The depth image with one depth wherever the tower is seen."""
    return np.where(MASKS.masks[TOWER], metres, METRES)


class Tower(LeftHalf):
    """Finds the tower on the table, whatever it is asked."""

    def observe(self, image: Any) -> Any:
        scene = super().observe(image)
        scene.proposals = Proposals(MASKS.masks[[TOWER, 0]], np.ones(2, np.float32))
        scene.resolve = lambda said, context=None: self.select(scene.proposals, said.text)
        return scene


class Known:
    """Transforms of one frame."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []

    def forget(self) -> None:
        """What is known does not move."""

    def transform(self, target: str, header: Any, wait: float) -> tuple[np.ndarray, np.ndarray]:
        self.asked.append((target, header.frame_id, header.stamp.sec))
        if target != "base_link":
            raise FrameError("two trees that are not connected")
        return TURN, SHIFT


class Camera:
    """Sends a picture, its depth and a calibration, and asks for the tower."""

    def __init__(self, bench: Bench) -> None:
        self.peer = bench.peer
        node = self.peer.node
        self._depth = node.create_publisher(Image, "depth", qos.CAMERA)
        self._info = node.create_publisher(CameraInfo, "camera_info", qos.CAMERA)
        self.bench = bench
        for kind, name in ((PoseStamped, "target"), (MarkerArray, "markers")):
            self.peer.listen(kind, f"refseg/{name}", name)
        self.peer.wait(
            lambda: (
                self._depth.get_subscription_count()
                and self._info.get_subscription_count()
                and node.count_publishers("refseg/markers")
                and node.count_publishers("refseg/target")
            ),
            "the depth subscriptions",
        )

    def answer(
        self,
        metres: np.ndarray | None = METRES,
        encoding: str = "32FC1",
        size: tuple[int, int] = (240, 320),
        late: float = 0.0,
        pixels: np.ndarray | None = None,
        depth_frame: str = FRAME_ID,
        **calibration: Any,
    ) -> Any:
        """The result of the next picture: another each time, unless it is given."""
        image = self.peer.image(
            np.roll(PICTURE, self.peer._stamp * 40, 1) if pixels is None else pixels
        )
        if size[0]:
            info = CameraInfo(height=size[0], width=size[1], k=table_rays.K.ravel().tolist())
            info.header.frame_id = calibration.pop("info_frame", FRAME_ID)
            for name, value in calibration.items():
                setattr(info, name, value)
            self._info.publish(info)
        if metres is not None:
            values = metres.astype(np.float32)
            if encoding == "16UC1":
                values = (metres * 1000).astype(np.uint16)
            depth = to_image(values, encoding, type(image.header)(frame_id=depth_frame))
            depth.header.stamp.sec = image.header.stamp.sec
            depth.header.stamp.nanosec = image.header.stamp.nanosec + int(late * 1e9)
            self._depth.publish(depth)
            store = self.bench.node._depth
            self.peer.wait(lambda: depth.header in [item.header for item in store._recent], "it")
        inbox, before = self.bench.node._inbox, self.bench.node._inbox.received
        self.peer.send(image)
        self.peer.wait(lambda: inbox.received > before, "the picture")
        return self.peer.ask("the tower")[0]


@pytest.fixture
def models() -> LeftHalf:
    return Tower()


@pytest.fixture
def known() -> Known:
    return Known()


@pytest.fixture
def bench(ros: None, models: LeftHalf, known: Known) -> Iterator[Bench]:
    bench = Bench(lambda preset, device: models, transforms=lambda node: known)
    yield bench
    bench.close()


@pytest.fixture
def camera(bench: Bench) -> Camera:
    return Camera(bench)


def vector(message: Any) -> list[float]:
    return [message.x, message.y, message.z]


def middle_of_the_tower() -> np.ndarray:
    right, away, _, base, top = table_rays.BOXES[TOWER]
    from_camera = np.array([right, away, (base + top) / 2 - table_rays.HEIGHT])
    return np.stack([table_rays.X, table_rays.Y, table_rays.Z]) @ from_camera


@pytest.mark.parametrize("encoding", ["32FC1", "16UC1"])
def test_pose_size_and_height_are_told(camera: Camera, encoding: str) -> None:
    result = camera.answer(encoding=encoding)
    assert result.space_problem == ""
    assert result.has_pose
    assert result.is_final
    assert not result.tracked
    assert vector(result.pose.pose.position) == pytest.approx(middle_of_the_tower(), abs=0.006)
    assert vector(result.size) == pytest.approx([0.06, 0.06, 0.16], abs=0.008)
    assert result.height == pytest.approx(0.16, abs=0.005)
    assert result.distance == pytest.approx(np.linalg.norm(vector(result.point)))
    turn = result.pose.pose.orientation
    assert np.linalg.norm([*vector(turn), turn.w]) == pytest.approx(1.0)
    pose = camera.peer.wait(lambda: camera.peer.heard["target"], "the target")[-1]
    assert pose == result.pose
    assert pose.header == result.header


def test_holes_zeros_and_nan_are_left_out(camera: Camera) -> None:
    rng = np.random.default_rng(1)
    metres = METRES.copy()
    for value in (0.0, np.nan, np.inf, -1.0):
        metres[rng.random(metres.shape) < 0.1] = value
    result = camera.answer(metres)
    assert vector(result.size) == pytest.approx([0.06, 0.06, 0.16], abs=0.01)


def test_without_a_plane_there_is_a_point_and_a_reason(camera: Camera) -> None:
    result = camera.answer(np.where(MASKS.masks[TOWER], METRES, 0.0))
    assert not result.has_pose
    assert result.space_problem.startswith("the target has no pose: the depth around the mask")
    assert result.space_problem in camera.peer.figures()["message"]
    assert np.isfinite([result.distance, *vector(result.point)]).all()
    assert np.isnan([result.height, *vector(result.size)]).all()
    kinds = [item.type for item in camera.peer.heard["markers"][-1].markers[1:]]
    assert kinds == [Marker.SPHERE, Marker.TEXT_VIEW_FACING]
    assert camera.peer.heard["target"] == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"metres": None}, ""),
        ({"metres": METRES * 0}, "no valid depth"),
        ({"size": (480, 640)}, "camera_info is for 640x480, not 320x240"),
        ({"size": (0, 0)}, "no camera_info"),
        ({"metres": METRES[::2, ::2]}, "depth is 160x120"),
        ({"late": 0.08}, "no depth image within 0.05 s"),
        ({"encoding": "8UC1"}, "8UC1"),
        ({"depth_frame": "depth_optical"}, "depth is in the frame depth_optical, the image in"),
        ({"info_frame": "depth_optical"}, "camera_info is of the frame depth_optical"),
        ({"metres": METRES * 1000}, "no depth on the target: it would be"),
        ({"metres": np.full_like(METRES, 65.535), "encoding": "16UC1"}, "no valid depth"),
        ({"metres": on_the_tower(65.535), "encoding": "16UC1"}, "no valid depth"),
        ({"metres": on_the_tower(30.0)}, "no depth on the target: it would lie"),
        ({"k": [300.0, 0.0, -1e6, 0.0, 300.0, 120.0, 0.0, 0.0, 1.0]}, "centre -1e+06, 120"),
        ({"d": [0.1] * 3, "distortion_model": "odd"}, "'odd' of 3 coefficients"),
    ],
)
def test_what_is_missing_is_said(camera: Camera, given: dict[str, Any], words: str) -> None:
    result = camera.answer(**given)
    assert words in result.space_problem
    assert bool(words) == bool(result.space_problem)
    assert not result.has_pose
    assert np.isnan([result.distance, *vector(result.point), *vector(result.size)]).all()
    assert words in camera.peer.figures()["message"]


def test_distortion_is_taken_out_unless_the_image_is_rectified(camera: Camera) -> None:
    bent = {"d": [-0.9, 0.0, 0.0, 0.0, 0.0], "distortion_model": "plumb_bob"}
    straight, distorted = camera.answer(), camera.answer(**bent)
    assert distorted.has_pose
    off = np.subtract(vector(distorted.point), vector(straight.point))
    assert 0.005 < np.linalg.norm(off) < 0.1
    camera.bench.node._depth._rectified = True
    assert vector(camera.answer(**bent).point) == pytest.approx(vector(straight.point), abs=1e-6)


def test_what_space_cannot_tell_takes_nothing_from_the_mask(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any, **kwargs: Any) -> Any:
        raise IndexError("index -1 is out of bounds")

    monkeypatch.setattr("refseg_ros.ros.space.pose_of", fails)
    result = camera.answer()
    assert (result.status, result.area) == (Status.SELECTED, MASKS.areas[TOWER])
    assert "cannot be located: IndexError" in result.space_problem
    assert not result.has_pose


def test_the_pose_comes_in_the_frame_that_is_asked_for(camera: Camera, known: Known) -> None:
    own = camera.answer()
    assert known.asked == []
    camera.bench.set("target_frame", "base_link")
    result = camera.answer()
    assert known.asked == [("base_link", FRAME_ID, result.header.stamp.sec)]
    assert result.pose.header.frame_id == "base_link"
    assert result.pose.header.stamp == result.header.stamp
    expected = TURN @ vector(own.pose.pose.position) + SHIFT
    assert vector(result.pose.pose.position) == pytest.approx(expected, abs=1e-6)
    assert vector(result.point) == pytest.approx(vector(own.point), abs=1e-6)
    camera.bench.set("target_frame", "map")
    result = camera.answer()
    assert not result.has_pose
    assert result.space_problem == "target_frame map: two trees that are not connected"
    assert result.height == pytest.approx(0.16, abs=0.005)
    assert result.space_problem in camera.peer.figures()["message"]


@pytest.mark.skipif(
    importlib.util.find_spec("tf2_ros") is not None, reason="tf2_ros is installed here"
)
def test_without_tf2_there_is_no_pose_but_the_mask(ros: None, models: LeftHalf) -> None:
    bench = Bench(lambda preset, device: models, target_frame="base_link")
    try:
        result = Camera(bench).answer()
        assert result.area == MASKS.areas[TOWER]
        assert not result.has_pose
        assert "target_frame base_link: tf2_ros is not installed" in result.space_problem
    finally:
        bench.close()


def test_the_cloud_is_made_for_listeners_pixel_by_pixel(camera: Camera) -> None:
    camera.answer()
    camera.peer.listen(PointCloud2, "refseg/target_cloud", "cloud")
    camera.peer.wait(
        lambda: camera.bench.node._outputs._cloud.get_subscription_count(), "the subscription"
    )
    metres = METRES.copy()
    row, column = (int(part[0]) for part in np.nonzero(MASKS.masks[TOWER]))
    metres[row, column] = 0.0
    result = camera.answer(metres)
    cloud = camera.peer.wait(lambda: camera.peer.heard["cloud"], "the cloud")[-1]
    assert cloud.header == result.header
    assert (cloud.height, cloud.width, cloud.is_dense) == (240, 320, False)
    assert [field.name for field in cloud.fields] == ["x", "y", "z", "rgb"]
    values = np.frombuffer(cloud.data, np.float32).reshape(240, 320, 4)
    there = MASKS.masks[TOWER].copy()
    there[row, column] = False
    assert (np.isfinite(values[..., 2]) == there).all()
    assert values[there][:, 2] == pytest.approx(METRES[there])
    k = table_rays.K
    columns = np.nonzero(there)[1]
    assert values[there][:, 0] == pytest.approx((columns - k[0, 2]) / k[0, 0] * METRES[there])
    image = np.roll(PICTURE, (result.header.stamp.sec - 1) * 40, 1)
    packed = np.ascontiguousarray(values[there][:, 3]).view(np.uint32)
    shown = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], 1)
    assert (shown == image[there]).all()


def test_markers_show_the_box_as_it_lies(camera: Camera) -> None:
    result = camera.answer()
    markers = camera.peer.wait(lambda: camera.peer.heard["markers"], "the markers")[-1].markers
    assert [marker.type for marker in markers[1:]] == [
        Marker.CUBE,
        Marker.LINE_LIST,
        Marker.TEXT_VIEW_FACING,
    ]
    cleared, box, axes, label = markers
    assert cleared.action == Marker.DELETEALL
    assert box.pose == result.pose.pose
    assert vector(box.scale) == pytest.approx(vector(result.size))
    start, end = (np.array(vector(point)) for point in axes.points[4:])
    up = -np.stack([table_rays.X, table_rays.Y, table_rays.Z])[:, 2]
    assert (end - start) / np.linalg.norm(end - start) == pytest.approx(-up, abs=0.05)
    assert "the tower" in label.text
    assert label.scale.x == label.scale.z > 0  # RViz 2 reads x as the width of a space
    camera.peer.heard["markers"].clear()
    camera.peer.ask("")
    removed = camera.peer.wait(lambda: camera.peer.heard["markers"], "their removal")[-1]
    assert [marker.action for marker in removed.markers] == [Marker.DELETEALL]


def test_the_document_writes_what_planners_read(camera: Camera, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "grasping.md").read_text(encoding="utf-8")
    (block,) = [part for part in text.split("```") if "class PlannerInput" in part]
    names: dict[str, Any] = {}
    exec(compile(block.removeprefix("python\n"), "grasping.md", "exec"), names)
    planner = names["PlannerInput"](str(tmp_path / "scene.npz"), namespace=NAMESPACE)
    camera.bench.executor.add_node(planner)
    try:
        peer = camera.peer
        peer.wait(lambda: peer.node.count_subscribers("refseg/label_image") == 2, "the planner")
        peer.spin(0.3)
        result = camera.answer()
        wanted = peer.wait(lambda: planner.wanted, "the file")
    finally:
        camera.bench.executor.remove_node(planner)
        planner.destroy_node()
    assert wanted == result.target_id
    with np.load(tmp_path / "scene.npz") as scene:
        assert set(scene) == {"rgb", "depth", "K", "segmap"}
        assert ((scene["segmap"] == wanted) == MASKS.masks[TOWER]).all()
        assert scene["depth"] == pytest.approx(METRES)
        assert scene["rgb"].shape == (240, 320, 3)
        assert scene["K"] == pytest.approx(table_rays.K)
