# SPDX-License-Identifier: Apache-2.0
"""The spatial rectifier of TAS: best candidate of the half or quadrant that the sentence names.

The published procedure (Suo et al., EMNLP 2023), driven by a parse of whole tokens instead of
substrings, and only by positions of the thing meant, never by "left of" another thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refseg_ros.language import Direction


@dataclass(frozen=True)
class Rectification:
    """A choice among the candidates.

    Attributes:
        index: The chosen candidate; None if and only if there are no candidates.
        eligible: (N,) bool, the candidates among which it was chosen.
        reason: Why, in words.
    """

    index: int | None
    eligible: NDArray[np.bool_]
    reason: str


def check_candidates(
    weights: ArrayLike, centroids: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (N,) and centroids (N, 2) as float64.

    Raises:
        ValueError: The shapes do not agree, or a number is not finite.
    """
    checked = np.asarray(weights, np.float64)
    places = np.asarray(centroids, np.float64)
    if checked.ndim != 1:
        raise ValueError(f"weights: expected (N,), got {checked.shape}")
    if places.shape != (len(checked), 2):
        raise ValueError(f"centroids: expected ({len(checked)}, 2), got {places.shape}")
    if not (np.isfinite(checked).all() and np.isfinite(places).all()):
        raise ValueError("weights and centroids: every number must be finite")
    return checked, places


def best(weights: NDArray[np.float64], eligible: NDArray[np.bool_]) -> int:
    """The eligible candidate of greatest weight, the first of equals; at least one is eligible."""
    return int(np.argmax(np.where(eligible, weights, -np.inf)))


def rectify(
    weights: ArrayLike, centroids: ArrayLike, directions: Sequence[Direction]
) -> Rectification:
    """Choose the best candidate of a half or quadrant of the image.

    The borders are the medians of the candidates' centroids: top is row < median, left is
    column < median; what lies on a median is bottom or right. Top wins over bottom and left over
    right where both are named. Positions that the paper does not know (middle, front, back) change
    nothing; an empty half or quadrant leaves the candidate of greatest weight. "leftmost" is read
    as "left", as in the paper; see :func:`refseg_ros.spatial.rank_extreme`.

    Args:
        weights: (N,) finite scores; only their order counts.
        centroids: (N, 2) row, column in pixels.
        directions: Positions that were said.

    Returns:
        The choice.

    Raises:
        ValueError: The shapes do not agree, or a number is not finite.
    """
    scores, places = check_candidates(weights, centroids)
    everything = np.ones(len(scores), np.bool_)
    if not len(scores):
        return Rectification(None, everything, "there are no candidates")
    rows, columns = places[:, 0], places[:, 1]
    inside, names = everything.copy(), []
    if Direction.TOP in directions:
        inside &= rows < np.median(rows)
        names.append("top")
    elif Direction.BOTTOM in directions:
        inside &= rows >= np.median(rows)
        names.append("bottom")
    if Direction.LEFT in directions:
        inside &= columns < np.median(columns)
        names.append("left")
    elif Direction.RIGHT in directions:
        inside &= columns >= np.median(columns)
        names.append("right")
    if not names:
        return Rectification(best(scores, everything), everything, "no position was named")
    part = " ".join(names)
    if not inside.any():
        reason = f"no candidate lies {part}, so the position was ignored"
        return Rectification(best(scores, everything), everything, reason)
    count = int(inside.sum())
    reason = f"best of the {count} of {len(scores)} candidates that lie {part}"
    return Rectification(best(scores, inside), inside, reason)
