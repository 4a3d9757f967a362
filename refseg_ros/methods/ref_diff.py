# SPDX-License-Identifier: Apache-2.0
"""Ref-Diff: what a diffusion network attends to, and CLIP with an eye for place.

Ni, Zhang, Feng, Li, Guo and Zuo, "Ref-Diff: Zero-shot Referring Image Segmentation with
Generative Models", 2023. s_i = α s^G_i + (1 − α) s^D_i: s^G is the attention of the sentence's
root word inside the mask minus outside, s^D the cosine of the sentence and of the region, whose
picture fades towards the side that the sentence does not name. With ``free`` the masks themselves
are the attention, cut at 19 heights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import torch
from torch.nn import functional

from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.diffusion import Diffusion, Noised, fitted
from refseg_ros.config.methods import DiffusionConfig, RefDiffConfig
from refseg_ros.language import Direction, ReferringExpression, lemma
from refseg_ros.language.lexicon import GENERIC_NOUNS
from refseg_ros.language.tokens import plain
from refseg_ros.methods.crops import region_images
from refseg_ros.methods.global_local import GLOBAL, LOCAL, mix
from refseg_ros.methods.names import NO_NAMES
from refseg_ros.methods.ref_diff_maps import (
    Map,
    at_image,
    attention_map,
    bias_of_place,
    cut_proposals,
    inside_minus_outside,
)
from refseg_ros.methods.scoring import (
    ATTENTION,
    Image,
    OnProposals,
    SceneFeatures,
    ScoreTable,
    TextEncoder,
)
from refseg_ros.results import BoolMasks, Proposals
from refseg_ros.stopwatch import Stopwatch

_FAR = 100.0  # logits below the worst of those that may be chosen
_PLACES = (Direction.LEFT, Direction.RIGHT, Direction.TOP, Direction.BOTTOM)
_SUFFIX = {"paper": "", "released": ", "}


@dataclass(frozen=True)
class Pictured:
    """An image as Ref-Diff sees it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        proposals: N candidates.
        clip: Encodes regions.
        diffusion: Attends.
        noised: The image as the latter has it; encoded once, whatever is asked.
        seen: Height and width of the picture that it saw.
        filled: Top, bottom, left and right of the image in that picture.
        config: The diffusion network's settings.
        method: Weights and variant.
    """

    image: Image = field(repr=False)
    proposals: Proposals = field(repr=False)
    clip: ClipEncoder = field(repr=False)
    diffusion: Diffusion = field(repr=False)
    noised: Noised = field(repr=False)
    seen: tuple[int, int]
    filled: tuple[int, int, int, int]
    config: DiffusionConfig
    method: RefDiffConfig
    # What was made, by what it was made of: few places can be said, and one sentence at a time.
    _regions: dict[tuple[str, tuple[Direction, ...]], torch.Tensor] = field(
        default_factory=dict, repr=False
    )
    _latest: dict[tuple[str, int], Map] = field(default_factory=dict, repr=False)

    @classmethod
    def observe(
        cls,
        image: Image,
        proposals: Proposals,
        clip: ClipEncoder,
        diffusion: Diffusion,
        config: DiffusionConfig,
        method: RefDiffConfig,
    ) -> Pictured:
        """Do what no sentence changes: latent, noise, the step without words, and features.

        Args:
            image: (H, W, 3) uint8 RGB.
            proposals: N candidates.
            clip: Encodes regions.
            diffusion: Attends.
            config: The diffusion network's settings.
            method: Weights and variant.
        """
        released = method.procedure == "released"
        pixels = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)
        picture, filled = fitted(pixels, config.side, diffusion.multiple, square=released)
        noised = diffusion.noised(
            picture,
            config.steps,
            config.start,
            guided=config.guidance != 1,
            late=released,
            seed=config.seed,
        )
        seen = (picture.shape[1], picture.shape[2])
        made = cls(image, proposals, clip, diffusion, noised, seen, filled, config, method)
        if not (method.free or method.alpha == 1):
            made.regions(())
        return made

    @property
    def masks(self) -> BoolMasks:
        """(N, H, W) of the candidates."""
        return self.proposals.masks

    def of(self, proposals: Proposals) -> Pictured:
        """The same image with other candidates.

        Args:
            proposals: The other candidates, of the same image.
        """
        return replace(self, proposals=proposals, _regions={})

    def attention(self, text: str, end: int) -> Map:
        """Where the network looks a word of a sentence up.

        Args:
            text: The sentence.
            end: Letters up to the end of the word.

        Returns:
            (H, W) float64 in [0, 1].
        """
        key = (text, end)
        found = self._latest.get(key)
        if found is None:
            found = self._attention(text, end)
            self._latest.clear()
            self._latest[key] = found
        return found

    def _attention(self, text: str, end: int) -> Map:
        procedure = self.method.procedure
        steps = self.diffusion.attend(self.noised, text + _SUFFIX[procedure], self.config.guidance)
        token = self.diffusion.token(text, end)
        height, width = self.noised.latent.shape[2:]
        values = attention_map(steps, token, (height, width), self.config, procedure)
        size = (self.image.shape[0], self.image.shape[1])
        return at_image(values, self.seen, self.filled, size, procedure)

    def regions(self, directions: Sequence[Direction]) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of the masks within the image and of their crops, for a place that is said.

        The paper fades the picture in which the mask is seen, the released code that of the crop.

        Args:
            directions: Positions that were said.

        Returns:
            (N, D) and (N, D) float32.
        """
        said = tuple(item for item in _PLACES if item in directions)
        if self.method.procedure == "released":
            return self._within(()), self._crops(said)
        return self._within(said), self._crops(())

    def crops(self) -> torch.Tensor:
        """(N, D) float32 L2-normalised features of the candidates' crops."""
        return self._crops(())

    def _within(self, said: tuple[Direction, ...]) -> torch.Tensor:
        return self._once(
            ("within", said),
            lambda: self.clip.encode_attending(self._faded(said), self.masks, self.method.side),
        )

    def _crops(self, said: tuple[Direction, ...]) -> torch.Tensor:
        return self._once(
            ("crops", said),
            lambda: self.clip.encode_images(
                list(region_images(self._faded(said), self.proposals))
            ),
        )

    def _faded(self, said: tuple[Direction, ...]) -> Image:
        if not said:
            return self.image
        bias = bias_of_place(self.image.shape[:2], said, self.method.procedure)
        return np.asarray(np.rint(self.image * bias[..., None]), np.uint8)

    def _once(
        self, key: tuple[str, tuple[Direction, ...]], make: Callable[[], torch.Tensor]
    ) -> torch.Tensor:
        if key not in self._regions:
            self._regions[key] = make()
        return self._regions[key]


