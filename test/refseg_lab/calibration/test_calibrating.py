# SPDX-License-Identifier: Apache-2.0
"""`refseg calibrate`: labelled sentences in, a preset with thresholds of its own out."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from refseg_lab.calibration.fitting import (
    LEAST_MARGIN,
    Curves,
    Outcome,
    fit_decision,
    without_thresholds,
)
from refseg_lab.calibration.report import as_preset, as_tables, preset_text
from refseg_lab.calibration.sentences import LabelledSentence, read_labelled_sentences
from refseg_lab.training.confidence import best_line
from refseg_lab.training.temperature import best_temperature
from refseg_ros.config import SegmenterConfig, preset_names
from refseg_ros.decision.choice import confidence
from refseg_ros.errors import RefsegError

EXAMPLE = Path(__file__).parents[3] / "examples" / "calibration"
HEAD = "image,sentence,where\n"


def write(folder: Path, text: str) -> Path:
    (folder / "a.jpg").touch()
    (folder / "b.jpg").touch()
    (folder / "sentences.csv").write_text(text, encoding="utf-8")
    return folder


def rows(present: int, absent: int, separator: str = ",") -> str:
    lines = [("ab"[row % 2] + ".jpg", "the mug", "3 4") for row in range(present)]
    lines += [("ab"[row % 2] + ".jpg", "the pan", "absent") for row in range(absent)]
    return "".join(separator.join(line) + "\n" for line in lines)


def test_points_boxes_and_absent_things_are_read(tmp_path: Path) -> None:
    text = HEAD + 'a.jpg,"the mug, the red one","1,2,30,40"\n' + rows(20, 20)
    found = read_labelled_sentences(write(tmp_path, text))
    assert found[0] == LabelledSentence(
        tmp_path / "a.jpg", "the mug, the red one", (1.0, 2.0, 30.0, 40.0)
    )
    assert found[1].where == (3.0, 4.0)
    assert found[-1].is_absent


def test_what_a_spreadsheet_writes_is_read(tmp_path: Path) -> None:
    text = "\ufeffimage;sentence;where;by\n" + rows(20, 20, ";")
    assert len(read_labelled_sentences(write(tmp_path, text))) == 40


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must name the columns"),
        ("image,sentence\n", "where is missing"),
        (HEAD + "c.jpg,the mug,absent\n", "line 2: there is no picture"),
        (HEAD + "a.jpg,,absent\n", "line 2: image, sentence and where must all be given"),
        (HEAD + "a.jpg,the mug\n", "line 2: image, sentence and where must all be given"),
        (HEAD + "a.jpg,the mug,here\n", "line 2: where is 'here'"),
        (HEAD + "a.jpg,the mug,9 9 3 3\n", "line 2: where is '9 9 3 3'"),
        (HEAD + "a.jpg,the mug,nan 3\n", "line 2: where is 'nan 3'"),
        (HEAD + rows(19, 30), "19 sentences about things that are there; at least 20"),
        (HEAD + rows(30, 19), "19 sentences about things that are absent; at least 20"),
        (HEAD + rows(30, 30).replace("b.jpg", "a.jpg"), "all sentences are about one picture"),
    ],
    ids=range(11),
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(RefsegError, match=told):
        read_labelled_sentences(write(tmp_path, text))


def test_a_folder_without_a_listing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RefsegError, match="expected one CSV file, found none"):
        read_labelled_sentences(tmp_path)
    with pytest.raises(RefsegError, match="no such folder"):
        read_labelled_sentences(tmp_path / "nowhere")


def test_masks_show_what_a_point_or_a_box_means() -> None:
    masks = np.zeros((2, 10, 20), np.bool_)
    masks[0, 2:6, 3:9] = True
    masks[1, 5:9, 12:18] = True
    boxes = np.array([[3, 2, 9, 6], [12, 5, 18, 9]], np.float32)

    def shown(*where: float) -> list[bool]:
        return LabelledSentence(Path("a.jpg"), "it", where).shown_by(masks, boxes).tolist()

    assert shown(8.9, 5) == [True, False]
    assert shown(9, 5) == [False, False]
    assert shown(12, 5, 18, 8) == [False, True]
    assert shown(12, 5, 18, 6) == [False, False]  # a quarter of its box
    assert shown() == [False, False]
    outside = LabelledSentence(Path("a.jpg"), "it", (20, 5))
    with pytest.raises(RefsegError, match="20 5 is not within its 20x10 pixels"):
        outside.check_within(10, 20)


class Simulated:
    """Answers whose matches are drawn: present things about 4 logits above absent ones."""

    def __init__(self, pictures: int, each: int = 3, spread: float = 1.0, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.files = tuple(Path(f"{number}.jpg") for number in range(pictures))
        self._rows = [
            (number, absent, rng.normal(20 if absent else 24, spread), rng.uniform(0.3, 1))
            for number in range(pictures)
            for absent in (True, False)
            for _ in range(each)
        ]

    def ask(self, configs: list[SegmenterConfig]) -> list[list[Outcome]]:
        return [[self._outcome(config, *row) for row in self._rows] for config in configs]

    def _outcome(
        self, config: SegmenterConfig, picture: int, absent: bool, match: float, lead: float
    ) -> Outcome:
        refused = match < config.decision.min_match
        return Outcome(
            picture=picture,
            absent=absent,
            covered=not absent,
            refused=refused,
            right=not absent and not refused and lead > 0.4,
            match=match,
            by_looks=True,
            lead=None if refused else lead,
            score=0.0 if refused else confidence(lead, config.decision),
            logits=None if absent else np.array([0.0, 5.0 * lead]),
        )


def test_a_threshold_from_thirty_of_each_holds_for_others() -> None:
    config = SegmenterConfig.from_preset("fast")
    found = fit_decision(Simulated(10), config)  # type: ignore[arg-type]
    assert (found.present, found.absent, found.pictures) == (30, 30, 10)
    assert found.config.decision.fitted_with == config.networks
    assert found.min_match.low <= found.min_match.value <= found.min_match.high
    others = Simulated(500, seed=1).ask([found.config])[0]
    accepts = np.mean([not item.refused for item in others if item.absent])
    rejects = np.mean([item.refused for item in others if not item.absent])
    assert accepts <= 0.1
    assert rejects <= 0.05


def test_a_threshold_keeps_the_rate_that_was_chosen_where_looks_overlap() -> None:
    config = SegmenterConfig.from_preset("fast")
    for most in (0.05, 0.2):
        found = fit_decision(Simulated(100, spread=3.0), config, most)  # type: ignore[arg-type]
        accepts = found.figures["false accepts"]
        assert accepts.value == pytest.approx(most, abs=0.03)


def test_a_lead_at_which_answers_are_mostly_wrong_is_asked_about() -> None:
    config = SegmenterConfig.from_preset("fast")
    found = fit_decision(Simulated(100), config)  # type: ignore[arg-type]
    assert found.config.decision.min_margin == pytest.approx(0.4, abs=0.02)
    assert found.config.decision.score_slope > 1  # right above 0.4, wrong below
    score, right = (found.figures[name].value for name in ("mean score", "right of those scored"))
    assert score == pytest.approx(right, abs=0.03)


def test_answers_that_are_all_right_leave_the_margin_and_some_doubt() -> None:
    slope, offset = best_line(np.full(30, 0.99), np.ones(30, np.bool_), cautious=True)
    score = 1 / (1 + np.exp(-(slope * np.log(0.99 / 0.01) + offset)))
    assert score == pytest.approx(31 / 32, abs=1e-3)
    cases = [(np.array([0.0, 2.0]), 1)] * 30
    assert best_temperature(cases, doubt=1 / 32) > 0.3
    few = [replace(item, right=True) for item in Simulated(5).ask([SegmenterConfig()])[0]]
    from refseg_lab.calibration.fitting import _margin

    assert _margin(few) == LEAST_MARGIN


def test_sentences_that_no_looks_decide_fit_no_threshold() -> None:
    outcomes = Simulated(5).ask([SegmenterConfig()])[0]
    with pytest.raises(RefsegError, match="the looks of no absent thing were judged"):
        Curves.of([replace(item, match=None) if item.absent else item for item in outcomes], 5)


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_written_as_it_is(name: str, tmp_path: Path) -> None:
    config = without_thresholds(SegmenterConfig.from_preset(name))
    (tmp_path / "p.yaml").write_text(as_preset(config), encoding="utf-8")
    assert SegmenterConfig.from_yaml(tmp_path / "p.yaml") == config


def test_the_file_says_what_it_was_fitted_to(tmp_path: Path) -> None:
    found = fit_decision(Simulated(10), SegmenterConfig.from_preset("fast"))  # type: ignore[arg-type]
    output = tmp_path / "kitchen.yaml"
    output.write_text(preset_text(found, tmp_path / "photos", output), encoding="utf-8")
    config = SegmenterConfig.from_yaml(output)
    assert config.name == "kitchen"
    assert "fast, calibrated on 30 + 30 sentences about 10 pictures of photos" in (
        config.description
    )
    assert config.decision == found.config.decision
    assert "false accepts" in output.read_text(encoding="utf-8")
    assert [table.row_count for table in as_tables(found, 0.1)] == [4, 5]


def test_the_command_says_what_is_wrong_before_models_are_loaded(tmp_path: Path) -> None:
    import typer

    from refseg_lab.cli.calibrate import calibrate as command

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    run = CliRunner().invoke
    folder = str(write(tmp_path, HEAD + rows(3, 3)))
    few = run(app, [folder, "-o", str(tmp_path / "my.yaml")])
    assert few.exit_code == 1
    assert "3 sentences about things that are there" in few.output
    assert run(app, [folder, "-o", "my.txt"]).exit_code == 2


@pytest.mark.slow
def test_the_example_calibrates_the_bundled_networks(tmp_path: Path) -> None:
    import typer

    from refseg_lab.cli.calibrate import calibrate as command

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    output, folder = tmp_path / "my.yaml", tmp_path / "pictures"
    shutil.copytree(EXAMPLE, folder)
    done = CliRunner().invoke(app, [str(folder), "--preset", "tabletop", "-o", str(output)])
    assert done.exit_code == 0, done.output
    decision = SegmenterConfig.from_yaml(output).decision
    assert 3 < decision.min_match < 11
    assert decision.fitted_with == "bundled:clip + bundled:captioner"
