# SPDX-License-Identifier: Apache-2.0
"""What is measured of a scene before anything is said of it.

Places in the picture come from the masks, places in space from the objects' poses and the camera.
All numbers are rounded to 1e-6 before they are compared, so that the last bits of arithmetic
decide nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.catalogue import SIZES
from refseg_lab.simulation.placement import footprint_corners
from refseg_lab.simulation.renderer import Frame
from refseg_lab.simulation.scene import ObjectSpec, SceneSpec
from refseg_lab.simulation.shaping import extent

#: Truth values of three-valued logic; `min` is "and", `max` is "or", `2 - x` is "not".
NO: Final = 0
MAYBE: Final = 1
YES: Final = 2
Truth = int

#: Least visible area of an object that may be spoken of, as a share of the picture.
MIN_AREA: Final = 0.0007
#: Least share of an object's own area that must be visible for that.
MIN_SHOWN: Final = 0.3
#: Share that must be visible for its size to be judged.
MIN_SHOWN_FOR_SIZE: Final = 0.6


@dataclass(frozen=True)
class Thing:
    """One object as it is seen and as it stands.

    Attributes:
        category: its category.
        colour: its colour.
        scale: scale of its category's shape.
        shown: whether it is seen: `YES` clearly, `MAYBE` hardly, `NO` not at all.
        whole: whether enough of it is seen, away from the picture's edges, to judge its size.
        x: column of the centroid of its mask, as a share of the picture's width, to the right.
        y: row of the centroid, as a share of the picture's height, downwards.
        drop: row of the centroid as a share of the picture's width.
        box: left, top, right, bottom of its mask as shares of the width.
        near: its footprint's least distance along the camera's ground direction, metres.
        far: its footprint's greatest distance.
        ahead: distance of the middle of its footprint along the camera's ground direction.
        aside: the same across that direction, to the right.
        distance: distance from the camera to the middle of its body in metres.
        corners: (x, y) of its footprint's corners on the table in metres, in order.
        tall: its own height in metres.
        length: diagonal of its bounding box in metres.
        volume: cube root of the volume of its bounding box in metres.
        support: index of what carries it, -1 for the table.
        contained: whether it lies in that rather than on it.
    """

    category: str
    colour: str
    scale: float
    shown: Truth
    whole: bool
    x: float
    y: float
    drop: float
    box: tuple[float, float, float, float]
    near: float
    far: float
    ahead: float
    aside: float
    distance: float
    corners: tuple[tuple[float, float], ...]
    tall: float
    length: float
    volume: float
    support: int
    contained: bool


def measure_objects(spec: SceneSpec, frame: Frame) -> tuple[Thing, ...]:
    """Measures every object of a rendered scene.

    Args:
        spec: the scene.
        frame: its rendering.

    Raises:
        ValueError: if the frame does not tell the full area of each object.
    """
    if len(frame.full_areas) != len(spec.objects):
        raise ValueError(
            f"frame.full_areas must hold {len(spec.objects)} areas, one an object, "
            f"got {len(frame.full_areas)}"
        )
    return tuple(_measure(item, k, frame) for k, item in enumerate(spec.objects))


def _measure(item: ObjectSpec, index: int, frame: Frame) -> Thing:
    rows, columns = np.nonzero(frame.instances == index + 1)
    lines, width = frame.instances.shape
    area, full = len(rows), max(frame.full_areas[index], len(rows))
    clear = area >= MIN_AREA * lines * width and area >= MIN_SHOWN * full
    x, row, box = 0.0, 0.0, (0.0, 0.0, 0.0, 0.0)
    cut = True
    if area:
        x, row = float(columns.mean()) + 0.5, float(rows.mean()) + 0.5
        left, right = int(columns.min()), int(columns.max()) + 1
        top, bottom = int(rows.min()), int(rows.max()) + 1
        cut = left == 0 or top == 0 or right == width or bottom == lines
        box = (_r(left / width), _r(top / width), _r(right / width), _r(bottom / width))
    corners = footprint_corners(item)
    ahead, aside = _ground_axes(frame.camera_pose)
    middle = corners.mean(axis=0)
    along = corners @ ahead
    sides = extent(item)
    tall = sides[2]
    centre = np.array([*middle, item.height + tall / 2.0])
    return Thing(
        category=item.category,
        colour=item.colour,
        scale=SIZES[item.size],
        shown=YES if clear else MAYBE if area else NO,
        whole=area >= MIN_SHOWN_FOR_SIZE * full and not cut,
        x=_r(x / width),
        y=_r(row / lines),
        drop=_r(row / width),
        box=box,
        near=_r(along.min()),
        far=_r(along.max()),
        ahead=_r(middle @ ahead),
        aside=_r(middle @ aside),
        distance=_r(math.dist(centre, frame.camera_pose[:3, 3])),
        corners=tuple((_r(corner[0]), _r(corner[1])) for corner in corners),
        tall=_r(tall),
        length=_r(math.hypot(*sides)),
        volume=_r(math.prod(sides) ** (1.0 / 3.0)),
        support=item.support,
        contained=item.contained,
    )


def _ground_axes(pose: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors on the table away from the camera and to its right."""
    forward = pose[:2, 2]
    ahead = forward / np.linalg.norm(forward)
    return ahead, np.array([ahead[1], -ahead[0]])


def _r(value: float) -> float:
    return round(float(value), 6)
