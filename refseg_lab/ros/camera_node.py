# SPDX-License-Identifier: Apache-2.0
"""The node ``tabletop_camera``: a simulated RGB-D camera over a table, with ground truth."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header, Int32, String

from refseg_lab.simulation import (
    Frame,
    RendererUnavailable,
    SceneSpec,
    TabletopRenderer,
    sample_scene,
)
from refseg_lab.simulation.bundle import bundled_scenes
from refseg_lab.simulation.expressions import Referral, refer
from refseg_lab.simulation.sequences import KINDS, sample_film
from refseg_lab.simulation.splits import SPLITS
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import to_image
from refseg_ros.ros.messages import to_status
from refseg_ros.ros.parameters import Parameters, Rule
from refseg_ros.ros.process import run

NAME = "tabletop_camera"
FILM_LENGTH = 40
"""Pictures of a film."""
FRAME_ID = "camera_optical_frame"
CAMERA_PARAMETERS = (
    Rule("width", 640, "Width of the images in pixels.", low=16, high=2048),
    Rule("height", 480, "Height of the images in pixels.", low=16, high=2048),
    Rule("rate", 5.0, "Images a second.", low=0.1, high=60.0, dynamic=True),
    Rule(
        "scene", 0, "Number of the scene at the start; ~/scene changes it.", low=0, high=2**31 - 1
    ),
    Rule(
        "motion",
        "still",
        "What the camera does: still, or sway slowly from side to side.",
        choices=("still", "sway"),
        dynamic=True,
    ),
    Rule(
        "film",
        "none",
        "A film in place of a scene, played forth and back; scene is its number. camera: only the "
        "camera moves; moving: a thing too; occlusion: something is moved before a thing; exit: "
        "the camera turns away and back; alike: a thing is moved past one like it.",
        choices=("none", *KINDS),
    ),
    Rule(
        "noise",
        0.0,
        "Standard deviation of the sensor noise in grey levels (0 to 255).",
        low=0.0,
        high=64.0,
        dynamic=True,
    ),
)
"""Parameters of the node ``tabletop_camera``."""


@dataclass(frozen=True)
class CameraView:
    """A scene as the camera sees it.

    Attributes:
        spec: What stands there.
        frame: The picture with its ground truth.
        referrals: Expressions and what they mean.
        film: What stands there in each picture of a film; empty for a scene that does not move.
    """

    spec: SceneSpec
    frame: Frame
    referrals: Sequence[Referral]
    film: Sequence[SceneSpec] = ()


class ViewSource(Protocol):
    """Where views come from."""

    problem: str
    """Why the views are not what was asked for; empty if they are."""

    def view(self, number: int) -> CameraView:
        """The scene of a number, seen from its own camera."""

    def swayed(self, view: CameraView, seconds: float) -> Frame:
        """The view's scene from a camera that sways."""

    def film(self, number: int, kind: str) -> CameraView:
        """The first picture of a film of a number."""

    def shown(self, view: CameraView, place: int) -> Frame:
        """A picture of a view's film, by its place in it."""

    def close(self) -> None:
        """Free what it holds."""


class RenderedSource:
    """Renders any scene.

    Args:
        width: Of the pictures in pixels.
        height: Of the pictures in pixels.

    Raises:
        RendererUnavailable: There is no MuJoCo or no OpenGL back end.
    """

    problem = ""

    def __init__(self, width: int, height: int) -> None:
        self._renderer = TabletopRenderer(width, height)
        self._shown: dict[int, Frame] = {}

    def view(self, number: int) -> CameraView:
        """The scene sampled from a seed."""
        spec = sample_scene(number)
        frame = self._renderer.render(spec)
        return CameraView(spec, frame, refer(spec, frame))

    def swayed(self, view: CameraView, seconds: float) -> Frame:
        """The view's scene from a camera that sways."""
        camera = view.spec.camera.swayed(seconds)
        return self._renderer.render(view.spec.with_camera(camera))

    def film(self, number: int, kind: str) -> CameraView:
        """The film sampled from a seed, with expressions of its first picture."""
        frames = sample_film(number, kind, FILM_LENGTH).frames
        self._shown = {0: self._renderer.render(frames[0])}
        return CameraView(frames[0], self._shown[0], refer(frames[0], self._shown[0]), frames)

    def shown(self, view: CameraView, place: int) -> Frame:
        """A picture, rendered once."""
        if place not in self._shown:
            self._shown[place] = self._renderer.render(view.film[place])
        return self._shown[place]

    def close(self) -> None:
        """Free the OpenGL context."""
        self._renderer.close()


class ReplayedSource:
    """Replays the pictures that come with the package, where nothing can be rendered.

    Args:
        reason: Why nothing can be rendered.
    """

    def __init__(self, reason: str) -> None:
        self._scenes = bundled_scenes()
        self._first = SPLITS["slice"].first_seed
        self.problem = (
            f"replaying {len(self._scenes)} still pictures, because nothing can be rendered: "
            f"{reason}"
        )

    def view(self, number: int) -> CameraView:
        """The picture of a scene number; if there is none, of another in its place."""
        place = number - self._first
        count = len(self._scenes)
        scene = self._scenes[place if 0 <= place < count else number % count]
        return CameraView(scene.spec, scene.frame, scene.referrals)

    def swayed(self, view: CameraView, seconds: float) -> Frame:
        """The same picture: it cannot be seen from elsewhere."""
        return view.frame

    def film(self, number: int, kind: str) -> CameraView:
        """The picture of a scene number: nothing can move in it."""
        return self.view(number)

    def shown(self, view: CameraView, place: int) -> Frame:
        """The same picture."""
        return view.frame

    def close(self) -> None:
        """Nothing is held."""


