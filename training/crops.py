# SPDX-License-Identifier: Apache-2.0
"""Region images to learn from: the segmenter's crops, with the faults of its masks, varied."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_ros.matching.crops import blur, region_images
from refseg_ros.results import Proposals
from training.common import Image, Mask

Background = Literal["black", "blur", "full"]

BLUR_KERNEL = 75
_BLUR_REACH = 36  # pixels to which the outermost weights of that kernel round to nothing
_NEIGHBOURHOOD = np.ones((3, 3), np.uint8)


def crop(image: Image, mask: Mask, background: Background, side: int) -> Image:
    """The crop that the segmenter makes of a proposal, resized.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool, not empty.
        background: Outside the mask: black, a blurred copy, or the image as it is.
        side: Pixels.

    Returns:
        (side, side, 3) uint8.
    """
    y0, y1, x0, x1 = bounds(mask, _BLUR_REACH)
    window = np.ascontiguousarray(image[y0:y1, x0:x1])
    behind = window
    if background == "black":
        behind = np.zeros_like(window)
    elif background == "blur":
        behind = blur(window, BLUR_KERNEL)
    proposal = Proposals(mask[None, y0:y1, x0:x1], np.ones(1, np.float32))
    return fit(next(region_images(window, behind, proposal)), side)


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


def vary(
    image: Image, rng: np.random.Generator, *, cutout: bool = False, turn: bool = True
) -> NDArray[np.float64]:
    """Flip, light, colour cast, noise and small turns.

    Args:
        image: (s, s, 3) uint8.
        rng: Source of chance.
        cutout: Leave pure black pixels black, and soften some images.
        turn: Turn some images by up to 14 degrees.

    Returns:
        (s, s, 3) in 0 to 255.
    """
    varied = image.astype(np.float64)
    if rng.random() < 0.5:
        varied = varied[:, ::-1]
    seen = varied.sum(2, keepdims=True) > 0
    varied = varied * rng.uniform(0.75, 1.25) * rng.uniform(0.94, 1.06, 3)
    if cutout and rng.random() < 0.3:
        varied = np.asarray(cv2.GaussianBlur(varied, (3, 3), rng.uniform(0.3, 0.9)), np.float64)
    varied = varied + rng.normal(0, rng.uniform(0, 6), varied.shape)
    if cutout:
        varied = varied * seen
    if turn and rng.random() < 0.4:
        side = image.shape[0]
        matrix = cv2.getRotationMatrix2D(
            (side / 2, side / 2), rng.uniform(-14, 14), rng.uniform(0.85, 1.05)
        )
        varied = np.asarray(cv2.warpAffine(varied, matrix, (side, side)), np.float64)
    return np.clip(varied, 0, 255)


def grow(mask: Mask, side: int = 3) -> Mask:
    """A mask whose edge lies ``side // 2`` pixels too far out."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def shrink(mask: Mask) -> Mask:
    """A mask whose edge lies a pixel too far in; itself where little would be left."""
    eroded = cv2.erode(mask.astype(np.uint8), _NEIGHBOURHOOD) > 0
    return eroded if eroded.sum() > 60 else mask


def coarsen(mask: Mask, rng: np.random.Generator) -> Mask:
    """A mask as a small network draws it, at a third of the resolution; itself if tiny."""
    height, width = mask.shape
    small = cv2.resize(
        mask.astype(np.uint8) * 255, (width // 3, height // 3), interpolation=cv2.INTER_AREA
    )
    level = rng.uniform(90, 165)
    coarse = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR) > level
    return coarse if coarse.sum() >= 60 else mask


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


def part_mask(mask: Mask, rng: np.random.Generator) -> Mask | None:
    """A quarter to a half of an object, cut straight; None where fewer than 80 pixels remain."""
    rows, columns = np.nonzero(mask)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * rows + np.sin(angle) * columns
    chosen = along < np.quantile(along, rng.uniform(0.25, 0.5))
    part = np.zeros_like(mask)
    part[rows[chosen], columns[chosen]] = True
    return part if part.sum() >= 80 else None


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
