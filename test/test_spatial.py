# SPDX-License-Identifier: Apache-2.0
"""The rectifier, positions and relations on layouts worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refseg_ros.language import Direction, NounPhrase, RelationKind, parse
from refseg_ros.results import Proposals
from refseg_ros.simulation.benchmark import TabletopScene
from refseg_ros.simulation.bundle import bundled_scenes
from refseg_ros.spatial import (
    SUPPORTED,
    place,
    position_prior,
    rank_extreme,
    rectify,
    relate,
    relation_support,
    size_prior,
)
from refseg_ros.spatial.placing import usable_relations

LEFT, RIGHT, TOP, BOTTOM = Direction.LEFT, Direction.RIGHT, Direction.TOP, Direction.BOTTOM
MIDDLE, FRONT, BACK = Direction.MIDDLE, Direction.FRONT, Direction.BACK

# Five candidates (row, column); medians: row 50, column 40.
#   0 (10, 10)  TL      1 (20, 90)  TR      2 (50, 40)  BR: on both medians
#   3 (80, 20)  BL      4 (90, 70)  BR
CENTROIDS = np.array([[10, 10], [20, 90], [50, 40], [80, 20], [90, 70]], np.float32)
WEIGHTS = np.array([0.10, 0.15, 0.30, 0.20, 0.25])


@pytest.mark.parametrize(
    ("directions", "index", "eligible"),
    [
        ((), 2, [0, 1, 2, 3, 4]),
        ((LEFT,), 3, [0, 3]),
        ((RIGHT,), 2, [1, 2, 4]),
        ((TOP,), 1, [0, 1]),
        ((BOTTOM,), 2, [2, 3, 4]),
        ((TOP, LEFT), 0, [0]),
        ((RIGHT, TOP), 1, [1]),
        ((BOTTOM, LEFT), 3, [3]),
        ((BOTTOM, RIGHT), 2, [2, 4]),
        ((MIDDLE,), 2, [0, 1, 2, 3, 4]),
        ((FRONT,), 2, [0, 1, 2, 3, 4]),
        ((LEFT, RIGHT), 3, [0, 3]),
    ],
)
def test_rectifier_quadrants(
    directions: tuple[Direction, ...], index: int, eligible: list[int]
) -> None:
    found = rectify(WEIGHTS, CENTROIDS, directions)
    assert found.index == index
    assert np.flatnonzero(found.eligible).tolist() == eligible
    assert found.reason


def test_rectifier_empty_quadrant_keeps_the_best() -> None:
    # On the falling diagonal nothing is top right; medians 20, 20.
    centroids = np.array([[10, 10], [20, 20], [30, 30]])
    found = rectify([0.2, 0.3, 0.5], centroids, (TOP, RIGHT))
    assert found.index == 2
    assert found.eligible.all()
    assert "top right" in found.reason


def test_rectifier_one_candidate_is_bottom_right_and_kept() -> None:
    for directions in [(), (LEFT,), (RIGHT,), (TOP, LEFT)]:
        found = rectify([1.0], [[5, 5]], directions)
        assert found.index == 0
        assert found.eligible.tolist() == [True]


def test_no_candidates() -> None:
    none = np.zeros((0, 2))
    assert rectify([], none, (LEFT,)).index is None
    assert rank_extreme([], none, (LEFT,), (10, 10)).index is None
    assert position_prior(none, (LEFT,), (10, 10)).shape == (0,)
    assert size_prior([], [], 1).shape == (0,)
    assert relate(RelationKind.LEFT_OF, [], [], np.zeros((0, 4))).shape == (0,)


@pytest.mark.parametrize(
    ("weights", "centroids", "name"),
    [
        ([0.5, 0.5], [[1, 1]], "centroids"),
        ([[0.5]], [[1, 1]], "weights"),
        ([float("nan")], [[1, 1]], "finite"),
        ([1.0], [[float("inf"), 1]], "finite"),
    ],
)
def test_rectifier_refuses_what_does_not_fit(
    weights: list[float], centroids: list[list[float]], name: str
) -> None:
    with pytest.raises(ValueError, match=name):
        rectify(weights, centroids, (LEFT,))


# Three alike at columns 20, 60, 80 and a stranger at column 5 of little weight.
ROW = np.array([[50, 60], [55, 20], [45, 80], [50, 5]], float)
ALIKE = np.array([0.45, 0.25, 0.28, 0.02])


@pytest.mark.parametrize(
    ("directions", "rank", "index"),
    [
        ((LEFT,), 1, 1),
        ((LEFT,), 2, 0),
        ((LEFT,), 3, 2),
        ((LEFT,), 9, 2),
        ((RIGHT,), 1, 2),
        ((TOP,), 1, 2),
        ((BACK,), 1, 2),
        ((FRONT,), 1, 1),
        ((MIDDLE,), 1, 0),
        ((), 1, 0),
    ],
)
def test_extremes_among_those_alike(
    directions: tuple[Direction, ...], rank: int, index: int
) -> None:
    found = rank_extreme(ALIKE, ROW, directions, (100, 100), rank=rank)
    assert found.index == index
    assert found.eligible.tolist() == [True, True, True, False]


def test_extreme_closeness_decides_who_competes() -> None:
    assert rank_extreme(ALIKE, ROW, (LEFT,), (100, 100), closeness=0.0).index == 3
    assert rank_extreme(ALIKE, ROW, (LEFT,), (100, 100), closeness=1.0).index == 0
    with pytest.raises(ValueError, match="closeness"):
        rank_extreme(ALIKE, ROW, (LEFT,), (100, 100), closeness=2)
    with pytest.raises(ValueError, match="rank"):
        rank_extreme(ALIKE, ROW, (LEFT,), (100, 100), rank=0)


def test_middle_of_two_is_the_one_nearer_to_the_centre() -> None:
    assert rank_extreme([0.5, 0.5], [[50, 90], [50, 60]], (MIDDLE,), (100, 100)).index == 1


def test_position_prior() -> None:
    centroids = [[50, 50], [50, 10], [50, 90], [10, 10]]
    left = position_prior(centroids, (LEFT,), (100, 100))
    assert left[0] == pytest.approx(0.5)
    assert left[1] == pytest.approx(1 / (1 + np.exp(-0.4 / 0.12)))
    assert left[1] + left[2] == pytest.approx(1)
    both = position_prior(centroids, (TOP, LEFT), (100, 100))
    assert int(np.argmax(both)) == 3
    assert int(np.argmax(position_prior(centroids, (MIDDLE,), (100, 100)))) == 0
    assert position_prior(centroids, (), (100, 100)).tolist() == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="size"):
        position_prior(centroids, (LEFT,), (0, 100))


def test_size_prior_compares_with_those_that_compete() -> None:
    # The third is huge, and of another kind: the mean of the first two is sqrt(100 * 400) = 200.
    big = size_prior([0.5, 0.49, 0.01], [100, 400, 10_000], 1)
    expected = 1 / (1 + np.exp(np.log(2) / 0.35))
    assert big[0] == pytest.approx(expected)
    assert big[1] == pytest.approx(1 - expected)
    assert size_prior([0.5, 0.49, 0.01], [100, 400, 10_000], -1) == pytest.approx(1 - big)


# Boxes of 10 x 10 px about columns 10, 50 and 90: mug, book, mug.
BOXES = np.array([[5, 45, 15, 55], [45, 45, 55, 55], [85, 45, 95, 55]], float)
MUGS = np.array([0.5, 0.0, 0.5])
BOOK = np.array([0.0, 1.0, 0.0])


def test_left_of_and_right_of() -> None:
    # Centres 40 px apart, scale 0.25 * 10 px: logistic(±16).
    sure = 1 / (1 + np.exp(-16))
    assert relate(RelationKind.LEFT_OF, MUGS, BOOK, BOXES) == pytest.approx([sure, 0, 1 - sure])
    assert relate(RelationKind.RIGHT_OF, MUGS, BOOK, BOXES) == pytest.approx([1 - sure, 0, sure])


def test_level_boxes_are_neither_above_nor_below() -> None:
    assert relation_support(RelationKind.ABOVE, BOOK, BOXES)[[0, 2]] == pytest.approx([0.5, 0.5])
    assert relate(RelationKind.ABOVE, MUGS, BOOK, BOXES) == pytest.approx([0.5, 0, 0.5])


def test_above_below_behind_and_in_front_in_the_image() -> None:
    boxes = BOXES[:, [1, 0, 3, 2]]  # the same three, one above the other
    for kind, index in [("above", 0), ("behind", 0), ("below", 2), ("in_front_of", 2)]:
        assert int(np.argmax(relate(RelationKind(kind), MUGS, BOOK, boxes))) == index


def test_depth_overrules_the_image_where_it_is_known() -> None:
    boxes = BOXES[:, [1, 0, 3, 2]]
    support = relation_support(RelationKind.BEHIND, BOOK, boxes, depths=[0.50, 0.80, 1.10])
    assert support[[0, 2]] == pytest.approx([1 / (1 + np.exp(10)), 1 / (1 + np.exp(-10))])
    unknown = relation_support(RelationKind.BEHIND, BOOK, boxes, depths=[0.0, 0.8, np.nan])
    assert unknown == pytest.approx(relation_support(RelationKind.BEHIND, BOOK, boxes))
    with pytest.raises(ValueError, match="depths"):
        relation_support(RelationKind.BEHIND, BOOK, boxes, depths=[1.0])


def test_containment() -> None:
    # A ball of 10 x 10 wholly in the bowl of 40 x 40, one half in it, one outside.
    boxes = [[0, 0, 40, 40], [10, 10, 20, 20], [35, 10, 45, 20], [80, 80, 90, 90]]
    bowl = [1, 0, 0, 0]
    assert relation_support(RelationKind.IN, bowl, boxes) == pytest.approx([0, 1, 0.5, 0])
    assert relate(RelationKind.IN, [0, 1, 1, 1], bowl, boxes) == pytest.approx(
        [0, 2 / 3, 1 / 3, 0]
    )
    # What contains the second ball: the bowl only.
    assert relation_support(RelationKind.CONTAINING, [0, 1, 0, 0], boxes) == pytest.approx(
        [1, 0, 0, 0]
    )


def test_on_looks_at_the_lower_half() -> None:
    # The mug's lower half (rows 20 to 30) lies in the book (rows 20 to 40), its upper half above.
    boxes = [[0, 20, 40, 40], [10, 10, 20, 30], [10, 60, 20, 80]]
    assert relation_support(RelationKind.ON, [1, 0, 0], boxes) == pytest.approx([0, 1, 0])


def test_next_to_and_far_from() -> None:
    # Gaps to the first: 10 px and 30 px, sizes 10 px: e^-2 and e^-6.
    boxes = [[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]]
    near = relation_support(RelationKind.NEXT_TO, [1, 0, 0], boxes)
    assert near == pytest.approx([0, np.exp(-2), np.exp(-6)])
    far = relation_support(RelationKind.FAR_FROM, [1, 0, 0], boxes)
    assert far == pytest.approx([0, 1 - np.exp(-2), 1 - np.exp(-6)])


def test_between_two_landmarks_and_between_two_of_a_kind() -> None:
    boxes = np.concatenate([BOXES, [[45, 5, 55, 15], [145, 45, 155, 55]]])
    first, second, mugs = [1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0.5, 0, 0.5, 0, 0]
    two = relation_support(RelationKind.BETWEEN, first, boxes, second_landmark_weights=second)
    assert int(np.argmax(two)) == 1
    assert two[1] > 0.95
    assert two[[0, 2]].tolist() == [0, 0]
    assert two[3] < 0.5
    assert two[4] < 0.01
    assert relation_support(RelationKind.BETWEEN, mugs, boxes) == pytest.approx(two)


def test_a_thing_is_no_landmark_of_itself() -> None:
    # "the star behind the white star": the front star is the landmark, the other is meant.
    boxes = [[0, 10, 10, 20], [0, 60, 10, 70]]
    assert int(np.argmax(relate(RelationKind.BEHIND, [0.5, 0.5], [0.1, 0.9], boxes))) == 0
    assert relate(RelationKind.BEHIND, [1.0], [1.0], [[0, 0, 5, 5]]).tolist() == [1.0]


def test_a_relation_that_holds_nowhere_changes_nothing() -> None:
    boxes = [[0, 0, 10, 10], [50, 0, 60, 10]]
    assert relate(RelationKind.IN, [0.3, 0.7], [1, 0], boxes) == pytest.approx([0.3, 0.7])
    assert relate(RelationKind.LEFT_OF, [0.3, 0.7], [0, 0], boxes) == pytest.approx([0.3, 0.7])
    assert relate(RelationKind.LEFT_OF, [0, 0], [1, 0], boxes).tolist() == [0, 0]
    assert relation_support(RelationKind.IN, [1, 0], boxes).max() == 0


def test_with_is_said_to_be_unsupported() -> None:
    assert RelationKind.WITH not in SUPPORTED
    assert relate(RelationKind.WITH, [1, 3], [1, 0], BOXES[:2]).tolist() == [0.25, 0.75]
    with pytest.raises(ValueError, match="with"):
        relation_support(RelationKind.WITH, [1, 0], BOXES[:2])


@pytest.mark.parametrize(
    ("target", "landmark", "boxes", "name"),
    [
        ([1, -1], [1, 0], BOXES[:2], "target_weights"),
        ([1, 1], [1, np.nan], BOXES[:2], "landmark_weights"),
        ([1, 1], [1, 0], BOXES, "boxes"),
        ([1, 1], [1, 0], BOXES[:2] * np.inf, "boxes"),
    ],
)
def test_relations_refuse_what_does_not_fit(
    target: list[float], landmark: list[float], boxes: np.ndarray, name: str
) -> None:
    with pytest.raises(ValueError, match=name):
        relate(RelationKind.LEFT_OF, target, landmark, boxes)


@given(st.data())
def test_relations_give_shares(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    number = st.floats(0, 1e4, allow_nan=False)
    weights = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=count, max_size=count)
    corners = np.array([[data.draw(number) for _ in range(4)] for _ in range(count)])
    boxes = np.concatenate(
        [np.minimum(corners[:, :2], corners[:, 2:]), corners.max(1)[:, None]], 1
    )
    boxes = np.concatenate([boxes, boxes[:, 2:]], 1)
    target, landmark = data.draw(weights), data.draw(weights)
    for kind in RelationKind:
        shares = relate(kind, target, landmark, boxes)
        assert shares.shape == (count,)
        assert shares.min() >= 0
        assert shares.sum() == pytest.approx(1 if sum(target) else 0)


def _proposals(centres: list[tuple[int, int]], size: int = 5) -> Proposals:
    """Square masks about (row, column) in an image of 100 x 100."""
    masks = np.zeros((len(centres), 100, 100), np.bool_)
    for mask, (row, column) in zip(masks, centres, strict=True):
        mask[row - size : row + size, column - size : column + size] = True
    return Proposals(masks, np.ones(len(centres), np.float32))


# 0: mug left, 1: book, 2: mug right, 3: something of little weight in the far left.
SCENE = _proposals([(50, 30), (50, 55), (50, 80), (50, 10)])
MUG = np.array([0.35, 0.03, 0.60, 0.02])
LANDMARKS = {"book": np.array([0.01, 0.97, 0.01, 0.01]), "red book": np.array([0, 1.0, 0, 0])}


@pytest.mark.parametrize(
    ("text", "absolute", "index"),
    [
        ("the mug", "extreme", 2),
        ("the mug on the left", "off", 2),
        ("the mug on the left", "extreme", 0),
        ("the leftmost mug", "extreme", 0),
        ("the second mug from the left", "extreme", 2),
        ("the mug on the left", "rectifier", 0),
        ("the rightmost mug", "rectifier", 2),
        ("the mug left of the book", "off", 0),
        ("the mug left of the book", "rectifier", 0),
        ("the mug right of the red book", "extreme", 2),
        ("the mug left of the bowl", "extreme", 2),
        ("the mug left of it", "extreme", 2),
    ],
)
def test_place(text: str, absolute: str, index: int) -> None:
    found = place(MUG, parse(text), LANDMARKS, SCENE, absolute)
    assert found.index == index
    assert found.eligible[index]
    assert found.weights.sum() == pytest.approx(1)
    if absolute != "rectifier":
        assert int(np.argmax(found.weights)) == index


def test_place_by_size() -> None:
    masks = np.concatenate([_proposals([(50, 30)], 4).masks, _proposals([(50, 70)], 9).masks])
    scene = Proposals(masks, np.ones(2, np.float32))
    weights = np.array([0.5, 0.5])
    assert place(weights, parse("the big mug"), {}, scene, "extreme").index == 1
    assert place(weights, parse("the smallest mug"), {}, scene, "extreme").index == 0


def test_place_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="absolute"):
        place(MUG, parse("mug"), {}, SCENE, "up")
    with pytest.raises(ValueError, match="at least one"):
        place(np.zeros(0), parse("mug"), {}, Proposals.empty(5, 5), "off")


# What is told by looks and by places in the picture; size, height and denial are not.
PLACED = ("category", "colour", "position", "relation", "between", "ordinal")


def _by_truth(scene: TabletopScene, visible: list[int], thing: NounPhrase) -> np.ndarray:
    """Shares of the objects by their true category and colour, 4 and 3 logits a match."""
    logits = np.zeros(len(visible))
    for row, index in enumerate(visible):
        item = scene.spec.objects[index]
        logits[row] += 4.0 * (not thing.head or item.category == thing.head)
        logits[row] += 3.0 * (not thing.colours or item.colour in thing.colours)
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def test_language_and_space_alone_answer_the_bundled_scenes() -> None:
    hits, asked = 0, 0
    for scene in bundled_scenes():
        objects = range(len(scene.spec.objects))
        masks = [scene.frame.instances == index + 1 for index in objects]
        visible = [index for index in objects if masks[index].any()]
        proposals = Proposals(
            np.stack([masks[index] for index in visible]), np.ones(len(visible), np.float32)
        )
        for referral in scene.referrals:
            if referral.phenomenon not in PLACED:
                continue
            expression = parse(referral.expression)
            landmarks = {
                landmark.text: _by_truth(scene, visible, landmark)
                for relation in usable_relations(expression)
                for landmark in relation.landmarks
            }
            weights = _by_truth(scene, visible, expression.target)
            found = place(weights, expression, landmarks, proposals, "extreme")
            hits += visible[found.index] == referral.object_index
            asked += 1
    assert asked > 100
    assert hits / asked >= 0.97


def test_relations_that_cannot_be_weighed_are_left_out() -> None:
    text = "the mug with a handle on the table next to it left of the book"
    assert [item.head for item in usable_relations(parse(text))] == ["book"]
