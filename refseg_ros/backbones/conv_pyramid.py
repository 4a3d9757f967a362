# SPDX-License-Identifier: Apache-2.0
"""A small image encoder for segment-anything: a convolutional pyramid in place of the ViT.

It has a ViT's place in ``segment_anything.modeling.Sam`` (``img_size``, an embedding of
``out_chans`` channels), and learns from nothing in an hour on a CPU. With a seed head it also says
where prompts are worth decoding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 8
"""Pixels of the input that one cell of the embedding stands for, along each side."""


SEED_STRIDE = 4
"""Pixels of the input that one cell of the seed maps stands for, along each side."""
NORMS = ("group", "batch")


def _norm(kind: str, channels: int) -> nn.Module:
    if kind not in NORMS:
        raise ValueError(f"norm: {kind!r} is not one of {', '.join(NORMS)}")
    return nn.GroupNorm(8, channels) if kind == "group" else nn.BatchNorm2d(channels)


class Residual(nn.Module):
    """Two 3x3 convolutions with pre-activation and a skip."""

    def __init__(
        self, channels_in: int, channels_out: int, stride: int = 1, norm: str = "group"
    ) -> None:
        """Channels must be multiples of 8, the number of normalisation groups."""
        super().__init__()
        self.norm1 = _norm(norm, channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1)
        self.norm2 = _norm(norm, channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1)
        same = channels_in == channels_out and stride == 1
        self.skip = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, h, w) to (B, channels_out, h / stride, w / stride)."""
        y = self.conv1(functional.gelu(self.norm1(x)))
        out: Tensor = self.skip(x) + self.conv2(functional.gelu(self.norm2(y)))
        return out


class SeedHead(nn.Module):
    """Says of each cell of 4 pixels whether it shows an object, and how far inside."""

    def __init__(self, channels: int) -> None:
        """Make an untrained head on an embedding of so many channels."""
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 3, 1, 1)
        self.out = nn.Conv2d(channels, 2 * (STRIDE // SEED_STRIDE) ** 2, 1)

    def forward(self, embedding: Tensor) -> Tensor:
        """Read the embedding.

        Args:
            embedding: (B, channels, h, w).

        Returns:
            (B, 2, 2 h, 2 w) logits: of showing an object, and of the distance to the object's
            edge as a share of the greatest one within it.
        """
        cells = self.out(functional.gelu(self.mix(functional.gelu(embedding))))
        return functional.pixel_shuffle(cells, STRIDE // SEED_STRIDE)


class ConvPyramid(nn.Module):
    """Residual stages at strides 4, 8, 16 and 32, summed top-down to stride 8.

    Attributes:
        seeds: The :class:`SeedHead`, or None. :meth:`forward` leaves it out, so that all of
            segment-anything's own callers work with or without it.
    """

    def __init__(
        self,
        img_size: int = 256,
        stem: int = 40,
        widths: Sequence[int] = (72, 112, 144),
        out_chans: int = 64,
        norm: str = "group",
        seeds: bool = False,
    ) -> None:
        """Make an untrained encoder.

        Args:
            img_size: Side of the square input in pixels, a multiple of 32.
            stem: Channels at stride 4, a multiple of 8.
            widths: Channels at strides 8, 16 and 32, multiples of 8.
            out_chans: Channels of the embedding, a multiple of 8.
            norm: ``group`` or ``batch`` normalisation.
            seeds: Whether it has a seed head.
        """
        super().__init__()
        self.img_size = img_size
        self.stem = nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1), nn.GELU(), nn.Conv2d(24, stem, 3, 2, 1)
        )
        self.stage4 = Residual(stem, stem, norm=norm)
        inputs = (stem, *widths[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(Residual(before, width, 2, norm), Residual(width, width, norm=norm))
            for before, width in zip(inputs, widths, strict=True)
        )
        self.lateral = nn.ModuleList(nn.Conv2d(width, out_chans, 1) for width in widths)
        self.fine = nn.Conv2d(stem, out_chans, 3, 2, 1)
        self.mix = Residual(out_chans, out_chans, norm=norm)
        self.seeds = SeedHead(out_chans) if seeds else None

    def forward(self, x: Tensor) -> Tensor:
        """Encode normalised images: (B, 3, h, w) to (B, out_chans, h / 8, w / 8).

        Sides are multiples of 32; segment-anything itself gives squares of ``img_size``.
        """
        fine = self.stage4(self.stem(x))
        maps, deeper = [], fine
        for stage in self.stages:
            deeper = stage(deeper)
            maps.append(deeper)
        top: Tensor = torch.zeros(1, dtype=x.dtype, device=x.device)
        for number in range(len(maps) - 1, -1, -1):
            lateral = self.lateral[number](maps[number])
            if number < len(maps) - 1:
                top = functional.interpolate(top, scale_factor=2.0, mode="bilinear") + lateral
            else:
                top = lateral
        mixed: Tensor = self.mix(top + self.fine(fine))
        return mixed
