# SPDX-License-Identifier: Apache-2.0
"""Presets load completely checked; errors name key, value and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from refseg_ros.config import SegmenterConfig, preset_names
from refseg_ros.errors import ConfigError


def test_every_shipped_preset_loads_under_its_own_name() -> None:
    assert set(preset_names()) >= {"paper", "tabletop"}
    for name in preset_names():
        config = SegmenterConfig.from_preset(name)
        assert config.name == name
        assert config.description


def test_the_paper_preset_is_the_published_procedure() -> None:
    config = SegmenterConfig.from_preset("paper")
    proposals = config.proposals
    assert (proposals.architecture, proposals.points_per_side) == ("vit_h", 8)
    assert (proposals.pred_iou_thresh, proposals.stability_score_thresh) == (0.7, 0.7)
    assert (proposals.fill_area, proposals.min_area, proposals.overlap) == (800, 2000, 0.4)
    assert (config.score.positive, config.score.negative) == (0.1, 0.7)
    assert (config.score.blur_kernel, config.score.normalise) == (75, "minmax")
    assert config.spatial.absolute == "rectifier"
    assert not config.spatial.relations


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"colour": 1}, ["colour", "unknown", "proposals"]),
        ({"score": {"positive": -1}}, ["score.positive", "-1", "0 to inf"]),
        ({"score": {"positive": "big"}}, ["score.positive", "float", "'big'"]),
        ({"score": {"positive": True}}, ["score.positive", "float", "True"]),
        ({"score": 3}, ["score", "mapping", "3"]),
        ({"score": {"positive": float("nan")}}, ["score.positive", "nan"]),
        ({"spatial": {"absolute": "up"}}, ["spatial.absolute", "'up'", "rectifier", "off"]),
        ({"proposals": {"points_per_side": 0}}, ["points_per_side", "0", "1 to 64"]),
        ({"proposals": {"points_per_side": 8.5}}, ["points_per_side", "int", "8.5"]),
    ],
)
def test_bad_values_are_named(values: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        SegmenterConfig.from_mapping(values)
    for word in words:
        assert word in str(error.value)


def test_unknown_preset_lists_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="'nonesuch'; there are paper, tabletop"):
        SegmenterConfig.from_preset("nonesuch")


@pytest.mark.parametrize("text", ["[1, 2", "- a\n- b", "", "\x00", "!!python/object:os.x {}"])
def test_a_file_that_is_no_preset_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        SegmenterConfig.from_preset(str(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        SegmenterConfig.from_preset(str(tmp_path / "none.yaml"))
