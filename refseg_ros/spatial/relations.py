# SPDX-License-Identifier: Apache-2.0
"""Relations between candidates as soft logic, after ReCLIP (Subramanian et al., ACL 2022).

How far a relation holds for candidate i is ``max_j q(j) · r(i, j) / max q``: q says how likely j
is the landmark, and r, in [0, 1] with the border at 0.5, how well the relation holds between the
two. So thing and landmark are chosen together: beside four vases the tv is next to one of them. r
is smooth where ReCLIP's is a step, so that two candidates at nearly one height do not flip from
one frame to the next.

People say "left of" of what a ruler would not call so. What holds for no candidate is told by
which of them leans that way most (:func:`relation_leaning`), and of those for which it holds the
nearest is meant.

Left and right are the picture's, or a frame's (:class:`refseg_ros.Viewpoint`), and each means
mostly that way. In front of and behind are along the table, nearer and farther. Above and below
are the picture's too, except where something is measured to hang or stand over the landmark, which
is meant then. In, on and under are told from where the lowest part of one thing lies in the
outline of another (:attr:`Layout.seated`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refseg_ros.language import RelationKind
from refseg_ros.spatial.layout import Layout, Matrix, Vector
from refseg_ros.spatial.likeness import logistic

OFFSET: Final = 0.03
"""Offset along the axis at which "left of" begins to hold, in longer sides of the picture."""
OFFSET_SCALE: Final = 0.01
SLANT: Final = 1.3
"""How many times as far off the axis as along it a thing may lie for "left of" still to hold."""
SLANT_ON_TABLE: Final = 1.9
"""The same for "in front of": what leads away from the camera looks shorter than it is."""
SLANT_SCALE: Final = 0.2
NEARBY: Final = 1.1
"""Gap up to which things are next to each other, in mean sizes of the two."""
NEARBY_SCALE: Final = 0.35
SEATED: Final = 0.3
"""Share of a thing's lowest part that lies in another's outline from which it is in or on it."""
SEATED_SCALE: Final = 0.06
INSIDE: Final = 0.5
"""Share of a thing's box in another's from which what is in or on it is not next to it."""
INSIDE_SCALE: Final = 0.05
LEVEL_SCALE: Final = 0.01
"""Difference of rows of centres that tells which of two things is in the other."""
DEPTH_SCALE: Final = 0.03
"""Scale of the logistic over a difference of depths, in metres."""
AWAY: Final = 0.03
"""Metres along the table from which on a thing is behind another, where that was measured."""
AWAY_SCALE: Final = 0.008
CLEAR: Final = -0.008
"""Metres from the top of one thing to the lowest part of another from which that is above it."""
CLEAR_SCALE: Final = 0.004
OVERHANG: Final = 0.02
"""Metres beyond the sides of a thing at which the middle of another is no longer above it."""
OVERHANG_SCALE: Final = 0.005
ASIDE: Final = 0.3
"""How far beside the line from one landmark to the other "between" still holds, in its length."""
ASIDE_SCALE: Final = 0.05
WITHIN: Final = 0.13
"""How far from either end of that line "between" still holds, in its length."""
WITHIN_SCALE: Final = 0.03
PART_INSIDE: Final = 0.7
"""Share of a thing's box in another's from which it may be a part of that."""
PART_SIZE: Final = 0.6
"""Share of the area of a whole above which nothing is a part of it."""
PART_SCALE: Final = 0.05
ATTACHED: Final = 0.6
"""Truth that what only touches a thing is a part of it, as a lid is."""
TOUCHING: Final = 0.01
"""Distance between boxes, in longer sides of the picture, up to which things touch."""
TOUCHING_SCALE: Final = 0.002
BETWEEN_LANDMARKS: Final = 32
"""Landmark candidates, best first, that enter "between", whose cost grows with their square."""
NEGLIGIBLE: Final = 1e-9
"""Share of the likeliest pair of landmarks up to which another pair is none."""
LEANING: Final = 0.2
"""Truth of a relation that does not hold, for what leans that way most."""
AGAINST: Final = 0.3
"""Share of it for what lies another way: whose left and how near is a matter of view."""
NEVER: Final = 0.01
"""Share of it for what is plainly not in or on the other."""
NEARER: Final = 0.2
"""Share of its truth that a relation loses over the longer side of the picture."""
LEVEL_WEIGHT: Final = 0.25
"""What the distance of their middles counts beside that of their boxes, where those overlap."""
NEAR: Final = 0.05
"""Distance between boxes, in longer sides of the picture, at which they are half as near."""
ASIDE_WEIGHT: Final = 0.5
"""What lying beside the other's sides counts beside lying that way, to lean that way."""
UNTOLD: Final = 0.1
"""Share of the likeliest landmark below which no other candidate is it."""
_UNDER_APART: Final = 0.4
"""How much being lower in the picture tells for "under", beside being what carries it."""


