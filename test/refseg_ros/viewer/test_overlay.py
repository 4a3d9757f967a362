# SPDX-License-Identifier: Apache-2.0
"""The overlay picture and the text on it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from refseg_ros.errors import ImageError
from refseg_ros.results import Candidate, Selection, Status, boxes_from_masks
from refseg_ros.viewer.overlay import (
    STATUS_COLOURS,
    candidate_colour,
    draw_candidates,
    draw_overlay,
)
from refseg_ros.viewer.text import draw_text, printable, shorten, text_width

GREY = 100


def plain_image(height: int = 240, width: int = 320) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def square_mask(height: int = 240, width: int = 320) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[100:150, 200:260] = True
    return mask


def selection(mask: np.ndarray, **changes: object) -> Selection:
    other = Candidate(1, 0.1, {"V": 1.0}, True, np.array([10, 20, 60, 70], np.float32), 2500)
    values = {
        "expression": "the red mug",
        "status": Status.SELECTED,
        "reason": "it leads",
        "mask": mask,
        "box": boxes_from_masks(mask[None])[0],
        "score": 0.9,
        "margin": 0.8,
        "index": 0,
        "candidates": (other,),
        "seconds": {},
    }
    return Selection(**(values | changes))  # type: ignore[arg-type]


def test_mask_is_tinted_and_the_rest_is_dimmed() -> None:
    image = plain_image()
    picture = draw_overlay(image, selection(square_mask()), labelled=False)
    red, green, blue = STATUS_COLOURS[Status.SELECTED]
    # 84 % of the image and 16 % of the colour inside; 66 % of the image outside.
    expected = [int(0.84 * GREY + 0.16 * c) for c in (red, green, blue)]
    assert np.abs(picture[125, 230].astype(int) - expected).max() <= 1
    assert (picture[20, 20] == 66).all()
    assert (image == GREY).all()  # the input is left alone


def test_outline_lies_on_the_mask_edge() -> None:
    picture = draw_overlay(plain_image(), selection(square_mask()), labelled=False)
    assert tuple(picture[125, 200]) == STATUS_COLOURS[Status.SELECTED]


@pytest.mark.parametrize("status", [Status.NOT_FOUND, Status.LOST, Status.ERROR])
def test_reason_is_shown_without_a_target(status: Status) -> None:
    image = plain_image()
    answer = Selection.none("the mug", status, "nothing like that is here", (240, 320))
    picture = draw_overlay(image, answer)
    changed = (picture != GREY).any(2)
    assert not changed[:120].any()  # the plate is in the lower left corner
    assert changed[200:, :100].mean() > 0.3
    longer = draw_overlay(image, Selection.none("the mug", status, "something else", (240, 320)))
    assert (longer != picture).any()  # another reason makes another picture


def test_idle_leaves_the_image_alone() -> None:
    image = plain_image()
    answer = Selection.none("", Status.IDLE, "nothing was asked", (240, 320))
    assert (draw_overlay(image, answer) == image).all()


def test_candidates_are_numbered_on_request() -> None:
    answer = selection(square_mask())
    without = draw_overlay(plain_image(), answer, labelled=False)
    shown = draw_overlay(plain_image(), answer, labelled=False, show_candidates=True)
    assert (without[69, 30] == 66).all()
    assert (shown[69, 30] == 255).all()  # lower edge of the other box: its last row
    assert (shown[70, 30] == 66).all()


def test_label_image_is_drawn_with_one_colour_a_number() -> None:
    labels = np.zeros((240, 320), np.uint16)
    labels[20:60, 20:80], labels[100:160, 200:300] = 3, 70
    picture = draw_candidates(plain_image(), labels)
    for number, (row, column) in ((3, (40, 20)), (70, (130, 200))):
        away = picture[row, column].astype(int) - candidate_colour(number)
        assert np.abs(away).max() < 80  # the outline is smoothed
    inside = 0.7 * GREY + 0.3 * np.array(candidate_colour(70))
    assert np.abs(picture[110, 290] - inside).max() <= 1
    assert (picture[200, 20] == GREY).all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((10, 10), np.uint8), "expected"),
        (np.zeros((10, 10, 3), np.float32), "float32"),
        (np.zeros((0, 10, 3), np.uint8), "expected"),
        (np.zeros((10, 12, 3), np.uint8), "does not fit"),
    ],
)
def test_bad_images_are_named(image: np.ndarray, message: str) -> None:
    answer = Selection.none("x", Status.ERROR, "y", (10, 10))
    with pytest.raises(ImageError, match=message):
        draw_overlay(image, answer)
    with pytest.raises(ImageError):
        draw_candidates(image, np.zeros((10, 10), np.uint16))


@given(
    height=st.integers(1, 140),
    width=st.integers(1, 300),
    text=st.text(max_size=60),
    status=st.sampled_from(Status),
    box=st.tuples(*[st.floats(width=32)] * 4),
    score=st.floats(),
)
@settings(max_examples=60, deadline=None)
def test_any_answer_makes_a_picture(
    height: int, width: int, text: str, status: Status, box: tuple[float, ...], score: float
) -> None:
    mask = np.zeros((height, width), bool)
    mask[height // 2 :, width // 2 :] = status.has_target
    answer = selection(
        mask,
        expression=text,
        status=status,
        reason=text,
        box=np.array(box, np.float32),
        score=score,
        margin=score,
    )
    picture = draw_overlay(plain_image(height, width), answer, show_candidates=True)
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8


def test_long_text_is_shortened_to_fit() -> None:
    short = shorten("a very long expression " * 200, 14, 150.0)
    assert short.endswith("…")
    assert text_width(short, 14) <= 150.0
    assert text_width(short[:-1] + "aa…", 14) > 150.0
    assert shorten("mug", 14, 150.0) == "mug"


def test_text_is_one_printable_line() -> None:
    assert printable("  the\n\tred\x00\x1b[0m  mug ") == "the red[0m mug"


def test_accents_are_drawn_as_themselves() -> None:
    def drawn(text: str) -> bytes:
        canvas = Image.new("RGB", (60, 40))
        draw_text(ImageDraw.Draw(canvas), (5, 30), text, 24, (255, 255, 255))
        return canvas.tobytes()

    if drawn("ü") == drawn("\U0010ffff"):
        pytest.skip("no font with accents on this machine")
    assert len({drawn("ü"), drawn("u"), drawn("é"), drawn("?")}) == 4
