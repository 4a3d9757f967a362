# SPDX-License-Identifier: Apache-2.0
"""Data sets in REFER's format: read, measured, killed, resumed, tabulated."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from checkout import DOCS, HELPERS
from typer.testing import CliRunner

pytest.importorskip("pycocotools", reason="comes with the extra refer")

from killed import kill_after_three_of_eight
from refer_bench import (
    HEIGHT,
    WIDTH,
    ColoursLoader,
    annotations,
    make_grefcoco,
    make_openref,
    make_phrasecut,
    make_ref_adv,
    make_refer,
)

from refseg_lab.evaluation.refer import running
from refseg_lab.evaluation.refer.figures import PUBLISHED, split_figures
from refseg_lab.evaluation.refer.layout import DATASETS, locate
from refseg_lab.evaluation.refer.loading import read_split
from refseg_lab.evaluation.refer.masks import decode
from refseg_lab.evaluation.refer.running import ReferRun, run_split
from refseg_lab.evaluation.refer.source import sample_of
from refseg_ros.cli.main import app
from refseg_ros.errors import ConfigError, DatasetError, RefsegError

ALL = {"mIoU": 0.625, "oIoU": 300 / 464, "Pr@50": 0.75, "Pr@60": 0.5, "Pr@90": 0.5}
"""Of one image: twice 100 of 100 pixels, 100 of 200, and an exception beside 64."""


def _asked(root: Path, dataset: str = "refcoco", **more: object) -> ReferRun:
    return ReferRun(locate(dataset, "val", data=root), preset="tabletop", **more)  # type: ignore[arg-type]


def test_masks_of_all_kinds_are_those_that_were_drawn() -> None:
    shapes = annotations()
    sums = {name: int(decode(shape, (HEIGHT, WIDTH), "x").sum()) for name, shape in shapes.items()}
    assert sums == {"red": 100, "blue": 100, "green": 64}
    assert decode(shapes["blue"], (HEIGHT, WIDTH), "x")[20:30, 20:30].all()
    both = decode([*shapes["red"], [20, 20, 40, 20, 40, 30, 20, 30]], (HEIGHT, WIDTH), "x")
    assert int(both.sum()) == 300


@pytest.mark.parametrize(
    "shape",
    [
        None,
        [],
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5]],
        [[1, 2, 3, 4, 5, float("nan")]],
        [[1, 2, 3, 4, 5, 1e300]],
        ["123456"],
        {"size": [HEIGHT, WIDTH]},
        {"size": [WIDTH, HEIGHT], "counts": [HEIGHT * WIDTH]},
        {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH + 1]},
        {"size": [HEIGHT, WIDTH], "counts": [-1, HEIGHT * WIDTH + 1]},
        {"size": [HEIGHT, WIDTH], "counts": "oooooooooooooooo0"},
        {"size": [HEIGHT, WIDTH], "counts": "o"},
        {"size": [HEIGHT, WIDTH], "counts": "PP]o1"},
    ],
)
def test_masks_that_are_none_are_refused(shape: object) -> None:
    with pytest.raises(DatasetError, match="object 7"):
        decode(shape, (HEIGHT, WIDTH), "object 7")
    with pytest.raises(DatasetError, match="0×5"):
        decode([[0, 0, 1, 1, 2, 2]], (0, 5), "x")


def test_a_split_is_read_by_image_with_normalised_sentences(tmp_path: Path) -> None:
    make_refer(tmp_path)
    images = read_split(locate("refcoco", "val", data=tmp_path))
    assert [image.name for image in images] == ["1", "2"]
    texts = [item.text for item in images[0].expressions]
    assert texts == ["red one", "the red thing", "blue", "green boom"]
    typed = read_split(locate("refcoco", "val", data=tmp_path), raw=True)
    assert typed[0].expressions[1].text == "THE RED THING!"
    assert len({item.key for image in images for item in image.expressions}) == 8
    sample = sample_of(images[1])
    assert sample.objects.sum((1, 2)).tolist() == [100, 100, 64]
    assert [question.targets for question in sample.questions] == [(0,), (0,), (1,), (2,)]


def test_figures_equal_those_worked_out_by_hand(tmp_path: Path) -> None:
    make_refer(tmp_path, images=1)
    _, results = run_split(_asked(tmp_path), tmp_path / "log.jsonl", load=ColoursLoader())
    found = split_figures(results)
    assert (found.images, found.expressions, found.failed) == (1, 4, 1)
    for name, value in ALL.items():
        assert found.values[name] == pytest.approx(value), name
    assert found.values["oracle mIoU"] == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert found.values["proposals per image"] == 3
    assert "N-acc" not in found.values


def test_no_target_expressions(tmp_path: Path) -> None:
    make_grefcoco(tmp_path)
    _, results = run_split(
        _asked(tmp_path, "grefcoco"), tmp_path / "log.jsonl", load=ColoursLoader()
    )
    found = split_figures(results).values
    # red and blue: 200 of 300; red: 100 of 100; yellow: refused; red that is not there: 100 more.
    assert found["N-acc"] == 0.5
    assert found["T-acc"] == 1.0
    assert found["gIoU"] == pytest.approx((2 / 3 + 1 + 1 + 0) / 4)
    assert found["cIoU"] == pytest.approx(300 / 500)
    assert found["oIoU"] == pytest.approx(300 / 400)


def test_phrasecut(tmp_path: Path) -> None:
    make_phrasecut(tmp_path)
    images = read_split(locate("phrasecut", "val", data=tmp_path))
    assert [item.objects for item in images[0].expressions] == [(0, 1)]
    assert sample_of(images[0]).objects.sum((1, 2)).tolist() == [100, 200]


def test_ref_adv_compares_boxes(tmp_path: Path) -> None:
    make_ref_adv(tmp_path)
    asked = ReferRun(locate("ref-adv-s", "train", data=tmp_path), preset="tabletop")
    _, results = run_split(asked, tmp_path / "log.jsonl", load=ColoursLoader())
    assert [answer.iou for answer in results[0].answers] == [1.0, 0.5]


def test_openref_has_what_is_not_there(tmp_path: Path) -> None:
    make_openref(tmp_path)
    asked = _asked(tmp_path, "openref")
    _, results = run_split(asked, tmp_path / "log.jsonl", load=ColoursLoader())
    found = [(answer.expression, answer.iou, answer.right) for answer in results[0].answers]
    # "green" is drawn, so that the colours answer it, and what is meant is none.
    assert found == [("red", 1.0, True), ("yellow", None, True), ("green", None, False)]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("ref-adv-s", {"solution": [5, 5, 5, 15]}, "is no box of left, top, right, bottom"),
        ("ref-adv-s", {"solution": "all"}, "solution is 'all', not list"),
        ("openref", {"proposal": [{"x": 1}]}, "original_height is 'None', not int"),
        ("openref", {"image": "../7.png"}, "is not the name of a file in it"),
    ],
)
def test_boxes_that_are_none_are_refused(
    tmp_path: Path, name: str, change: dict[str, object], message: str
) -> None:
    make_ref_adv(tmp_path)
    make_openref(tmp_path)
    place = locate(name, DATASETS[name].splits[""][0], data=tmp_path)
    text = place.references.read_text()
    row = json.loads(text)[0] if name == "openref" else json.loads(text.splitlines()[0])
    changed = {**row, **change}
    place.references.write_text(json.dumps([changed] if name == "openref" else changed))
    with pytest.raises(DatasetError, match=message):
        read_split(place)


# A run that is broken off


def test_each_image_is_looked_at_once_and_never_again(tmp_path: Path) -> None:
    make_refer(tmp_path, images=3)
    looked, log = tmp_path / "looked", tmp_path / "log.jsonl"
    whole = run_split(_asked(tmp_path), log, load=ColoursLoader(looked))[1]
    assert looked.read_text().count("looked") == 3
    assert len(log.read_text().splitlines()) == 4
    assert run_split(_asked(tmp_path), log, load=ColoursLoader(looked))[1] == whole
    assert looked.read_text().count("looked") == 3
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:2]) + lines[2][:50])  # killed while it wrote the second image
    assert run_split(_asked(tmp_path), log, load=ColoursLoader(looked))[1] == whole
    assert looked.read_text().count("looked") == 5
    assert log.read_bytes().splitlines(keepends=True) == lines


def test_results_of_another_run_are_not_mixed_in(tmp_path: Path) -> None:
    make_refer(tmp_path)
    log = tmp_path / "log.jsonl"
    run_split(_asked(tmp_path), log, load=ColoursLoader())
    with pytest.raises(DatasetError, match="another run, with method"):
        run_split(_asked(tmp_path, method="clip_crop"), log, load=ColoursLoader())
    log.write_text("not JSON\n")
    with pytest.raises(DatasetError, match="line 1 is not a result"):
        run_split(_asked(tmp_path), log, load=ColoursLoader())


@pytest.mark.slow
def test_kill_9_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    make_refer(tmp_path, images=8)
    looked, log = tmp_path / "looked", tmp_path / "log.jsonl"
    whole = run_split(_asked(tmp_path), tmp_path / "whole.jsonl", load=ColoursLoader())[1]
    code = (
        "import sys; from pathlib import Path; from refer_bench import ColoursLoader;"
        "from refseg_lab.evaluation.refer.layout import locate;"
        "from refseg_lab.evaluation.refer.running import *;"
        "root = Path(sys.argv[1]); place = locate('refcoco', 'val', data=root);"
        "run(ReferRun(place, preset='tabletop'), root / 'log.jsonl',"
        " load=ColoursLoader(root / 'looked', 0.5))"
    )
    kept = kill_after_three_of_eight(code, [str(tmp_path)], log)
    before = looked.read_text().count("looked")
    assert run_split(_asked(tmp_path), log, load=ColoursLoader(looked))[1] == whole
    assert looked.read_text().count("looked") == before + 8 - kept


@pytest.mark.slow
def test_two_processes_give_the_same(tmp_path: Path) -> None:
    make_refer(tmp_path, images=5)
    one = run_split(_asked(tmp_path), tmp_path / "one.jsonl", load=ColoursLoader())[1]
    two = run_split(_asked(tmp_path, workers=2), tmp_path / "two.jsonl", load=ColoursLoader())[1]
    assert one == two


@pytest.fixture
def ray_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray is there; its workers find the modules of the tests and are no nicer than others."""
    pytest.importorskip("ray", reason="comes with the extra cluster")
    paths = [str(Path(__file__).parent), str(HELPERS), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("RAY_worker_niceness", "0")


@pytest.mark.slow
def test_two_workers_of_a_ray_cluster_give_the_same_table(
    tmp_path: Path, ray_workers: None
) -> None:
    make_refer(tmp_path, images=5)
    one = run_split(_asked(tmp_path), tmp_path / "one.jsonl", load=ColoursLoader())[1]
    asked = _asked(tmp_path, workers=2, ray="local")
    two = run_split(asked, tmp_path / "two.jsonl", load=ColoursLoader())[1]
    assert one == two
    assert split_figures(one) == split_figures(two)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


@pytest.mark.slow
def test_a_ray_worker_fails_with_its_own_error(tmp_path: Path, ray_workers: None) -> None:
    make_refer(tmp_path, images=2)
    next((tmp_path / "images").rglob("*2.png")).write_bytes(b"no picture")
    log = tmp_path / "log.jsonl"
    with pytest.raises(RefsegError, match="not an image that can be read"):
        run_split(_asked(tmp_path, ray="local"), log, load=ColoursLoader())
    assert len(log.read_text().splitlines()) == 2
    with pytest.raises(ConfigError, match="no cluster at"):
        run_split(_asked(tmp_path, ray="127.0.0.1:9"), log, load=ColoursLoader())


# What is wrong with files is said


def test_missing_files_are_named_with_their_page(tmp_path: Path) -> None:
    for dataset, known in DATASETS.items():
        by = next(iter(known.splits))
        with pytest.raises(DatasetError, match="get it from https://") as error:
            locate(dataset, known.splits[by][0], data=tmp_path)
        assert str(tmp_path / dataset) in str(error.value)
    make_refer(tmp_path)
    (tmp_path / "images/mscoco/images/train2014").rename(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="images are missing"):
        locate("refcoco", "val", data=tmp_path)
    with pytest.raises(ConfigError, match="no 'testC', but val, testA, testB"):
        locate("refcoco", "testC", data=tmp_path)
    with pytest.raises(ConfigError, match="no 'unc', but umd, google"):
        locate("refcocog", "val", "unc", tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"id": 10,', '"id": 99,', "annotation 10 is not in"),
        ('"id": 1,', '"id": 77,', "image 1 is not in"),
        ('"height": 40', '"height": "40"', "height is '40', not int"),
        ('"COCO_', '"../COCO_', "is not the name of a file"),
        ('{"images"', '{"pictures"', "images is 'None'"),
        ("]}", "", "damaged or cut short"),
        ('"height": 40', '"height": 41', "and its masks of"),
    ],
)
def test_damaged_annotations(tmp_path: Path, old: str, new: str, says: str) -> None:
    make_refer(tmp_path)
    path = tmp_path / "refcoco/instances.json"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DatasetError, match=says):
        run_split(_asked(tmp_path), tmp_path / "log.jsonl", load=ColoursLoader())


