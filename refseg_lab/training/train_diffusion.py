# SPDX-License-Identifier: Apache-2.0
"""Trains the UNet of the small latent diffusion: parts of scenes and what they are called."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from refseg_lab.training.common import (
    RUNS,
    Training,
    begin,
    command,
    logger,
    parser,
    read_checkpoint,
)
from refseg_lab.training.glimpses import Glimpses, open_glimpses, sentence
from refseg_lab.training.latent import (
    STEPS,
    build_autoencoder,
    build_scheduler,
    build_text_encoder,
    build_unet,
    diffusion_tokenizer,
    latent_pixels,
)
from refseg_ros.errors import ConfigError, WeightsError
from refseg_ros.weights import BUNDLED, resolve

_WORDLESS = 0.1  # share of examples without words, for guidance
_HELD_OUT = 256
_MEASURED = (200, 500, 800, 950)


class Reader:
    """Sentences to what the UNet attends to."""

    def __init__(self, clip: Path) -> None:
        """Take the text tower and vocabulary of an open_clip model.

        Args:
            clip: Its folder.
        """
        self.tokenizer = diffusion_tokenizer(clip)
        self.encoder = build_text_encoder(clip)
        self.width = int(self.encoder.config.hidden_size)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """(N, L, D) float32 states of the tokens, padded as the pipeline pads them."""
        tokens = self.tokenizer(
            list(texts), padding="max_length", truncation=True, return_tensors="pt"
        )
        with torch.inference_mode():
            states: Tensor = self.encoder(tokens.input_ids).last_hidden_state
        return states.clone()


def latent_factor(run: Path) -> float:
    """The factor that gives the latents of the training glimpses a standard deviation of 1.

    Args:
        run: Folder of the autoencoder's training, with its latents.

    Raises:
        WeightsError: The latents have not been made.
    """
    path = run / "latents-train.pt"
    if not path.exists():
        raise WeightsError(f"{path} does not exist; train the diffusion network first")
    return 1.0 / float(torch.load(path, weights_only=True)["latents"].float().std())


def encode_all(run: Path, glimpses: Glimpses, name: str) -> Tensor:
    """Latents of all glimpses as posterior means, made at the first call and kept with the run.

    Args:
        run: Folder of the autoencoder's training.
        glimpses: What to encode.
        name: Name of the file.

    Returns:
        (N, C, h, w) float16.

    Raises:
        WeightsError: The autoencoder is not trained.
        ConfigError: What is kept is of another autoencoder or other glimpses.
    """
    state = read_checkpoint(run)
    path = run / f"latents-{name}.pt"
    if not path.exists():
        model = build_autoencoder()
        model.load_state_dict(state["model"])
        model.eval()
        rows = []
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            for start in range(0, len(glimpses), 64):
                pixels = latent_pixels(np.asarray(glimpses.images[start : start + 64]))
                rows.append(model.encode(pixels).latent_dist.mode().half())
        torch.save({"latents": torch.cat(rows), "step": state["step"]}, path)
        logger.info("%d latents in %s", len(glimpses), path)
    kept = torch.load(path, weights_only=True)
    if kept["step"] != state["step"] or len(kept["latents"]) != len(glimpses):
        raise ConfigError(f"{path} is of another autoencoder or other scenes; remove it")
    latents: Tensor = kept["latents"]
    return latents


def velocity_loss(
    unet: Any, latents: Tensor, states: Tensor, times: Tensor, noise: Tensor, alphas: Tensor
) -> Tensor:
    """(N,) mean square error of the velocity (Salimans and Ho 2022): √ᾱ·ε − √(1 − ᾱ)·x.

    Where there is almost only noise, the network must predict the picture itself from the words;
    an error of the noise would hardly count there, and the words would not be learned.

    Args:
        unet: The network.
        latents: (N, C, h, w) float32, of unit standard deviation.
        states: (N, L, D) float32 of the tokens.
        times: (N,) int64 in [0, 1000).
        noise: (N, C, h, w) float32.
        alphas: (1000,) products of the schedule.
    """
    kept = alphas[times][:, None, None, None]
    mixed = kept.sqrt() * latents + (1 - kept).sqrt() * noise
    velocity = kept.sqrt() * noise - (1 - kept).sqrt() * latents
    with torch.autocast("cpu", torch.bfloat16):
        made = unet(mixed, times, states).sample
    return functional.mse_loss(made.float(), velocity, reduction="none").mean((1, 2, 3))


def held_out_figures(
    unet: Any, latents: Tensor, told: Tensor, untold: Tensor, alphas: Tensor
) -> Mapping[str, float]:
    """Error of the velocity on held-out glimpses, and the share by which words reduce it.

    Args:
        unet: The network.
        latents: (N, C, h, w) float32, of unit standard deviation.
        told: (N, L, D) float32, of sentences that are true of them.
        untold: (1, L, D), of no words.
        alphas: See :func:`velocity_loss`.
    """
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(latents.shape, generator=generator)
    figures = {}
    for time in _MEASURED:
        times = torch.full((len(latents),), time)
        with torch.inference_mode():
            with_words, without = (
                float(velocity_loss(unet, latents, states, times, noise, alphas).mean())
                for states in (told, untold.expand_as(told))
            )
        figures[f"error {time}"] = with_words
        figures[f"words {time}"] = 1.0 - with_words / without
    return figures


def train_diffusion(options: argparse.Namespace) -> None:
    """Train to the last step."""
    scenes, held_out = begin(options)
    glimpses = open_glimpses(options.data / "train", scenes)
    others = open_glimpses(options.data / "val", held_out)
    latents = encode_all(options.autoencoder, glimpses, "train")
    unseen = encode_all(options.autoencoder, others, "val")
    factor = latent_factor(options.autoencoder)
    reader = Reader(resolve(options.clip))
    unet, alphas = build_unet(reader.width), build_scheduler().alphas_cumprod
    rng = np.random.default_rng(1)
    count = min(_HELD_OUT, len(others))
    told = reader([sentence(things, rng) for things in others.things[:count]])
    training = Training(
        {"unet": unet},
        options,
        lambda: held_out_figures(
            unet, unseen[:count].float() * factor, told, reader([""]), alphas
        ),
        weight_decay=0.01,
        warm_up=100,
        muon=True,
    )
    unet.train()
    for rng in training:
        rows = rng.choice(len(glimpses), options.batch)
        texts = [
            "" if rng.random() < _WORDLESS else sentence(glimpses.things[row], rng) for row in rows
        ]
        chance = torch.Generator().manual_seed(int(rng.integers(2**31)))
        batch = latents[torch.from_numpy(rows)].float() * factor
        noise = torch.randn(batch.shape, generator=chance)
        times = torch.randint(0, STEPS, (len(rows),), generator=chance)
        losses = velocity_loss(unet, batch, reader(texts), times, noise, alphas)
        training.descend(losses.mean())


def main(arguments: list[str] | None = None) -> None:
    """The command ``python -m refseg_lab.training.train_diffusion``."""
    made = parser(__doc__ or "", "diffusion", steps=4000, batch=32, lr=1.5e-3)
    made.add_argument(
        "--autoencoder", type=Path, default=RUNS / "autoencoder", help="folder of its training"
    )
    made.add_argument("--clip", default=f"{BUNDLED}clip", help="CLIP whose text tower to use")
    options = made.parse_args(arguments)
    command(lambda: train_diffusion(options))


if __name__ == "__main__":
    main()
