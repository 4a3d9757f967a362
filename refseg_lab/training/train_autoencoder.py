# SPDX-License-Identifier: Apache-2.0
"""Trains the autoencoder of the small latent diffusion on parts of scenes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from refseg_lab.training.common import Training, begin, command, parser
from refseg_lab.training.glimpses import Glimpses, open_glimpses
from refseg_lab.training.latent import build_autoencoder, latent_pixels

_KL = 1e-4  # keeps latents from growing; small enough not to blur them
_EDGES = 0.5
_HELD_OUT = 64


def edge_loss(made: Tensor, true: Tensor) -> Tensor:
    """Mean absolute error of the differences between neighbouring pixels."""
    across = (made.diff(dim=3) - true.diff(dim=3)).abs().mean()
    return across + (made.diff(dim=2) - true.diff(dim=2)).abs().mean()


def autoencoder_loss(model: Any, pixels: Tensor, generator: torch.Generator | None) -> Tensor:
    """Absolute error of pixels and edges, and the latents' divergence from a unit Gaussian.

    Args:
        model: An ``AutoencoderKL``.
        pixels: (N, 3, H, W) float32 in [-1, 1].
        generator: Source of chance of the latents; None takes their means.
    """
    with torch.autocast("cpu", torch.bfloat16):
        posterior = model.encode(pixels).latent_dist
        latents = posterior.mode() if generator is None else posterior.sample(generator)
        made = model.decode(latents).sample
    made = made.float()
    loss: Tensor = (made - pixels).abs().mean() + _EDGES * edge_loss(made, pixels)
    divergence: Tensor = posterior.kl().float().mean() / latents[0].numel()
    return loss + _KL * divergence


def reconstruction(model: Any, glimpses: Glimpses, count: int) -> Mapping[str, float]:
    """How well held-out pictures survive: mean absolute error in grey levels of 255, and PSNR."""
    chosen = np.linspace(0, len(glimpses) - 1, min(count, len(glimpses))).astype(int)
    pixels = latent_pixels(np.asarray(glimpses.images[chosen]))
    with torch.inference_mode():
        made = model.decode(model.encode(pixels).latent_dist.mode()).sample.clamp(-1, 1)
    error = (made - pixels) / 2
    mean_square = float(error.square().mean())
    return {"grey": float(255 * error.abs().mean()), "PSNR": -10 * float(np.log10(mean_square))}


def train_autoencoder(options: argparse.Namespace) -> None:
    """Train to the last step."""
    scenes, held_out = begin(options)
    glimpses = open_glimpses(options.data / "train", scenes)
    others = open_glimpses(options.data / "val", held_out)
    model = build_autoencoder()
    training = Training(
        {"model": model},
        options,
        lambda: reconstruction(model, others, _HELD_OUT),
        weight_decay=0.01,
        warm_up=50,
        muon=True,
    )
    model.train()
    for rng in training:
        rows = np.sort(rng.choice(len(glimpses), options.batch))
        pixels = latent_pixels(np.asarray(glimpses.images[rows]))
        if rng.random() < 0.5:
            pixels = pixels.flip(3)
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        loss = autoencoder_loss(model, pixels, generator)
        training.descend(loss)


def main(arguments: list[str] | None = None) -> None:
    """The command ``python -m refseg_lab.training.train_autoencoder``."""
    made = parser(__doc__ or "", "autoencoder", steps=1200, batch=8, lr=2e-3)
    options = made.parse_args(arguments)
    command(lambda: train_autoencoder(options))


if __name__ == "__main__":
    main()
