# SPDX-License-Identifier: Apache-2.0
"""Fields of the methods beside TAS; the defaults are those published."""

from __future__ import annotations

from dataclasses import dataclass

from refseg_ros.config.fields import option
from refseg_ros.errors import ConfigError


@dataclass(frozen=True)
class GlobalLocalConfig:
    """Global-Local CLIP (Yu et al., CVPR 2023), where ``score`` asks for it."""

    alpha: float = option(
        0.95,
        "weight of the mask within the whole image beside its crop; the paper: 0.95, on RefCOCOg "
        "0.85",
        low=0,
        high=1,
    )
    sentence: float = option(
        0.5, "weight of the sentence beside its head noun phrase (beta)", low=0, high=1
    )
    blocks: int = option(3, "ViT: last blocks in which only the mask is seen", low=1, high=64)
    side: int = option(
        0,
        "ResNet: pixels of the square that the image is squashed to; 0 is the network's own",
        low=0,
        high=2048,
    )


@dataclass(frozen=True)
class CoherenceConfig:
    """The coherence of HybridGL (CVPR 2025), a term that ``tas`` and ``robust`` may add."""

    weight: float = option(
        0.0, "logits for each unit of it in the sum; 0 leaves the dense pass out", low=0
    )
    balance: float = option(
        1.8,
        "b: what counts against heat outside a mask; 2 - b counts for heat inside",
        low=0,
        high=2,
    )
    side: int = option(
        0,
        "longer side in pixels at which CLIP sees the whole image; 0 is the image's own",
        low=0,
        high=4096,
    )


@dataclass(frozen=True)
class DiffusionConfig:
    """A latent diffusion network that reads text, through diffusers."""

    model: str = option(
        "stable-diffusion-v1-5", "a folder in diffusers' format (vae, unet, …), or bundled:NAME"
    )
    side: int = option(
        1024, "longer side in pixels at which the network sees the image", low=16, high=4096
    )
    steps: int = option(20, "reverse steps from bare noise to an image (DDIM)", low=1, high=1000)
    start: int = option(
        2, "reverse steps that are done: noise is added up to the first of them (t)", low=1
    )
    guidance: float = option(
        9.0,
        "how far the prediction with words outweighs the one without; 1 uses the words alone",
        low=1,
    )
    level: int = option(
        4,
        "places of the latent, along a side, for each of the attention maps that are used; 0 is "
        "all maps",
        low=0,
        high=64,
    )
    seed: int = option(0, "of the noise", low=0)

    def __post_init__(self) -> None:
        """Refuse more steps than there are.

        Raises:
            ConfigError: ``start`` is greater than ``steps``.
        """
        if self.start > self.steps:
            raise ConfigError(f"diffusion.start: {self.start} is more than the {self.steps} steps")


@dataclass(frozen=True)
class RefDiffConfig:
    """Ref-Diff (Ni et al., 2023): cross-attention of a diffusion network, and CLIP."""

    procedure: str = option(
        "paper",
        "paper: attention is a softmax, the bias of place goes to the mask within the image; "
        "released: as the code has it, see docs/methods.md",
        choices=("paper", "released"),
    )
    alpha: float = option(
        0.1,
        "weight of the attention inside minus outside, beside CLIP; with 1 CLIP is not asked",
        low=0,
        high=1,
    )
    beta: float = option(
        0.3, "weight of the mask within the whole image, beside its crop", low=0, high=1
    )
    free: bool = option(
        False, "candidates are the attention, cut at 5 % to 95 % of its height; no proposals"
    )
    largest: int = option(
        0, "choose among this many of the largest candidates only; 0 is all", low=0
    )
    side: int = option(
        0,
        "longer side in pixels at which CLIP sees the whole image; 0 is the image's own",
        low=0,
        high=4096,
    )
