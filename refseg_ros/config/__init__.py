# SPDX-License-Identifier: Apache-2.0
"""Typed configuration: one frozen dataclass a stage, checked before any model is loaded."""

from refseg_ros.config.methods import ScoreConfig
from refseg_ros.config.segmenter import (
    CLOSENESS,
    PRECISIONS,
    SAM_ARCHITECTURES,
    CaptionConfig,
    ClipConfig,
    DecisionConfig,
    LanguageConfig,
    ProposalConfig,
    SegmenterConfig,
    SpatialConfig,
    preset_names,
)

__all__ = [
    "CLOSENESS",
    "PRECISIONS",
    "SAM_ARCHITECTURES",
    "CaptionConfig",
    "ClipConfig",
    "DecisionConfig",
    "LanguageConfig",
    "ProposalConfig",
    "ScoreConfig",
    "SegmenterConfig",
    "SpatialConfig",
    "preset_names",
]
