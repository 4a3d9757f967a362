# SPDX-License-Identifier: Apache-2.0
"""Between ROS image messages and numpy, without cv_bridge.

Nothing in a message is believed: every length is checked before the bytes are looked at.
"""

from __future__ import annotations

import io
import sys
from array import array
from typing import Any

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from refseg_ros.errors import ImageError

CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1}
"""Colour encodings that are read, and their bytes a pixel."""

_TO_RGB = {
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
}

_NO_DEPTH = 65535
_DEPTH_TYPES: dict[str, np.dtype[Any]] = {
    "16UC1": np.dtype(np.uint16),
    "32FC1": np.dtype(np.float32),
}


def rgb_from_image(message: Image) -> NDArray[np.uint8]:
    """Read a colour or grey image.

    Args:
        message: Encoding rgb8, bgr8, rgba8, bgra8 or mono8; rows may be padded. Alpha is ignored.

    Returns:
        (H, W, 3) uint8 RGB, contiguous; it may share the message's memory.

    Raises:
        ImageError: Another encoding, no pixels, or a length that does not agree with the others.
    """
    encoding = message.encoding
    _check_size(message)
    if encoding not in CHANNELS:
        raise ImageError(f"encoding: {_shown(encoding)} is not read; {_advice(encoding)}")
    channels = CHANNELS[encoding]
    rows = _rows(message, channels)
    pixels = rows[:, : message.width * channels].reshape(message.height, message.width, channels)
    if encoding == "rgb8":
        return np.ascontiguousarray(pixels)
    return np.asarray(cv2.cvtColor(pixels, _TO_RGB[encoding]), np.uint8)


def check_pixels(message: Image | CompressedImage, megapixels: float) -> None:
    """Refuse an image that is too large, before memory is taken for it.

    Args:
        message: Of a compressed one only the head of its file is read.
        megapixels: The most that are allowed, in millions.

    Raises:
        ImageError: It has more.
    """
    if isinstance(message, CompressedImage):
        width, height = _size_in_file(message)
    else:
        width, height = message.width, message.height
    if width * height > megapixels * 1e6:
        raise ImageError(
            f"size: an image of {width}x{height} has {width * height / 1e6:.4g} megapixels, at "
            f"most {megapixels:g} are read (parameter max_megapixels); make it smaller, for "
            "example with image_proc's resize node"
        )


def rgb_from_compressed(message: CompressedImage) -> NDArray[np.uint8]:
    """Decode a JPEG or PNG image.

    Args:
        message: The data of one image file; ``format`` is only used in the error.

    Returns:
        (H, W, 3) uint8 RGB as the camera's rows lie (an EXIF orientation is not applied).

    Raises:
        ImageError: The data is not an image that OpenCV can decode.
    """
    data = np.frombuffer(message.data, np.uint8)
    _check_chunks(message)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(data, flags) if data.size else None
    except cv2.error as error:
        raise ImageError(f"data: decoding {_shown(message.format)} failed: {error}") from error
    if image is None:
        raise ImageError(
            f"data: {data.size} bytes of format {_shown(message.format)} are not an image that "
            "can be decoded; send JPEG or PNG"
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def read_rgb(message: Image | CompressedImage, megapixels: float) -> NDArray[np.uint8]:
    """Read an image of either type, unless it is too large.

    Args:
        message: Of a camera.
        megapixels: The most that are allowed, in millions.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: It is larger, or cannot be read.
    """
    check_pixels(message, megapixels)
    if isinstance(message, CompressedImage):
        return rgb_from_compressed(message)
    return rgb_from_image(message)


_PNG = b"\x89PNG\r\n\x1a\n"


def _check_chunks(message: CompressedImage) -> None:
    """Refuse a PNG with a part that says to be longer than the file.

    OpenCV takes memory for what a part says, up to 4 GB, before it reads on.
    """
    data = message.data
    if bytes(data[:8]) != _PNG:
        return
    place = len(_PNG)
    while place + 8 <= len(data):
        length = int.from_bytes(bytes(data[place : place + 4]), "big")
        if bytes(data[place + 4 : place + 8]) == b"IEND":  # what follows is not looked at
            return
        place += 12 + length  # length, name, content, checksum
        if place > len(data):
            raise ImageError(
                f"data: {len(data)} bytes of format {_shown(message.format)} are damaged or cut "
                f"short: a part of the PNG says to be {length} bytes long"
            )


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
    _check_size(message)
    if encoding not in _DEPTH_TYPES:
        raise ImageError(
            f"encoding: {_shown(encoding)} is not a depth image; send 16UC1 (millimetres) or "
            "32FC1 (metres)"
        )
    kind = _DEPTH_TYPES[encoding]
    rows = _rows(message, kind.itemsize)[:, : message.width * kind.itemsize]
    order = kind.newbyteorder(">" if message.is_bigendian else "<")
    values = np.ascontiguousarray(rows).view(order).astype(np.float32)
    if encoding == "16UC1":
        values[values == _NO_DEPTH] = 0.0
        return values * np.float32(0.001)
    values[~(np.isfinite(values) & (values > 0))] = 0.0
    return values


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


def _size_in_file(message: CompressedImage) -> tuple[int, int]:
    """Width and height that the head of a JPEG or PNG file names."""
    try:
        with PIL.Image.open(io.BytesIO(message.data), formats=("JPEG", "PNG")) as file:
            return file.size
    # Pillow raises many kinds of damaged files; a decompression bomb is one of its own.
    except Exception as error:
        raise ImageError(
            f"data: {len(message.data)} bytes of format {_shown(message.format)} are not an image "
            f"that can be decoded ({type(error).__name__}); send JPEG or PNG"
        ) from error


def _check_size(message: Image) -> None:
    if not message.height or not message.width:
        raise ImageError(f"size: an image of {message.width}x{message.height} has no pixels")


def _rows(message: Image, pixel_bytes: int) -> NDArray[np.uint8]:
    """The data as (H, step) uint8, after step and length were checked."""
    height, width, step, size = message.height, message.width, message.step, len(message.data)
    if step < width * pixel_bytes:
        raise ImageError(
            f"step: {step} bytes a row are too few for {width} pixels of {message.encoding} "
            f"({width * pixel_bytes} bytes)"
        )
    if size != step * height:
        raise ImageError(
            f"data: {size} bytes, but {height} rows of step {step} are {step * height} bytes"
        )
    return np.frombuffer(message.data, np.uint8).reshape(height, step)


def _advice(encoding: str) -> str:
    if encoding.startswith("bayer"):
        return "run image_proc's debayer node and subscribe to its colour image"
    return f"send {', '.join(CHANNELS)}"


def _shown(text: str) -> str:
    """A text from outside, quoted and of bounded length."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
