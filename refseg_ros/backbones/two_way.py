# SPDX-License-Identifier: Apache-2.0
"""segment-anything's two-way transformer, with what it projects of the image folded into tokens.

Kirillov et al. 2023, appendix A: seven or so tokens and thousands of cells of the image attend to
each other. A score q·(W k) is (Wᵀ q)·k, and a mean of W v is W of the mean of v: applied to the
tokens, the projections cost hundreds of times less than applied to every cell of every prompt,
and cells that all prompts share are multiplied once for all. In exact arithmetic the result is
that of ``TwoWayTransformer``; in float32 it differs by rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from segment_anything.modeling import TwoWayTransformer


def attend(
    transformer: TwoWayTransformer, cells: Tensor, places: Tensor, tokens: Tensor
) -> tuple[Tensor, Tensor]:
    """What tokens and cells have become after attending to each other.

    Args:
        transformer: segment-anything's two-way transformer.
        cells: (P, C) that all prompts share, or (N, P, C).
        places: Their positional codes, (P, C) or (N, P, C).
        tokens: (N, T, C) of N prompts.

    Returns:
        (N, T, C) tokens and (N, P, C) cells.
    """
    queries: Tensor = tokens
    for layer in transformer.layers:
        queries = _among_tokens(layer, queries, tokens)
        placed = cells + places
        seen = _from_image(layer.cross_attn_token_to_image, queries + tokens, placed, cells)
        queries = layer.norm2(queries + seen)
        queries = layer.norm3(queries + layer.mlp(queries))
        told = _from_tokens(
            layer.cross_attn_image_to_token, placed, queries + tokens, queries, cells
        )
        cells = layer.norm4(told)
    placed = cells + places
    seen = _from_image(transformer.final_attn_token_to_image, queries + tokens, placed, cells)
    return transformer.norm_final_attn(queries + seen), cells


def _among_tokens(layer: Any, queries: Tensor, tokens: Tensor) -> Tensor:
    if layer.skip_first_layer_pe:
        queries = layer.self_attn(q=queries, k=queries, v=queries)
    else:
        placed = queries + tokens
        queries = queries + layer.self_attn(q=placed, k=placed, v=queries)
    normed: Tensor = layer.norm1(queries)
    return normed


def _from_image(attention: Any, queries: Tensor, placed: Tensor, cells: Tensor) -> Tensor:
    """(N, T, C): the mean of the cells, by how much of them each token attends to."""
    heads = attention.num_heads
    asked = _by_head(attention.q_proj(queries), heads)
    # A bias of the keys adds the same to all cells, which a softmax does not see.
    wanted = asked @ attention.k_proj.weight.unflatten(0, (heads, -1))
    scores = _products(wanted * asked.shape[-1] ** -0.5, placed)
    means = _weighted(scores.softmax(-1), cells)
    found = means @ attention.v_proj.weight.unflatten(0, (heads, -1)).mT
    joined = found.transpose(1, 2).flatten(2) + attention.v_proj.bias
    out: Tensor = attention.out_proj(joined)
    return out


def _from_tokens(
    attention: Any, placed: Tensor, keys: Tensor, values: Tensor, cells: Tensor
) -> Tensor:
    """(N, P, C): the cells with what each takes from the tokens."""
    heads = attention.num_heads
    offered = _by_head(attention.k_proj(keys), heads)
    scale = offered.shape[-1] ** -0.5
    wanted = offered @ attention.q_proj.weight.unflatten(0, (heads, -1))
    bias = offered @ attention.q_proj.bias.unflatten(0, (heads, -1, 1))
    shares = (_products(wanted * scale, placed) + bias * scale).softmax(2)
    given = _by_head(attention.v_proj(values), heads)
    out = given @ attention.out_proj.weight.unflatten(1, (heads, -1)).permute(1, 2, 0)
    base = (cells + attention.out_proj.bias).expand(len(keys), -1, -1)
    return torch.baddbmm(base, shares.flatten(1, 2).mT, out.flatten(1, 2))


def _by_head(values: Tensor, heads: int) -> Tensor:
    """(N, T, heads · D) as (N, heads, T, D)."""
    return values.unflatten(2, (heads, -1)).transpose(1, 2)


def _products(wanted: Tensor, placed: Tensor) -> Tensor:
    """(N, heads, T, P) products of (N, heads, T, C) with every cell."""
    return (wanted.flatten(1, 2) @ placed.mT).unflatten(1, wanted.shape[1:3])


def _weighted(shares: Tensor, cells: Tensor) -> Tensor:
    """(N, heads, T, C) means of the cells by (N, heads, T, P) shares."""
    return (shares.flatten(1, 2) @ cells).unflatten(1, shares.shape[1:3])
