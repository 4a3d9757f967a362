# SPDX-License-Identifier: Apache-2.0
"""The rectifier and the priors of position and size, on layouts worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from refseg_ros.language import Direction
from refseg_ros.spatial import position_prior, rectify, size_prior
from refseg_ros.spatial.position import reach

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
    assert position_prior(none, (LEFT,), (10, 10)).shape == (0,)
    assert size_prior([], [], 1).shape == (0,)


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


SHARES = np.array([[0.5, 0.6], [0.55, 0.2], [0.45, 0.8]])


@pytest.mark.parametrize(
    ("directions", "expected"),
    [
        ((LEFT,), [-0.1, 0.3, -0.3]),
        ((RIGHT,), [0.1, -0.3, 0.3]),
        ((BACK,), [0.0, -0.05, 0.05]),
        ((FRONT,), [0.0, 0.05, -0.05]),
        # Of two directions the lesser counts.
        ((TOP, LEFT), [-0.1, -0.05, -0.3]),
        # The median column is 0.6.
        ((MIDDLE,), [0.0, -0.4, -0.2]),
        # Beside another direction it is the middle of the other axis.
        ((MIDDLE, LEFT), [-0.1, 0.25, -0.35]),
    ],
)
def test_reach(directions: tuple[Direction, ...], expected: list[float]) -> None:
    assert reach(SHARES, directions) == pytest.approx(expected)


def test_the_middle_of_a_column_goes_by_rows() -> None:
    assert int(np.argmax(reach(np.array([[0.1, 0.5], [0.4, 0.55], [0.9, 0.5]]), (MIDDLE,)))) == 1


def test_middle_of_two_is_the_one_nearer_to_the_centre() -> None:
    assert int(np.argmax(reach(np.array([[0.5, 0.9], [0.5, 0.6]]), (MIDDLE,)))) == 1


def test_a_corner_is_whose_outline_comes_nearest() -> None:
    # A field that ends in the corner, and a small thing nearer to it by its middle.
    middles = np.array([[0.7, 0.5], [0.8, 0.3]])
    boxes = np.array([[0.0, 0.4, 1.0, 1.0], [0.25, 0.75, 0.35, 0.85]])
    assert int(np.argmax(reach(middles, (BOTTOM, LEFT), boxes, alike=False))) == 0
    # Of things of one kind that differ in size the middles tell.
    assert int(np.argmax(reach(middles, (BOTTOM, LEFT), boxes))) == 1
    assert int(np.argmax(reach(middles, (BOTTOM, LEFT)))) == 1


def test_of_what_touches_a_side_the_middles_tell() -> None:
    middles, boxes = (
        np.array([[0.5, 0.5], [0.5, 0.1]]),
        np.array([[0, 0, 1, 1], [0, 0.4, 0.2, 0.6]]),
    )
    assert int(np.argmax(reach(middles, (LEFT,), boxes, alike=False))) == 1


def test_the_middle_of_regions_of_any_kind_is_the_pictures() -> None:
    middles = np.array([[0.5, 0.5], [0.5, 0.7], [0.5, 0.9]])
    assert int(np.argmax(reach(middles, (MIDDLE,)))) == 1
    assert int(np.argmax(reach(middles, (MIDDLE,), alike=False))) == 0
