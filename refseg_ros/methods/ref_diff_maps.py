# SPDX-License-Identifier: Apache-2.0
"""The maps of Ref-Diff: attention of a word, what of it lies in a mask, and the bias of place."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.backbones.cross_attention import Maps
from refseg_ros.backbones.diffusion import Attended
from refseg_ros.config.methods import DiffusionConfig
from refseg_ros.errors import ConfigError
from refseg_ros.language import Direction
from refseg_ros.results import BoolMasks, Proposals

CUTS = tuple(percent / 100 for percent in range(5, 100, 5))
"""Heights at which the attention is cut into proposals where there is no segmentor."""

_REACH = 2 / 3  # of the image, to which the released code's bias of place goes

Map = NDArray[np.float64]


def stretched(values: Map) -> Map:
    """Values brought to [0, 1]; zeros where all are alike."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def attention_map(
    steps: Sequence[Attended],
    token: int,
    latent: tuple[int, int],
    config: DiffusionConfig,
    procedure: str = "paper",
) -> Map:
    """Where a network looks a word up: the mean over steps and layers.

    Args:
        steps: Attention of each reverse step.
        token: Row of the word.
        latent: Height and width of the latent.
        config: Which layers, and the guidance.
        procedure: ``paper``: shares after the softmax, of the half with words. ``released``:
            logits before it, guided as the noise is, each map stretched to [0, 1] by itself.

    Returns:
        (h, w) float64, at the size of the finest layer used.

    Raises:
        ConfigError: No layer has the size that is asked for; the message names those that are.
    """
    found = []
    for step in steps:
        untold: Sequence[Maps] = step.untold or step.told
        for told, without in zip(step.told, untold, strict=True):
            size = _size(told, latent, config.level)
            if size is None:
                continue
            if procedure == "released":
                guided = without.logits + config.guidance * (told.logits - without.logits)
                found.append(stretched(_column(guided, token, size)))
            else:
                found.append(_column(told.shares, token, size))
    if not found:
        levels = sorted({_level(item, latent) for step in steps for item in step.told} - {0})
        raise ConfigError(
            f"diffusion.level: {config.level} is not one of 0, {', '.join(map(str, levels))}"
        )
    finest = max(item.shape for item in found)
    return np.mean([_enlarged(item, finest) for item in found], axis=0)


def _level(maps: Maps, latent: tuple[int, int]) -> int:
    """Places of the latent for each of a map, along a side; 0 where it does not divide."""
    places, level = maps.logits.shape[1], 1
    while level <= min(latent):
        if (latent[0] // level) * (latent[1] // level) == places:
            return level
        level *= 2
    return 0


def _size(maps: Maps, latent: tuple[int, int], wanted: int) -> tuple[int, int] | None:
    level = _level(maps, latent)
    if not level or wanted not in (0, level):
        return None
    return latent[0] // level, latent[1] // level


def _column(values: torch.Tensor, token: int, size: tuple[int, int]) -> Map:
    return values[0, :, token].double().cpu().numpy().reshape(size)


def _enlarged(values: Map, size: tuple[int, int], way: int = cv2.INTER_LINEAR) -> Map:
    if values.shape == size:
        return values
    return np.asarray(cv2.resize(values, size[::-1], interpolation=way), np.float64)


def at_image(
    values: Map,
    seen: tuple[int, int],
    filled: tuple[int, int, int, int],
    size: tuple[int, int],
    procedure: str = "paper",
) -> Map:
    """An attention map at the size of the image, from 0 to 1.

    Args:
        values: (h, w) of the picture that the network saw.
        seen: Height and width of that picture in pixels.
        filled: Its rows and columns that are image: top, bottom, left, right.
        size: Height and width of the image.
        procedure: ``paper`` stretches and then enlarges, bilinear; ``released`` goes through 256
            grey levels, Lanczos, and stretches what is image once more.
    """
    top, bottom, left, right = filled
    even = stretched(values)
    if procedure == "released":
        grey = np.asarray(even * 255, np.uint8)
        large = np.asarray(cv2.resize(grey, seen[::-1], interpolation=cv2.INTER_LANCZOS4))
        cut = stretched(large[top:bottom, left:right].astype(np.float64))
        return _enlarged(cut, size)
    if filled == (0, *seen[:1], 0, *seen[1:]):
        return _enlarged(even, size)
    return _enlarged(_enlarged(even, seen)[top:bottom, left:right], size)


def inside_minus_outside(values: Map, masks: BoolMasks) -> Map:
    """Mean of a map inside each mask minus that outside (Ref-Diff, generative score s^G).

    Args:
        values: (H, W).
        masks: (N, H, W), none empty.

    Returns:
        (N,) float64; outside a mask that is the whole image is 0.
    """
    flat = masks.reshape(len(masks), -1)
    areas = flat.sum(1)
    within = flat @ values.ravel()
    without = values.sum() - within
    return np.asarray(within / areas - without / np.maximum(flat.shape[1] - areas, 1), np.float64)


def cut_proposals(values: Map) -> Proposals:
    """Ref-Diff without a segmentor: a map cut at 5 %, 10 %, … 95 %, masks within masks.

    Args:
        values: (H, W) in [0, 1].

    Returns:
        At most 19 proposals, their quality being the generative score; none of a flat map.
    """
    masks = np.stack([values >= cut for cut in CUTS])
    masks = masks[masks.any((1, 2))]
    scores = inside_minus_outside(values, masks) if len(masks) else np.zeros(0)
    return Proposals(masks, scores.astype(np.float32))


def bias_of_place(
    size: tuple[int, int], directions: Sequence[Direction], procedure: str = "paper"
) -> NDArray[np.float32]:
    """Ref-Diff's soft mask P: 1 at the side that is named, falling to 0.

    Args:
        size: Height and width.
        directions: Positions that were said; the paper knows left, right, top and bottom. Of two
            the masks are multiplied.
        procedure: ``released`` knows left and right only, and falls to 0 over two thirds.

    Returns:
        (H, W) float32 in [0, 1]; ones where no such position is said.
    """
    height, width = size
    reach = 1.0 if procedure == "paper" else _REACH
    rows, columns = (
        np.clip(1 - np.linspace(0, 1, length, dtype=np.float32) / reach, 0, 1)
        for length in (height, width)
    )
    made = np.ones((height, width), np.float32)
    if Direction.LEFT in directions:
        made *= columns
    elif Direction.RIGHT in directions:
        made *= columns[::-1]
    if procedure == "paper" and Direction.TOP in directions:
        made *= rows[:, None]
    elif procedure == "paper" and Direction.BOTTOM in directions:
        made *= rows[::-1, None]
    return made
