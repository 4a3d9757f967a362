# SPDX-License-Identifier: Apache-2.0
"""Where the objects of a random scene stand: on the table, on each other, in each other."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.catalogue import (
    CATEGORIES,
    COLOURS,
    HELD_OUT,
    HELD_OUT_PAIRS,
    NAMED,
    SIZES,
    Rgb,
    Support,
    footprint,
)
from refseg_lab.simulation.chance import Chance
from refseg_lab.simulation.scene import FINISHES, CameraSpec, ObjectSpec

_ASPECT = 4.0 / 3.0
_GAP_METRES = 0.006
_REACH_METRES = 0.44
_TRIES = 40
_CARRIED = 0.5  # share of the objects that are put on or in another where one offers room
_METALLIC = 0.1

Corners = NDArray[np.float64]


def place_objects(
    chance: Chance, camera: CameraSpec, count: int, forced: str = ""
) -> tuple[ObjectSpec, ...]:
    """Places up to count objects in view, so that none passes through another.

    Args:
        chance: source of chance.
        camera: whose view they are to lie in.
        count: objects wanted; fewer are placed where the view is full.
        forced: see `sampling.Profile.forced`.
    """
    placed: list[tuple[ObjectSpec, Corners]] = []
    for category, colour in _sample_kinds(chance, count, forced):
        item = ObjectSpec(
            category,
            colour,
            chance.pick(tuple(SIZES)),
            (0.0, 0.0),
            0.0,
            jittered(chance, colour),
            "metallic" if chance.happens(_METALLIC) else chance.pick(FINISHES[:3]),
        )
        carried = chance.happens(_CARRIED) and _carried(chance, item, placed)
        found = carried or _on_table(chance, item, camera, placed)
        if found:
            placed.append((found, footprint_corners(found)))
    return tuple(item for item, _ in placed)


def _sample_kinds(chance: Chance, count: int, forced: str) -> list[tuple[str, str]]:
    """(category, colour) of each object, from a reduced pool of categories."""
    pool = chance.sample(NAMED, chance.between(2, 7))
    if chance.happens(0.5):
        carriers = [name for name in NAMED if CATEGORIES[name].support is not None]
        pool.append(chance.pick(carriers))
    kinds: list[tuple[str, str]] = []
    while len(kinds) < count:
        category, colour = chance.pick(pool), chance.pick(tuple(COLOURS))
        if (colour, category) not in HELD_OUT_PAIRS:
            kinds.append((category, colour))
    wanted = chance.between(1, max(1, min(4, count // 2)))
    if forced == "pairs":
        own = [(category, colour) for colour, category in sorted(HELD_OUT_PAIRS)]
        kinds[:wanted] = [chance.pick(own) for _ in range(wanted)]
    elif forced == "held_out":
        kinds[:wanted] = [
            (chance.pick(HELD_OUT), chance.pick(tuple(COLOURS))) for _ in range(wanted)
        ]
    # What can carry others comes first, so that there is something to put things on.
    kinds.sort(key=lambda kind: CATEGORIES[kind[0]].support is None)
    return kinds


def _on_table(
    chance: Chance,
    item: ObjectSpec,
    camera: CameraSpec,
    placed: Sequence[tuple[ObjectSpec, Corners]],
) -> ObjectSpec | None:
    for _ in range(_TRIES):
        moved = replace(
            item, position=_point_in_view(chance, camera), yaw=chance.uniform(-math.pi, math.pi)
        )
        corners = footprint_corners(moved)
        if all(separated(corners, other, _GAP_METRES) for _, other in placed):
            return moved
    return None


def _carried(
    chance: Chance, item: ObjectSpec, placed: Sequence[tuple[ObjectSpec, Corners]]
) -> ObjectSpec | None:
    """The object put on or in one that stands on the table, if there is room for it."""
    for index in chance.shuffled(range(len(placed))):
        carrier = placed[index][0]
        room = CATEGORIES[carrier.category].support
        load = sum(other.support == index for other, _ in placed)
        if room is None or carrier.support >= 0 or load >= room.places:
            continue
        for _ in range(_TRIES // 4):
            found = _into(chance, item, carrier, index, room)
            if found is not None and _free(found, index, placed):
                return found
    return None


def _into(
    chance: Chance, item: ObjectSpec, carrier: ObjectSpec, index: int, room: Support
) -> ObjectSpec | None:
    """The object somewhere in the room, or None where it is too large for it."""
    scale = SIZES[carrier.size]
    yaw = chance.uniform(-math.pi, math.pi)
    x0, y0, x1, y1 = (value * SIZES[item.size] for value in footprint(item.category))
    long, short = max(x1 - x0, y1 - y0) / 2, min(x1 - x0, y1 - y0) / 2
    half_x, half_y = room.half_x * scale, room.half_y * scale
    height = room.rest(0.0) * scale
    if room.rim is not None:
        if long > 0.92 * half_x:
            return None
        foot = long * CATEGORIES[item.category].foot / scale
        height, shift_x, shift_y = room.rest(foot) * scale, 0.0, 0.0
    else:
        slack = 0.0 if room.contains else 0.45
        if short > min(half_x, half_y) * (1 + slack) or long > max(half_x, half_y) * (1 + slack):
            return None
        # Long things lie along the room, with a little freedom.
        along = carrier.yaw + (0.0 if (half_x >= half_y) == (x1 - x0 >= y1 - y0) else math.pi / 2)
        yaw = round(along + chance.uniform(-0.2, 0.2) + chance.pick((0.0, math.pi)), 5)
        own_x, own_y = (long, short) if half_x >= half_y else (short, long)
        free_x, free_y = max(0.0, half_x - own_x), max(0.0, half_y - own_y)
        shift_x, shift_y = chance.uniform(-free_x, free_x), chance.uniform(-free_y, free_y)
    cos, sin = math.cos(carrier.yaw), math.sin(carrier.yaw)
    # The middle of the footprint, not the object's origin, comes to lie there.
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    x = carrier.position[0] + cos * shift_x - sin * shift_y
    y = carrier.position[1] + sin * shift_x + cos * shift_y
    x -= math.cos(yaw) * middle_x - math.sin(yaw) * middle_y
    y -= math.sin(yaw) * middle_x + math.cos(yaw) * middle_y
    return replace(
        item,
        position=(round(x, 5), round(y, 5)),
        yaw=yaw,
        height=round(carrier.height + height, 5),
        support=index,
        contained=room.contains,
    )


def _free(item: ObjectSpec, support: int, placed: Sequence[tuple[ObjectSpec, Corners]]) -> bool:
    corners = footprint_corners(item)
    return all(
        separated(corners, other, _GAP_METRES / 2)
        for number, (_, other) in enumerate(placed)
        if number != support
    )


def _point_in_view(chance: Chance, camera: CameraSpec) -> tuple[float, float]:
    """A table point drawn evenly over the middle of the picture, within reach of the target."""
    pose, tangent = camera.pose(), math.tan(camera.fovy / 2.0)
    while True:
        u, v = chance.uniform(-0.84, 0.84), chance.uniform(-0.76, 0.84)
        x, y, z = (
            row[0] * (u * tangent * _ASPECT) + row[1] * (v * tangent) + row[2]
            for row in pose[:3, :3].tolist()
        )
        if z >= -0.05:
            continue
        reach = -float(pose[2, 3]) / z
        point = float(pose[0, 3]) + x * reach, float(pose[1, 3]) + y * reach
        if math.dist(point, camera.target[:2]) < _REACH_METRES:
            return round(point[0], 5), round(point[1], 5)


def footprint_corners(item: ObjectSpec) -> Corners:
    """(4, 2) corners, in order, of the bounding rectangle of an object on the table."""
    x0, y0, x1, y1 = (value * SIZES[item.size] for value in footprint(item.category))
    cos, sin = math.cos(item.yaw), math.sin(item.yaw)
    turn = np.array([[cos, -sin], [sin, cos]])
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    return np.asarray(corners @ turn.T + item.position, dtype=np.float64)


def separated(a: Corners, b: Corners, gap: float) -> bool:
    """Whether an edge direction of either rectangle parts them by at least the gap.

    Args:
        a: (4, 2) corners in order.
        b: (4, 2) corners in order.
        gap: least distance along that direction in metres.
    """
    for corners in (a, b):
        for start, stop in ((0, 1), (1, 2)):
            axis = corners[stop] - corners[start]
            axis = axis / np.linalg.norm(axis)
            along_a, along_b = a @ axis, b @ axis
            # Rounded, so that the last bits of arithmetic decide nowhere.
            apart = max(along_a.min() - along_b.max(), along_b.min() - along_a.max())
            if round(float(apart), 9) >= gap:
                return True
    return False


def jittered(chance: Chance, colour: str) -> Rgb:
    """The base colour with a small change of hue, saturation and value."""
    hue, saturation, value = colorsys.rgb_to_hsv(*COLOURS[colour])
    hue = (hue + chance.uniform(-0.013, 0.013)) % 1.0
    saturation = min(1.0, saturation * chance.uniform(0.88, 1.06))
    value = min(1.0, value * chance.uniform(0.88, 1.1))
    red, green, blue = (round(part, 4) for part in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue
