# SPDX-License-Identifier: Apache-2.0
"""Image messages to arrays and back; messages that lie."""

from __future__ import annotations

import contextlib
import struct
import sys
import zlib
from array import array
from collections.abc import Callable
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sensor_msgs")

from bridge_stand_in import CvBridge
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


# --------------------------------------------------------------------------------- cv_bridge


@pytest.fixture
def bridge(monkeypatch: pytest.MonkeyPatch) -> CvBridge:
    """cv_bridge's place taken by one that counts; the installed one where there is one."""
    installed = c.cv_bridge()
    counting = CvBridge()
    if installed is not None:

        def read(message: Image, desired: str = "passthrough") -> np.ndarray:
            counting.read += 1
            return installed.imgmsg_to_cv2(message, desired)

        monkeypatch.setattr(counting, "imgmsg_to_cv2", read)
    monkeypatch.setattr(c, "cv_bridge", lambda: counting)
    return counting


def same_without(image: Image, read: Callable[[Image], np.ndarray]) -> bool:
    """Whether cv_bridge and our own reader see the same, in type and value."""
    by_bridge = read(image)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(c, "cv_bridge", lambda: None)
        ours = read(image)
    np.testing.assert_array_equal(by_bridge, ours)
    return by_bridge.dtype == ours.dtype and by_bridge.flags.c_contiguous


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_cv_bridge_and_our_own_reader_see_the_same(encoding: str, bridge: CvBridge) -> None:
    size = {"rgb8": 3, "bgr8": 3, "8UC3": 3, "rgba8": 4, "bgra8": 4, "8UC4": 4}.get(encoding, 1)
    size = 2 if encoding in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv") else size
    lines = 12 if encoding.startswith("nv") else 8
    data = pixels(lines, 6, size, 3)
    image = message(encoding, 8, 6, 6 * size, data.tobytes())
    assert same_without(image, c.rgb_from_image)
    assert bridge.read == (encoding in c._BRIDGED)


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_depth_by_cv_bridge_is_the_same(encoding: str, bridge: CvBridge) -> None:
    kind = np.uint16 if encoding == "16UC1" else np.float32
    values = np.arange(12, dtype=kind).reshape(3, 4) * 1000
    image = c.to_image(values, encoding, Header())
    assert same_without(image, c.depth_from_image)
    assert bridge.read == 1


@given(sides, sides, st.integers(1, 7), st.sampled_from(["rgb8", "bgra8", "mono8"]))
def test_padded_rows_are_read_without_cv_bridge(
    height: int, width: int, padding: int, encoding: str
) -> None:
    step = width * {"rgb8": 3, "bgra8": 4, "mono8": 1}[encoding] + padding
    image = message(encoding, height, width, step, bytes(height * step))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(c, "cv_bridge", CvBridge)  # would stumble over the padding
        assert c.rgb_from_image(image).shape == (height, width, 3)


def test_the_other_byte_order_and_lies_are_read_without_cv_bridge(bridge: CvBridge) -> None:
    big = message("16UC1", 1, 2, 4, np.array([1000, 2000], ">u2").tobytes())
    big.is_bigendian = 1
    np.testing.assert_allclose(c.depth_from_image(big), [[1.0, 2.0]])
    for lie in (message("rgb8", 1, 1, 3, b"00"), message("yuv422", 1, 1, 2, b"00")):
        with pytest.raises(ImageError):
            c.rgb_from_image(lie)
    assert bridge.read == 0


@pytest.mark.parametrize(
    ("module", "told"),
    [(None, False), (SimpleNamespace(CvBridge=lambda: 1 / 0), True), (SimpleNamespace(), True)],
)
def test_a_cv_bridge_that_does_not_load_is_told_once(
    module: object, told: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "cv_bridge", module)
    c.cv_bridge.cache_clear()
    try:
        read = [c.rgb_from_image(message("rgb8", 1, 1, 3, b"123")).tolist() for _ in range(2)]
        assert read == [[[[49, 50, 51]]]] * 2
        assert len([record for record in caplog.records if "cv_bridge" in record.message]) == told
    finally:
        c.cv_bridge.cache_clear()


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
