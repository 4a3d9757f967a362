# SPDX-License-Identifier: Apache-2.0
"""Measures, on masks whose overlaps are counted by hand, and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refseg_lab.evaluation import mask_iou, mask_ious, mean_iou, overall_iou, precision_at
from refseg_lab.evaluation.bootstrap import Resampler
from refseg_lab.evaluation.metrics import THRESHOLDS, overlap, union_of

shares = st.lists(st.floats(0, 1), min_size=1, max_size=30)
counts = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 500)), min_size=1, max_size=30)


def squares() -> tuple[np.ndarray, np.ndarray]:
    first, second = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    first[:2] = True  # 8 pixels
    second[1:3, :3] = True  # 6 pixels, 3 of them shared: union 11
    return first, second


def test_iou_counts_pixels() -> None:
    first, second = squares()
    assert overlap(first, second) == (3, 11)
    assert mask_iou(first, second) == pytest.approx(3 / 11)
    assert mask_iou(first, first) == 1.0
    assert mask_iou(first, ~first) == 0.0


def test_ious_of_several_masks_are_those_of_each() -> None:
    first, second = squares()
    nothing = np.zeros((4, 4), bool)
    masks = np.stack([first, second, nothing])
    np.testing.assert_allclose(mask_ious(masks, second), [3 / 11, 1, 0])
    np.testing.assert_allclose(mask_ious(masks, nothing), [0, 0, 1])
    assert mask_ious(masks[:0], second).shape == (0,)


def test_a_set_of_objects_is_measured_as_the_union_of_their_masks() -> None:
    first, second = squares()
    assert union_of(np.stack([first, second])).sum() == 11
    assert not union_of(np.zeros((0, 4, 4), bool)).any()


def test_two_empty_masks_agree() -> None:
    nothing = np.zeros((2, 2), bool)
    assert mask_iou(nothing, nothing) == 1.0


def test_masks_of_two_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\) is not that of truth, \(2, 3\)"):
        mask_iou(np.zeros((2, 2), bool), np.zeros((2, 3), bool))
    with pytest.raises(ValueError, match=r"\(1, 2, 2\) is not"):
        mask_ious(np.zeros((1, 2, 2), bool), np.zeros((2, 3), bool))


def test_means_shares_and_overall_iou() -> None:
    ious = [1.0, 0.5, 0.4999, 0.9]
    assert mean_iou(ious) == pytest.approx(2.8999 / 4)
    assert [precision_at(ious, level) for level in THRESHOLDS] == [0.75, 0.5, 0.5, 0.5, 0.5]
    # A small thing missed and a large one found: 190 of 210 pixels, but one of two things.
    assert overall_iou([190, 0], [200, 10]) == pytest.approx(190 / 210)
    assert overall_iou([0], [0]) == 1.0


def test_nothing_has_no_mean() -> None:
    for call in (lambda: mean_iou([]), lambda: precision_at([], 0.5), lambda: overall_iou([], [])):
        with pytest.raises(ValueError, match="at least one number"):
            call()
    with pytest.raises(ValueError, match="threshold: 50 is outside 0 to 1"):
        precision_at([0.5], 50)
    with pytest.raises(ValueError, match="does not fit unions"):
        overall_iou([1, 2], [3])


@given(shares)
def test_precision_falls_with_the_threshold_and_stays_a_share(ious: list[float]) -> None:
    levels = [precision_at(ious, threshold) for threshold in (0.0, *THRESHOLDS, 1.0)]
    assert levels[0] == 1.0
    assert levels == sorted(levels, reverse=True)
    assert all(0.0 <= level <= 1.0 for level in levels)
    assert 0.0 <= mean_iou(ious) <= 1.0


@given(counts)
def test_overall_iou_lies_between_the_worst_and_the_best(pairs: list[tuple[int, int]]) -> None:
    intersections = [min(pair) for pair in pairs]
    unions = [max(pair) for pair in pairs]
    ious = np.divide(intersections, unions)
    overall = overall_iou(intersections, unions)
    assert 0.0 <= overall <= 1.0
    assert ious.min() - 1e-12 <= overall <= ious.max() + 1e-12


@settings(max_examples=25, deadline=None)
@given(counts, st.integers(0, 3))
def test_an_interval_holds_its_estimate(pairs: list[tuple[int, int]], seed: int) -> None:
    right = [min(pair) for pair in pairs]
    asked = [max(pair) for pair in pairs]
    figure = Resampler(len(pairs), resamples=1000, seed=seed).ratio(right, asked)
    assert figure.value == pytest.approx(sum(right) / sum(asked))
    assert 0.0 <= figure.low <= figure.value + 1e-12
    assert figure.value <= figure.high + 1e-12 <= 1.0 + 2e-12


def test_scenes_are_drawn_and_not_expressions() -> None:
    # 40 scenes of ten expressions each that are all right or all wrong: as uncertain as 40
    # trials of one half (normal interval ± 1.96 · 0.5 / √40), not as 400 (± 0.05).
    right = np.repeat([0.0, 10.0], 20)
    figure = Resampler(40).ratio(right, np.full(40, 10.0))
    assert figure.value == 0.5
    assert figure.low == pytest.approx(0.5 - 1.96 * 0.5 / 40**0.5, abs=0.03)
    assert figure.high == pytest.approx(0.5 + 1.96 * 0.5 / 40**0.5, abs=0.03)


def test_an_interval_follows_its_seed() -> None:
    right, asked = np.arange(30.0), np.full(30, 30.0)
    first, again, other = (Resampler(30, seed=seed).ratio(right, asked) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first.value == other.value


def test_a_figure_without_trials_is_none_and_rare_ones_are_estimated() -> None:
    draws = Resampler(3)
    assert draws.ratio([0, 0, 0], [0, 0, 0]).value is None
    figure = draws.ratio([0, 1, 0], [0, 2, 0])  # draws without the second scene say nothing
    assert (figure.value, figure.low, figure.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scenes": 0}, "scenes must be at least 1, got 0"),
        ({"scenes": 2, "resamples": 100}, "resamples must be at least 1000, got 100"),
        ({"scenes": 2, "seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_draws_that_say_nothing_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Resampler(**arguments)


def test_a_ratio_needs_one_number_a_scene() -> None:
    with pytest.raises(ValueError, match=r"denominators: expected \(2,\), got \(3,\)"):
        Resampler(2).ratio([1, 2], [1, 2, 3])
