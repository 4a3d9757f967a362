# SPDX-License-Identifier: Apache-2.0
"""BLIP's attention in its image encoder, fused: no number a pair of cells is written down."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.nn import functional


def fuse_attention(model: torch.nn.Module) -> int:
    """Let a captioner's image encoder attend by one fused operation; the same but for rounding.

    Args:
        model: A BLIP of transformers; changed in place. Other networks have nothing to change.

    Returns:
        How many layers were changed.
    """
    layers = [item for item in model.modules() if type(item).__name__ == "BlipAttention"]
    for layer in layers:
        layer.forward = partial(_attend, layer)
    return len(layers)


def _attend(layer: Any, hidden_states: torch.Tensor, **_: Any) -> tuple[torch.Tensor, None]:
    size = hidden_states.shape
    mixed = layer.qkv(hidden_states).reshape(*size[:2], 3, layer.num_heads, layer.head_dim)
    query, key, value = mixed.permute(2, 0, 3, 1, 4)
    seen = functional.scaled_dot_product_attention(query, key, value, scale=layer.scale)
    return layer.projection(seen.transpose(1, 2).reshape(size)), None