def root_end(text: str, head: str) -> int:
    """Letters of a sentence up to the end of its root word, the noun of the thing meant.

    Args:
        text: The sentence.
        head: Lemma of that noun.

    Returns:
        Up to its first mention; the whole length where it is not mentioned.
    """
    for word in re.finditer(r"[\w'-]+", text):
        if head and head in (word.group(), lemma(word.group())):
            return word.end()
    return len(text)


def root_of(expression: ReferringExpression) -> str:
    """The root word of a sentence: the head noun, or what stands for one ("the object there").

    Args:
        expression: The parsed sentence.
    """
    words = re.findall(r"[\w'-]+", expression.target.text or plain(expression.text))
    return expression.head or next((word for word in words if word in GENERIC_NOUNS), "")


@dataclass(frozen=True)
class RefDiff(OnProposals):
    """The Ref-Diff scores under a configuration.

    Attributes:
        config: Weights and variant.
        network: The diffusion network's settings.
        diffusion: Attends; needed to look at an image, not to score.
    """

    config: RefDiffConfig
    network: DiffusionConfig = field(default_factory=DiffusionConfig)
    diffusion: Diffusion | None = None

    def look(
        self, image: Image, proposals: Proposals, clip: ClipEncoder, watch: Stopwatch
    ) -> tuple[torch.Tensor, object]:
        """Crops as CLIP sees them, and the image as the diffusion network does.

        Raises:
            ValueError: :attr:`diffusion` is None.
        """
        if self.diffusion is None:
            raise ValueError("diffusion: ref_diff looks at images with a diffusion network")
        with watch.stage("diffusion"):
            pictured = Pictured.observe(
                image, proposals, clip, self.diffusion, self.network, self.config
            )
        with watch.stage("clip"):
            return pictured.crops(), pictured

    @property
    def brings_candidates(self) -> bool:
        """Whether candidates are the attention of each sentence, cut at 19 heights."""
        return self.config.free

    def candidates(
        self, proposals: Proposals, features: SceneFeatures, expression: ReferringExpression
    ) -> tuple[Proposals, SceneFeatures]:
        """The scene's; or the attention that a sentence draws, cut at 19 heights.

        Args:
            proposals: The scene's.
            features: Theirs, pictured.
            expression: What was said; without any words the scene's are returned.
        """
        text, pictured = plain(expression.text), cast(Pictured, features.kept)
        if not self.brings_candidates or not text:
            return proposals, features
        cut = cut_proposals(pictured.attention(text, root_end(text, root_of(expression))))
        own = pictured.of(cut)
        none = ("",) * len(cut)
        found = replace(features, regions=own.crops(), captions=none, kept=own, names=NO_NAMES)
        return cut, found

    def without_captions(self) -> RefDiff:
        """The method itself, which asks nothing of captions."""
        return self

    def score(
        self, features: SceneFeatures, expression: ReferringExpression, encoder: TextEncoder
    ) -> ScoreTable:
        """Score every proposal.

        Args:
            features: The features of N >= 1 proposals, pictured.
            expression: With a sentence.
            encoder: The CLIP that made ``features``.

        Returns:
            A, V and the parts G and L of V in logits, and (1 − α) V + α A; only A where α is 1.

        Raises:
            ValueError: The features were made for another method.
        """
        config, scale = self.config, features.logit_scale
        if features.kept is None:
            raise ValueError("features: ref_diff needs those of a scene observed for it")
        text, pictured = plain(expression.text), cast(Pictured, features.kept)
        attention = pictured.attention(text, root_end(text, root_of(expression)))
        generative = scale * inside_minus_outside(attention, pictured.masks)
        if config.alpha == 1:
            return ScoreTable({ATTENTION: generative}, generative, text=text)
        within, crops = pictured.regions(expression.directions)
        pair = encoder.encode_texts([text, root_of(expression) or text])
        parts = self._cosines(within, crops, pair)
        terms = {name: (scale * value).double().numpy() for name, value in parts.items()}
        looks = config.beta * terms[GLOBAL] + (1 - config.beta) * terms[LOCAL]
        total = (1 - config.alpha) * looks + config.alpha * generative
        weights = {"V": 1 - config.alpha, ATTENTION: config.alpha, GLOBAL: 0.0, LOCAL: 0.0}
        return ScoreTable(
            {"V": looks, ATTENTION: generative, **terms},
            self._largest(total, pictured.masks),
            weights,
            text,
        )

    def _cosines(
        self, within: torch.Tensor, crops: torch.Tensor, pair: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Cosines of both region features with the texts that belong to them.

        The paper's text is the mean of sentence and root word; the released code's crops are
        compared with the sentence alone.
        """
        mean = mix(pair[0], pair[1], 0.5)
        sentence = functional.normalize(pair[0], dim=-1)
        text = sentence if self.config.procedure == "released" else mean
        return {
            GLOBAL: functional.normalize(within, dim=-1) @ mean,
            LOCAL: functional.normalize(crops, dim=-1) @ text,
        }

    def _largest(self, total: Map, masks: BoolMasks) -> Map:
        """Scores with all but the largest masks put behind; the released code may pick them."""
        most = self.config.largest
        if not most or most >= len(total):
            return total
        kept = np.argsort(-masks.sum((1, 2)), kind="stable")[:most]
        behind = np.full_like(total, total.min() - _FAR)
        behind[kept] = total[kept]
        return behind
