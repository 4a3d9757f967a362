# SPDX-License-Identifier: Apache-2.0
"""Between ROS image messages and numpy, by cv_bridge where that is installed.

Nothing in a message is believed: every length is checked before the bytes are looked at. What
cv_bridge cannot read is read here, and what both can gives the same array: padded rows, the other
byte order, and compressed images, of which it would take any size, stay here.
"""

from __future__ import annotations

import logging
import sys
from array import array
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from refseg_ros.errors import ImageError
from refseg_ros.image_decoding import (
    MEGAPIXELS,
    check_size,
    decoded,
    quoted,
    rgb_of_raw,
    rows_of_raw,
    size_of,
)

_LOGGER = logging.getLogger(__name__)
_NO_DEPTH = 65535
_BRIDGED = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "yuv422": 2}
"""Encodings that cv_bridge of every distribution turns into rgb8, and their bytes a pixel."""
_LABEL_TYPES: dict[str, np.dtype[Any]] = {
    "mono8": np.dtype(np.uint8),
    "8UC1": np.dtype(np.uint8),
    "16UC1": np.dtype(np.uint16),
    "32SC1": np.dtype(np.int32),
}
_DEPTH_TYPES: dict[str, np.dtype[Any]] = {
    "16UC1": np.dtype(np.uint16),
    "32FC1": np.dtype(np.float32),
}


@cache
def cv_bridge() -> Any | None:
    """The converter of cv_bridge; None where that is not installed or does not load."""
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()
        bridge.encoding_to_dtype_with_channels("rgb8")  # loads its library
    except ModuleNotFoundError:  # it comes with a ROS distribution, not from pip
        return None
    except Exception as error:  # one that was built for another NumPy raises what it likes
        _LOGGER.warning("cv_bridge does not load, images are read without it: %r", error)
        return None
    return bridge


def rgb_from_image(message: Image) -> NDArray[np.uint8]:
    """Read a colour or grey image: :func:`refseg_ros.image_decoding.rgb_of_raw`."""
    pixel_bytes = _BRIDGED.get(message.encoding, 0)
    even = pixel_bytes != 2 or message.width % 2 == 0
    if not (pixel_bytes and even and _is_plain(message, pixel_bytes)):
        return rgb_of_raw(message)
    bridge = cv_bridge()
    if bridge is None:
        return rgb_of_raw(message)
    return np.asarray(bridge.imgmsg_to_cv2(message, "rgb8"), np.uint8)


def _is_plain(message: Image, pixel_bytes: int) -> bool:
    """Whether the rows lie one after the other, without padding, in this machine's byte order."""
    size = message.width * message.height * pixel_bytes
    native = pixel_bytes == 1 or bool(message.is_bigendian) == (sys.byteorder == "big")
    rows = message.step == message.width * pixel_bytes
    return native and rows and 0 < size == len(message.data)


def check_pixels(message: Image | CompressedImage, megapixels: float) -> None:
    """Refuse an image that is too large, before memory is taken for it.

    Args:
        message: The image; only the head of a compressed one's file is read.
        megapixels: The most that are allowed, in millions.

    Raises:
        ImageError: It has more.
    """
    if isinstance(message, CompressedImage):
        width, height = size_of(bytes(message.data), _told(message))
    else:
        width, height = message.width, message.height
    if width * height > megapixels * 1e6:
        raise ImageError(
            f"size: an image of {width}x{height} has {width * height / 1e6:.4g} megapixels, at "
            f"most {megapixels:g} are read (parameter max_megapixels); make it smaller, for "
            "example with image_proc's resize node"
        )


def rgb_from_compressed(
    message: CompressedImage, megapixels: float = MEGAPIXELS
) -> NDArray[np.uint8]:
    """Decode a compressed image as its rows lie: :func:`refseg_ros.image_decoding.decoded`."""
    return decoded(bytes(message.data), _told(message), megapixels)


def _told(message: CompressedImage) -> str:
    return f"data: {len(message.data)} bytes of format {quoted(message.format)}"


def read_rgb(message: Image | CompressedImage, megapixels: float) -> NDArray[np.uint8]:
    """Read an image of either type, unless it is too large.

    Args:
        message: A camera's image.
        megapixels: The most that are allowed, in millions.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: It is larger, or cannot be read.
    """
    check_pixels(message, megapixels)
    if isinstance(message, CompressedImage):
        return rgb_from_compressed(message, megapixels)
    return rgb_from_image(message)


