# SPDX-License-Identifier: Apache-2.0
"""The node ``refseg_pick``: shows the segmenter frames, asks it, and hears of targets.

The simulated camera's and arm's side of the segmenter's topics; `refseg_lab.ros.picking_node` has
the simulation.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header, String

from refseg_lab.picking.grasps import Box
from refseg_lab.ros.camera_node import FRAME_ID, to_info
from refseg_lab.ros.client import Interrupted
from refseg_lab.ros.target_reading import box_of, points_of
from refseg_lab.simulation import Frame
from refseg_ros.errors import RefsegError
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import to_image
from refseg_ros.ros.listening import AnswerListener, Heard, stamp_ns
from refseg_ros.ros.parameters import Parameters, Rule
from refseg_ros.ros.viewer_node import SEGMENTER

PARAMETERS = (
    Rule("seed", 0, "Seed of the first scene.", low=0, high=2**31 - 1),
    Rule("say", "", "A command of one's own, for the first scene alone; empty: scripted ones."),
    Rule("scenes", 4, "Scenes in which things are picked.", low=1, high=1000),
    Rule("out", "out/pick", "Folder for pictures and results; it must exist."),
    Rule("film", True, "Whether the first pick is filmed."),
    Rule("faulty_depth", False, "Whether the depth has the faults of a depth camera."),
    Rule("rate", 5.0, "Pictures that the camera publishes in a second.", low=0.5, high=30.0),
    Rule("answer_timeout", 180.0, "Seconds to wait for an answer.", low=1.0, high=3600.0),
)
"""Parameters of the node ``refseg_pick``."""

_NODE_TIMEOUT = 120.0  # seconds until the segmenter must be there
_SAY_AGAIN = 15.0  # seconds without an answer after which a command is sent again
_CLOUD_TIMEOUT = 2.0  # seconds from an answer to its cloud
_KEPT = 8  # clouds


@dataclass(frozen=True)
class Reply:
    """What came back for a command.

    Attributes:
        heard: Result and mask.
        cloud: (H, W, 3) float32 metres from `~/target_cloud`; None without a target.
        box: Of the target in the camera's optical frame; None where the node has none.
        seconds: From sending the command to the answer.
    """

    heard: Heard
    cloud: NDArray[np.float32] | None
    box: Box | None
    seconds: float


class PickClient(Node):
    """The camera and the ear; the arm is moved by `run_trials`.

    Args:
        stop: Set when the process was asked to end.
        overrides: Values of parameters, as rclpy takes them.
    """

    def __init__(self, stop: threading.Event, overrides: Sequence[Parameter] = ()) -> None:
        super().__init__("refseg_pick", parameter_overrides=list(overrides))
        self.settings = Parameters(self, PARAMETERS)
        self._stop = stop
        self._news = threading.Condition()
        self._frame: Frame | None = None
        self._sent: set[int] = set()  # stamps of the present scene
        self._answers: list[Heard] = []
        self._clouds: list[tuple[int, NDArray[np.float32]]] = []
        self._image = self.create_publisher(Image, "image", qos.CAMERA)
        self._depth = self.create_publisher(Image, "depth", qos.CAMERA)
        self._info = self.create_publisher(CameraInfo, "camera_info", qos.CAMERA)
        self._command = self.create_publisher(String, "command", qos.COMMAND)
        cloud = f"{SEGMENTER}/target_cloud"
        self.create_subscription(PointCloud2, cloud, self._on_cloud, qos.RESULT)
        self._listener = AnswerListener(self, SEGMENTER, self._on_answer)
        self.create_timer(1.0 / self.settings["rate"], self._on_frame)

    def show(self, frame: Frame | None) -> None:
        """Publishes a frame from now on, again and again; None: nothing, while the arm moves."""
        with self._news:
            self._frame = frame
            if frame is not None:
                self._sent.clear()

    def resume(self, frame: Frame) -> None:
        """Publishes the frame of the present scene again."""
        with self._news:
            self._frame = frame

    def _on_frame(self) -> None:
        with self._news:
            frame = self._frame
            if frame is None:
                return
            header = Header(stamp=self.get_clock().now().to_msg(), frame_id=FRAME_ID)
            self._sent.add(stamp_ns(header))
        self._info.publish(to_info(frame, header))
        self._depth.publish(to_image(frame.depth, "32FC1", header))
        self._image.publish(to_image(frame.rgb, "rgb8", header))

    def _on_cloud(self, message: PointCloud2) -> None:
        with self._news:
            self._clouds.append((stamp_ns(message.header), points_of(message)))
            del self._clouds[:-_KEPT]
            self._news.notify_all()

    def _on_answer(self, heard: Heard) -> None:
        with self._news:
            self._answers.append(heard)
            self._news.notify_all()

    def wait(self, ready: Callable[[], Any], seconds: float) -> Any:
        """Waits until ``ready`` gives something; gives what it gave last.

        Raises:
            Interrupted: A signal came.
        """
        deadline = time.monotonic() + seconds
        with self._news:
            while not (found := ready()) and time.monotonic() < deadline:
                if self._stop.is_set():
                    raise Interrupted
                self._news.wait(0.1)
            return found

    def wait_for_segmenter(self) -> None:
        """Waits until somebody listens to commands.

        Raises:
            RefsegError: Nobody does in time.
        """
        name = self._command.topic_name
        if not self.wait(lambda: self.count_subscribers(name), _NODE_TIMEOUT):
            raise RefsegError(f"no segmenter came up within {_NODE_TIMEOUT:.0f} s")

    def ask(self, command: str) -> Reply:
        """Sends a command and waits for what is published about a frame of the present scene.

        It is sent again if the node had not yet seen a frame of this scene, or did not yet know
        who listens: what it says until then is lost, and its cloud is made for listeners only.

        Raises:
            RefsegError: It does not come in time.
        """
        began, patience = time.monotonic(), self.settings["answer_timeout"]
        missing = "answer"
        while time.monotonic() < began + patience:
            heard = self._answer_to(command)
            if heard is None or heard.stamp not in self._sent:
                continue
            seconds = time.monotonic() - began
            box, has_target = box_of(heard.message), heard.selection.status.has_target
            cloud = self._cloud_of(heard.stamp) if has_target else None
            if cloud is not None or not has_target:
                return Reply(heard, cloud, box, seconds)
            missing = "cloud of the target"
        raise RefsegError(f"no {missing} for {command!r} within {patience:.0f} s")

    def _answer_to(self, command: str) -> Heard | None:
        with self._news:
            self._answers.clear()
            self._clouds.clear()
        self._command.publish(String(data=command))

        def answered() -> Heard | None:
            return next((heard for heard in self._answers if _is_final(heard, command)), None)

        found: Heard | None = self.wait(answered, _SAY_AGAIN)
        return found

    def _cloud_of(self, stamp: int) -> NDArray[np.float32] | None:
        """The cloud with a stamp; it comes about when the answer does."""

        def arrived() -> list[NDArray[np.float32]]:
            return [points for at, points in self._clouds if at == stamp]

        found: list[NDArray[np.float32]] = self.wait(arrived, _CLOUD_TIMEOUT)
        return found[-1] if found else None


def _is_final(heard: Heard, command: str) -> bool:
    message = heard.message
    return bool(message.command == command and message.is_final and not message.tracked)
