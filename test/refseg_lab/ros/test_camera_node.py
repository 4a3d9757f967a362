# SPDX-License-Identifier: Apache-2.0
"""The simulated camera as a process of its own, with and without a renderer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from ros_peer import NAMESPACE, end, ros_domain, spin_until, start
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Int32, String

from refseg_lab.ros.camera_node import FILM_LENGTH
from refseg_lab.simulation.bundle import bundled_scenes
from refseg_lab.simulation.sequences import sample_film
from refseg_ros.ros import qos
from refseg_ros.ros.calibration import calibration_of
from refseg_ros.ros.conversions import depth_from_image, rgb_from_image

TOPICS = {
    "image": Image,
    "depth": Image,
    "camera_info": CameraInfo,
    "tabletop_camera/instances": Image,
}


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with ros_domain() as env:
        yield env


class Audience:
    """Hears the camera."""

    def __init__(self) -> None:
        self.node = Node("audience", namespace=NAMESPACE)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.heard: dict[str, list[Any]] = {name: [] for name in (*TOPICS, "objects", "status")}
        for name, kind in TOPICS.items():
            self.node.create_subscription(kind, name, self.heard[name].append, qos.RESULT)
        self.node.create_subscription(
            String, "tabletop_camera/objects", self.heard["objects"].append, qos.LATCHED
        )
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self.on_status, qos.RESULT)
        self.scene = self.node.create_publisher(Int32, "tabletop_camera/scene", qos.COMMAND)

    def on_status(self, message: DiagnosticArray) -> None:
        ours = f"{NAMESPACE}/tabletop_camera: "
        self.heard["status"] += [item for item in message.status if item.name.startswith(ours)]

    def wait(self, condition: Any, what: str) -> Any:
        return spin_until(self.executor, condition, what, 30.0)

    def next_set(self) -> dict[str, Any]:
        """The four messages of one instant, sent from now on."""
        for name in TOPICS:
            self.heard[name].clear()

        def complete() -> Any:
            for image in self.heard["image"]:
                messages = {
                    name: next((m for m in self.heard[name] if m.header == image.header), None)
                    for name in TOPICS
                }
                if all(messages.values()):
                    return messages
            return None

        return dict(self.wait(complete, "one instant of the camera"))

    def facts(self) -> dict[str, Any]:
        return dict(json.loads(self.heard["objects"][-1].data))


@pytest.mark.parametrize("renders", [True, False], ids=["rendered", "replayed"])
def test_the_camera_shows_scenes_with_their_ground_truth(
    environment: dict[str, str], tmp_path: Path, renders: bool
) -> None:
    scenes = bundled_scenes()
    first, second = scenes[0].spec.seed, scenes[3].spec.seed
    env = {name: value for name, value in environment.items() if name != "MUJOCO_GL"}
    if not renders:
        # A back end that cannot start without a display.
        env = {name: value for name, value in env.items() if "DISPLAY" not in name}
        env["MUJOCO_GL"] = "glfw"
    log = tmp_path / "camera.log"
    camera = start("camera_node", env, log, f"scene:={first}", "rate:=10.0")
    audience = Audience()
    messages = audience.next_set()
    facts = audience.facts()
    status = audience.wait(lambda: audience.heard["status"], "diagnostics")[-1]
    assert bool(status.level[0]) == status.message.startswith("replaying")
    if not renders:
        assert status.message.startswith("replaying 40 still pictures")
        assert "replaying" in log.read_text(encoding="utf-8")

    image, depth = rgb_from_image(messages["image"]), depth_from_image(messages["depth"])
    instances = np.frombuffer(messages["tabletop_camera/instances"].data, np.uint16)
    assert image.shape == (480, 640, 3)
    assert depth.shape == (480, 640)
    assert 0.2 < np.median(depth) < 5.0
    assert messages["image"].header.frame_id == "camera_optical_frame"
    calibration, problem = calibration_of(messages["camera_info"], (480, 640))
    assert calibration is not None, problem
    assert calibration.lens is None
    np.testing.assert_allclose(calibration.matrix, scenes[0].frame.intrinsics, rtol=1e-6)
    ids = {item["id"] for item in facts["objects"]}
    assert facts["scene"] == first
    assert set(np.unique(instances)) <= {0, *ids}
    assert facts["referrals"]
    assert {item["id"] for item in facts["referrals"]} <= ids
    same = instances.reshape(480, 640) == scenes[0].frame.instances
    assert same.mean() > 0.99  # another renderer may draw a rim differently

    audience.wait(audience.scene.get_subscription_count, "the scene subscription")
    audience.scene.publish(Int32(data=second))
    audience.wait(lambda: audience.facts()["scene"] == second, "the other scene")
    audience.next_set()
    changed = rgb_from_image(audience.next_set()["image"])
    assert np.abs(changed.astype(int) - image).mean() > 5
    code, output = end(camera)
    assert code == 0, output
    assert "Traceback" not in output


def test_motion_and_noise(environment: dict[str, str], tmp_path: Path) -> None:
    camera = start(
        "camera_node",
        environment,
        tmp_path / "log",
        "width:=160",
        "height:=120",
        "rate:=20.0",
        "noise:=5.0",
        "motion:=sway",
    )
    audience = Audience()
    status = audience.wait(lambda: audience.heard["status"], "diagnostics")[-1]
    if status.level[0]:
        end(camera)
        pytest.skip(status.message)
    before = audience.next_set()
    audience.wait(lambda: len(audience.heard["image"]) > 20, "later pictures")
    after = audience.next_set()
    truths = [
        np.frombuffer(item["tabletop_camera/instances"].data, np.uint16)
        for item in (before, after)
    ]
    assert (truths[0] != truths[1]).any()
    pictures = [rgb_from_image(item["image"]).astype(int) for item in (before, after)]
    assert pictures[0].shape == (120, 160, 3)
    rough = np.abs(np.diff(pictures[0], axis=1)).mean()
    assert rough > 3.0
    code, output = end(camera, number=15)
    assert code == 0, output


def test_a_film_is_played(environment: dict[str, str], tmp_path: Path) -> None:
    parameters = ("width:=160", "height:=120", "rate:=20.0", "film:=moving", "scene:=3")
    camera = start("camera_node", environment, tmp_path / "log", *parameters)
    audience = Audience()
    status = audience.wait(lambda: audience.heard["status"], "diagnostics")[-1]
    if status.level[0]:
        end(camera)
        pytest.skip(status.message)
    first = sample_film(3, "moving", FILM_LENGTH).frames[0]
    facts = audience.facts()
    assert [item["category"] for item in facts["objects"]] == [
        item.category for item in first.objects
    ]
    assert facts["referrals"]
    before = audience.next_set()
    audience.wait(lambda: len(audience.heard["image"]) > 20, "later pictures")
    truths = [
        np.frombuffer(item["tabletop_camera/instances"].data, np.uint16)
        for item in (before, audience.next_set())
    ]
    assert (truths[0] != truths[1]).any()
    code, output = end(camera)
    assert code == 0, output


def test_a_bad_size_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    camera = start("camera_node", environment, tmp_path / "log", "width:=5")
    assert camera.process.wait(30) == 1
    text = (tmp_path / "log").read_text(encoding="utf-8")
    assert "width" in text
    assert "2048" in text
    assert "Traceback" not in text
