# SPDX-License-Identifier: Apache-2.0
"""Parts of scenes, with clicks, as segment-anything's training sees them.

Most are windows of the frame that the network gets when it is used (an image whose longer side is
512 pixels): a quarter of the cost of a whole frame, and the things are as large as they will be.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from refseg_lab.training.common import Image, Mask, Scenes
from refseg_ros.backbones.conv_pyramid import SEED_STRIDE, STRIDE

FRAME = 512
"""Side of the network's square input in pixels; an image's longer side is scaled to it."""
WINDOW = (192, 256)
"""Height and width in pixels of the part of it that most training steps see."""
MASK_STRIDE = 2
_SMALLEST = 50  # pixels in a view of a thing that is clicked on: 80 in an image of 640 x 480

_TOUCHING = 2.0  # how much more often a view is about a thing that touches another


class Prompt(Enum):
    """What is given of a thing."""

    CLICK = 0
    CLICKS = 1
    BOX = 2


@dataclass(frozen=True)
class View:
    """Part of an image with prompts in it; h, w are its height and width, P the prompts.

    Attributes:
        pixels: (3, h, w) float32 RGB in 0 to 255.
        origin: x, y of its first pixel in the network's input, multiples of 8.
        points: (P, 2, 2) float32 x, y of two points of each prompt in pixels of the view: clicks,
            or the corners of a box.
        labels: (P, 2) float32 as segment-anything has them: 1 on the thing, 0 beside it, 2 and 3
            the corners of a box, -1 no point.
        masks: (P, h / 2, w / 2) float32, the share of each cell that the thing covers.
        seeds: (2, h / 4, w / 4) float32: the share of each cell that things cover, and the
            distance to the edge of the thing as a share of its greatest.
        cells: (h / 8, w / 8) int64 instance under the middle of each embedding cell.
    """

    pixels: Tensor
    origin: tuple[int, int]
    points: Tensor
    labels: Tensor
    masks: Tensor
    seeds: Tensor
    cells: Tensor


def random_view(
    scenes: Scenes,
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    prompts: int,
    kind: Prompt,
) -> View:
    """A random part of a random scene about one of its things, flipped, relit and prompted.

    Args:
        scenes: Where it is taken from.
        rng: Source of chance.
        size: Its height and width in pixels of the network's input, multiples of 32.
        prompts: How many; things in the view are chosen in turn. Now and then the last is a
            click beside all things, whose mask is empty.
        kind: What is given of each thing.
    """
    while True:
        row = int(rng.integers(len(scenes)))
        image, instances = _part(scenes, row, size, rng)
        small = np.asarray(
            cv2.resize(instances, size[::-1], interpolation=cv2.INTER_NEAREST), np.uint8
        )
        counts = np.bincount(small.ravel(), minlength=2)
        present = [int(n) for n in np.flatnonzero(counts >= _SMALLEST) if n]
        if present:
            break
    chosen: list[int] = []
    while len(chosen) < prompts:
        chosen += [int(n) for n in rng.permutation(present)]
    chosen = chosen[:prompts]
    if kind is Prompt.CLICK and counts[0] and rng.random() < 0.3:
        chosen[-1] = 0
    depth, shares = _depths(small)
    points, labels = zip(*(_prompt(small, depth, n, kind, rng) for n in chosen), strict=True)
    covered = np.stack([_coverage(instances == n if n else None, size) for n in chosen])
    room = [(FRAME - side) // STRIDE + 1 for side in reversed(size)]
    scaled = np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    lit = relight_view(scaled, rng)
    middle = np.s_[SEED_STRIDE // 2 :: SEED_STRIDE, SEED_STRIDE // 2 :: SEED_STRIDE]
    seeds = np.stack([_coverage(instances > 0, size, SEED_STRIDE), shares[middle]])
    return View(
        torch.from_numpy(lit.transpose(2, 0, 1).astype(np.float32)),
        (int(rng.integers(room[0])) * STRIDE, int(rng.integers(room[1])) * STRIDE),
        torch.tensor(points, dtype=torch.float32),
        torch.tensor(labels, dtype=torch.float32),
        torch.from_numpy(covered),
        torch.from_numpy(seeds),
        torch.from_numpy(small[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].astype(np.int64)),
    )


def _part(
    scenes: Scenes, row: int, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Image, Image]:
    """A part of a scene that shows one of its things, at the scale of use or another."""
    height, width = scenes.instances.shape[1:]
    scale = FRAME / max(height, width)
    if size != (FRAME * height // width, FRAME) and rng.random() < 0.5:
        scale *= float(np.exp(rng.uniform(np.log(0.75), np.log(1.8))))
    rows, columns = min(height, round(size[0] / scale)), min(width, round(size[1] / scale))
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    things = scenes.things[row]
    if things:
        # Small things are as hard as they are rare among the pixels, and what lies on, in or
        # before another thing is the hardest.
        touched = touching(scenes.instances[row, ::4, ::4])
        rarity = np.array([thing.area for thing in things], float) ** -0.3
        rarity *= [1 + _TOUCHING * (thing.instance in touched) for thing in things]
        thing = things[int(rng.choice(len(things), p=rarity / rarity.sum()))]
        found = np.argwhere(scenes.instances[row] == thing.instance)
        at = found[rng.integers(len(found))] - (rng.uniform(0.15, 0.85, 2) * (rows, columns))
        top = int(np.clip(at[0], 0, height - rows))
        left = int(np.clip(at[1], 0, width - columns))
    part = np.s_[row, top : top + rows, left : left + columns]
    image, instances = scenes.images[part], scenes.instances[part]
    if rng.random() < 0.5:
        image, instances = image[:, ::-1], instances[:, ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(instances)


def touching(instances: Image) -> set[int]:
    """The numbers of the things that another thing begins beside.

    Args:
        instances: (H, W) uint8; 0 is background.
    """
    pairs = [(instances[:, :-1], instances[:, 1:]), (instances[:-1], instances[1:])]
    found: set[int] = set()
    for one, other in pairs:
        meet = (one != other) & (one > 0) & (other > 0)
        found.update(one[meet].tolist(), other[meet].tolist())
    return found


def relight_view(image: Image, rng: np.random.Generator) -> Image:
    """Another exposure, colour cast, sharpness and noise.

    Args:
        image: (H, W, 3) uint8.
        rng: Source of chance.
    """
    gains, shift = rng.uniform(0.78, 1.22) * rng.uniform(0.93, 1.07, 3), rng.uniform(-12, 12)
    levels = np.arange(256)[:, None] * gains + shift
    table = np.clip(levels, 0, 255).astype(np.uint8)[:, None]
    lit = cv2.LUT(image, np.ascontiguousarray(table.transpose(1, 0, 2)))
    if rng.random() < 0.2:
        lit = cv2.GaussianBlur(lit, (3, 3), rng.uniform(0.3, 0.9))
    if rng.random() < 0.3:
        noise = rng.integers(-9, 10, lit.shape, np.int8).astype(np.int16)
        lit = np.clip(lit + noise * rng.uniform(0.1, 1.0), 0, 255).astype(np.uint8)
    return np.asarray(lit, np.uint8)


def _depths(instances: Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The distance of each pixel to the edge of its thing, and its share of the greatest one.

    The edge of the view is not one: things go on beyond it.
    """
    padded = cv2.copyMakeBorder(instances, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    inner = padded[1:-1, 1:-1]
    inside = inner > 0
    for shifted in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        inside &= shifted == inner
    edges = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 3)
    depth = np.asarray(edges + (inner > 0), np.float32)
    greatest = np.zeros(256, np.float32)
    np.maximum.at(greatest, instances.ravel(), depth.ravel())
    return depth, np.asarray(depth / np.maximum(greatest, 1)[instances], np.float32)


