# SPDX-License-Identifier: Apache-2.0
"""Masks that are no single whole object, as a proposal may be; and how pictures are resized."""

from __future__ import annotations

import cv2
import numpy as np

from refseg_lab.training.common import Image, Mask


def bounds(mask: Mask, margin: int = 0) -> tuple[int, int, int, int]:
    """Rows from, to and columns from, to of a mask, widened by ``margin`` inside the image."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    y0, x0 = max(0, int(rows[0]) - margin), max(0, int(columns[0]) - margin)
    return y0, int(rows[-1]) + 1 + margin, x0, int(columns[-1]) + 1 + margin


def fit(image: Image, side: int) -> Image:
    """Resize to (side, side, 3): by area when it shrinks, else cubic."""
    shrinks = max(image.shape[:2]) > side
    way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(image), (side, side), interpolation=way))


def background_mask(mask: Mask, instances: Image, rng: np.random.Generator) -> Mask | None:
    """The shape of an object moved to where there is no object.

    Args:
        mask: (H, W) bool, the object.
        instances: (H, W) uint8, 0 where no object is.
        rng: Source of chance.

    Returns:
        (H, W) bool, or None where fewer than 120 pixels of background lie there.
    """
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    rows, columns = rows + int(rng.integers(-150, 150)), columns + int(rng.integers(-200, 200))
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    moved = np.zeros_like(mask)
    moved[rows[inside], columns[inside]] = True
    moved &= instances == 0
    return moved if moved.sum() >= 120 else None


def joined_mask(
    mask: Mask, instance: int, instances: Image, rng: np.random.Generator
) -> Mask | None:
    """An object together with another within 60 pixels; None where there is no other."""
    y0, y1, x0, x1 = bounds(mask, 60)
    near = [number for number in np.unique(instances[y0:y1, x0:x1]) if number not in (0, instance)]
    if not near:
        return None
    other = instances == near[int(rng.integers(len(near)))]
    return np.asarray(mask | other)
