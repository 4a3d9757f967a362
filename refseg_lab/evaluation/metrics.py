# SPDX-License-Identifier: Apache-2.0
"""Measures of predicted masks against true ones, as pure functions of counts and masks.

The names are those of the field (RefCOCO evaluation): mIoU is the mean over expressions, oIoU
(also cIoU) the summed intersections over the summed unions, Pr@X the share with IoU ≥ X.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Mask = NDArray[np.bool_]

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""The IoUs at which precision is reported."""


def overlap(predicted: Mask, truth: Mask) -> tuple[int, int]:
    """Pixels in both masks, and pixels in either.

    Args:
        predicted: (H, W) bool.
        truth: (H, W) bool.

    Raises:
        ValueError: The shapes differ.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted: shape {predicted.shape} is not that of truth, {truth.shape}")
    return int(np.count_nonzero(predicted & truth)), int(np.count_nonzero(predicted | truth))


def mask_iou(predicted: Mask, truth: Mask) -> float:
    """Intersection over union of two masks.

    Args:
        predicted: (H, W) bool.
        truth: (H, W) bool.

    Returns:
        In [0, 1]; 1 for two empty masks, which agree that there is nothing.

    Raises:
        ValueError: The shapes differ.
    """
    intersection, union = overlap(predicted, truth)
    return intersection / union if union else 1.0


def mask_ious(masks: Mask, truth: Mask) -> NDArray[np.float64]:
    """Intersection over union of several masks with one.

    Args:
        masks: (N, H, W) bool.
        truth: (H, W) bool.

    Returns:
        (N,) in [0, 1]; 1 where both are empty.

    Raises:
        ValueError: The shapes differ.
    """
    if masks.ndim != 3 or masks.shape[1:] != truth.shape:
        raise ValueError(f"masks: shape {masks.shape} is not (N, H, W) of truth, {truth.shape}")
    shared = masks[:, truth].sum(1, dtype=np.int64)
    unions = masks.sum((1, 2), dtype=np.int64) + int(np.count_nonzero(truth)) - shared
    return np.divide(shared, unions, out=np.ones(len(masks)), where=unions > 0)


def union_of(masks: Mask) -> Mask:
    """The pixels of any of several masks: a set of objects as one mask.

    Args:
        masks: (N, H, W) bool; none gives an empty mask.
    """
    return np.asarray(masks.any(0), bool)


def mean_iou(ious: ArrayLike) -> float:
    """Mean of the IoUs of (N,) expressions: mIoU.

    Raises:
        ValueError: There are none.
    """
    return float(_some(ious).mean())


def precision_at(ious: ArrayLike, threshold: float) -> float:
    """Share of (N,) expressions whose IoU is at least ``threshold``: Pr@X.

    Raises:
        ValueError: There are none, or the threshold is outside [0, 1].
    """
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"threshold: {threshold} is outside 0 to 1")
    return float((_some(ious) >= threshold).mean())


def overall_iou(intersections: ArrayLike, unions: ArrayLike) -> float:
    """Summed intersections over summed unions of (N,) expressions: oIoU. Large things weigh more.

    Returns:
        In [0, 1]; 1 if all unions are empty.

    Raises:
        ValueError: There are none, or the lengths differ.
    """
    shared, either = _some(intersections), _some(unions)
    if shared.shape != either.shape:
        raise ValueError(f"intersections: {shared.shape} does not fit unions, {either.shape}")
    return float(shared.sum() / either.sum()) if either.sum() else 1.0


def target_accuracy(answered: ArrayLike) -> float:
    """Share of (N,) expressions that have a target and were answered with a mask: T-acc.

    Whether it is the right mask is not asked: ``target_accuracy([True, True, False])`` is 2/3.

    Raises:
        ValueError: There are none.
    """
    return float(_some(answered).mean())


def no_target_accuracy(refused: ArrayLike) -> float:
    """Share of (N,) expressions without a target whose answer is empty on purpose: N-acc.

    An exception is no refusal; give False for it. ``no_target_accuracy([True, False])`` is 0.5.

    Raises:
        ValueError: There are none.
    """
    return float(_some(refused).mean())


def generalised_iou(ious: ArrayLike, refused: ArrayLike = ()) -> float:
    """Mean over expressions with and without a target: gIoU of gRefCOCO.

    ``generalised_iou([0.8, 0.4], [True, False])`` is (0.8 + 0.4 + 1 + 0) / 4 = 0.55.

    Args:
        ious: (N,) of those that have a target.
        refused: (M,) of those that have none: an empty answer counts 1, another 0.

    Raises:
        ValueError: There are none of either.
    """
    return mean_iou(np.concatenate([np.asarray(ious, float), np.asarray(refused, float)]))


def _some(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"values: expected at least one number in a row, got {array.shape}")
    return array
