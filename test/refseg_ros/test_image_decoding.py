# SPDX-License-Identifier: Apache-2.0
"""One reader for files, recordings and topics: what each format becomes, and what is refused."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import zlib
from array import array
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from refseg_ros.errors import ImageError
from refseg_ros.image_decoding import ENCODINGS, decoded, rgb_of_raw
from refseg_ros.image_io import read_image
from refseg_ros.recordings.images import COMPRESSED, rgb_of

RGB = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)


def packed(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def from_file(data: bytes, folder: Path) -> np.ndarray:
    path = folder / "picture.bin"
    path.write_bytes(data)
    return read_image(path)


def from_bag(data: bytes, folder: Path) -> np.ndarray:
    values = np.frombuffer(data, np.uint8)
    message = SimpleNamespace(__msgtype__=COMPRESSED, format="png", data=values)
    return rgb_of(message)


def from_topic(data: bytes, folder: Path) -> np.ndarray:
    messages = pytest.importorskip("sensor_msgs.msg")
    conversions = pytest.importorskip("refseg_ros.ros.conversions")
    message = messages.CompressedImage(format="png", data=array("B", data))
    image: np.ndarray = conversions.read_rgb(message, 16.0)
    return image


WAYS: list[Callable[[bytes, Path], np.ndarray]] = [from_file, from_bag, from_topic]
GREY16 = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32)
CLEAR = np.dstack([RGB, np.repeat([[0], [255]], 12, 0).repeat(32, 1)]).astype(np.uint8)


def deep(values: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", values)
    assert done
    return data.tobytes()


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (packed(Image.fromarray(RGB), "PNG"), RGB),
        (packed(Image.fromarray(RGB), "PNG") + b"\xff" * 60, RGB),
        (packed(Image.fromarray(RGB), "WEBP", lossless=True), RGB),
        (packed(Image.fromarray(RGB), "BMP"), RGB),
        (deep((GREY16 * 85).astype(np.uint16)), (GREY16 * 85 // 257)[..., None]),
        (deep((RGB.astype(np.uint16) * 257)[..., ::-1]), RGB),
        # What a camera of 12 bits writes into 16.
        (deep(np.rint(RGB / 255 * 4095).astype(np.uint16)[..., ::-1]), RGB),
        (deep(np.rint(RGB[..., 0] / 255 * 4095).astype(np.uint16)), RGB[..., :1]),
        (packed(Image.fromarray(CLEAR, "RGBA"), "PNG"), np.where(CLEAR[..., 3:] > 0, RGB, 255)),
    ],
    ids=["png", "tail", "webp", "bmp", "grey16", "rgb16", "rgb12", "grey12", "alpha"],
)
def test_a_picture_is_the_same_however_it_comes(
    read: Callable[[bytes, Path], np.ndarray], data: bytes, wanted: np.ndarray, tmp_path: Path
) -> None:
    pixels = read(data, tmp_path)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - np.broadcast_to(wanted, RGB.shape)).max() <= 1


POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n"
    b"(%pipe%touch opened) (w) file\nshowpage\n"
)


def bomb() -> bytes:
    """A PNG of 20,000 by 20,000 in some hundred kB."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + crc

    size = (20_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(20_001)) for _ in range(200)) + rows.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (POSTSCRIPT, "not an image"),
        (b"", "not an image"),
        (b"P6 1 1 255\n", "image"),
        (packed(Image.fromarray(RGB), "PNG")[:-200], "damaged or truncated"),
        (packed(Image.fromarray(RGB), "JPEG")[:-200], "damaged or truncated"),
        (bomb(), "20000x20000|Bomb"),
    ],
    ids=["postscript", "empty", "ppm", "cut png", "cut jpeg", "bomb"],
)
def test_what_is_no_picture_is_refused(
    read: Callable[[bytes, Path], np.ndarray], data: bytes, words: str, tmp_path: Path
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match=words):
        read(data, tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


FILES = {
    kind: packed(Image.fromarray(RGB), kind) for kind in ("PNG", "JPEG", "WEBP", "TIFF", "GIF")
}


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=6),
    st.integers(0, 3000),
)
def test_a_decoder_raises_one_kind_of_error(
    kind: str, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(FILES[kind])
    for place, value in changes:
        data[place % len(data)] = value
    data = data[: len(data) - cut % 200] if cut % 2 else data
    with contextlib.suppress(ImageError):
        assert decoded(bytes(data), "it", 1.0).ndim == 3


def test_a_decoder_that_breaks_is_an_image_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for failure in (RuntimeError("codec"), MemoryError(), OverflowError("size"), KeyError(3)):

        def fails(*args: Any, failure: Exception = failure, **kwargs: Any) -> None:
            raise failure

        monkeypatch.setattr(Image, "open", fails)
        with pytest.raises(ImageError, match=type(failure).__name__):
            decoded(FILES["PNG"], "it")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="not a regular file"):
        read_image(tmp_path / "pipe.png")


# ------------------------------------------------------------------------------ raw messages


def raw(encoding: str, width: int, height: int, step: int, data: bytes) -> Any:
    return SimpleNamespace(encoding=encoding, width=width, height=height, step=step, data=data)


def sent(encoding: str) -> tuple[bytes, int]:
    """Bytes and step of what a camera sends; limited range, as cameras have."""
    rgb = cv2.resize(RGB[:3, :4], (32, 24), interpolation=cv2.INTER_LINEAR).astype(np.float64)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    y = 16 + (65.738 * red + 129.057 * green + 25.064 * blue) / 256
    u = 128 + (-37.945 * red - 74.494 * green + 112.439 * blue) / 256
    v = 128 + (112.439 * red - 94.154 * green - 18.285 * blue) / 256
    y, u, v = (np.rint(part).astype(np.uint8) for part in (y, u, v))
    if encoding in ("nv12", "nv21"):
        order = (u, v) if encoding == "nv12" else (v, u)
        colours = np.stack([part[::2, ::2] for part in order], -1).reshape(12, 32)
        return np.concatenate([y, colours]).tobytes(), 32
    pairs = np.stack([u[:, ::2], v[:, ::2]], -1).reshape(24, 32)
    both = (y, pairs) if encoding in ("yuv422_yuy2", "yuyv") else (pairs, y)
    return np.stack(both, -1).tobytes(), 64


@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv", "nv12", "nv21"])
def test_what_cameras_send_is_read(encoding: str) -> None:
    data, step = sent(encoding)
    wanted = cv2.resize(RGB[:3, :4], (32, 24), interpolation=cv2.INTER_LINEAR)
    read = rgb_of_raw(raw(encoding, 32, 24, step, data))
    assert read.shape == (24, 32, 3)
    assert np.abs(read.astype(int) - wanted).mean() < 12
    with pytest.raises(ImageError, match="data:"):
        rgb_of_raw(raw(encoding, 32, 24, step, data[:-1]))
    with pytest.raises(ImageError, match="even sides"):
        rgb_of_raw(raw(encoding, 31, 24, step, data))


def test_bytes_without_an_order_are_those_of_opencv() -> None:
    bgr = np.ascontiguousarray(RGB[..., ::-1])
    assert (rgb_of_raw(raw("8UC3", 32, 24, 96, bgr.tobytes())) == RGB).all()
    assert (rgb_of_raw(raw("8UC1", 32, 24, 32, RGB[..., 0].tobytes())) == RGB[..., :1]).all()
    assert set(ENCODINGS) >= {"rgb8", "bgr8", "rgba8", "bgra8", "mono8"}
