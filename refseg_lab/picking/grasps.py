# SPDX-License-Identifier: Apache-2.0
"""Grasps from above for a parallel gripper, from the points that a camera sees of a thing.

The gripper is laid over the points in many directions and at several heights. In each place the
points between the fingers fall into walls: a box is one wall, a mug two with room for a finger in
between, a ring as well. A wall that is thin enough, has room for a finger on both sides and faces
the fingers is a grasp. The far side, which no camera sees, is taken to be the near side turned
half about the middle of the thing's box, as `refseg_ros.geometry.pose_of` does.

Coordinates are metres in the arm's frame, z up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Vector = NDArray[np.float64]

MIN_POINTS: Final = 30
"""Fewer points do not make a grasp."""


@dataclass(frozen=True)
class Gripper:
    """A parallel gripper that points down.

    Attributes:
        opening: Most metres between the fingers.
        width: Width of a finger, across the direction in which it closes.
        thickness: Thickness of a finger, in the direction in which it closes.
        length: Distance from the tips to the palm.
        clearance: Metres that should stay free on each side before the fingers close.
    """

    opening: float = 0.14
    width: float = 0.018
    thickness: float = 0.010
    length: float = 0.085
    clearance: float = 0.008


GRIPPER: Final = Gripper()
"""The gripper of the simulated arm, of the kind with a stroke of 140 mm."""


@dataclass(frozen=True)
class Box:
    """The upright box of a thing, as ``~/target`` gives it.

    Attributes:
        centre: (3,) middle.
        rotation: (3, 3), its columns are the box's axes: length, width and up.
        size: (3,) length, width and height.
    """

    centre: Vector
    rotation: NDArray[np.float64]
    size: Vector

    @property
    def floor(self) -> float:
        """Height of what the thing stands on."""
        return float(self.centre[2] - self.size[2] / 2)


@dataclass(frozen=True)
class Grasp:
    """Where the fingers close.

    Attributes:
        position: (3,) middle between the finger tips.
        closing: (3,) unit vector, level, along which the fingers close.
        width: Metres between the surfaces that they touch.
        opening: Metres between the fingers before they close.
        score: Higher is better; comparable within one call.
    """

    position: Vector
    closing: Vector
    width: float
    opening: float
    score: float

    def pose(self, above: float = 0.0) -> NDArray[np.float64]:
        """(4, 4) pose of the finger tips, z down and y along the closing, metres above it."""
        pose = np.eye(4)
        pose[:3, 1], pose[:3, 2] = self.closing, (0.0, 0.0, -1.0)
        pose[:3, 0] = np.cross(pose[:3, 1], pose[:3, 2])
        pose[:3, 3] = self.position
        pose[2, 3] += above
        return pose


_TURNS = 12  # directions in half a turn, besides the box's own
_SLICE = 0.008  # metres between places across the closing
_CELL = 0.005  # metres: what is nearer to a seen point than this is not hidden
_OUTSIDE = 0.02  # metres outside the box that a point of the thing may lie
_OVER_FLOOR = 0.004  # metres between the finger tips and what the thing stands on
_DEPTHS = (0.010, 0.022, 0.038, 0.058)  # metres of the tips below the top
_LEAST_HOLD = 0.010  # metres of a wall between the fingers, in height
_LEAST_POINTS = 6  # of a wall
_STEEPEST = math.tan(math.radians(28.0))  # of a wall against a finger
_LEANING = 0.7  # metres by which a side may come inwards in a metre of height
_KEPT = 40
_SEATED = 0.012  # metres between tips and touch that are enough
_TOUCH = 0.002  # metres from a wall's outermost point that a finger touches
_LEAST_SEEN = 3  # points beside a wall from which its end was seen
_UNSEEN = 0.25  # what a finger costs that goes where nothing was seen
# What a grasp is worth: metres from the middle, metres of hold, slope of the walls against the
# fingers from above and from the side, share of the opening, metres of clearance and of seat.
_OFF_MIDDLE, _HOLD, _SLOPE, _LEAN, _WIDE, _FREE, _SEAT = 9.0, 14.0, 0.6, 0.5, 0.25, 12.0, 25.0


def plan_grasps(
    points: Points, box: Box, scene: Points | None = None, gripper: Gripper = GRIPPER
) -> tuple[list[Grasp], str]:
    """Grasps of one thing, best first.

    Args:
        points: (P, 3) points of the thing; those not finite or far outside its box are ignored.
        box: Its box.
        scene: (Q, 3) everything else that is visible, with the table: what not to hit, and
            what is not hidden. Without it nothing else is there.
        gripper: The gripper.

    Returns:
        The grasps and "", or none and why.
    """
    own = points[np.isfinite(points).all(1)]
    own = own[(np.abs((own - box.centre) @ box.rotation) < box.size / 2 + _OUTSIDE).all(1)]
    if len(own) < MIN_POINTS:
        return [], f"only {len(own)} points of the thing are seen; {MIN_POINTS} are needed"
    # A box may reach down to the table although something carries the thing.
    floor = max(box.floor, float(np.percentile(own[:, 2], 1)) - _OVER_FLOOR)
    others = np.zeros((0, 3)) if scene is None else scene[np.isfinite(scene).all(1)]
    near = np.linalg.norm(others[:, :2] - box.centre[:2], axis=1)
    others = others[near < np.linalg.norm(box.size[:2]) / 2 + gripper.opening]
    body = np.concatenate([own, _far_side(own, box, others)])
    in_the_way = others[others[:, 2] > floor + 2 * _OVER_FLOOR]
    found = _best(_search(body, in_the_way, box, floor, gripper), 5 * _KEPT)
    if found:
        seen = own if scene is None else np.concatenate([own, others])
        return _best((_discounted(grasp, seen, gripper) for grasp in found), _KEPT), ""
    if any(_search(body, in_the_way[:0], box, floor, gripper)):
        return [], "there is no room for the fingers between it and what stands beside it"
    width, most = float(min(box.size[:2])), gripper.opening
    if width + gripper.clearance < most:
        return [], "its walls turn away from the fingers in every direction"
    return [], (
        f"it is {1000 * width:.0f} mm wide, {1000 * most:.0f} mm is the gripper's opening, and it "
        "has no upright rim"
    )


def _best(grasps: Iterable[Grasp], count: int) -> list[Grasp]:
    return sorted(grasps, key=lambda grasp: -grasp.score)[:count]


def _discounted(grasp: Grasp, seen: Points, gripper: Gripper) -> Grasp:
    """The grasp, worth less for each finger that would go where nothing was seen.

    Where a wall ends in what is hidden, it may well be wider than it looks.
    """
    flat = seen[:, :2] - grasp.position[:2]
    across = np.array([-grasp.closing[1], grasp.closing[0]])
    beside = flat[np.abs(flat @ across) < gripper.width / 2] @ grasp.closing[:2]
    unseen = 0
    for side in (-1, 1):
        beyond = side * beside - grasp.width / 2
        there = (beyond > _TOUCH) & (beyond < gripper.thickness + gripper.clearance)
        unseen += int(np.count_nonzero(there) < _LEAST_SEEN)
    return replace(grasp, score=grasp.score - _UNSEEN * unseen)


def _far_side(own: Points, box: Box, others: Points) -> Points:
    """The points rotated half a turn about the box's middle, where nothing is visible."""
    turned = own.copy()
    turned[:, :2] = 2 * box.centre[:2] - own[:, :2]
    sideways = np.abs((turned - box.centre) @ box.rotation[:, :2])
    turned = turned[(sideways <= box.size[:2] / 2 + _CELL).all(1)]
    seen = np.concatenate([own, others])[:, :2]
    low = np.concatenate([seen, turned[:, :2]]).min(0) - _CELL
    rows, columns = ((np.concatenate([seen, turned[:, :2]]).max(0) - low) / _CELL).astype(int) + 2
    grid = np.zeros((rows, columns), np.bool_)
    grid[tuple(((seen - low) / _CELL).astype(int).T)] = True
    hidden: Points = turned[~grid[tuple(((turned[:, :2] - low) / _CELL).astype(int).T)]]
    return hidden


