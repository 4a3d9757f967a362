# SPDX-License-Identifier: Apache-2.0
"""Whatever the bytes and sentences: a right answer or an error that says why, nothing else.

Colour images are in test_conversions.py.
"""

from __future__ import annotations

import io
import resource
from array import array

import numpy as np
import pytest

pytest.importorskip("rclpy")

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from refseg_ros.errors import ImageError
from refseg_ros.geometry import locate
from refseg_ros.language import parse
from refseg_ros.language.tokens import MAX_CHARS
from refseg_ros.ros.calibration import calibration_of
from refseg_ros.ros.conversions import (
    check_pixels,
    depth_from_image,
    rgb_from_compressed,
)
from refseg_ros.ros.health import shown


def check_words(error: ImageError) -> None:
    """An error says something, and not too much, whatever was sent."""
    assert 10 < len(str(error)) < 600


SOME = settings(max_examples=200, deadline=None)
ENCODINGS = ["16UC1", "32FC1", "rgb8", ""]
SIZES = st.one_of(st.integers(0, 40), st.integers(0, 2**32 - 1))
WORDS = [
    "the",
    "red",
    "mug",
    "left",
    "of",
    "two",
    "not",
    "and",
    "that",
    "is",
    ",",
    "(",
    "'s",
    "it",
    "than",
]


@st.composite
def messages(draw: st.DrawFn) -> Image:
    """Depth images whose fields need not agree."""
    height, width = draw(SIZES), draw(SIZES)
    honest = draw(st.booleans())
    encoding = draw(st.sampled_from(ENCODINGS) | st.text(max_size=60))
    pixel = 4 if encoding == "32FC1" else 2
    step = min(width * pixel, 2**32 - 1) if honest else draw(SIZES)
    size = min(step * height, 20_000) if honest else draw(st.integers(0, 5000))
    data = draw(st.binary(min_size=min(size, 64), max_size=64))
    return Image(
        height=height,
        width=width,
        encoding=encoding,
        step=step,
        is_bigendian=draw(st.integers(0, 255)),
        data=array("B", (data * (size // max(len(data), 1) + 1))[:size]),
    )


@SOME
@given(messages())
def test_any_depth_message_is_read_or_refused(message: Image) -> None:
    try:
        depth = depth_from_image(message)
    except ImageError as error:
        check_words(error)
        return
    assert depth.shape == (message.height, message.width)
    assert np.isfinite(depth).all()
    assert (depth >= 0).all()


def encoded(kind: str) -> bytes:
    file = io.BytesIO()
    Picture.new("RGB", (40, 30), (200, 10, 10)).save(file, kind)
    return file.getvalue()


FILES = {kind: encoded(kind) for kind in ("PNG", "JPEG")}


def test_a_part_that_says_to_be_gigabytes_long_takes_no_memory() -> None:
    """OpenCV would take 2 GB for the 92 bytes of this file."""
    data = bytearray(FILES["PNG"])
    assert data[37:41] == b"IDAT"
    data[33] = 131
    message = CompressedImage(format="png", data=array("B", bytes(data[:92])))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match="a part of the PNG claims to be 2197815340 bytes long"):
        rgb_from_compressed(message)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_what_follows_the_end_of_a_png_is_not_looked_at() -> None:
    message = CompressedImage(format="png", data=array("B", FILES["PNG"] + b"\xff" * 40))
    assert rgb_from_compressed(message).shape == (30, 40, 3)


@SOME
@given(
    st.sampled_from(sorted(FILES)),
    st.integers(0, 2000),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8),
    st.binary(max_size=40),
)
def test_any_damaged_picture_is_read_or_refused(
    kind: str, cut: int, changes: list[tuple[int, int]], tail: bytes
) -> None:
    data = bytearray(FILES[kind][:cut] if cut % 3 else FILES[kind])
    for place, value in changes:
        if data:
            data[place % len(data)] = value
    message = CompressedImage(format=kind.lower(), data=array("B", bytes(data) + tail))
    try:
        check_pixels(message, 0.01)
        pixels = rgb_from_compressed(message)
    except ImageError as error:
        check_words(error)
        return
    # What the head of the file says is what is decoded: memory is bounded by the first look.
    assert pixels.shape[0] * pixels.shape[1] <= 10_000


@SOME
@given(
    st.lists(st.floats(), min_size=9, max_size=9), st.lists(st.floats(), min_size=12, max_size=12)
)
def test_any_calibration_is_usable_or_none(k: list[float], p: list[float]) -> None:
    camera, problem = calibration_of(CameraInfo(k=k, p=p, height=2, width=2), (2, 2))
    assert (camera is None) is bool(problem)
    if camera is None:
        return
    assert np.isfinite(camera.matrix).all()
    found = locate(np.ones((2, 2), np.bool_), np.ones((2, 2), np.float32), camera.matrix)
    assert found is None or np.isfinite([found.distance, *found.position, *found.extent]).all()


SENTENCES = st.one_of(
    st.text(max_size=300),
    st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join),
    st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=40).map("".join),
    st.text(st.characters(categories=["Cc", "Cf", "Cs", "Co", "Mn", "Zs"]), max_size=100),
)


@SOME
@given(SENTENCES)
def test_any_sentence_is_parsed(text: str) -> None:
    read = parse(text)
    assert read.text == text
    assert parse(text) == read


@SOME
@given(st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join))
def test_invisible_characters_change_nothing(text: str) -> None:
    marked = "\u200b".join(text)
    assert parse(marked).target == parse(text).target
    assert parse(f"\u202e{text}\u202c").target == parse(text).target


@SOME
@given(st.sampled_from(WORDS), st.integers(1, 3))
def test_long_sentences_are_cut_and_say_so(word: str, times: int) -> None:
    text = f"{word} " * (times * MAX_CHARS)
    assert parse(text).truncated


@SOME
@given(st.text())
def test_what_is_shown_is_visible_and_bounded(text: str) -> None:
    seen = shown(text, most=50)
    assert seen.isprintable()
    assert len(seen) < 50 * 10 + 40
