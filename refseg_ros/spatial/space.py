# SPDX-License-Identifier: Apache-2.0
"""Where the candidates are in space, from a depth image: what a picture alone only suggests.

The plane that the things stand on is found around them, by RANSAC (Fischler and Bolles, 1981) with
a fixed seed. On it, "behind" is a distance along the table and "tall" one above it, whatever way
the camera looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_ros.errors import ImageError
from refseg_ros.geometry import MIN_POINTS, deproject
from refseg_ros.results import Proposals

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

RING: Final = 0.03
"""Width of the ring around the candidates whose pixels show the table, in longer sides."""
ON_PLANE: Final = 0.012
"""Metres from the plane within which a point lies on it."""
PLANE_SHARE: Final = 0.4
"""Share of the ring's points that must lie on a plane for it to be what things stand on."""
UPRIGHT: Final = 0.5
"""Largest share of a table's normal that may point sideways in the picture: 30 degrees of roll."""
_POINTS: Final = 1500
_TRIES: Final = 120
_TOP_PERCENT: Final = 95.0  # a mask's rim often shows the depth of what lies behind


@dataclass(frozen=True)
class Space:
    """Measures of N candidates in space.

    Attributes:
        depths: (N,) median metres along the optical axis; NaN where fewer than
            :data:`refseg_ros.geometry.MIN_POINTS` pixels have a depth.
        ground: (N, 2) metres on the table, to the viewer's right and away from the camera, of the
            middle of each; None if no table was found or not all depths are known.
        tall: (N,) metres above the table of the top of each; None likewise.
    """

    depths: Vector
    ground: Matrix | None = None
    tall: Vector | None = None


def check_depth(
    depth: NDArray[np.float32], size: tuple[int, int], intrinsics: Matrix | None
) -> None:
    """Refuse a depth image that is none of the picture.

    Args:
        depth: To be (H, W), floating, in metres.
        size: Height and width of the picture.
        intrinsics: To be a (3, 3) camera matrix in pixels, or None.

    Raises:
        ImageError: It is not; the message says what is expected.
    """
    if depth.shape != size or not np.issubdtype(depth.dtype, np.floating):
        raise ImageError(
            f"depth: expected {size} floating-point metres, as large as the image, got "
            f"{depth.shape} {depth.dtype}"
        )
    if intrinsics is None:
        return
    matrix = np.asarray(intrinsics, np.float64)
    whole = matrix.shape == (3, 3) and np.isfinite(matrix).all()
    if not whole or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise ImageError("intrinsics: expected a finite (3, 3) camera matrix with focal lengths")


def measure(proposals: Proposals, depth: NDArray[np.float32], intrinsics: Matrix | None) -> Space:
    """Measure all candidates of one picture.

    Args:
        proposals: N candidates.
        depth: (H, W) metres along the optical axis, registered to the picture; 0, negative, NaN
            and infinity are unknown.
        intrinsics: (3, 3) camera matrix in pixels; without it only :attr:`Space.depths` is known.
    """
    known = np.isfinite(depth) & (depth > 0)
    depths = np.full(len(proposals), np.nan)
    for index, mask in enumerate(proposals.masks):
        values = depth[mask & known]
        if len(values) >= MIN_POINTS:
            depths[index] = np.median(values)
    if intrinsics is None or not len(depths) or not np.isfinite(depths).all():
        return Space(depths)
    matrix = np.asarray(intrinsics, np.float64)
    plane = _plane(_ring(proposals), depth, matrix)
    if plane is None:
        return Space(depths)
    return _on_plane(proposals, depth, matrix, plane, depths)


def _ring(proposals: Proposals) -> NDArray[np.bool_]:
    """(H, W): what is near a candidate and in none."""
    any_mask = np.asarray(proposals.masks.any(0), np.uint8)
    side = 2 * max(1, round(RING * max(any_mask.shape))) + 1
    near = cv2.dilate(any_mask, np.ones((side, side), np.uint8))
    ring: NDArray[np.bool_] = (near > 0) & (any_mask == 0)
    return ring


def _plane(
    ring: NDArray[np.bool_], depth: NDArray[np.float32], intrinsics: Matrix
) -> tuple[Vector, float] | None:
    """Unit normal towards the camera and its distance, of what most points of the ring lie on."""
    points = deproject(ring, depth, intrinsics)
    if len(points) < _POINTS // 10:
        return None
    rng = np.random.default_rng(0)
    points = points[rng.permutation(len(points))[:_POINTS]]
    triples = points[rng.integers(len(points), size=(_TRIES, 3))]
    normals = np.cross(triples[:, 1] - triples[:, 0], triples[:, 2] - triples[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    made = lengths > 1e-6
    normals = normals[made] / lengths[made, None]
    offsets = -(normals * triples[made, 0]).sum(1)
    sign = np.where(offsets < 0, -1.0, 1.0)
    normals, offsets = normals * sign[:, None], offsets * sign
    upright = np.abs(normals[:, 0]) <= UPRIGHT
    if not upright.any():
        return None
    inliers = np.abs(points @ normals[upright].T + offsets[upright]) < ON_PLANE
    best = int(inliers.sum(0).argmax())
    if inliers[:, best].mean() < PLANE_SHARE:
        return None
    return _fitted(points[inliers[:, best]])


def _fitted(points: Matrix) -> tuple[Vector, float]:
    """The plane of least squares, its normal towards the camera."""
    middle = points.mean(0)
    normal = np.linalg.svd(points - middle, full_matrices=False)[2][2]
    offset = float(-normal @ middle)
    return (normal, offset) if offset >= 0 else (-normal, -offset)


def _on_plane(
    proposals: Proposals,
    depth: NDArray[np.float32],
    intrinsics: Matrix,
    plane: tuple[Vector, float],
    depths: Vector,
) -> Space:
    normal, offset = plane
    right = np.array([1.0, 0.0, 0.0]) - normal[0] * normal
    right /= np.linalg.norm(right)
    away = np.cross(right, normal)
    if away[2] < 0 or (abs(away[2]) < 1e-6 and away[1] > 0):
        away = -away
    ground, tall = np.zeros((len(depths), 2)), np.zeros(len(depths))
    for index, mask in enumerate(proposals.masks):
        points = deproject(mask, depth, intrinsics)
        # The middle of the extent: pixels crowd where a thing is near.
        flat = np.stack([points @ right, points @ away], 1)
        low, high = np.percentile(flat, (100 - _TOP_PERCENT, _TOP_PERCENT), axis=0)
        ground[index] = (low + high) / 2
        tall[index] = max(0.0, np.percentile(points @ normal + offset, _TOP_PERCENT))
    return Space(depths, ground, tall)