def _search(
    body: Points, obstacles: Points, box: Box, floor: float, gripper: Gripper
) -> Iterator[Grasp]:
    own = math.atan2(box.rotation[1, 0], box.rotation[0, 0])
    turns = {round(own + step * math.pi / _TURNS, 6) for step in range(_TURNS)}
    top = float(np.percentile(body[:, 2], 99.5))
    lowest = max(floor + _OVER_FLOOR, top - gripper.length + gripper.clearance)
    heights = sorted({max(lowest, top - depth) for depth in _DEPTHS} | {lowest})
    for angle in sorted(turns):
        along = np.array([math.cos(angle), math.sin(angle)])
        turn = np.stack([along, (-along[1], along[0])])
        placed, beside = (
            np.column_stack([(cloud[:, :2] - box.centre[:2]) @ turn.T, cloud[:, 2]])
            for cloud in (body, obstacles)
        )
        for height in heights:
            for place in _places(placed, beside, height, top, gripper):
                yield _grasp(place, height, turn, box, gripper)


@dataclass(frozen=True)
class _Place:
    """Walls' middle along the closing, place across it, width, opening and score."""

    along: float
    across: float
    width: float
    opening: float
    score: float


def _grasp(place: _Place, height: float, turn: Points, box: Box, gripper: Gripper) -> Grasp:
    flat = box.centre[:2] + turn.T @ (place.along, place.across)
    return Grasp(
        np.array([*flat, height]),
        np.array([*turn[0], 0.0]),
        place.width,
        place.opening,
        place.score,
    )


