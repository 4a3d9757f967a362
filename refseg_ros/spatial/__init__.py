# SPDX-License-Identifier: Apache-2.0
"""Space: the paper's rectifier and what goes beyond it; functions of weights and geometry."""

from __future__ import annotations

from refseg_ros.spatial.layout import Layout
from refseg_ros.spatial.likeness import Likeness
from refseg_ros.spatial.placing import Placing, place
from refseg_ros.spatial.position import position_prior, size_prior
from refseg_ros.spatial.rectifier import Rectification, rectify, rectify_released
from refseg_ros.spatial.relations import relation_support
from refseg_ros.spatial.weighing import Weigher

__all__ = [
    "Layout",
    "Likeness",
    "Placing",
    "Rectification",
    "Weigher",
    "place",
    "position_prior",
    "rectify",
    "rectify_released",
    "relation_support",
    "size_prior",
]
