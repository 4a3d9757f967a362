# SPDX-License-Identifier: Apache-2.0
"""Depth images of scenes without OpenGL, and what a depth camera makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.rasteriser import DEPTH_STEPS, covered_pixels, triangles
from refseg_lab.simulation.scene import SceneSpec


def depth_image(spec: SceneSpec, width: int, height: int) -> NDArray[np.float32]:
    """Depth of objects and table top at the middles of pixels.

    Args:
        spec: the scene; only its objects, its camera and the size of its table matter.
        width: width of the picture in pixels.
        height: height of the picture in pixels.

    Returns:
        (H, W) float32 metres along the optical axis; 0 beside the table.
    """
    pose, intrinsics = spec.camera.pose(), spec.camera.intrinsics(width, height)
    nearest = _table(spec, pose, intrinsics, width, height).ravel()
    for item in spec.objects:
        corners = triangles(item, pose)
        for pixels, steps in covered_pixels(corners, intrinsics, width, height):
            np.maximum.at(nearest, pixels, steps / DEPTH_STEPS)
    depth = np.divide(1.0, nearest, out=np.zeros_like(nearest), where=nearest > 0)
    return depth.reshape(height, width).astype(np.float32)


def _table(
    spec: SceneSpec,
    pose: NDArray[np.float64],
    intrinsics: NDArray[np.float64],
    width: int,
    height: int,
) -> NDArray[np.float64]:
    """(H, W) inverse depth of the table top, 0 beside it."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([columns, rows, np.ones_like(rows)], -1)
    rays = pixels @ np.linalg.inv(intrinsics).T @ pose[:3, :3].T
    inverse = np.maximum(0.0, -rays[..., 2] / pose[2, 3])
    reach = np.divide(1.0, inverse, out=np.full_like(inverse, np.inf), where=inverse > 1e-6)
    with np.errstate(invalid="ignore"):
        hit = pose[:2, 3] + rays[..., :2] * reach[..., None]
    return np.where((np.abs(hit) <= spec.table_size).all(-1), inverse, 0.0)


@dataclass(frozen=True)
class RangeSpec:
    """What a depth camera does to depth; the defaults are of the kind of a structured-light one.

    Attributes:
        noise: standard deviation in metres at one metre, growing with the square of the distance.
        holes: share of the pixels without a depth.
        mixing: pixels across which the depths at a rim are mixed, odd; 1 is none.
        step: metres to which depths are rounded.
    """

    noise: float = 0.0015
    holes: float = 0.05
    mixing: int = 3
    step: float = 0.001

    def __post_init__(self) -> None:
        if self.noise < 0 or self.step <= 0 or not 0 <= self.holes < 1:
            raise ValueError(f"noise >= 0, step > 0 and holes in 0..1 are needed, got {self}")
        if self.mixing < 1 or self.mixing % 2 == 0:
            raise ValueError(f"mixing must be an odd number of pixels, got {self}")


def ranged(
    depth: NDArray[np.float32], sensor: RangeSpec, rng: np.random.Generator
) -> NDArray[np.float32]:
    """A depth image as a sensor gives it.

    Args:
        depth: (H, W) float32 metres, 0 where there is none.
        sensor: what is done to it.
        rng: source of the noise.

    Returns:
        (H, W) float32 metres, 0 where there is none.
    """
    mixed = cv2.blur(depth, (sensor.mixing, sensor.mixing))
    noisy = mixed + rng.standard_normal(depth.shape) * sensor.noise * depth**2
    noisy = np.rint(noisy / sensor.step) * sensor.step
    seen = (depth > 0) & (rng.random(depth.shape) >= sensor.holes)
    return np.where(seen, noisy, 0.0).astype(np.float32)
