# SPDX-License-Identifier: Apache-2.0
"""A decision belongs to the networks that it was fitted with."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import pytest
from hand_made import Blocks, Captioner, Clip, segmenter

from refseg_ros import Segmenter
from refseg_ros.backbones.device import Device
from refseg_ros.config import SegmenterConfig, preset_names
from refseg_ros.methods.catalogue import with_method
from refseg_ros.results import Status

TABLETOP = SegmenterConfig.from_preset("tabletop")
PUBLISHED = sorted(set(preset_names()) - {"tabletop", "tabletop_paper", "given"})


@pytest.mark.parametrize("preset", PUBLISHED)
def test_robust_takes_no_threshold_along_to_other_networks(preset: str) -> None:
    own = SegmenterConfig.from_preset(preset)
    robust = with_method(own, "robust")
    assert robust.decision.min_match == own.decision.min_match == -math.inf
    assert (robust.decision.score_slope, robust.decision.score_offset) == (1.0, 0.0)
    assert not robust.decision.known_words
    # Its logic comes along.
    assert robust.decision.min_truth == TABLETOP.decision.min_truth
    assert robust.decision.namesakes
    assert robust.spatial == TABLETOP.spatial


def test_robust_keeps_what_was_fitted_on_a_preset_of_ones_own() -> None:
    fast = SegmenterConfig.from_preset("fast")
    mine = replace(fast, decision=replace(fast.decision, min_match=23.5, score_slope=0.4))
    robust = with_method(mine, "robust")
    assert (robust.decision.min_match, robust.decision.score_slope) == (23.5, 0.4)


def test_robust_is_the_whole_of_tabletop_on_its_networks() -> None:
    other = with_method(SegmenterConfig.from_preset("tabletop_paper"), "robust")
    assert other.decision == TABLETOP.decision


def test_thresholds_lapse_beside_other_networks_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = replace(TABLETOP, clip=replace(TABLETOP.clip, model="/some/other/clip"))
    parts = (Device.from_name("cpu"), Blocks(("red", (0, 0, 8, 8))), Clip(), Captioner())
    with caplog.at_level(logging.WARNING):
        made = Segmenter(config, *parts)  # type: ignore[arg-type]
    assert made.config.decision.min_match == -math.inf
    assert not made.config.decision.known_words
    assert "do not apply beside /some/other/clip" in caplog.text
    assert made.config.decision.min_truth == TABLETOP.decision.min_truth
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        kept = Segmenter(TABLETOP, *parts)  # type: ignore[arg-type]
    assert kept.config == TABLETOP
    assert caplog.text == ""


def test_an_answer_that_could_not_have_been_refused_says_so() -> None:
    blocks = Blocks(("red", (2, 2, 12, 12)), ("green", (20, 20, 30, 30)))
    scene = segmenter(blocks, "fast").observe(blocks.image)
    found = scene.select("the red block")
    assert found.status is Status.SELECTED
    told = "'fast' is not calibrated: it cannot tell when the thing is missing; `refseg calibrate`"
    assert any(warning.startswith(told) for warning in found.warnings)
    assert scene.select("").warnings == ()  # nothing was chosen


@pytest.mark.parametrize("preset", ["fast", "edge", "best"])
def test_of_equal_candidates_none_is_meant(preset: str) -> None:
    blocks = Blocks(*(("red", (x, 2, x + 8, 10)) for x in (2, 14, 26)))
    found = segmenter(blocks, preset).observe(blocks.image).select("the zebra")
    assert found.status is Status.AMBIGUOUS
