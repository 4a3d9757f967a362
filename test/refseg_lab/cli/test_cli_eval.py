# SPDX-License-Identifier: Apache-2.0
"""`refseg eval tabletop` on hand-made pictures: tables, files, errors; no model is loaded."""

from __future__ import annotations

import importlib.util
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from eval_bench import QUESTIONS, ByWord, Hand
from PIL import Image
from typer.testing import CliRunner

from refseg_lab.evaluation import pictures, tabletop, tabletop_ablation
from refseg_lab.evaluation.bootstrap import Figure
from refseg_lab.evaluation.records import ABSENT
from refseg_lab.evaluation.refusal import OFFSETS
from refseg_lab.evaluation.runner import run_samples as measure_all
from refseg_lab.evaluation.side_by_side import Variants
from refseg_lab.evaluation.summary import TOTAL, summarise
from refseg_lab.evaluation.targets import targets
from refseg_lab.evaluation.timing import Cost
from refseg_lab.simulation.benchmark import SLICE_FOLDER
from refseg_ros.cli.main import app

runner = CliRunner()


def run(*arguments: object) -> tuple[int, str, str]:
    result = runner.invoke(app, ["eval", "tabletop", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the place of networks and splits; measuring, tables and files are real."""
    monkeypatch.setattr(tabletop, "SegmenterLoader", lambda config, device: ByWord)
    monkeypatch.setattr(tabletop, "source_of", lambda split, options: Hand())
    monkeypatch.setattr(tabletop, "_order", lambda: ("category", "colour"))
    monkeypatch.setattr(
        tabletop, "components", lambda observer, sample: {"caption_accuracy": (3, 4)}
    )


def rows_of(out: str) -> dict[str, list[str]]:
    """First cell to the other cells of the table rows in the output, the first of each name."""
    split = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()]
    return {cells[0]: cells[1:] for cells in reversed(split) if len(cells) > 2}


def test_json_holds_the_figures_of_the_tables(bench: None, tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    code, out, _ = run("--workers", 1, "--json", path)
    assert code == 0
    data = json.loads(path.read_text(encoding="utf-8"))
    shown = rows_of(out)
    written = data["splits"]["slice"]
    assert [row["phenomenon"] for row in written["rows"]] == [
        *("category", "colour", "position", "plural", "absent")
    ]
    for row in (*written["rows"], written["total"]):
        absent = row["phenomenon"] == ABSENT
        cells = shown["absent (refused)" if absent else row["phenomenon"]]
        figures = row["figures"]
        assert cells[0] == str(row["n"])
        main = figures["refused_right" if absent else "pr50"]
        assert cells[1] == (
            f"{100 * main['value']:.1f} ({100 * main['low']:.0f}–{100 * main['high']:.0f})"
        )
        if absent:
            continue
        assert cells[2].startswith(f"{figures['miou']['value']:.3f} (")
        assert cells[3] == f"{figures['oiou']['value']:.3f}"
        assert cells[4:7] == [
            f"{100 * figures[name]['value']:.1f}"
            for name in ("oracle_pr50", "chance_pr50", "refused")
        ]
        assert cells[7:] == [
            f"{100 * row['limits'][name]:.1f}"
            for name in ("no proposal", "refused", "wrong proposal")
        ]
    for target in data["targets"]:
        if target["unit"] == "%" and target["figure"] and target["split"] == "slice":
            assert f"{100 * target['figure']['value']:.1f} %" in shown[target["name"]]


def test_refusals_and_calibration_are_printed_and_written(bench: None, tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    code, out, _ = run("--workers", 1, "--json", path)
    assert code == 0
    written = json.loads(path.read_text(encoding="utf-8"))["splits"]["slice"]
    # In both scenes one of two absent objects is answered, and of five questions with a proposal
    # one is refused.
    assert written["refusal"]["false_accepts"]["value"] == 0.5
    assert written["refusal"]["false_rejects"]["value"] == 0.2
    text = " ".join(out.split())
    assert "false accepts 50.0 (50–50) % of the absent objects" in text
    assert "false rejects 20.0 (20–20) % of the present ones" in text
    # Answered and not plural: four of score 0.75, of which two are right.
    present = written["calibration"]["present"]
    assert (present["n"], present["right"]["value"]) == (8, 0.5)
    assert present["ece"]["value"] == pytest.approx(0.25)
    assert present["brier"]["value"] == pytest.approx((0.25**2 + 0.75**2) / 2)
    assert sum(item["n"] for item in present["bins"]) == 8
    assert f"ECE 0.250 (.25–.25), {present['chance']:.3f} by chance alone" in text
    # A false accept is one wrong answer more.
    assert written["calibration"]["all"]["n"] == 10
    assert written["calibration"]["all"]["ece"]["value"] == pytest.approx(0.75 - 0.4)
    verdicts = rows_of(out)
    assert verdicts["false accepts, of absent objects"][-1] == "no"
    assert verdicts["false rejects, of present objects"][1:3] == ["≤ 5.0 %", "20.0 %"]


def test_a_curve_is_printed_and_written(
    bench: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        tabletop,
        "VariantsLoader",
        lambda configs, device: lambda: Variants([ByWord()] * len(configs)),
    )
    path = tmp_path / "figures.json"
    code, out, _ = run("--workers", 1, "--curve", "--json", path)
    assert code == 0
    found = json.loads(path.read_text(encoding="utf-8"))["refusal_curves"]["slice"]
    assert len(found["points"]) == len(OFFSETS)
    assert {point["false_accepts"]["value"] for point in found["points"]} == {0.5}
    assert "Refusals on slice by decision.min_match" in out
    assert "none has so few" in out
    assert "cheating" in out


def test_json_has_a_record_of_every_answer(bench: None, tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    assert run("--workers", 1, "--json", path)[0] == 0
    answers = json.loads(path.read_text(encoding="utf-8"))["answers"]["slice"]
    assert len(answers) == 2 * len(QUESTIONS)
    assert answers[2]["expression"] == "the third"
    assert answers[2]["limit"] == "wrong proposal"
    assert answers[0]["iou"] == pytest.approx(9 / 11)
    assert answers[5]["targets"] == [0, 1]
    assert answers[6]["iou"] is None
    assert "mask" not in answers[0]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_is_whole_and_needs_no_network(bench: None, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "pictures"
    code, out, _ = run("--workers", 1, "--pictures", folder)
    assert code == 0
    page = _Page()
    html = (folder / "index.html").read_text(encoding="utf-8")
    page.feed(html)
    assert page.sources
    assert all(source.startswith(("data:image/jpeg;base64,", "#")) for source in page.sources)
    assert "http" not in html
    assert "“the third”" in page.text
    assert "Score as a probability " in page.text
    assert html.count('<svg class="reliability"') == 1
    assert "IoU 0.82 · selected" in page.text
    assert str(folder / "index.html") in out.replace("\n", "")
    with Image.open(folder / "random_slice.jpg") as sheet:
        assert sheet.width == 2 * 400 + 3 * 10  # two scenes, so two answers


def test_pictures_light_the_answer_and_outline_the_truth() -> None:
    sample = Hand().open()[0]
    answer = measure_all(ByWord, Hand())[0].answers[2]  # the corner instead of the upper block
    picture = pictures.draw_answer(sample, answer)
    assert picture.shape == sample.image.shape
    assert (picture[18, 0] != sample.image[18, 0]).any()
    assert picture[:11, :11].min(-1).max() > 200  # the image itself has 90, dimmed
    assert (picture[14, 14] < sample.image[14, 14]).all()  # neither: dimmed


def test_examples_come_in_turn_and_from_different_scenes() -> None:
    results = measure_all(ByWord, Hand(levels=(90, 91, 92, 93, 94)))
    worst = pictures.worst_answers(results, 4)
    assert len({answer.phenomenon for answer in worst}) == 4
    assert len({answer.scene for answer in worst}) == 4
    assert not any(answer.right for answer in worst)
    assert all(answer.right for answer in pictures.best_answers(results, 9))
    drawn = [pictures.random_answers(results, 3, seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len({answer.scene for answer in drawn[0]}) == 3
    with pytest.raises(ValueError, match="answers: at least one"):
        pictures.answers_sheet([], [])


def test_a_split_of_which_nothing_can_be_observed_is_an_error(
    bench: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tabletop, "source_of", lambda split, options: Hand(levels=(0, 0)))
    code, _, err = run("--workers", 1)
    assert code == 1
    assert "slice: no scene could be observed; ValueError: a black [picture]" in err


def test_one_failing_scene_is_reported(bench: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabletop, "source_of", lambda split, options: Hand(levels=(90, 0)))
    code, out, _ = run("--workers", 1)
    assert code == 0
    assert "failed   scene_1: ValueError: a black [picture]" in out
    assert "50.0 % of the expressions, counted as wrong" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--preset", "nonsense"), 1, "preset: no 'nonsense'"),
        (("--split", "nonsense"), 2, "nonsense"),
        (("--scenes", 0), 2, "--scenes"),
        (("--workers", 0), 2, "--workers"),
        (("--json", "/nowhere/figures.json"), 1, "--json: /nowhere/figures.json cannot be"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    arguments: tuple[object, ...], code: int, message: str
) -> None:
    got, _, err = run(*arguments)
    assert got == code
    assert message in re.sub(r"\x1b\[[0-9;]*m", "", err)
    assert code == 2 or len(err.strip().splitlines()) == 1


def test_a_file_in_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    code, _, err = run("--pictures", tmp_path / "file")
    assert code == 1
    assert "--pictures: cannot write to" in err


def test_a_full_device_is_told_in_one_line(
    bench: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    code, _, err = run("--workers", 1, "--json", tmp_path / "figures.json")
    assert code == 1
    assert "figures.json cannot be written (No space left on device)" in err
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    code, _, err = run("--pictures", tmp_path)
    assert code == 1
    assert f"--pictures: cannot write to {tmp_path} (No space left on device)" in err


def test_an_evaluation_that_fails_leaves_no_empty_file(
    bench: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tabletop, "source_of", lambda split, options: Hand(levels=(0, 0)))
    path = tmp_path / "figures.json"
    assert run("--workers", 1, "--json", path)[0] == 1
    assert not path.exists()
    path.write_text("of an earlier run", encoding="utf-8")
    assert run("--workers", 1, "--json", path)[0] == 1
    assert path.read_text(encoding="utf-8") == "of an earlier run"


def test_another_split_is_not_measured_under_a_wrong_name(tmp_path: Path) -> None:
    (tmp_path / "test").symlink_to(SLICE_FOLDER)
    code, _, err = run("--split", "test", "--scenes", 1, "--data", tmp_path)
    assert code == 1
    assert "holds the split slice, not test" in err


def test_a_missing_split_says_what_renders_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "mujoco" else find(name)
    )
    code, _, err = run("--split", "test", "--data", tmp_path)
    assert code == 1
    assert "400 of 400 scenes are not in" in err
    assert "pip install 'refseg_ros[sim]'" in err


def test_a_place_that_cannot_hold_a_split_is_told_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("mujoco")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "rgb").write_text("mine", encoding="utf-8")
    code, _, err = run("--split", "test", "--scenes", 1, "--data", tmp_path)
    assert code == 1
    assert f"--data: cannot write to {tmp_path / 'test'} (File exists)" in " ".join(err.split())


def test_all_is_the_three_test_splits() -> None:
    from refseg_lab.cli.eval import SplitChoice, _splits

    assert _splits([SplitChoice.ALL]) == ("test", "test_compose", "test_shift")
    assert _splits([SplitChoice.TEST, SplitChoice.SLICE, SplitChoice.TEST]) == ("slice", "test")
    assert _splits([SplitChoice.SLICE, SplitChoice.VAL]) == ("val", "slice")


def test_the_validation_split_can_be_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        "refseg_lab.evaluation.tabletop.evaluate_tabletop",
        lambda options: asked.append(options.splits),
    )
    code, _, err = run("--split", "val", "--data", tmp_path)
    assert (code, asked) == (0, [("val",)]), err


def test_targets_are_held_against_their_split() -> None:
    good = summarise(measure_all(ByWord, Hand(questions=QUESTIONS[:1])))
    cost = Cost((0.2, 0.3, 0.9), (480, 640), 2, "a machine", 0.1, 2.5, {"weights": 24_000_000})
    rows = {(row.name, row.split): row for row in targets({"test": good, "slice": good}, cost)}
    method = rows["whole method, Pr@50", "test"]
    assert method.figure == Figure(1.0, 1.0, 1.0)
    assert method.reached is True
    assert rows["whole method, Pr@50", "test_compose"].reached is None
    covered = rows["objects with a proposal of IoU ≥ 0.75", "test"]
    assert covered.figure is not None
    assert covered.figure.value == pytest.approx(1 / 3)
    assert covered.reached is False
    assert rows["proposals per object", "test"].reached is True
    seconds = rows["observe + first select, 640×480, 2 threads", ""]
    assert seconds.reached is True
    assert seconds.figure is not None
    assert seconds.figure.value == 0.3
    assert rows["networks loaded", ""].reached is False
    assert rows["bundled files", ""].reached is True
    assert {row.split for row in targets({"slice": good}, None)} == {
        *("slice", "test_compose", "test_shift", "")
    }
    assert good.row(TOTAL) is good.total


def test_one_method_takes_the_place_of_the_presets_own(
    bench: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(
        tabletop, "SegmenterLoader", lambda config, device: seen.append(config) or ByWord
    )
    assert run("--workers", 1, "--method", "clip_crop")[0] == 0
    assert [config.name for config in seen] == ["tabletop with clip_crop"]
    code, _, err = run("--method", "grep")
    assert code == 1
    assert "'grep' is not one of clip_crop" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--method", "tas,clip_crop", "--pictures", "x"), "--pictures belongs to one method"),
        (("--method", "tas,clip_crop", "--curve"), "--curve belongs to one method"),
        (("--method", "tas", "--ablation"), "--method belongs to one preset"),
        (("--method", "tas", "--markdown", "x.md"), "--markdown needs --ablation or several"),
    ],
)
def test_what_methods_cannot_use_is_refused(arguments: tuple[str, ...], said: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert said in " ".join(re.sub(r"[│╭╮╰╯─]", " ", err).split())


def evaluation(*arguments: object) -> tuple[int, str]:
    """Exit code and standard error of ``refseg eval …``."""
    result = runner.invoke(app, ["eval", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.stderr).split())


def test_rows_and_methods_have_commands_of_their_own_and_the_older_spelling_leads_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []
    monkeypatch.setattr(tabletop_ablation, "evaluate_ablation", lambda *what: asked.append(what))
    rows = tmp_path / "rows.yaml"
    rows.write_text(
        "base: tabletop\nrows: [{name: a, what: as it is}, "
        "{name: b, what: less sure, changes: {decision: {min_margin: 0.2}}}]\n"
    )
    options = ("--workers", 1, "--split", "val", "--scenes", 3, "--depth")
    pairs = [
        (("ablation", rows, *options), ("tabletop", rows, "--ablation", *options)),
        (("methods", "tas", "robust", *options), ("tabletop", "--method", "tas,robust", *options)),
    ]
    for new, old in pairs:
        code, said = evaluation(*new)
        assert (code, said) == (0, "")
        code, said = evaluation(*old)
        assert code == 0
        assert f"this is now `refseg eval {new[0]}`" in said
        assert asked[-1] == asked[-2]
    assert [len(what[1].rows) for what in asked] == [2] * 4
    code, said = evaluation("methods", "tas")
    assert code == 2
    assert "name two methods or more" in said
