# SPDX-License-Identifier: Apache-2.0
"""The line that makes shares probabilities, on answers drawn from a known one."""

from __future__ import annotations

import numpy as np
import pytest

from refseg_lab.training.confidence import best_line
from refseg_ros.decision.choice import logit


def test_the_line_that_answers_were_drawn_from_is_found() -> None:
    rng = np.random.default_rng(0)
    shares = rng.uniform(0.02, 0.98, 20000)
    chance = 1 / (1 + np.exp(-(0.5 * logit(shares) + 1.0)))
    right = rng.random(len(shares)) < chance
    slope, offset = best_line(shares, right)
    assert slope == pytest.approx(0.5, abs=0.05)
    assert offset == pytest.approx(1.0, abs=0.06)


def test_shares_that_say_nothing_leave_the_share_that_is_right() -> None:
    # Three of four are right whatever the share: logit 0.75 = 1.0986.
    shares, right = np.tile([0.2, 0.8], 8), np.repeat([True, True, True, False], 4)
    slope, offset = best_line(shares, right)
    assert slope == pytest.approx(0.0, abs=1e-6)
    assert offset == pytest.approx(np.log(3), abs=1e-5)


@pytest.mark.parametrize("right", [[True, True], [False, False]])
def test_one_kind_of_answers_tells_nothing(right: list[bool]) -> None:
    with pytest.raises(ValueError, match="right and wrong"):
        best_line(np.array([0.2, 0.8]), np.array(right))
