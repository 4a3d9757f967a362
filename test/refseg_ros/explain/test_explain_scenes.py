# SPDX-License-Identifier: Apache-2.0
"""Explanations of the bundled models' answers on a bundled scene agree with the answers."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros import Segmenter, Status
from refseg_ros.explain.picture import draw_explanation
from refseg_ros.methods.scoring import shares
from refseg_ros.methods.tas import Captioned
from refseg_ros.results import ConditionKind, Explanation, Selection
from refseg_ros.scene import Scene


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Segmenter.from_preset("tabletop", device="cpu").observe(bundled_scenes()[0].frame.rgb)


@pytest.fixture(scope="module")
def answers(scene: Scene) -> list[Selection]:
    texts = [item.expression for item in bundled_scenes()[0].referrals[::2]]
    return [scene.select(text) for text in texts]


def explained(selection: Selection) -> Explanation:
    assert selection.explanation is not None
    return selection.explanation


def test_every_total_is_the_sum_of_its_weighted_terms(
    answers: list[Selection], scene: Scene
) -> None:
    score = scene.models.config.score
    for selection in answers:
        explanation = explained(selection)
        terms = {term.name: term for term in explanation.terms}
        if not terms:
            continue
        assert terms["P"].weight == score.positive
        assert terms["N"].weight == -score.negative
        np.testing.assert_allclose(
            np.sum([term.weighted for term in terms.values()], axis=0), explanation.total
        )
        for item in selection.candidates:
            assert item.terms == {name: term.values[item.index] for name, term in terms.items()}
        if explanation.weighing.matched:
            expected = shares(np.array(explanation.total), "logits")
            np.testing.assert_allclose(explanation.weighing.shares, expected)


def test_truths_are_products_and_scores_follow(answers: list[Selection]) -> None:
    product = set(ConditionKind) - {ConditionKind.ORDER, ConditionKind.RECTIFIER}
    told = set()
    for selection in answers:
        weighing = explained(selection).weighing
        factors = [item.holds for item in weighing.conditions if item.kind in product]
        told |= {item.kind for item in weighing.conditions}
        if factors:
            np.testing.assert_allclose(weighing.truth, np.prod(factors, axis=0))
        columns = [*(item.holds for item in weighing.conditions), weighing.fits, weighing.shares]
        for column in columns:
            assert len(column) == len(selection.candidates)
            assert all(0.0 <= value <= 1.0 + 1e-9 for value in column)
    assert told >= {ConditionKind.RELATION, ConditionKind.EXCLUSION, ConditionKind.ORDER}


def test_what_is_ruled_out_has_a_reason_and_nothing_else_has(answers: list[Selection]) -> None:
    reasons = set()
    for selection in answers:
        for item in selection.candidates:
            why = explained(selection).weighing.ruled_out[item.index]
            assert bool(why) != item.eligible
            reasons.add(why.split()[0] if why else "")
    assert len(reasons) >= 3


def test_checks_and_objections_agree_with_the_status(answers: list[Selection]) -> None:
    seen = set()
    for selection in answers:
        explanation = explained(selection)
        says_no = {item.name for item in explanation.checks if item.says_no}
        seen.add(selection.status)
        if selection.status is Status.SELECTED:
            assert not says_no
        else:
            assert explanation.objections
        if says_no & {"min_match", "min_truth"}:
            assert selection.status is Status.NOT_FOUND
        assert not explanation.checks or explanation.checks[2].value == selection.margin
    assert seen >= {Status.SELECTED, Status.NOT_FOUND}


def test_the_chosen_is_the_one_that_its_order_ranks(scene: Scene) -> None:
    selection = scene.select("the third thing from the left")
    (order,) = explained(selection).weighing.conditions
    assert selection.index is not None
    assert order.ranks[selection.index] == 3
    assert order.holds[selection.index] == 1.0
    assert not explained(selection).weighing.matched
    lefts = [scene.layout.centres[order.ranks.index(place), 0] for place in (1, 2, 3)]
    assert lefts == sorted(lefts)


def test_distractors_are_the_phrases_of_other_things(scene: Scene) -> None:
    explanation = explained(scene.select("the cup"))
    assert explanation.compared == "cup"
    assert isinstance(scene.features.kept, Captioned)
    assert set(explanation.distractors) < set(scene.features.kept.phrases)
    assert not any("cup" in phrase.split() for phrase in explanation.distractors)


@pytest.mark.parametrize(
    ("text", "status"),
    [("", Status.ERROR), ("the helicopter", Status.NOT_FOUND), ("please", Status.ERROR)],
)
def test_a_refusal_before_scoring_is_explained(scene: Scene, text: str, status: Status) -> None:
    selection = scene.select(text)
    assert selection.status is status
    explanation = explained(selection)
    assert explanation.terms == explanation.total == explanation.checks == ()
    assert explanation.objections == (selection.reason,)
    assert "How it was read" in selection.explain()
    assert draw_explanation(scene.image, scene.proposals, selection).shape[1] == 1280


def test_answers_can_be_pickled_and_told_as_strict_json(answers: list[Selection]) -> None:
    for selection in answers[::5]:
        json.dumps(selection.to_dict(), allow_nan=False)
        again = pickle.loads(pickle.dumps(selection))
        assert again.explanation == selection.explanation
        assert again.to_dict() == selection.to_dict()


@pytest.mark.parametrize("number", [5, 12, 22, 30, -1])
def test_answers_can_be_drawn(answers: list[Selection], scene: Scene, number: int) -> None:
    selection = answers[number]
    picture = draw_explanation(scene.image, scene.proposals, selection)

    assert picture.shape[1] == 1280
    assert picture.shape[0] > 900
    assert max(map(len, selection.explain(80).splitlines())) <= 80


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(max_size=10_000))
def test_any_text_is_explained(scene: Scene, text: str) -> None:
    selection = scene.select(text)
    json.dumps(selection.to_dict(), allow_nan=False, ensure_ascii=False).encode("utf-8")
    assert max(map(cell_len, selection.explain(80).split("\n"))) <= 80
