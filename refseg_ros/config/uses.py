# SPDX-License-Identifier: Apache-2.0
"""Which networks a configuration asks."""

from __future__ import annotations

from refseg_ros.config.segmenter import SegmenterConfig


def uses_captions(config: SegmenterConfig) -> bool:
    """Whether any score or decision of a configuration needs a captioner."""
    score = config.score
    return bool(score.positive or score.negative or config.decision.caption_match)


def captions_as_needed(config: SegmenterConfig) -> bool:
    """Whether captions wait for a sentence that needs them: what they change is bounded by P."""
    score = config.score
    bounded = score.matcher == "tas" and score.normalise == "logits" and score.text == "sentence"
    bounded = bounded and not (score.negative and score.distractors == "regions")
    bounded = bounded and not (config.decision.caption_match or config.proposals.asks_nouns)
    return config.captions.when == "needed" and bool(score.positive) and bounded


def uses_diffusion(config: SegmenterConfig) -> bool:
    """Whether the method of a configuration asks a diffusion network."""
    return config.score.matcher == "ref_diff"


def uses_proposals(config: SegmenterConfig) -> bool:
    """Whether candidates come from a network for masks, not from outside nor from attention."""
    free = uses_diffusion(config) and config.ref_diff.free
    return bool(config.proposals.checkpoint or config.proposals.detector) and not free
