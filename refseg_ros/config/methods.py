# SPDX-License-Identifier: Apache-2.0
"""Fields of the methods; the defaults are those published."""

from __future__ import annotations

from dataclasses import dataclass

from refseg_ros.config.fields import option
from refseg_ros.errors import ConfigError


@dataclass(frozen=True)
class ScoreConfig:
    """S = V + p·P − n·N in CLIP logits (TAS, section 3), and what mends its terms."""

    matcher: str = option(
        "tas",
        "tas: S = V + p·P − n·N; global_local: mask within the image and crop mixed (see "
        "global_local); ref_diff: attention of a diffusion network and CLIP (see ref_diff). The "
        "last two use none of the fields from positive to text, nor templates",
        choices=("tas", "global_local", "ref_diff"),
    )
    positive: float = option(0.1, "weight of the caption score P; 0 turns captions off", low=0)
    negative: float = option(0.7, "weight of the distractor score N; 0 turns it off", low=0)
    distractors: str = option(
        "caption",
        "source of the distractors: the caption of the whole image, or those of the regions",
        choices=("caption", "regions"),
    )
    negative_prompt: str = option(
        "a photo of {}", "prompt for a distractor; {} stands for its phrase", holds="{}"
    )
    text: str = option(
        "sentence",
        "what to compare with the crop. sentence: the whole sentence as given; phrase: only the "
        "head noun phrase, singular and without sizes",
        choices=("sentence", "phrase"),
    )
    crop: str = option(
        "released",
        "released: as in the paper's code, without the mask's last row and column and padded by "
        "whole pixels on both sides; whole: the tight box, padded to a square; squashed: the "
        "tight box on CLIP's mean training colour, squashed to a square",
        choices=("released", "whole", "squashed"),
    )
    blur_kernel: int = option(
        75, "size of the Gaussian kernel that blurs caption crops, in pixels (odd)", low=1
    )
    templates: tuple[str, ...] = option(
        (),
        "prompts for V, with {} for the text; their features are averaged. Empty compares the "
        "bare text",
        holds="{}",
    )
    centre: bool = option(
        False,
        "compare V and landmarks without what all crops and all texts of this CLIP have in "
        "common, so that one threshold holds for all sentences",
    )
    distractor_filter: bool = option(
        False,
        "keep each distractor once, by lemma and head; drop abstract words, anything that may "
        "be the target, and landmarks of relations",
    )
    normalise: str = option(
        "minmax",
        "minmax: min-max to [0, 1], then softmax, as in the paper; logits: softmax of the "
        "logits themselves",
        choices=("minmax", "logits"),
    )
    temperature: float = option(
        1.0, "logits: divide logits by this before the softmax", low=0.01, high=1000
    )

    def __post_init__(self) -> None:
        """Refuse what would be ignored.

        Raises:
            ConfigError: There are templates, and the method uses no prompts.
        """
        if self.matcher != "tas" and self.templates:
            raise ConfigError(
                f"score.templates: {self.matcher} uses no prompts; leave one of them out"
            )


@dataclass(frozen=True)
class GlobalLocalConfig:
    """Global-Local CLIP (Yu et al., CVPR 2023), where ``score`` asks for it."""

    alpha: float = option(
        0.95,
        "weight of the mask within the whole image, against its crop; the paper uses 0.95, and "
        "0.85 on RefCOCOg",
        low=0,
        high=1,
    )
    sentence: float = option(
        0.5, "weight of the sentence, against its head noun phrase (beta)", low=0, high=1
    )
    blocks: int = option(3, "ViT: number of last blocks that see only the mask", low=1, high=64)
    side: int = option(
        0,
        "ResNet: squash the image to a square of this side, in pixels; 0 uses the network's own",
        low=0,
        high=2048,
    )


@dataclass(frozen=True)
class CoherenceConfig:
    """The coherence of HybridGL (CVPR 2025), a term that ``tas`` and ``robust`` may add."""

    weight: float = option(
        0.0, "logits per unit of coherence in the sum; 0 skips the dense pass", low=0
    )
    balance: float = option(
        1.8,
        "b: penalty on heat outside a mask; heat inside counts 2 - b",
        low=0,
        high=2,
    )
    side: int = option(
        0,
        "longer side, in pixels, of the image that CLIP sees; 0 keeps the image's own",
        low=0,
        high=4096,
    )


@dataclass(frozen=True)
class JudgeConfig:
    """A network that decides close calls by looking at the candidates, numbered."""

    model: str = option(
        "",
        "save_pretrained folder of an image-text-to-text network with a chat template (SmolVLM, "
        "Qwen3-VL, ...); empty asks nobody",
    )
    seconds: float = option(
        5.0, "longest time for its answer; checked between tokens", low=0.1, high=600
    )
    most: int = option(5, "it is asked only between at most this many candidates", low=2, high=20)


@dataclass(frozen=True)
class DiffusionConfig:
    """A latent diffusion network that reads text, through diffusers."""

    model: str = option(
        "stable-diffusion-v1-5", "folder in diffusers' format (vae, unet, …), or bundled:NAME"
    )
    side: int = option(
        1024, "longer side, in pixels, of the image that the network sees", low=16, high=4096
    )
    steps: int = option(20, "reverse steps from pure noise to an image (DDIM)", low=1, high=1000)
    start: int = option(
        2, "reverse steps to run; noise is added up to the first of them (t)", low=1
    )
    guidance: float = option(
        9.0,
        "weight of the prediction with words over the one without; 1 uses only the words",
        low=1,
    )
    level: int = option(
        4,
        "use only the attention maps that are this many times coarser than the latent along a "
        "side; 0 uses all maps",
        low=0,
        high=64,
    )
    seed: int = option(0, "seed of the noise", low=0)

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
        "paper: softmax attention, with the position bias on the mask within the image; "
        "released: as in the released code, see docs/methods.md",
        choices=("paper", "released"),
    )
    alpha: float = option(
        0.1,
        "weight of attention inside minus outside the mask, against CLIP; 1 skips CLIP",
        low=0,
        high=1,
    )
    beta: float = option(
        0.3, "weight of the mask within the whole image, against its crop", low=0, high=1
    )
    free: bool = option(
        False, "cut candidates out of the attention at 5 % to 95 % of its height; no proposals"
    )
    largest: int = option(
        0, "choose only among this many of the largest candidates; 0 considers all", low=0
    )
    side: int = option(
        0,
        "longer side, in pixels, of the image that CLIP sees; 0 keeps the image's own",
        low=0,
        high=4096,
    )
