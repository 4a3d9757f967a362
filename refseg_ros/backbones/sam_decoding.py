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

from refseg_ros.backbones.two_way import attend

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

WINDOW = 32
"""Cells of the embedding along each side of a window."""
FINER = 4
"""Cells of a mask for each cell of the embedding, along each side."""

_CACHED = 4 << 20  # bytes of cells, which a CPU's caches hold with what is made of them


def at_once(maps: Tensor) -> int:
    """Prompts that are best answered together: all on a GPU, on a CPU what its caches hold.

    Args:
        maps: (N, C, h, w) as one prompt sees it.
    """
    if maps.device.type != "cpu":
        return 1 << 20
    return max(1, _CACHED // (4 * maps[0].numel()))


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


def answer_points(
    sam: Sam, embedding: Tensor, positions: Tensor, prompts: Tensor
) -> tuple[Tensor, Tensor]:
    """What the decoder makes of prompts, before any mask is drawn.

    Args:
        sam: The network.
        embedding: (N, C, h, w) image embedding in the window of each prompt, or (1, C, h, w) for
            all of them.
        positions: Dense positional codes of the same windows, (N, C, h, w) or (1, C, h, w).
        prompts: (N, T, C) sparse prompt embeddings, in coordinates of the whole input.

    Returns:
        (N, 1 + M + T, C) tokens, of the predicted IoUs, of M masks and of the prompt, and
        (N, h · w, C) cells of the image.
    """
    decoder = sam.mask_decoder
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = torch.cat([own.expand(len(prompts), -1, -1), prompts], 1)
    without_mask = sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
    cells, places = (
        maps.flatten(2).mT.contiguous() for maps in (embedding + without_mask, positions)
    )
    if len(cells) == 1 == len(places):
        cells, places = cells[0], places[0]
    return attend(decoder.transformer, cells, places, tokens)


def predicted(sam: Sam, answers: Tensor) -> Tensor:
    """(N, M) predicted IoUs of the masks of N answers; the first is the mask for clear prompts."""
    quality: Tensor = sam.mask_decoder.iou_prediction_head(answers[:, 0])
    return quality


def draw(
    sam: Sam, answers: Tensor, cells: Tensor, size: tuple[int, int], which: Tensor, chosen: Tensor
) -> Tensor:
    """Some of the masks of some answers; the others cost nothing.

    Args:
        sam: The network.
        answers: (N, 1 + M + T, C) tokens from :func:`answer_points`, as are ``cells``.
        cells: (N, h · w, C).
        size: h and w.
        which: (K,) int64, ascending: the answer that each mask belongs to.
        chosen: (K,) int64: its number among the M masks of that answer.

    Returns:
        (K, 4 h, 4 w) logits.
    """
    decoder = sam.mask_decoder
    rows, of_row = torch.unique(which, return_inverse=True)
    maps = cells[rows].mT.unflatten(2, size)
    fine = decoder.output_upscaling(maps).flatten(2)
    heads = enumerate(decoder.output_hypernetworks_mlps, start=1)
    filters = torch.stack([head(answers[rows, number]) for number, head in heads], 1)
    masks = (filters @ fine)[of_row, chosen]
    return masks.unflatten(1, (FINER * size[0], FINER * size[1]))


def decode(
    sam: Sam, embedding: Tensor, positions: Tensor, prompts: Tensor
) -> tuple[Tensor, Tensor]:
    """All masks of each prompt in its own window.

    The procedure of ``MaskDecoder.predict_masks`` (Kirillov et al. 2023, section 3 and
    appendix A), which takes one image for all prompts.

    Args:
        sam: The network.
        embedding: The image embedding in each prompt's window, shaped as for
            :func:`answer_points`.
        positions: The positional codes of the same windows.
        prompts: (N, T, C).

    Returns:
        (N, M, 4 h, 4 w) logits, the first for clear prompts, and (N, M) predicted IoUs.
    """
    answers, cells = answer_points(sam, embedding, positions, prompts)
    quality = predicted(sam, answers)
    every = torch.arange(quality.numel(), device=quality.device)
    count = quality.shape[1]
    size = (embedding.shape[2], embedding.shape[3])
    masks = draw(sam, answers, cells, size, every // count, every % count)
    return masks.unflatten(0, quality.shape), quality
