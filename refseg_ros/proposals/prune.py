# SPDX-License-Identifier: Apache-2.0
"""Which proposals are kept: the paper's pruning and the corrected one, as pure functions."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from refseg_ros.results import BoolMasks, FloatArray, Proposals, boxes_from_masks

_BLOCKS: Final = 12
"""Parts of the image, at least, in which overlaps are counted."""


def intersections(masks: BoolMasks, boxes: NDArray[np.int64] | None = None) -> FloatArray:
    """Pixels that each pair of masks shares.

    Args:
        masks: (N, H, W) bool.
        boxes: See :func:`overlaps`.

    Returns:
        (N, N) float32, symmetric; the diagonal holds the areas. Exact below 2^24 pixels.
    """
    return overlaps(masks, masks, boxes)


def overlaps(
    masks: BoolMasks, others: BoolMasks, boxes: NDArray[np.int64] | None = None
) -> FloatArray:
    """Pixels that masks share with others.

    Part by part of the image, and there only among what lies there: the time grows with the
    pixels of the boxes rather than with masks times pixels.

    Args:
        masks: (N, H, W) bool.
        others: (N, H, W) bool.
        boxes: (N, 4) half-open x0, y0, x1, y1 that hold a mask and its other; made from both if
            not given.

    Returns:
        (N, N) float32, of mask i and other j. Exact below 2^24 pixels.
    """
    count, height, width = masks.shape
    shared = np.zeros((count, count), np.float32)
    if boxes is None:
        boxes = boxes_from_masks(masks if masks is others else masks | others).astype(np.int64)
    x0, y0, x1, y1 = boxes.T
    edge = math.ceil(math.sqrt(height * width / max(_BLOCKS, count // 2)))
    for top in range(0, height, edge):
        across = np.flatnonzero((y0 < top + edge) & (y1 > top))
        for left in range(0, width, edge) if len(across) else ():
            rows = across[(x0[across] < left + edge) & (x1[across] > left)]
            if len(rows):
                part = np.s_[:, top : top + edge, left : left + edge]
                flat = masks[part][rows].reshape(len(rows), -1).astype(np.float32)
                same = masks is others
                also = flat if same else others[part][rows].reshape(flat.shape).astype(np.float32)
                shared[rows[:, None], rows] += flat @ also.T
    return shared


def drop_contained(masks: BoolMasks, overlap: float) -> NDArray[np.int64]:
    """TAS's "keep the larger" rule.

    Of every pair whose intersection over the smaller area exceeds ``overlap`` the smaller goes
    (of equals, the later). All pairs are judged against the original set: a mask that goes can
    still remove another.

    Args:
        masks: (N, H, W) bool, none empty.
        overlap: In [0, 1]; 0.4 in the paper's release.

    Returns:
        Indices of the masks that stay, ascending.
    """
    if not len(masks):
        return np.zeros(0, np.int64)
    shared = intersections(masks)
    areas = np.diag(shared)
    smallest = np.minimum(areas[:, None], areas[None, :])
    over = shared.astype(np.float64) / smallest > overlap
    order = np.arange(len(masks))
    smaller = (areas[:, None] < areas[None, :]) | (
        (areas[:, None] == areas[None, :]) & (order[:, None] > order[None, :])
    )
    return np.flatnonzero(~(over & smaller).any(1))


def drop_duplicates(masks: BoolMasks, quality: FloatArray, iou: float) -> NDArray[np.int64]:
    """Greedy suppression by mask IoU: contents and containers both stay, copies do not.

    Args:
        masks: (N, H, W) bool, none empty.
        quality: (N,) float32; the better of two copies stays.
        iou: Two masks with a larger IoU are copies of each other; in [0, 1].

    Returns:
        Indices of the masks that stay, best first.
    """
    shared = intersections(masks)
    areas = np.diag(shared)
    kept: list[int] = []
    for index in np.argsort(-quality, kind="stable"):
        union = areas[index] + areas[kept] - shared[index, kept]
        if not (shared[index, kept] > iou * union).any():
            kept.append(int(index))
    return np.asarray(kept, np.int64)


def prune(
    proposals: Proposals, *, min_area: float, max_area: float, overlap: float, duplicate_iou: float
) -> Proposals:
    """Drop what is too small, too large or a copy.

    Args:
        proposals: The network's proposals.
        min_area: Pixels if at least 1, else a fraction of the image.
        max_area: Fraction of the image.
        overlap: See :func:`drop_contained`; used when ``duplicate_iou`` is 1.
        duplicate_iou: See :func:`drop_duplicates`; used when below 1.

    Returns:
        The proposals that stay; none is fine.
    """
    kept = survivors(
        proposals.masks,
        proposals.quality,
        min_area=min_area,
        max_area=max_area,
        overlap=overlap,
        duplicate_iou=duplicate_iou,
    )
    return proposals.keep(kept)


def survivors(
    masks: BoolMasks,
    quality: FloatArray,
    *,
    min_area: float,
    max_area: float,
    overlap: float,
    duplicate_iou: float,
) -> NDArray[np.int64]:
    """Which masks :func:`prune` keeps.

    Args:
        masks: (N, H, W) bool; empty ones go.
        quality: (N,) float32.
        min_area: Pixels if at least 1, else a fraction of the image.
        max_area: Fraction of the image.
        overlap: Used when ``duplicate_iou`` is 1.
        duplicate_iou: Used when below 1.

    Returns:
        Their indices; best first when ``duplicate_iou`` is below 1.
    """
    pixels = masks.shape[1] * masks.shape[2]
    smallest = min_area if min_area >= 1 else min_area * pixels
    areas = np.array([np.count_nonzero(mask) for mask in masks], np.int64)
    sized = np.flatnonzero((areas >= max(smallest, 1)) & (areas <= max_area * pixels))
    if duplicate_iou < 1:
        return sized[drop_duplicates(masks[sized], quality[sized], duplicate_iou)]
    return sized[drop_contained(masks[sized], overlap)]
