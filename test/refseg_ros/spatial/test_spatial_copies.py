# SPDX-License-Identifier: Apache-2.0
"""Two masks of one thing are counted once; what else is said decides among what looks alike."""

from __future__ import annotations

import numpy as np
import pytest

from refseg_ros.language import parse
from refseg_ros.results import Proposals
from refseg_ros.spatial import Layout, Placing, place
from refseg_ros.spatial.likeness import Likeness
from refseg_ros.spatial.space import Space

Box = tuple[int, int, int, int]


def overlapping(*boxes: Box, names: tuple[str, ...] = (), level: bool = False) -> Layout:
    """Candidates that fill boxes (x0, y0, x1, y1) of 100 x 100 pixels and hide nothing.

    If level, all of them are a metre from the camera.
    """
    masks = np.zeros((len(boxes), 100, 100), np.bool_)
    for index, (x0, y0, x1, y1) in enumerate(boxes):
        masks[index, y0:y1, x0:x1] = True
    space = Space(np.ones(len(boxes))) if level else None
    return Layout(Proposals(masks, np.ones(len(boxes), np.float32)), names, space)


def of(text: str, shares: list[float], where: Layout) -> Placing:
    """What a sentence means among candidates that all look like it, more or less."""
    return place(
        Likeness(np.array(shares), np.ones(len(shares))), parse(text), {}, where, "extreme"
    )


# 20 x 10 pixels each, the second moved by so many columns: (20 - d) / (20 + d) is shared.
@pytest.mark.parametrize(("moved", "alike"), [(0, True), (8, True), (9, False), (20, False)])
def test_masks_that_share_more_than_two_fifths_are_copies(moved: int, alike: bool) -> None:
    # 12 / 28 = 0.429 and 11 / 29 = 0.379.
    where = overlapping((0, 0, 20, 10), (moved, 0, 20 + moved, 10))
    assert where.copies.tolist() == [[True, alike], [alike, True]]


# A part of 10 x 10 pixels, of which 10 x k lie on a thing of 20 x 40: IoU at most 100 / 800.
@pytest.mark.parametrize(
    ("names", "inside", "alike"),
    [
        (("mug", "mug"), 10, True),
        (("mug", "mug"), 7, True),
        (("mug", "mug"), 6, False),
        (("mug", "bowl"), 10, False),
        (("", ""), 10, False),
        ((), 10, False),
    ],
)
def test_what_is_called_the_same_and_lies_within_is_a_copy(
    names: tuple[str, ...], inside: int, alike: bool
) -> None:
    where = overlapping((0, 0, 20, 40), (20 - inside, 0, 30 - inside, 10), names=names)
    assert where.copies.tolist() == [[True, alike], [alike, True]]


def test_a_ball_in_a_bowl_is_a_thing_of_its_own() -> None:
    boxes: tuple[Box, ...] = ((0, 0, 40, 40), (15, 15, 25, 25))
    called = overlapping(*boxes, names=("a blue bowl", "a red ball"))
    assert called.copies.tolist() == np.eye(2, dtype=bool).tolist()


def test_names_change_nothing_of_masks_that_are_one() -> None:
    where = overlapping((0, 0, 20, 20), (0, 0, 20, 18), names=("a red mug", "a red cup"))
    assert where.copies.all()


# Mugs from the left: 0, 1 with its further mask 2, 3. IoU of 1 and 2: 80 / 100.
ROW = overlapping((5, 40, 15, 50), (35, 40, 45, 50), (35, 40, 45, 48), (75, 40, 85, 50))
ALIKE = [0.25, 0.3, 0.2, 0.25]


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("the second mug from the left", (1,)),
        ("the third mug from the left", (3,)),
        ("the second mug from the right", (1,)),
        ("the third mug from the right", (0,)),
        ("the two mugs on the left", (0, 1)),
        ("the two mugs on the right", (1, 3)),
        ("the mugs", (0, 1, 3)),
        ("all the mugs", (0, 1, 3)),
        ("the three mugs", (0, 1, 3)),
    ],
)
def test_a_thing_with_two_masks_is_counted_once(text: str, chosen: tuple[int, ...]) -> None:
    found = of(text, ALIKE, ROW)
    assert tuple(sorted(found.chosen)) == chosen, found.reason
    assert found.open == ""


def test_of_two_masks_the_one_that_looks_more_like_it_counts() -> None:
    assert of("the second mug from the left", [0.25, 0.2, 0.3, 0.25], ROW).chosen == (2,)


def test_there_is_no_fourth_of_three_things_with_four_masks() -> None:
    assert "only 3" in of("the fourth mug from the left", ALIKE, ROW).open


