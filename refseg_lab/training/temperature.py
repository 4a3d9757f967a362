# SPDX-License-Identifier: Apache-2.0
"""The temperature at which the softmax of logits is a probability (Guo et al., ICML 2017, §4.2).

Pure functions over stored logits: dividing them by a temperature changes no answer, only how sure
it is, and the negative log-likelihood of what is true has one minimum in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float64]

LOWEST, HIGHEST = 0.01, 1000.0
"""Range of temperatures to search."""
_STEPS = 80  # halvings of the interval: far below any digit that matters


def shares_at(logits: Logits, temperature: float) -> Logits:
    """Softmax of logits over a temperature.

    Args:
        logits: (N,) finite, N ≥ 1.
        temperature: Above 0.

    Returns:
        (N,) float64 that sum to 1.
    """
    scaled = (logits - logits.max()) / temperature
    powers: Logits = np.exp(scaled)
    powers /= powers.sum()
    return powers


def mean_nll(cases: Sequence[tuple[Logits, int]], temperature: float) -> float:
    """Mean negative log-likelihood of the true candidates, in nats.

    Args:
        cases: Logits of the candidates, and the row of the true one; at least one case.
        temperature: Above 0.

    Raises:
        ValueError: There are no cases.
    """
    if not cases:
        raise ValueError("cases: at least one is needed, got none")
    losses = []
    for logits, truth in cases:
        scaled = (logits - logits.max()) / temperature
        losses.append(float(np.log(np.exp(scaled).sum()) - scaled[truth]))
    return float(np.mean(losses))


def best_temperature(cases: Sequence[tuple[Logits, int]], doubt: float = 0.0) -> float:
    """The temperature with the least :func:`mean_nll`.

    The loss is convex in the inverse temperature, with the mean over the cases of (expected logit
    under the shares − logit of the true candidate) as its derivative; its zero is found by
    halving.

    Args:
        cases: See :func:`mean_nll`.
        doubt: Share of each truth that is spread over all candidates, so that a few cases that are
            all right do not make the shares certain (label smoothing).

    Returns:
        A temperature from :data:`LOWEST` (if the best candidate is always the true one: the
        surer the better) to :data:`HIGHEST` (if logits say nothing).

    Raises:
        ValueError: There are no cases.
    """
    if not cases:
        raise ValueError("cases: at least one is needed, got none")

    def too_sure(inverse: float) -> bool:
        slopes = (
            float(
                shares_at(logits, 1.0 / inverse) @ logits
                - (1.0 - doubt) * logits[truth]
                - doubt * logits.mean()
            )
            for logits, truth in cases
        )
        return sum(slopes) > 0

    low, high = 1.0 / HIGHEST, 1.0 / LOWEST
    for _ in range(_STEPS):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if too_sure(middle) else (middle, high)
    return 1.0 / float(np.sqrt(low * high))