def relation_support(
    kind: RelationKind,
    landmark_weights: ArrayLike,
    layout: Layout,
    *,
    second_landmark_weights: ArrayLike | None = None,
) -> Vector:
    """How far a relation holds for each candidate: ``max_j q(j) · r(i, j) / max q``, j ≠ i.

    It is small everywhere where nothing stands so to the landmark.

    Args:
        kind: The relation.
        landmark_weights: (N,) how likely each candidate is the landmark, not negative.
        layout: The layout of the N candidates.
        second_landmark_weights: (N,), for ``BETWEEN`` two different landmarks; without it, between
            two of the first.

    Returns:
        (N,) float64 in [0, 1].

    Raises:
        ValueError: The shapes do not agree, or a weight is negative or not finite.
    """
    return _supported(kind, landmark_weights, layout, second_landmark_weights, leaning=False)


def distance_kept(landmark_weights: ArrayLike, layout: Layout) -> Vector:
    """What a relation keeps of its truth that holds for several, for the nearest are meant.

    Args:
        landmark_weights: (N,) how likely each candidate is the landmark.
        layout: The layout of the N candidates.

    Returns:
        (N,) float64, 1 for what touches the likeliest landmark, 1 - :data:`NEARER` far from it.
    """
    landmarks = _weights("landmark_weights", landmark_weights, len(layout))
    middles = np.linalg.norm(layout.centres[:, None] - layout.centres[None], axis=2)
    apart = layout.apart + LEVEL_WEIGHT * np.minimum(middles / max(layout.size), 1.0)
    near = (1.0 - NEARER * apart) * (landmarks / (landmarks.max(initial=0.0) or 1.0))
    np.fill_diagonal(near, 0.0)
    kept: Vector = near.max(1)
    return kept


def relation_leaning(
    kind: RelationKind,
    landmark_weights: ArrayLike,
    layout: Layout,
    *,
    second_landmark_weights: ArrayLike | None = None,
    called_both: NDArray[np.bool_] | None = None,
) -> Vector:
    """How well each candidate fits a relation that holds for none of them.

    Beside :func:`relation_support` up to :data:`LEANING`, the more the thing lies that way; and
    :data:`LEANING` for what alone looks like the landmark too, of which nothing can be told.

    Args:
        kind: The relation.
        landmark_weights: (N,) how likely each candidate is the landmark, not negative.
        layout: The layout of the N candidates.
        second_landmark_weights: See :func:`relation_support`.
        called_both: (N,) which candidates may be the thing by their looks; those alone may be the
            landmark too. None for none: "the thing in the tray" is not the tray itself.

    Returns:
        (N,) float64 in [0, 1].

    Raises:
        ValueError: See :func:`relation_support`.
    """
    leans = _supported(kind, landmark_weights, layout, second_landmark_weights, leaning=True)
    landmarks = np.asarray(landmark_weights, np.float64)
    if called_both is None or not landmarks.any() or kind is RelationKind.BETWEEN:
        return leans
    others = landmarks * ~np.eye(len(landmarks), dtype=np.bool_)
    untold = called_both & (others.max(1) < UNTOLD * landmarks.max())
    return np.where(untold, LEANING, leans)


