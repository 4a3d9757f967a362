# SPDX-License-Identifier: Apache-2.0
"""Convex pieces of the meshes that are rendered: the shapes by which things touch each other.

A physics engine collides convex shapes. Every closed shell of a mesh becomes one piece; a shell
that is hollow or bent is cut first, by slabs along an axis and by sectors about the vertical, so
that a finger fits into a mug and through a ring.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.catalogue import parts
from refseg_lab.simulation.primitives import Mesh

Points = NDArray[np.float64]
_Triangles = NDArray[np.float64]  # (T, 3, 3) corners

_MERGE = 1e-6  # metres within which corners are one
_FLAT = 2e-4  # metres: what is thinner has no inside


class Cuts(NamedTuple):
    """How the largest shell of a category is cut.

    Attributes:
        sectors: About the vertical; the lowest slab stays whole where there are several slabs.
        slabs: Along the axis.
        axis: 0 for x, 2 for z.
    """

    sectors: int = 1
    slabs: int = 1
    axis: int = 2


#: What is not convex enough as it is.
CUTS: Final = {
    "mug": Cuts(10, 4),
    "cup": Cuts(10, 4),
    "bowl": Cuts(10, 5),
    "plate": Cuts(10, 3),
    "crown": Cuts(10, 1),
    "ring": Cuts(10, 1),
    "star": Cuts(10, 1),
    "heart": Cuts(1, 2, axis=0),
    "bottle": Cuts(1, 8),
    "mushroom": Cuts(1, 2),
    "pear": Cuts(1, 4),
    "bell": Cuts(1, 4),
    "banana": Cuts(1, 6, axis=0),
    "spoon": Cuts(1, 6, axis=0),
}


@cache
def convex_pieces(category: str) -> tuple[Points, ...]:
    """The pieces of a category at scale 1 (cached).

    Args:
        category: A key of `catalogue.CATEGORIES`.

    Returns:
        (P, 3) points of each piece in metres; the piece is their convex hull.

    Raises:
        ValueError: The category is unknown.
    """
    shells = [shell for mesh in parts(category) if mesh is not None for shell in _shells(mesh)]
    shells.sort(key=lambda shell: -float(np.prod(np.ptp(shell.reshape(-1, 3), axis=0))))
    cut = _cut(shells[0], CUTS.get(category, Cuts()))
    pieces = [piece.reshape(-1, 3) for piece in (*cut, *shells[1:])]
    return tuple(np.unique(piece.round(6), axis=0) for piece in pieces if _is_solid(piece))


def _is_solid(points: Points) -> bool:
    if len(points) < 4:
        return False
    spread = np.linalg.svd(points - points.mean(0), compute_uv=False)
    return bool(spread[-1] / math.sqrt(len(points)) > _FLAT)


def _shells(mesh: Mesh) -> list[_Triangles]:
    """The parts of a mesh whose triangles hang together by edges."""
    _, same = np.unique((mesh.vertices / _MERGE).round(), axis=0, return_inverse=True)
    faces = same.ravel()[mesh.faces]
    edges = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], -1), axis=-1)
    _, edge = np.unique(edges.reshape(-1, 2), axis=0, return_inverse=True)
    edge = edge.reshape(-1, 3)
    label = np.arange(len(faces))
    while True:  # the smallest number spreads over each shell
        lowest = np.full(edge.max() + 1, len(faces))
        np.minimum.at(lowest, edge.ravel(), np.repeat(label, 3))
        spread = lowest[edge].min(1)
        spread = spread[spread]
        if np.array_equal(spread, label):
            return [mesh.vertices[mesh.faces[label == name]] for name in np.unique(label)]
        label = spread


def _cut(shell: _Triangles, cuts: Cuts) -> list[_Triangles]:
    """A shell in slabs, and those in sectors."""
    low, high = shell.reshape(-1, 3).min(0), shell.reshape(-1, 3).max(0)
    along = np.eye(3)[cuts.axis]
    levels = np.linspace(low[cuts.axis], high[cuts.axis], cuts.slabs + 1)
    pieces = []
    for number in range(cuts.slabs):
        slab = clip(clip(shell, along, levels[number + 1]), -along, -levels[number])
        whole = cuts.sectors == 1 or (number == 0 and cuts.slabs > 1)
        pieces += [slab] if whole else _sectors(slab, (low + high) / 2, cuts.sectors)
    return [piece for piece in pieces if len(piece)]


def _sectors(triangles: _Triangles, middle: Points, count: int) -> list[_Triangles]:
    pieces = []
    for number in range(count):
        sides = [2.0 * math.pi * (number + step) / count for step in (0, 1)]
        first, last = (np.array([math.sin(a), -math.cos(a), 0.0]) for a in sides)
        piece = clip(triangles, first, float(first @ middle))
        pieces.append(clip(piece, -last, float(-last @ middle)))
    return pieces


def clip(triangles: _Triangles, normal: Points, offset: float) -> _Triangles:
    """The part of a surface that lies behind a plane.

    Args:
        triangles: (T, 3, 3) corners.
        normal: (3,) normal of the plane.
        offset: Points with normal · point <= offset are kept.

    Returns:
        (T', 3, 3) triangles.
    """
    beyond = triangles @ normal - offset
    inside = beyond <= 0.0
    count = inside.sum(1)
    kept = [triangles[count == 3]]
    for number in (1, 2):  # the corner that is alone on its side comes first
        some = count == number
        alone = (inside if number == 1 else ~inside)[some].argmax(1)
        order = (alone[:, None] + np.arange(3)) % 3
        corners = np.take_along_axis(triangles[some], order[..., None], axis=1)
        far = np.take_along_axis(beyond[some], order, axis=1)
        first, second = (_crossing(corners, far, other) for other in (1, 2))
        if number == 1:
            kept.append(np.stack([corners[:, 0], first, second], 1))
        else:
            kept.append(np.stack([first, corners[:, 1], corners[:, 2]], 1))
            kept.append(np.stack([first, corners[:, 2], second], 1))
    return np.concatenate(kept)


def _crossing(corners: _Triangles, far: Points, other: int) -> Points:
    """Where the edges from corner 0 to another one meet the plane."""
    share = far[:, 0] / (far[:, 0] - far[:, other])
    crossing: Points = corners[:, 0] + share[:, None] * (corners[:, other] - corners[:, 0])
    return crossing
