# SPDX-License-Identifier: Apache-2.0
"""The line that makes a share a probability (Platt, 1999).

logit p = slope · logit share + offset, on validation scenes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refseg_ros.decision.choice import logit
from refseg_ros.spatial.likeness import logistic

_STEPS = 60
_RIDGE = 1e-6  # keeps Newton's steps finite where shares say nothing


def best_line(
    shares: NDArray[np.float64], right: NDArray[np.bool_], cautious: bool = False
) -> tuple[float, float]:
    """Slope and offset of greatest likelihood, by Newton's method with halved steps.

    Args:
        shares: (N,) in [0, 1], of the things that were answered, copies of their masks included.
        right: (N,) whether each answer was right.
        cautious: Whether right answers count as (R + 1) / (R + 2) right, and wrong ones as
            1 / (W + 2), as Platt has it: few answers make nothing certain, and one kind will do.

    Returns:
        :attr:`DecisionConfig.score_slope` and :attr:`DecisionConfig.score_offset`.

    Raises:
        ValueError: There are no right answers, or no wrong ones, and it is not cautious.
    """
    count = int(right.sum())
    if not cautious and count in (0, len(right)):
        raise ValueError("right: expected right and wrong answers, got one kind only")
    yes, no = ((count + 1) / (count + 2), 1 / (len(right) - count + 2)) if cautious else (1.0, 0.0)
    targets = np.where(right, yes, no)
    columns = np.stack([logit(shares), np.ones(len(shares))], 1)

    def loss(line: NDArray[np.float64]) -> float:
        logits = columns @ line
        return float((np.logaddexp(0.0, logits) - targets * logits).sum())

    line = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        chance = logistic(columns @ line)
        gradient = columns.T @ (chance - targets)
        curvature = (columns * (chance * (1.0 - chance))[:, None]).T @ columns
        step = np.linalg.solve(curvature + _RIDGE * np.eye(2), gradient)
        while loss(line - step) > loss(line) and np.abs(step).max() > _RIDGE:
            step /= 2
        line = line - step
    return float(line[0]), float(line[1])
