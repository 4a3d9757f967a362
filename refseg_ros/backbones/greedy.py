# SPDX-License-Identifier: Apache-2.0
"""BLIP's greedy captions without the bookkeeping of ``generate``: the same tokens, sooner."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

_NAMED: Final = ("bos", "eos", "pad", "decoder_start", "_from", "output_", "transformers", "use_")
"""Beginnings of what a generation configuration says that changes no greedy choice."""


def is_plain(model: Any) -> bool:
    """Whether a network is BLIP and nothing saved with it changes which token is chosen.

    Such as a penalty for repetitions, a least length or banned words.
    """
    decoder = getattr(model, "text_decoder", None)
    if getattr(model.config, "model_type", "") != "blip" or decoder is None:
        return False
    changed = decoder.generation_config.to_diff_dict()
    return all(name.startswith((*_NAMED, "max_")) for name in changed)


def greedy_tokens(model: Any, pixels: Tensor, most: int) -> Tensor:
    """The likeliest token, again and again, until all images are described.

    Args:
        model: A ``BlipForConditionalGeneration`` that :func:`is_plain`.
        pixels: (N, 3, H, W) prepared images.
        most: Longest caption in tokens.

    Returns:
        (N, T) int64 tokens from the first on, padded; T is at most ``most`` + 1.
    """
    words = model.config.text_config
    states = model.vision_model(pixel_values=pixels)[0]
    seen = torch.ones(states.shape[:-1], dtype=torch.long, device=states.device)
    tokens = [torch.full_like(seen[:, :1], words.bos_token_id)]
    unfinished, kept = torch.ones_like(seen[:, 0], dtype=torch.bool), None
    while len(tokens) <= most and bool(unfinished.any()):
        told = model.text_decoder(
            input_ids=tokens[-1],
            encoder_hidden_states=states,
            encoder_attention_mask=seen,
            past_key_values=kept,
            use_cache=True,
        )
        kept = told.past_key_values
        likeliest = told.logits[:, -1].argmax(-1)
        tokens.append(torch.where(unfinished, likeliest, words.pad_token_id)[:, None])
        unfinished = unfinished & (likeliest != words.sep_token_id)
    return torch.cat(tokens, 1)
