# SPDX-License-Identifier: Apache-2.0
"""Space: the paper's rectifier and what goes beyond it; functions of weights and geometry."""

from __future__ import annotations

from refseg_ros.spatial.placing import Placing, place
from refseg_ros.spatial.position import position_prior, rank_extreme, size_prior
from refseg_ros.spatial.rectifier import Rectification, rectify
from refseg_ros.spatial.relations import SUPPORTED, relate, relation_support

__all__ = [
    "SUPPORTED",
    "Placing",
    "Rectification",
    "place",
    "position_prior",
    "rank_extreme",
    "rectify",
    "relate",
    "relation_support",
    "size_prior",
]
