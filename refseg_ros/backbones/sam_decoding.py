# SPDX-License-Identifier: Apache-2.0
"""segment-anything's mask decoder on windows: each prompt sees a part of the image around it.

A mask of a small thing needs no look at the far end of the table, and attention and upscaling
cost in proportion to the cells. Windows keep the coordinates of the whole input, so the same
weights serve segment-anything's own predictor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

WINDOW = 32
"""Cells of the embedding along each side of a window."""
FINER = 4
"""Cells of a mask for each cell of the embedding, along each side."""


def corners(
    cells: Tensor, shape: tuple[int, int], most: int = WINDOW
) -> tuple[Tensor, tuple[int, int]]:
    """Where windows lie that have given cells as near to their middle as the image allows.

    Args:
        cells: (N, 2) int64 x, y of embedding cells.
        shape: Height and width of the embedding in cells.
        most: Cells along each side of a window, if the image is that large.

    Returns:
        (N, 2) int64 x, y of the first cell of each window, and the height and width of all of
        them.
    """
    height, width = min(most, shape[0]), min(most, shape[1])
    last = torch.tensor([shape[1] - width, shape[0] - height], device=cells.device)
    first = cells - torch.tensor([width // 2, height // 2], device=cells.device)
    return torch.minimum(first.clamp(min=0), last), (height, width)


def cut(maps: Tensor, which: Tensor, first: Tensor, size: tuple[int, int]) -> Tensor:
    """Windows of maps: a copy for each.

    Args:
        maps: (B, C, H, W).
        which: (N,) int64, the map of each window.
        first: (N, 2) int64 x, y of the first cell of each.
        size: Height and width of all windows.

    Returns:
        (N, C, height, width).
    """
    rows = first[:, 1, None] + torch.arange(size[0], device=maps.device)
    columns = first[:, 0, None] + torch.arange(size[1], device=maps.device)
    chosen = maps.permute(0, 2, 3, 1)[which[:, None, None], rows[:, :, None], columns[:, None]]
    return chosen.permute(0, 3, 1, 2)


def decode(
    sam: Sam, embedding: Tensor, positions: Tensor, prompts: Tensor
) -> tuple[Tensor, Tensor]:
    """All masks of each prompt in its own window.

    The procedure of ``MaskDecoder.predict_masks`` (Kirillov et al. 2023, section 3 and
    appendix A), which takes one image for all prompts.

    Args:
        sam: The network.
        embedding: (N, C, h, w) image embedding in the window of each prompt.
        positions: (N, C, h, w) dense positional codes of the same windows.
        prompts: (N, T, C) sparse prompt embeddings, in coordinates of the whole input.

    Returns:
        (N, M, 4 h, 4 w) logits, the first for clear prompts, and (N, M) predicted IoUs.
    """
    decoder = sam.mask_decoder
    count, channels, height, width = embedding.shape
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = torch.cat([own.expand(count, -1, -1), prompts], 1)
    without_mask = sam.prompt_encoder.no_mask_embed.weight.reshape(1, channels, 1, 1)
    answers, cells = decoder.transformer(embedding + without_mask, positions, tokens)
    cells = cells.transpose(1, 2).reshape(count, channels, height, width)
    fine = decoder.output_upscaling(cells)
    heads = enumerate(decoder.output_hypernetworks_mlps, start=1)
    filters = torch.stack([head(answers[:, number]) for number, head in heads], 1)
    masks = (filters @ fine.flatten(2)).unflatten(2, (FINER * height, FINER * width))
    return masks, decoder.iou_prediction_head(answers[:, 0])
