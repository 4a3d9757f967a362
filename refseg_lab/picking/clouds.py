# SPDX-License-Identifier: Apache-2.0
"""Clouds of the camera as points of the arm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_RIM = 0.012  # metres between neighbours that belong together, at most


def to_arm(cloud: NDArray[np.floating], camera: Matrix) -> Matrix:
    """(P, 3) finite points in the arm's frame.

    Args:
        cloud: (..., 3) metres in the camera's optical frame.
        camera: (4, 4) pose of the optical frame in the arm's: the hand-eye calibration.
    """
    points = cloud.reshape(-1, 3).astype(np.float64)
    points = points[np.isfinite(points).all(1)]
    placed: Matrix = points @ camera[:3, :3].T + camera[:3, 3]
    return placed


def solid(cloud: NDArray[np.floating]) -> NDArray[np.floating]:
    """An organised cloud without the points at its steps.

    At the rim of a thing a mask or a sensor may take points of what lies behind it.

    Args:
        cloud: (H, W, 3) metres, NaN where there is no point.

    Returns:
        (P, 3) the points that are near all their neighbours that there are.
    """
    near = np.isfinite(cloud).all(-1)
    for axis in (0, 1):
        step = np.linalg.norm(np.diff(cloud, axis=axis), axis=-1) > _RIM
        wide = [(0, 0), (0, 0)]
        for side in ((1, 0), (0, 1)):
            wide[axis] = side
            near &= ~np.pad(step, wide)
    points: NDArray[np.floating] = cloud[near]
    return points
