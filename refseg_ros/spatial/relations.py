# SPDX-License-Identifier: Apache-2.0
"""Relations between candidates as soft logic, after ReCLIP (Subramanian et al., ACL 2022).

``p(i) ← p(i) · Σ_j q(j) · r(i, j)``, shared out anew: p says how likely candidate i is the thing
meant, q how likely j is the landmark, and r, in [0, 1], how well the relation holds between them.
r is smooth where ReCLIP's is a step, so that two candidates at nearly one height do not flip from
one frame to the next.

Left, right, above and below are the image's. Without depth, a thing is behind another if it stands
higher in the image and in front if lower, by the lower edges of their boxes, where they touch the
table; this holds for a camera that looks down. With depth, the metric distance decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refseg_ros.language import RelationKind

Matrix = NDArray[np.float64]

SOFTNESS: Final = 0.25
"""Scale of the logistic, as a share of the mean size of the two boxes."""
NEARNESS: Final = 2.0
"""How fast "next to" falls with the gap between two boxes, per mean size of theirs."""
DEPTH_SCALE: Final = 0.03
"""Scale of the logistic over a difference of depths, in metres."""
BETWEEN_LANDMARKS: Final = 32
"""Landmark candidates, best first, that enter "between", whose cost grows with their square."""

SUPPORTED: Final = frozenset(RelationKind) - {RelationKind.WITH}
"""Kinds that :func:`relate` weighs. WITH ("the mug with the handle") names a part or an outfit
rather than a place, and changes nothing."""


def relate(
    kind: RelationKind,
    target_weights: ArrayLike,
    landmark_weights: ArrayLike,
    boxes: ArrayLike,
    *,
    second_landmark_weights: ArrayLike | None = None,
    depths: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Weigh the candidates by a relation to a landmark.

    Args:
        kind: The relation; one outside :data:`SUPPORTED` leaves the weights as they are.
        target_weights: (N,) how likely each candidate is the thing meant, not negative.
        landmark_weights: (N,) how likely each is the landmark, not negative.
        boxes: (N, 4) ``x0, y0, x1, y1`` in pixels, half-open.
        second_landmark_weights: (N,), for ``BETWEEN`` two different landmarks; without it, between
            two of the first.
        depths: (N,) distance from the camera in metres; 0 or NaN where unknown.

    Returns:
        (N,) float64 that sum to 1; the target weights themselves, so shared out, where the
        relation holds for no candidate at all; zeros if every target weight is 0.

    Raises:
        ValueError: The shapes do not agree, or a weight or a box is negative or not finite.
    """
    weights = _weights("target_weights", target_weights)
    total = weights.sum()
    if not total:
        return weights
    weights = weights / total
    if kind not in SUPPORTED:
        return weights
    held = weights * relation_support(
        kind,
        landmark_weights,
        boxes,
        second_landmark_weights=second_landmark_weights,
        depths=depths,
    )
    share = held.sum()
    return held / share if share > 1e-300 else weights


