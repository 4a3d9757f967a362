# SPDX-License-Identifier: Apache-2.0
"""A fresh outline of a thing near where it is expected, from a part of the picture."""

from __future__ import annotations

from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_ros.proposals.refine import refined
from refseg_ros.proposals.seeds import SeedProposer
from refseg_ros.results import Proposals, boxes_from_masks

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_SOFT: Final = 3.0  # pixels within which colours may move the outline of a moved mask


class Outliner(Protocol):
    """Masks at points of a part of a picture."""

    @property
    def side(self) -> int:
        """Pixels to which the longer side of a whole picture is brought."""
        ...

    def outlines(self, image: Image, points: NDArray[np.float32], side: int) -> Proposals:
        """Masks at (N, 2) points x, y; see :meth:`.SeedProposer.outlines`."""
        ...


def outliner_of(proposer: object) -> Outliner | None:
    """The network of a segmenter that draws outlines at points cheaply, if it has one."""
    return proposer if isinstance(proposer, SeedProposer) else None


def overlap(one: Mask, other: Mask) -> float:
    """IoU of two masks; 0 if both are empty."""
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 0.0


def part_around(mask: Mask, least: int) -> tuple[slice, slice]:
    """Rows and columns of a square about a mask, as far as the picture reaches."""
    x0, y0, x1, y1 = (int(value) for value in boxes_from_masks(mask[None])[0])
    half = max(least, 2 * max(x1 - x0, y1 - y0)) // 2
    spans = []
    for middle, most in (((y0 + y1) // 2, mask.shape[0]), ((x0 + x1) // 2, mask.shape[1])):
        start = max(0, min(middle - half, most - 2 * half))
        spans.append(slice(start, min(most, start + 2 * half)))
    return spans[0], spans[1]


def fresh(
    image: Image, expected: Mask, whole: Mask, outliner: Outliner | None, window: int
) -> tuple[Mask, float]:
    """The outline that fits an expected mask best.

    Args:
        image: (H, W, 3) uint8 RGB.
        expected: (H, W) bool, somewhere true.
        whole: (H, W) bool, all of the thing where nothing hides it; of outlines, the one is taken
            that fits both best.
        outliner: Draws masks at the middle of what is expected; without it the expected mask's own
            outline is brought to where the colours change.
        window: Least pixels along each side of the part that is looked at.

    Returns:
        (H, W) bool, and its IoU with the expected mask; empty and 0 if there is none.
    """
    part = part_around(expected, window)
    image, inside = np.ascontiguousarray(image[part]), expected[part]
    found = np.zeros_like(expected)
    if outliner is None:
        depth = _depth(inside) - _depth(~inside)
        found[part] = refined(image, np.clip(depth / _SOFT, -1.5, 1.5)) > 0
        return found, overlap(found, expected)
    share = max(image.shape[:2]) / max(expected.shape)
    masks = outliner.outlines(image, _clicks(inside), max(32, round(share * outliner.side))).masks
    if not len(masks):
        return found, 0.0
    fits = [overlap(mask, inside) for mask in masks]
    best = int(np.argmax(fits + np.array([overlap(mask, whole[part]) for mask in masks])))
    found[part] = masks[best]
    return found, fits[best]


def _depth(mask: Mask) -> NDArray[np.float32]:
    """(H, W) float32 pixels to the mask's edge, 0 outside; the picture's border is an edge."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1], np.float32)


def _clicks(mask: Mask) -> NDArray[np.float32]:
    """(2, 2) x, y: the deepest point of a mask, and the deepest far from it."""
    depth = _depth(mask)
    first = np.unravel_index(int(depth.argmax()), depth.shape)
    rows, columns = np.indices(depth.shape)
    far = np.hypot(rows - first[0], columns - first[1]) > depth[first]
    second = np.unravel_index(int(np.where(far, depth, 0).argmax()), depth.shape)
    if not mask[second]:
        second = first
    return np.array([first[::-1], second[::-1]], np.float32)
