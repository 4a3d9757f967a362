# SPDX-License-Identifier: Apache-2.0
"""A photo or a webcam as a camera."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from ros_peer import ros_domain, spin_until
from sensor_msgs.msg import Image

from refseg_lab.ros import picture_node
from refseg_lab.ros.picture_node import PictureNode
from refseg_ros.errors import ConfigError
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import rgb_from_image

RED = np.zeros((40, 60, 3), np.uint8)
RED[..., 2] = 255  # OpenCV's order


@pytest.fixture(autouse=True)
def ros() -> Iterator[None]:
    with ros_domain():
        yield


def made(**values: str | int | float) -> PictureNode:
    """The node with these parameters."""
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    return PictureNode(parameter_overrides=overrides)


def first_image(node: PictureNode, count: int = 1) -> Image:
    """The last of so many images that the node sends."""
    executor, heard = SingleThreadedExecutor(), []
    listener = Node("listener")
    listener.create_subscription(Image, "image", heard.append, qos.CAMERA)
    for item in (node, listener):
        executor.add_node(item)
    try:
        spin_until(executor, lambda: len(heard) >= count, "an image", 30)
    finally:
        assert node.close()
        for item in (node, listener):
            item.destroy_node()
        executor.shutdown(timeout_sec=0)
    return heard[-1]


def test_a_photo_is_sent_in_rgb_and_not_too_large(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "red.png"), np.repeat(RED, 4, axis=0))
    node = made(photo=str(tmp_path / "red.png"), longest_side=80, rate=20.0)
    message = first_image(node, 2)
    assert (message.width, message.height) == (30, 80)
    assert message.header.frame_id == "camera_optical_frame"
    assert message.header.stamp.sec > 0
    assert rgb_from_image(message)[0, 0].tolist() == [255, 0, 0]


class FakeWebcam:
    """Shows a few images each time that it is opened, then nothing."""

    opened: ClassVar[list[Any]] = []

    def __init__(self, source: Any) -> None:
        self.opened.append(source)
        self.left = 2

    def isOpened(self) -> bool:
        return len(self.opened) > 1  # not the first time

    def read(self) -> tuple[bool, Any]:
        self.left -= 1
        return self.left >= 0, RED if self.left >= 0 else None

    def release(self) -> None:
        pass


def test_a_webcam_that_was_gone_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeWebcam.opened.clear()
    monkeypatch.setattr(picture_node, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(cv2, "VideoCapture", FakeWebcam)
    node = made(webcam="0", rate=60.0)
    message = first_image(node, 2)
    assert rgb_from_image(message)[0, 0].tolist() == [255, 0, 0]
    assert FakeWebcam.opened[0] == 0
    assert len(FakeWebcam.opened) > 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "photo, webcam: give one of them"),
        ({"photo": "a.jpg", "webcam": "0"}, "photo, webcam: give one of them"),
        ({"photo": "/nowhere/a.jpg"}, "photo: /nowhere/a.jpg: no such file"),
    ],
)
def test_what_cannot_be_shown_is_said_at_the_start(values: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        made(**values)
