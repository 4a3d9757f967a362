# SPDX-License-Identifier: Apache-2.0
"""The parser's accuracy and speed on the labelled set, half of which no rule was tuned on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from checkout import TESTS

from refseg_lab.evaluation.parser_accuracy import (
    FIELDS,
    load,
    main,
    measure_parser,
    reading,
    seconds_per_expression,
    wrong_fields,
)
from refseg_ros.language.parser import parse

SET = TESTS / "data" / "expressions.jsonl"


def test_the_set_is_large_and_halved_by_line() -> None:
    halves = load(SET)
    lines = [json.loads(line) for line in SET.read_text(encoding="utf-8").splitlines()]
    texts = {label["text"] for label in lines}
    assert len(texts) == len(lines) >= 300
    assert halves.development == lines[::2]
    assert halves.test == lines[1::2]
    phenomena = {label["phenomenon"] for label in halves.development}
    assert phenomena == {label["phenomenon"] for label in halves.test}
    assert len(phenomena) >= 12
    for field in FIELDS:
        assert any(field in label for label in halves.test)


def test_none_of_them_is_taken_for_another_language() -> None:
    halves = load(SET)
    texts = [label["text"] for half in (halves.development, halves.test) for label in half]
    assert [text for text in texts if parse(text).language] == []


def test_the_test_half_is_read_right() -> None:
    shares = measure_parser(load(SET).test)
    assert shares["head"] >= 0.95
    assert shares["place"] >= 0.95
    for field in FIELDS:
        assert shares[field] >= 0.95, field


def test_the_median_expression_takes_under_a_millisecond() -> None:
    halves = load(SET)
    assert seconds_per_expression([*halves.development, *halves.test], repeats=3) < 1e-3


def test_a_wrong_reading_is_counted_per_field() -> None:
    right = {"text": "the red mug on the left", "head": "mug", "attributes": ["red"]}
    right["directions"] = ["left"]
    wrong = {**right, "head": "cup", "relations": ["in(bowl)"]}
    assert wrong_fields(right) == {}
    assert wrong_fields(wrong) == {
        "head": ("cup", "mug"),
        "relations": (["in(bowl)"], None),
    }
    shares = measure_parser([right, wrong])
    assert (shares["head"], shares["directions"], shares["place"], shares["whole"]) == (
        0.5,
        1.0,
        0.5,
        0.5,
    )


def test_a_reading_in_the_notation_of_the_labels() -> None:
    text = "the second closest cup to the left bowl on the tray that is not red"
    assert reading(parse(text)) == {
        "head": "cup",
        "relations": ["next_to!2(bowl@left[on(tray)])"],
        "excluded": ["red"],
    }


def test_labels_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text('{"text": "a mug", "colour": "red"}\n', encoding="utf-8")
    with pytest.raises(ValueError, match="colour"):
        load(path)
    with pytest.raises(ValueError, match="labels"):
        measure_parser([])


def test_the_command_reports_both_halves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "set.jsonl"
    lines = ['{"text": "a mug", "head": "cup"}', '{"text": "a mug", "head": "mug"}']
    path.write_text("\n".join(lines), encoding="utf-8")
    assert main([str(path)]) == 0
    printed = capsys.readouterr().out
    head = next(line for line in printed.splitlines() if line.startswith("head"))
    assert head.split() == ["head", "0.0", "%", "100.0", "%"]
    assert "'a mug': head is 'mug', labelled 'cup'" in printed
    assert main([]) == 2
