# SPDX-License-Identifier: Apache-2.0
"""Measures and relations of rectangles, with the numbers worked out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spatial_layouts import around, layout

from refseg_ros.language import RelationKind
from refseg_ros.results import Proposals
from refseg_ros.spatial import Layout, relation_support
from refseg_ros.spatial.relations import (
    distance_kept,
    distances,
    on_the_table,
    relation_leaning,
)
from refseg_ros.spatial.space import Space


def sigma(value: float) -> float:
    return 1 / (1 + math.exp(-value))


# Mug, book, mug in a row; centres 40 pixels of 100 apart.
ROW = layout(around(10, 50), around(50, 50), around(90, 50))
BOOK = [0.0, 1.0, 0.0]


def test_left_of_and_right_of_are_the_viewers() -> None:
    # Far enough: sigma((0.4 - 0.03) / 0.01). Mostly that way: sigma(1.3 / 0.2).
    sure = sigma(37) * sigma(6.5)
    left = relation_support(RelationKind.LEFT_OF, BOOK, ROW)
    assert left == pytest.approx([sure, 0, 0], abs=1e-9)
    right = relation_support(RelationKind.RIGHT_OF, BOOK, ROW)
    assert right == pytest.approx([0, 0, sure], abs=1e-9)


@pytest.mark.parametrize(("column", "row", "ratio"), [(30, 50, 0), (30, 60, 0.5), (30, 76, 1.3)])
def test_left_of_is_mostly_that_way(column: int, row: int, ratio: float) -> None:
    found = relation_support(
        RelationKind.LEFT_OF, [0, 1], layout(around(column, row), around(50, 50))
    )
    assert found[0] == pytest.approx(sigma(17) * sigma((1.3 - ratio) / 0.2))


def test_a_hair_to_the_left_is_half_true() -> None:
    # 3 pixels of 100 are just the offset from which it holds.
    found = relation_support(
        RelationKind.LEFT_OF, [0, 1], layout(around(47, 20, 2), around(50, 20, 2))
    )
    assert found[0] == pytest.approx(0.5 * sigma(6.5))


@pytest.mark.parametrize(
    ("kind", "index"), [("above", 0), ("behind", 0), ("below", 2), ("in_front_of", 2)]
)
def test_above_and_behind_and_their_converses(kind: str, index: int) -> None:
    column = layout(around(50, 10), around(50, 50), around(50, 90))
    found = relation_support(RelationKind(kind), BOOK, column)
    assert int(np.argmax(found)) == index
    assert found[index] > 0.99
    assert np.delete(found, index).max() < 0.01


def test_in_front_allows_for_what_leads_away_looking_short() -> None:
    # 1.6 times as far aside as down the picture: in front on the table, and not below.
    slanted = layout(around(66, 60), around(50, 50))
    in_front = relation_support(RelationKind.IN_FRONT_OF, [0, 1], slanted)[0]
    assert in_front == pytest.approx(sigma(7) * sigma((1.9 - 1.6) / 0.2))
    below = relation_support(RelationKind.BELOW, [0, 1], slanted)[0]
    assert below == pytest.approx(sigma(7) * sigma((1.3 - 1.6) / 0.2))


def test_depth_overrules_the_picture_where_it_is_known() -> None:
    boxes = [around(50, 10), around(50, 50), around(50, 90)]
    far = relation_support(RelationKind.BEHIND, BOOK, layout(*boxes, depths=[0.50, 0.80, 1.10]))
    assert far[[0, 2]] == pytest.approx([sigma(-10), sigma(10)])
    unknown = relation_support(
        RelationKind.BEHIND, BOOK, layout(*boxes, depths=[0.0, 0.8, math.nan])
    )
    assert unknown == pytest.approx(relation_support(RelationKind.BEHIND, BOOK, layout(*boxes)))
    with pytest.raises(ValueError, match="space"):
        Layout(layout(*boxes).proposals, space=Space(np.array([1.0])))


def test_where_a_thing_stands() -> None:
    # 10 wide: 2 pixels above the lower edge, unless its middle is lower still.
    found = layout((0, 0, 10, 30), (20, 20, 60, 26))
    assert found.feet.tolist() == [[5, 28], [40, 23]]


def test_sizes_allow_for_perspective() -> None:
    found = layout(around(20, 10), around(20, 90))
    # Feet at rows 13 and 93 of 100, the horizon 70 above.
    assert found.scales == pytest.approx([0.83, 1.63])
    assert found.sizes == pytest.approx([10 / 0.83, 10 / 1.63])
    near = layout(around(20, 10), around(20, 90), depths=[1.0, 0.5])
    assert near.sizes == pytest.approx([10.0, 5.0])


def test_what_stands_up_is_taller_than_what_lies() -> None:
    # Areas 300; 300^2 / 10^3 and 300^2 / 30^3, both at feet row 48 or 45.
    found = layout((10, 20, 20, 50), (40, 40, 70, 50))
    assert found.tallness == pytest.approx([90 / 1.18, 90 / 27 / 1.15])


def test_next_to_goes_by_the_gap_in_sizes() -> None:
    # Gaps of 10 and 30 pixels; sizes of 10: 1 and 3 sizes. That neither carries the other is
    # sure to sigma(5) only.
    found = layout((0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10))
    near = [sigma((1.1 - 1) / 0.35), sigma((1.1 - 3) / 0.35)]
    beside = relation_support(RelationKind.NEXT_TO, [1, 0, 0], found)
    assert beside == pytest.approx([0, *near], abs=1e-2)
    far = relation_support(RelationKind.FAR_FROM, [1, 0, 0], found)
    assert far == pytest.approx([0, 1 - near[0], 1 - near[1]], abs=1e-2)


# A bowl; a ball in it, one behind it, one half over its edge, one in front that hides some of it.
BOWL = layout(
    (20, 40, 60, 70), (30, 45, 40, 55), (40, 28, 50, 40), (55, 45, 65, 55), (35, 60, 45, 80)
)
IS_BOWL = [1.0, 0, 0, 0, 0]


def test_in_needs_the_lowest_part_inside_the_outline() -> None:
    # Of the third ball's lowest part half the columns lie in the bowl's: columns 55 to 59 of ten.
    inside = relation_support(RelationKind.IN, IS_BOWL, BOWL)
    # Outlines run through the middles of pixels and are drawn with them.
    assert inside == pytest.approx(
        [0, sigma(0.7 / 0.06), sigma(-5), sigma(0.2 / 0.06), 0], abs=1e-2
    )
    assert inside[4] < 0.01
    assert relation_support(RelationKind.ON, IS_BOWL, BOWL) == pytest.approx(inside)


def test_containing_carrying_and_under_are_the_converse() -> None:
    for kind in (RelationKind.CONTAINING, RelationKind.CARRYING, RelationKind.UNDER):
        found = relation_support(kind, [0, 1.0, 0, 0, 0], BOWL)
        assert found[0] > 0.99
    assert relation_support(RelationKind.CONTAINING, [0, 0, 1.0, 0, 0], BOWL)[0] < 0.01


def test_what_lies_in_a_bowl_is_neither_beside_it_nor_on_the_table() -> None:
    beside = relation_support(RelationKind.NEXT_TO, IS_BOWL, BOWL)
    assert beside[1] < 0.01
    assert beside[2] > 0.9
    free = on_the_table(BOWL)
    assert free[[0, 2, 4]] == pytest.approx([1, 1, 1], abs=0.02)
    assert free[1] < 0.01


def test_with_is_holding_before_being_beside() -> None:
    found = layout((20, 40, 60, 70), (30, 45, 40, 55), (61, 40, 90, 70))
    ball = [0, 1.0, 0]
    with_it = relation_support(RelationKind.WITH, ball, found)
    assert with_it[0] > 0.99
    assert with_it[2] <= 0.5


def test_a_thing_thinner_than_the_steps_of_counting_still_stands_somewhere() -> None:
    masks = np.zeros((2, 900, 900), np.bool_)
    masks[0, 100:500, 100:500] = True
    masks[1, 301, 301] = True
    masks[0, 301, 301] = False
    found = Layout(Proposals(masks, np.ones(2, np.float32)))
    assert found.seated[1, 0] == 1.0


def test_between_two_landmarks_and_between_two_of_a_kind() -> None:
    found = layout(
        around(10, 50), around(50, 50), around(90, 50), around(50, 20), around(96, 90, 6)
    )
    first, second = [1, 0, 0, 0, 0], [0, 0, 1, 0, 0]
    two = relation_support(RelationKind.BETWEEN, first, found, second_landmark_weights=second)
    # Halfway and on the line: sigma((0.5 - 0.13) / 0.03) * sigma(0.3 / 0.05).
    assert two[1] == pytest.approx(sigma(37 / 3) * sigma(6))
    # 30 of 80 pixels beside the line.
    assert two[3] == pytest.approx(sigma(37 / 3) * sigma((0.3 - 0.375) / 0.05))
    assert two[[0, 2]].tolist() == [0, 0]
    assert two[4] < 1e-3
    either = relation_support(RelationKind.BETWEEN, [0.5, 0, 0.5, 0, 0], found)
    assert either == pytest.approx(two)


def test_thing_and_landmark_are_chosen_together() -> None:
    # A cube on each of two books, and one beside.
    found = layout(
        (10, 40, 40, 60), (60, 40, 90, 60), (20, 45, 30, 55), (70, 45, 80, 55), (45, 45, 55, 55)
    )
    any_of = relation_support(RelationKind.ON, [1, 1, 0, 0, 0], found)
    assert any_of[[2, 3]].min() > 0.99
    assert any_of[4] < 0.01
    # What stands so to the less likely landmark is the less likely thing.
    support = relation_support(RelationKind.ON, [0.8, 0.2, 0, 0, 0], found)
    assert support[[2, 3]] == pytest.approx([1, 0.25], abs=1e-2)


def test_what_holds_for_none_is_told_by_which_leans_that_way() -> None:
    # The landmark is the last: 0 lies left of it at an angle, 1 right of it.
    found = layout(around(40, 10), around(60, 90), around(50, 50))
    landmark = [0, 0, 1.0]
    assert relation_support(RelationKind.LEFT_OF, landmark, found).max() < 0.01
    leaning = relation_leaning(RelationKind.LEFT_OF, landmark, found)
    assert 0.05 < leaning[1] < leaning[0] < 0.2
    # Inside the other's box though not with its lowest part: seen from the side.
    side = layout((5, 30, 95, 70), (30, 20, 50, 84), around(90, 94))
    seen = relation_leaning(RelationKind.IN, [1.0, 0, 0], side)
    assert relation_support(RelationKind.IN, [1.0, 0, 0], side)[1] < 0.5
    assert seen[1] > 0.1
    assert seen[2] < 0.01


def test_what_alone_is_the_landmark_too_cannot_be_told() -> None:
    found = layout(around(20, 20), around(60, 60))
    both = np.array([True, True])
    told = relation_leaning(RelationKind.IN, [0, 1.0], found, called_both=both)
    assert told[0] < 0.02
    assert told[1] == pytest.approx(0.2)
    assert relation_leaning(RelationKind.IN, [0, 1.0], found)[1] < 0.02
    between = relation_leaning(
        RelationKind.BETWEEN, [1.0, 0], found, second_landmark_weights=[1.0, 0]
    )
    assert between == pytest.approx(0.2)


def test_what_hides_some_of_the_other_may_be_in_front_of_it() -> None:
    found = layout((30, 10, 90, 90), (20, 20, 60, 80), (0, 0, 10, 8))
    assert relation_support(RelationKind.IN_FRONT_OF, [1.0, 0, 0], found).max() < 0.1
    leaning = relation_leaning(RelationKind.IN_FRONT_OF, [1.0, 0, 0], found)
    assert leaning[1] > leaning[2] > 0.05


def test_a_thing_is_no_landmark_of_itself() -> None:
    found = layout(around(50, 20), around(50, 80))
    behind = relation_support(RelationKind.BEHIND, [0.1, 0.9], found)
    assert int(np.argmax(behind)) == 0
    assert relation_support(RelationKind.BEHIND, [1.0], layout(around(5, 5))).tolist() == [0.0]


def test_masks_that_share_much_are_two_things_where_only_one_looks_like_the_landmark() -> None:
    # A rider and a donkey as boxes: an IoU of 0.5.
    masks = np.zeros((2, 100, 100), np.bool_)
    masks[0, 10:70, 30:70] = masks[1, 30:90, 30:70] = True
    found = Layout(Proposals(masks, np.ones(2, np.float32)))
    assert found.copies.all()
    assert relation_support(RelationKind.ON, [0, 1.0], found)[0] > 0.9
    assert relation_support(RelationKind.ABOVE, [0, 1.0], found)[0] > 0.9
    # Both look like it: two masks of one thing.
    assert relation_support(RelationKind.ON, [0.4, 0.6], found).tolist() == [0, 0]


def test_what_is_above_a_long_thing_may_be_above_any_part_of_it() -> None:
    hedge, kite = (0, 60, 100, 80), around(8, 40)
    found = layout(kite, hedge, around(92, 44))
    above = relation_support(RelationKind.ABOVE, [0, 1.0, 0], found)
    assert above[[0, 2]].min() > 0.9
    assert relation_support(RelationKind.LEFT_OF, [0, 0, 1.0], found)[1] > 0.9
    # As wide as the other, and twice as far aside as up.
    assert relation_support(RelationKind.ABOVE, [0, 1.0], layout(kite, around(48, 60)))[0] < 0.1


def test_what_overlaps_another_without_lying_in_it_is_next_to_it() -> None:
    # A lamp whose foot is seen over the edge of a shelf behind it, and a lamp further off.
    shelf, lamp, other = (30, 20, 90, 60), (10, 30, 40, 55), (0, 65, 10, 90)
    beside = relation_support(RelationKind.NEXT_TO, [1.0, 0, 0], layout(shelf, lamp, other))
    assert beside[1] > 0.9
    assert beside[1] > beside[2]


def test_of_those_that_overlap_the_landmark_the_nearer_middle_is_the_nearer() -> None:
    pond, first, second = (0, 40, 100, 60), around(60, 40), around(90, 40)
    kept = distance_kept([1.0, 0, 0], layout(pond, first, second))
    assert 0.9 < kept[2] < kept[1] < 1.0


def test_distances_rank_the_closest_and_the_furthest() -> None:
    # Gaps 30 and 30 pixels about the middle one, and a fourth below at 20.
    found = layout(around(10, 30), around(50, 30), around(95, 30), around(50, 60))
    middle = [0, 1, 0, 0]
    near = distances(RelationKind.NEXT_TO, middle, found)
    assert np.argsort(-near).tolist()[0] == 3
    assert int(np.argmin(near)) == 1
    far = distances(RelationKind.FAR_FROM, middle, found)
    assert int(np.argmax(far)) == 2
    assert int(np.argmin(far)) == 1
    left = distances(RelationKind.LEFT_OF, middle, found)
    assert left[0] == pytest.approx(0.4)
    assert int(np.argmax(left)) == 0


@pytest.mark.parametrize("weights", [[1, np.nan], [1, -1], [1, 0, 0]])
def test_landmark_weights_that_do_not_fit_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="landmark_weights"):
        relation_support(RelationKind.LEFT_OF, weights, layout(around(20, 20), around(60, 60)))


def test_no_landmark_supports_nothing() -> None:
    assert relation_support(RelationKind.IN, [0, 0, 0], ROW).tolist() == [0, 0, 0]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_relation_gives_truths(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 5))
    side = data.draw(st.sampled_from((1, 2, 7, 24)))
    masks = np.zeros((count, side, side), np.bool_)
    for mask in masks:
        pixels = st.tuples(st.integers(0, side - 1), st.integers(0, side - 1))
        for row, column in data.draw(st.lists(pixels, min_size=1, max_size=8)):
            mask[row, column] = True
    found = Layout(Proposals(masks, np.ones(count, np.float32)))
    numbers = st.floats(0, 1, allow_subnormal=False)
    weights = data.draw(st.lists(numbers, min_size=count, max_size=count))
    for kind in RelationKind:
        for weigh in (relation_support, relation_leaning):
            support = weigh(kind, weights, found)
            assert support.shape == (count,)
            assert support.min() >= 0
            assert support.max() <= 1
        assert np.isfinite(distances(kind, weights, found)).all()
    assert (on_the_table(found) >= 0).all()
