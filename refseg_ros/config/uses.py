# SPDX-License-Identifier: Apache-2.0
"""Which networks a configuration asks."""

from __future__ import annotations

from refseg_ros.config.segmenter import SegmenterConfig


def uses_captions(config: SegmenterConfig) -> bool:
    """Whether any score or decision of a configuration needs a captioner."""
    score = config.score
    return bool(score.positive or score.negative or config.decision.caption_match)


def uses_diffusion(config: SegmenterConfig) -> bool:
    """Whether the method of a configuration asks a diffusion network."""
    return config.score.matcher == "ref_diff"


def uses_proposals(config: SegmenterConfig) -> bool:
    """Whether candidates come from a network for masks, not from outside nor from attention."""
    free = uses_diffusion(config) and config.ref_diff.free
    return bool(config.proposals.checkpoint or config.proposals.detector) and not free
