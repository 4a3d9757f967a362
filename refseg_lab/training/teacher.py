# SPDX-License-Identifier: Apache-2.0
"""Teaches the captioner's vision transformer to look where the trained CLIP ResNet looks.

A transformer has to find out that neighbouring patches belong together; a convolutional network
is built that way. Matching its feature maps patch by patch, early and late (as DearKD does, Chen
et al., CVPR 2022), gives far more to learn from in an image than its few words.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from refseg_lab.training import train_clip
from refseg_lab.training.common import read_checkpoint
from refseg_ros.backbones.clip import MERGES
from refseg_ros.errors import WeightsError


class Teacher(nn.Module):
    """A frozen CLIP image part, and what brings the pupil's features to the shape of its own.

    The parameters are those of the three linear maps alone; the ResNet is no part of the state.
    """

    def __init__(self, visual: nn.Module, width: int) -> None:
        """Listen to the ResNet's second and third stage.

        Args:
            visual: open_clip's ``ModifiedResNet``: stages at strides 8 and 16.
            width: Width of the pupil.
        """
        super().__init__()
        for parameter in visual.parameters():
            parameter.requires_grad_(False)
        self._visual = [visual.eval()]  # in a list it is no submodule
        self._maps: dict[str, Tensor] = {}
        stages: dict[str, Any] = {"early": visual.layer2, "late": visual.layer3}
        channels = {}
        for name, stage in stages.items():
            stage.register_forward_hook(self._keep(name))
            channels[name] = stage[-1].conv3.out_channels
        self.head_early = nn.Linear(width, channels["early"])
        self.head_late = nn.Linear(width, channels["late"])

    @classmethod
    def load(cls, run: Path, width: int) -> Teacher:
        """Take the ResNet out of a training of CLIP.

        Args:
            run: Its folder.
            width: Width of the pupil.

        Raises:
            WeightsError: There is no checkpoint, or it is of another network.
        """
        tokenizer = train_clip.clip_tokenizer(run / MERGES)
        model = train_clip.build_clip(tokenizer.vocab_size)
        try:
            model.load_state_dict(read_checkpoint(run)["model"])
        except (KeyError, RuntimeError, TypeError) as error:
            raise WeightsError(f"{run} holds a checkpoint of another network: {error}") from error
        return cls(model.visual, width)

    def _keep(self, name: str) -> Any:
        def hook(module: nn.Module, given: Any, made: Tensor) -> None:
            self._maps[name] = made

        return hook

    def forward(self, pixels: Tensor, middle: Tensor, last: Tensor) -> Tensor:
        """How far the pupil's patches are from the teacher's map, early and late.

        Args:
            pixels: (N, 3, 64, 64) float32, normalised.
            middle: (N, 1 + 64, D) float: tokens of the pupil halfway.
            last: (N, 1 + 64, D) float: its last tokens.

        Returns:
            Scalar: squared differences of features of mean 0 and variance 1.
        """
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            self._visual[0](pixels)
        early = functional.mse_loss(self.head_early(_grid(middle)), _even(self._maps["early"]))
        halved = functional.avg_pool2d(_grid(last).permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        late = functional.mse_loss(self.head_late(halved), _even(self._maps["late"]))
        return early + late


def _grid(tokens: Tensor) -> Tensor:
    """(N, 1 + s², D) tokens to (N, s, s, D) float32 patches, without the class token."""
    side = round((tokens.shape[1] - 1) ** 0.5)
    return tokens.float()[:, 1:].reshape(len(tokens), side, side, -1)


def _even(features: Tensor) -> Tensor:
    """(N, C, s, s) to (N, s, s, C) float32, of mean 0 and variance 1 in each place."""
    placed = features.float().permute(0, 2, 3, 1)
    return functional.layer_norm(placed, placed.shape[-1:])
