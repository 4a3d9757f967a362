# SPDX-License-Identifier: Apache-2.0
"""Triangle-mesh primitives from which the tabletop objects are composed.

All meshes are closed, wound counter-clockwise seen from outside, in metres with z up. Vertices are
repeated along sharp edges so that a renderer that averages normals per vertex keeps them sharp.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = Sequence[tuple[float, float]]
_SHARP_RADIANS = math.radians(38.0)


class Mesh(NamedTuple):
    """A triangle mesh.

    Attributes:
        vertices: (V, 3) float64 positions in metres.
        faces: (F, 3) int32 vertex indices, counter-clockwise from outside.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int32]


#: What the builders of objects return: the part that takes the colour of the object, and a smaller
#: part with a fixed colour of its own (a stem, a wheel, a cap) or None. Objects stand on z = 0.
Parts = tuple[Mesh, Mesh | None]


def combine(*meshes: Mesh) -> Mesh:
    """Returns one mesh holding all the given meshes as separate shells."""
    offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    faces = [mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)]
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate(faces).astype(np.int32),
    )


def place(
    mesh: Mesh,
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0),
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
    axis: str = "z",
    degrees: float = 0.0,
) -> Mesh:
    """Scales a mesh (positive factors), turns it about a coordinate axis, then moves it."""
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    turn = np.eye(3)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn[i, i], turn[i, j], turn[j, i], turn[j, j] = cos, -sin, sin, cos
    return Mesh((mesh.vertices * scale) @ turn.T + offset, mesh.faces)


def _grid_faces(rows: int, columns: int, first: int, wrap: bool) -> NDArray[np.int32]:
    """Two triangles for each cell of a rows x columns vertex grid starting at index first."""
    i, j = np.meshgrid(
        np.arange(rows - 1), np.arange(columns if wrap else columns - 1), indexing="ij"
    )
    a = first + i * columns + j
    b = first + i * columns + (j + 1) % columns
    c, d = b + columns, a + columns
    lower, upper = np.stack([a, b, c], -1), np.stack([a, c, d], -1)
    return np.concatenate([lower.reshape(-1, 3), upper.reshape(-1, 3)]).astype(np.int32)


