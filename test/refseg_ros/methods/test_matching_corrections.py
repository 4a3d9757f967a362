# SPDX-License-Identifier: Apache-2.0
"""What mends TAS's terms, one switch at a time, on tensors multiplied by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hand_made import Table

from refseg_ros.config import ScoreConfig
from refseg_ros.language import parse
from refseg_ros.methods.scoring import SceneFeatures, shares
from refseg_ros.methods.tas import Captioned, Spoken, Tas, averaged, proper_distractors

PLAIN = ScoreConfig(text="phrase")


def _kept(*phrases: tuple[str, list[float]]) -> Captioned:
    return Captioned(
        features=torch.tensor([[0.8, 0.6], [1.0, 0.0], [0.0, 1.0]]),
        phrases=tuple(name for name, _ in phrases),
        phrase_features=torch.tensor([vector for _, vector in phrases]).reshape(-1, 2),
    )


def _features(*phrases: tuple[str, list[float]]) -> SceneFeatures:
    return SceneFeatures(
        regions=torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]),
        captions=("", "", ""),
        caption="",
        logit_scale=10.0,
        kept=_kept(*phrases),
    )


# --- distractors ---------------------------------------------------------------------------------

PHRASES = (
    "a red mug",  # 0
    "the background",  # 1
    "a blue bowl",  # 2
    "blue bowls",  # 3, as 2
    "a red bowl",  # 4
    "a wooden tray",  # 5
    "the mugs",  # 6
    "a side view",  # 7
    "a sofa",  # 8
    "",  # 9
    "the group",  # 10
)


@pytest.mark.parametrize(
    ("sentence", "rows"),
    [
        ("the red mug", [2, 4, 5, 8]),
        ("two mugs", [2, 4, 5, 8]),
        ("the mug on the tray", [2, 4, 8]),
        ("the mug on the tray next to the bowl", [8]),
        ("the cushion on the couch", [0, 2, 4, 5, 6]),
        ("the mug that is not on the tray", [2, 4, 5, 8]),
        # No head: what is red may be it.
        ("the red one", [2, 5, 6, 8]),
        ("the wooden thing", [0, 2, 4, 6, 8]),
        ("the one on the tray", []),
        ("the leftmost thing", []),
    ],
)
def test_distractors_are_other_things_each_once(sentence: str, rows: list[int]) -> None:
    assert (
        proper_distractors([Spoken.of(phrase) for phrase in PHRASES], parse(sentence)).tolist()
        == rows
    )


def test_no_phrases_make_no_distractors() -> None:
    assert proper_distractors((), parse("the mug")).tolist() == []


def test_distractor_filter_in_the_score() -> None:
    features = _features(
        ("a mug", [1.0, 0.0]), ("the view", [1.0, 0.0]), ("a tray", [1.0, 0.0]),
        ("a bowl", [0.0, 1.0]), ("a can", [0.8, 0.6]), ("the bowls", [0.6, 0.8]),
    )  # fmt: skip
    encoder = Table({"red mug": [1.0, 0.0]})
    config = replace(PLAIN, distractor_filter=True)
    table = Tas(config).score(features, parse("the red mug on the tray"), encoder)
    # Bowl (0, 1) and can (.8, .6) on regions (1, 0), (.6, .8), (0, 1), times 10.
    expected = [(0 + 8) / 2, (8 + 9.6) / 2, (10 + 6) / 2]
    np.testing.assert_allclose(table.terms["N"], expected, atol=1e-5)


def test_without_the_filter_landmarks_and_abstract_phrases_are_distractors() -> None:
    kept = _kept(("the view", [1.0, 0.0]), ("a tray", [0.0, 1.0]), ("a mug", [1.0, 0.0]))
    expression = parse("the red mug on the tray")
    assert Tas(PLAIN).distractors(kept, expression).tolist() == [0, 1]
    filtered = Tas(replace(PLAIN, distractor_filter=True))
    assert filtered.distractors(kept, expression).tolist() == []


# --- prompts and temperature ---------------------------------------------------------------------


def test_the_mean_of_unit_vectors_is_made_one() -> None:
    found = averaged(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    assert found.tolist() == pytest.approx([math.sqrt(0.5)] * 2)
    assert averaged(torch.tensor([[0.6, 0.8]])).tolist() == pytest.approx([0.6, 0.8])


def test_templates_are_averaged_for_v_alone() -> None:
    config = replace(PLAIN, negative=0.0, templates=("a photo of {}", "{} on a table"))
    encoder = Table({
        "red mug": [1.0, 0.0],
        "a photo of red mug": [0.8, 0.6],
        "red mug on a table": [0.8, -0.6],
    })  # fmt: skip
    table = Tas(config).score(_features(), parse("the red mug"), encoder)
    # The mean of the prompts is (.8, 0), so (1, 0).
    np.testing.assert_allclose(table.terms["V"], [10, 6, 0], atol=1e-5)
    np.testing.assert_allclose(table.terms["P"], [8, 10, 0], atol=1e-5)
    one = replace(config, templates=("a photo of {}",), positive=0.0)
    encoder.asked.clear()
    table = Tas(one).score(_features(), parse("the red mug"), encoder)
    np.testing.assert_allclose(table.terms["V"], [8, 4.8 + 4.8, 6], atol=1e-5)
    assert encoder.asked == ["a photo of red mug"]


def test_a_temperature_divides_logits_and_leaves_the_papers_shares() -> None:
    total = np.log([1.0, 9.0, 16.0])
    np.testing.assert_allclose(shares(total, "logits", 2.0), [1 / 8, 3 / 8, 4 / 8])
    np.testing.assert_allclose(shares(total, "logits", 0.5), [1 / 338, 81 / 338, 256 / 338])
    np.testing.assert_allclose(shares(total, "minmax", 2.0), shares(total, "minmax"))
