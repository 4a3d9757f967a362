# SPDX-License-Identifier: Apache-2.0
"""Looks of landmarks and exclusions, from features small enough to multiply by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from refseg_ros.language import NounPhrase
from refseg_ros.methods.likeness import BASIC_COLOURS, plausible, score_looks
from refseg_ros.methods.scoring import SceneFeatures

TEXTS = {"mug": (1.0, 0.0, 0.0), "red mug": (0.8, 0.6, 0.0), "blue mug": (0.8, 0.0, 0.6)}
"""What is in no other text points away from every region."""


class Encoder:
    """Three directions: mug, red, blue."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode_texts(self, texts: list[str], unit: bool = True) -> torch.Tensor:
        self.asked += texts
        return torch.tensor([TEXTS.get(text, (-1.0, 0.0, 0.0)) for text in texts])

    def unknown_words(self, words: Sequence[str]) -> tuple[str, ...]:
        return tuple(word for word in words if word == "grey")


# A red mug and a blue one.
REGIONS = torch.tensor([[0.8, 0.6, 0.0], [0.8, 0.0, 0.6]])
FEATURES = SceneFeatures(REGIONS, ("", ""), "", 10.0)
RED = NounPhrase(text="red mug", head="mug", colours=("red",))


def test_a_landmark_shares_by_v_and_fits_from_the_threshold() -> None:
    encoder = Encoder()
    looks = score_looks([(RED, False)], FEATURES, encoder, min_match=8.0)
    # V: 10 * 1.0 and 10 * 0.64.
    share = 1 / (1 + math.exp(-3.6))
    assert looks["red mug"].shares == pytest.approx([share, 1 - share], rel=1e-5)
    fits = [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(1.6))]
    assert looks["red mug"].fits == pytest.approx(fits, rel=1e-5)
    assert encoder.asked == ["red mug"]


def test_an_excluded_colour_is_told_from_the_other_colours() -> None:
    encoder = Encoder()
    looks = score_looks([(RED, True)], FEATURES, encoder, min_match=-math.inf)
    # Red against blue: V 10 and 6.4 for the red mug, the converse for the blue one; nine others
    # less one unknown lie at -8.
    rest = 8 * math.exp(-18)
    red = 1 / (1 + math.exp(-3.6) + rest)
    blue = math.exp(-3.6) / (1 + math.exp(-3.6) + rest)
    assert looks["red mug"].fits == pytest.approx([red, blue], rel=1e-5)
    assert len(encoder.asked) == len(BASIC_COLOURS) - 1
    assert "grey mug" not in encoder.asked


def test_without_a_colour_the_best_is_surely_it() -> None:
    mug = NounPhrase(text="mug", head="mug")
    regions = torch.tensor([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0]])
    features = SceneFeatures(regions, ("", ""), "", 10.0)
    looks = score_looks([(mug, True)], features, Encoder(), min_match=-math.inf)
    assert looks["mug"].fits == pytest.approx([1.0, math.exp(-4)], rel=1e-5)


def test_nothing_wanted_asks_nothing() -> None:
    encoder = Encoder()
    assert score_looks([], FEATURES, encoder, 0.0) == {}
    assert encoder.asked == []


def test_plausible() -> None:
    assert plausible(np.array([9.0, 10.0]), 9.0) == pytest.approx([0.5, 1 / (1 + math.exp(-1))])
    assert plausible(np.array([-50.0]), -math.inf).tolist() == [1.0]
