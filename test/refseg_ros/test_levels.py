# SPDX-License-Identifier: Apache-2.0
"""Dark and hazy pictures are developed anew for the networks; others stay as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_lab.training.familiar import usual_levels
from refseg_ros import Segmenter
from refseg_ros.config import SegmenterConfig
from refseg_ros.config.levels import LevelsConfig
from refseg_ros.errors import ConfigError
from refseg_ros.levels import MOST_GAIN, levelled, levels

TABLETOP = SegmenterConfig.from_preset("tabletop").levels


def scaled(image: np.ndarray, gain: float, veil: float = 0.0) -> np.ndarray:
    light = (1 - veil) * gain * image.astype(np.float64) + 255 * veil
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def test_rendered_pictures_stay_as_they_are() -> None:
    pictures = [bundled_scenes()[index].frame.rgb for index in range(40)]
    assert all(levelled(rgb, TABLETOP) is rgb for rgb in pictures)


def test_usual_levels_are_those_of_most_pictures() -> None:
    pictures = [np.full((64, 64, 3), level, np.uint8) for level in range(100, 201)]
    usual = usual_levels(pictures)
    assert usual.bright == usual.dark == pytest.approx(150 / 255, abs=0.01)
    assert usual.least_bright == pytest.approx(0.8 * 100 / 255, abs=0.01)
    assert usual.most_dark == pytest.approx(200 / 255, abs=0.01)
    assert levelled(pictures[50], usual) is pictures[50]


def test_published_presets_change_no_picture() -> None:
    dark = np.full((32, 32, 3), 3, np.uint8)
    for name in ("paper", "fast", "best", "edge", "given"):
        assert levelled(dark, SegmenterConfig.from_preset(name).levels) is dark


@pytest.mark.parametrize("gain", [0.25, 0.1])
def test_a_dark_picture_becomes_as_bright_as_usual(gain: float) -> None:
    image = bundled_scenes()[0].frame.rgb
    made = levelled(scaled(image, gain), TABLETOP)
    assert levels(made)[1] == pytest.approx(TABLETOP.bright, abs=0.02)
    assert levelled(made, TABLETOP) is made


def test_a_veil_is_taken_off() -> None:
    image = bundled_scenes()[0].frame.rgb
    made = levelled(scaled(image, 1.0, 0.5), TABLETOP)
    assert levels(made)[0] == pytest.approx(TABLETOP.dark, abs=0.02)
    # Where the picture was, a constant aside: its darkest were not at `dark`.
    slope = np.polyfit(image.ravel(), made.ravel().astype(float), 1)[0]
    assert slope == pytest.approx(1.0, abs=0.25)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(1, 20))
def test_any_picture_has_levels(first: int, second: int, side: int) -> None:
    image = np.full((side, side, 3), first, np.uint8)
    image[: side // 2] = second
    made = levelled(image, TABLETOP)
    assert made.shape == image.shape
    assert made.dtype == np.uint8
    high = max(first, second)
    assert made.max() <= max(
        255 if min(first, second) / 255 > TABLETOP.most_dark else 0,
        round(MOST_GAIN * high) + 1,
        high,
    )


def test_black_stays_black() -> None:
    black = np.zeros((10, 10, 3), np.uint8)
    assert not levelled(black, TABLETOP).any()


def test_limits_are_shares_of_white() -> None:
    with pytest.raises(ConfigError, match=r"levels\.bright"):
        SegmenterConfig.from_mapping({"levels": {"bright": 1.5}})


def test_an_answer_in_the_dark_is_that_of_daylight() -> None:
    segmenter = Segmenter.from_preset("tabletop", "cpu")
    scene = bundled_scenes()[0]
    text = f"the {scene.spec.objects[0].name}"
    by_day = segmenter.observe(scene.frame.rgb).select(text)
    dark = segmenter.observe(scaled(scene.frame.rgb, 0.25))
    by_night = dark.select(text)
    assert dark.image.max() < 65  # what is shown is what the camera saw
    assert by_night.status is by_day.status
    both = by_day.mask & by_night.mask
    assert both.sum() / (by_day.mask | by_night.mask).sum() > 0.7
    segmenter.config = replace(segmenter.config, levels=LevelsConfig())
    assert len(segmenter.observe(dark.image).proposals) > 0