def _without_degenerate(mesh: Mesh) -> Mesh:
    """Drops triangles without area (at the poles of a lathe)."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    keep = np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-12
    faces = mesh.faces[keep]
    used, inverse = np.unique(faces, return_inverse=True)
    return Mesh(mesh.vertices[used], inverse.reshape(-1, 3).astype(np.int32))


def lathe(profile: Points, segments: int = 32) -> Mesh:
    """Turns a profile about the z axis.

    Args:
        profile: (radius, z) points from the bottom of the axis, outwards and up, back to the axis.
        segments: number of facets around the axis.
    """
    points = np.asarray(profile, dtype=np.float64)
    steps = np.diff(points, axis=0)
    heading = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    corners = np.flatnonzero(np.abs(np.diff(heading)) > _SHARP_RADIANS) + 1
    bounds = [0, *corners.tolist(), len(points) - 1]
    angles = np.arange(segments) * (2.0 * math.pi / segments)
    circle = np.stack([np.cos(angles), np.sin(angles)], -1)
    parts = []
    for start, stop in pairwise(bounds):
        run = points[start : stop + 1]
        xy = run[:, None, :1] * circle[None]
        z = np.broadcast_to(run[:, None, 1:], (len(run), segments, 1))
        vertices = np.concatenate([xy, z], -1).reshape(-1, 3)
        parts.append(Mesh(vertices, _grid_faces(len(run), segments, 0, wrap=True)))
    return _without_degenerate(combine(*parts))


def ellipsoid(radii: tuple[float, float, float], rings: int = 12, segments: int = 24) -> Mesh:
    """An ellipsoid about the origin with the given half axes in metres."""
    angles = np.linspace(-math.pi / 2.0, math.pi / 2.0, rings + 1)
    profile = [(max(0.0, math.cos(a)) if abs(a) < 1.57 else 0.0, math.sin(a)) for a in angles]
    return place(lathe(profile, segments), scale=radii)


def cylinder(radius: float, bottom: float, top: float, segments: int = 24) -> Mesh:
    """An upright cylinder about the z axis."""
    return lathe([(0.0, bottom), (radius, bottom), (radius, top), (0.0, top)], segments)


def tube(
    path: NDArray[np.float64],
    radii: Sequence[float] | NDArray[np.float64],
    sides: int = 12,
    closed: bool = False,
) -> Mesh:
    """Sweeps a circle along a path.

    Args:
        path: (P, 3) centre line in metres.
        radii: (P,) radius at each point in metres.
        sides: number of facets around the path.
        closed: whether the last point joins the first (the path must be planar then).
    """
    path = np.asarray(path, dtype=np.float64)
    around = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    tangents = around if closed else np.gradient(path, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    helper = np.eye(3)[int(np.argmin(np.abs(tangents).max(axis=0)))]
    angles = np.arange(sides) * (2.0 * math.pi / sides)
    rings = []
    for centre, tangent, radius in zip(path, tangents, radii, strict=True):
        u = helper - tangent * float(helper @ tangent)
        u /= np.linalg.norm(u)
        v = np.cross(tangent, u)
        rings.append(centre + radius * (np.cos(angles)[:, None] * u + np.sin(angles)[:, None] * v))
    if closed:
        rings.append(rings[0])
        return Mesh(np.concatenate(rings), _grid_faces(len(rings), sides, 0, wrap=True))
    wall = Mesh(np.concatenate(rings), _grid_faces(len(rings), sides, 0, wrap=True))
    return combine(wall, _cap(rings[0][::-1]), _cap(rings[-1]))


def _cap(ring: NDArray[np.float64], centre: NDArray[np.float64] | None = None) -> Mesh:
    """A fan over a ring that runs counter-clockwise seen from outside."""
    count = len(ring)
    middle = ring.mean(axis=0) if centre is None else centre
    j = np.arange(count)
    faces = np.stack([np.full(count, count), j, (j + 1) % count], -1).astype(np.int32)
    return Mesh(np.concatenate([ring, middle[None]]), faces)


def loft(sections: Sequence[NDArray[np.float64]], lift: float = 0.0) -> Mesh:
    """Joins flat outlines stacked upwards with flat facets and closes both ends.

    Args:
        sections: outlines of (P, 3) points each, counter-clockwise seen from above.
        lift: height of the middle of the top above its outline, in metres.
    """
    parts = []
    for low, high in pairwise(sections):
        after_low, after_high = np.roll(low, -1, 0), np.roll(high, -1, 0)
        quads = np.stack([low, after_low, after_high, high], 1).reshape(-1, 3)
        start = np.arange(len(low)) * 4
        faces = np.concatenate(
            [
                np.stack([start, start + 1, start + 2], -1),
                np.stack([start, start + 2, start + 3], -1),
            ]
        )
        parts.append(Mesh(quads, faces.astype(np.int32)))
    top = sections[-1]
    parts.append(_cap(sections[0][::-1]))
    if lift:
        # A raised middle has creases along its spokes, so every facet gets its own vertices.
        middle = np.broadcast_to(top.mean(axis=0) + np.array([0.0, 0.0, lift]), top.shape)
        facets = np.stack([top, np.roll(top, -1, 0), middle], 1).reshape(-1, 3)
        parts.append(Mesh(facets, np.arange(len(facets), dtype=np.int32).reshape(-1, 3)))
    else:
        parts.append(_cap(top))
    return _without_degenerate(combine(*parts))


def outline(points: Points, z: float) -> NDArray[np.float64]:
    """(P, 3) outline at height z from (x, y) points."""
    flat = np.asarray(points, dtype=np.float64)
    return np.concatenate([flat, np.full((len(flat), 1), z)], 1)


def rectangle(x: float, y: float, z: float, corner: float = 0.0) -> NDArray[np.float64]:
    """Outline of a rectangle of full size x by y about the axis with cut corners."""
    a, b, c = x / 2.0, y / 2.0, corner
    if c <= 0.0:
        return outline([(-a, -b), (a, -b), (a, b), (-a, b)], z)
    return outline(
        [
            (-a + c, -b),
            (a - c, -b),
            (a, -b + c),
            (a, b - c),
            (a - c, b),
            (-a + c, b),
            (-a, b - c),
            (-a, -b + c),
        ],
        z,
    )


def block(
    size: tuple[float, float, float],
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0),
    bevel: float = 0.0,
) -> Mesh:
    """A box standing on z = offset[2], centred on offset in x and y, with bevelled edges."""
    x, y, z = size
    if bevel <= 0.0:
        return place(loft([rectangle(x, y, 0.0), rectangle(x, y, z)]), offset)
    b, inner = bevel, bevel * 0.5
    sections = [
        rectangle(x - 2 * b, y - 2 * b, 0.0, inner),
        rectangle(x, y, b, b),
        rectangle(x, y, z - b, b),
        rectangle(x - 2 * b, y - 2 * b, z, inner),
    ]
    return place(loft(sections), offset)


def signed_volume(mesh: Mesh) -> float:
    """Volume in cubic metres; positive when the faces are wound outwards."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)
