# SPDX-License-Identifier: Apache-2.0
"""Region images of windows: the segmenter's crops, with the faults of its masks, varied.

A crop is one affine sampling of a window, whatever is turned, mirrored and resized; light and
noise are done for a whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_lab.training.bank import BEHIND, SIDE, Bank
from refseg_lab.training.common import Image, Mask
from refseg_lab.training.light import relight
from refseg_lab.training.vocabulary import Kind, Meaning

Background = Literal["black", "blur", "full"]

_TURN = 14.0  # degrees
_FEWEST = 60  # pixels of a window, below which a fault would leave nothing to see


def random_crop(
    bank: Bank, index: int, background: Background, side: int, rng: np.random.Generator
) -> tuple[Image, Meaning]:
    """A varied crop of a window, and what it shows.

    One in twenty-five windows of an object is cut down to a part of it. One in four gets other
    hues, and its colour counts as unknown: so shapes are learnt in colours that no object of
    that category has.

    Args:
        bank: The windows.
        index: Which.
        background: Outside the mask.
        side: Pixels of the crop.
        rng: Source of chance.

    Returns:
        (side, side, 3) uint8, and the meaning.
    """
    shown, window = bank.meaning(index), bank.windows[index]
    mask = window[..., 3] > 127
    if shown.kind == Kind.OBJECT:
        chance = rng.random()
        if chance < 0.04:
            part = cut(mask, rng.uniform(0.2, 0.35), rng)
            if part is not None:
                mask, shown = part, shown._replace(kind=int(Kind.PART))
        else:
            mask = faulty(mask, float(bank.rows[index, 3]), rng)
    angle = rng.uniform(-_TURN, _TURN) if rng.random() < 0.4 else 0.0
    mirrored = bool(rng.random() < 0.5)
    taken = sample(window, bank.behind[index], mask, background, side, angle, mirrored)
    if shown.kind == Kind.OBJECT and rng.random() < 0.25:
        taken, shown = other_hues(taken, rng), shown._replace(colour=-1)
    return taken, shown


def other_hues(image: Image, rng: np.random.Generator) -> Image:
    """Turn the hues of an image by at least 30 degrees, or (one in four) take them out."""
    hues = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    if rng.random() < 0.25:
        hues[..., 1] = hues[..., 1] * rng.uniform(0, 0.3)
    else:
        # OpenCV has 180 steps for the circle.
        hues[..., 0] = (hues[..., 0].astype(int) + int(rng.integers(15, 166))) % 180
    return np.asarray(cv2.cvtColor(hues, cv2.COLOR_HSV2RGB), np.uint8)


def faulty(mask: Mask, scale: float, rng: np.random.Generator) -> Mask:
    """A mask with one of the faults of a network's masks, or none.

    Args:
        mask: (96, 96) bool.
        scale: Pixels of the picture for each of the window.
        rng: Source of chance.
    """
    chance = rng.random()
    if chance < 0.2:
        return spread(mask, rng.uniform(0.5, 2.5) / scale)
    if chance < 0.36:
        return spread(mask, -rng.uniform(0.5, 1.8) / scale)
    if chance < 0.52:
        return coarsen(mask, rng.uniform(2.0, 4.5) / scale, rng)
    if chance < 0.66:
        # What stands before a thing hides some of it.
        kept = cut(mask, rng.uniform(0.55, 0.92), rng)
        return mask if kept is None else kept
    return mask


def spread(mask: Mask, distance: float) -> Mask:
    """A mask whose edge lies ``distance`` pixels too far out (in, where it is negative)."""
    radius = max(1, round(abs(distance)))
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    way = cv2.dilate if distance > 0 else cv2.erode
    moved = way(mask.astype(np.uint8), around) > 0
    return moved if moved.sum() >= _FEWEST else mask


def coarsen(mask: Mask, cell: float, rng: np.random.Generator) -> Mask:
    """A mask as a small network draws it, on cells of this many pixels; unchanged if tiny."""
    side = mask.shape[0]
    fewer = max(8, min(side, round(side / max(cell, 1.0))))
    small = cv2.resize(mask.astype(np.uint8) * 255, (fewer, fewer), interpolation=cv2.INTER_AREA)
    level = rng.uniform(90, 165)
    coarse = cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR) > level
    return coarse if coarse.sum() >= _FEWEST else mask


def cut(mask: Mask, share: float, rng: np.random.Generator) -> Mask | None:
    """That share of a mask on one side of a straight line; None where too little would be left."""
    rows, columns = np.nonzero(mask)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * rows + np.sin(angle) * columns
    chosen = along <= np.partition(along, (k := int(share * (len(along) - 1))))[k]
    kept = np.zeros_like(mask)
    kept[rows[chosen], columns[chosen]] = True
    return kept if kept.sum() >= _FEWEST else None


def sample(
    window: NDArray[np.uint8],
    behind: Image,
    mask: Mask,
    background: Background,
    side: int,
    angle: float = 0.0,
    mirrored: bool = False,
) -> Image:
    """The crop that the segmenter would make of a mask, had the picture been turned.

    Args:
        window: (96, 96, 4) uint8.
        behind: (24, 24, 3) uint8, its blurred copy.
        mask: (96, 96) bool, not empty.
        background: Outside the mask: black, the blurred copy, or the window as it is.
        side: Pixels of the crop.
        angle: Degrees by which the picture is turned.
        mirrored: Left for right.

    Returns:
        (side, side, 3) uint8: the tight box of the turned mask, padded with black to a square.
    """
    turn = np.deg2rad(angle)
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if mirrored:
        linear[0] *= -1
    points = cv2.findNonZero(mask.astype(np.uint8))[:, 0] @ linear.T
    low, high = points.min(0) - 0.5, points.max(0) + 0.5
    zoom = side / (high - low).max()
    centre = (low + high) / 2
    matrix = np.empty((2, 3))
    matrix[:, :2] = zoom * linear
    matrix[:, 2] = side / 2 - 0.5 - zoom * centre
    size = (side, side)
    seen = np.asarray(cv2.warpAffine(np.ascontiguousarray(window[..., :3]), matrix, size))
    if background != "full":
        inside = cv2.warpAffine(mask.astype(np.uint8) * 255, matrix, size) > 127
        other = np.zeros_like(seen)
        if background == "blur":
            other = _warp_reduced(behind, matrix, size)
        seen = np.where(inside[..., None], seen, other)
    spare = np.round((side - zoom * (high - low)) / 2).astype(int).clip(0)
    seen[: spare[1]] = 0
    seen[side - spare[1] :] = 0
    seen[:, : spare[0]] = 0
    seen[:, side - spare[0] :] = 0
    return np.asarray(seen, np.uint8)


def _warp_reduced(behind: Image, matrix: NDArray[np.float64], size: tuple[int, int]) -> Image:
    times = SIDE / BEHIND
    reduced = matrix.copy()
    reduced[:, :2] *= times
    # Centres of pixels: the first of the reduced copy lies between those of the window.
    reduced[:, 2] += matrix[:, :2] @ np.full(2, (times - 1) / 2)
    warped = cv2.warpAffine(
        behind, reduced, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)


def seen_elsewhere(
    images: Sequence[Image], shown: Sequence[Meaning], rng: np.random.Generator, wide: float
) -> tuple[NDArray[np.float32], list[Meaning]]:
    """Crops as other lamps and cameras show them, see :mod:`.light`, and :func:`vary` them.

    Args:
        images: N of (s, s, 3) uint8.
        shown: What they show.
        rng: Source of chance.
        wide: Share of them in other light than the renderer's.

    Returns:
        (N, s, s, 3) float32 in 0 to 255, and what they show: where the light makes a colour look
        like another one, it is not known.
    """
    lit, kept = relight(np.stack(images), rng, wide)
    told = zip(shown, kept, strict=True)
    return vary(lit, rng), [
        meaning if keeps else meaning._replace(colour=-1) for meaning, keeps in told
    ]


def vary(
    images: Sequence[Image] | NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Light, colour cast, softness and noise; what is purely black stays so.

    Args:
        images: N of (s, s, 3) uint8.
        rng: Source of chance.

    Returns:
        (N, s, s, 3) float32 in 0 to 255.
    """
    stack = np.stack([_soften(image, rng) for image in images]).astype(np.float32)
    count = len(stack)
    gains = rng.uniform(0.75, 1.25, (count, 1)) * rng.uniform(0.94, 1.06, (count, 3))
    varied = stack * gains[:, None, None].astype(np.float32)
    noise = rng.standard_normal(stack.shape, np.float32)
    noise *= rng.uniform(0, 6, (count, 1, 1, 1)).astype(np.float32)
    varied = (varied + noise) * stack.any(3, keepdims=True)
    return np.asarray(np.clip(varied, 0, 255), np.float32)


def _soften(image: Image, rng: np.random.Generator) -> Image:
    if rng.random() < 0.7:
        return image
    soft = cv2.GaussianBlur(image, (3, 3), rng.uniform(0.3, 0.9))
    # The black around a cut-out is no light that could bleed in.
    return np.where(image.any(2, keepdims=True), soft, 0).astype(np.uint8)