def relation_support(
    kind: RelationKind,
    landmark_weights: ArrayLike,
    boxes: ArrayLike,
    *,
    second_landmark_weights: ArrayLike | None = None,
    depths: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """How far a relation holds for each candidate: ``Σ_j q(j) · r(i, j)``, j ≠ i.

    It is small everywhere where the landmark is not there or nothing stands so to it; a caller can
    lower its confidence by it. Arguments as of :func:`relate`; ``kind`` must be supported.

    Returns:
        (N,) float64 in [0, 1].

    Raises:
        ValueError: As :func:`relate`, or the kind is not in :data:`SUPPORTED`.
    """
    if kind not in SUPPORTED:
        raise ValueError(f"kind: {kind.value} is not one of {sorted(k.value for k in SUPPORTED)}")
    landmarks = _weights("landmark_weights", landmark_weights)
    frames = _boxes(boxes, len(landmarks))
    if not landmarks.sum():
        return np.zeros(len(landmarks))
    landmarks = landmarks / landmarks.sum()
    if kind is RelationKind.BETWEEN:
        second = landmarks
        if second_landmark_weights is not None:
            second = _weights("second_landmark_weights", second_landmark_weights, len(landmarks))
            second = second / (second.sum() or 1.0)
        support = _between(landmarks, second, frames)
    else:
        holds = _pairwise(kind, frames)
        if depths is not None and kind in _BY_DEPTH:
            holds = _with_depth(holds, np.asarray(depths, np.float64), _BY_DEPTH[kind])
        np.fill_diagonal(holds, 0.0)
        support = holds @ landmarks
    clipped: NDArray[np.float64] = np.clip(support, 0.0, 1.0)
    return clipped


def _weights(name: str, values: ArrayLike, count: int | None = None) -> NDArray[np.float64]:
    weights = np.asarray(values, np.float64)
    if weights.ndim != 1 or (count is not None and len(weights) != count):
        raise ValueError(
            f"{name}: expected ({'N' if count is None else count},), got {weights.shape}"
        )
    if not np.isfinite(weights).all() or (len(weights) and weights.min() < 0):
        raise ValueError(f"{name}: every weight must be finite and not negative")
    return weights


def _boxes(values: ArrayLike, count: int) -> Matrix:
    boxes = np.asarray(values, np.float64)
    if boxes.shape != (count, 4):
        raise ValueError(f"boxes: expected ({count}, 4), got {boxes.shape}")
    if not np.isfinite(boxes).all():
        raise ValueError("boxes: every number must be finite")
    return boxes


def _logistic(values: Matrix) -> Matrix:
    """1 / (1 + e^-x) without overflow."""
    result: Matrix = 0.5 * (1.0 + np.tanh(0.5 * values))
    return result


def _further(positions: NDArray[np.float64], sizes: NDArray[np.float64]) -> Matrix:
    """(N, N): how clearly i lies further along an axis than j, 0.5 where they are level."""
    scale = SOFTNESS * 0.5 * (sizes[:, None] + sizes[None]) + 1e-9
    return _logistic((positions[:, None] - positions[None]) / scale)


def _sizes(boxes: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Widths and heights, (N,) each."""
    return boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]


def _right_of(boxes: Matrix) -> Matrix:
    return _further((boxes[:, 0] + boxes[:, 2]) / 2, _sizes(boxes)[0])


def _below(boxes: Matrix) -> Matrix:
    return _further((boxes[:, 1] + boxes[:, 3]) / 2, _sizes(boxes)[1])


def _in_front(boxes: Matrix) -> Matrix:
    return _further(boxes[:, 3], _sizes(boxes)[1])


def _inside(boxes: Matrix) -> Matrix:
    """|b_i ∩ b_j| / |b_i|: the share of i's box that lies in j's."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(2)
    widths, heights = _sizes(boxes)
    share: Matrix = common / np.maximum(widths * heights, 1e-9)[:, None]
    return np.clip(share, 0.0, 1.0)


def _on(boxes: Matrix) -> Matrix:
    """The share of i's lower half that lies in j's box; the upper half may stand out of it."""
    lower = boxes.copy()
    lower[:, 1] = (boxes[:, 1] + boxes[:, 3]) / 2
    both = np.concatenate([lower, boxes])
    return _inside(both)[: len(boxes), len(boxes) :]


def _beside(boxes: Matrix) -> Matrix:
    """exp(-2 gap / size): 1 where boxes touch; the gap is taken in units of their mean size."""
    gaps = np.maximum(
        boxes[:, None, :2] - boxes[None, :, 2:], boxes[None, :, :2] - boxes[:, None, 2:]
    )
    distance = np.linalg.norm(np.clip(gaps, 0, None), axis=2)
    widths, heights = _sizes(boxes)
    size = np.sqrt(np.maximum(widths * heights, 0.0))
    near: Matrix = np.exp(-NEARNESS * distance / (0.5 * (size[:, None] + size[None]) + 1e-9))
    return near


_PAIRWISE: Final[dict[RelationKind, Callable[[Matrix], Matrix]]] = {
    RelationKind.RIGHT_OF: _right_of,
    RelationKind.LEFT_OF: lambda boxes: _right_of(boxes).T,
    RelationKind.BELOW: _below,
    RelationKind.ABOVE: lambda boxes: _below(boxes).T,
    RelationKind.UNDER: _below,
    RelationKind.IN_FRONT_OF: _in_front,
    RelationKind.BEHIND: lambda boxes: _in_front(boxes).T,
    RelationKind.NEXT_TO: _beside,
    RelationKind.FAR_FROM: lambda boxes: 1.0 - _beside(boxes),
    RelationKind.IN: _inside,
    RelationKind.CONTAINING: lambda boxes: _inside(boxes).T,
    RelationKind.ON: _on,
    RelationKind.CARRYING: lambda boxes: _on(boxes).T,
}
_BY_DEPTH: Final = {RelationKind.IN_FRONT_OF: -1.0, RelationKind.BEHIND: 1.0}
"""Relations that depth decides: the sign of (depth of i - depth of j)."""


def _pairwise(kind: RelationKind, boxes: Matrix) -> Matrix:
    """(N, N) float64 in [0, 1]: how well i stands in the relation to j."""
    return np.array(_PAIRWISE[kind](boxes))


def _with_depth(holds: Matrix, depths: NDArray[np.float64], sign: float) -> Matrix:
    """The relation by depth where both depths are known, as it was elsewhere."""
    if depths.shape != (len(holds),):
        raise ValueError(f"depths: expected ({len(holds)},), got {depths.shape}")
    known = np.isfinite(depths) & (depths > 0)
    filled = np.where(known, depths, 0.0)
    by_depth = _logistic(sign * (filled[:, None] - filled[None]) / DEPTH_SCALE)
    return np.where(known[:, None] & known[None], by_depth, holds)


def _between(
    first: NDArray[np.float64], second: NDArray[np.float64], boxes: Matrix
) -> NDArray[np.float64]:
    """Σ_jk q(j) q'(k) r(i, j, k) over j ≠ k, both ≠ i, shared out over the pairs that i may see.

    r is 1 halfway along the line from j to k and falls smoothly beyond its ends and away from it.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    size = np.sqrt(np.maximum(np.prod(_sizes(boxes), axis=0), 0.0))
    starts = np.argsort(-first, kind="stable")[:BETWEEN_LANDMARKS]
    ends = np.argsort(-second, kind="stable")[:BETWEEN_LANDMARKS]
    line = centres[ends][None] - centres[starts][:, None]
    length2 = (line**2).sum(2)
    pairs = first[starts][:, None] * second[ends][None] * (starts[:, None] != ends[None])
    pairs = pairs / (pairs.sum() or 1.0)
    support = np.zeros(len(boxes))
    for index, centre in enumerate(centres):
        offset = centre - centres[starts][:, None]
        along = (offset * line).sum(2) / np.maximum(length2, 1e-9)
        away2 = np.maximum((offset**2).sum(2) - along**2 * length2, 0.0)
        reach = 0.25 * length2 + size[index] ** 2 + 1e-9
        holds = np.exp(-away2 / reach)
        holds *= _logistic(along / 0.1) * _logistic((1.0 - along) / 0.1)
        others = (starts[:, None] != index) & (ends[None] != index) & (length2 > 0)
        support[index] = (pairs * holds * others).sum()
    return support