def test_a_missing_picture_ends_the_run_and_keeps_the_rest(tmp_path: Path) -> None:
    make_refer(tmp_path, images=3)
    picture = next((tmp_path / "images").rglob("*3.png"))
    content = picture.read_bytes()
    picture.write_bytes(content[:100])
    log = tmp_path / "log.jsonl"
    with pytest.raises(RefsegError, match="damaged or truncated"):
        run_split(_asked(tmp_path), log, load=ColoursLoader())
    assert len(log.read_text().splitlines()) == 3
    picture.write_bytes(content)
    assert len(run_split(_asked(tmp_path), log, load=ColoursLoader())[1]) == 3


# The commands


def test_the_command_prints_ours_beside_the_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_refer(tmp_path)
    monkeypatch.setattr(running, "SegmenterLoader", lambda config, device: ColoursLoader())
    monkeypatch.setenv("REFSEG_DATA", str(tmp_path))
    log = tmp_path / "results/log.jsonl"
    arguments = ["eval", "refcoco", "--preset", "tabletop", "--out", str(log)]
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    assert "62.50" in first.output
    assert "64.66" in first.output
    assert "TAS, ViT-B/32 (published)" in first.output
    assert "39.80" in first.output
    assert "2 ended in an error" in first.output
    values = json.loads(log.with_suffix(".json").read_text())
    assert values["figures"]["mIoU"] == 0.625
    page = log.with_suffix(".html").read_text()
    assert "data:image/jpeg;base64," in page
    assert "Worst answers" in page
    assert "green boom" in page
    again = CliRunner().invoke(app, arguments)
    assert (
        again.output.split("wrote")[0].split("RefCOCO")[-1]
        == (first.output.split("wrote")[0].split("RefCOCO")[-1])
    )


