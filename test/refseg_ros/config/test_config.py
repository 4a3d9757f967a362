# SPDX-License-Identifier: Apache-2.0
"""Presets load completely checked; errors name key, value and what is allowed."""

from __future__ import annotations

import math
import os
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
    assert (config.score.crop, config.score.text) == ("released", "sentence")
    assert (config.score.distractors, config.score.negative_prompt) == (
        "caption",
        "a photo of {}",
    )
    assert config.spatial.absolute == "released"
    assert not config.spatial.relations
    assert (proposals.prompts, proposals.max_side, proposals.refine) == ("grid", 0, False)
    assert (proposals.points_per_batch, proposals.stability_score_offset) == (64, 1.0)
    assert (proposals.box_nms_thresh, proposals.max_area, proposals.duplicate_iou) == (0.7, 1, 1)
    assert (config.captions.num_beams, config.captions.max_new_tokens) == (5, 30)
    assert config.clip.model == "ViT-B-32-quickgelu"
    assert config.decision.min_match == -math.inf
    assert (config.decision.min_margin, config.decision.known_words) == (0.0, False)


def test_every_correction_is_off_in_the_paper_preset() -> None:
    config = SegmenterConfig.from_preset("paper")
    score = config.score
    assert score.templates == ()
    assert not score.distractor_filter
    assert score.temperature == 1.0
    assert (config.language.chunks, config.language.synonyms) == ("own", "own")


def test_texts_with_a_colon_and_lists_are_read() -> None:
    config = SegmenterConfig.from_mapping(
        {
            "language": {"chunks": "spacy:en_core_web_sm", "synonyms": "wordnet:/data/wordnet"},
            "score": {"templates": ["a photo of {}", "{}"]},
        }
    )
    assert config.language.chunks == "spacy:en_core_web_sm"
    assert config.language.synonyms == "wordnet:/data/wordnet"
    assert config.score.templates == ("a photo of {}", "{}")


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
        ({"language": {"chunks": "spacy"}}, ["language.chunks", "'spacy'", "own, spacy:MODEL"]),
        ({"language": {"chunks": "spacy:"}}, ["language.chunks", "'spacy:'"]),
        ({"language": {"synonyms": "nltk"}}, ["language.synonyms", "own, wordnet, wordnet:DIR"]),
        ({"language": {"synonyms": "wordnet:"}}, ["language.synonyms", "'wordnet:'"]),
        ({"score": {"crop": "tight"}}, ["score.crop", "'tight'", "released, whole"]),
        ({"score": {"templates": "a {}"}}, ["score.templates", "list", "'a {}'"]),
        ({"score": {"templates": ["a photo"]}}, ["score.templates", "'a photo'", "{}"]),
        ({"score": {"templates": [3]}}, ["score.templates", "str", "3"]),
        ({"score": {"negative_prompt": "a"}}, ["score.negative_prompt", "'a'", "{}"]),
        ({"score": {"temperature": 0}}, ["score.temperature", "0.0", "0.01"]),
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
    with pytest.raises(
        ConfigError, match="'nonesuch'; there are best, edge, fast, gdino, given, paper"
    ):
        SegmenterConfig.from_preset("nonesuch")


@pytest.mark.parametrize("text", ["[1, 2", "- a\n- b", "", "\x00", "!!python/object:os.x {}"])
def test_a_file_that_is_no_preset_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        SegmenterConfig.from_preset(str(path))


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]\n"
    for last, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 50_000, "nested more than 20 deep"),
        ("a: " * 30 + "1", "not YAML"),
        ("\n".join(f"{' ' * k}a:" for k in range(400)), "nested more than 20 deep"),
        (BOMB, "aliases are not supported"),
        ("name: &n [*n]", "aliases are not supported"),
        ("score: {temperature: " + "1" * 5000 + "}", "not YAML that can be read"),
        ("score: {temperature: " + "1" * 400 + "}", "out of range"),
        ("score: {temperature: 0x" + "f" * 5000 + "}", "out of range"),
        ("? 0x" + "f" * 6000 + "\n: 1", "a number of 24000 bits: unknown"),
        ("name: 0x" + "f" * 6000, "expected str, got a number of 24000 bits"),
        ("name: [" + "x, " * 2000 + "]", "expected str, got"),
        ('? "' + "x" * 3000 + '"\n: 1', "unknown; known are"),
        ('"a\\nb": 1', "unknown; known are"),
        ("x: " + "y" * 200_000, "more than 100000 bytes"),
        ("? {a: 1}\n: 2", "not YAML"),
        ("2001-99-99: 1", "not YAML"),
        ("!!int x: 1", "not YAML"),
        ("!!float {}: 1", "not YAML"),
    ],
)
def test_a_hostile_preset_is_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as raised:
        SegmenterConfig.from_preset(str(path))
    said = str(raised.value)
    assert len(said.splitlines()) == 1
    assert len(said) < 600


def test_a_preset_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mine.yaml")
    with pytest.raises(ConfigError, match="not a regular file"):
        SegmenterConfig.from_preset(str(tmp_path / "mine.yaml"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        SegmenterConfig.from_preset(str(tmp_path / "none.yaml"))
