# SPDX-License-Identifier: Apache-2.0
"""The plane that things stand on, by RANSAC (Fischler and Bolles, 1981) with a fixed seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

RING: Final = 0.03
"""Width of the ring around things whose pixels show the table, in longer sides."""
ON_PLANE: Final = 0.012
"""Metres from the plane within which a point lies on it."""
PLANE_SHARE: Final = 0.4
"""Share of the points that must lie on a plane for it to be what things stand on."""
UPRIGHT: Final = 0.5
"""Largest share of a table's normal that may point sideways in the picture: 30 degrees of roll."""
_POINTS: Final = 1500
_TRIES: Final = 120


@dataclass(frozen=True)
class Plane:
    """A plane in front of the camera.

    Attributes:
        normal: (3,) float64 unit vector towards the camera.
        offset: Metres from the plane to the camera, not negative.
    """

    normal: Vector
    offset: float

    def heights(self, points: Matrix) -> Vector:
        """(P,) metres above the plane, towards the camera, of (P, 3) points."""
        heights: Vector = points @ self.normal + self.offset
        return heights


def ring_around(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What lies near masks and in none.

    Args:
        masks: (N, H, W) bool, or (H, W) of one thing.

    Returns:
        (H, W) bool, :data:`RING` wide.
    """
    covered = np.asarray(masks.any(0) if masks.ndim == 3 else masks, np.uint8)
    side = 2 * max(1, round(RING * max(covered.shape))) + 1
    near = cv2.dilate(covered, np.ones((side, side), np.uint8))
    ring: NDArray[np.bool_] = (near > 0) & (covered == 0)
    return ring


def find_plane(points: Matrix, up: Vector | None = None) -> Plane | None:
    """The plane that most points lie on.

    Args:
        points: (P, 3) float64 metres in the optical frame.
        up: (3,) unit vector away from the table, where a frame of the robot tells it; without it
            the picture is taken to be held upright, within :data:`UPRIGHT`.

    Returns:
        The plane of least squares through the largest set that agrees; None with fewer than 150
        points, or if fewer than :data:`PLANE_SHARE` of them agree.
    """
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
    # A picture says little of where up is, a frame of the robot all.
    sideways = np.abs(normals[:, 0])
    if up is not None:
        sideways = np.linalg.norm(np.cross(normals, up), axis=1)
    upright = sideways <= UPRIGHT
    if not upright.any():
        return None
    inliers = np.abs(points @ normals[upright].T + offsets[upright]) < ON_PLANE
    best = int(inliers.sum(0).argmax())
    if inliers[:, best].mean() < PLANE_SHARE:
        return None
    return _fitted(points[inliers[:, best]])


def _fitted(points: Matrix) -> Plane:
    """The plane of least squares, its normal towards the camera."""
    middle = points.mean(0)
    normal = np.linalg.svd(points - middle, full_matrices=False)[2][2]
    offset = float(-normal @ middle)
    return Plane(normal, offset) if offset >= 0 else Plane(-normal, -offset)
