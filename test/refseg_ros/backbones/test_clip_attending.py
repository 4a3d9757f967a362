# SPDX-License-Identifier: Apache-2.0
"""CLIP features whose class token sees the mask alone, against one pass a mask written plainly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny_clip import build_resnet, build_vit

from refseg_ros import weights
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.clip_attending import attending_features, cell_size, within_cells
from refseg_ros.errors import ConfigError


@pytest.fixture(scope="module")
def vit() -> Any:
    return build_vit(3)


@pytest.fixture(scope="module")
def resnet() -> Any:
    return build_resnet()


def masks_of(height: int, width: int) -> torch.Tensor:
    made = torch.zeros(3, height, width)
    made[0, :, : width // 2] = 1.0
    made[1] = 1.0
    made[2, height // 2, width // 2] = 1.0  # a pixel covers half of no cell
    return made


def test_cells_are_those_half_covered_or_the_best() -> None:
    masks = torch.zeros(3, 4, 8)
    masks[0, :2, :2] = 1.0
    masks[1, :, 3:] = 1.0
    masks[2, 3, 7] = 1.0
    expected = [[True, False], [False, True], [False, True]]
    assert within_cells(masks, 1, 2).tolist() == expected


def test_vit_attends_as_one_pass_a_mask_does(vit: Any) -> None:
    """Each class token alone, its row of the attention set to minus infinity outside its mask."""
    image = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    masks = masks_of(32, 32)
    found = attending_features(vit, image, masks)
    for row, inside in zip(found, within_cells(masks, 4, 4), strict=True):
        bias = torch.zeros(17, 17)
        bias[0, 1:][~inside] = float("-inf")
        bias[1:, 0] = float("-inf")
        tokens = vit.conv1(image).flatten(2).transpose(1, 2)
        tokens = torch.cat([vit.class_embedding.expand(1, 1, -1), tokens], 1)
        tokens = vit.ln_pre(tokens + vit.positional_embedding)
        expected = vit.ln_post(vit.transformer(tokens, attn_mask=bias)[0, 0]) @ vit.proj
        assert torch.allclose(row, expected, atol=1e-5)


def test_what_lies_outside_reaches_a_vit_only_through_patches(vit: Any) -> None:
    """With one block no patch outside can have told those inside of itself."""
    one_block = build_vit(1)
    image = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    changed = image.clone()
    changed[..., 16:] = 0.0
    masks = masks_of(32, 32)[:1]
    first, second = (attending_features(one_block, item, masks) for item in (image, changed))
    assert torch.allclose(first, second, atol=1e-6)
    deep = [attending_features(vit, item, masks) for item in (image, changed)]
    assert not torch.allclose(deep[0], deep[1], atol=1e-3)


def test_resnet_pools_the_cells_of_the_mask(resnet: Any) -> None:
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    masks = masks_of(64, 96)
    found = attending_features(resnet, image, masks)
    features = resnet.stem(image)
    for name in ("layer1", "layer2", "layer3", "layer4"):
        features = getattr(resnet, name)(features)
    cells, pool = features[0].flatten(1).T, resnet.attnpool
    grid = pool.positional_embedding[1:].T.reshape(1, -1, 2, 2)
    grid = torch.nn.functional.interpolate(grid, (2, 3), mode="bicubic", antialias=True)
    places = grid[0].flatten(1).T
    for row, inside in zip(found, within_cells(masks, 2, 3), strict=True):
        mean = cells[inside].mean(0, keepdim=True) + pool.positional_embedding[:1]
        tokens = torch.cat([mean, (cells + places)[inside]])
        width = tokens.shape[1] // pool.num_heads
        query, key, value = (
            layer(tokens).view(-1, pool.num_heads, width).transpose(0, 1)
            for layer in (pool.q_proj, pool.k_proj, pool.v_proj)
        )
        shares = (query[:, :1] @ key.transpose(1, 2) / width**0.5).softmax(-1)
        expected = pool.c_proj((shares @ value).transpose(0, 1).flatten(1))
        assert torch.allclose(row, expected[0], atol=1e-5)


def test_other_networks_are_refused() -> None:
    with pytest.raises(
        ConfigError, match="this method needs an open_clip ViT or ResNet, not Linear"
    ):
        cell_size(torch.nn.Linear(2, 2))


@pytest.mark.parametrize("size", [(480, 640), (1, 1), (20, 500)])
def test_any_image_is_encoded(size: tuple[int, int]) -> None:
    clip = ClipEncoder.load(weights.resolve("bundled:clip"), device=torch.device("cpu"))
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    masks = np.zeros((2, *size), bool)
    masks[0, : size[0] // 2 + 1] = masks[1, size[0] // 2 :] = True
    found = clip.encode_attending(image, masks, 128)
    assert found.shape == (2, clip.dimension)
    assert torch.isfinite(found).all()
    assert clip.encode_attending(image, masks[:0]).shape == (0, clip.dimension)
