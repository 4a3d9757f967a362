# SPDX-License-Identifier: Apache-2.0
"""Measures of a predicted mask against the true one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mask_iou(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks.

    Args:
        predicted: (H, W) bool.
        truth: (H, W) bool.

    Returns:
        In [0, 1]; 1 for two empty masks, which agree that there is nothing.

    Raises:
        ValueError: The shapes differ.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted: shape {predicted.shape} is not that of truth, {truth.shape}")
    union = int(np.count_nonzero(predicted | truth))
    return int(np.count_nonzero(predicted & truth)) / union if union else 1.0
