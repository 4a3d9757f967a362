# SPDX-License-Identifier: Apache-2.0
"""CLIP features of a mask that still sees the whole image: token masking of Global-Local CLIP.

Yu et al., CVPR 2023. Of a ViT the patch tokens outside the mask are set to zero before each of the
last blocks, so that the class token gathers the mask's inside while what it gathers has seen
everything around it. Of a ResNet the last feature map is multiplied by the mask before the
attention pooling. Both by hooks on open_clip's own modules, whose code is run as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional

from refseg_ros.backbones.clip_timm import grid_of, is_timm_vit
from refseg_ros.errors import ConfigError


def masked_features(
    visual: Any, image: torch.Tensor, masks: torch.Tensor, blocks: int
) -> torch.Tensor:
    """Features of one image, once for each mask.

    The layers before the first masking are run once, whatever the number of masks.

    Args:
        visual: open_clip's ``VisionTransformer`` or ``ModifiedResNet``, or a ViT of timm, in
            evaluation mode.
        image: (1, 3, h, w) as the model takes it. A ResNet takes any size; its positions are
            interpolated.
        masks: (N, H, W) float in [0, 1] of the whole image; N ≥ 1.
        blocks: For a ViT, how many of the last blocks see only the mask; 3 as published.

    Returns:
        (N, D) features as the model projects them, not normalised.

    Raises:
        ConfigError: The network is of another kind, or has fewer blocks.
    """
    if hasattr(visual, "attnpool"):
        return _resnet(visual, image, masks)
    timm = is_timm_vit(visual)
    layers = visual.trunk.blocks if timm else _blocks(visual)
    if layers is None:
        raise ConfigError(
            "clip.model: global_local needs an open_clip ViT or ResNet, not "
            f"{type(visual).__name__}"
        )
    if not 1 <= blocks <= len(layers):
        raise ConfigError(f"global_local.blocks: {blocks} is not one of 1 to {len(layers)}")
    seeing = list(layers[len(layers) - blocks :])
    if timm and getattr(visual.trunk, "attn_pool", None) is not None:
        seeing.append(visual.trunk.attn_pool)
    return _vit(visual, seeing, image, masks, grid_of(visual) if timm else visual.grid_size)


def _blocks(visual: Any) -> Any:
    """The blocks of open_clip's own ViT; None of another network."""
    if not hasattr(visual, "grid_size"):
        return None
    return getattr(getattr(visual, "transformer", None), "resblocks", None)


def resized(masks: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(N, height, width) shares of each cell that each mask covers, antialiased bilinear.

    Without antialiasing, as the released code has it, a thing between sampled pixels is lost.
    """
    return functional.interpolate(
        masks[:, None], (height, width), mode="bilinear", antialias=True
    )[:, 0]


def _vit(
    visual: Any,
    layers: Sequence[torch.nn.Module],
    image: torch.Tensor,
    masks: torch.Tensor,
    grid: tuple[int, int],
) -> torch.Tensor:
    kept = resized(masks, *grid).flatten(1)
    # The class token, and whatever stands before the patches, stays.
    with _before_each(layers, lambda tokens: _without(tokens, kept)):
        found: torch.Tensor = visual(image)
    return found


def _without(tokens: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """(N, L, C) tokens of 1 or N images, the patches weighed by (N, P)."""
    lead = tokens.shape[1] - kept.shape[1]
    ones = kept.new_ones(len(kept), lead)
    return tokens * torch.cat([ones, kept], 1)[..., None].to(tokens.dtype)


def _resnet(visual: Any, image: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    def weigh(features: torch.Tensor) -> torch.Tensor:
        unit = functional.normalize(features, dim=1)
        return unit * resized(masks, *features.shape[2:])[:, None].to(unit.dtype)

    height, width = (-(-size // 32) for size in image.shape[2:])
    fitted = fitted_positions(visual.attnpool.positional_embedding, (height, width))
    with _before_each([visual.attnpool], weigh):
        found: torch.Tensor = torch.func.functional_call(
            visual, {"attnpool.positional_embedding": fitted}, (image,)
        )
    return found


def resnet_map(visual: Any, image: torch.Tensor) -> torch.Tensor:
    """(1, C, h / 32, w / 32): a ResNet's last feature map, before its attention pooling.

    Args:
        visual: open_clip's ``ModifiedResNet``.
        image: (1, 3, h, w) as the model takes it.
    """
    features: torch.Tensor = visual.stem(image)
    for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
        features = layer(features)
    return features


def fitted_positions(positions: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Positions of a network for another size of image, bicubic.

    Args:
        positions: (1 + s · s, C), the class token's first.
        grid: Rows and columns wanted.

    Returns:
        (1 + rows · columns, C).
    """
    side = round(float(len(positions) - 1) ** 0.5)
    if grid == (side, side):
        return positions
    square = positions[1:].T.reshape(1, -1, side, side).float()  # not there in half precision
    other = functional.interpolate(square, grid, mode="bicubic", antialias=True)
    return torch.cat([positions[:1], other[0].flatten(1).T.to(positions.dtype)])


@contextmanager
def _before_each(modules: Sequence[torch.nn.Module], change: Any) -> Iterator[None]:
    """Change the first input of some modules while the context lasts."""
    hooks = [
        module.register_forward_pre_hook(lambda _, inputs: (change(inputs[0]), *inputs[1:]))
        for module in modules
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