def depth_from_image(message: Image) -> NDArray[np.float32]:
    """Read a depth image (REP-118): the unit follows from the encoding.

    Args:
        message: Encoding 16UC1 (millimetres) or 32FC1 (metres), either byte order.

    Returns:
        (H, W) float32 metres; 0 where the depth is unknown: 0, NaN, infinite or negative, and the
        greatest of 16 bits, by which some cameras say so.

    Raises:
        ImageError: Another encoding, no pixels, or a length that does not agree with the others.
    """
    encoding = message.encoding
    check_size(message)
    if encoding not in _DEPTH_TYPES:
        raise ImageError(
            f"encoding: {quoted(encoding)} is not a depth image; send 16UC1 (millimetres) or "
            "32FC1 (metres)"
        )
    values = _values(message, _DEPTH_TYPES[encoding]).astype(np.float32)
    if encoding == "16UC1":
        values[values == _NO_DEPTH] = 0.0
        return values * np.float32(0.001)
    values[~(np.isfinite(values) & (values > 0))] = 0.0
    return values


def detection_labels(message: Image, size: tuple[int, int]) -> NDArray[np.int64]:
    """Read a label image of detections.

    Args:
        message: Encoding mono8, 8UC1, 16UC1 or 32SC1, either byte order.
        size: Height and width that it must have.

    Returns:
        (H, W) int64, the pixels as they are.

    Raises:
        ImageError: Another encoding or size, or a length that does not agree with the others.
    """
    encoding = message.encoding
    if encoding not in _LABEL_TYPES:
        raise ImageError(
            f"encoding: {quoted(encoding)} is not a label image; send {', '.join(_LABEL_TYPES)}"
        )
    if (message.height, message.width) != size:
        raise ImageError(
            f"label image: {message.width}x{message.height}, the image is {size[1]}x{size[0]}"
        )
    return _values(message, _LABEL_TYPES[encoding]).astype(np.int64)


def _values(message: Image, kind: np.dtype[Any]) -> NDArray[Any]:
    """(H, W) numbers of one channel, in the byte order that the message names."""
    if _is_plain(message, kind.itemsize) and (bridge := cv_bridge()) is not None:
        return np.asarray(bridge.imgmsg_to_cv2(message, "passthrough"))
    rows = rows_of_raw(message, kind.itemsize)[:, : message.width * kind.itemsize]
    order = kind.newbyteorder(">" if message.is_bigendian else "<")
    return np.ascontiguousarray(rows).view(order)


def to_image(pixels: NDArray[Any], encoding: str, header: Header) -> Image:
    """Make an image message.

    Args:
        pixels: (H, W) or (H, W, C), in the type that ``encoding`` names; 0 rows are allowed.
        encoding: For example mono8, rgb8, 16UC1 or 32FC1.
        header: Copied into the message as it is.

    Returns:
        The message, without padding, in the byte order of this machine.
    """
    height, width = pixels.shape[:2]
    message = Image(header=header, height=height, width=width, encoding=encoding)
    message.is_bigendian = int(sys.byteorder == "big")
    message.step = width * pixels.itemsize * (pixels.shape[2] if pixels.ndim == 3 else 1)
    # rosidl checks a list element by element; an array of bytes is taken as it is.
    message.data = array("B", np.ascontiguousarray(pixels).tobytes())
    return message


def to_mask(mask: NDArray[np.bool_], header: Header) -> Image:
    """Make a mono8 message of an (H, W) bool mask: 255 inside, 0 outside."""
    return to_image(mask.astype(np.uint8) * np.uint8(255), "mono8", header)


def label_image(masks: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Paint masks into one image, the smaller on top of the larger.

    Args:
        masks: (N, H, W) bool, N < 65536.

    Returns:
        (H, W) uint16: 0 is background, k is ``masks[k - 1]``.
    """
    labels = np.zeros(masks.shape[1:], np.uint16)
    areas = np.array([np.count_nonzero(mask) for mask in masks])
    for index in np.argsort(-areas, kind="stable"):
        np.copyto(labels, index + 1, where=masks[index], casting="unsafe")
    return labels


def to_roi(box: NDArray[np.float32]) -> RegionOfInterest:
    """Make a region of a half-open pixel box ``x0, y0, x1, y1`` that is not negative."""
    x0, y0 = (int(value) for value in np.floor(box[:2]))
    x1, y1 = (int(value) for value in np.ceil(box[2:]))
    return RegionOfInterest(x_offset=x0, y_offset=y0, width=x1 - x0, height=y1 - y0)
