# SPDX-License-Identifier: Apache-2.0
"""Pictures from outside become 8-bit RGB: the one reader of files, recordings and topics.

Nothing in them is believed: formats are named, sizes and lengths are looked at before memory is
taken, and whatever a decoder raises is an :class:`ImageError`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from refseg_ros.errors import ImageError

FORMATS: Final = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
"""Formats that are opened. Pillow knows more, and starts Ghostscript for one of them."""
MEGAPIXELS: Final = 64.0
"""Most million pixels of a picture in a file or a recording."""

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_DEPTHS: Final = (8, 10, 12, 14, 16)  # bits that cameras put into 16
Rgb = NDArray[np.uint8]


def decoded(data: bytes, what: str, megapixels: float = MEGAPIXELS, upright: bool = False) -> Rgb:
    """Decode the bytes of an image file.

    Grey, palette, CMYK and 16-bit pictures are converted; 16 bits that hold 10, 12 or 14 are
    scaled by those. Transparent parts become white. Of an animation the first frame is taken.

    Args:
        data: The file's bytes, in one of :data:`FORMATS`.
        what: How errors begin: what was read.
        megapixels: The most that are allowed, in millions.
        upright: Whether it is turned as its EXIF orientation says. A camera's stays as its rows
            lie: depth and calibration are of those.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: It is no such image, damaged, too large, or holds floating-point values.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            check_megapixels(opened.size[0], opened.size[1], what, megapixels)
            _check_chunks(data, what)
            opened.load()
            if data[:8] == _PNG and data[24] == 16 and opened.mode in ("RGB", "RGBA"):
                return _deep(data)
            return _to_rgb(ImageOps.exif_transpose(opened) if upright else opened, what)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{what}: not an image that can be read; send JPEG or PNG") from None
    # Decoders raise whatever they like; a decompression bomb is an error of its own.
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise ImageError(
            f"{what}: damaged or truncated, not an image that can be decoded "
            f"({type(error).__name__}: {text}); send JPEG or PNG"
        ) from error


def size_of(data: bytes, what: str) -> tuple[int, int]:
    """Width and height that the head of an image file names.

    Raises:
        ImageError: It is no image of :data:`FORMATS`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            return opened.size
    except Exception as error:  # as above
        raise ImageError(
            f"{what} are not an image that can be decoded ({type(error).__name__}); send JPEG or "
            "PNG"
        ) from error


def check_megapixels(width: int, height: int, what: str, megapixels: float) -> None:
    """Refuse a picture that is too large, before memory is taken for it.

    Raises:
        ImageError: It has more than so many million pixels.
    """
    if width * height > megapixels * 1e6:
        raise ImageError(
            f"{what}: an image of {width}x{height} has {width * height / 1e6:.4g} megapixels, "
            f"too large: at most {megapixels:g} are read; make it smaller"
        )


def _check_chunks(data: bytes, what: str) -> None:
    """Refuse a PNG with a part that says to be longer than the file.

    OpenCV takes memory for what a part says, up to 4 GB, before it reads on.
    """
    place = len(_PNG) if data[:8] == _PNG else len(data)
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] == b"IEND":  # what follows is not looked at
            return
        place += 12 + length  # length, name, content, checksum
        if place > len(data):
            raise ImageError(
                f"{what}: damaged or truncated: a part of the PNG claims to be {length} bytes long"
            )


def _deep(data: bytes) -> Rgb:
    """A colour PNG of 16 bits, of which Pillow would keep the upper 8 alone."""
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    values = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if values is None or values.dtype != np.uint16 or values.ndim != 3:
        raise ImageError("OpenCV does not read it")
    colours = _eight_bits(values[..., 2::-1])
    if values.shape[2] == 4:
        alpha = values[..., 3:] / np.float32(65535)
        colours = np.rint(colours * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(colours)


def _eight_bits(values: NDArray[Any]) -> Rgb:
    """Values of up to 16 bits as 8: of as many bits as the largest needs."""
    whole = np.clip(values.astype(np.int64), 0, 65535)
    top = int(whole.max(initial=0))
    bits = next(bits for bits in _DEPTHS if top < 1 << bits)
    return (whole * 255 // ((1 << bits) - 1)).astype(np.uint8)


def _to_rgb(image: Image.Image, what: str) -> Rgb:
    if image.mode == "F":
        raise ImageError(f"{what}: floating-point pixels; expected 8 or 16 bits a channel")
    if image.mode.startswith("I"):  # 16-bit grey, or 32-bit integers that hold it
        return np.repeat(_eight_bits(np.asarray(image))[..., None], 3, axis=2)
    if "A" in image.getbands() or "transparency" in image.info:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        image = Image.alpha_composite(white, layered)
    return np.array(image.convert("RGB"), np.uint8)


# ------------------------------------------------------------------------------ raw messages


class RawImage(Protocol):
    """The fields of sensor_msgs/Image, of whatever library."""

    encoding: str
    height: int
    width: int
    step: int
    data: Any


@dataclass(frozen=True)
class _Layout:
    """How an encoding lays out its pixels.

    Attributes:
        bytes: Bytes per pixel of a row.
        code: OpenCV's conversion to RGB; None for RGB itself.
        pairs: Whether two pixels of a row share a colour.
        planes: Whether a plane of half as many rows, of colours, follows that of brightness.
    """

    bytes: int
    code: int | None = None
    pairs: bool = False
    planes: bool = False


_GREY = _Layout(1, cv2.COLOR_GRAY2RGB)
_BGR, _BGRA = _Layout(3, cv2.COLOR_BGR2RGB), _Layout(4, cv2.COLOR_BGRA2RGB)
_UYVY = _Layout(2, cv2.COLOR_YUV2RGB_UYVY, pairs=True)
_YUYV = _Layout(2, cv2.COLOR_YUV2RGB_YUY2, pairs=True)
_LAYOUTS: Final = {
    "rgb8": _Layout(3), "bgr8": _BGR, "rgba8": _Layout(4, cv2.COLOR_RGBA2RGB), "bgra8": _BGRA,
    "mono8": _GREY, "8UC1": _GREY, "8UC3": _BGR, "8UC4": _BGRA,
    "yuv422": _UYVY, "uyvy": _UYVY, "yuv422_yuy2": _YUYV, "yuyv": _YUYV,
    "nv12": _Layout(1, cv2.COLOR_YUV2RGB_NV12, pairs=True, planes=True),
    "nv21": _Layout(1, cv2.COLOR_YUV2RGB_NV21, pairs=True, planes=True),
}  # fmt: skip
ENCODINGS: Final = tuple(_LAYOUTS)
"""Encodings of raw images that are read. 8UC3 and 8UC4 are taken in OpenCV's order, BGR."""


