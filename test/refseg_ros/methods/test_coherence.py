# SPDX-License-Identifier: Apache-2.0
"""HybridGL's coherence: places that see themselves alone, the term by hand, and in the sum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hand_made import Table
from tiny_clip import build_resnet, build_vit

from refseg_lab.simulation.benchmark import bundled_slice
from refseg_ros import Segmenter
from refseg_ros.backbones.clip_dense import dense_features
from refseg_ros.backbones.device import Device
from refseg_ros.config import ScoreConfig, SegmenterConfig
from refseg_ros.config.methods import CoherenceConfig
from refseg_ros.language import parse
from refseg_ros.methods.coherence import CoherentTas, Dense, Heated, coherence
from refseg_ros.methods.scoring import SceneFeatures
from refseg_ros.methods.tas import Tas


def test_a_place_of_a_vit_is_told_apart_from_the_rest() -> None:
    """In the last block a place sees itself alone: its value, projected, plainly written."""
    image = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    vit = build_vit(3)
    found = dense_features(vit, image, 8)
    assert found.shape == (4, 4, 6)
    inputs: list[torch.Tensor] = []
    last = vit.transformer.resblocks[-1]
    hook = last.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    vit(image)
    hook.remove()
    tokens = inputs[0]
    value = last.ln_1(tokens) @ last.attn.in_proj_weight[32:].T + last.attn.in_proj_bias[32:]
    after = tokens + last.attn.out_proj(value)
    after = after + last.mlp(last.ln_2(after))
    expected = vit.ln_post(after)[0, 1:] @ vit.proj
    expected = torch.nn.functional.normalize(expected, dim=-1).reshape(4, 4, -1)
    assert torch.allclose(found, expected, atol=1e-4)


def test_a_place_of_a_resnet_is_its_value() -> None:
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    resnet = build_resnet()
    kept: list[torch.Tensor] = []
    hook = resnet.layer4.register_forward_hook(lambda _, __, output: kept.append(output))
    found = dense_features(resnet, image, 32)
    hook.remove()
    pool = resnet.attnpool
    for row in range(2):
        for column in range(3):
            one = pool.c_proj(pool.v_proj(kept[0][0, :, row, column]))
            assert torch.allclose(found[row, column], one / one.norm(), atol=1e-5)


def two_masks() -> Dense:
    """Four places in a row, the first two covered, and the first by half."""
    features = torch.tensor([[[1.0, 0], [0.6, 0.8], [0, 1.0], [-0.6, 0.8]]])
    masks = np.zeros((2, 2, 8), bool)
    masks[0, :, :4] = True
    masks[1, :, :] = True
    return Dense.of(features, masks)


def test_coherence_by_hand() -> None:
    # Heat of (1, 0): 1, .6, 0, -.6; above its least 1.6, 1.2, .6, 0, mean .85.
    heat = np.array([1.6, 1.2, 0.6, 0.0]) / 0.85
    dense = two_masks()
    inside = dense.inside[0].numpy()
    assert inside.sum() == pytest.approx(1.0)
    outside = dense.outside[0].numpy()
    assert (inside[0], inside[3], outside[0], outside[3]) == pytest.approx(
        (0.5, 0, 0, 0.5), abs=0.1
    )
    found = coherence(dense, torch.tensor([1.0, 0.0]), 1.8)
    assert found[0] == pytest.approx(0.2 * inside @ heat - 1.8 * outside @ heat, abs=1e-5)
    # A mask that is all: nothing lies outside.
    assert found[1] == pytest.approx(0.2 * heat.mean(), abs=1e-5)
    assert found[0] < 0.2 * heat[:2].mean()


def test_heat_that_is_the_same_everywhere_says_nothing() -> None:
    flat = Dense.of(torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]), np.ones((1, 2, 4), bool))
    assert coherence(flat, torch.tensor([1.0, 0.0]), 1.8).tolist() == [0.0]
    none = Dense.of(torch.tensor([[[0.0, 1.0]]]), np.zeros((0, 2, 2), bool))
    assert coherence(none, torch.tensor([1.0, 0.0]), 1.8).size == 0


def test_the_term_is_weighed_into_the_sum() -> None:
    features = SceneFeatures(torch.eye(2), ("", ""), "", 10.0, kept=Heated(two_masks()))
    encoder = Table({"take the red mug": [0.0, 1.0], "the red mug": [1.0, 0.0]})
    tas = Tas(ScoreConfig(positive=0, negative=0))
    matcher = CoherentTas(tas, CoherenceConfig(weight=2.0, balance=1.0))
    table = matcher.score(features, parse("take the red mug"), encoder)
    heat = coherence(two_masks(), torch.tensor([1.0, 0.0]), 1.0)
    assert table.terms["H"] == pytest.approx(heat)
    assert table.total == pytest.approx(np.array([0.0, 10.0]) + 2 * heat)
    assert table.weights["H"] == 2.0


def test_robust_takes_the_term_by_a_switch() -> None:
    config = SegmenterConfig.from_preset("tabletop")
    config = replace(config, coherence=CoherenceConfig(weight=1.0, side=320))
    segmenter = Segmenter.from_config(config, Device.from_name("cpu"))
    selection = segmenter.observe(bundled_slice()[0].frame.rgb).select("the red mug")
    assert all(np.isfinite(item.terms["H"]) for item in selection.candidates)
    assert "H" in selection.explain()
