# SPDX-License-Identifier: Apache-2.0
"""What camera_info is believed, and what of it is named instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs")

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from refseg_ros.ros.calibration import calibration_of, is_rectified, same_frame

SIZE = (480, 640)
K = [525.0, 0.0, 319.5, 0.0, 526.0, 239.5, 0.0, 0.0, 1.0]
P = [500.0, 0.0, 310.0, 0.3, 0.0, 501.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]
BENT = {"d": [-0.3, 0.1, 0.0, 0.0, 0.0], "distortion_model": "plumb_bob"}


def info(**values: Any) -> CameraInfo:
    return CameraInfo(**{"height": SIZE[0], "width": SIZE[1], "k": K, **values})


def test_the_matrix_is_that_of_the_image() -> None:
    camera, problem = calibration_of(info(), SIZE)
    assert camera is not None, problem
    assert camera.matrix.ravel().tolist() == K
    for given, rectified, first, bent in (
        ({"p": P}, False, 500.0, False),
        ({"p": P, **BENT}, True, 500.0, False),
        ({"p": P, **BENT}, False, 525.0, True),
        ({**BENT}, True, 525.0, False),
    ):
        camera, problem = calibration_of(info(**given), SIZE, rectified)
        assert camera is not None, problem
        assert camera.matrix[0, 0] == first
        assert (camera.lens is not None) is bent


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"k": [0.0] * 9}, "its K and P are zero"),
        ({"width": 320}, "is for 320x480, not 640x480"),
        *(({"k": [f, *K[1:]]}, f"focal lengths {f:.4g}, 526")
          for f in (-525.0, 0.0, 0.002, 1e-9, 1e12, float("nan"), float("inf"))),
        ({"k": [*K[:4], -526.0, *K[5:]]}, "focal lengths 525, -526"),
        ({"k": [525.0, 0.0, -1e6, *K[3:]]}, "centre -1e+06, 239.5 pixels for an image of 640x"),
        ({"k": [*K[:5], 1e6, *K[6:]]}, "centre 319.5, 1e+06"),
        ({"k": [*K[:5], float("nan"), *K[6:]]}, "centre 319.5, nan"),
        ({**BENT, "distortion_model": "thin_prism"}, "not read: 'thin_prism' of 5"),
        ({**BENT, "distortion_model": "equidistant"}, "'equidistant' of 5"),
        ({**BENT, "d": [float("nan")] * 5}, "distortion"),
    ],
)  # fmt: skip
def test_a_calibration_that_no_camera_has_is_named(given: dict[str, Any], words: str) -> None:
    camera, problem = calibration_of(info(**given), SIZE)
    assert camera is None
    assert words in problem


@pytest.mark.parametrize(
    ("topic", "rectified"),
    [
        ("/camera/image_rect", True), ("/camera/image_rect_color/compressed", True),
        ("/zed/rgb/rect/image", True), ("/image_rectified", True), ("/camera/image_raw", False),
        ("/direct/image", False), ("/rectory/image", False), ("/image", False),
    ],
)  # fmt: skip
def test_the_name_of_the_topic_tells_that_images_are_rectified(
    topic: str, rectified: bool
) -> None:
    assert is_rectified("auto", topic) is rectified
    assert is_rectified("rectified", topic)
    assert not is_rectified("distorted", topic)


def test_frames_are_compared_where_both_are_named() -> None:
    for one, two, same in (
        ("a", "a", True), ("/a", "a", True), ("", "a", True), ("", "", True), ("a", "b", False),
    ):  # fmt: skip
        assert same_frame(Header(frame_id=one), Header(frame_id=two)) is same


def test_no_matrix_is_out_of_range() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        k = rng.choice([0.0, 1.0, -1.0, 300.0, 1e5, 1e308, -1e308, np.nan, np.inf], 9)
        camera, problem = calibration_of(info(k=k.tolist()), SIZE)
        assert (camera is None) is bool(problem)
        assert camera is None or np.isfinite(camera.matrix).all()
