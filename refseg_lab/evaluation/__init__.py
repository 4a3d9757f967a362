# SPDX-License-Identifier: Apache-2.0
"""How well answers agree with the truth: measures, benchmarks, tables and pages of pictures.

Importing it loads no network; ``docs/benchmark.md`` defines every figure.
"""

from __future__ import annotations

from refseg_lab.evaluation.metrics import (
    mask_iou,
    mask_ious,
    mean_iou,
    overall_iou,
    precision_at,
)

__all__ = ["mask_iou", "mask_ious", "mean_iou", "overall_iou", "precision_at"]
