# SPDX-License-Identifier: Apache-2.0
"""`refseg eval language` on files of its own, and on other people's where they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from refseg_lab.evaluation.bootstrap import wilson
from refseg_lab.evaluation.language.asking import SentenceKind, ask_all
from refseg_lab.evaluation.language.labelled import misread
from refseg_lab.evaluation.language.named_pictures import COCO_NAMES, read_sentences
from refseg_lab.evaluation.language.named_scene import fits_names
from refseg_ros.cli.main import app
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import RefsegError

OTHERS = Path(__file__).parents[2] / "shared" / "data"
BOXES = [[5, 40, 25, 60], [40, 40, 60, 60], [75, 40, 95, 60]]
NAMES = [["mug"], ["cup", "mug"], ["book"]]


def write(folder: Path, *asked: tuple[str, object], name: str = "places") -> Path:
    lines = [
        {"text": text, "target": target, "size": [100, 100], "boxes": BOXES, "names": NAMES}
        for text, target in asked
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["eval", "language", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def test_each_kind_of_sentence_is_asked_beside_its_baselines(tmp_path: Path) -> None:
    asked = (
        *(("far right", 2), ("the mug on the right", 1), ("second mug from the left", 1)),
        *(("the mug next to the book", 1), ("the book", 2), ("the spoon on the left", 0)),
        ("the lamp", None),
    )
    sentences = read_sentences(write(tmp_path, *asked))
    answers = list(ask_all(sentences, SegmenterConfig.from_preset("tabletop")))
    assert [item.kind for item in answers] == [
        *(SentenceKind.PLACE, SentenceKind.NOUN_PLACE, SentenceKind.ORDINAL),
        *(SentenceKind.RELATION, SentenceKind.LOOK, SentenceKind.OTHER_NAME, SentenceKind.LOOK),
    ]
    assert [item.right for item in answers] == [True] * 5 + [False, True]
    assert [item.chance for item in answers[:2]] == pytest.approx([1 / 3, 1 / 2])
    assert [item.utmost for item in answers[:3]] == [True, True, False]
    assert answers[3].unrelated is False


def test_parts_of_things_are_found_where_they_are_seen_else_the_thing_with_a_doubt(
    tmp_path: Path,
) -> None:
    asked = (("the mug left of the spine of the book", 1), ("the spine of the book", 2))
    sentences = read_sentences(write(tmp_path, *asked))
    for preset in ("tabletop", "fast"):
        answers = list(ask_all(sentences, SegmenterConfig.from_preset(preset)))
        assert [item.right for item in answers] == [True, True]
        assert answers[1].status == "AMBIGUOUS"
        assert "shows the 'spine' of the 'book' by itself" in answers[1].reason


def test_names_fit_by_head_synonym_and_person() -> None:
    names = (("person",), ("sofa",), ("red mug",), ())
    assert fits_names("old man", names).tolist() == [1, 0, 0, 0]
    assert fits_names("couch", names).tolist() == [0, 1, 0, 0]
    assert fits_names("mugs", names).tolist() == [0, 0, 1, 0]
    assert fits_names("red", names).tolist() == [1, 1, 1, 1]


def test_photos_have_polygons_questions_and_turns(tmp_path: Path) -> None:
    Image.new("RGB", (100, 50)).save(tmp_path / "val_000000000007.jpg")
    cup = next(number for number, name in COCO_NAMES.items() if name == "cup")
    squares = [(0.1, 0.3), (0.4, 0.6), (0.7, 0.702)]
    lines = [f"{cup} {a} .2 {b} .2 {b} .7 {a} .7\n" for a, b in squares]  # 26 pixels the last
    (tmp_path / "val_000000000007.txt").write_text("".join(lines))
    wanted = {"the cup": "amb", "dialogue: the cup": "amb", "dialogue: the left one": 0}
    wanted |= {"both cups": [0, 1], "the fork": "none"}
    entries = [{"image": 7, "split": "val", "text": k, "want": v} for k, v in wanted.items()]
    (tmp_path / "sentences.json").write_text(json.dumps(entries))
    sentences = read_sentences(tmp_path)
    assert [len(item.picture.names) for item in sentences] == [2] * 5
    assert [item.follows for item in sentences] == [False, False, True, False, False]
    answers = list(ask_all(sentences, SegmenterConfig.from_preset("tabletop")))
    assert [item.right for item in answers] == [True] * 5


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    write(tmp_path, ("the mug on the left", 0), ("the mug on the left", 1), ("the book", 2))
    labels, page, figures = (tmp_path / name for name in ("l.txt", "page.html", "figures.json"))
    right = {"text": "the red mug left of the book", "head": "mug", "looks": ["red"]}
    right["relations"] = [["left of", "book"]]  # type: ignore[assignment]
    wrong = {"text": "two cups at the top", "source": "own", "head": "cup", "number": 2}
    labels.write_text(json.dumps(right) + "\n" + json.dumps(wrong) + "\n")
    options = ("--labels", labels, "--page", page, "--json", figures, "--misreadings")
    code, out, _ = run(tmp_path, *options)
    assert code == 0
    assert "places: noun + place" in out
    assert "place is ['top'], labelled ''" in out
    data = json.loads(figures.read_text())
    assert data["place"]["places: noun + place"]["right"]["value"] == 0.5
    assert data["reading"]["all"]["head"]["value"] == 1.0
    assert data["reading"]["own"]["every field"]["value"] == 0.0
    assert [item["right"] for item in data["answers"]] == [True, False, True]
    shown = page.read_text(encoding="utf-8")
    assert shown.count("<figure>") == 1
    assert "two cups at the top" in shown


def test_labels_are_compared_whatever_their_order() -> None:
    label = {
        "text": "the second shiny red mug from the left that is not on the tray",
        "head": "mug",
        "looks": ["red", "shiny"],
        "place": ["left"],
        "order": "2:left",
        "negated": ["on tray"],
    }
    assert misread(label) == {}
    assert set(misread({**label, "head": "cup", "number": "any"})) == {"head", "number"}


@pytest.mark.parametrize(
    "line",
    [
        '{"text": "a mug", "boxes": [[0, 0, 1, 1]], "names": []}',
        '{"text": "a mug", "boxes": [[0, 0, 1, 1]], "names": [[]], "target": 1}',
        '{"text": "a mug", "boxes": 3, "names": [[]], "target": 0}',
        "{",
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "bad.jsonl").write_text(line + "\n")
    with pytest.raises(RefsegError, match=r"bad\.jsonl:1"):
        read_sentences(tmp_path)
    code, _, err = run(tmp_path)
    assert code == 1
    assert "bad.jsonl:1" in err


def test_nothing_to_measure_is_an_error(tmp_path: Path) -> None:
    assert run(tmp_path)[0] == 1
    assert run()[0] == 2
    (tmp_path / "labels.txt").write_text('{"text": "a mug", "colour": "red"}\n')
    assert "labels.txt:1" in run("--labels", tmp_path / "labels.txt")[2]


def test_wilson() -> None:
    assert wilson(0, 0).value is None
    figure = wilson(8, 10)
    assert (figure.value, figure.low, figure.high) == pytest.approx((0.8, 0.490, 0.943), abs=1e-3)


@pytest.mark.skipif(not OTHERS.is_dir(), reason="other people's sentences are not here")
def test_what_people_wrote_is_placed() -> None:
    answers = list(ask_all(read_sentences(OTHERS), SegmenterConfig.from_preset("tabletop")))
    for kind, least in LEAST.items():
        own = [a for a in answers if a.kind is kind and a.sentence.source.startswith("referit")]
        assert sum(item.right for item in own) >= least * len(own), kind


LEAST = {
    SentenceKind.PLACE: 0.92,
    SentenceKind.NOUN_PLACE: 0.95,
    SentenceKind.ORDINAL: 0.65,
    SentenceKind.RELATION: 0.75,
}