def _supported(
    kind: RelationKind,
    landmark_weights: ArrayLike,
    layout: Layout,
    second_landmark_weights: ArrayLike | None,
    *,
    leaning: bool,
) -> Vector:
    landmarks = _weights("landmark_weights", landmark_weights, len(layout))
    if not landmarks.sum():
        return np.zeros(len(landmarks))
    if kind is RelationKind.BETWEEN:
        second = landmarks
        if second_landmark_weights is not None:
            second = _weights("second_landmark_weights", second_landmark_weights, len(layout))
        return _between(landmarks, second, layout, leaning=leaning)
    holds = np.array(_PAIRWISE[kind](layout))
    if leaning:
        floor = AGAINST if kind in _LOOSE else NEVER
        leans = floor + (1.0 - floor) * _LEANING[kind](layout)
        holds = holds + LEANING * (1.0 - holds) * leans
    np.fill_diagonal(holds, 0.0)
    # No mask of a thing is in or next to that thing; a rider's may lie within the horse's.
    holds[layout.copies & (landmarks[:, None] >= UNTOLD * landmarks[None])] = 0.0
    support = (holds * (landmarks / landmarks.max())).max(1)
    clipped: Vector = np.clip(support, 0.0, 1.0)
    return clipped


def on_the_table(layout: Layout) -> Vector:
    """How surely each candidate stands on nothing but the table: (N,) in [0, 1]."""
    if not len(layout):
        return np.zeros(0)
    free: Vector = 1.0 - _seated(layout).max(1)
    return free


def distances(kind: RelationKind, landmark_weights: ArrayLike, layout: Layout) -> Vector:
    """What "closest to", "furthest from" and "furthest left of" rank by, greatest first.

    Args:
        kind: NEXT_TO and FAR_FROM rank by the gap on the table, others by the offset their way.
        landmark_weights: (N,) how likely each candidate is the landmark.
        layout: The layout of the N candidates.

    Returns:
        (N,) float64 in longer sides of the picture; a thing ranks itself last.
    """
    weights = _weights("landmark_weights", landmark_weights, len(layout))
    weights = weights / (weights.sum() or 1.0)
    longer = max(layout.size)
    if kind in (RelationKind.NEXT_TO, RelationKind.FAR_FROM):
        sign = 1.0 if kind is RelationKind.FAR_FROM else -1.0
        # Where outlines overlap, the distance of the feet still tells which is nearer.
        apart = np.linalg.norm(layout.feet[:, None] - layout.feet[None], axis=2)
        between = sign * (layout.gaps + 0.05 * apart) / longer
    else:
        points, axis, way = _AXES.get(kind, ("places", 0, -1.0))
        places = getattr(layout, points)[:, axis] / longer
        between = way * (places[:, None] - places[None])
    others = weights * ~np.eye(len(layout), dtype=np.bool_)
    total = others.sum(1)
    means = (between * others).sum(1) / np.maximum(total, 1e-12)
    ranked: Vector = np.where(total > 0.1, means, means.min(initial=0.0) - 1.0)
    return ranked


_AXES: Final = {
    RelationKind.LEFT_OF: ("places", 0, -1.0),
    RelationKind.RIGHT_OF: ("places", 0, 1.0),
    RelationKind.ABOVE: ("places", 1, -1.0),
    RelationKind.BELOW: ("places", 1, 1.0),
    RelationKind.BEHIND: ("stands", 1, -1.0),
    RelationKind.IN_FRONT_OF: ("stands", 1, 1.0),
}
"""Points, axis and sense of the relations that have a way."""


def _weights(name: str, values: ArrayLike, count: int) -> Vector:
    weights = np.asarray(values, np.float64)
    if weights.shape != (count,):
        raise ValueError(f"{name}: expected ({count},), got {weights.shape}")
    if not np.isfinite(weights).all() or (len(weights) and weights.min() < 0):
        raise ValueError(f"{name}: every weight must be finite and not negative")
    return weights


