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
from refseg_ros.config.levels import LevelsConfig
from refseg_ros.config.methods import (
    CoherenceConfig,
    DiffusionConfig,
    GlobalLocalConfig,
    JudgeConfig,
    RefDiffConfig,
    ScoreConfig,
)
from refseg_ros.config.plain_yaml import brief, read_yaml
from refseg_ros.errors import ConfigError

CLOSENESS: Final = 0.1
"""Share of the best weight from which a candidate competes for "the leftmost".

e^-2.3 = 0.1: two things of one kind may differ by 2.3 logits. Best of 0.03 to 0.35 on the bundled
scenes, with true classes as scores and Gaussian noise of 0.3, 0.6 and 1 logit."""
SAM_ARCHITECTURES = ("vit_b", "vit_l", "vit_h", "mobile_sam")
"""Published checkpoints of one file: segment-anything's and MobileSAM's."""

PRECISIONS: Final = ("gpu", "auto", "float32", "bfloat16", "float16")
"""In which precision a network is kept and computed."""


def precision_of(of: str) -> Any:
    """The field that says in which precision a network runs.

    Args:
        of: Which network, for its description.
    """
    return option(
        "gpu",
        f"of {of}. gpu: half precision on a GPU, float32 on a CPU; auto: half precision wherever "
        "the device has it, which CPUs with AMX or AVX512_BF16 do; or one for all devices. "
        "Scores are float32 at any rate",
        choices=PRECISIONS,
    )


def onnx_of(of: str) -> Any:
    """The field that says whether an exported network is used.

    Args:
        of: Which network, for its description.
    """
    return option(
        False,
        f"let ONNX Runtime compute {of} on a CPU, in float32, where `refseg export` has written "
        "it beside the weights and the extra onnx is installed",
    )


