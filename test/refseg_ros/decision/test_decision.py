# SPDX-License-Identifier: Apache-2.0
"""Refusing, ranking and deciding on three candidates whose scores are given."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from refseg_ros.config import DecisionConfig
from refseg_ros.decision.choice import confidence, decide, rank
from refseg_ros.decision.refusal import NOTHING_SEEN, refusal, unknown_noun
from refseg_ros.language import ReferringExpression, parse
from refseg_ros.language.reading import Unused, read, unused
from refseg_ros.methods.scoring import ScoreTable
from refseg_ros.results import Proposals, Selection, Status
from refseg_ros.results.explanation import Weighing
from refseg_ros.spatial.placing import Placing

PROPOSALS = Proposals(np.eye(3, dtype=bool)[:, None, :], np.ones(3, np.float32))
LOGITS = np.array([12.0, 8.0, 3.0])
TABLE = ScoreTable({"V": LOGITS}, LOGITS)


def _placed(weights: list[float], index: int, eligible: list[bool] | None = None) -> Placing:
    kept = np.array(eligible if eligible is not None else [True] * 3)
    return Placing(np.array(weights), kept, (index,), "")


def _decide(text: str, placed: Placing, config: DecisionConfig) -> Selection:
    candidates = rank(TABLE, placed, PROPOSALS, ("a", "b", "c"))
    return decide(parse(text), candidates, placed, PROPOSALS, config, {"total": 1.0})


def _refused(
    expression: ReferringExpression, count: int, words: set[str] | None
) -> tuple[Status, str] | None:
    """Why a sentence is refused among so many candidates, by models that know some nouns."""
    reading = read(expression, words)
    return refusal(reading) or (unknown_noun(reading) if count else NOTHING_SEEN)


@pytest.mark.parametrize(
    ("text", "count", "words", "status", "said"),
    [
        ("", 3, None, Status.ERROR, "empty"),
        ("please", 3, None, Status.ERROR, "nothing to look for"),
        ("the thing", 3, None, Status.ERROR, "name a thing"),
        ("the mug", 0, None, Status.NOT_FOUND, "stands out"),
        ("the helicopter", 3, {"mug"}, Status.NOT_FOUND, "'helicopter'"),
        ("the mug left of the helicopter", 3, {"mug"}, Status.NOT_FOUND, "'helicopter'"),
    ],
)
def test_refusals(
    text: str, count: int, words: set[str] | None, status: Status, said: str
) -> None:
    refused = _refused(parse(text), count, words)
    assert refused is not None
    assert refused[0] is status
    assert said in refused[1]


@pytest.mark.parametrize("text", ["the mug", "the mugs", "the leftmost thing", "the red one"])
def test_what_can_be_asked_is_not_refused(text: str) -> None:
    assert _refused(parse(text), 3, {"mug"}) is None


def test_ruled_out_candidates_come_last_with_nothing() -> None:
    ranked = rank(TABLE, _placed([0.5, 0.3, 0.2], 1, [False, True, True]), PROPOSALS, ("",) * 3)
    assert [item.index for item in ranked] == [1, 2, 0]
    assert [item.score for item in ranked] == pytest.approx([0.6, 0.4, 0.0])
    assert [item.eligible for item in ranked] == [True, True, False]


def test_a_clear_lead_is_selected() -> None:
    selection = _decide("the mug", _placed([0.7, 0.2, 0.1], 0), DecisionConfig(min_margin=0.4))
    assert selection.status is Status.SELECTED
    assert selection.margin == pytest.approx(0.5)
    assert selection.mask.tolist() == [[True, False, False]]
    assert selection.seconds == {"total": 1.0}


def test_changing_an_answer_leaves_the_scene_as_it_is() -> None:
    selection = _decide("the mug", _placed([0.7, 0.2, 0.1], 0), DecisionConfig())
    selection.mask[:] = False
    selection.box[:] = -1
    assert PROPOSALS.masks[0].any()
    assert PROPOSALS.boxes[0].tolist() == [0, 0, 1, 1]


def test_a_small_lead_is_ambiguous_and_still_has_a_mask() -> None:
    selection = _decide("the mug", _placed([0.45, 0.44, 0.11], 0), DecisionConfig(min_margin=0.1))
    assert selection.status is Status.AMBIGUOUS
    assert selection.mask.any()
    assert "only just" in selection.reason


def test_what_looks_like_nothing_is_refused_with_its_candidates() -> None:
    selection = _decide("the mug", _placed([0.1, 0.8, 0.1], 1), DecisionConfig(min_match=9.0))
    assert selection.status is Status.NOT_FOUND
    assert not selection.mask.any()
    assert len(selection.candidates) == 3
    assert "8.0" in selection.reason
    assert "9.0" in selection.reason


def test_what_captions_add_to_the_match_may_save_or_refuse_it() -> None:
    for added, status in ((1.5, Status.SELECTED), (-1.5, Status.NOT_FOUND)):
        table = ScoreTable({"V": LOGITS, "C": np.full(3, added)}, LOGITS)
        placed = _placed([0.1, 0.8, 0.1], 1)
        candidates = rank(table, placed, PROPOSALS, ("a", "b", "c"))
        config = DecisionConfig(min_match=8.5)
        found = decide(parse("the mug"), candidates, placed, PROPOSALS, config, {})
        assert found.status is status


def test_a_match_is_not_asked_of_words_that_name_no_look() -> None:
    config = DecisionConfig(min_match=9.0)
    assert _decide("the leftmost thing", _placed([0, 1, 0], 1), config).status is Status.SELECTED


def test_the_only_candidate_leads_by_its_whole_share() -> None:
    placed = _placed([1.0, 0.0, 0.0], 0, [True, False, False])
    assert math.isclose(_decide("the mug", placed, DecisionConfig(min_margin=0.9)).margin, 1.0)


def test_scores_that_all_underflowed_are_shared_equally() -> None:
    ranked = rank(TABLE, _placed([1.0, 0.0, 0.0], 1, [False, True, True]), PROPOSALS, ("",) * 3)
    assert {item.index: item.score for item in ranked} == {0: 0.0, 1: 0.5, 2: 0.5}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the red mug left of the blue book on the table", Unused()),
        ("the biggest thing on the left", Unused()),
        ("the mug that is not red", Unused()),
        ("the mug that is not shiny", Unused(negated=("shiny",))),
        ("the mug and the ball", Unused(words=("ball",))),
        ("the mug with a handle", Unused()),
        ("the two red mugs", Unused()),
        ("the mug left of the bowl with the red ball in it", Unused()),
        ("the other mug", Unused(before="it should differ from the one before")),
        ("the scissors", Unused()),
        ("the mug that is red", Unused()),
    ],
)
def test_what_of_a_sentence_is_left_aside(text: str, expected: Unused) -> None:
    assert unused(parse(text)) == expected


def test_what_a_vocabulary_does_not_know_as_a_thing_is_left_aside() -> None:
    text = "the mug with a handle"
    assert unused(parse(text), {"mug"}) == Unused(words=("handle",))
    assert unused(parse(text), {"mug", "handle"}) == Unused()


def test_what_is_not_resolved_is_never_selected_outright() -> None:
    for text in ("the mug that is not shiny", "the two mugs", "the other mug"):
        placed, aside = _placed([0.9, 0.1, 0.0], 0), unused(parse(text), sets=False)
        candidates = rank(TABLE, placed, PROPOSALS, ("",) * 3)
        decided = decide(parse(text), candidates, placed, PROPOSALS, DecisionConfig(), {}, aside)
        assert decided.status is Status.AMBIGUOUS
        assert str(aside) in decided.reason
        assert decided.mask.any()


def test_exclusions_of_unknown_things_are_left_aside() -> None:
    expression = parse("the mug that is not a helicopter")
    assert unused(expression, {"mug"}).negated == ("helicopter",)
    assert unused(expression, {"mug", "helicopter"}).negated == ()
    placed = parse("the mug that is not next to the helicopter")
    assert unused(placed, {"mug"}).negated
    assert _refused(placed, 3, {"mug"}) is None


def _set(weights: list[float], chosen: tuple[int, ...], said: str = "") -> Placing:
    return Placing(np.array(weights), np.ones(3, np.bool_), chosen, "", open=said)


def test_of_a_set_the_masks_are_joined() -> None:
    selection = _decide("the two mugs", _set([0.45, 0.1, 0.45], (2, 0)), DecisionConfig())
    assert selection.status is Status.SELECTED
    assert selection.indices == (2, 0)
    assert selection.index == 2
    assert selection.mask.tolist() == [[True, False, True]]
    assert selection.box.tolist() == [0, 0, 3, 1]
    assert selection.score == pytest.approx(0.9)
    # The least of the chosen minus the best of the rest.
    assert selection.margin == pytest.approx(0.35)
    assert "candidates 3, 1 of 3 lead" in selection.reason
    assert selection.explain().count("\n> ") == 2


def test_the_lead_of_a_set_is_measured_against_its_least_share() -> None:
    config = DecisionConfig(min_margin=0.1)
    clear = _decide("the two mugs", _set([0.36, 0.3, 0.34], (0, 2)), config)
    # 0.04 of 0.34 is more than a tenth, though 0.04 by itself is less.
    assert clear.status is Status.SELECTED
    close = _decide("the two mugs", _set([0.36, 0.31, 0.33], (0, 2)), config)
    assert close.status is Status.AMBIGUOUS


def test_a_number_that_is_not_met_makes_the_answer_unsure() -> None:
    placed = _set([0.9, 0.05, 0.05], (0,), "2 were asked for, but 1 found")
    selection = _decide("the two mugs", placed, DecisionConfig())
    assert selection.status is Status.AMBIGUOUS
    assert "1 found" in selection.reason


def test_any_of_several_may_be_taken() -> None:
    config = DecisionConfig(min_margin=0.1)
    assert _decide("any mug", _placed([0.4, 0.4, 0.2], 0), config).status is Status.SELECTED
    assert _decide("the mug", _placed([0.4, 0.4, 0.2], 0), config).status is Status.AMBIGUOUS


@pytest.mark.parametrize(
    ("truth", "missing", "status", "said"),
    [
        (0.09, (), Status.NOT_FOUND, "where it should be"),
        (0.11, (), Status.AMBIGUOUS, "holds only to 0.11"),
        (0.3, (), Status.SELECTED, "leads"),
        (1.0, ("blue bowl",), Status.NOT_FOUND, "'blue bowl'"),
    ],
)
def test_what_does_not_hold_is_not_found(
    truth: float, missing: tuple[str, ...], status: Status, said: str
) -> None:
    placed = Placing(
        np.array([0.8, 0.1, 0.1]), np.ones(3, np.bool_), (0,), "", truth=truth, missing=missing
    )
    selection = _decide("the mug in the blue bowl", placed, DecisionConfig(min_truth=0.1))
    assert selection.status is status
    assert said in selection.reason
    assert selection.mask.any() == status.has_target


@pytest.mark.parametrize("text", ["it", "the other one", "that one"])
def test_what_points_back_needs_something_meant_before(text: str) -> None:
    refused = _refused(parse(text), 3, None)
    assert refused is not None
    assert refused[0] is Status.ERROR
    assert "before" in refused[1]


def test_words_left_aside_are_said_and_do_not_make_the_answer_unsure() -> None:
    placed, aside = _placed([0.9, 0.1, 0.0], 0), Unused(words=("handle",))
    candidates = rank(TABLE, placed, PROPOSALS, ("",) * 3)
    text = "the mug with a handle"
    decided = decide(parse(text), candidates, placed, PROPOSALS, DecisionConfig(), {}, aside)
    assert decided.status is Status.SELECTED
    assert "'handle' was not used" in decided.reason


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the thing that is not shiny", "'not shiny'"),
        ("the shiny thing", "'shiny'"),
    ],
)
def test_a_sentence_of_which_nothing_is_used_is_no_question(text: str, said: str) -> None:
    expression = parse(text)
    refused = _refused(expression, 3, {"mug"})
    assert refused is not None
    assert refused[0] is Status.ERROR
    assert said in refused[1]


def test_what_is_to_be_drunk_from_is_a_question() -> None:
    expression = parse("I want to drink from the mug")
    assert expression.head == "mug"
    assert _refused(expression, 3, {"mug"}) is None


def test_a_known_thing_left_aside_makes_the_answer_unsure() -> None:
    expression = parse("the mug and the ball")
    assert unused(expression, {"mug", "ball"}).matters
    assert not unused(expression, {"mug"}).matters


def test_a_second_mask_of_the_chosen_thing_is_no_rival() -> None:
    weights, everyone = np.array([0.45, 0.44, 0.11]), np.ones(3, np.bool_)
    config = DecisionConfig(min_margin=0.1)
    alone = _decide("the mug", Placing(weights, everyone, (0,), "", copies=(0, 1)), config)
    assert alone.status is Status.SELECTED
    # 0.45 minus the 0.11 of the third; the 0.44 is of the same thing.
    assert alone.margin == pytest.approx(0.34)
    assert alone.mask.tolist() == [[True, False, False]]
    rival = _decide("the mug", Placing(weights, everyone, (0,), "", copies=(0,)), config)
    assert rival.status is Status.AMBIGUOUS
    assert rival.margin == pytest.approx(0.01)


def test_of_what_everything_stands_on_no_look_is_asked() -> None:
    for text in ("the mug directly on the table", "the mug on the table"):
        assert _refused(parse(text), 3, {"mug"}) is None
    # What stands there must still be known.
    refused = _refused(parse("the pot directly on the table"), 3, {"mug"})
    assert refused is not None
    assert refused[0] is Status.NOT_FOUND
    assert "'pot'" in refused[1]


def test_a_score_is_what_the_line_of_the_preset_makes_of_the_share() -> None:
    placed = _placed([0.7, 0.2, 0.1], 0)
    assert _decide("the mug", placed, DecisionConfig()).score == pytest.approx(0.7)
    config = DecisionConfig(score_slope=0.5, score_offset=1.0)
    # logit 0.7 = 0.847298; 0.5 * 0.847298 + 1 = 1.423649.
    assert _decide("the mug", placed, config).score == pytest.approx(0.805910, abs=1e-6)
    assert confidence(1.0, config) == pytest.approx(1 / (1 + math.exp(-0.5 * math.log(999) - 1)))
    assert 0 < confidence(0.0, config) < 0.1


def test_further_masks_of_the_chosen_thing_are_part_of_its_share() -> None:
    placed = replace(_placed([0.5, 0.4, 0.1], 0), copies=(1,))
    selection = _decide("the mug", placed, DecisionConfig())
    assert selection.score == pytest.approx(0.9)
    assert selection.margin == pytest.approx(0.4)


NAMED = ScoreTable({"V": LOGITS, "C": np.array([2.0, 2.0, -2.0])}, LOGITS)
"""Two are called what was said; they match at 14 and 10 logits."""


def _named(text: str, table: ScoreTable = NAMED, placed: Placing | None = None) -> Selection:
    placed = placed or _placed([0.9, 0.09, 0.01], 0)
    candidates = rank(table, placed, PROPOSALS, ("a mug", "a mug", "a book"))
    config = DecisionConfig(min_match=6.0, min_margin=0.1, namesakes=True)
    return decide(parse(text), candidates, placed, PROPOSALS, config, {})


def test_of_two_mugs_the_one_that_looks_more_like_one_is_not_surely_meant() -> None:
    selection = _named("the mug")
    assert selection.status is Status.AMBIGUOUS
    assert selection.index == 0
    assert "another one has the same name" in selection.reason
    plain = decide(
        parse("the mug"), selection.candidates, _placed([0.9, 0.09, 0.01], 0), PROPOSALS,
        DecisionConfig(min_match=6.0, min_margin=0.1), {},
    )  # fmt: skip
    assert plain.status is Status.SELECTED


@pytest.mark.parametrize(
    "text", ["the leftmost mug", "the big mug", "the second mug from the left", "any mug"]
)
def test_what_else_is_said_tells_which(text: str) -> None:
    assert _named(text).status is Status.SELECTED


def test_what_does_not_look_like_it_or_is_not_where_it_should_be_is_no_namesake() -> None:
    unlike = ScoreTable({"V": np.array([12.0, 3.9, 3.0]), "C": NAMED.terms["C"]}, LOGITS)
    assert _named("the mug", unlike).status is Status.SELECTED
    placed = replace(_placed([0.9, 0.09, 0.01], 0), weighing=Weighing(truth=(0.8, 0.39, 0.9)))
    assert _named("the mug left of the book", placed=placed).status is Status.SELECTED
    placed = replace(placed, weighing=Weighing(truth=(0.8, 0.4, 0.9)))
    assert _named("the mug left of the book", placed=placed).status is Status.AMBIGUOUS
    copies = replace(_placed([0.9, 0.09, 0.01], 0), copies=(1,))
    assert _named("the mug", placed=copies).status is Status.SELECTED


def test_two_masks_of_another_mug_are_one_other_mug() -> None:
    three = ScoreTable({"V": LOGITS, "C": np.array([2.0, 2.0, 2.0])}, LOGITS)
    config = DecisionConfig(min_match=-9.0, min_margin=0.1, namesakes=True)
    for copies, said in (
        ((), "2 others have the same name"),
        (((), (2,), (1,)), "another one has the same name"),
    ):
        placed = replace(_placed([0.9, 0.09, 0.01], 0), weighing=Weighing(copies=copies))
        candidates = rank(three, placed, PROPOSALS, ("a mug", "a mug", "a mug"))
        answer = decide(parse("the mug"), candidates, placed, PROPOSALS, config, {})
        assert answer.status is Status.AMBIGUOUS
        assert said in answer.reason


def test_what_is_called_another_thing_is_no_sure_answer() -> None:
    """Crop and caption err apart: where they disagree it is asked, unless an answer settled it."""
    table = ScoreTable({"V": LOGITS, "C": np.array([-2.0, 2.0, 0.0])}, LOGITS)
    placed = _placed([0.9, 0.1, 0.0], 0)
    candidates = rank(table, placed, PROPOSALS, ("a white cup", "a red mug", ""))
    for config, status in (
        (DecisionConfig(min_match=6.0), Status.AMBIGUOUS),
        (DecisionConfig(), Status.SELECTED),
    ):
        found = decide(parse("the red thing"), candidates, placed, PROPOSALS, config, {})
        assert found.status is status
        assert ("its caption is 'a white cup'" in found.reason) == (status is Status.AMBIGUOUS)
