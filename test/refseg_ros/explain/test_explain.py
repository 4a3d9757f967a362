# SPDX-License-Identifier: Apache-2.0
"""Explanations of answers whose terms and truths are known, as values, dict and text."""

from __future__ import annotations

import dataclasses
import json
import pickle
import re

import numpy as np
import pytest
from checkout import ROOT
from explained import HOSTILE, TABLE, TOTAL, WHERE, answer, crowd, hostile

from refseg_ros.config import DecisionConfig
from refseg_ros.decision.explaining import explain
from refseg_ros.explain.reading_in_words import reading
from refseg_ros.language import RelationKind, parse
from refseg_ros.methods.scoring import ScoreTable
from refseg_ros.results import (
    Check,
    ConditionKind,
    Explanation,
    Proposals,
    Selection,
    Status,
    Weighing,
)
from refseg_ros.spatial import Layout
from refseg_ros.spatial.relations import relation_support


def explained(selection: Selection) -> Explanation:
    assert selection.explanation is not None
    return selection.explanation


def strict(selection: Selection) -> dict:
    """The dict after a way through strict JSON."""
    text = json.dumps(selection.to_dict(), allow_nan=False)
    text.encode("utf-8")
    return json.loads(text)


def test_terms_are_told_before_and_after_weighting() -> None:
    explanation = explained(answer("the mug"))
    v, p, n = explanation.terms
    assert (v.name, v.weight, v.weighted) == ("V", 1.0, (12.0, 8.0, 3.0))
    assert (p.name, p.weight, p.values) == ("P", 0.1, (10.0, 20.0, 0.0))
    assert p.weighted == pytest.approx((1.0, 2.0, 0.0))
    assert (n.name, n.weight) == ("N", -0.7)
    assert n.weighted == pytest.approx((-3.5, -3.5, -7.0))
    assert explanation.total == (9.5, 6.5, -4.0)
    assert explanation.compared == "mug"
    assert explanation.distractors == ("a book", "a bowl")


def test_a_weight_that_differs_between_candidates_is_none() -> None:
    p = np.array([10.0, 20.0, 5.0])
    table = ScoreTable({"P": p}, p, {"P": np.array([0.1, 0.1, 0.0])})
    (term,) = explain(parse("mug"), table, Weighing(), (), ()).terms
    assert term.weight is None
    assert term.weighted == pytest.approx((1.0, 2.0, 0.0))
    same = ScoreTable({"P": p}, p, {"P": np.array([0.1, 0.1, 0.1])})
    assert explain(parse("mug"), same, Weighing(), (), ()).terms[0].weight == 0.1


def test_shares_are_those_of_the_total() -> None:
    # e^0, e^-3, e^-13.5 over their sum 1.049788...
    shares = explained(answer("the mug")).weighing.shares
    assert shares == pytest.approx((0.952573, 0.047426, 1.3e-6), abs=1e-6)


def test_a_relation_tells_its_truths_and_its_landmark() -> None:
    selection = answer("the mug right of the book")
    (condition,) = explained(selection).weighing.conditions
    assert condition.kind is ConditionKind.RELATION
    assert condition.words == "right of 'book'"
    expected = relation_support(RelationKind.RIGHT_OF, [0.0, 0.0, 1.0], WHERE)
    assert condition.holds == pytest.approx(tuple(expected))
    assert condition.holds[0] < 0.01 < 0.9 < condition.holds[1]
    (landmark,) = condition.landmarks
    assert (landmark.words, landmark.chosen, landmark.share) == ("book", (2,), 1.0)
    assert landmark.fits == 1.0
    assert selection.index == 1
    assert explained(selection).weighing.truth == pytest.approx(condition.holds)


def test_landmarks_of_landmarks_are_told() -> None:
    selection = answer("the mug left of the book right of the bowl")
    (condition,) = explained(selection).weighing.conditions
    (book,) = condition.landmarks
    (inner,) = book.conditions
    assert inner.words == "right of 'bowl'"
    assert [item.words for item in inner.landmarks] == ["bowl"]


