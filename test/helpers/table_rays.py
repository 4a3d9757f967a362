# SPDX-License-Identifier: Apache-2.0
"""A table seen at an angle, with boxes of known places and heights on it, as a depth image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refseg_ros.results import Proposals

K = np.array([[300.0, 0.0, 160.0], [0.0, 300.0, 120.0], [0.0, 0.0, 1.0]])
HEIGHT, DOWN = 0.6, np.radians(40.0)
# The camera's axes in the table's frame (right, away, up).
X = np.array([1.0, 0.0, 0.0])
Z = np.array([0.0, np.cos(DOWN), -np.sin(DOWN)])
Y = np.array([0.0, -np.sin(DOWN), -np.cos(DOWN)])
Box = tuple[float, float, float, float, float]
BOXES = [
    (-0.10, 0.55, 0.04, 0.0, 0.05),
    (-0.10, 0.75, 0.04, 0.0, 0.05),
    (0.15, 0.65, 0.03, 0.0, 0.16),
]
"""Middle to the right and away, half a side, base and top: behind one another, and a tower."""


def rendered(boxes: Sequence[Box] = BOXES) -> tuple[np.ndarray, Proposals]:
    """Depth image (240, 320) and true masks, by casting a ray through each pixel's middle."""
    columns, rows = np.meshgrid(np.arange(320.0), np.arange(240.0))
    rays = np.stack([(columns - 160) / 300, (rows - 120) / 300, np.ones_like(rows)], -1)
    world = rays @ np.stack([X, Y, Z])
    start = np.array([0.0, 0.0, HEIGHT])
    depth = np.where(world[..., 2] < 0, HEIGHT / np.maximum(-world[..., 2], 1e-9), np.inf)
    owner = np.zeros(depth.shape, int)
    for number, (right, away, half, base, top) in enumerate(boxes, start=1):
        low = np.array([right - half, away - half, base])
        high = np.array([right + half, away + half, top])
        safe = np.where(np.abs(world) < 1e-9, 1e-9, world)
        one, other = (low - start) / safe, (high - start) / safe
        enter, leave = np.minimum(one, other).max(-1), np.maximum(one, other).min(-1)
        hit = (enter < leave) & (enter > 0) & (enter < depth)
        depth, owner = np.where(hit, enter, depth), np.where(hit, number, owner)
    masks = np.stack([owner == number for number in range(1, len(boxes) + 1)])
    return depth.astype(np.float32), Proposals(masks, np.ones(len(boxes), np.float32))