def _directed(kind: RelationKind) -> Callable[[Layout], Matrix]:
    """(N, N): far enough that way, and mostly that way."""
    name, axis, way = _AXES[kind]

    def holds(layout: Layout) -> Matrix:
        # Only the picture shortens what leads away from the camera.
        slant = SLANT_ON_TABLE if name == "stands" and not layout.viewer else SLANT
        points = getattr(layout, name) / max(layout.size)
        offsets = points[:, None] - points[None]
        along, across = way * offsets[..., axis], np.abs(offsets[..., 1 - axis])
        if not layout.viewer:
            # All along a fence things are in front of it, not at its middle alone.
            sides = (layout.widths if axis else layout.heights) / max(layout.size)
            across = across - 0.5 * np.clip(sides[None] - sides[:, None], 0.0, None)
        ratio = np.maximum(across, 0.0) / np.maximum(along, 1e-9)
        enough = logistic((along - OFFSET) / OFFSET_SCALE)
        return enough * logistic((slant - np.minimum(ratio, 1e3)) / SLANT_SCALE)

    return holds


def _by_depth(kind: RelationKind, sign: float) -> Callable[[Layout], Matrix]:
    """On the table where that was measured, else by depths, else by the picture."""
    in_picture = _directed(kind)

    def holds(layout: Layout) -> Matrix:
        space = layout.space
        turned = space is not None and space.viewpoint is not None
        if space is not None and space.ground is not None and not (turned and layout.in_picture):
            return _along_the_table(space.ground, sign)
        seen = in_picture(layout)
        if layout.depths is None or layout.viewer:
            return seen
        known = np.isfinite(layout.depths) & (layout.depths > 0)
        metres = np.where(known, layout.depths, 0.0)
        by_depth = logistic(sign * (metres[:, None] - metres[None]) / DEPTH_SCALE)
        return np.where(known[:, None] & known[None], by_depth, seen)

    return holds


def _along_the_table(ground: Matrix, sign: float) -> Matrix:
    """(N, N): far enough from the camera (or, sign -1, towards it), and mostly that way."""
    across, along = np.moveaxis(ground[:, None] - ground[None], -1, 0)
    ratio = np.abs(across) / np.maximum(sign * along, 1e-9)
    enough = logistic((sign * along - AWAY) / AWAY_SCALE)
    return enough * logistic((SLANT - np.minimum(ratio, 1e3)) / SLANT_SCALE)


def _by_height(kind: RelationKind) -> Callable[[Layout], Matrix]:
    """(N, N): over or under it in space, if anything is that, else in the picture."""
    in_picture = _directed(kind)

    def holds(layout: Layout) -> Matrix:
        seen, over = in_picture(layout), _over(layout)
        if over is None:
            return seen
        stacked = over if kind is RelationKind.ABOVE else over.T
        return np.where(stacked.max(0, initial=0.0)[None] >= 0.5, stacked, seen)

    return holds


def _over(layout: Layout) -> Matrix | None:
    """(N, N): i is higher than all of j, and the middle of one is within the sides of the other.

    None where heights are not measured, or the picture is meant.
    """
    space = layout.space
    if (
        layout.in_picture
        or space is None
        or space.heights is None
        or space.ground is None
        or space.reach is None
    ):
        return None
    low, high = space.heights.T
    clear = logistic((low[:, None] - high[None] - CLEAR) / CLEAR_SCALE)
    apart = np.abs(space.ground[:, None] - space.ground[None])
    beyond = (apart - space.reach[None]).max(2)
    within = logistic((OVERHANG - np.minimum(beyond, beyond.T)) / OVERHANG_SCALE)
    over: Matrix = clear * within
    np.fill_diagonal(over, 0.0)
    return over


