# SPDX-License-Identifier: Apache-2.0
"""The method in two halves: observe an image once, then select by sentence as often as asked.

``Segmenter.observe(image)`` is expensive (proposals, crops, features, captions) and knows
nothing of language; ``Scene.select(expression)`` is cheap (parse, one text encoding, matrix
products, geometry).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.backbones.captioner import Captioner
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.sam import load_sam
from refseg_ros.config import SegmenterConfig
from refseg_ros.decision import Unused, decide, rank, refusal, says_how_it_looks, unused
from refseg_ros.dialogue.asking import with_question
from refseg_ros.dialogue.context import NOTHING_SAID, Context
from refseg_ros.errors import ImageError
from refseg_ros.language import ReferringExpression, noun_phrases, parse
from refseg_ros.matching import Matcher, SceneFeatures, ScoreTable, shares
from refseg_ros.matching.crops import region_images
from refseg_ros.matching.looks import plausible, score_looks
from refseg_ros.matching.tas import Tas
from refseg_ros.proposals import Proposer
from refseg_ros.proposals.making import make_proposer
from refseg_ros.results import Proposals, Selection, Status
from refseg_ros.spatial import Layout, Look, Placing, looks_of, place
from refseg_ros.weights import bundled_vocabulary, resolve

logger = logging.getLogger(__name__)

Image = NDArray[np.uint8]


class Stopwatch:
    """Collects the wall-clock seconds of named stages."""

    def __init__(self) -> None:
        """Start the total."""
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block under ``name``."""
        before = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - before

    def total(self) -> Mapping[str, float]:
        """The stages, and ``total`` since construction."""
        return {**self.seconds, "total": time.perf_counter() - self._started}


