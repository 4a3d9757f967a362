# SPDX-License-Identifier: Apache-2.0
"""Measures, on masks whose overlaps are counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from refseg_ros.evaluation import mask_iou


def test_iou_counts_pixels() -> None:
    first, second = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    first[:2] = True  # 8 pixels
    second[1:3, :3] = True  # 6 pixels, 3 of them shared: union 11
    assert mask_iou(first, second) == pytest.approx(3 / 11)
    assert mask_iou(first, first) == 1.0
    assert mask_iou(first, ~first) == 0.0


def test_two_empty_masks_agree() -> None:
    nothing = np.zeros((2, 2), bool)
    assert mask_iou(nothing, nothing) == 1.0


def test_masks_of_two_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\) is not that of truth, \(2, 3\)"):
        mask_iou(np.zeros((2, 2), bool), np.zeros((2, 3), bool))
