# SPDX-License-Identifier: Apache-2.0
"""The node ``picture_camera``: a photo or a webcam as a camera, to try things without a driver."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from refseg_lab.ros.camera_node import FRAME_ID
from refseg_ros.errors import ConfigError, ImageError
from refseg_ros.image_io import read_image
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import to_image
from refseg_ros.ros.parameters import Parameters, Rule
from refseg_ros.ros.process import run

NAME = "picture_camera"
PICTURE_PARAMETERS = (
    Rule("photo", "", "Image file to show; it is read once."),
    Rule("webcam", "", "Number of the webcam to show, such as 0, or its device or address."),
    Rule("rate", 5.0, "Images a second.", low=0.1, high=60.0),
    Rule(
        "longest_side", 1280, "Most pixels of a side; larger images are shrunk.", low=64, high=8192
    ),
)
"""Parameters of the node ``picture_camera``."""
_RETRY_SECONDS: Final = 2.0
_ENDING_SECONDS: Final = 0.5


def shrunk(image: NDArray[np.uint8], longest_side: int) -> NDArray[np.uint8]:
    """An image of at most so many pixels a side, in its own proportions.

    Args:
        image: (H, W, 3) uint8.
        longest_side: Most pixels.
    """
    height, width = image.shape[:2]
    scale = longest_side / max(height, width)
    if scale >= 1.0:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


class PictureNode(Node):
    """Publishes a photo, or what a webcam sees.

    Args:
        options: Keyword arguments of ``rclpy.node.Node``, such as ``parameter_overrides``.

    Attributes:
        exit_code: Always None: nothing but a signal ends it.

    Raises:
        ConfigError: Not exactly one of ``photo`` and ``webcam`` is given, or the photo cannot be
            read.
    """

    exit_code: int | None = None

    def __init__(self, **options: Any) -> None:
        super().__init__(NAME, **options)
        self._values = Parameters(self, PICTURE_PARAMETERS)
        photo, webcam = self._values["photo"], self._values["webcam"]
        if bool(photo) == bool(webcam):
            raise ConfigError("photo, webcam: give one of them, such as webcam:=0")
        self._photo = self._read(Path(photo).expanduser()) if photo else None
        self._publisher = self.create_publisher(Image, "image", qos.CAMERA)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        if self._photo is not None:
            self.create_timer(1.0 / self._values["rate"], self._on_tick)
        else:  # reading waits for the next image, or long for a webcam that is gone
            self._thread = threading.Thread(target=self._watch, args=(webcam,), daemon=True)
            self._thread.start()

    def close(self) -> bool:
        """End the thread that reads the webcam; False if it is still at work."""
        self._ended.set()
        if self._thread is None:
            return True
        self._thread.join(_ENDING_SECONDS)
        return not self._thread.is_alive()

    def _read(self, path: Path) -> NDArray[np.uint8]:
        try:
            return shrunk(read_image(path), self._values["longest_side"])
        except ImageError as error:
            raise ConfigError(f"photo: {error}") from error

    def _on_tick(self) -> None:
        assert self._photo is not None
        self._send(self._photo)

    def _send(self, image: NDArray[np.uint8]) -> None:
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=FRAME_ID)
        self._publisher.publish(to_image(image, "rgb8", header))

    def _watch(self, webcam: str) -> None:
        """Show what a webcam sees, and open it again when it was gone."""
        source = int(webcam) if webcam.isdecimal() else webcam
        while not self._ended.is_set():
            capture = cv2.VideoCapture(source)
            try:
                self._show(capture)
            finally:
                capture.release()
            if not self._ended.is_set():
                self.get_logger().warning(
                    f"webcam {webcam}: no image comes; looking again every {_RETRY_SECONDS:.0f} s"
                )
            self._ended.wait(_RETRY_SECONDS)

    def _show(self, capture: cv2.VideoCapture) -> None:
        """Publish images at the rate until none comes; those between are passed over."""
        period, due = 1.0 / self._values["rate"], time.monotonic()
        while not self._ended.is_set() and capture.isOpened():
            there, image = capture.read()
            if not there:
                return
            if time.monotonic() >= due:
                due = max(due + period, time.monotonic())
                rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                self._send(shrunk(np.asarray(rgb, np.uint8), self._values["longest_side"]))


def main(args: Sequence[str] | None = None) -> None:
    """Run the node in this process until a signal."""
    run(NAME, PictureNode, args)


if __name__ == "__main__":
    main()
