# SPDX-License-Identifier: Apache-2.0
"""Instance ids of a scene by integer rasterisation, the same on every machine.

Corners of triangles are snapped to 1/256 pixel, and which pixel centres a triangle covers is then
decided in integers with the top-left rule, so that triangles that share an edge neither leave a
hole nor cover a pixel twice. What is nearest is decided by inverse depth, which is linear in the
picture, rounded to a fixed step. An OpenGL driver is free in all of that; this is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.scene import ObjectSpec, SceneSpec
from refseg_lab.simulation.shaping import shaped_parts

#: Steps per pixel to which corners are snapped.
SUBPIXELS = 256
#: Triangles with a corner nearer to the camera than this, in metres, are not drawn.
NEAR_METRES = 0.05

#: Steps per 1/m of inverse depth: 0.06 micrometres at one metre.
DEPTH_STEPS = float(1 << 24)
# Beyond this many pixels from the picture no corner matters, and all products fit 64 bits.
_FAR_PIXELS = float(1 << 20)
_CHUNK = 1 << 20
_IDS = 256

_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Visibility:
    """Which object each pixel shows.

    Attributes:
        instances: (H, W) uint8; 0 is background, k is `spec.objects[k - 1]`.
        full_areas: pixels of each object inside the picture if nothing hid it.
        steps: (H, W) int64 inverse depth of the object in 1/m times `DEPTH_STEPS`.
    """

    instances: NDArray[np.uint8]
    full_areas: tuple[int, ...]
    steps: NDArray[np.int64]


def rasterise(spec: SceneSpec, width: int, height: int) -> Visibility:
    """Finds the visible object of every pixel.

    Args:
        spec: the scene; only its objects and its camera matter.
        width: width of the picture in pixels, at least 1.
        height: height of the picture in pixels, at least 1.

    Raises:
        ValueError: if a side is not positive.
    """
    for name, side in (("width", width), ("height", height)):
        if side < 1:
            raise ValueError(f"{name} must be at least 1 pixel, got {side}")
    pose = spec.camera.pose()
    intrinsics = spec.camera.intrinsics(width, height)
    nearest = np.zeros(height * width, np.int64)
    full_areas = []
    for index, item in enumerate(spec.objects):
        covered = np.zeros(height * width, np.bool_)
        corners = triangles(item, pose)
        for pixels, inverse_depth in covered_pixels(corners, intrinsics, width, height):
            covered[pixels] = True
            # Of equals the first object wins, whatever the order of the pixels.
            np.maximum.at(nearest, pixels, inverse_depth * _IDS + (_IDS - 1 - index))
        full_areas.append(int(np.count_nonzero(covered)))
    shown = np.where(nearest > 0, _IDS - nearest % _IDS, 0)
    size = height, width
    steps = (nearest // _IDS).reshape(size)
    return Visibility(shown.astype(np.uint8).reshape(size), tuple(full_areas), steps)


def triangles(item: ObjectSpec, camera_pose: _Floats) -> _Floats:
    """Corners of all triangles of an object.

    Args:
        item: the object.
        camera_pose: (4, 4) pose of the optical frame in the world.

    Returns:
        (F, 3, 3) metres in the optical frame.
    """
    to_camera = np.linalg.inv(camera_pose) @ item.pose()
    faces = []
    for mesh in shaped_parts(item):
        if mesh is not None:
            points = mesh.vertices @ to_camera[:3, :3].T + to_camera[:3, 3]
            faces.append(points[mesh.faces])
    return np.concatenate(faces)


def covered_pixels(
    corners: _Floats, intrinsics: _Floats, width: int, height: int
) -> Iterator[tuple[_Ints, _Ints]]:
    """The pixel centres that triangles cover, in chunks of bounded size.

    Args:
        corners: (F, 3, 3) corners in the optical frame in metres, counter-clockwise from outside;
            triangles seen from behind are left out.
        intrinsics: (3, 3) camera matrix in pixels.
        width: width of the picture in pixels.
        height: height of the picture in pixels.

    Yields:
        Flat pixel indices and the inverse depth there in steps; a pixel comes once for each
        triangle that covers it.
    """
    z = corners[..., 2]
    corners = corners[(z >= NEAR_METRES).all(axis=1)]
    inverse = 1.0 / corners[..., 2]
    u = intrinsics[0, 0] * (corners[..., 0] * inverse) + intrinsics[0, 2]
    v = intrinsics[1, 1] * (corners[..., 1] * inverse) + intrinsics[1, 2]
    near = (np.maximum(np.abs(u), np.abs(v)) < _FAR_PIXELS).all(axis=1)
    x = np.rint(u[near] * SUBPIXELS).astype(np.int64)
    y = np.rint(v[near] * SUBPIXELS).astype(np.int64)
    inverse = inverse[near]
    area = _area(x, y)
    # With v downwards, counter-clockwise to the eye is a negative area.
    front = area < 0
    x, y, inverse = x[front], y[front], inverse[front]
    triangle, row, start, length = _spans(x[:, ::-1], y[:, ::-1], width, height)
    base, per_x, per_y = _planes(x, y, inverse, area[front])
    group = np.cumsum(length) // _CHUNK
    for first, last in _runs(group):
        part = slice(first, last)
        count = length[part]
        before = np.cumsum(count) - count
        column = np.arange(count.sum()) - np.repeat(before - start[part], count)
        own = triangle[part]
        row_depth = base[own] + per_y[own] * (row[part] * float(SUBPIXELS))
        depth = np.repeat(row_depth, count)
        depth += np.repeat(per_x[own], count) * (column * float(SUBPIXELS))
        steps = np.maximum(np.rint(depth * DEPTH_STEPS), 1.0).astype(np.int64)
        yield np.repeat(row[part] * width, count) + column, steps


def _area(x: _Ints, y: _Ints) -> _Ints:
    """Twice the signed area of (F, 3) triangles in squared steps."""
    return (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])


def _spans(x: _Ints, y: _Ints, width: int, height: int) -> tuple[_Ints, _Ints, _Ints, _Ints]:
    """The runs of pixel centres inside triangles, row by row.

    Args:
        x: (F, 3) corners in steps, the area of each triangle positive.
        y: (F, 3) corners in steps.
        width: width of the picture in pixels.
        height: height of the picture in pixels.

    Returns:
        Triangle, row, first column and number of columns of each run that is not empty.
    """
    top = np.maximum(-(-y.min(axis=1) // SUBPIXELS), 0)
    rows = np.maximum(np.minimum(y.max(axis=1) // SUBPIXELS, height - 1) - top + 1, 0)
    triangle = np.repeat(np.arange(len(x)), rows)
    row = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows - top, rows)
    low = np.zeros(len(row), np.int64)
    high = np.full(len(row), width - 1, np.int64)
    for k in range(3):
        dx, dy = np.roll(x, -1, 1)[:, k] - x[:, k], np.roll(y, -1, 1)[:, k] - y[:, k]
        # A centre on a left or top edge belongs to this triangle, on any other to its neighbour.
        owned = (dy < 0) | ((dy == 0) & (dx > 0))
        constant = dy * x[:, k] - dx * y[:, k] - np.where(owned, 0, 1)
        # A centre is inside where  SUBPIXELS dy column <= slack.
        slack = constant[triangle] + dx[triangle] * (row * SUBPIXELS)
        step = (dy * SUBPIXELS)[triangle]
        bound = slack // np.where(step == 0, 1, np.abs(step))
        high = np.where(step > 0, np.minimum(high, bound), high)
        low = np.where(step < 0, np.maximum(low, -bound), low)
        high = np.where((step == 0) & (slack < 0), -1, high)
    length = high - low + 1
    some = length > 0
    return triangle[some], row[some], low[some], length[some]


def _planes(x: _Ints, y: _Ints, inverse: _Floats, area: _Ints) -> tuple[_Floats, _Floats, _Floats]:
    """Inverse depth of (F, 3) triangles as base + per_x x + per_y y, with x and y in steps."""
    x1, x2 = (x[:, 1] - x[:, 0]).astype(np.float64), (x[:, 2] - x[:, 0]).astype(np.float64)
    y1, y2 = (y[:, 1] - y[:, 0]).astype(np.float64), (y[:, 2] - y[:, 0]).astype(np.float64)
    d1, d2 = inverse[:, 1] - inverse[:, 0], inverse[:, 2] - inverse[:, 0]
    per_x = (d1 * y2 - d2 * y1) / area
    per_y = (d2 * x1 - d1 * x2) / area
    return inverse[:, 0] - per_x * x[:, 0] - per_y * y[:, 0], per_x, per_y


def _runs(group: _Ints) -> Iterator[tuple[int, int]]:
    """Bounds of the runs of equal values."""
    if len(group):
        cuts = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(group)]
        yield from pairwise(cuts)
