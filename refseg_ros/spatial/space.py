# SPDX-License-Identifier: Apache-2.0
"""Where the candidates are in space, from a depth image: what a picture alone only suggests.

The plane that the things stand on is found around them (:func:`refseg_ros.geometry.find_plane`).
On it, "behind" is a distance along the table, and "tall" and "above" are heights over it, whatever
way the camera looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from refseg_ros.errors import ImageError
from refseg_ros.geometry import MIN_POINTS, Plane, deproject, find_plane, ring_around
from refseg_ros.results import Proposals
from refseg_ros.spatial.viewpoint import Viewpoint

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

_TOP_PERCENT: Final = 95.0  # a mask's rim often shows the depth of what lies behind


@dataclass(frozen=True)
class Space:
    """Measures of N candidates in space.

    Attributes:
        depths: (N,) median metres along the optical axis; NaN where fewer than
            :data:`refseg_ros.geometry.MIN_POINTS` pixels have a depth.
        ground: (N, 2) metres on the table, to the viewer's right and away from the camera, of the
            middle of each; None if no table was found or not all depths are known.
        reach: (N, 2) metres from there to the ends of what is seen of each; None as for
            ``ground``.
        heights: (N, 2) metres above the table of what is seen of each, its lowest and its highest
            part; None as for ``ground``.
        camera_height: Metres from the table up to the camera; NaN where ``ground`` is None.
        viewpoint: Whose right ``ground`` has; None is the camera's.
        intrinsics: (3, 3) camera matrix in pixels; None if that is not known.
    """

    depths: Vector
    ground: Matrix | None = None
    reach: Matrix | None = None
    heights: Matrix | None = None
    camera_height: float = math.nan
    viewpoint: Viewpoint | None = None
    intrinsics: Matrix | None = None


def check_inputs(
    size: tuple[int, int],
    depth: NDArray[np.float32] | None,
    intrinsics: Matrix | None,
    viewpoint: Viewpoint | None = None,
) -> None:
    """Refuse a depth image that is none of the picture, and a frame that sees no table.

    Args:
        size: Height and width of the picture.
        depth: To be (H, W), floating, in metres, or None.
        intrinsics: To be a (3, 3) camera matrix in pixels, or None.
        viewpoint: Whose left and right are meant; needs ``intrinsics``.

    Raises:
        ImageError: They are not so; the message says what is expected.
    """
    if depth is not None and (depth.shape != size or not np.issubdtype(depth.dtype, np.floating)):
        raise ImageError(
            f"depth: expected {size} floating-point metres, as large as the image, got "
            f"{depth.shape} {depth.dtype}"
        )
    if intrinsics is None:
        if viewpoint is not None:
            raise ImageError(f"viewpoint of {viewpoint.frame}: needs the camera matrix")
        return
    matrix = np.asarray(intrinsics, np.float64)
    whole = matrix.shape == (3, 3) and np.isfinite(matrix).all()
    if not whole or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise ImageError("intrinsics: expected a finite (3, 3) camera matrix with focal lengths")
    if viewpoint is not None:
        viewpoint.check_table(size, matrix)


def measure(
    proposals: Proposals,
    depth: NDArray[np.float32] | None,
    intrinsics: Matrix | None,
    viewpoint: Viewpoint | None = None,
) -> Space:
    """Measure all candidates of one picture.

    Args:
        proposals: N candidates.
        depth: (H, W) metres along the optical axis, registered to the picture; 0, negative, NaN
            and infinity are unknown. Without it nothing is measured.
        intrinsics: (3, 3) camera matrix in pixels; without it only :attr:`Space.depths` is known.
        viewpoint: Whose right :attr:`Space.ground` has; the camera's without it.
    """
    matrix = None if intrinsics is None else np.asarray(intrinsics, np.float64)
    depths = np.full(len(proposals), np.nan)
    space = Space(depths, viewpoint=viewpoint, intrinsics=matrix)
    if depth is None:
        return space
    known = np.isfinite(depth) & (depth > 0)
    for index, mask in enumerate(proposals.masks):
        values = depth[mask & known]
        if len(values) >= MIN_POINTS:
            depths[index] = np.median(values)
    if matrix is None or not len(depths) or not np.isfinite(depths).all():
        return space
    ring = deproject(ring_around(proposals.masks), depth, matrix)
    plane = find_plane(ring, None if viewpoint is None else viewpoint.up)
    return space if plane is None else _on_plane(space, proposals, depth, plane)


def _on_plane(
    space: Space,
    proposals: Proposals,
    depth: NDArray[np.float32],
    plane: Plane,
) -> Space:
    assert space.intrinsics is not None
    normal, offset = plane.normal, plane.offset
    right, away = _along(normal, space.viewpoint)
    axes = np.stack([right, away, normal], 1)
    middles, reach, heights = (np.zeros((len(proposals), 2)) for _ in range(3))
    for index, mask in enumerate(proposals.masks):
        points = deproject(mask, depth, space.intrinsics) @ axes
        # The middle of the extent: pixels crowd where a thing is near.
        low, high = np.percentile(points, (100 - _TOP_PERCENT, _TOP_PERCENT), axis=0)
        middles[index] = (low[:2] + high[:2]) / 2
        reach[index] = (high[:2] - low[:2]) / 2
        heights[index] = np.maximum(0.0, (low[2] + offset, high[2] + offset))
    return replace(
        space, ground=middles, reach=reach, heights=heights, camera_height=float(offset)
    )


def _along(normal: Vector, viewpoint: Viewpoint | None) -> tuple[Vector, Vector]:
    """Unit vectors on the plane, to the right and away."""
    right = np.array([1.0, 0.0, 0.0]) if viewpoint is None else viewpoint.right
    right = right - (right @ normal) * normal
    right /= np.linalg.norm(right)
    return right, np.cross(normal, right)
