# SPDX-License-Identifier: Apache-2.0
"""TAS: text-augmented matching (Suo et al., EMNLP Findings 2023, section 3).

S_i = V_i + p · P_i − n · N_i, with cosines in CLIP logits: V compares the masked crop with the
sentence, P the crop's caption with the sentence, N the crop with the other things that the
whole image's caption names. What departs from the released code is a switch of
:class:`refseg_ros.config.ScoreConfig`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from refseg_ros.backbones.clip import ClipEncoder, NoClip
from refseg_ros.config import ScoreConfig
from refseg_ros.language import ReferringExpression, head_noun, is_abstract, parse
from refseg_ros.language.caption_names import CAPTIONS
from refseg_ros.language.chunks import kinds, kinds_of
from refseg_ros.language.expression import NounPhrase
from refseg_ros.language.tas.tools import LanguageTools
from refseg_ros.language.tokens import plain
from refseg_ros.methods.crops import region_images
from refseg_ros.methods.scoring import (
    Image,
    OnProposals,
    SceneFeatures,
    ScoreTable,
    TextEncoder,
)
from refseg_ros.results import Proposals
from refseg_ros.stopwatch import Stopwatch


@dataclass(frozen=True)
class Captioned:
    """What TAS keeps of an image: its captions, encoded.

    Attributes:
        features: (N, D) float32 L2-normalised text features of the regions' captions, or (0, D)
            where P is not weighed.
        phrases: Noun phrases of the whole image's caption as often as it has them, or of all
            captions of regions, each once (`distractors`).
        phrase_features: (len(phrases), D) float32 L2-normalised text features of the prompts
            made from them.
    """

    features: torch.Tensor
    phrases: tuple[str, ...]
    phrase_features: torch.Tensor

    @cached_property
    def spoken(self) -> tuple[Spoken, ...]:
        """The phrases, read once for all expressions."""
        return tuple(Spoken.of(phrase) for phrase in self.phrases)


@dataclass(frozen=True)
class Tas(OnProposals):
    """The TAS scores under a configuration.

    Attributes:
        config: Weights and corrections.
        language: Which phrases of a caption name the target itself.
    """

    config: ScoreConfig
    language: LanguageTools = field(default_factory=LanguageTools)

    def look(
        self, image: Image, proposals: Proposals, clip: ClipEncoder, watch: Stopwatch
    ) -> tuple[torch.Tensor, object]:
        """Crops as CLIP sees them; nothing else is kept before there are captions."""
        with watch.stage("clip"):
            return crop_features(image, proposals, clip, self.config.crop), None

    @property
    def reads_picture(self) -> bool:
        """Whether the distractors are those of the whole image's caption."""
        return bool(self.config.negative) and self.config.distractors == "caption"

    def read(self, features: SceneFeatures, encoder: TextEncoder) -> Captioned:
        """Captions and distractors as CLIP reads them."""
        config, captions = self.config, features.captions
        phrases: tuple[str, ...] = ()
        if config.negative:
            chunks = self.language.parser.noun_chunks
            if config.distractors == "regions":
                phrases = tuple(dict.fromkeys(chunks(", ".join(captions))))
            else:
                phrases = chunks(features.caption)
        prompts = [config.negative_prompt.replace("{}", phrase) for phrase in phrases]
        described = list(captions) if config.positive and features.captioned else []
        encoded = encoder.encode_texts(described + prompts)
        return Captioned(encoded[: len(described)], phrases, encoded[len(described) :])

    def without_captions(self) -> Tas:
        """The method less P, and less N where captions of regions name the distractors."""
        negative = self.config.negative if self.config.distractors == "caption" else 0.0
        return replace(self, config=replace(self.config, positive=0.0, negative=negative))

    def text(self, expression: ReferringExpression) -> str:
        """What is compared with crops and captions.

        The whole sentence in lower case, command and all; or if ``text`` is "phrase" the look of
        its head, or the referring part where there is none.
        """
        if self.config.text == "phrase":
            return expression.target.look or expression.referring
        return plain(expression.text)

    def target(self, expression: ReferringExpression) -> str:
        """The phrase whose synonyms are no distractors."""
        if self.config.text == "phrase":
            return expression.head_phrase or expression.referring
        return self.language.head_phrase(expression.text)

    def distractors(self, kept: Captioned, expression: ReferringExpression) -> NDArray[np.int64]:
        """Rows of ``kept.phrases`` that name something other than the target."""
        if self.config.distractor_filter:
            return proper_distractors(kept.spoken, expression)
        target = self.target(expression)
        others = [not self.language.synonyms(phrase, target) for phrase in kept.phrases]
        return np.flatnonzero(others)

    def score(
        self, features: SceneFeatures, expression: ReferringExpression, encoder: TextEncoder
    ) -> ScoreTable:
        """Score every proposal.

        Args:
            features: The features of N proposals.
            expression: With a non-empty referring part.
            encoder: The CLIP that made ``features``.

        Returns:
            Terms V, P and N (those switched on) and their weighted sum, in logits. Without a
            distractor N is 0 for all, where the released code gives NaN.
        """
        config, scale = self.config, features.logit_scale
        kept = cast(Captioned, features.kept)
        text = self.text(expression)
        meant, plainly = self._encoded(text, encoder)
        distractors: tuple[str, ...] = ()
        seen = features.centred(scale * features.regions @ meant, meant)
        terms = {"V": seen.double().numpy()}
        total = terms["V"].copy()
        if config.positive:
            terms["P"] = features.supposing(scale * kept.features @ plainly).double().numpy()
            total += config.positive * terms["P"]
        if config.negative:
            rows = self.distractors(kept, expression)
            distractors = tuple(kept.phrases[row] for row in rows)
            terms["N"] = _negative(features, kept.phrase_features[rows])
            total -= config.negative * terms["N"]
        weights = {"P": config.positive, "N": -config.negative}
        return ScoreTable(terms, total, weights, text, distractors)

    def _encoded(self, text: str, encoder: TextEncoder) -> tuple[torch.Tensor, torch.Tensor]:
        """(D,) unit features that crops and captions are compared with."""
        config = self.config
        prompts = [template.replace("{}", text) for template in config.templates] or [text]
        plainly = [text] if config.positive and config.templates else []
        encoded = encoder.encode_texts(prompts + plainly)
        meant = averaged(encoded[: len(prompts)]) if config.templates else encoded[0]
        return meant, encoded[-1]


