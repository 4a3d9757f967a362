# SPDX-License-Identifier: Apache-2.0
"""Meshes of things, bent so that the things of a category are not all alike.

A thing never outgrows the footprint of its category, stands on its lowest point, and keeps what
tells its category from the others: a plate stays flat, a ball round, a cube no brick.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.catalogue import SIZES, footprint, height, parts
from refseg_lab.simulation.chance import Chance
from refseg_lab.simulation.primitives import Mesh, Parts
from refseg_lab.simulation.scene import ObjectSpec
from refseg_lab.simulation.variety import ShapeSpec

_GIRTH = (0.86, 1.0)

Floats = NDArray[np.float64]


class Freedom(NamedTuple):
    """How far the things of a category may differ from its mesh; see `ShapeSpec`.

    Attributes:
        oblong: greatest change of x against y, as a share.
        low: least factor of the height against the girth.
        high: greatest such factor.
        taper: greatest taper either way.
        bulge: greatest bulge either way.
        twist: greatest twist either way.
        lean: greatest lean either way.
        bend: greatest bend either way.
    """

    oblong: float = 0.06
    low: float = 0.9
    high: float = 1.1
    taper: float = 0.0
    bulge: float = 0.0
    twist: float = 0.0
    lean: float = 0.0
    bend: float = 0.0


_FREEDOM = {
    "mug": Freedom(0.05, 0.72, 1.25, 0.28, 0.2),
    "cup": Freedom(0.04, 0.8, 1.35, 0.14, 0.1),
    "bowl": Freedom(0.05, 0.7, 1.25, 0.14, 0.12),
    "plate": Freedom(0.10, 0.7, 1.6),
    "bottle": Freedom(0.08, 0.8, 1.35, 0.14, 0.2),
    "can": Freedom(0.04, 0.72, 1.4, 0.05, 0.05),
    "ball": Freedom(0.03, 0.95, 1.05),
    "cube": Freedom(0.05, 0.93, 1.08, 0.06, 0.05, 0.12),
    "cone": Freedom(0.05, 0.72, 1.35, 0.05, 0.14),
    "pyramid": Freedom(0.10, 0.72, 1.4, 0.1, 0.1, 0.3),
    "banana": Freedom(0.12, 0.8, 1.2, bend=0.18),
    "pear": Freedom(0.07, 0.8, 1.3, 0.22, 0.16, lean=0.12),
    "star": Freedom(0.10, 0.6, 1.7, twist=0.15),
    "heart": Freedom(0.14, 0.6, 1.7),
    "spoon": Freedom(0.14, 0.8, 1.3, bend=0.1),
    "book": Freedom(0.16, 0.45, 1.5),
    "duck": Freedom(0.10, 0.85, 1.2, 0.14, 0.14, lean=0.1),
    "ring": Freedom(0.12, 0.7, 1.35),
    "tray": Freedom(0.14, 0.7, 1.5, 0.08),
    "brick": Freedom(0.12, 0.8, 1.2, 0.04),
    "car": Freedom(0.12, 0.85, 1.3, 0.1, 0.06),
    "mushroom": Freedom(0.06, 0.7, 1.25, 0.16, 0.2, lean=0.1),
    "hammer": Freedom(0.15, 0.85, 1.2, bend=0.04),
    "teapot": Freedom(0.05, 0.75, 1.25, 0.22, 0.2),
}


def sample_shape(chance: Chance, category: str, carries: bool) -> ShapeSpec:
    """A random shape.

    Args:
        chance: source of chance.
        category: whose freedom to use.
        carries: whether something lies on it or in it, so that only its height may change.
    """
    free = _FREEDOM.get(category, Freedom())
    girth, oblong = chance.uniform(*_GIRTH), chance.uniform(-free.oblong, free.oblong)
    tall = chance.uniform(free.low, free.high)
    taper, bulge, twist, lean, bend = (
        chance.uniform(-most, most)
        for most in (free.taper, free.bulge, free.twist, free.lean, free.bend)
    )
    if carries:
        return ShapeSpec((1.0, 1.0, tall))
    scale = girth * (1.0 + oblong), girth * (1.0 - oblong), girth * tall
    x, y, z = (round(factor, 5) for factor in scale)
    return ShapeSpec((x, y, z), taper, bulge, twist, lean, bend)


def shaped_parts(item: ObjectSpec) -> Parts:
    """The coloured mesh and the accent mesh of a thing in its size and shape, in metres."""
    if item.shape is None:
        scale = SIZES[item.size]
        main, accent = parts(item.category)
        accent = None if accent is None else Mesh(accent.vertices * scale, accent.faces)
        return Mesh(main.vertices * scale, main.faces), accent
    return _bent(item.category, item.size, item.shape)


def extent(item: ObjectSpec) -> tuple[float, float, float]:
    """Lengths of a thing along its own x, y and z in metres."""
    scale = SIZES[item.size]
    if item.shape is None:
        x0, y0, x1, y1 = (value * scale for value in footprint(item.category))
        return x1 - x0, y1 - y0, height(item.category) * scale
    points = np.concatenate([m.vertices for m in shaped_parts(item) if m is not None])
    x, y, z = (float(value) for value in points.max(axis=0) - points.min(axis=0))
    return x, y, z


@lru_cache(maxsize=256)
def _bent(category: str, size: str, shape: ShapeSpec) -> Parts:
    scale = SIZES[size]
    meshes = [mesh for mesh in parts(category) if mesh is not None]
    points = np.concatenate([mesh.vertices for mesh in meshes]) * scale
    bent = _bend(points, shape, np.array(footprint(category)) * scale)
    main, *rest = np.split(bent, [len(meshes[0].vertices)]) if len(meshes) > 1 else [bent]
    accent = Mesh(rest[0], meshes[1].faces) if rest else None
    return Mesh(main, meshes[0].faces), accent


def _bend(points: Floats, shape: ShapeSpec, bounds: Floats) -> Floats:
    """Bends (V, 3) points that stand in (4,) bounds: x low, y low, x high, y high."""
    middle, half = (bounds[:2] + bounds[2:]) / 2.0, (bounds[2:] - bounds[:2]) / 2.0
    flat, z = (points[:, :2] - middle) * shape.scale[:2], points[:, 2] * shape.scale[2]
    up = z / z.max()
    flat = (
        flat
        * (
            1.0
            + shape.taper * (up - 0.5)
            + shape.bulge * (np.sin(np.pi * np.clip(up, 0, 1)) - 0.5)
        )[:, None]
    )
    turn = shape.twist * (up - 0.5)
    cos, sin = np.cos(turn), np.sin(turn)
    x = cos * flat[:, 0] - sin * flat[:, 1] + shape.lean * z
    y = sin * flat[:, 0] + cos * flat[:, 1]
    y = y + shape.bend * half[0] * ((x / half[0]) ** 2 - 0.4)
    bent = np.stack([x, y], -1)
    bent -= (bent.max(axis=0) + bent.min(axis=0)) / 2.0
    # What is wider than the place that was kept for it is drawn in.
    bent *= min(1.0, float((half / np.abs(bent).max(axis=0)).min()))
    return np.concatenate([bent + middle, (z - z.min())[:, None]], 1)
