# SPDX-License-Identifier: Apache-2.0
"""Methods of the field by name: each turns any preset into its own way of matching.

A method sets how candidates are scored, what position words do and when to refuse; the networks
stay the preset's, so that two methods on one preset differ in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from refseg_ros.config import (
    DecisionConfig,
    LanguageConfig,
    ScoreConfig,
    SegmenterConfig,
    SpatialConfig,
)
from refseg_ros.config.methods import RefDiffConfig
from refseg_ros.errors import ConfigError


@dataclass(frozen=True)
class Method:
    """A way of matching.

    Attributes:
        what: One line.
        source: Where it was published.
        applied: Makes a configuration the method's, its networks and proposals left alone.
    """

    what: str
    source: str
    applied: Callable[[SegmenterConfig], SegmenterConfig]


def _published(
    score: ScoreConfig, rectifier: bool
) -> Callable[[SegmenterConfig], SegmenterConfig]:
    """As its paper has it: the best candidate, whatever it is."""

    def applied(config: SegmenterConfig) -> SegmenterConfig:
        place = SpatialConfig() if rectifier else SpatialConfig(absolute="off")
        return replace(config, score=score, spatial=place, decision=DecisionConfig())

    return applied


def _ref_diff(
    values: RefDiffConfig,
) -> Callable[[SegmenterConfig], SegmenterConfig]:
    """Ref-Diff as published; at what size the networks see is the preset's."""
    score = ScoreConfig(matcher="ref_diff", positive=0, negative=0, crop="whole")

    def applied(config: SegmenterConfig) -> SegmenterConfig:
        plainly = _published(score, rectifier=False)(config)
        return replace(plainly, ref_diff=replace(values, side=config.ref_diff.side))

    return applied


def _robust(config: SegmenterConfig) -> SegmenterConfig:
    """Scores, relations and logic; what is fitted to networks stays the preset's own."""
    goal = SegmenterConfig.from_preset("tabletop")
    fitted = goal.decision if config.networks == goal.networks else config.decision
    return replace(
        config,
        score=replace(goal.score, centre=config.score.centre),
        spatial=goal.spatial,
        decision=goal.decision.fitted_as(fitted),
        language=LanguageConfig(),
    )


METHODS: Final[Mapping[str, Method]] = {
    "clip_crop": Method(
        "the crop that looks most like the sentence",
        "baseline of all papers",
        _published(ScoreConfig(positive=0, negative=0), rectifier=False),
    ),
    "global_local": Method(
        "crop and mask within the image mixed, sentence and noun phrase mixed",
        "Global-Local CLIP, Yu et al., CVPR 2023",
        _published(
            ScoreConfig(matcher="global_local", positive=0, negative=0, crop="squashed"),
            rectifier=False,
        ),
    ),
    "ref_diff": Method(
        "attention of a diffusion network, and CLIP on a picture that fades away from the place",
        "Ref-Diff, Ni et al., 2023",
        _ref_diff(RefDiffConfig()),
    ),
    "ref_diff_released": Method(
        "the same as its code has it: attention before the softmax, the 10 largest candidates",
        "Ref-Diff, released code",
        _ref_diff(RefDiffConfig(procedure="released", alpha=0.05 / 1.05, largest=10)),
    ),
    "ref_diff_free": Method(
        "the same without proposals: its candidates are the attention, cut at 19 heights",
        "Ref-Diff without a segmentor",
        _ref_diff(RefDiffConfig(free=True)),
    ),
    "tas": Method(
        "crop, caption and distractors weighed, then the half or quadrant that is named",
        "TAS, Suo et al., EMNLP Findings 2023",
        _published(ScoreConfig(), rectifier=True),
    ),
    "robust": Method(
        "TAS with its defects mended, relations, orders, sets and refusal",
        "refseg_ros",
        _robust,
    ),
}
"""Every method by name, simplest first."""


def with_method(config: SegmenterConfig, name: str) -> SegmenterConfig:
    """A configuration with another method.

    Args:
        config: Whose networks and proposals are kept.
        name: One of :data:`METHODS`; "" leaves everything as it is.

    Returns:
        The configuration, named after both.

    Raises:
        ConfigError: There is no such method.
    """
    if not name:
        return config
    if name not in METHODS:
        raise ConfigError(f"method: {name!r} is not one of {', '.join(METHODS)}")
    return replace(METHODS[name].applied(config), name=f"{config.name} with {name}")
