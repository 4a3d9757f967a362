# SPDX-License-Identifier: Apache-2.0
"""As much of cv_bridge's Python interface as images are read by, made of OpenCV and NumPy."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

_TO_RGB = {
    "rgb8": None,
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
    "yuv422": cv2.COLOR_YUV2RGB_UYVY,
}
_TYPES = {"16UC1": (np.uint16, 1), "32FC1": (np.float32, 1), "32SC1": (np.int32, 1)}
_TYPES |= {"8UC1": (np.uint8, 1), "mono8": (np.uint8, 1), "yuv422": (np.uint8, 2)}
_TYPES |= {"rgb8": (np.uint8, 3), "bgr8": (np.uint8, 3)}
_TYPES |= {"rgba8": (np.uint8, 4), "bgra8": (np.uint8, 4)}


class CvBridge:
    """Reads images that have no padding; counts how many.

    Attributes:
        read: Images that were read.
    """

    def __init__(self) -> None:
        self.read = 0

    def encoding_to_dtype_with_channels(self, encoding: str) -> tuple[Any, int]:
        return _TYPES[encoding]

    def imgmsg_to_cv2(self, message: Any, desired_encoding: str = "passthrough") -> Any:
        self.read += 1
        kind, channels = _TYPES[message.encoding]
        pixels = np.frombuffer(message.data, kind).reshape(message.height, message.width, -1)
        pixels = pixels[..., 0] if channels == 1 else pixels
        if desired_encoding == "passthrough":
            return pixels
        assert desired_encoding == "rgb8"
        code = _TO_RGB[message.encoding]
        return pixels if code is None else cv2.cvtColor(np.ascontiguousarray(pixels), code)
