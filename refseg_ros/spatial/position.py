# SPDX-License-Identifier: Apache-2.0
"""Absolute positions beyond the paper: a soft prior over the image, and "the leftmost".

Without depth, front is low and back is high in the image, which holds for a camera that looks down
onto a table. Left and right are the viewer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refseg_ros.config import CLOSENESS
from refseg_ros.language import Direction
from refseg_ros.spatial.rectifier import check_candidates

PRIOR_SCALE: Final = 0.12
"""Softness of the position prior, as a share of the image's width or height."""
MIDDLE_ASPECT: Final = 2.0
"""How much more candidates must spread down than across for "middle" to go by rows."""
SIDE_CENTRED: Final = 3.0
"""What the middle of a thing counts beside the end of its outline, to tell how far it reaches."""
CENTRED: Final = 0.2
"""The same for regions of any kind in a corner."""
SIZE_SCALE: Final = 0.35
"""Softness of the size prior, over the logarithm of the area."""

_SIGNS: Final = {
    Direction.LEFT: (1, -1.0),
    Direction.RIGHT: (1, 1.0),
    Direction.TOP: (0, -1.0),
    Direction.BACK: (0, -1.0),
    Direction.BOTTOM: (0, 1.0),
    Direction.FRONT: (0, 1.0),
}
"""Axis of the centroid (0 row, 1 column) and the sense in which a direction grows along it."""


def in_frame(centroids: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Centroids as shares of the image, (N, 2), 0 to 1."""
    if min(size) <= 0:
        raise ValueError(f"size: expected (height, width) above 0, got {size}")
    return centroids / np.asarray(size, np.float64)


def position_prior(
    centroids: ArrayLike, directions: Sequence[Direction], size: tuple[int, int]
) -> NDArray[np.float64]:
    """How well each candidate lies where the sentence says.

    A logistic ramp about the image's centre per direction, and for the middle a Gaussian about it;
    their product. It is relative: multiply weights with it and share them out anew.

    Args:
        centroids: (N, 2) row, column in pixels.
        directions: Positions that were said; none gives ones.
        size: Height and width of the image in pixels.

    Returns:
        (N,) float64 in [0, 1].

    Raises:
        ValueError: A shape or the size is wrong, or a number is not finite.
    """
    places = np.asarray(centroids, np.float64)
    _, places = check_candidates(np.ones(len(places)), places)
    offset = in_frame(places, size) - 0.5
    prior = np.ones(len(places))
    for direction in dict.fromkeys(directions):
        if direction is Direction.MIDDLE:
            prior *= np.exp(-0.5 * (offset**2).sum(1) / (2 * PRIOR_SCALE) ** 2)
        else:
            axis, sign = _SIGNS[direction]
            prior *= 1 / (1 + np.exp(-sign * offset[:, axis] / PRIOR_SCALE))
    return prior


def size_prior(weights: ArrayLike, areas: ArrayLike, sign: int) -> NDArray[np.float64]:
    """How well each candidate's size fits "big" or "small", beside those that compete with it.

    A logistic of log(area / geometric mean area), the mean taken over the candidates whose weight
    is at least :data:`CLOSENESS` times the greatest. Perspective is not allowed for.

    Args:
        weights: (N,) finite weights, not negative.
        areas: (N,) pixels of each mask, above 0.
        sign: +1 for big, -1 for small.

    Returns:
        (N,) float64 in [0, 1].

    Raises:
        ValueError: A shape or a number is out of range.
    """
    scores, sizes = np.asarray(weights, np.float64), np.asarray(areas, np.float64)
    if scores.ndim != 1 or sizes.shape != scores.shape:
        raise ValueError(f"areas: expected {scores.shape}, got {sizes.shape}")
    if not len(scores):
        return np.zeros(0)
    if not (np.isfinite(scores).all() and np.isfinite(sizes).all()) or sizes.min() <= 0:
        raise ValueError("areas: expected finite numbers above 0, beside finite weights")
    logs = np.log(sizes)
    mean = logs[scores >= CLOSENESS * scores.max()].mean()
    prior: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * sign * (logs - mean) / SIZE_SCALE))
    return prior


def reach(
    shares: NDArray[np.float64],
    directions: Sequence[Direction],
    boxes: NDArray[np.float64] | None = None,
    *,
    alike: bool = True,
) -> NDArray[np.float64]:
    """How far each thing lies in the directions.

    Of two, as in "top left", the lesser counts, so that the corner wins over the edge. The ends of
    the outlines count beside the middles: to a side reaches much, and then the middles tell; which
    of regions of any kind lies in a corner the ends tell. "Middle" beside another direction is the
    middle of the other axis; alone it is nearest to the median column of things of one kind
    (median row, if they spread more than :data:`MIDDLE_ASPECT` times as far down as across), if
    there are three or more, and nearest to the picture's centre otherwise.

    Args:
        shares: (N, 2) row, column of the middles as shares of the picture.
        directions: At least one.
        boxes: (N, 4) x0, y0, x1, y1 of the outlines as shares of the picture; without them the
            middles alone tell.
        alike: Whether they are of one kind.

    Returns:
        (N,) float64, greatest for the furthest.
    """
    outward = [_SIGNS[item] for item in dict.fromkeys(directions) if item in _SIGNS]
    free = [axis for axis in (0, 1) if axis not in (axis for axis, _ in outward)]
    off_centre: NDArray[np.float64] = np.linalg.norm((shares - 0.5)[:, free], axis=1)
    if outward:
        along = np.min([sign * (shares[:, axis] - 0.5) for axis, sign in outward], axis=0)
        if boxes is not None:
            ends = [sign * (boxes[:, 1 - axis + (sign > 0) * 2] - 0.5) for axis, sign in outward]
            corner = len(set(directions)) > 1 and not alike
            centred = CENTRED if corner else SIDE_CENTRED
            along = (centred * along + np.min(ends, axis=0)) / (centred + 1.0)
        said = Direction.MIDDLE in directions
        furthest: NDArray[np.float64] = along - off_centre if said else along
        return furthest
    if len(shares) < 3 or not alike:
        return -off_centre
    down, across = np.ptp(shares, axis=0)
    line = shares[:, 0 if down > MIDDLE_ASPECT * across else 1]
    return -np.abs(line - np.median(line))