def crop_features(
    image: Image, proposals: Proposals, clip: ClipEncoder, crop: str
) -> torch.Tensor:
    """CLIP features of the black-background crops.

    Args:
        image: (H, W, 3) uint8 RGB.
        proposals: N proposals of that image.
        clip: Encodes them.
        crop: See :func:`refseg_ros.methods.crops.region_images`.

    Returns:
        (N, D) float32 on the CPU, L2-normalised; D is 0 without a CLIP.
    """
    if isinstance(clip, NoClip):
        return torch.zeros(len(proposals), 0)
    return clip.encode_images(list(region_images(image, proposals, crop=crop)))


def averaged(features: torch.Tensor) -> torch.Tensor:
    """The direction of the mean of text features, as for an ensemble of prompts.

    Args:
        features: (K, D) L2-normalised, K ≥ 1.

    Returns:
        (D,) L2-normalised.
    """
    return functional.normalize(features.mean(0), dim=-1)


def _negative(features: SceneFeatures, distractors: torch.Tensor) -> NDArray[np.float64]:
    """N: the mean over distractors; 0 for all without any, where the released code gives NaN."""
    if not len(distractors):
        return np.zeros(len(features.regions))
    logits = features.logit_scale * features.regions @ distractors.T
    mean: NDArray[np.float64] = logits.mean(1).double().numpy()
    return mean


@dataclass(frozen=True)
class Spoken:
    """A noun phrase of a caption, read once for all expressions.

    Attributes:
        abstract: Whether it names no thing ("the background").
        kinds: See :func:`refseg_ros.language.chunks.kinds`.
        head: Its head noun; "" without one.
        marks: Its colours and materials.
    """

    abstract: bool
    kinds: frozenset[str]
    head: str
    marks: frozenset[str]

    @classmethod
    @lru_cache(maxsize=CAPTIONS)
    def of(cls, phrase: str) -> Spoken:
        """Read a phrase."""
        found = parse(phrase).target
        marks = frozenset(found.colours + found.materials)
        return cls(is_abstract(phrase), kinds(phrase), head_noun(phrase) or "", marks)


def proper_distractors(
    phrases: Sequence[Spoken], expression: ReferringExpression
) -> NDArray[np.int64]:
    """Phrases of things that are neither meant nor spoken of, each once.

    Left out are abstract phrases ("the background"); what may be the thing meant: a phrase with
    its head by lemma or group, or if no head was said ("the red one") one that shares a colour or
    material with it, and any phrase if none of these was said either; landmarks of its relations
    at any depth; and a phrase of the same head, colours and materials as one before it.

    Args:
        phrases: Noun phrases of captions.
        expression: What is looked for.

    Returns:
        Their rows, ascending.
    """
    target = expression.target
    if not target.head and not (target.colours or target.materials):
        return np.zeros(0, np.int64)
    named = [kinds_of(phrase) for phrase in (target, *_landmarks(target))]
    spoken_of = frozenset[str]().union(*named)
    rows, seen = [], set()
    for row, phrase in enumerate(phrases):
        if phrase.abstract or phrase.kinds & spoken_of:
            continue
        if not target.head and not phrase.marks.isdisjoint(target.colours + target.materials):
            continue
        key = (phrase.head, phrase.marks)
        if key not in seen:
            seen.add(key)
            rows.append(row)
    return np.array(rows, np.int64)


def _landmarks(phrase: NounPhrase) -> Iterator[NounPhrase]:
    for relation in phrase.relations:
        for landmark in relation.landmarks:
            yield landmark
            yield from _landmarks(landmark)