def _places(
    body: Points, obstacles: Points, height: float, top: float, gripper: Gripper
) -> Iterator[_Place]:
    """Good places of the gripper at one height, with the closing along x and its middle at 0."""
    high = body[body[:, 2] > height]
    if len(high) < _LEAST_POINTS:
        return
    walls = np.concatenate([high, obstacles[obstacles[:, 2] > height - _OVER_FLOOR]])
    start, stop = np.percentile(high[:, 1], (1, 99))
    for across in np.arange(start, stop + _SLICE / 2, _SLICE):
        inside = high[np.abs(high[:, 1] - across) < gripper.width / 2]
        if len(inside) < _LEAST_POINTS:
            continue
        wide = walls[np.abs(walls[:, 1] - across) < gripper.width / 2 + _OVER_FLOOR / 2]
        for wall in _split(inside, gripper.thickness + gripper.clearance):
            place = _judge(wall, wide, across, height, top, gripper)
            if place is not None:
                yield place


def _split(points: Points, gap: float) -> list[Points]:
    """Points parted where there is room for a finger along x."""
    ordered = points[points[:, 0].argsort()]
    steps = np.flatnonzero(np.diff(ordered[:, 0]) > gap) + 1
    return np.split(ordered, steps)


def _judge(
    wall: Points, around: Points, across: float, height: float, top: float, gripper: Gripper
) -> _Place | None:
    """How good a wall is for the gripper, or None."""
    low, high = np.percentile(wall[:, 0], (1, 99))
    width, middle = float(high - low), float(low + high) / 2
    hold = float(wall[:, 2].max()) - height
    least = min(_LEAST_HOLD, 0.5 * (top - height))
    if len(wall) < _LEAST_POINTS or hold < least:
        return None
    off = np.abs(around[:, 0] - middle)
    opening = _widest(off, width, gripper)
    # The palm reaches as far as the fingers open.
    below_palm = (off < gripper.opening / 2) & (around[:, 2] > height + gripper.length)
    if opening is None or below_palm.any():
        return None
    slope, lean = _slopes(wall, across, height, hold)
    if slope > _STEEPEST or lean > _LEANING:
        return None
    score = (
        1.0
        - _OFF_MIDDLE * math.hypot(middle, across)
        + _HOLD * min(hold, 0.03)
        - _SLOPE * slope
        - _LEAN * lean
        - _WIDE * width / gripper.opening
        + _SEAT * _seat(wall, low, high, height)
        + _FREE * (opening - width) / 2
    )
    return _Place(middle, across, width, opening, score)


def _seat(wall: Points, low: float, high: float, height: float) -> float:
    """Metres above the tips at which the fingers touch: what narrows upwards slips from them."""
    left, right = wall[wall[:, 0] < low + _TOUCH, 2], wall[wall[:, 0] > high - _TOUCH, 2]
    return min(_SEATED, float(left.mean()) - height, float(right.mean()) - height)


def _widest(off: Vector, width: float, gripper: Gripper) -> float | None:
    """The widest opening at which both fingers come down clear of everything, or None.

    Args:
        off: (P,) distances along the closing from the wall's middle of all that is in their way.
        width: Width of the wall.
        gripper: The gripper.
    """
    for share in (2.5, 1.7, 1.0, 0.6):
        opening = width + 2 * share * gripper.clearance
        inner, outer = width / 2 + gripper.clearance / 2, opening / 2 + gripper.thickness
        if opening <= gripper.opening and not ((off > inner) & (off < outer)).any():
            return opening
    return None


def _slopes(wall: Points, across: float, height: float, hold: float) -> tuple[float, float]:
    """How much the two sides of a wall turn away from the fingers: along y, and inwards with z."""
    rows = np.clip(((wall[:, 1] - across) / 0.018 * 5 + 2.5).astype(int), 0, 4)
    edges = []
    for row in range(5):
        some = wall[rows == row, 0]
        if len(some):
            edges.append((0.0036 * row, float(some.min()), float(some.max())))
    if len(edges) < 3:
        return 1.0, 0.0
    y, left, right = np.array(edges).T
    slope = max(abs(float(np.polyfit(y, side, 1)[0])) for side in (left, right))
    upper = wall[wall[:, 2] > height + hold / 2, 0]
    lower = wall[wall[:, 2] <= height + hold / 2, 0]
    if len(upper) < 2 or len(lower) < 2 or hold < 0.004:
        return slope, 0.0
    inwards = max(float(upper.min() - lower.min()), float(lower.max() - upper.max()), 0.0)
    return slope, inwards / (hold / 2)
