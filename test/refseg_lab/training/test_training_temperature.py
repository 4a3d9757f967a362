# SPDX-License-Identifier: Apache-2.0
"""The temperature of the softmax: found by likelihood, on logits whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refseg_lab.simulation.benchmark import bundled_slice
from refseg_lab.training.temperature import HIGHEST, LOWEST, best_temperature, mean_nll, shares_at

THREE_OF_FOUR = [(np.array([1.0, 0.0]), row) for row in (0, 0, 0, 1)]
"""Two candidates one logit apart, of which the better is the true one three times of four."""


def test_the_shares_become_how_often_it_is_true() -> None:
    # 1 / (1 + exp(−1/T)) = 3/4, so T = 1 / ln 3.
    temperature = best_temperature(THREE_OF_FOUR)
    assert temperature == pytest.approx(1 / math.log(3))
    assert shares_at(np.array([1.0, 0.0]), temperature) == pytest.approx([0.75, 0.25])
    # The entropy of 3/4 and 1/4.
    loss = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert mean_nll(THREE_OF_FOUR, temperature) == pytest.approx(loss)


def test_likelihoods_by_hand() -> None:
    cases = [(np.array([2.0, 0.0, 0.0]), 0), (np.array([5.0]), 0)]
    assert mean_nll(cases, 2.0) == pytest.approx(math.log(1 + 2 * math.exp(-1)) / 2)
    # Far apart, and no overflow.
    assert mean_nll([(np.array([1e6, 0.0]), 1)], 1.0) == pytest.approx(1e6)


def test_logits_that_are_always_right_or_say_nothing_end_at_the_bounds() -> None:
    assert best_temperature(THREE_OF_FOUR[:3]) == pytest.approx(LOWEST)
    assert best_temperature(THREE_OF_FOUR[3:]) == pytest.approx(HIGHEST)
    for call in (best_temperature, lambda cases: mean_nll(cases, 1.0)):
        with pytest.raises(ValueError, match="at least one is needed, got none"):
            call([])


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.lists(st.floats(-9, 9), min_size=2, max_size=5), st.integers(0, 1)),
        min_size=1,
        max_size=8,
    ),
    st.floats(0.1, 100),
)
def test_no_other_temperature_is_likelier(
    drawn: list[tuple[list[float], int]], other: float
) -> None:
    cases = [(np.array(logits), truth) for logits, truth in drawn]
    best = best_temperature(cases)
    assert LOWEST <= best <= HIGHEST + 1e-6
    assert mean_nll(cases, best) <= mean_nll(cases, other) + 1e-9


def test_the_bundled_matcher_is_asked_for_its_logits() -> None:
    from refseg_lab.training.calibrate import Case, look_cases, temperature_table
    from refseg_ros import Segmenter

    segmenter = Segmenter.from_preset("tabletop", "cpu")
    cases = []
    for stored in bundled_slice()[:2]:
        scene = segmenter.observe(stored.frame.rgb)
        for item in stored.referrals:
            truth = np.isin(stored.frame.instances, [target + 1 for target in item.targets])
            cases.append(Case(scene, item.expression, item.phenomenon, truth))
    looks = look_cases(segmenter, cases)
    assert len(looks) == sum(case.kind in ("category", "colour") for case in cases)
    assert all(truth == len(logits) - 1 for logits, truth in looks)
    right = [int(logits.argmax()) == truth for logits, truth in looks]
    assert np.mean(right) >= 0.9
    assert next(iter(temperature_table(looks).columns[0].cells)) == "1"
