# SPDX-License-Identifier: Apache-2.0
"""Features of masks and places from timm's ViTs in open_clip: SigLIP 2, PE-Core and others.

Their features come of a pooling over patches (by attention, or the mean) in place of a class
token, so what a class token would attend to is what is pooled: the patches of a mask, or a single
one. Tokens before the patches, which have seen the whole image, are left out of it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from refseg_ros.errors import ConfigError


def is_timm_vit(visual: Any) -> bool:
    """Whether an image tower is a ViT of timm."""
    trunk = getattr(visual, "trunk", None)
    return hasattr(trunk, "blocks") and hasattr(getattr(trunk, "patch_embed", None), "grid_size")


def grid_of(visual: Any) -> tuple[int, int]:
    """Rows and columns of its patches; it sees one size of picture only."""
    height, width = visual.trunk.patch_embed.grid_size
    return int(height), int(width)


def pooled_masks(visual: Any, image: Tensor, inside: Tensor) -> Tensor:
    """Features of one image, pooled over the patches of each mask.

    Args:
        visual: :func:`is_timm_vit`, in evaluation mode.
        image: (1, 3, h, w) of the model's own size.
        inside: (N, patches) bool, at least one each.

    Returns:
        (N, D) features as the model projects them, not normalised.

    Raises:
        ConfigError: It pools a class token.
    """
    patches = _patches(visual, image)
    return torch.cat([_pooled(visual, patches[:, row]) for row in inside])


def pooled_patches(visual: Any, image: Tensor) -> Tensor:
    """(patches, D) features of each patch, pooled alone; see :func:`pooled_masks`."""
    return _pooled(visual, _patches(visual, image)[0][:, None])


def _patches(visual: Any, image: Tensor) -> Tensor:
    trunk = visual.trunk
    if getattr(trunk, "attn_pool", None) is None and trunk.global_pool != "avg":
        raise ConfigError(
            f"clip.model: this method needs a timm ViT that pools its patches, not one that pools "
            f"by {trunk.global_pool!r}; use clip_crop, tas, robust or global_local"
        )
    tokens: Tensor = trunk.forward_features(image)
    return tokens[:, trunk.num_prefix_tokens :]


def _pooled(visual: Any, tokens: Tensor) -> Tensor:
    trunk = visual.trunk
    if getattr(trunk, "attn_pool", None) is None:
        # The pooling of a mean skips prefix tokens, of which there are none here.
        made = trunk.head_drop(trunk.fc_norm(tokens.mean(1)))
        found: Tensor = visual.head(trunk.head(made))
        return found
    found = visual.head(trunk.forward_head(tokens))
    return found