def test_the_command_says_what_is_missing(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["eval", "refcoco+", "--data", str(tmp_path)])
    assert answer.exit_code == 1
    assert "refs(unc).p is missing" in " ".join(answer.output.split())


def _rows_in_the_docs() -> list[tuple[float | None, ...]]:
    text = (DOCS / "reproduce.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split("|")[2:] for line in text.splitlines() if " / " in line]
    return [
        tuple(None if value.strip() == "–" else float(value) for value in "/".join(row).split("/"))
        for row in rows
        if len(row) == 3 and "val" not in row[0]
    ]


def test_the_published_rows_are_whole_and_those_of_the_docs() -> None:
    told = _rows_in_the_docs()
    for row in PUBLISHED:
        assert len(row.miou) == len(row.oiou) == 9
        assert row.miou in told
        assert row.oiou in told or row.oiou[0] is None
    tas = PUBLISHED[0]
    assert tas.at("refcocog", "google", "val") == (48.1, None)
    assert tas.at("refcoco+", "unc", "testA") == (49.1, 38.77)
    assert tas.at("phrasecut", "", "val") == (None, None)


@pytest.mark.slow
def test_the_bundled_preset_goes_through(tmp_path: Path) -> None:
    make_refer(tmp_path, images=1)
    log = tmp_path / "log.jsonl"
    arguments = ["eval", "refcoco", "--preset", "tabletop", "--data", str(tmp_path)]
    answer = CliRunner().invoke(app, [*arguments, "--out", str(log), "--device", "cpu"])
    assert answer.exit_code == 0, answer.output
    assert "4 expressions" in answer.output
