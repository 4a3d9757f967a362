# SPDX-License-Identifier: Apache-2.0
"""Relations, orders and places of things as three-valued predicates with stated margins.

Each is `YES` where it clearly holds, `NO` where it clearly does not, `MAYBE` between. Where a
wording has two readings it is `YES` or `NO` only if both agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from refseg_lab.simulation.measurements import MAYBE, NO, YES, Thing, Truth

#: Least offset of centroids for "left of" and the like, as a share of the picture's width.
OFFSET: Final = 0.06
#: Least offset of centroids that ranks one thing before another in the picture.
STEP: Final = 0.045
#: Least difference in metres along the camera's ground direction for "in front of" and "behind".
DEPTH_OFFSET: Final = 0.05
#: Least difference of distances from the camera in metres that ranks.
DEPTH_STEP: Final = 0.05
#: Offset across, at most so many times that along, for a relation to hold.
SLANT: Final = 0.75
#: From so many times on it clearly does not.
STEEP: Final = 2.5
#: Gap of footprints in metres up to which things are next to each other, and from which not.
NEXT: Final = (0.045, 0.12)
#: Between two things: how far along the line from one to the other it is sure, and from where on
#: it is not, and how far aside of it, as shares of the line.
ALONG: Final = 0.22
ENDS: Final = 0.05
ASIDE: Final = (0.16, 0.45)
#: Ratios from which real sizes differ: of one category, of any two things, of heights.
SAME_KIND_RATIO: Final = 1.15
ANY_KIND_RATIO: Final = 1.3
TALL_RATIO: Final = 1.2
#: Half of the picture: up to the first number it is that half, from the second on it is not.
HALF: Final = (0.42, 0.5)
#: Middle of the picture: distance from its centre as a share of the width, likewise.
MIDDLE: Final = (0.15, 0.2)


def agree(first: Truth, second: Truth) -> Truth:
    """What two readings of one wording agree on."""
    return first if first == second else MAYBE


def graded(value: float, yes: float, no: float) -> Truth:
    """`YES` up to one value, `NO` from the other on, `MAYBE` between."""
    return YES if value <= yes else NO if value >= no else MAYBE


def relates(kind: str, things: Sequence[Thing], item: int, anchor: int) -> Truth:
    """Whether one thing stands to another in a relation of `forms.RELATIONS`.

    Args:
        kind: the relation.
        things: the things of the scene.
        item: index of the thing that is said to stand so.
        anchor: index of the thing to which it does.
    """
    a, b = things[item], things[anchor]
    if item == anchor:
        return NO
    if kind in ("in", "on"):
        if a.support != anchor:
            return NO
        return YES if a.contained == (kind == "in") else MAYBE
    if a.support == anchor or b.support == item:
        return NO
    if kind in ("in_front_of", "behind"):
        return _in_front(a, b) if kind == "in_front_of" else _in_front(b, a)
    if kind == "next_to":
        return _next_to(things, a, b)
    if kind in ("left_of", "right_of"):
        first, second = (a, b) if kind == "left_of" else (b, a)
        apart = a.x <= b.box[0] or a.x >= b.box[2]
        return _directed(second.x - first.x, first.drop - second.drop, OFFSET, apart)
    first, second = (a, b) if kind == "above" else (b, a)
    apart = a.drop <= b.box[1] or a.drop >= b.box[3]
    return _directed(second.drop - first.drop, first.x - second.x, OFFSET, apart)


def _directed(along: float, across: float, least: float, apart: bool) -> Truth:
    """A relation along an axis: far enough that way, mostly that way, clear of the other."""
    if along <= 0.0 or abs(across) >= STEEP * along:
        return NO
    return YES if along >= least and abs(across) <= SLANT * along and apart else MAYBE


def _in_front(a: Thing, b: Thing) -> Truth:
    apart = a.ahead <= b.near or a.ahead >= b.far
    return _directed(b.ahead - a.ahead, a.aside - b.aside, DEPTH_OFFSET, apart)


def _next_to(things: Sequence[Thing], a: Thing, b: Thing) -> Truth:
    """By the gap of the footprints; never surely if they stand on different things.

    A third thing that stands in between takes the certainty away too.
    """
    gap = footprint_gap(a, b)
    holds = graded(gap, *NEXT)
    crossed = any(
        max(footprint_gap(a, c), footprint_gap(c, b)) < gap for c in things if c not in (a, b)
    )
    return min(holds, MAYBE) if a.support != b.support or crossed else holds


def footprint_gap(a: Thing, b: Thing) -> float:
    """Distance of two footprints in metres; 0 where they overlap."""
    if _overlap(a, b):
        return 0.0
    return round(
        min(
            _to_edge(corner, other[k - 1], other[k])
            for corners, other in ((a.corners, b.corners), (b.corners, a.corners))
            for corner in corners
            for k in range(4)
        ),
        6,
    )


def _overlap(a: Thing, b: Thing) -> bool:
    for corners in (a.corners, b.corners):
        for k in (0, 1):
            (x0, y0), (x1, y1) = corners[k], corners[k + 1]
            one = [x * (x1 - x0) + y * (y1 - y0) for x, y in a.corners]
            two = [x * (x1 - x0) + y * (y1 - y0) for x, y in b.corners]
            if min(one) >= max(two) or min(two) >= max(one):
                return False
    return True


def _to_edge(
    point: tuple[float, float], start: tuple[float, float], stop: tuple[float, float]
) -> float:
    dx, dy = stop[0] - start[0], stop[1] - start[1]
    share = (point[0] - start[0]) * dx + (point[1] - start[1]) * dy
    share = min(1.0, max(0.0, share / (dx * dx + dy * dy)))
    return math.hypot(point[0] - start[0] - share * dx, point[1] - start[1] - share * dy)


def between(things: Sequence[Thing], item: int, first: int, second: int) -> Truth:
    """Whether one thing lies between two others, in the picture and on the table alike."""
    if item in (first, second) or first == second:
        return NO
    thing, a, b = things[item], things[first], things[second]
    in_picture = _on_line((thing.x, thing.drop), (a.x, a.drop), (b.x, b.drop), 2.0 * OFFSET)
    on_table = _on_line(
        (thing.aside, thing.ahead), (a.aside, a.ahead), (b.aside, b.ahead), 2.0 * DEPTH_OFFSET
    )
    held = thing.support in (first, second) or item in (a.support, b.support)
    both = agree(in_picture, on_table)
    return min(both, MAYBE) if held else both


def _on_line(
    point: tuple[float, float],
    start: tuple[float, float],
    stop: tuple[float, float],
    least: float,
) -> Truth:
    dx, dy = stop[0] - start[0], stop[1] - start[1]
    length = math.hypot(dx, dy)
    if length < least:
        return MAYBE
    px, py = point[0] - start[0], point[1] - start[1]
    along = round((px * dx + py * dy) / length**2, 6)
    away = round(abs(px * dy - py * dx) / length**2, 6)
    if not ENDS < along < 1.0 - ENDS or away >= ASIDE[1]:
        return NO
    return YES if ALONG <= along <= 1.0 - ALONG and away <= ASIDE[0] else MAYBE


def precedes(order: str, a: Thing, b: Thing) -> bool:
    """Whether a clearly comes before b in one of `forms.ORDERS`.

    In the picture the centroids must differ by `STEP` and neither edge may say the contrary. Near
    and far need both the way along the table and the straight distance to differ. Sizes are real
    sizes: for one category the scale of its shape, otherwise both the diagonal and the volume of
    the bounding boxes must differ; of a thing that is cut off or much hidden nothing is said.
    """
    if order in ("left", "right", "top", "bottom"):
        low, high = (0, 2) if order in ("left", "right") else (1, 3)
        here, there = (a.x, b.x) if order in ("left", "right") else (a.drop, b.drop)
        sign = 1.0 if order in ("left", "top") else -1.0
        return (
            sign * (there - here) >= STEP
            and sign * (b.box[low] - a.box[low]) >= 0.0
            and sign * (b.box[high] - a.box[high]) >= 0.0
        )
    if order in ("near", "far"):
        sign = 1.0 if order == "near" else -1.0
        return (
            sign * (b.ahead - a.ahead) >= DEPTH_STEP
            and sign * (b.distance - a.distance) >= DEPTH_STEP
        )
    if not (a.whole and b.whole):
        return False
    if order == "tall":
        return a.tall >= TALL_RATIO * b.tall
    more, less = (a, b) if order == "big" else (b, a)
    if a.category == b.category:
        return more.scale >= SAME_KIND_RATIO * less.scale
    return (
        more.length >= ANY_KIND_RATIO * less.length and more.volume >= ANY_KIND_RATIO * less.volume
    )


def in_half(where: str, thing: Thing) -> Truth:
    """Whether a thing lies in a half, a quarter or the middle of the picture."""
    if where == "middle":
        return graded(round(abs(thing.x - 0.5), 6), *MIDDLE)
    sides = {
        "left": thing.x,
        "right": round(1.0 - thing.x, 6),
        "top": thing.y,
        "bottom": round(1.0 - thing.y, 6),
    }
    return min(graded(sides[side], *HALF) for side in where.split())