class Segmenter:
    """Loaded networks under one configuration; makes scenes out of images."""

    def __init__(
        self,
        config: SegmenterConfig,
        device: Device,
        proposer: Proposer,
        clip: ClipEncoder,
        captioner: Captioner | None,
    ) -> None:
        """Put loaded parts together; most callers want :meth:`from_preset`.

        Args:
            config: Thresholds and weights of every stage.
            device: Where the networks run.
            proposer: Finds masks.
            clip: Encodes crops and texts.
            captioner: Describes crops; None when neither P nor N is weighed.
        """
        self.config = config
        self.device = device
        self.clip = clip
        self.matcher: Matcher = Tas(config.score)
        self._proposer = proposer
        self._captioner = captioner
        # segment-anything keeps the image that it looks at in its predictor.
        self._observing = threading.Lock()

    @classmethod
    def from_preset(cls, name: str = "tabletop", device: str = "auto") -> Segmenter:
        """Load the networks of a preset.

        Args:
            name: ``tabletop`` (bundled), ``paper``, or the path of a YAML file.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

        Raises:
            ConfigError: Unknown preset, device or value.
            WeightsError: A checkpoint is missing or damaged; the message says how to get it.
        """
        return cls.from_config(SegmenterConfig.from_preset(name), Device.from_name(device))

    @classmethod
    def from_config(cls, config: SegmenterConfig, device: Device) -> Segmenter:
        """Load the networks that a configuration names.

        Raises:
            WeightsError: As :meth:`from_preset`; all checkpoints are looked for before the
                first is loaded.
        """
        clip, captions = config.clip, config.captions
        captioned = bool(config.score.positive or config.score.negative)
        sam_weights = resolve(config.proposals.checkpoint)
        clip_weights = resolve(clip.checkpoint) if clip.checkpoint else None
        clip_model = resolve(clip.model) if ":" in clip.model else clip.model
        caption_folder = resolve(captions.model) if captioned else None
        started = time.perf_counter()
        sam = load_sam(
            _architecture(config.proposals.architecture), sam_weights, device.torch_device
        )
        encoder = ClipEncoder.load(clip_model, clip_weights, device=device.torch_device)
        captioner = None
        if caption_folder is not None:
            captioner = Captioner.load(
                caption_folder,
                device=device.torch_device,
                max_new_tokens=captions.max_new_tokens,
                num_beams=captions.num_beams,
                batch_size=captions.batch_size,
            )
        proposer = make_proposer(sam, config.proposals, device)
        segmenter = cls(config, device, proposer, encoder, captioner)
        seconds = time.perf_counter() - started
        logger.info("loaded %s in %.1f s", segmenter.description, seconds)
        return segmenter

    @property
    def description(self) -> str:
        """Preset, device and precision in words: ``tabletop on cpu (float32)``."""
        return f"{self.config.name} on {self.device}"

    def observe(self, image: Image) -> Scene:
        """Compute all that does not depend on a sentence.

        Args:
            image: (H, W, 3) uint8 RGB, at least one pixel.

        Returns:
            A scene to ask as often as wanted; with no proposals it answers NOT_FOUND.
            Threads may share a segmenter and its scenes: images are observed one at a time.

        Raises:
            ImageError: Another shape or type.
        """
        image = _checked(image)
        watch = Stopwatch()
        with self._observing, torch.inference_mode(), self.device.precision():
            with watch.stage("proposals"):
                proposals = self._proposer.propose(image)
            with watch.stage("clip"):
                regions = self.region_features(image, proposals)
            with watch.stage("captions"):
                captions = self.region_captions(image, proposals)
                score = self.config.score
                whole = bool(score.negative) and score.distractors == "caption"
                caption = self._caption(image) if whole else ""
            with watch.stage("texts"):
                features = self._features(regions, caption, captions)
        return Scene(self, image, proposals, features, watch.total())

    def region_features(self, image: Image, proposals: Proposals) -> torch.Tensor:
        """CLIP features of the black-background crops.

        Args:
            image: (H, W, 3) uint8 RGB.
            proposals: N proposals of that image.

        Returns:
            (N, D) float32 on the CPU, L2-normalised.
        """
        return self.clip.encode_images(list(region_images(image, proposals)))

    @property
    def has_captions(self) -> bool:
        """Whether a captioner is loaded."""
        return self._captioner is not None

    def region_captions(self, image: Image, proposals: Proposals) -> tuple[str, ...]:
        """Captions of the blurred-background crops; empty strings without a captioner.

        Args:
            image: (H, W, 3) uint8 RGB.
            proposals: N proposals of that image.
        """
        if self._captioner is None:
            return ("",) * len(proposals)
        crops = region_images(image, proposals, self.config.score.blur_kernel)
        return tuple(self._captioner.caption(list(crops)))

    def image_caption(self, image: Image) -> str:
        """Caption of a whole image; empty without a captioner.

        Args:
            image: (H, W, 3) uint8 RGB.
        """
        with self._observing, torch.inference_mode(), self.device.precision():
            return self._caption(image)

    def _caption(self, image: Image) -> str:
        return self._captioner.caption([image])[0] if self._captioner else ""

    def _features(
        self, regions: torch.Tensor, caption: str, captions: tuple[str, ...]
    ) -> SceneFeatures:
        phrases: tuple[str, ...] = ()
        if self.config.score.negative:
            by_region = self.config.score.distractors == "regions"
            phrases = noun_phrases(", ".join(captions) if by_region else caption)
        template = self.config.score.negative_prompt
        prompts = [template.replace("{}", phrase) for phrase in phrases]
        described = list(captions) if self.config.score.positive else []
        encoded = self.clip.encode_texts(described + prompts)
        return SceneFeatures(
            regions=regions,
            captions=captions,
            caption_features=encoded[: len(described)],
            caption=caption,
            phrases=phrases,
            phrase_features=encoded[len(described) :],
            logit_scale=self.clip.logit_scale,
        )


