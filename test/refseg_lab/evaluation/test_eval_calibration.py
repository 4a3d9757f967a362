# SPDX-License-Identifier: Apache-2.0
"""Whether scores are probabilities, on answers whose errors are worked out by hand."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_eval_comparing import answer, scenes

from refseg_lab.evaluation.bootstrap import Resampler
from refseg_lab.evaluation.calibration import (
    BINS,
    bin_of,
    calibration_error,
    chance_error,
    equal_mass,
    measured_calibration,
)
from refseg_lab.evaluation.records import FALSE_ACCEPT, REFUSED, WRONG_PROPOSAL
from refseg_lab.evaluation.reliability import reliability_diagram

EDGES = np.linspace(0, 1, BINS + 1)
SCORES, RIGHT = (0.9, 0.95, 0.3, 0.31), (1, 0, 0, 1)
HAND = scenes(
    *(
        [answer("colour", "" if right else WRONG_PROPOSAL, score=score)]
        for score, right in zip(SCORES, RIGHT, strict=True)
    )
)


def test_the_error_of_a_hand_made_set() -> None:
    # Bins of 1/15: 0.9 and 0.95 lie alone, 0.3 and 0.31 together:
    # (|0.9 − 1| + |0.95 − 0| + |0.61 − 1|) / 4.
    found = measured_calibration(HAND, Resampler(4))
    assert found is not None
    assert found.n == 4
    assert found.ece.value == pytest.approx((0.1 + 0.95 + 0.39) / 4)
    # Fewer answers than bins of equal mass: each is alone.
    assert found.ece_mass.value == pytest.approx((0.1 + 0.95 + 0.3 + 0.69) / 4)
    assert found.brier.value == pytest.approx((0.01 + 0.9025 + 0.09 + 0.4761) / 4)
    assert found.score.value == pytest.approx(0.615)
    assert found.right.value == 0.5
    filled = [item for item in found.bins if item.n]
    assert [(item.n, item.right) for item in filled] == [(2, 0.5), (1, 1.0), (1, 0.0)]
    assert filled[0].score == pytest.approx(0.305)
    assert len(found.bins) == BINS


def test_bins_hold_their_upper_edge() -> None:
    np.testing.assert_array_equal(
        bin_of(np.array([0, 1 / 15, 0.0667, 0.2, 1]), EDGES), [0, 0, 1, 2, 14]
    )


def test_bins_of_equal_mass_hold_equally_many_and_keep_ties_together() -> None:
    even = np.linspace(0.01, 0.99, 30)
    assert np.bincount(bin_of(even, equal_mass(even))).tolist() == [2] * 15
    tied = np.array([0.5] * 20 + [1.0] * 20)
    edges = equal_mass(tied)
    assert edges.tolist() == [0, 0.5, 1]
    assert np.bincount(bin_of(tied, edges)).tolist() == [20, 20]
    # Half of them right: 0 and 0.5 in the two bins.
    right = np.tile([0.0, 1.0], 20)
    assert calibration_error(tied, right, edges) == pytest.approx(0.25)


def test_only_answers_about_one_thing_that_is_there_count() -> None:
    results = scenes(
        [answer("colour", score=0.6), answer("plural", score=0.1)],
        [answer("size", REFUSED), answer("absent", FALSE_ACCEPT, score=0.4), answer("absent")],
    )
    present = measured_calibration(results, Resampler(2))
    everything = measured_calibration(results, Resampler(2), absent=True)
    assert present is not None
    assert everything is not None
    assert (present.n, everything.n) == (1, 2)
    assert present.ece.value == pytest.approx(0.4)
    # The false accept is wrong at 0.4.
    assert everything.ece.value == pytest.approx((0.4 + 0.4) / 2)
    assert everything.brier.value == pytest.approx((0.16 + 0.16) / 2)
    assert measured_calibration(scenes([answer("size", REFUSED)]), Resampler(1)) is None


def test_the_error_of_true_probabilities_is_what_chance_makes() -> None:
    rng = np.random.default_rng(3)
    errors, chances = [], []
    for _ in range(60):
        drawn = rng.uniform(0.3, 1, 200)
        right = (rng.uniform(size=200) < drawn).astype(float)
        errors.append(calibration_error(drawn, right, EDGES))
        chances.append(chance_error(drawn, EDGES))
    assert np.mean(errors) == pytest.approx(np.mean(chances), rel=0.05)
    assert chance_error(np.array([1.0, 0.0]), EDGES) == 0
    # One answer at 0.75 is off by 0.25 three times of four, and by 0.75 the fourth.
    assert chance_error(np.array([0.75]), EDGES) == pytest.approx(0.375, abs=0.03)


def test_scores_that_promise_too_much_have_a_sure_error() -> None:
    # 0.95 of what is right by half is off by 0.45, give or take 1.96 · 0.5 / √400.
    sure = scenes(
        *([answer("colour", "" if n % 2 else WRONG_PROPOSAL, score=0.95)] for n in range(400))
    )
    found = measured_calibration(sure, Resampler(400))
    assert found is not None
    assert found.ece.value == pytest.approx(0.45)
    assert found.ece.low == pytest.approx(0.45 - 1.96 * 0.5 / 20, abs=0.01)
    assert found.ece.high == pytest.approx(0.45 + 1.96 * 0.5 / 20, abs=0.01)
    assert found.chance < 0.02


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40),
    st.sampled_from(["width", "mass"]),
)
def test_the_error_lies_between_the_distance_of_the_means_and_one(
    pairs: list[tuple[float, bool]], kind: str
) -> None:
    score, right = (np.array(column, float) for column in zip(*pairs, strict=True))
    edges = EDGES if kind == "width" else equal_mass(score)
    assert (np.diff(edges) > 0).all()
    error = calibration_error(score, right, edges)
    assert abs(score.mean() - right.mean()) - 1e-9 <= error <= 1 + 1e-9


def test_the_diagram_has_a_bar_for_each_bin_that_holds_answers() -> None:
    found = measured_calibration(HAND, Resampler(4))
    assert found is not None
    root = ET.fromstring(reliability_diagram(found))
    bars = root.findall("rect[@class='share']")
    assert len(bars) == len(root.findall("rect[@class='count']")) == 3
    assert [float(bar.get("height", "")) for bar in bars] == [130, 260, 0]  # of 260 pixels
    assert bars[0].find("title").text == "score 0.30, right 0.50, n = 2"  # type: ignore[union-attr]
    counts = [float(bar.get("height", "")) for bar in root.findall("rect[@class='count']")]
    assert counts == [54, 27, 27]
