# SPDX-License-Identifier: Apache-2.0
"""CLIP features of every place of an image, comparable with text.

As MaskCLIP (Zhou et al., ECCV 2022) takes them: in the last attention each place sees itself
alone, so that what it says of itself is projected to where texts are. HybridGL's heat-map is of
this kind.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from refseg_ros.backbones import clip_timm
from refseg_ros.backbones.clip_masked import fitted_positions, resnet_map
from refseg_ros.backbones.clip_timm import is_timm_vit


def dense_features(visual: Any, image: Tensor, cell: int) -> Tensor:
    """Features of all places of an image.

    Args:
        visual: open_clip's ``VisionTransformer`` or ``ModifiedResNet``, in evaluation mode.
        image: (1, 3, h, w) as the model takes it, sides divisible by ``cell``. Positions are
            interpolated.
        cell: Pixels of the image, along a side, for each place.

    Returns:
        (h / cell, w / cell, D) L2-normalised.
    """
    grid = (image.shape[2] // cell, image.shape[3] // cell)
    if is_timm_vit(visual):
        found = clip_timm.pooled_patches(visual, image)
        return functional.normalize(found.float(), dim=-1).reshape(*grid, -1)
    found = _resnet(visual, image) if hasattr(visual, "attnpool") else _vit(visual, image, grid)
    return functional.normalize(found.float(), dim=-1).reshape(*grid, -1)


def _vit(visual: Any, image: Tensor, grid: tuple[int, int]) -> Tensor:
    patches = visual.conv1(image).flatten(2).transpose(1, 2)
    tokens = torch.cat([visual.class_embedding.expand(1, 1, -1), patches], 1)
    tokens = visual.ln_pre(tokens + fitted_positions(visual.positional_embedding, grid))
    *blocks, last = visual.transformer.resblocks
    for block in blocks:
        tokens = block(tokens)
    alone = torch.full((tokens.shape[1],) * 2, float("-inf"), dtype=tokens.dtype)
    alone.fill_diagonal_(0.0)
    seen = visual.ln_post(last(tokens, attn_mask=alone.to(tokens.device)))[0, 1:]
    found: Tensor = seen if visual.proj is None else seen @ visual.proj
    return found


def _resnet(visual: Any, image: Tensor) -> Tensor:
    features = resnet_map(visual, image)
    cells = features[0].flatten(1).T
    found: Tensor = visual.attnpool.c_proj(visual.attnpool.v_proj(cells))
    return found