def _seated(layout: Layout) -> Matrix:
    """(N, N): i is in j or on it. Where each seems to be in the other, the higher one is."""
    inside = logistic((layout.seated - SEATED) / SEATED_SCALE)
    np.fill_diagonal(inside, 0.0)
    rows = layout.centres[:, 1] / max(layout.size)
    lower = logistic((rows[:, None] - rows[None]) / LEVEL_SCALE)
    held: Matrix = inside * (1.0 - inside.T * lower)
    return held


def _beside(layout: Layout) -> Matrix:
    """(N, N): near on the table, and neither in nor on the other."""
    sizes = layout.sizes
    gaps = layout.gaps / (0.5 * (sizes[:, None] + sizes[None]))
    # A shelf seen behind a chair stands out far beyond it, and is not on it.
    held = _seated(layout) * logistic((layout.overlapped - INSIDE) / INSIDE_SCALE)
    return logistic((NEARBY - gaps) / NEARBY_SCALE) * (1.0 - held) * (1.0 - held.T)


def _far(layout: Layout) -> Matrix:
    held = _seated(layout)
    return 1.0 - np.maximum(_beside(layout), np.maximum(held, held.T))


def _under(layout: Layout) -> Matrix:
    return np.maximum(_seated(layout).T, _UNDER_APART * _below(layout))


def _with(layout: Layout) -> Matrix:
    """Holding it, else beside it."""
    return np.maximum(_seated(layout).T, 0.5 * _beside(layout))


def _part(layout: Layout) -> Matrix:
    """(N, N): much smaller than it, and within its sides or else at them."""
    areas = layout.proposals.areas.astype(np.float64)
    smaller = logistic((PART_SIZE - areas[:, None] / np.maximum(areas[None], 1.0)) / PART_SCALE)
    inside = logistic((layout.overlapped - PART_INSIDE) / PART_SCALE)
    at_it = logistic((TOUCHING - layout.apart) / TOUCHING_SCALE)
    return smaller * np.maximum(inside, ATTACHED * at_it)


def _leaning_along(kind: RelationKind) -> Callable[[Layout], Matrix]:
    """(N, N): that way at all; less, the further aside of the other's sides."""
    name, axis, way = _AXES[kind]

    def leans(layout: Layout) -> Matrix:
        points = getattr(layout, name) / max(layout.size)
        along = np.maximum(way * (points[:, None, axis] - points[None, :, axis]), 0.0)
        aside = layout.clearances[..., 1 - axis] / max(layout.size)
        leaning = along / (along + ASIDE_WEIGHT * aside + OFFSET)
        # What hides some of the other is in front of it or behind it.
        return np.maximum(leaning, 0.5 * layout.overlapped) if name == "stands" else leaning

    return leans


def _near(layout: Layout) -> Matrix:
    """(N, N): 1 where boxes touch, less with the distance between them."""
    near: Matrix = NEAR / (NEAR + layout.apart)
    return near


def _overlapped(layout: Layout) -> Matrix:
    """(N, N): the more of the box of i is inside that of j, unless j is in or on i.

    That shows what is seen from the side, where no lowest part lies in an outline.
    """
    overlapped: Matrix = layout.overlapped**2 * (1.0 - _seated(layout).T)
    return overlapped


