# SPDX-License-Identifier: Apache-2.0
"""The method in two halves: observe an image once, then select by sentence as often as asked.

``Segmenter.observe(image)`` is expensive (proposals, crops, features, captions) and knows
nothing of language; ``Scene.select(expression)`` is cheap (parse, one text encoding, matrix
products, geometry).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.backbones.captioner import Captioner
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.sam import load_sam
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import ImageError
from refseg_ros.language import ReferringExpression, noun_phrases, parse
from refseg_ros.matching import SceneFeatures, ScoreTable, shares
from refseg_ros.matching.crops import blur, region_images
from refseg_ros.matching.tas import Tas
from refseg_ros.proposals import Proposer
from refseg_ros.proposals.sam import SamProposer
from refseg_ros.results import Candidate, Proposals, Selection, Status
from refseg_ros.spatial.placing import place, usable_relations
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
        self.matcher = Tas(config.score)
        self._proposer = proposer
        self._captioner = captioner

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
        proposer = SamProposer(sam, config.proposals, device)
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

        Raises:
            ImageError: Another shape or type.
        """
        image = _checked(image)
        watch = Stopwatch()
        with torch.inference_mode(), self.device.precision():
            with watch.stage("proposals"):
                proposals = self._proposer.propose(image)
            with watch.stage("clip"):
                black = np.zeros_like(image)
                regions = self.clip.encode_images(list(region_images(image, black, proposals)))
            with watch.stage("captions"):
                caption, captions = self._describe(image, proposals)
            with watch.stage("texts"):
                features = self._features(regions, caption, captions)
        return Scene(self, image, proposals, features, watch.total())

    def _describe(self, image: Image, proposals: Proposals) -> tuple[str, tuple[str, ...]]:
        """Captions of the whole image and of each blurred-background crop (TAS, P and N)."""
        if self._captioner is None:
            return "", ("",) * len(proposals)
        blurred = blur(image, self.config.score.blur_kernel)
        crops = region_images(image, blurred, proposals)
        first, *rest = self._captioner.caption([image, *crops])
        return first, tuple(rest)

    def _features(
        self, regions: torch.Tensor, caption: str, captions: tuple[str, ...]
    ) -> SceneFeatures:
        phrases = noun_phrases(caption) if self.config.score.negative else ()
        prompts = [self.config.score.negative_prompt.format(phrase) for phrase in phrases]
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

    @property
    def caption(self) -> str:
        """What the captioner says of the whole image; empty when captions are off."""
        return self.features.caption

    @property
    def captions(self) -> tuple[str, ...]:
        """What the captioner says of each proposal."""
        return self.features.captions

    def select(self, text: str) -> Selection:
        """Find the one thing that a sentence means.

        Args:
            text: Any text at all, in the words of a person.

        Returns:
            The selection; its status and reason say what happened when there is no mask.
        """
        watch = Stopwatch()
        expression = parse(text)
        refusal = self._refuse(expression)
        if refusal is not None:
            return Selection.none(text, *refusal, self.size, seconds=watch.total())
        config = self.segmenter.config
        with torch.inference_mode(), self.segmenter.device.precision():
            with watch.stage("match"):
                table = self.segmenter.matcher.score(
                    self.features, expression, self.segmenter.clip
                )
                weights = shares(table.total, config.score.normalise)
                if not _says_how_it_looks(expression):
                    # "the leftmost thing": what the matcher makes of "thing" is noise.
                    weights = shares(np.log(self.proposals.quality.clip(1e-3)), "logits")
            with watch.stage("spatial"):
                landmarks = self._landmarks(expression) if config.spatial.relations else {}
                placed = place(
                    weights,
                    expression,
                    landmarks,
                    self.proposals,
                    config.spatial.absolute,
                    config.spatial.closeness,
                )
        scores = np.where(placed.eligible, placed.weights, 0.0)
        candidates = self._candidates(table, scores / scores.sum(), placed.eligible)
        return self._decide(text, table, candidates, placed.index, placed.reason, watch)

    def _refuse(self, expression: ReferringExpression) -> tuple[Status, str] | None:
        """Why the question cannot be answered at all, if so."""
        if expression.is_empty:
            return Status.ERROR, "the expression is empty; say what to look for"
        if not len(self.proposals):
            return Status.NOT_FOUND, "nothing in the image stands out as an object"
        decision, head = self.segmenter.config.decision, expression.head
        if decision.known_words and head and head not in bundled_vocabulary():
            name = self.segmenter.config.name
            return Status.NOT_FOUND, f"'{head}' is not a word that the {name} models know"
        return None

    def _landmarks(self, expression: ReferringExpression) -> dict[str, NDArray[np.float64]]:
        """For each landmark phrase, how likely each proposal is it: a softmax of its V."""
        named = (item for relation in usable_relations(expression) for item in relation.landmarks)
        phrases = sorted({item.text for item in named if item.text})
        if not phrases:
            return {}
        encoded = self.segmenter.clip.encode_texts(phrases)
        logits = (self.features.logit_scale * encoded @ self.features.regions.T).double().numpy()
        return {phrase: shares(row, "logits") for phrase, row in zip(phrases, logits, strict=True)}

    def _candidates(
        self, table: ScoreTable, scores: NDArray[np.float64], eligible: NDArray[np.bool_]
    ) -> tuple[Candidate, ...]:
        areas = self.proposals.areas
        candidates = [
            Candidate(
                index=index,
                score=float(scores[index]),
                terms={name: float(column[index]) for name, column in table.terms.items()},
                eligible=bool(eligible[index]),
                box=self.proposals.boxes[index],
                area=int(areas[index]),
                caption=self.captions[index],
            )
            for index in range(len(self.proposals))
        ]
        return tuple(sorted(candidates, key=lambda item: (not item.eligible, -item.score)))

    def _decide(
        self,
        text: str,
        table: ScoreTable,
        candidates: tuple[Candidate, ...],
        index: int,
        placing: str,
        watch: Stopwatch,
    ) -> Selection:
        decision = self.segmenter.config.decision
        chosen = next(item for item in candidates if item.index == index)
        others = [item.score for item in candidates if item.eligible and item.index != index]
        margin = max(0.0, chosen.score - max(others, default=0.0))
        match = float(table.terms["V"][index])
        if match < decision.min_match:
            reason = (
                f"the best candidate matches at {match:.1f} logits, below the "
                f"{decision.min_match:.1f} that this preset asks for"
            )
            return Selection.none(
                text, Status.NOT_FOUND, reason, self.size, candidates, watch.total(), margin
            )
        close = margin < decision.min_margin
        return Selection(
            expression=text,
            status=Status.AMBIGUOUS if close else Status.SELECTED,
            reason=_reason(chosen, margin, len(candidates), placing, close),
            mask=self.proposals.masks[index],
            box=self.proposals.boxes[index],
            score=chosen.score,
            margin=margin,
            index=index,
            candidates=candidates,
            seconds=watch.total(),
        )


def _says_how_it_looks(expression: ReferringExpression) -> bool:
    return bool(expression.head or expression.attributes)


def _reason(chosen: Candidate, margin: float, count: int, placing: str, close: bool) -> str:
    called = f" ({chosen.caption!r})" if chosen.caption else ""
    where = f", {placing}" if placing else ""
    verdict = "only just leads" if close else "leads"
    return (
        f"candidate {chosen.index + 1} of {count}{called} {verdict}"
        f" by {margin:.2f} with a share of {chosen.score:.2f}{where}"
    )


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