def test_an_order_tells_places_and_nearness() -> None:
    selection = answer("the second mug from the left")
    weighing = explained(selection).weighing
    (condition,) = weighing.conditions
    assert condition.kind is ConditionKind.ORDER
    # The book is less than 0.03 times as likely as the best, and does not compete.
    assert condition.ranks == (1, 2, 0)
    # Centres at 0.2 and 0.8 of the picture, 0.6 apart; the scale is 0.12.
    assert condition.holds == pytest.approx((np.exp(-0.6 / 0.12), 1.0, 0.0))
    assert weighing.ruled_out == ("", "", "looks less like it than others")
    assert condition.note in selection.reason


def test_an_exclusion_tells_its_factor_and_rules_out() -> None:
    selection = answer("all the mugs that are not right of the book", closeness=0.0)
    weighing = explained(selection).weighing
    (condition,) = weighing.conditions
    assert condition.kind is ConditionKind.EXCLUSION
    aside = relation_support(RelationKind.RIGHT_OF, [0.0, 0.0, 1.0], WHERE)
    assert condition.holds == pytest.approx(tuple((1.0 - aside) ** 3))
    assert [item.words for item in condition.landmarks] == ["book"]
    assert selection.indices == (0,)
    assert weighing.ruled_out == (
        "", "not 'right of book' holds to 0.00", "does not look like it"
    )  # fmt: skip


def test_what_does_not_hold_rules_out_and_says_so() -> None:
    weighing = explained(answer("the leftmost mug right of the book")).weighing
    assert re.fullmatch(r"right of 'book' holds to 0\.0\d", weighing.ruled_out[0])
    assert weighing.ruled_out[1] == ""


def test_sizes_and_positions_are_conditions_of_their_own() -> None:
    weighing = explained(answer("the biggest small mug on the left")).weighing
    kinds = [item.kind for item in weighing.conditions]
    assert kinds == [ConditionKind.SIZE, ConditionKind.POSITION, ConditionKind.ORDER]


def test_the_rectifier_tells_its_decision() -> None:
    selection = answer("the mug on the right", absolute="rectifier")
    weighing = explained(selection).weighing
    # The median column is that of the book, which lies right with what is on the median.
    assert weighing.rectifier == "best of the 2 of 3 candidates that lie right"
    (condition,) = weighing.conditions
    assert condition.kind is ConditionKind.RECTIFIER
    assert condition.holds == (0.0, 1.0, 1.0)
    assert weighing.ruled_out == ("does not lie right", "", "")
    assert selection.to_dict()["explanation"]["rectifier"] == weighing.rectifier
    assert f"rectifier: lies right; {weighing.rectifier}" in selection.explain(120)
    assert explained(answer("the mug on the right")).weighing.rectifier == ""


def test_copies_are_told() -> None:
    masks = np.zeros((3, 100, 100), np.bool_)
    masks[0, :50, :50] = masks[1, :48, :50] = masks[2, 60:, 60:] = True
    where = Layout(Proposals(masks, np.ones(3, np.float32)))
    selection = answer("the biggest mug", where=where)
    weighing = explained(selection).weighing
    assert weighing.copies == ((1,), (0,), ())
    assert weighing.ruled_out[1] == "another mask of candidate 1"
    assert strict(selection)["candidates"][0]["copies"] == [2]


@pytest.mark.parametrize(
    ("config", "says_no", "status"),
    [
        (DecisionConfig(min_match=12.5), ["min_match"], Status.NOT_FOUND),
        (DecisionConfig(min_match=11.0, min_margin=0.95), ["min_margin"], Status.AMBIGUOUS),
        (DecisionConfig(min_match=11.0, min_margin=0.5), [], Status.SELECTED),
        (DecisionConfig(), [], Status.SELECTED),
    ],
)
def test_the_threshold_that_said_no_is_named(
    config: DecisionConfig, says_no: list[str], status: Status
) -> None:
    selection = answer("the mug", config=config)
    assert selection.status is status
    checks = explained(selection).checks
    assert [item.name for item in checks] == ["min_match", "min_truth", "min_margin"]
    assert [item.name for item in checks if item.says_no] == says_no
    assert bool(explained(selection).objections) == bool(says_no)
    assert checks[0].value == 12.0


