# SPDX-License-Identifier: Apache-2.0
"""Image messages to arrays and back; messages that lie."""

from __future__ import annotations

import contextlib
import struct
import zlib
from array import array

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sensor_msgs")

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from refseg_ros.errors import ImageError
from refseg_ros.image_decoding import ENCODINGS
from refseg_ros.ros import conversions as c

sides = st.integers(1, 9)


def message(encoding: str, height: int, width: int, step: int, data: bytes) -> Image:
    image = Image(encoding=encoding, height=height, width=width, step=step)
    image.data = array("B", data)
    return image


def pixels(height: int, width: int, channels: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels), np.uint8)


@given(sides, sides, st.integers(0, 7), st.integers(0, 1000))
@pytest.mark.parametrize(
    ("encoding", "order"),
    [
        ("rgb8", [0, 1, 2]),
        ("bgr8", [2, 1, 0]),
        ("rgba8", [0, 1, 2, 3]),
        ("bgra8", [2, 1, 0, 3]),
        ("mono8", [0]),
    ],
)
def test_colour_survives_channel_order_and_padding(
    encoding: str, order: list[int], height: int, width: int, padding: int, seed: int
) -> None:
    rgb = pixels(height, width, len(order), seed)
    sent = np.pad(rgb[..., order].reshape(height, -1), ((0, 0), (0, padding)))
    read = c.rgb_from_image(message(encoding, height, width, sent.shape[1], sent.tobytes()))
    assert read.dtype == np.uint8
    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, np.broadcast_to(rgb[..., :3], (height, width, 3)))


@given(sides, sides, st.integers(0, 1000))
def test_to_image_and_back(height: int, width: int, seed: int) -> None:
    rgb = pixels(height, width, 3, seed)
    header = Header(frame_id="camera")
    sent = c.to_image(rgb, "rgb8", header)
    assert (sent.height, sent.width, sent.step) == (height, width, 3 * width)
    assert sent.header is header
    np.testing.assert_array_equal(c.rgb_from_image(sent), rgb)


@given(
    encoding=st.sampled_from([*ENCODINGS, "16UC1", "32FC1", "bayer_rggb8", "yuv422", "", "é"]),
    height=st.integers(0, 2**32 - 1) | st.integers(0, 3),
    width=st.integers(0, 2**32 - 1) | st.integers(0, 3),
    step=st.integers(0, 2**32 - 1) | st.integers(0, 12),
    data=st.binary(max_size=40),
)
def test_any_message_is_read_or_refused(
    encoding: str, height: int, width: int, step: int, data: bytes
) -> None:
    lie = message(encoding, height, width, step, data)
    for read in (c.rgb_from_image, c.depth_from_image):
        with contextlib.suppress(ImageError):
            assert read(lie).shape[:2] == (height, width)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (message("bayer_rggb8", 1, 1, 1, b"0"), "image_proc"),
        (message("rgb16", 1, 1, 6, b"000000"), "send rgb8, bgr8, rgba8, bgra8, mono8"),
        (message("yuv422_yuy2", 1, 1, 2, b"00"), "need even sides"),
        (message("rgb8", 0, 0, 0, b""), "no pixels"),
        (message("rgb8", 1, 2, 5, b"00000"), "too few for 2 pixels"),
        (message("rgb8", 2, 1, 3, b"00000"), "are 6 bytes"),
        (message("rgb8", 1, 1, 3, b"0000"), "are 3 bytes"),
    ],
)
def test_refusals_name_what_is_wrong(image: Image, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        c.rgb_from_image(image)


@pytest.mark.parametrize("order", ["<", ">"])
def test_depth_in_millimetres_of_either_byte_order(order: str) -> None:
    raw = np.array([[0, 1500], [65535, 65534]], f"{order}u2")
    image = message("16UC1", 2, 2, 4, raw.tobytes())
    image.is_bigendian = int(order == ">")
    np.testing.assert_allclose(c.depth_from_image(image), [[0, 1.5], [0, 65.534]], rtol=1e-6)


@pytest.mark.parametrize("order", ["<", ">"])
def test_depth_in_metres_has_no_invalid_values(order: str) -> None:
    raw = np.array([[np.nan, np.inf, -np.inf], [-1.0, 0.0, 0.75]], f"{order}f4")
    image = message("32FC1", 2, 3, 12, raw.tobytes())
    image.is_bigendian = int(order == ">")
    np.testing.assert_array_equal(c.depth_from_image(image), [[0, 0, 0], [0, 0, 0.75]])


def test_compressed_keeps_colours_and_refuses_rubbish() -> None:
    rgb = pixels(6, 5, 3, 1)
    ok, data = cv2.imencode(".png", rgb[..., ::-1])
    assert ok
    read = c.rgb_from_compressed(CompressedImage(format="png", data=array("B", data.tobytes())))
    np.testing.assert_array_equal(read, rgb)
    for rubbish in (b"", b"not an image", data.tobytes()[:20]):
        with pytest.raises(ImageError, match="png"):
            c.rgb_from_compressed(CompressedImage(format="png", data=array("B", rubbish)))


def test_mask_values() -> None:
    mask = c.to_mask(np.array([[True, False, True]]), Header())
    assert (mask.encoding, list(mask.data)) == ("mono8", [255, 0, 255])


def test_smaller_masks_lie_on_top() -> None:
    masks = np.zeros((3, 2, 3), np.bool_)
    masks[0, 0, 0] = True
    masks[1] = True
    masks[2, :, :2] = True
    assert c.label_image(masks).tolist() == [[1, 3, 2], [3, 3, 2]]
    assert c.label_image(masks[:0]).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_box_to_region() -> None:
    roi = c.to_roi(np.array([2, 3, 7, 4], np.float32))
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (2, 3, 5, 1)
    assert not roi.do_rectify


def png_head(width: int, height: int) -> bytes:
    """The beginning of a PNG of some size: what is looked at before it is decoded."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"")


def test_too_large_images_are_refused_by_what_they_say_of_themselves() -> None:
    lie = message("rgb8", 2**31, 2**31, 3, b"000")
    png = CompressedImage(format="png", data=array("B", png_head(5000, 4000)))
    for image in (lie, png):
        with pytest.raises(ImageError, match=r"at most 16 are read \(parameter max_megapixels"):
            c.check_pixels(image, 16.0)
    c.check_pixels(png, 20.0)
    bomb = CompressedImage(format="png", data=array("B", png_head(60000, 60000)))
    with pytest.raises(ImageError, match="Bomb"):
        c.check_pixels(bomb, 16.0)
    with pytest.raises(ImageError, match="send JPEG or PNG"):
        c.check_pixels(CompressedImage(format="jpeg", data=array("B", b"GIF89a")), 16.0)