def test_copies_of_what_is_chosen_are_told() -> None:
    assert of("the second mug from the left", ALIKE, ROW).copies == (1, 2)
    assert of("the leftmost mug", ALIKE, ROW).copies == (0,)
    assert of("the two mugs on the right", ALIKE, ROW).copies == (1, 2, 3)


# A mug of 10 x 10 pixels beside one of 20 x 20.
SIZES = overlapping((10, 45, 20, 55), (60, 40, 80, 60), level=True)


def test_what_is_said_of_size_decides_among_what_looks_alike() -> None:
    shares = [0.9, 0.1]
    found = of("the big mug", shares, SIZES)
    assert found.chosen == (1,)
    # Half of log 4 from the mean, over 0.35: a logistic of -1.98 and 1.98. Levelled shares are
    # 1 / (1 + 0.1) and (1 / 9)^0.05 / (1 + 0.1 * 9).
    small, big = 1 / (1 + np.exp(np.log(2) / 0.35)), 1 / (1 + np.exp(-np.log(2) / 0.35))
    weights = np.array([small / 1.1, big * 9**-0.05 / 1.9])
    assert found.weights == pytest.approx(weights / weights.sum())
    assert of("the small mug", shares, SIZES).chosen == (0,)


def test_shares_stay_as_they_are_where_nothing_else_is_said() -> None:
    found = of("the mug", [0.6, 0.4], SIZES)
    assert found.chosen == (0,)
    assert found.weights == pytest.approx([0.6, 0.4])


def test_levelling_lets_nothing_in_that_looks_like_something_else() -> None:
    # A share of e^-7 of the greatest is far below closeness, and no size makes up for that.
    share = float(np.exp(-7))
    assert of("the big mug", [1 / (1 + share), share / (1 + share)], SIZES).chosen == (0,)


def test_of_several_masks_of_the_chosen_thing_the_best_is_the_answer() -> None:
    # A part of a mug, lower in the picture than the whole, and a bowl.
    masks = overlapping((10, 10, 30, 40), (10, 20, 30, 40), (60, 20, 80, 40)).proposals.masks
    where = Layout(Proposals(masks, np.array([0.9, 0.8, 0.9], np.float32)))
    assert where.copies.tolist()[0] == [True, True, False]
    look, text = Likeness(np.array([0.45, 0.5, 0.05]), np.ones(3)), parse("the mug")
    assert place(look, text, {}, where, "extreme").chosen == (1,)
    found = place(look, text, {}, where, "extreme", best_copy=True)
    # 0.45 * 0.9^4 = 0.295 and 0.5 * 0.8^4 = 0.205; the two change places.
    assert found.chosen == (0,)
    assert found.weights == pytest.approx([0.5, 0.45, 0.05])
    assert found.copies == (0, 1)
    assert found.eligible.all()


def test_the_best_copy_is_never_answered_twice() -> None:
    masks = overlapping((10, 10, 30, 40), (10, 18, 30, 40), (60, 20, 80, 40)).proposals.masks
    where = Layout(Proposals(masks, np.array([0.9, 0.9, 0.5], np.float32)))
    look = Likeness(np.array([0.4, 0.3, 0.3]), np.ones(3))
    found = place(look, parse("the two mugs"), {}, where, "extreme", best_copy=True)
    assert sorted(found.chosen) == [0, 2]


# A box at the front, its upper half and its lower half, which are no copies of one another; 3, 4
# stand behind it.
HALVES = overlapping(
    (10, 60, 40, 100), (10, 60, 40, 80), (10, 80, 40, 100), (60, 40, 70, 50), (80, 20, 90, 30)
)


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("the second closest thing", 3),
        ("the third closest object", 4),
        ("the second farthest thing", 3),
        ("the third farthest thing", 0),
        # What stands further back is bigger than it looks.
        ("the second biggest thing", 4),
        ("the second thing from the left", 3),
    ],
)
def test_two_parts_of_a_whole_are_not_counted_as_two_things(text: str, chosen: int) -> None:
    # How well they are outlined tells little of which is the whole.
    found = of(text, [0.2, 0.202, 0.208, 0.2, 0.19], HALVES)
    assert found.chosen == (chosen,), found.reason
    assert "of 3 similar candidates" in found.reason


def test_two_things_in_one_bad_mask_are_counted_as_two() -> None:
    found = of("the second closest thing", [0.1, 0.2, 0.2, 0.2, 0.2], HALVES)
    assert found.chosen == (1,)
    assert "of 4 similar candidates" in found.reason
