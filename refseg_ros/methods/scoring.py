# SPDX-License-Identifier: Apache-2.0
"""Who ranks the proposals: methods behind one small protocol.

A matcher looks at an image once and keeps of it what it needs; then it turns that and a parsed
expression into a score table: one row a proposal, one named column a term. Methods share
proposals, crops, encoders and language, so that comparing them compares methods and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.language import ReferringExpression
from refseg_ros.language.caption_names import Naming
from refseg_ros.language.expression import NounPhrase
from refseg_ros.methods.awaiting import Supposition
from refseg_ros.methods.centre import Centre
from refseg_ros.methods.names import NO_NAMES, Names
from refseg_ros.results import Proposals

if TYPE_CHECKING:
    from refseg_ros.backbones.clip import ClipEncoder
    from refseg_ros.stopwatch import Stopwatch

Image = NDArray[np.uint8]

ATTENTION = "A"
"""Term of a diffusion network's attention inside a mask minus outside."""


@dataclass(frozen=True)
class SceneFeatures:
    """What observing computes once for all expressions.

    Attributes:
        regions: (N, D) float32 L2-normalised features of the candidates, in CLIP's space.
        captions: N captions of the blurred crops; empty strings when captions are off.
        caption: Caption of the whole image; empty when no score needs it.
        logit_scale: CLIP's learned scale; cosines times this are logits.
        captioned: Whether captions that the method asks for are made; without them their terms
            are left out.
        names: What came with the proposals as their names.
        centre: What crops and texts are compared without; None to compare them as they are.
        awaited: Candidates whose captions are not made yet, ascending.
        supposed: What those are taken to say.
        kept: What the method keeps of the image beside that; only the method knows what it is.
    """

    regions: torch.Tensor
    captions: tuple[str, ...]
    caption: str
    logit_scale: float
    captioned: bool = True
    names: Names = NO_NAMES
    kept: object = None
    centre: Centre | None = None
    awaited: tuple[int, ...] = ()
    supposed: Supposition | None = None

    def supposing(self, logits: torch.Tensor) -> torch.Tensor:
        """(N,) logits of captions beside a text, the awaited ones' as they are supposed."""
        if self.supposed is None:
            return logits
        return logits.index_fill(
            0, torch.tensor(self.awaited), self.logit_scale * self.supposed.fit
        )

    @property
    def seen(self) -> bool:
        """Whether a network looked at the regions; without one nothing is known of looks."""
        return bool(self.regions.shape[1])

    def centred(self, logits: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """Logits of regions less what any region and any text have in common.

        Args:
            logits: (N,) or (K, N), of the features as they are.
            texts: (D,) or (K, D) features that they are of.
        """
        if self.centre is None:
            return logits
        return logits - self.logit_scale * self.centre.shared(self.regions, texts)

    def looks_like(self, texts: torch.Tensor) -> NDArray[np.float64]:
        """(K, N) logits of the regions beside (K, D) features of texts."""
        logits = self.logit_scale * texts @ self.regions.T
        table: NDArray[np.float64] = self.centred(logits, texts).double().numpy()
        return table

    def by_name(self, said: NounPhrase, encoder: TextEncoder) -> NDArray[np.float64]:
        """(N,) logits of D, see :meth:`Names.logits`; zeros where nothing has a name."""
        if not self.names:
            return np.zeros(len(self.captions))
        return self.names.logits(said, encoder, self.logit_scale)

    def told_by_name(self, said: NounPhrase) -> bool:
        """Whether names alone tell what is said of looks, so that looks need not be compared."""
        return not self.seen or self.names.tell(said)

    @cached_property
    def named(self) -> tuple[Naming, ...]:
        """What its caption calls each region, read once for all expressions."""
        read = {caption: Naming.of_caption(caption) for caption in dict.fromkeys(self.captions)}
        return tuple(read[caption] for caption in self.captions)


@dataclass(frozen=True)
class ScoreTable:
    """Scores of one expression over N proposals.

    Attributes:
        terms: Column name to (N,) float64 logits, in the order of the sum.
        total: (N,) float64 logits, finite.
        weights: Column name to its weight in the sum, one number or (N,); 1 if not named.
        text: What crops and captions were compared with.
        distractors: Phrases that crops were compared with as what is not meant.
        min_match: Smallest match, where another than :attr:`DecisionConfig.min_match` holds for
            these terms.
    """

    terms: Mapping[str, NDArray[np.float64]]
    total: NDArray[np.float64]
    weights: Mapping[str, float | NDArray[np.float64]] = field(default_factory=dict)
    text: str = ""
    distractors: tuple[str, ...] = ()
    min_match: float | None = None

    def plus(self, name: str, values: NDArray[np.float64], weight: float) -> ScoreTable:
        """The table with one more term.

        Args:
            name: The column's name.
            values: (N,) logits.
            weight: In the sum.
        """
        return replace(
            self,
            terms={**self.terms, name: values},
            total=self.total + weight * values if weight else self.total,
            weights={**self.weights, name: weight},
        )


class TextEncoder(Protocol):
    """Turns text into unit vectors."""

    def encode_texts(self, texts: list[str], unit: bool = True) -> torch.Tensor:
        """(len(texts), D) float32 features, L2-normalised if ``unit``."""

    def unknown_words(self, words: Sequence[str]) -> tuple[str, ...]:
        """Those of some words that the encoder has never seen."""


class Matcher(Protocol):
    """A method: what it keeps of an image, its candidates, its scores.

    Which networks it needs is told by :mod:`refseg_ros.config.uses` before any is loaded.
    """

    def look(
        self, image: Image, proposals: Proposals, clip: ClipEncoder, watch: Stopwatch
    ) -> tuple[torch.Tensor, object]:
        """Features of the candidates, and what else the method keeps, before any caption.

        Args:
            image: (H, W, 3) uint8 RGB.
            proposals: N candidates.
            clip: Encodes them.
            watch: Times the stages; "clip" at least.

        Returns:
            :attr:`SceneFeatures.regions` and :attr:`SceneFeatures.kept`.
        """

    def joined(self, kept: object, more: object, rows: NDArray[np.intp]) -> object:
        """What is kept of an image once it has further candidates, which nouns find.

        Args:
            kept: Of the candidates that it has.
            more: What :meth:`look` made of others.
            rows: Which of those come after the candidates that it has.
        """

    @property
    def reads_picture(self) -> bool:
        """Whether a caption of the whole image is needed."""

    def read(self, features: SceneFeatures, encoder: TextEncoder) -> object:
        """What the method keeps once the captions in ``features`` are there; pure."""

    def score(
        self, features: SceneFeatures, expression: ReferringExpression, encoder: TextEncoder
    ) -> ScoreTable:
        """Score the proposals; pure, never NaN."""

    @property
    def brings_candidates(self) -> bool:
        """Whether each sentence brings candidates of its own; else they are the scene's."""

    def candidates(
        self, proposals: Proposals, features: SceneFeatures, expression: ReferringExpression
    ) -> tuple[Proposals, SceneFeatures]:
        """What a sentence chooses from: the scene's proposals, or its own."""

    def without_captions(self) -> Matcher:
        """The method less what it asks of the captions of candidates."""


class OnProposals:
    """What most methods share: candidates are the scene's, and no captions are read."""

    def joined(self, kept: object, more: object, rows: NDArray[np.intp]) -> object:
        """What it kept before: no rows of candidates, or such as :meth:`read` makes."""
        return kept

    @property
    def reads_picture(self) -> bool:
        """No."""
        return False

    def read(self, features: SceneFeatures, encoder: TextEncoder) -> object:
        """What it kept before: captions add nothing."""
        return features.kept

    @property
    def brings_candidates(self) -> bool:
        """No: they are the scene's."""
        return False

    def candidates(
        self, proposals: Proposals, features: SceneFeatures, expression: ReferringExpression
    ) -> tuple[Proposals, SceneFeatures]:
        """The scene's, whatever is said."""
        return proposals, features


def shares(
    total: NDArray[np.float64], normalise: str, temperature: float = 1.0
) -> NDArray[np.float64]:
    """Scores as shares that sum to one.

    Args:
        total: (N,) finite logits.
        normalise: ``minmax`` stretches to [0, 1] before the softmax, as TAS does (the largest
            share is then at most e times the smallest); ``logits`` takes them as they are.
        temperature: For ``logits``, what they are divided by, above 0.

    Returns:
        (N,) float64; empty for N = 0. Equal totals, of which TAS makes NaN, share alike.
    """
    if not total.size:
        return total
    shifted = total - total.max()
    if normalise == "minmax":
        span = total.max() - total.min()
        shifted = shifted / span if span > 0 else np.zeros_like(shifted)
    else:
        shifted = shifted / temperature
    exponentials: NDArray[np.float64] = np.exp(shifted)
    return exponentials / exponentials.sum()
