# SPDX-License-Identifier: Apache-2.0
"""Which words a diffusion network looks up where: its cross-attention, recorded beside its work.

The network's own attention processors (fused, sliced, xformers) go on making its output, which
stays what it was; queries and keys are taken once more from its own layers and multiplied plainly,
for a fused kernel never shows its weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Maps:
    """Cross-attention of one layer, the mean of its heads.

    Attributes:
        layer: The layer's name in the network.
        logits: (B, places, words) float32, before the softmax.
        shares: (B, places, words) float32, after the softmax: sums to 1 over the words.
    """

    layer: str
    logits: Tensor
    shares: Tensor

    def half(self, row: int) -> Maps:
        """One image of a batch."""
        return Maps(self.layer, self.logits[row : row + 1], self.shares[row : row + 1])


class _Recorder:
    """An attention processor that lets another do the work and writes down its attention."""

    def __init__(self, processor: Any, layer: str, maps: list[Maps]) -> None:
        self._processor = processor
        self._layer = layer
        self._maps = maps

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if encoder_hidden_states is not None:
            logits = attention_logits(attn, hidden_states, encoder_hidden_states)
            shares = logits.softmax(-1)
            self._maps.append(Maps(self._layer, logits.mean(1), shares.mean(1)))
        return self._processor(attn, hidden_states, encoder_hidden_states, *args, **kwargs)


@contextmanager
def recorded(unet: Any) -> Iterator[list[Maps]]:
    """Record the cross-attention of a network while the context lasts.

    Args:
        unet: A ``UNet2DConditionModel``; its processors are put back afterwards.

    Yields:
        A list that each call of the network lengthens by a map a layer, in their order.
    """
    before = dict(unet.attn_processors)
    maps: list[Maps] = []
    unet.set_attn_processor(
        {
            # attn1 attends to the places themselves.
            name: _Recorder(item, name.removesuffix(".processor"), maps)
            if "attn2" in name
            else item
            for name, item in before.items()
        }
    )
    try:
        yield maps
    finally:
        unet.set_attn_processor(before)


def attention_logits(attn: Any, hidden_states: Tensor, words: Tensor) -> Tensor:
    """(B, heads, places, words) float32: queries times keys, over the root of their width.

    Args:
        attn: A diffusers ``Attention`` over words.
        hidden_states: (B, places, C).
        words: (B, L, D) states of the tokens.
    """
    if attn.norm_cross:
        words = attn.norm_encoder_hidden_states(words)
    queries, keys = attn.to_q(hidden_states), attn.to_k(words)
    batch, heads = len(queries), attn.heads
    queries, keys = (
        item.view(batch, -1, heads, item.shape[-1] // heads).transpose(1, 2).float()
        for item in (queries, keys)
    )
    return torch.matmul(queries, keys.transpose(-1, -2)) * attn.scale