@dataclass(frozen=True)
class Scene:
    """An observed image, ready to be asked.

    Attributes:
        segmenter: What observed it.
        image: (H, W, 3) uint8 RGB.
        proposals: Candidate masks; their rows are the candidates' indices.
        features: What the matcher compares expressions with.
        seconds: Wall-clock seconds of each stage of observing.
    """

    segmenter: Segmenter = field(repr=False)
    image: Image = field(repr=False)
    proposals: Proposals = field(repr=False)
    features: SceneFeatures = field(repr=False)
    seconds: Mapping[str, float]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self.image.shape[0], self.image.shape[1]

    @cached_property
    def caption(self) -> str:
        """What the captioner says of the whole image; empty when captions are off.

        Made when it is first asked for, unless the scores need it.
        """
        return self.features.caption or self.segmenter.image_caption(self.image)

    @property
    def captions(self) -> tuple[str, ...]:
        """What the captioner says of each proposal."""
        return self.features.captions

    @cached_property
    def layout(self) -> Layout:
        """How the proposals lie."""
        return Layout(self.proposals, names=self.captions)

    def select(self, text: str) -> Selection:
        """Find the one thing that a sentence means, or the several.

        Args:
            text: Any text at all, in the words of a person.

        Returns:
            The selection; its status and reason say what happened when there is no mask.
        """
        return self.resolve(parse(text))

    def resolve(
        self, expression: ReferringExpression, context: Context = NOTHING_SAID
    ) -> Selection:
        """Answer a parsed sentence; :meth:`select` without the parsing.

        Args:
            expression: What was said, references to earlier sentences resolved.
            context: What earlier sentences settled; see :class:`refseg_ros.Conversation`.

        Returns:
            As :meth:`select`.
        """
        selection = self._answer(expression, context, Stopwatch())
        unknown = self.segmenter.clip.unknown_words(expression.content_words)
        warnings = [f"the word {word!r} is not known to the bundled model" for word in unknown]
        return replace(selection, warnings=tuple(warnings))

    def _answer(
        self, expression: ReferringExpression, context: Context, watch: Stopwatch
    ) -> Selection:
        config = self.segmenter.config
        known = bundled_vocabulary() if config.decision.known_words else None
        if known is not None and context.pinned:
            known = known | context.pinned.keys()
        aside = Unused()
        if config.score.text == "phrase":
            aside = unused(expression, known, sets=config.spatial.absolute == "extreme")
        told = context.settles_look
        refused = refusal(expression, len(self.proposals), known, aside, told=told)
        if refused is not None:
            return Selection.none(expression.text, *refused, self.size, seconds=watch.total())
        with torch.inference_mode(), self.segmenter.device.precision():
            with watch.stage("match"):
                table = self.segmenter.matcher.score(
                    self.features, expression, self.segmenter.clip
                )
            with watch.stage("spatial"):
                placed = self._place(expression, table, known, context)
        candidates = rank(table, placed, self.proposals, self.captions)
        # What earlier answers settled need not look like it anew.
        decision = replace(config.decision, min_match=-math.inf) if told else config.decision
        selection = decide(
            expression, candidates, placed, self.proposals, decision, watch.total(), aside
        )
        if selection.status is not Status.AMBIGUOUS:
            return selection
        with watch.stage("question"):
            asked = with_question(selection, self, expression, placed)
        return replace(asked, seconds=watch.total())

    def _place(
        self,
        expression: ReferringExpression,
        table: ScoreTable,
        known: Collection[str] | None,
        context: Context,
    ) -> Placing:
        """Turn logits into shares and apply what the sentence says of place."""
        config = self.segmenter.config
        weights = shares(table.total, config.score.normalise)
        fits = plausible(table.terms["V"], config.decision.min_match)
        # What leans on earlier sentences is resolved by the whole logic under any preset.
        leans = context != NOTHING_SAID
        absolute = "extreme" if leans else config.spatial.absolute
        if absolute == "extreme" and not says_how_it_looks(expression):
            # "the leftmost thing": what a matcher makes of "thing" is noise.
            weights = self.proposals.quality.clip(1e-3).astype(np.float64)
            fits = np.ones(len(weights))
        resolved = config.spatial.relations or absolute == "extreme"
        named = looks_of(expression.target, known) if resolved else ()
        wanted = [item for item in named if item[0].look not in context.pinned]
        looks = score_looks(wanted, self.features, self.segmenter.clip, config.decision.min_match)
        placed = place(
            context.confine(Look(weights, fits)),
            expression,
            {**looks, **context.landmarks(len(weights))},
            self.layout,
            absolute,
            config.spatial.closeness,
            config.spatial.relations or leans,
        )
        return context.restrict(placed)


def _architecture(name: str) -> str:
    """A published architecture's name as it is, a description's place as an existing path."""
    return str(resolve(name)) if name.endswith(".json") else name


def _checked(image: Image) -> Image:
    if not isinstance(image, np.ndarray):
        raise ImageError(f"image: expected a numpy array, got {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(f"image: expected (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
    if not image.size:
        raise ImageError(f"image: {image.shape} has no pixels")
    return np.ascontiguousarray(image)