class CameraNode(Node):
    """Publishes image, depth, camera_info and ground truth of one scene at a time.

    Attributes:
        exit_code: Always None: nothing but a signal ends it.
    """

    exit_code: int | None = None

    def __init__(self) -> None:
        super().__init__(NAME)
        self._values = Parameters(self, CAMERA_PARAMETERS, self._on_parameter)
        self._source = self._open()
        self._noise = np.random.default_rng(self._values["scene"])
        self._started = time.monotonic()
        self._sent = 0
        self._image = self.create_publisher(Image, "image", qos.CAMERA)
        self._depth = self.create_publisher(Image, "depth", qos.CAMERA)
        self._info = self.create_publisher(CameraInfo, "camera_info", qos.CAMERA)
        self._instances = self.create_publisher(Image, "~/instances", qos.CAMERA)
        self._objects = self.create_publisher(String, "~/objects", qos.LATCHED)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.RESULT)
        self._show(self._values["scene"])
        self.create_subscription(Int32, "~/scene", self._on_scene, qos.COMMAND)
        self._timer = self.create_timer(1.0 / self._values["rate"], self._on_frame)
        self.create_timer(1.0, self._on_tick)

    def close(self) -> bool:
        """Free the renderer."""
        self._source.close()
        return True

    def _open(self) -> ViewSource:
        try:
            return RenderedSource(self._values["width"], self._values["height"])
        except RendererUnavailable as error:
            source = ReplayedSource(str(error))
            self.get_logger().warning(source.problem)
            return source

    def _show(self, number: int) -> None:
        """Put up a scene, or begin a film, and tell what is in it."""
        kind, self._played = self._values["film"], 0
        scene = kind == "none"
        self._view = self._source.view(number) if scene else self._source.film(number, kind)
        self._objects.publish(String(data=view_as_json(self._view)))

    def _on_scene(self, message: Int32) -> None:
        if message.data < 0:
            self.get_logger().warning(f"~/scene: {message.data} is negative; send 0 or more")
            return
        self._show(message.data)

    def _on_parameter(self, name: str, value: Any) -> None:
        if name == "rate":
            self._timer.timer_period_ns = int(1e9 / value)

    def _on_frame(self) -> None:
        frame = self._view.frame
        if self._view.film:
            last = len(self._view.film) - 1
            # Forth and back, so that nothing jumps.
            place = last - abs(self._played % (2 * last) - last)
            frame = self._source.shown(self._view, place)
            self._played += 1
        elif self._values["motion"] == "sway":
            frame = self._source.swayed(self._view, time.monotonic() - self._started)
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=FRAME_ID)
        self._info.publish(to_info(frame, header))
        self._depth.publish(to_image(frame.depth, "32FC1", header))
        self._instances.publish(to_image(frame.instances.astype(np.uint16), "16UC1", header))
        self._image.publish(to_image(self._noisy(frame.rgb), "rgb8", header))
        self._sent += 1

    def _noisy(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        deviation = self._values["noise"]
        if not deviation:
            return rgb
        noise = self._noise.normal(0.0, deviation, rgb.shape).astype(np.float32)
        return np.clip(rgb + noise, 0, 255).astype(np.uint8)

    def _on_tick(self) -> None:
        values = {"scene": self._view.spec.seed, "frames sent": self._sent}
        problems = [self._source.problem] if self._source.problem else []
        name = f"{self.get_fully_qualified_name()}: camera"
        array = DiagnosticArray(status=[to_status(name, "simulation", problems, values)])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def view_as_json(view: CameraView) -> str:
    """The ground truth of a view as JSON: scene number, objects and referring expressions.

    An object's ``id`` is the value of its pixels in ``~/instances``; a referral's is that of the
    one object that it means.
    """
    objects = [
        {"id": index + 1, "category": item.category, "colour": item.colour, "size": item.size}
        for index, item in enumerate(view.spec.objects)
    ]
    referrals = [
        {"expression": item.expression, "id": item.object_index + 1, "kind": item.phenomenon}
        for item in view.referrals
        if len(item.targets) == 1
    ]
    return json.dumps({"scene": view.spec.seed, "objects": objects, "referrals": referrals})


def to_info(frame: Frame, header: Header) -> CameraInfo:
    """Make the camera_info of a picture without distortion."""
    height, width = frame.depth.shape
    matrix = frame.intrinsics
    projection = np.hstack([matrix, np.zeros((3, 1))])
    return CameraInfo(
        header=header,
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=matrix.ravel().tolist(),
        r=np.eye(3).ravel().tolist(),
        p=projection.ravel().tolist(),
    )


def main(args: Sequence[str] | None = None) -> None:
    """Run the node in this process until a signal."""
    run(NAME, CameraNode, args)


if __name__ == "__main__":
    main()