@dataclass(frozen=True)
class ProposalConfig:
    """Mask proposals: a network that answers a grid of points or seeds, and a pruning."""

    architecture: str = option(
        "auto",
        f"auto: read it from the checkpoint; {', '.join(SAM_ARCHITECTURES)}: accept only a "
        "checkpoint of that one; or a JSON file that describes the network",
    )
    checkpoint: str = option(
        "sam_vit_h_4b8939.pth",
        "weights: a file, bundled:NAME, or a save_pretrained folder (SAM, SAM-HQ, SAM 2, "
        "EdgeTAM, SAM 3); empty if you supply all proposals yourself",
    )
    precision: str = precision_of("the checkpoint's image encoder; what draws masks is float32")
    onnx: bool = onnx_of("the image encoder of a checkpoint of one file")
    detector: str = option(
        "",
        "folder of a text-prompted network (OWLv2, Grounding DINO, MM Grounding DINO, SAM 3). "
        "Without phrases it is asked for the nouns of each sentence, each once a picture, and "
        "the checkpoint draws masks in its boxes; with phrases (OWLv2, Grounding DINO) it is "
        "asked for those, and its boxes name the checkpoint's masks",
    )
    phrases: tuple[str, ...] = option(
        (),
        "noun phrases such as mug. SAM 3 proposes their instances, or whatever is there if it "
        "sees none or has no phrases; with a detector, the phrases that it searches for",
    )
    phrase_thresh: float = option(
        0.5, "phrases, nouns: keep instances that score above this", low=0, high=1
    )
    absent_thresh: float = option(
        0.05,
        "nouns: NOT_FOUND if the detector is less sure than this that the picture shows one; "
        "between this and phrase_thresh an answer is doubtful",
        low=0,
        high=1,
    )
    phrase_overlap: float = option(
        0.3,
        "phrases, nouns: if two instances of one share more than this part of the smaller, drop "
        "the worse",
        low=0,
        high=1,
    )
    max_side: int = option(
        0,
        "longer side, in pixels, of the image in which masks are found; they are then scaled to "
        "the image's size. 0 keeps the image's own size, as in the paper",
        low=0,
    )
    prompts: str = option(
        "grid",
        "grid: points_per_side x points_per_side points, like segment-anything's automatic "
        "generator; seeds: points where the network's seed head sees things (bundled networks "
        "only); none: no points, so that there is only what a detector finds of the nouns of a "
        "sentence",
        choices=("grid", "seeds", "none"),
    )
    generator: str = option(
        "published",
        "for a grid and a segment-anything ViT. published: segment-anything's own automatic "
        "generator, as in the paper; own: ours, several times faster. Other networks always use "
        "ours",
        choices=("published", "own"),
    )
    seed_thresh: float = option(
        0.5, "seeds: prompt only where the probability of a thing exceeds this", low=0, high=1
    )
    max_seeds: int = option(48, "seeds: most prompts in each of the two rounds", low=1, high=1024)
    seed_rivals: int = option(
        0,
        "seeds: number of nearest neighbours to separate each prompt from, by a negative click "
        "on each; 0 skips the third round",
        low=0,
        high=16,
    )
    refine: bool = option(
        False, "seeds: redraw outlines along the colour edges of the original image"
    )
    points_per_side: int = option(8, "grid: points along each side", low=1, high=64)
    points_per_batch: int = option(64, "points decoded per batch", low=1, high=4096)
    pred_iou_thresh: float = option(0.7, "drop masks with a lower predicted IoU", low=0, high=1)
    stability_score_thresh: float = option(
        0.7, "drop masks with a lower stability score", low=0, high=1
    )
    stability_score_offset: float = option(
        1.0, "logit shift that the stability score is measured with", low=0
    )
    box_nms_thresh: float = option(
        0.7, "if the boxes of two masks exceed this IoU, drop the worse", low=0, high=1
    )
    fill_area: int = option(
        800,
        "fill holes and remove islands of fewer pixels, at the size where masks are found",
        low=0,
    )
    min_area: float = option(
        2000, "smallest mask to keep: pixels if >= 1, otherwise a fraction of the image", low=0
    )
    max_area: float = option(
        1.0, "largest mask to keep, as a fraction of the image", low=0, high=1
    )
    overlap: float = option(
        0.4,
        "if two masks share more than this part of the smaller, drop the smaller",
        low=0,
        high=1,
    )
    duplicate_iou: float = option(
        1.0,
        "if < 1: of two masks with a higher IoU, keep only the better-scored one and ignore "
        "`overlap`, so that containers and their contents both survive",
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
        if self.prompts == "none" and (self.phrases or not self.detector):
            raise ConfigError(
                "proposals.prompts: 'none' is for a detector that is asked for the nouns of each "
                "sentence; name a detector, and no phrases"
            )
        if self.phrases and self.prompts != "grid" and not self.detector:
            raise ConfigError(
                f"proposals.phrases: prompts {self.prompts!r} take no phrases; use 'grid'"
            )

    @property
    def asks_nouns(self) -> bool:
        """Whether a detector is asked for the nouns of each sentence."""
        return bool(self.detector) and not self.phrases


@dataclass(frozen=True)
class ClipConfig:
    """The image-text encoder, through open_clip."""

    model: str = option(
        "ViT-B-32-quickgelu", "open_clip name, model folder or bundled:NAME; empty for none"
    )
    checkpoint: str = option(
        "clip_vit_b_32_openai/open_clip_model.safetensors", "weights of the model"
    )
    precision: str = precision_of("the model")
    onnx: bool = onnx_of("the image tower")


@dataclass(frozen=True)
class CaptionConfig:
    """The captioner, through transformers."""

    model: str = option(
        "blip2-opt-2.7b",
        "save_pretrained folder (BLIP, BLIP-2, or any image-text-to-text network with a chat "
        "template, such as SmolVLM or Qwen3-VL) or bundled:NAME",
    )
    prompt: str = option(
        "Name the main thing in this picture in a few words, with its colour. Say only that.",
        "what a network with a chat template is asked about each crop",
    )
    num_beams: int = option(5, "beams of the search; 1 is greedy", low=1, high=32)
    max_new_tokens: int = option(30, "longest caption, in tokens", low=1, high=256)
    batch_size: int = option(16, "crops captioned per batch", low=1, high=1024)
    when: str = option(
        "observed",
        "observed: all when an image is observed; needed: when a sentence is asked, those alone "
        "that can still change what it chooses, which P bounds. That needs score.normalise "
        "logits, score.text sentence, no distractors of regions and no decision.caption_match; "
        "with others they are made as in observed",
        choices=("observed", "needed"),
    )
    precision: str = precision_of("the captioner")
    onnx: bool = onnx_of("BLIP's image tower")


@dataclass(frozen=True)
class LanguageConfig:
    """What takes captions and sentences apart where the paper asks spaCy and WordNet."""

    chunks: str = option(
        "own",
        "what finds the noun phrases of captions and target, and the rectifier's entities: our "
        "own rules, or an installed spaCy model (the paper: spacy:en_core_web_trf)",
        choices=("own", "spacy:MODEL"),
    )
    synonyms: str = option(
        "own",
        "how to tell that a distractor is the target: our own lemmas and synonym groups, or "
        "shared WordNet synsets as in the paper, from an installed WordNet or a folder",
        choices=("own", "wordnet", "wordnet:DIR"),
    )
    kinds: str = option(
        "own",
        "what tells that an apple is a fruit and a cup is to drink from, where our own tables do "
        "not: nothing else, or an installed WordNet or a folder of its files",
        choices=("own", "wordnet", "wordnet:DIR"),
    )


@dataclass(frozen=True)
class SpatialConfig:
    """What position words do."""

    absolute: str = option(
        "released",
        "released: half or quadrant, by the rules of the paper's code; rectifier: the same with "
        "our parser's positions; extreme: positions, sizes, orders, exclusions and sets; off: "
        "ignore position words",
        choices=("released", "rectifier", "extreme", "off"),
    )
    closeness: float = option(
        CLOSENESS,
        "extreme: a candidate competes if its score reaches this share of the best",
        low=0,
        high=1,
    )
    best_copy: bool = option(
        False, "if the chosen thing has several masks, answer with the best of them"
    )
    relations: bool = option(
        False, "weigh candidates by relations such as 'left of the book', at any depth"
    )


@dataclass(frozen=True)
class DecisionConfig:
    """When to refuse. The paper always answers; a robot must not."""

    min_match: float = option(
        -math.inf, "NOT_FOUND if the best candidate's match V + C is below this, in logits"
    )
    caption_match: float = option(
        0.0,
        "C: logits that a match gains if the candidate's caption names the requested kind and "
        "colour, and loses if it names another; 0 ignores captions",
        low=0,
    )
    min_margin: float = option(
        0.0, "AMBIGUOUS if the best leads the second by a smaller score share", low=0
    )
    min_truth: float = option(
        0.0,
        "extreme: NOT_FOUND if relations and exclusions hold to a lesser degree",
        low=0,
        high=1,
    )
    namesakes: bool = option(
        False,
        "AMBIGUOUS if captions and looks show other things that fit the sentence and nothing in "
        "it tells them apart; needs caption_match",
    )
    score_slope: float = option(
        1.0,
        "logit of an answer's score = score_slope * logit of its share + score_offset; 1 and 0 "
        "keep the share, fitted values turn it into a probability",
        low=0,
    )
    score_offset: float = option(0.0, "see score_slope", low=-1000, high=1000)
    known_words: bool = option(
        False,
        "NOT_FOUND if the models do not know the head noun or a landmark's noun, AMBIGUOUS if "
        "they do not know another word of those phrases",
    )
    fitted_with: str = option(
        "",
        "'CLIP + captioner' that min_match, the score's line and known_words were fitted for, "
        "named as in clip.checkpoint (or clip.model) and captions.model; they do not apply to "
        "other networks. Empty: the networks of this file",
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
            networks: Names of the networks, as :attr:`SegmenterConfig.networks` gives them.

        Returns:
            Itself, or without what was fitted with other networks; its logic stays.
        """
        return self if self.fitted_with in ("", networks) else self.fitted_as(DecisionConfig())


@dataclass(frozen=True)
class SegmenterConfig:
    """Everything a :class:`refseg_ros.Segmenter` is made of."""

    name: str = option("paper", "preset name")
    description: str = option("", "one-line description for lists")
    levels: LevelsConfig = field(default_factory=LevelsConfig)
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
    judge: JudgeConfig = field(default_factory=JudgeConfig)

    def __post_init__(self) -> None:
        """Refuse scores that ask a CLIP where there is none.

        Raises:
            ConfigError: ``clip.model`` is empty, and more than names is weighed.
        """
        score = self.score
        asks = score.positive or score.negative or self.coherence.weight or score.centre
        asks = asks or score.matcher != "tas"
        if not self.clip.model and asks:
            raise ConfigError(
                "clip.model: without a CLIP the names of given proposals decide alone; "
                "score.positive, score.negative and coherence.weight must be 0, "
                "score.matcher tas and score.centre false"
            )
        if self.proposals.asks_nouns and score.matcher == "ref_diff":
            raise ConfigError(
                "proposals.detector: without phrases it is asked for the nouns of each sentence, "
                "for which score.matcher must not be ref_diff"
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
