# SPDX-License-Identifier: Apache-2.0
"""Points of masked pixels that have a depth, and where most of them lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refseg_ros.errors import ImageError
from refseg_ros.geometry.lens import Lens

MIN_POINTS = 10
"""Fewer pixels with a depth do not make a position."""

# Depth pixels at a mask's rim often belong to the background: extents leave them out.
_RIM_PERCENT = 5.0


@dataclass(frozen=True)
class Target:
    """The visible part of one thing.

    Attributes:
        position: (3,) float64 median point in metres.
        extent: (3,) float64 size along each axis in metres, between the 5th and 95th percentile.
        points: Number of mask pixels with a depth.
    """

    position: NDArray[np.float64]
    extent: NDArray[np.float64]
    points: int

    @property
    def distance(self) -> float:
        """Metres from the camera to ``position``."""
        return float(np.linalg.norm(self.position))


def deproject(
    mask: NDArray[np.bool_],
    depth: NDArray[np.float32],
    intrinsics: NDArray[np.float64],
    lens: Lens | None = None,
) -> NDArray[np.float64]:
    """Points of the masked pixels that have a depth.

    Args:
        mask: (H, W) bool.
        depth: (H, W) float32 metres along the optical axis; 0, NaN and infinity are unknown.
        intrinsics: (3, 3) float64 camera matrix in pixels.
        lens: Distortion of an image that is not rectified.

    Returns:
        (P, 3) float64 ``x, y, z`` in metres, in the order of the pixels.

    Raises:
        ValueError: Mask and depth differ in size.
    """
    points = _placed(mask, depth, intrinsics, lens)[2]
    return points if lens is None else points[np.isfinite(points).all(1)]


def _placed(
    mask: NDArray[np.bool_],
    depth: NDArray[np.float32],
    intrinsics: NDArray[np.float64],
    lens: Lens | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Rows and columns of masked pixels with a depth, and their points; NaN without a ray."""
    if mask.shape != depth.shape:
        raise ValueError(f"depth: expected the mask's size {mask.shape}, got {depth.shape}")
    rows, columns = np.nonzero(mask & known(depth))
    z = depth[rows, columns].astype(np.float64)
    if lens is not None:
        rays = lens.straightened(np.stack([columns, rows], 1), intrinsics)
        z[~np.isfinite(rays).all(1)] = np.nan
        return rows, columns, np.concatenate([rays * z[:, None], z[:, None]], 1)
    x = (columns - intrinsics[0, 2]) / intrinsics[0, 0] * z
    y = (rows - intrinsics[1, 2]) / intrinsics[1, 1] * z
    return rows, columns, np.stack([x, y, z], axis=1)


def organised_cloud(
    mask: NDArray[np.bool_],
    depth: NDArray[np.float32],
    intrinsics: NDArray[np.float64],
    lens: Lens | None = None,
) -> NDArray[np.float32]:
    """Points of the masked pixels, each at its pixel.

    Args:
        mask: (H, W) bool; all true for the whole scene.
        depth: (H, W) float32 metres; 0, negative, NaN and infinity are unknown.
        intrinsics: (3, 3) float64 camera matrix in pixels.
        lens: Distortion of an image that is not rectified.

    Returns:
        (H, W, 3) float32 ``x, y, z`` in metres, NaN outside the mask and where no depth is known.

    Raises:
        ValueError: Mask and depth differ in size.
    """
    rows, columns, points = _placed(mask, depth, intrinsics, lens)
    cloud = np.full((*mask.shape, 3), np.nan, np.float32)
    cloud[rows, columns] = points
    return cloud


def known(depth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(H, W) bool: where a depth image in metres holds a depth."""
    valid: NDArray[np.bool_] = np.isfinite(depth) & (depth > 0)
    return valid


def rotation_from_quaternion(x: float, y: float, z: float, w: float) -> NDArray[np.float64]:
    """(3, 3) rotation matrix of a quaternion of any length but 0.

    Raises:
        ImageError: It has no length, or a part is not finite.
    """
    length = float(np.sqrt(x * x + y * y + z * z + w * w))
    if not (np.isfinite(length) and length > 1e-9):
        raise ImageError(f"rotation: ({x}, {y}, {z}, {w}) is not a quaternion")
    axis, w = np.array([x, y, z]) / length, w / length
    cross = np.cross(np.eye(3), axis)
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


def locate(
    mask: NDArray[np.bool_],
    depth: NDArray[np.float32],
    intrinsics: NDArray[np.float64],
    lens: Lens | None = None,
) -> Target | None:
    """Position and size of the visible part of a masked thing.

    Args:
        mask: (H, W) bool.
        depth: (H, W) float32 metres; 0, NaN and infinity are unknown.
        intrinsics: (3, 3) float64 camera matrix in pixels.
        lens: Distortion of an image that is not rectified.

    Returns:
        The target, or None if fewer than :data:`MIN_POINTS` pixels have a depth.

    Raises:
        ValueError: Mask and depth differ in size.
    """
    points = deproject(mask, depth, intrinsics, lens)
    if len(points) < MIN_POINTS:
        return None
    low, high = np.percentile(points, (_RIM_PERCENT, 100.0 - _RIM_PERCENT), axis=0)
    return Target(np.median(points, axis=0), high - low, len(points))