def rgb_of_raw(message: RawImage) -> Rgb:
    """Read a raw colour or grey image.

    Args:
        message: An image in one of :data:`ENCODINGS`; rows may be padded. Alpha is ignored.

    Returns:
        (H, W, 3) uint8 RGB, contiguous; it may share the message's memory.

    Raises:
        ImageError: Another encoding, no pixels, or a length that does not agree with the others.
    """
    encoding, height, width = message.encoding, message.height, message.width
    check_size(message)
    layout = _LAYOUTS.get(encoding)
    if layout is None:
        advice = f"send {', '.join(ENCODINGS)}"
        if encoding.startswith("bayer"):
            advice = "run image_proc's debayer node and subscribe to its colour image"
        raise ImageError(f"encoding: {quoted(encoding)} is not read; {advice}")
    if (layout.pairs and width % 2) or (layout.planes and height % 2):
        raise ImageError(f"size: {encoding} of {width}x{height}; pixels in pairs need even sides")
    lines = height * 3 // 2 if layout.planes else height
    rows = rows_of_raw(message, layout.bytes, lines)
    pixels = rows[:, : width * layout.bytes].reshape(lines, width, layout.bytes)
    if layout.code is None:
        return np.ascontiguousarray(pixels)
    if layout.bytes == 1:
        pixels = pixels[..., 0]
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), layout.code), np.uint8)


def check_size(message: RawImage) -> None:
    """Refuse an image without pixels.

    Raises:
        ImageError: Its width or height is 0.
    """
    if not message.height or not message.width:
        raise ImageError(f"size: an image of {message.width}x{message.height} has no pixels")


def rows_of_raw(message: RawImage, pixel_bytes: int, lines: int = 0) -> NDArray[np.uint8]:
    """The data as (lines, step) uint8, after step and length were checked.

    Args:
        message: Whose data it is.
        pixel_bytes: Bytes of a pixel in a row.
        lines: Number of rows; the image's height without it.

    Raises:
        ImageError: Step or length do not agree with width and height.
    """
    lines = lines or message.height
    width, step, size = message.width, message.step, len(message.data)
    if step < width * pixel_bytes:
        raise ImageError(
            f"step: {step} bytes a row are too few for {width} pixels of {message.encoding} "
            f"({width * pixel_bytes} bytes)"
        )
    if size != step * lines:
        raise ImageError(
            f"data: {size} bytes, but {lines} rows of step {step} are {step * lines} bytes"
        )
    return np.frombuffer(message.data, np.uint8).reshape(lines, step)


def quoted(text: str) -> str:
    """A text from outside, quoted and of bounded length."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