_below: Final = _by_height(RelationKind.BELOW)
_PAIRWISE: Final[dict[RelationKind, Callable[[Layout], Matrix]]] = {
    RelationKind.LEFT_OF: _directed(RelationKind.LEFT_OF),
    RelationKind.RIGHT_OF: _directed(RelationKind.RIGHT_OF),
    RelationKind.ABOVE: _by_height(RelationKind.ABOVE),
    RelationKind.BELOW: _below,
    RelationKind.UNDER: _under,
    RelationKind.IN_FRONT_OF: _by_depth(RelationKind.IN_FRONT_OF, -1.0),
    RelationKind.BEHIND: _by_depth(RelationKind.BEHIND, 1.0),
    RelationKind.NEXT_TO: _beside,
    RelationKind.FAR_FROM: _far,
    RelationKind.IN: _seated,
    RelationKind.CONTAINING: lambda layout: _seated(layout).T,
    RelationKind.ON: _seated,
    RelationKind.CARRYING: lambda layout: _seated(layout).T,
    RelationKind.WITH: _with,
    RelationKind.HELD_BY: lambda layout: _with(layout).T,
    RelationKind.PART_OF: _part,
}
_LEANING: Final[dict[RelationKind, Callable[[Layout], Matrix]]] = {
    **{kind: _leaning_along(kind) for kind in _AXES},
    RelationKind.NEXT_TO: _near,
    RelationKind.WITH: _near,
    RelationKind.HELD_BY: _near,
    RelationKind.PART_OF: _near,
    RelationKind.UNDER: lambda layout: _overlapped(layout).T,
    RelationKind.FAR_FROM: lambda layout: np.minimum(layout.apart, 1.0),
    RelationKind.IN: _overlapped,
    RelationKind.ON: _overlapped,
    RelationKind.CONTAINING: lambda layout: _overlapped(layout).T,
    RelationKind.CARRYING: lambda layout: _overlapped(layout).T,
}
"""How far a relation that does not hold leans that way."""
_LOOSE: Final = frozenset(
    (
        *_AXES,
        RelationKind.NEXT_TO,
        RelationKind.FAR_FROM,
        RelationKind.WITH,
        RelationKind.HELD_BY,
        RelationKind.PART_OF,
    )
)
"""Relations that people use loosely; the others hold or do not."""


def _between(first: Vector, second: Vector, layout: Layout, *, leaning: bool) -> Vector:
    """max_jk q(j) q'(k) r(i, j, k) over j ≠ k, both ≠ i.

    r is 1 between the ends of the line from j to k and falls smoothly beyond them and beside it;
    what makes the way from j to k no more than half as long again leans that way.
    """
    centres = layout.centres
    starts = np.argsort(-first, kind="stable")[:BETWEEN_LANDMARKS]
    ends = np.argsort(-second, kind="stable")[:BETWEEN_LANDMARKS]
    pairs = first[starts][:, None] * second[ends][None] * (starts[:, None] != ends[None])
    pairs = pairs * (np.linalg.norm(centres[starts][:, None] - centres[ends][None], axis=2) > 0)
    seen = pairs.max(initial=0.0) >= UNTOLD * first.max() * second.max()
    pairs = pairs / (pairs.max(initial=0.0) or 1.0)
    if second is first:
        pairs = np.triu(pairs)  # what is between two is so either way round
    rows, columns = np.nonzero(pairs > NEGLIGIBLE)
    one, other, likely = starts[rows], ends[columns], pairs[rows, columns]
    line = centres[other] - centres[one]
    length2 = (line**2).sum(1)
    offset = centres[:, None] - centres[one]
    along = (offset * line).sum(2) / np.maximum(length2, 1e-9)
    across = offset[..., 0] * line[:, 1] - offset[..., 1] * line[:, 0]
    aside = np.abs(across) / np.maximum(length2, 1e-9)
    inner = np.minimum(along, 1.0 - along)
    holds = logistic((inner - WITHIN) / WITHIN_SCALE) * logistic((ASIDE - aside) / ASIDE_SCALE)
    if leaning:
        way = np.hypot(along, aside) + np.hypot(1.0 - along, aside)
        leans = AGAINST + (1.0 - AGAINST) * np.clip(3.0 - 2.0 * way, 0.0, 1.0)
        holds = holds + LEANING * (1.0 - holds) * leans
    numbers = np.arange(len(centres))[:, None]
    support = (likely * holds * (numbers != one) * (numbers != other)).max(1, initial=0.0)
    if leaning and not seen:
        support[:] = LEANING  # only one is seen of the two
    clipped: NDArray[np.float64] = np.clip(support, 0.0, 1.0)
    return clipped