def test_a_truth_below_its_threshold_says_no() -> None:
    table = {"min_truth": 0.5, "min_match": 0.0}
    selection = answer("the mug above the book", config=DecisionConfig(**table))
    assert selection.status is Status.NOT_FOUND
    assert [item.name for item in explained(selection).checks if item.says_no] == ["min_truth"]
    assert strict(selection)["target"] is None


def test_a_check_that_does_not_apply_never_says_no() -> None:
    assert Check("min_match", 1.0, 2.0).says_no
    assert not Check("min_match", 1.0, 2.0, applies=False).says_no
    lead = explained(answer("any mug", config=DecisionConfig(min_margin=0.99))).checks[2]
    assert not lead.applies
    match = explained(answer("the leftmost thing")).checks[0]
    assert not match.applies


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("pick up the red mug please", "referring", "the red mug"),
        ("the small red mugs", "attributes", ("small", "red")),
        ("the leftmost mug", "directions", ("to the utmost left",)),
        ("the second mug from the right", "ordinal", "second from the right"),
        ("the last mug", "ordinal", "last"),
        ("the second largest mug", "superlatives", ("largest: second by the greatest size",)),
        ("the farthest mug", "superlatives", ("farthest: the farthest from the camera",)),
        ("the mug on the table", "relations", ("on the table",)),
        (
            "the mug left of the bowl on the red tray",
            "relations",
            ("left of bowl (on red tray)",),
        ),
        ("the mug between the book and the bowl", "relations", ("between book and bowl",)),
        ("the mug closest to the bowl", "relations", ("utmost next to bowl",)),
        ("the mug that is not red", "exclusions", ("red",)),
        ("the mug that is not on the left", "exclusions", ("left",)),
        ("both mugs", "count", "2"),
        ("all the mugs", "count", "all of them"),
        ("any mug", "count", "any one"),
        ("the left one of the two mugs", "count", "one of 2"),
        ("the other mug", "before", "another than before"),
        ("put the mug in the bowl", "destination", "in the bowl"),
        ("the gren mug", "corrections", ("'gren' as 'green'",)),
    ],
)
def test_a_sentence_is_told_as_it_was_read(text: str, field: str, words: object) -> None:
    assert getattr(reading(parse(text)), field) == words


def test_the_dict_keeps_its_keys_and_holds_the_explanation() -> None:
    plain = strict(answer("the mug right of the book"))
    assert list(plain) == [
        "size", "expression", "status", "reason", "warnings", "question", "options", "tied",
        "score", "margin", "box", "area",
        "target", "targets", "candidates", "seconds", "explanation",
    ]  # fmt: skip
    best = plain["candidates"][0]
    assert best["id"] == plain["target"] == 2
    assert best["terms"] == {"V": 8.0, "P": 20.0, "N": 5.0}
    assert best["weighted"] == {"V": 8.0, "P": 2.0, "N": -3.5}
    assert best["total"] == 6.5
    assert best["holds"].keys() == {"A"}
    assert best["truth"] == best["holds"]["A"] > 0.9
    assert best["ranks"] == {}
    why = plain["explanation"]
    assert why["weights"] == {"V": 1.0, "P": 0.1, "N": -0.7}
    assert why["conditions"][0]["key"] == "A"
    assert why["conditions"][0]["landmarks"][0]["candidates"] == [3]
    assert why["reading"]["head"] == "mug"
    assert why["distractors"] == ["a book", "a bowl"]
    assert [item["says_no"] for item in why["checks"]] == [False, False, False]


def test_thresholds_without_an_end_are_null() -> None:
    plain = strict(answer("the mug", config=DecisionConfig()))
    assert plain["explanation"]["checks"][0]["at_least"] is None


def test_numbers_that_json_has_no_word_for_are_null() -> None:
    selection = answer("the mug")
    odd = dataclasses.replace(
        selection, score=float("nan"), margin=float("inf"), box=np.full(4, np.nan, np.float32)
    )
    plain = strict(odd)
    assert (plain["score"], plain["margin"], plain["box"]) == (None, None, [None] * 4)
    assert "SELECTED" in odd.explain()


def test_answers_without_an_explanation_are_told_too() -> None:
    none = Selection.none("x", Status.LOST, "it is gone", (3, 5))
    assert strict(none)["explanation"] is None
    assert none.explain() == "LOST: it is gone"
    bare = answer("the mug", table=None)
    assert "a red mug" in bare.explain()
    assert strict(bare)["candidates"][0]["terms"]["V"] == 12.0


