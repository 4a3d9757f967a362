# SPDX-License-Identifier: Apache-2.0
"""The parts of the small latent diffusion, in the classes of diffusers and transformers.

The text encoder is that of the bundled CLIP, as Stable Diffusion 1 has that of a published one: it
is not trained again.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.clip import MERGES
from refseg_ros.backbones.sam import read_state_dict

CHANNELS = 8
"""Channels of the latent, which has a place for each 8 x 8 pixels."""
FACTOR = 8
STEPS = 1000
"""Steps of the noise schedule, which is Stable Diffusion's."""


def build_autoencoder() -> Any:
    """The untrained ``AutoencoderKL``."""
    torchvision_compat.ensure()
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 64),
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=8,
        sample_size=128,
        mid_block_add_attention=False,
    )


def build_unet(text_width: int) -> Any:
    """The untrained ``UNet2DConditionModel``.

    Args:
        text_width: Width of the text encoder.
    """
    torchvision_compat.ensure()
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=16,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        mid_block_type="UNetMidBlock2DCrossAttn",
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        block_out_channels=(64, 128),
        layers_per_block=1,
        cross_attention_dim=text_width,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def build_scheduler() -> Any:
    """Stable Diffusion's noise schedule."""
    torchvision_compat.ensure()
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=STEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


def diffusion_tokenizer(folder: Path) -> Any:
    """Transformers' tokenizer with the vocabulary of a CLIP.

    Args:
        folder: Folder of an open_clip model with its own merges.
    """
    torchvision_compat.ensure()
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    lines = gzip.decompress((folder / MERGES).read_bytes()).decode().split("\n")
    merges = [(first, second) for first, second in (line.split() for line in lines[1:] if line)]
    letters = list(bytes_to_unicode().values())
    words = [*letters, *(letter + "</w>" for letter in letters)]
    words += ["".join(merge) for merge in merges] + ["<|startoftext|>", "<|endoftext|>"]
    context = _config(folder)["text_cfg"]["context_length"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=context)


def build_text_encoder(folder: Path) -> Any:
    """Transformers' ``CLIPTextModel`` with the weights of an open_clip model's text tower.

    Args:
        folder: Folder of the open_clip model.
    """
    torchvision_compat.ensure()
    from transformers import CLIPTextConfig, CLIPTextModel

    text = _config(folder)["text_cfg"]
    config = CLIPTextConfig(
        vocab_size=text["vocab_size"],
        hidden_size=text["width"],
        intermediate_size=4 * text["width"],
        num_hidden_layers=text["layers"],
        num_attention_heads=text["heads"],
        max_position_embeddings=text["context_length"],
        hidden_act="gelu",
        bos_token_id=text["vocab_size"] - 2,
        eos_token_id=text["vocab_size"] - 1,
        pad_token_id=text["vocab_size"] - 1,
    )
    model = CLIPTextModel(config)
    state = _renamed(read_state_dict(folder / "open_clip_model.safetensors"), text["layers"])
    prefix = next(iter(model.state_dict())).split("embeddings.")[0]
    model.load_state_dict({prefix + name: value for name, value in state.items()})
    return model.eval().requires_grad_(False)


def _config(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "open_clip_config.json").read_text("utf-8"))
    return dict(read["model_cfg"])


def _renamed(state: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """Tensors of open_clip's text tower under the names of transformers."""
    made = {
        "embeddings.token_embedding.weight": state["token_embedding.weight"],
        "embeddings.position_embedding.weight": state["positional_embedding"],
        "final_layer_norm.weight": state["ln_final.weight"],
        "final_layer_norm.bias": state["ln_final.bias"],
    }
    for layer in range(layers):
        old, new = f"transformer.resblocks.{layer}.", f"encoder.layers.{layer}."
        for kind in ("weight", "bias"):
            parts = state[f"{old}attn.in_proj_{kind}"].chunk(3)
            for name, part in zip("qkv", parts, strict=True):
                made[f"{new}self_attn.{name}_proj.{kind}"] = part
            for there, here in (
                ("self_attn.out_proj", "attn.out_proj"),
                ("layer_norm1", "ln_1"),
                ("layer_norm2", "ln_2"),
                ("mlp.fc1", "mlp.c_fc"),
                ("mlp.fc2", "mlp.c_proj"),
            ):
                made[f"{new}{there}.{kind}"] = state[f"{old}{here}.{kind}"]
    return made


def latent_pixels(images: NDArray[Any]) -> Tensor:
    """(N, H, W, 3) uint8 to (N, 3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(np.array(images, np.float32)).permute(0, 3, 1, 2) / 127.5 - 1.0
