# SPDX-License-Identifier: Apache-2.0
"""A pick from the topics of a real segmenter node, and what is read from its messages."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")

from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, Vector3
from rclpy.parameter import Parameter
from refseg_ros.msg import Segmentation
from rich.console import Console
from ros_peer import NAMESPACE, end, ros_domain, start
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

import refseg_ros.ros
from refseg_lab.ros.target_reading import box_of, points_of
from refseg_lab.simulation import RendererUnavailable, TabletopRenderer
from refseg_ros.errors import ImageError
from refseg_ros.ros.cloud import to_cloud


def cloud(**changes: object) -> PointCloud2:
    mask = np.zeros((4, 5), np.bool_)
    mask[1:3, 2:4] = True
    depth = np.full((4, 5), 0.5, np.float32)
    intrinsics = np.array([[10.0, 0, 2], [0, 10.0, 1.5], [0, 0, 1]])
    message = to_cloud(mask, (depth, intrinsics), np.zeros((4, 5, 3), np.uint8), Header())
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def test_points_are_read_back_at_their_pixels() -> None:
    points = points_of(cloud())
    assert points.shape == (4, 5, 3)
    assert points.dtype == np.float32
    assert np.isfinite(points).all(-1).sum() == 4
    assert points[1, 3] == pytest.approx((0.05, -0.025, 0.5))


@pytest.mark.parametrize(
    "changes",
    [
        {"fields": [PointField(name="x", offset=0, datatype=PointField.FLOAT32, count=1)]},
        {"row_step": 8},
        {"height": 9},
    ],
)
def test_clouds_that_do_not_add_up_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ImageError, match="cloud"):
        points_of(cloud(**changes))


def test_the_box_is_that_of_the_result() -> None:
    turn = Quaternion(z=math.sin(math.pi / 4), w=math.cos(math.pi / 4))
    pose = Pose(position=Point(x=0.1, y=0.2, z=0.7), orientation=turn)
    message = Segmentation(
        has_pose=True, pose=PoseStamped(pose=pose), size=Vector3(x=0.3, y=0.2, z=0.1)
    )
    box = box_of(message)
    assert box is not None
    assert np.allclose(box.centre, (0.1, 0.2, 0.7))
    assert np.allclose(box.size, (0.3, 0.2, 0.1))
    assert np.allclose(box.rotation[:, 0], (0, 1, 0))
    assert box.floor == pytest.approx(0.65)
    assert box_of(Segmentation()) is None


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    try:
        TabletopRenderer(16, 16).close()
    except RendererUnavailable as error:
        pytest.skip(str(error))
    # As in the demo: with settings of its own Fast DDS loses images of this size, or gets stuck.
    profile = Path(refseg_ros.ros.__file__).with_name("fastdds.xml")
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.setenv(name, str(profile))
    with ros_domain(["--ros-args", "-r", f"__ns:={NAMESPACE}"]) as env:
        yield env


@pytest.mark.slow
def test_an_arm_picks_what_the_sentence_means(environment: dict[str, str], tmp_path: Path) -> None:
    from refseg_lab.ros.pick_client import PickClient
    from refseg_lab.ros.picking_node import run_trials
    from refseg_ros.ros.background import Spinning

    given = ("device:=cpu", "image_reliability:=reliable")  # large images get lost otherwise
    segmenter = start("segmenter_node", environment, tmp_path / "log", *given)
    stop = threading.Event()
    values = {
        "seed": 2_000_024,
        "say": "the ball that is not red",
        "out": str(tmp_path),
        "film": False,
        "answer_timeout": 100.0,
    }
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    try:
        with Spinning(PickClient(stop, overrides), stop) as client:
            code = run_trials(client, Console(file=(tmp_path / "said").open("w"), width=200))
    finally:
        end(segmenter)
    report = json.loads((tmp_path / "results.json").read_text())
    (outcome,) = report["commands"]
    assert code == 0, outcome
    assert outcome["phenomenon"] == "negation"
    assert outcome["status"] == "SELECTED"
    assert outcome["perceived"]
    assert outcome["ok"]
    assert (tmp_path / "00.png").is_file()
    assert "picked" in (tmp_path / "said").read_text()
