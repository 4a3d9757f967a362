# SPDX-License-Identifier: Apache-2.0
"""Global-Local CLIP: masked tokens, mixes, and the method on the bundled models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hand_made import Table
from tiny_clip import build_resnet, build_vit
from typer.testing import CliRunner

from refseg_lab.simulation.benchmark import bundled_slice
from refseg_ros import Segmenter, weights
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.clip_masked import masked_features, resized
from refseg_ros.cli.main import app
from refseg_ros.config import ScoreConfig, SegmenterConfig
from refseg_ros.config.methods import GlobalLocalConfig
from refseg_ros.errors import ConfigError
from refseg_ros.language import parse
from refseg_ros.methods.catalogue import METHODS, with_method
from refseg_ros.methods.crops import MEAN_COLOUR, region_images
from refseg_ros.methods.global_local import GlobalLocal, mix, mixed_regions
from refseg_ros.methods.scoring import SceneFeatures
from refseg_ros.results import Proposals

LEFT = torch.zeros(2, 32, 32)
LEFT[0, :, :16] = 1.0  # the left half, on the border of two columns of patches
LEFT[1, 4:12, 4:12] = 1.0  # a quarter of each of the four patches at the corner


@pytest.fixture(scope="module")
def vit() -> Any:
    return build_vit(4)


@pytest.fixture(scope="module")
def resnet() -> Any:
    return build_resnet()


def test_cells_are_shares_of_what_they_cover() -> None:
    cells = resized(LEFT, 4, 4)
    assert cells[0, 0].tolist() == pytest.approx([1, 0.875, 0.125, 0], abs=1e-6)
    assert cells[0].std(0).max() == 0
    assert 0 < cells[1, 0, 0] < 1
    assert cells[1, 2:, 2:].max() == 0
    # A thing between sampled pixels is not lost.
    dot = torch.zeros(1, 32, 32)
    dot[0, 1, 1] = 1.0
    assert resized(dot, 4, 4).max() > 0


@torch.inference_mode()
def test_tokens_of_a_vit_are_masked_before_each_of_the_last_blocks(vit: Any) -> None:
    image = torch.randn(1, 3, 32, 32)
    found = masked_features(vit, image, LEFT, blocks=2)
    assert found.shape == (2, 6)
    for mask, features in zip(LEFT, found, strict=True):
        patches = vit.conv1(image).flatten(2).transpose(1, 2)
        tokens = torch.cat([vit.class_embedding[None, None], patches], 1)
        tokens = vit.ln_pre(tokens + vit.positional_embedding)
        kept = torch.cat([torch.ones(1), resized(mask[None], 4, 4).flatten()])[None, :, None]
        for number, block in enumerate(vit.transformer.resblocks):
            tokens = block(tokens * kept if number >= 2 else tokens)
        expected = vit.ln_post(tokens[:, 0]) @ vit.proj
        torch.testing.assert_close(features, expected[0], atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_a_whole_mask_is_the_image_itself_and_hooks_are_gone(vit: Any) -> None:
    image = torch.randn(1, 3, 32, 32)
    plain = vit(image)
    whole = masked_features(vit, image, torch.ones(1, 32, 32), blocks=3)
    torch.testing.assert_close(whole, plain)
    masked_features(vit, image, LEFT, blocks=4)
    torch.testing.assert_close(vit(image), plain)


@torch.inference_mode()
def test_what_comes_before_the_masks_is_run_once(vit: Any) -> None:
    sizes: list[int] = []
    hooks = [
        block.register_forward_hook(lambda _, inputs, output: sizes.append(len(output)))
        for block in vit.transformer.resblocks
    ]
    masked_features(vit, torch.randn(1, 3, 32, 32), torch.rand(5, 32, 32), blocks=1)
    for hook in hooks:
        hook.remove()
    assert sizes == [1, 1, 1, 5]


@torch.inference_mode()
@pytest.mark.parametrize("side", [64, 128])
def test_the_map_of_a_resnet_is_masked_before_it_is_pooled(resnet: Any, side: int) -> None:
    image = torch.randn(1, 3, side, side)
    found = masked_features(resnet, image, LEFT, blocks=1)
    features = resnet.stem(image)
    for layer in (resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4):
        features = layer(features)
    unit = features / features.norm(dim=1, keepdim=True)
    pool = resnet.attnpool
    own = pool.positional_embedding
    if side == 128:
        # 2x2 places become 4x4; the one of the mean stays.
        grid = own[1:].reshape(2, 2, -1).permute(2, 0, 1)[None]
        grid = torch.nn.functional.interpolate(grid, (4, 4), mode="bicubic", antialias=True)
        wanted = torch.cat([own[:1], grid[0].flatten(1).T])
    else:
        wanted = own
    for mask, row in zip(LEFT, found, strict=True):
        cells = resized(mask[None], side // 32, side // 32)[:, None]
        tokens = (unit * cells).flatten(2).permute(2, 0, 1)
        tokens = torch.cat([tokens.mean(0, keepdim=True), tokens]) + wanted[:, None]
        pooled, _ = torch.nn.functional.multi_head_attention_forward(
            tokens[:1], tokens, tokens, tokens.shape[-1], pool.num_heads,
            None, torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias]),
            None, None, False, 0.0, pool.c_proj.weight, pool.c_proj.bias,
            use_separate_proj_weight=True, need_weights=False,
            q_proj_weight=pool.q_proj.weight, k_proj_weight=pool.k_proj.weight,
            v_proj_weight=pool.v_proj.weight,
        )  # fmt: skip
        torch.testing.assert_close(row, pooled[0, 0], atol=1e-4, rtol=1e-4)
    assert resnet.attnpool.positional_embedding is own


def test_other_networks_and_too_many_blocks_are_refused(vit: Any) -> None:
    with pytest.raises(ConfigError, match="ViT or ResNet, not Linear"):
        masked_features(torch.nn.Linear(2, 2), torch.zeros(1, 3, 32, 32), LEFT, 3)
    with pytest.raises(ConfigError, match="5 is not one of 1 to 4"):
        masked_features(vit, torch.zeros(1, 3, 32, 32), LEFT, 5)


def test_features_are_mixed_as_they_come() -> None:
    within = torch.tensor([[4.0, 0.0], [0.0, 2.0]])
    crops = torch.tensor([[0.0, 12.0], [0.0, 1.0]])
    regions, parts = mixed_regions(within, crops, alpha=0.75)
    # 0.75 * (4, 0) + 0.25 * (0, 12) = (3, 3)
    assert regions[0].tolist() == pytest.approx([2**-0.5, 2**-0.5])
    assert regions[1].tolist() == [0, 1]
    assert parts["G"].tolist() == [[1, 0], [0, 1]]
    assert parts["L"].tolist() == [[0, 1], [0, 1]]
    assert mix(torch.zeros(2), torch.zeros(2), 0.5).tolist() == [0, 0]


def test_scores_of_two_candidates() -> None:
    regions, parts = mixed_regions(
        torch.tensor([[4.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 12.0], [0.0, 1.0]]), 0.75
    )
    features = SceneFeatures(regions, ("", ""), "", 10.0, kept=parts)
    # 0.25 * (0, 4) + 0.75 * (4, 0) = (3, 1), of length sqrt(10)
    table = Table({"pick up the red mug": [0.0, 4.0], "the red mug": [4.0, 0.0]})
    method = GlobalLocal(GlobalLocalConfig(sentence=0.25))
    found = method.score(features, parse("Pick up the red mug"), table)
    assert found.terms["V"] == pytest.approx([10 * 4 / 20**0.5, 10 / 10**0.5], rel=1e-5)
    assert found.terms["G"] == pytest.approx([10 * 3 / 10**0.5, 10 / 10**0.5], rel=1e-5)
    assert found.terms["L"] == pytest.approx([10 / 10**0.5] * 2, rel=1e-5)
    assert found.total == pytest.approx(found.terms["V"])
    assert (found.weights["G"], found.weights["L"]) == (0, 0)
    assert table.asked == ["pick up the red mug", "the red mug"]


def test_a_squashed_crop_is_a_square_on_the_mean_colour() -> None:
    image = np.full((5, 7, 3), 200, np.uint8)
    mask = np.zeros((5, 7), bool)
    mask[1, 2:5] = mask[2, 3] = True
    (crop,) = region_images(image, Proposals(mask[None], np.ones(1, np.float32)), crop="squashed")
    assert crop.shape == (3, 3, 3)
    assert crop[0].tolist() == [[200] * 3] * 3
    assert crop[2, 0].tolist() == list(MEAN_COLOUR)
    assert crop[2, 1].tolist() == [200] * 3


def test_the_bundled_clip_sees_masks_within_the_image() -> None:
    clip = ClipEncoder.load(weights.resolve("bundled:clip"), device=torch.device("cpu"))
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    masks = np.zeros((2, 48, 64), bool)
    masks[0, :, :32] = masks[1, :, 32:] = True
    found = clip.encode_masked(image, masks, 3, 128)
    assert found.shape == (2, clip.dimension)
    assert not torch.allclose(found[0], found[1])
    assert found.norm(dim=1).min() > 1e-3
    assert clip.encode_masked(image, masks[:0], 3).shape == (0, clip.dimension)


def test_the_method_answers_and_keeps_the_networks() -> None:
    segmenter = Segmenter.from_preset("tabletop", device="cpu", method="global_local")
    own = SegmenterConfig.from_preset("tabletop")
    config = segmenter.config
    assert (config.proposals, config.clip, config.captions) == (
        own.proposals, own.clip, own.captions,
    )  # fmt: skip
    assert segmenter.description.startswith("tabletop with global_local on cpu")
    assert not segmenter.has_captions
    scene = segmenter.observe(bundled_slice()[0].frame.rgb)
    answer = scene.select("Pick up the red mug")
    assert answer.status.has_target
    terms = answer.candidates[0].terms
    assert set(terms) == {"V", "G", "L"}
    text = mix(
        *segmenter.clip.encode_texts(["pick up the red mug", "the red mug"], unit=False),
        config.global_local.sentence,
    )
    best = answer.candidates[0].index
    expected = scene.features.logit_scale * float(scene.features.regions[best] @ text)
    assert terms["V"] == pytest.approx(expected, rel=1e-4)


def test_methods_by_name() -> None:
    own = SegmenterConfig.from_preset("tabletop")
    robust = with_method(own, "robust")
    assert (robust.score, robust.spatial, robust.decision) == (
        own.score,
        own.spatial,
        own.decision,
    )
    assert with_method(own, "") is own
    published = SegmenterConfig.from_preset("paper")
    assert with_method(published, "tas").score == published.score == ScoreConfig()
    assert with_method(published, "tas").spatial == published.spatial
    with pytest.raises(ConfigError, match="'sam' is not one of clip_crop, global_local"):
        with_method(own, "sam")


def test_methods_are_listed() -> None:
    result = CliRunner().invoke(app, ["methods"])
    assert result.exit_code == 0
    assert all(name in result.stdout for name in METHODS)


def test_prompts_are_not_ignored() -> None:
    with pytest.raises(ConfigError, match=r"score\.templates: global_local uses no prompts"):
        ScoreConfig(matcher="global_local", templates=("a photo of {}",))
