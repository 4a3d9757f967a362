# SPDX-License-Identifier: Apache-2.0
"""CLIP features of masks within their image: the class token attends to the mask alone.

Ref-Diff (Ni et al., 2023), "attention from [CLS] to patches outside the mask removed": the image
goes through the network once with a class token for each mask, which sees itself and the patches
of its mask in every block, while no patch sees a class token. Of a ResNet, which has no class
token, the attention pooling is restricted likewise: its query is the mean of the mask's cells.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from refseg_ros.backbones import clip_timm
from refseg_ros.backbones.clip_masked import fitted_positions, resized, resnet_map
from refseg_ros.backbones.clip_timm import is_timm_vit
from refseg_ros.errors import ConfigError


def cell_size(visual: Any) -> int:
    """Pixels of the image, along a side, for each cell of the last feature map.

    Raises:
        ConfigError: The network is neither a ViT nor a ResNet of open_clip.
    """
    if hasattr(visual, "attnpool"):
        return 32
    if is_timm_vit(visual):
        return int(visual.trunk.patch_embed.patch_size[0])
    if hasattr(visual, "class_embedding") and hasattr(visual, "patch_size"):
        return int(visual.patch_size[0])
    raise ConfigError(
        f"clip.model: this method needs an open_clip ViT or ResNet, not {type(visual).__name__}"
    )


def attending_features(visual: Any, image: Tensor, masks: Tensor) -> Tensor:
    """Features of one image, once for each mask.

    Args:
        visual: open_clip's ``VisionTransformer`` or ``ModifiedResNet``, in evaluation mode.
        image: (1, 3, h, w) as the model takes it, sides divisible by :func:`cell_size`.
            Positions are interpolated.
        masks: (N, H, W) float in [0, 1] of the whole image; N >= 1.

    Returns:
        (N, D) features as the model projects them, not normalised.
    """
    cell = cell_size(visual)
    height, width = (size // cell for size in image.shape[2:])
    inside = within_cells(masks, height, width)
    if hasattr(visual, "attnpool"):
        return _resnet(visual, image, inside)
    if is_timm_vit(visual):
        return clip_timm.pooled_masks(visual, image, inside)
    return _vit(visual, image, inside, (height, width))


def within_cells(masks: Tensor, height: int, width: int) -> Tensor:
    """(N, height · width) bool: cells of which a mask covers half, or its best where none is.

    The released code samples single pixels, between which a small mask is lost.
    """
    shares = resized(masks, height, width).flatten(1)
    best = shares.argmax(1, keepdim=True)
    return (shares >= 0.5).scatter(1, best, True)


def _vit(visual: Any, image: Tensor, inside: Tensor, grid: tuple[int, int]) -> Tensor:
    patches = visual.conv1(image).flatten(2).transpose(1, 2)
    positions = fitted_positions(visual.positional_embedding, grid)
    count = len(inside)
    classes = (visual.class_embedding + positions[0]).expand(1, count, -1)
    tokens = visual.ln_pre(torch.cat([classes, patches + positions[1:]], 1))
    hidden = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool, device=image.device)
    hidden[:count, :count].fill_diagonal_(False)
    hidden[:count, count:] = ~inside
    hidden[count:, count:] = False
    bias = torch.zeros(hidden.shape, dtype=tokens.dtype, device=image.device)
    bias.masked_fill_(hidden, float("-inf"))
    seen = visual.transformer(tokens, attn_mask=bias)[0, :count]
    found: Tensor = visual.ln_post(seen)
    return found if visual.proj is None else found @ visual.proj


def _resnet(visual: Any, image: Tensor, inside: Tensor) -> Tensor:
    features = resnet_map(visual, image)
    pool = visual.attnpool
    positions = fitted_positions(pool.positional_embedding, (features.shape[2], features.shape[3]))
    cells = features[0].flatten(1).T
    weights = inside.to(cells.dtype)
    means = weights @ cells / weights.sum(1, keepdim=True) + positions[0]
    keys = (cells + positions[1:])[:, None].expand(-1, len(inside), -1)
    seen = torch.cat([inside.new_ones(len(inside), 1), inside], 1)
    made, _ = functional.multi_head_attention_forward(
        query=means[None],
        key=torch.cat([means[None], keys]),
        value=torch.cat([means[None], keys]),
        embed_dim_to_check=cells.shape[1],
        num_heads=pool.num_heads,
        q_proj_weight=pool.q_proj.weight,
        k_proj_weight=pool.k_proj.weight,
        v_proj_weight=pool.v_proj.weight,
        in_proj_weight=None,
        in_proj_bias=torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias]),
        bias_k=None,
        bias_v=None,
        add_zero_attn=False,
        dropout_p=0.0,
        out_proj_weight=pool.c_proj.weight,
        out_proj_bias=pool.c_proj.bias,
        use_separate_proj_weight=True,
        training=False,
        key_padding_mask=~seen,
        need_weights=False,
    )
    return made[0]
