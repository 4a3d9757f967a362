# SPDX-License-Identifier: Apache-2.0
"""Typed configuration: one frozen dataclass a stage; presets are YAML files of these fields.

The defaults below are the published procedure of TAS (Suo et al., EMNLP Findings 2023) and its
released settings; every departure is a field that a preset sets. A preset is checked completely
before any model is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final

from refseg_ros.config.fields import build, option
from refseg_ros.config.methods import (
    CoherenceConfig,
    DiffusionConfig,
    GlobalLocalConfig,
    RefDiffConfig,
)
from refseg_ros.config.plain_yaml import brief, read_yaml
from refseg_ros.errors import ConfigError

CLOSENESS: Final = 0.1
"""Share of the best weight from which a candidate competes for "the leftmost".

e^-2.3 = 0.1: two things of one kind may differ by 2.3 logits. Best of 0.03 to 0.35 on the bundled
scenes, with true classes as scores and Gaussian noise of 0.3, 0.6 and 1 logit."""
SAM_ARCHITECTURES = ("vit_b", "vit_l", "vit_h", "mobile_sam")
"""Published checkpoints of one file: segment-anything's and MobileSAM's."""


@dataclass(frozen=True)
class ProposalConfig:
    """Mask proposals: a network that answers a grid of points or seeds, and a pruning."""

    architecture: str = option(
        "auto",
        f"auto: what the checkpoint says; {', '.join(SAM_ARCHITECTURES)}: only a checkpoint of "
        "that one will do; or a JSON file that describes the network",
    )
    checkpoint: str = option(
        "sam_vit_h_4b8939.pth",
        "weights: a file, bundled:NAME, or a folder made by save_pretrained (SAM, SAM-HQ, SAM 2, "
        "EdgeTAM, SAM 3); empty where all proposals are given from outside",
    )
    detector: str = option(
        "",
        "weights of a network that finds boxes of phrases, a folder of OWLv2; they name the masks "
        "of the checkpoint's points, and a box that fits none is a mask of its own",
    )
    phrases: tuple[str, ...] = option(
        (),
        "SAM 3: noun phrases, such as mug, whose instances are the candidates; where none is "
        "seen, and without phrases, whatever is there is proposed. With a detector: its own",
    )
    phrase_thresh: float = option(
        0.5, "phrases: keep instances of a higher score than this", low=0, high=1
    )
    phrase_overlap: float = option(
        0.3,
        "phrases: of two instances of one phrase the worse is dropped if they share more than "
        "this part of the smaller",
        low=0,
        high=1,
    )
    max_side: int = option(
        0,
        "longer side in pixels at which masks are found before they are brought to the image's "
        "size; 0 is the image's own, as the paper has it",
        low=0,
    )
    prompts: str = option(
        "grid",
        "grid: points_per_side squared points, as segment-anything's automatic generator does; "
        "seeds: points where the network's seed head sees things (bundled networks only)",
        choices=("grid", "seeds"),
    )
    generator: str = option(
        "published",
        "grid, a ViT of segment-anything: its own automatic generator, as the paper has it; or "
        "ours, several times faster, which other networks have in any case",
        choices=("published", "own"),
    )
    seed_thresh: float = option(
        0.5, "seeds: how likely a place shows a thing for it to be a prompt", low=0, high=1
    )
    max_seeds: int = option(48, "seeds: most prompts of each of the two rounds", low=1, high=1024)
    seed_rivals: int = option(
        0,
        "seeds: how many of its nearest neighbours each is told from, by a negative click on the "
        "other; 0 saves the third round",
        low=0,
        high=16,
    )
    refine: bool = option(
        False, "seeds: draw outlines again where the colours of the image's own pixels change"
    )
    points_per_side: int = option(8, "grid points along each side", low=1, high=64)
    points_per_batch: int = option(64, "points decoded at a time", low=1, high=4096)
    pred_iou_thresh: float = option(
        0.7, "keep masks of at least this predicted IoU", low=0, high=1
    )
    stability_score_thresh: float = option(0.7, "keep masks at least this stable", low=0, high=1)
    stability_score_offset: float = option(1.0, "logit shift of the stability test", low=0)
    box_nms_thresh: float = option(0.7, "box IoU above which the worse is dropped", low=0, high=1)
    fill_area: int = option(
        800,
        "holes and islands below this many pixels of the size at which masks are found are mended",
        low=0,
    )
    min_area: float = option(
        2000, "smallest mask: pixels if >= 1, else a fraction of the image", low=0
    )
    max_area: float = option(1.0, "largest mask as a fraction of the image", low=0, high=1)
    overlap: float = option(
        0.4, "intersection over the smaller area above which the smaller is dropped", low=0, high=1
    )
    duplicate_iou: float = option(
        1.0,
        "if < 1: of two masks with a higher IoU only the better-scored one stays, and `overlap` "
        "is not used, so that contents and containers both live",
        low=0,
        high=1,
    )

    def __post_init__(self) -> None:
        """Refuse what names no network, and what would be ignored.

        Raises:
            ConfigError: An unknown architecture, a phrase without words, or phrases and seeds.
        """
        known, name = ("auto", *SAM_ARCHITECTURES), self.architecture
        if name not in known and not name.endswith(".json"):
            raise ConfigError(
                f"proposals.architecture: {name!r} is not one of {', '.join(known)}, nor a .json "
                "file that describes a network"
            )
        if not all(phrase.strip() for phrase in self.phrases):
            raise ConfigError(f"proposals.phrases: one of {self.phrases} names nothing")
        if self.detector and not self.phrases:
            raise ConfigError(
                f"proposals.detector: {self.detector} finds nothing without phrases; name some"
            )
        if self.phrases and self.prompts != "grid" and not self.detector:
            raise ConfigError(
                f"proposals.phrases: prompts {self.prompts!r} take no phrases; use 'grid'"
            )


@dataclass(frozen=True)
class ClipConfig:
    """The image-text encoder, through open_clip."""

    model: str = option(
        "ViT-B-32-quickgelu", "an open_clip name, a model folder or bundled:NAME; empty: none"
    )
    checkpoint: str = option("clip_vit_b_32_openai/open_clip_model.safetensors", "its weights")


@dataclass(frozen=True)
class CaptionConfig:
    """The captioner, through transformers."""

    model: str = option("blip2-opt-2.7b", "a folder made by save_pretrained, or bundled:NAME")
    num_beams: int = option(5, "beams of the search; 1 is greedy", low=1, high=32)
    max_new_tokens: int = option(30, "longest caption in tokens", low=1, high=256)
    batch_size: int = option(16, "crops captioned at a time", low=1, high=1024)


@dataclass(frozen=True)
class ScoreConfig:
    """S = V + p·P − n·N in CLIP logits (TAS, section 3), and what mends its terms."""

    matcher: str = option(
        "tas",
        "tas: the sum above; ref_diff: attention of a diffusion network and CLIP, see ref_diff, "
        "which takes none of the fields from positive to templates",
        choices=("tas", "ref_diff"),
    )
    positive: float = option(0.1, "weight of the caption score P; 0 turns captions off", low=0)
    negative: float = option(0.7, "weight of the distractor score N; 0 turns it off", low=0)
    distractors: str = option(
        "caption",
        "what names the distractors: the caption of the whole image, or those of the regions",
        choices=("caption", "regions"),
    )
    negative_prompt: str = option(
        "a photo of {}", "prompt of a distractor; {} is its phrase", holds="{}"
    )
    text: str = option(
        "sentence",
        "what is compared with the crop: the whole sentence as it was given; the head noun phrase "
        "alone, in the singular and without sizes; or both mixed, see global_local.sentence",
        choices=("sentence", "phrase", "both"),
    )
    regions: str = option(
        "crop",
        "what V compares: features of the crop alone, or mixed with those of the mask within the "
        "whole image, see global_local",
        choices=("crop", "global_local"),
    )
    crop: str = option(
        "released",
        "released: without the mask's last row and column and padded by whole pixels on both "
        "sides, as the paper's code has it; whole: the tight box, padded to a square; squashed: "
        "the tight box on the mean colour of CLIP's training, squashed to a square",
        choices=("released", "whole", "squashed"),
    )
    blur_kernel: int = option(75, "Gaussian kernel of the caption crops, odd pixels", low=1)
    templates: tuple[str, ...] = option(
        (),
        "prompts of V, {} being the text: their features are averaged; none compares the text",
        holds="{}",
    )
    distractor_filter: bool = option(
        False,
        "distractors by lemma and head, each once: no abstract words, nothing that may be the "
        "thing meant, no landmark of a relation",
    )
    normalise: str = option(
        "minmax",
        "paper: min-max to [0, 1], then softmax; logits: softmax of the logits themselves",
        choices=("minmax", "logits"),
    )
    temperature: float = option(
        1.0, "logits: what logits are divided by before the softmax", low=0.01, high=1000
    )

    def __post_init__(self) -> None:
        """Refuse what would be ignored.

        Raises:
            ConfigError: Both texts are mixed, and there are templates.
        """
        if self.text == "both" and self.templates:
            raise ConfigError("score.templates: text both has no prompts; leave one of them out")


@dataclass(frozen=True)
class LanguageConfig:
    """What takes captions and sentences apart where the paper asks spaCy and WordNet."""

    chunks: str = option(
        "own",
        "noun phrases of captions and of the target, and the rectifier's entities: by our rules, "
        "or by an installed spaCy model (the paper: spacy:en_core_web_trf)",
        choices=("own", "spacy:MODEL"),
    )
    synonyms: str = option(
        "own",
        "which distractors are the target: own lemmas and groups, or the paper's count of shared "
        "WordNet synsets, from where WordNet is found or from a folder",
        choices=("own", "wordnet", "wordnet:DIR"),
    )


@dataclass(frozen=True)
class SpatialConfig:
    """What position words do."""

    absolute: str = option(
        "released",
        "released: half or quadrant, by the rules of the paper's code; rectifier: the same by "
        "our parser's positions; extreme: positions, sizes, orders, exclusions and sets; or off",
        choices=("released", "rectifier", "extreme", "off"),
    )
    closeness: float = option(
        CLOSENESS,
        "extreme: share of the best candidate's score from which another counts as alike",
        low=0,
        high=1,
    )
    best_copy: bool = option(
        False, "of several masks of a chosen thing, answer with the one that is best as a mask"
    )
    relations: bool = option(
        False, "weigh candidates by 'left of the book' and the like, at any depth"
    )


@dataclass(frozen=True)
class DecisionConfig:
    """When to refuse. The paper always answers; a robot must not."""

    min_match: float = option(
        -math.inf, "smallest match V + C of the best candidate, in logits; below it NOT_FOUND"
    )
    caption_match: float = option(
        0.0,
        "C: logits that a candidate's match gains if its caption names the kind and colour that "
        "were said, and loses if it names another; 0 leaves captions out of it",
        low=0,
    )
    min_margin: float = option(
        0.0, "smallest lead of the best over the second, in score share; below it AMBIGUOUS", low=0
    )
    min_truth: float = option(
        0.0,
        "extreme: least degree to which relations and exclusions must hold; below it NOT_FOUND",
        low=0,
        high=1,
    )
    namesakes: bool = option(
        False,
        "AMBIGUOUS where captions and looks say that there are others of what was said, and "
        "nothing that was said tells which; needs caption_match",
    )
    score_slope: float = option(
        1.0,
        "logit of an answer's score = score_slope * logit of its share + score_offset; 1 and 0 "
        "leave the share as it is, others make a probability of it",
        low=0,
    )
    score_offset: float = option(0.0, "see score_slope", low=-1000, high=1000)
    known_words: bool = option(
        False,
        "NOT_FOUND when the head noun or a landmark's is not in the models' vocabulary, AMBIGUOUS "
        "when another word of theirs is not",
    )
    fitted_with: str = option(
        "",
        "'CLIP + captioner' that min_match, the score's line and known_words were fitted with, as "
        "clip.checkpoint (or clip.model) and captions.model name them; beside other networks "
        "they do not apply. Empty: those of this file",
    )

    @property
    def calibrated(self) -> bool:
        """Whether it refuses what looks like nothing that was said."""
        return self.min_match > -math.inf

    def fitted_as(self, other: DecisionConfig) -> DecisionConfig:
        """This logic with what another decision was fitted to: a threshold holds for its networks.

        Args:
            other: What was fitted, or the default for what was not.
        """
        names = ("min_match", "score_slope", "score_offset", "known_words", "fitted_with")
        return replace(self, **{name: getattr(other, name) for name in names})

    def beside(self, networks: str) -> DecisionConfig:
        """The decision as it applies beside some networks.

        Args:
            networks: As :attr:`SegmenterConfig.networks` names them.

        Returns:
            Itself, or without what was fitted with other networks; its logic stays.
        """
        return self if self.fitted_with in ("", networks) else self.fitted_as(DecisionConfig())


@dataclass(frozen=True)
class SegmenterConfig:
    """Everything a :class:`refseg_ros.Segmenter` is made of."""

    name: str = option("paper", "name of the preset")
    description: str = option("", "one line for lists")
    proposals: ProposalConfig = field(default_factory=ProposalConfig)
    clip: ClipConfig = field(default_factory=ClipConfig)
    captions: CaptionConfig = field(default_factory=CaptionConfig)
    score: ScoreConfig = field(default_factory=ScoreConfig)
    global_local: GlobalLocalConfig = field(default_factory=GlobalLocalConfig)
    coherence: CoherenceConfig = field(default_factory=CoherenceConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    ref_diff: RefDiffConfig = field(default_factory=RefDiffConfig)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    spatial: SpatialConfig = field(default_factory=SpatialConfig)
    decision: DecisionConfig = field(default_factory=DecisionConfig)

    def __post_init__(self) -> None:
        """Refuse scores that ask a CLIP where there is none.

        Raises:
            ConfigError: ``clip.model`` is empty, and more than names is weighed.
        """
        score = self.score
        asks = score.positive or score.negative or self.coherence.weight
        asks = asks or score.matcher != "tas" or score.regions != "crop"
        if not self.clip.model and asks:
            raise ConfigError(
                "clip.model: without a CLIP the names of given proposals decide alone; "
                "score.positive, score.negative and coherence.weight must be 0, score.matcher "
                "tas and score.regions crop"
            )

    @property
    def networks(self) -> str:
        """What a decision is fitted with: CLIP and captioner."""
        return f"{self.clip.checkpoint or self.clip.model} + {self.captions.model}"

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> SegmenterConfig:
        """Build from nested plain values.

        Args:
            mapping: Field name to value; sub-configurations are mappings.

        Raises:
            ConfigError: An unknown key or a value out of range; names key, value, alternatives.
        """
        return build(cls, mapping, "")

    @classmethod
    def from_yaml(cls, path: str | Path) -> SegmenterConfig:
        """Read a YAML file of the fields that differ from the defaults.

        Raises:
            ConfigError: The file is missing, is not YAML, or holds a bad key or value.
        """
        values = read_yaml(Path(path), f"preset: {path}")
        if not isinstance(values, Mapping):
            raise ConfigError(f"preset: {path} must be a mapping of fields, not {brief(values)}")
        return cls.from_mapping(values)

    @classmethod
    def from_preset(cls, name: str) -> SegmenterConfig:
        """A preset by name, or by the path of a YAML file.

        Raises:
            ConfigError: No such preset; the message lists those that exist.
        """
        if name.endswith((".yaml", ".yml")):
            return cls.from_yaml(name)
        if name not in preset_names():
            raise ConfigError(
                f"preset: no {brief(name)}; there are {', '.join(preset_names())}, or the path of "
                "a .yaml file"
            )
        with resources.as_file(resources.files("refseg_ros") / "presets" / f"{name}.yaml") as path:
            return cls.from_yaml(path)


def preset_names() -> tuple[str, ...]:
    """Names of the presets that ship with the package, sorted."""
    folder = resources.files("refseg_ros") / "presets"
    files = (item.name for item in folder.iterdir())
    return tuple(sorted(name[: -len(".yaml")] for name in files if name.endswith(".yaml")))
