# SPDX-License-Identifier: Apache-2.0
"""The line that makes a share a probability (Platt, 1999).

logit p = slope · logit share + offset, on validation scenes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refseg_ros.decision.choice import logit
from refseg_ros.spatial.relations import logistic

_STEPS = 60
_RIDGE = 1e-6  # keeps Newton's steps finite where all answers are right


def best_line(shares: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset of greatest likelihood, by Newton's method.

    Args:
        shares: (N,) in [0, 1], of the things that were answered, copies of their masks included.
        right: (N,) whether each answer was right.

    Returns:
        :attr:`DecisionConfig.score_slope` and :attr:`DecisionConfig.score_offset`.

    Raises:
        ValueError: There are no right answers, or no wrong ones.
    """
    if not right.any() or right.all():
        raise ValueError("right: expected right and wrong answers, got one kind only")
    columns = np.stack([logit(shares), np.ones(len(shares))], 1)
    line = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        chance = logistic(columns @ line)
        gradient = columns.T @ (chance - right)
        curvature = (columns * (chance * (1.0 - chance))[:, None]).T @ columns
        line = line - np.linalg.solve(curvature + _RIDGE * np.eye(2), gradient)
    return float(line[0]), float(line[1])