def _prompt(
    instances: Image,
    depth: NDArray[np.float32],
    number: int,
    kind: Prompt,
    rng: np.random.Generator,
) -> tuple[list[tuple[float, float]], list[float]]:
    """Two points and their labels for a thing, or a click beside all."""
    mask = np.asarray(instances == number)
    rows, columns = np.nonzero(mask)
    if kind is Prompt.BOX:
        left, right = float(columns.min()), float(columns.max() + 1)
        top, bottom = float(rows.min()), float(rows.max() + 1)
        x0, x1 = rng.normal((left, right), 0.04 * (right - left))
        y0, y1 = rng.normal((top, bottom), 0.04 * (bottom - top))
        return [(x0, y0), (x1, y1)], [2.0, 3.0]
    first = _click(rows, columns, depth[mask] if number else None, rng)
    if kind is Prompt.CLICK:
        return [first, (0.0, 0.0)], [1.0, -1.0]
    if rng.random() < 0.35:
        return [first, _click(rows, columns, None, rng)], [1.0, 1.0]
    near = cv2.dilate(mask.astype(np.uint8), np.ones((25, 25), np.uint8)).astype(bool) & ~mask
    if not near.any():
        return [first, (0.0, 0.0)], [1.0, -1.0]
    others = np.unique(instances[near & (instances > 0)])
    if len(others) and rng.random() < 0.7:
        other = np.asarray(instances == rng.choice(others))
        rows, columns = np.nonzero(other)
        return [first, _click(rows, columns, depth[other], rng)], [1.0, 0.0]
    rows, columns = np.nonzero(near)
    return [first, _click(rows, columns, None, rng)], [1.0, 0.0]


def _click(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    depth: NDArray[np.float32] | None,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """A random pixel; where depths are given, half of the time one far from the edge."""
    if depth is not None and rng.random() < 0.5:
        deep = depth >= 0.7 * depth.max()
        rows, columns = rows[deep], columns[deep]
    chosen = int(rng.integers(len(rows)))
    return float(columns[chosen]), float(rows[chosen])


def _coverage(
    mask: Mask | None, size: tuple[int, int], stride: int = MASK_STRIDE
) -> NDArray[np.float32]:
    """The share of each cell that a mask covers; none is empty."""
    cells = (size[1] // stride, size[0] // stride)
    if mask is None:
        return np.zeros(cells[::-1], np.float32)
    area = cv2.resize(mask.astype(np.float32), cells, interpolation=cv2.INTER_AREA)
    return np.asarray(area, np.float32)
