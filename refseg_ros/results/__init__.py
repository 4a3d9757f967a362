# SPDX-License-Identifier: Apache-2.0
"""What the stages hand to one another: plain, validated data. It imports none of the stages."""

from refseg_ros.results.explanation import (
    Check,
    Condition,
    ConditionKind,
    Explanation,
    Landmark,
    Term,
    Weighing,
)
from refseg_ros.results.proposals import (
    BoolMasks,
    FloatArray,
    Proposals,
    boxes_from_masks,
    centroids_from_masks,
    sums_from_masks,
)
from refseg_ros.results.selection import Candidate, Selection, Status

__all__ = [
    "BoolMasks",
    "Candidate",
    "Check",
    "Condition",
    "ConditionKind",
    "Explanation",
    "FloatArray",
    "Landmark",
    "Proposals",
    "Selection",
    "Status",
    "Term",
    "Weighing",
    "boxes_from_masks",
    "centroids_from_masks",
    "sums_from_masks",
]
