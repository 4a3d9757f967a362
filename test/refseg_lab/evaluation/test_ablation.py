# SPDX-License-Identifier: Apache-2.0
"""Ablations as files: the bundled one ends at its preset; what is wrong in one is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml
from checkout import ROOT

from refseg_lab.evaluation.ablation import (
    Ablation,
    compare_methods,
    differences,
    leaves,
    plain,
    read_ablation,
)
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import ConfigError
from refseg_ros.methods.catalogue import with_method

FIRST = {"name": "one", "what": "a start"}
SECOND = {"name": "two", "what": "a step", "changes": {"score": {"positive": 0.2}}}


def read(path: Path, **plan: object) -> Ablation:
    file = path / "rows.yaml"
    file.write_text(yaml.safe_dump(plan), encoding="utf-8")
    return read_ablation(file)


def test_the_last_bundled_row_is_the_tabletop_preset() -> None:
    rows = read_ablation().rows
    differing = differences(rows[-1].config, SegmenterConfig.from_preset("tabletop"))
    # What computes an exported encoder changes no answer, and is no step of an ablation.
    missing = {name: value for name, value in differing.items() if not name.endswith(".onnx")}
    assert missing == {}, "fields of the preset that no row of the bundled ablation adopts"


def test_the_bundled_rows_begin_with_v_alone_and_pass_the_paper() -> None:
    ablation = read_ablation()
    named = {row.name: row for row in ablation.rows}
    start = ablation.rows[0].config
    assert (start.score.positive, start.score.negative) == (0, 0)
    assert start.score.text == "sentence"
    assert start.spatial.absolute == "off"
    paper, tabletop = (named[name] for name in ablation.compare)
    assert ablation.labels == ("paper", "tabletop")
    assert differences(SegmenterConfig.from_preset("tabletop_paper"), paper.config) == {}
    assert tabletop is ablation.rows[-1]
    assert [row.start for row in ablation.rows[1:]] == [row.name for row in ablation.rows[:-1]]
    assert all(row.changes for row in ablation.rows)


def test_the_paper_on_bundled_models_is_the_paper_but_for_the_networks() -> None:
    paper, tabletop, mixed = (
        leaves(SegmenterConfig.from_preset(name))
        for name in ("paper", "tabletop", "tabletop_paper")
    )
    others = {name for name, value in mixed.items() if value != paper[name]}
    assert {name.split(".")[0] for name in others} == {
        "proposals",
        "clip",
        "captions",
        "diffusion",
    }
    assert {name: mixed[name] for name in others} == {name: tabletop[name] for name in others}
    pruning = ("min_area", "max_area", "overlap", "duplicate_iou", "fill_area")
    assert others.isdisjoint(f"proposals.{name}" for name in pruning)
    # The same masks before pruning: whatever else tabletop sets of proposals is the network's.
    apart = {name for name in tabletop if name.startswith("proposals.")} - others
    apart.discard("proposals.onnx")
    assert {
        name.removeprefix("proposals.") for name in apart if tabletop[name] != paper[name]
    } == {"min_area", "max_area", "duplicate_iou"}


def test_a_row_differs_from_the_row_before_or_from_a_named_one(tmp_path: Path) -> None:
    fifth = {"name": "five", "what": "back", "restore": ["score.text", "score.negative"]}
    third = {"name": "three", "what": "a branch", "from": "one", "adopt": ["score.negative"]}
    fourth = {"name": "four", "what": "another", "changes": {"score": {"text": "phrase"}}}
    ablation = read(
        tmp_path, base="paper", goal="tabletop", rows=[FIRST, SECOND, third, fourth, fifth]
    )
    one, two, three, four, five = ablation.rows
    preset = SegmenterConfig.from_preset("tabletop")
    assert differences(SegmenterConfig.from_preset("paper"), one.config) == {}
    assert one.changes == {}
    assert two.changes == {"score.positive": 0.2}
    assert three.config.score.positive == one.config.score.positive
    assert three.changes == {"score.negative": preset.score.negative}
    assert four.config.score.negative == preset.score.negative
    assert five.changes == {"score.text": "sentence", "score.negative": 0.7}
    assert (one.start, two.start, three.start, four.start) == ("", "one", "one", "three")
    assert ablation.compare == ablation.labels == ("one", "five")
    assert [row.config.name for row in ablation.rows] == [*("one", "two", "three", "four", "five")]


def test_without_a_base_rows_start_from_the_defaults(tmp_path: Path) -> None:
    first = read(tmp_path, rows=[FIRST, SECOND]).rows[0].config
    assert dataclasses.replace(first, name="paper") == SegmenterConfig()


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"rows": [FIRST]}, ["rows", "at least two"]),
        ({"rows": 3}, ["rows", "got 3"]),
        ({"rows": [FIRST, SECOND], "bases": 1}, ["'bases'", "base, compare, goal, rows"]),
        ({"rows": [FIRST, SECOND], "base": "none"}, ["base: preset: no 'none'", "tabletop"]),
        ({"rows": [FIRST, SECOND], "goal": 3}, ["goal", "name of a preset", "got 3"]),
        ({"rows": [FIRST, "two"]}, ["row 2", "got 'two'"]),
        ({"rows": [FIRST, {"name": "two"}]}, ["row 2: what", "line of text", "None"]),
        ({"rows": [FIRST, {**SECOND, "name": " "}]}, ["row 2: name", "' '"]),
        (
            {"rows": [FIRST, {**SECOND, "change": {}}]},
            ["row 2: 'change'", "adopt, changes, from, name, restore"],
        ),
        ({"rows": [FIRST, {**SECOND, "name": "one"}]}, ["row 2 (one): name", "earlier row"]),
        ({"rows": [FIRST, {**SECOND, "from": "three"}]}, ["from", "'three'", "there are one"]),
        ({"rows": [{**FIRST, "from": "two"}, SECOND]}, ["row 1 (one): from", "are none"]),
        ({"rows": [FIRST, {**SECOND, "changes": 3}]}, ["row 2 (two): changes", "got 3"]),
        ({"rows": [FIRST, {**FIRST, "name": "two"}]}, ["row 2 (two)", "nothing of the row 'one'"]),
        (
            {"rows": [FIRST, {**SECOND, "changes": {"score": {"positve": 1}}}]},
            ["row 2 (two): score.positve: unknown", "positive"],
        ),
        (
            {"rows": [FIRST, {**SECOND, "changes": {"score": {"text": "words"}}}]},
            ["row 2 (two): score.text: 'words'", "sentence, phrase"],
        ),
        (
            {"rows": [FIRST, {**SECOND, "changes": {"spatial": {"absolute": False}}}]},
            ["spatial.absolute: expected str, got False"],
        ),
        (
            {"rows": [FIRST, {**SECOND, "changes": {"score": 1}}]},
            ["row 2 (two): score: expected a mapping of fields, got 1"],
        ),
        ({"rows": [FIRST, {**SECOND, "adopt": "score"}]}, ["adopt", "list", "'score'"]),
        ({"rows": [FIRST, {**SECOND, "adopt": ["score.text"]}]}, ["no preset as its goal"]),
        (
            {"rows": [FIRST, {**SECOND, "adopt": ["score.words"]}], "goal": "tabletop"},
            ["adopt: 'score.words': unknown", "score.text"],
        ),
        ({"rows": [FIRST, SECOND], "compare": ["one", "two"]}, ["compare", "two labels"]),
        ({"rows": [FIRST, SECOND], "compare": {"a": "one", "b": "one"}}, ["compare", "one, two"]),
    ],
)
def test_a_wrong_file_is_told_which_key_and_what_is_allowed(
    tmp_path: Path, plan: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, **plan)
    for word in ("rows.yaml", *words):
        assert word in str(error.value)


@pytest.mark.parametrize("text", ["[1, 2", "- a", "", "\x00", "!!python/object:os.x {}"])
def test_a_file_that_is_no_ablation_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        read_ablation(tmp_path / "mine.yaml")
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        read_ablation(tmp_path / "none.yaml")


def test_bounds_that_are_infinite_become_null() -> None:
    assert [plain(value) for value in (-float("inf"), 1.5, "a", True)] == [None, 1.5, "a", True]


def test_the_file_in_the_documentation_is_an_ablation(tmp_path: Path) -> None:
    page = ROOT / "docs" / "benchmark.md"
    text = page.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    (tmp_path / "documented.yaml").write_text(text, encoding="utf-8")
    ablation = read_ablation(tmp_path / "documented.yaml")
    assert ablation.labels == ("paper", "mine")
    assert ablation.rows[-1].changes == {
        "score.text": "phrase",
        "score.positive": 0.2,
        "score.negative": 0.7,
    }


def test_methods_are_compared_on_one_preset() -> None:
    plan = compare_methods("tabletop", ["clip_crop", "tas", "robust"])
    assert [row.name for row in plan.rows] == ["clip_crop", "tas", "robust"]
    assert plan.compare == ("clip_crop", "robust")
    networks = {(row.config.proposals, row.config.clip, row.config.captions) for row in plan.rows}
    assert len(networks) == 1
    # Each is held against the first, which is told by what it changes of the preset.
    assert [row.start for row in plan.rows] == ["", "clip_crop", "clip_crop"]
    assert plan.rows[0].changes["score.positive"] == 0
    assert plan.rows[2].changes["score.positive"] == 0.1
    robust = with_method(SegmenterConfig.from_preset("tabletop"), "robust")
    assert leaves(plan.rows[2].config) == leaves(robust)
    for names in (["tas"], ["tas", "tas"], []):
        with pytest.raises(ConfigError, match="two or more"):
            compare_methods("tabletop", names)
    with pytest.raises(ConfigError, match="'grep' is not one of"):
        compare_methods("tabletop", ["tas", "grep"])


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmarks" / "ablations").glob("*.yaml")),
    ids=lambda path: path.stem,
)  # fmt: skip
def test_the_ablations_of_the_docs_can_be_run(path: Path) -> None:
    assert len(read_ablation(path).rows) > 1
