# SPDX-License-Identifier: Apache-2.0
"""Crops of images small enough to draw, and TAS scores worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hand_made import Table
from hypothesis import given
from hypothesis import strategies as st

from refseg_ros.config import ScoreConfig
from refseg_ros.language import parse
from refseg_ros.methods.crops import blur, pad_to_square, region_images
from refseg_ros.methods.scoring import SceneFeatures, shares
from refseg_ros.methods.tas import Captioned, Tas
from refseg_ros.results import Proposals


def _features(
    phrases: tuple[str, ...] = (), phrase_vectors: list[list[float]] | None = None
) -> SceneFeatures:
    regions = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    captions = torch.tensor([[0.8, 0.6], [1.0, 0.0], [0.0, 1.0]])
    distractors = torch.tensor(phrase_vectors or []).reshape(-1, 2)
    kept = Captioned(captions, phrases, distractors)
    return SceneFeatures(regions, ("a", "b", "c"), "whole", logit_scale=10.0, kept=kept)


def test_padding_puts_the_odd_pixel_right_or_below() -> None:
    wide = np.full((2, 5, 3), 9, np.uint8)
    square = pad_to_square(wide)
    assert square.shape == (5, 5, 3)
    assert square[:, 0, 0].tolist() == [0, 9, 9, 0, 0]
    assert pad_to_square(wide.transpose(1, 0, 2))[0, :, 0].tolist() == [0, 9, 9, 0, 0]


def test_region_image_of_a_7_by_5_image() -> None:
    image = np.arange(1, 36, dtype=np.uint8).reshape(5, 7, 1).repeat(3, 2)
    mask = np.zeros((5, 7), bool)
    mask[1, 2:5] = True
    mask[2, 3] = True
    proposals = Proposals(mask[None], np.ones(1, np.float32))
    (crop,) = region_images(image, proposals)
    assert crop[..., 0].tolist() == [[10, 11, 12], [0, 18, 0], [0, 0, 0]]
    (crop,) = region_images(image, proposals, blur_kernel=3)
    behind = blur(image, 3)[1:3, 2:5, 0].tolist()
    assert crop[:2, :, 0].tolist() == [[10, 11, 12], [behind[1][0], 18, behind[1][2]]]
    assert crop[2].tolist() == [[0, 0, 0]] * 3


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3), (90, 2, 3)])
def test_blur_takes_any_size_and_keeps_a_flat_image(shape: tuple[int, int, int]) -> None:
    flat = np.full(shape, 77, np.uint8)
    assert (blur(flat, 75) == 77).all()


def test_scores_of_three_candidates() -> None:
    # scale 10; sentence (1, 0); V = 10·(1, .6, 0); P = 10·(.8, 1, 0); the distractor (0, 1)
    # gives N = 10·(0, .8, 1).
    encoder = Table({"red mug": [1.0, 0.0]})
    features = _features(("a blue book",), [[0.0, 1.0]])
    table = Tas(ScoreConfig(text="phrase")).score(features, parse("the red mug"), encoder)
    np.testing.assert_allclose(table.terms["V"], [10, 6, 0], atol=1e-5)
    np.testing.assert_allclose(table.terms["P"], [8, 10, 0], atol=1e-5)
    np.testing.assert_allclose(table.terms["N"], [0, 8, 10], atol=1e-5)
    np.testing.assert_allclose(table.total, [10.8, 6 + 1 - 5.6, -7], atol=1e-5)


def test_the_target_itself_is_no_distractor() -> None:
    encoder = Table({"red mug": [1.0, 0.0]})
    features = _features(("a red mug", "a mug"), [[1.0, 0.0], [1.0, 0.0]])
    table = Tas(ScoreConfig(text="phrase")).score(features, parse("the red mug"), encoder)
    assert table.terms["N"].tolist() == [0, 0, 0]
    assert np.isfinite(table.total).all()


def test_a_term_of_weight_zero_is_not_computed() -> None:
    encoder = Table({"the red mug": [1.0, 0.0]})
    config = ScoreConfig(positive=0.0, negative=0.0)
    table = Tas(config).score(_features(), parse("the red mug"), encoder)
    assert list(table.terms) == ["V"]
    assert encoder.asked == ["the red mug"]


def test_shares_of_logits_and_of_the_paper() -> None:
    total = np.log([1.0, 3.0, 4.0])
    np.testing.assert_allclose(shares(total, "logits"), [1 / 8, 3 / 8, 4 / 8])
    stretched = np.exp([-1.0, -0.5, 0.0])
    np.testing.assert_allclose(
        shares(np.array([0.0, 5.0, 10.0]), "minmax"), stretched / stretched.sum()
    )


@given(st.lists(st.floats(-1e6, 1e6), max_size=8), st.sampled_from(["minmax", "logits"]))
def test_shares_sum_to_one_and_keep_the_order(values: list[float], normalise: str) -> None:
    total = np.array(values)
    share = shares(total, normalise)
    assert np.isfinite(share).all()
    if values:
        assert math.isclose(share.sum(), 1)
        assert share[total.argmax()] == share.max()