def test_an_explanation_can_be_pickled_compared_and_hashed() -> None:
    first, second = (explained(answer("the second mug left of the book")) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    assert pickle.loads(pickle.dumps(first)) == first
    selection = answer("the mug")
    again = pickle.loads(pickle.dumps(selection))
    assert again.explain() == selection.explain()
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.compared = "x"  # type: ignore[misc]


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
@pytest.mark.parametrize(
    "text",
    [
        "the mug",
        "the second biggest mug from the left that is not next to the book and right of the bowl",
        "all the mugs on the left",
    ],
)
def test_the_text_fits_its_width_and_is_plain(text: str, width: int) -> None:
    told = answer(text).explain(width)
    assert max(map(len, told.splitlines())) <= width
    assert "\x1b" not in told
    assert all(line == line.rstrip() for line in told.splitlines())
    assert told.count("12.00") >= 1


def test_the_text_holds_terms_truths_and_thresholds() -> None:
    told = answer("the mug right of the book").explain(80)
    assert "total = V + 0.1·P − 0.7·N" in told
    row = next(line for line in told.splitlines() if line.startswith(">  2"))
    assert row.split()[2:8] == ["8.00", "20.00", "2.00", "5.00", "−3.50", "6.50"]
    assert "'book' is 3 (a book), 1.00 sure" in told
    assert "N compares with a book, a bowl" in told
    assert re.search(r"min_match .* 8\.00, at least 6\.60 +yes", told)


def test_colours_are_given_on_request() -> None:
    told = answer("the mug right of the book").explain(80, colour=True)
    assert "\x1b[" in told
    assert re.sub(r"\x1b\[[0-9;]*m", "", told).split() == answer(
        "the mug right of the book"
    ).explain(80).split()  # fmt: skip


def test_only_so_many_candidates_are_shown_on_request() -> None:
    told = answer("the mug").explain(most=1)
    assert "a red mug" in told
    assert "a blue mug" not in told
    assert "and 2 more" in told
    for arguments in ({"most": 0}, {"width": 59}):
        with pytest.raises(ValueError, match="expected at least"):
            answer("the mug").explain(**arguments)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_breaks_neither_text_nor_dict(text: str) -> None:
    selection = hostile(text)
    told = selection.explain(80)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800]", told)
    assert len(told) < 20_000
    if "[red]" in text:
        assert "[red]mug[/red]" in told
    plain = strict(selection)
    if "\ud800" not in text:
        assert plain["expression"] == text
        assert plain["candidates"][0]["caption"] == text


def test_many_candidates_and_many_conditions_are_told() -> None:
    selection, _ = crowd(90)
    weighing = explained(selection).weighing
    assert selection.explain().count(" a thing\n") == 90
    assert len(strict(selection)["candidates"]) == 90
    long = dataclasses.replace(weighing, conditions=weighing.conditions * 60)
    keys = [key for key, _ in long.keyed()]
    assert len(set(keys)) == 60
    assert keys[25:28] == ["Z", "A1", "B1"]
    wide = dataclasses.replace(
        selection, explanation=dataclasses.replace(explained(selection), weighing=long)
    )
    assert max(map(len, wide.explain(120).splitlines())) <= 120
    assert len(strict(wide)["explanation"]["conditions"]) == 60


def test_terms_of_the_table_sum_to_the_total() -> None:
    explanation = explain(parse("mug"), TABLE, Weighing(), (), ("", "doubt"))
    summed = np.sum([term.weighted for term in explanation.terms], axis=0)
    np.testing.assert_allclose(summed, TOTAL)
    assert explanation.objections == ("doubt",)


def keys_of(value: object) -> set[str]:
    """Every key in plain values, at any depth, but for the names of terms and conditions."""
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    if not isinstance(value, dict):
        return set()
    named = {name for name in value if len(name) > 1}
    return named.union(*map(keys_of, value.values()))


def test_every_key_is_documented() -> None:
    page = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(\w+)`", page))
    plain = answer("the second mug from the left right of the book").to_dict()
    assert len(keys_of(plain)) > 50
    assert keys_of(plain) - documented == set()
