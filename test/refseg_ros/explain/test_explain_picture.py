# SPDX-License-Identifier: Apache-2.0
"""The picture of an explanation: what stands where, and that nothing breaks it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from explained import HOSTILE, IMAGE, WHERE, answer, crowd, hostile

from refseg_ros.errors import ImageError
from refseg_ros.explain.canvas import CARD, GROUND, LINE, Canvas
from refseg_ros.explain.picture import WIDTH, draw_explanation
from refseg_ros.results import Proposals, Selection, Status
from refseg_ros.viewer.overlay import STATUS_COLOURS, candidate_colour

PROPOSALS = WHERE.proposals
WHITE = (255, 255, 255)


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((picture == np.array(colour, np.uint8)).all(2).any())


def test_bars_run_from_zero_to_their_value() -> None:
    canvas = Canvas(100, 10)
    canvas.bar((0, 0, 90, 4), 6.0, (-3.0, 6.0), WHITE)
    canvas.bar((0, 6, 90, 8), -3.0, (-3.0, 6.0), WHITE)
    white = (canvas.array() == 255).all(2)
    # Zero lies at a third of 90 pixels.
    assert np.flatnonzero(white[2]).tolist() == list(range(30, 91))
    assert np.flatnonzero(white[7]).tolist() == list(range(0, 31))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_has_no_bar(value: float) -> None:
    canvas = Canvas(100, 10)
    canvas.bar((0, 0, 90, 9), value, (0.0, 1.0), WHITE)
    assert (canvas.array() == np.array(GROUND)).all()


def test_a_chip_is_filled_as_far_as_it_holds() -> None:
    def filled(holds: float) -> int:
        canvas = Canvas(200, 24)
        canvas.chip((0, 0), "", "", holds, 200.0)
        row = canvas.array()[2]
        return int((row != np.array(LINE)).any(1).sum())

    assert filled(0.0) < filled(0.3) < filled(0.8) < filled(1.0)
    assert filled(0.5) == pytest.approx(100, abs=8)


def test_the_chosen_has_the_colour_of_the_status_and_others_their_own() -> None:
    picture = draw_explanation(IMAGE, PROPOSALS, answer("the mug right of the book"))
    assert picture.shape[1] == WIDTH
    assert picture.dtype == np.uint8
    assert has(picture, STATUS_COLOURS[Status.SELECTED])
    assert has(picture, candidate_colour(1))
    assert has(picture, candidate_colour(3))  # the landmark
    assert not has(picture, candidate_colour(2))  # the chosen one
    assert (IMAGE == 90).all()


def test_crops_are_those_that_the_network_was_shown() -> None:
    seen = []

    def see(image: np.ndarray, proposals: Proposals) -> list[np.ndarray]:
        seen.append([int(box[0]) for box in proposals.boxes])
        return [np.full((7, 5, 3), (1, 200, 3), np.uint8) for _ in range(len(proposals))]

    picture = draw_explanation(IMAGE, PROPOSALS, answer("the mug"), most=2, see=see)
    assert seen[-1] == [10, 70]  # the left edges of the two best, best first
    assert (picture == (1, 200, 3)).all(2).sum() > 2 * 80 * 110


def test_each_answer_makes_another_picture() -> None:
    texts = ["the mug", "the second mug", "the mug right of the book", "all the mugs"]
    pictures = {draw_explanation(IMAGE, PROPOSALS, answer(text)).tobytes() for text in texts}
    assert len(pictures) == len(texts)


def test_more_candidates_make_it_higher_and_no_wider() -> None:
    selection, proposals = crowd(90)
    few, many = (
        draw_explanation(IMAGE, proposals, selection, most=most).shape for most in (2, 20)
    )
    assert few[1] == many[1] == WIDTH
    assert many[0] > few[0]


@pytest.mark.parametrize("status", [Status.ERROR, Status.NOT_FOUND, Status.LOST])
def test_without_candidates_there_are_no_cards(status: Status) -> None:
    nothing = Selection.none("the mug", status, "there is none", (100, 100))
    picture = draw_explanation(IMAGE, PROPOSALS, nothing)
    assert has(picture, STATUS_COLOURS[status])
    assert not has(picture, CARD)
    none = draw_explanation(IMAGE, Proposals.empty(100, 100), nothing)
    assert none.shape == picture.shape


def test_candidates_without_an_explanation_have_cards() -> None:
    bare = dataclasses.replace(answer("the mug"), explanation=None)
    assert has(draw_explanation(IMAGE, PROPOSALS, bare), CARD)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_does_not_break_it(text: str) -> None:
    picture = draw_explanation(IMAGE, PROPOSALS, hostile(text))
    assert picture.shape[1] == WIDTH
    assert picture.shape[0] < 3000


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (3, 5)])
def test_images_of_any_shape_are_drawn(shape: tuple[int, int]) -> None:
    proposals = Proposals(np.ones((1, *shape), np.bool_), np.ones(1, np.float32))
    (first, *_), index = answer("the mug").candidates, 0
    selection = dataclasses.replace(
        answer("the mug"),
        mask=proposals.masks[0],
        candidates=(dataclasses.replace(first, index=index),),
    )
    picture = draw_explanation(np.zeros((*shape, 3), np.uint8), proposals, selection)
    assert has(picture, CARD)


def test_what_does_not_agree_is_named() -> None:
    selection = answer("the mug")
    with pytest.raises(ImageError, match="do not fit"):
        draw_explanation(np.zeros((9, 9, 3), np.uint8), PROPOSALS, selection)
    with pytest.raises(ImageError, match="expected"):
        draw_explanation(np.zeros((100, 100), np.uint8), PROPOSALS, selection)
    with pytest.raises(ValueError, match="at least 1"):
        draw_explanation(IMAGE, PROPOSALS, selection, most=0)
    with pytest.raises(ValueError, match="not among 2"):
        draw_explanation(IMAGE, PROPOSALS.keep([0, 1]), selection)
