# SPDX-License-Identifier: Apache-2.0
"""A Stable Diffusion pipeline of a few thousand random weights, in diffusers' own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from refseg_ros.backbones import torchvision_compat

WORDS = ("red", "blue", "mug", "book", "the", "of", "left", ",", "a", "pick", "up")
CONTEXT = 8


def build_unet(**changes: Any) -> Any:
    """Two levels with words at both, 8 channels."""
    torchvision_compat.ensure()
    from diffusers import UNet2DConditionModel

    options: dict[str, Any] = {
        "sample_size": 8,
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "cross_attention_dim": 12,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    }
    torch.manual_seed(3)
    return UNet2DConditionModel(**{**options, **changes}).eval()


def write_pipeline(folder: Path, prediction: str = "epsilon") -> Path:
    """Write every part as ``save_pretrained`` does.

    Args:
        folder: Made if need be.
        prediction: Of the scheduler.
    """
    torchvision_compat.ensure()
    import transformers
    from diffusers import AutoencoderKL, DDIMScheduler
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(2)
    AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        latent_channels=4,
        sample_size=16,
    ).save_pretrained(folder / "vae")
    build_unet().save_pretrained(folder / "unet")
    DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction,
    ).save_pretrained(folder / "scheduler")
    letters = [chr(code) for code in range(97, 123)] + [","]
    merges = sorted(
        {pair for word in WORDS for pair in _merges(word)}, key=lambda p: len("".join(p))
    )
    vocabulary = [*letters, *(letter + "</w>" for letter in letters)]
    vocabulary += list(dict.fromkeys("".join(pair) for pair in merges))
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    ids = {word: number for number, word in enumerate(vocabulary)}
    CLIPTokenizer(vocab=ids, merges=merges, model_max_length=CONTEXT).save_pretrained(
        folder / "tokenizer"
    )
    config = CLIPTextConfig(
        vocab_size=len(ids),
        hidden_size=12,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=len(ids) - 2,
        eos_token_id=len(ids) - 1,
        pad_token_id=len(ids) - 1,
    )
    torch.manual_seed(4)
    CLIPTextModel(config).save_pretrained(folder / "text_encoder")
    return folder


def _merges(word: str) -> list[tuple[str, str]]:
    """A word spelt from its end, letter by letter."""
    parts = [*word[:-1], word[-1] + "</w>"]
    made, tail = [], parts[-1]
    for letter in reversed(parts[:-1]):
        made.append((letter, tail))
        tail = letter + tail
    return made
