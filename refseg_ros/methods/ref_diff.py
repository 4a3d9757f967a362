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
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from refseg_ros.backbones.cross_attention import Maps
from refseg_ros.backbones.diffusion import Attended
from refseg_ros.config.methods import DiffusionConfig, RefDiffConfig
from refseg_ros.errors import ConfigError
from refseg_ros.language import Direction, ReferringExpression, lemma
from refseg_ros.language.tokens import plain
from refseg_ros.methods.global_local import GLOBAL, LOCAL, mix
from refseg_ros.methods.names import NO_NAMES
from refseg_ros.methods.scoring import ATTENTION, SceneFeatures, ScoreTable, TextEncoder
from refseg_ros.results import BoolMasks, Proposals

CUTS = tuple(percent / 100 for percent in range(5, 100, 5))
"""Heights at which the attention is cut into proposals where there is no segmentor."""

_FAR = 100.0  # logits below the worst of those that may be chosen
_REACH = 2 / 3  # of the image, to which the released code's bias of place goes

Map = NDArray[np.float64]


def stretched(values: Map) -> Map:
    """Values brought to [0, 1]; zeros where all are alike."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def attention_map(
    steps: Sequence[Attended],
    token: int,
    latent: tuple[int, int],
    config: DiffusionConfig,
    procedure: str = "paper",
) -> Map:
    """Where a network looks a word up: the mean over steps and layers.

    Args:
        steps: Attention of each reverse step.
        token: Row of the word.
        latent: Height and width of the latent.
        config: Which layers, and the guidance.
        procedure: ``paper``: shares after the softmax, of the half with words. ``released``:
            logits before it, guided as the noise is, each map stretched to [0, 1] by itself.

    Returns:
        (h, w) float64, at the size of the finest layer used.

    Raises:
        ConfigError: No layer has the size that is asked for; the message names those that are.
    """
    found = []
    for step in steps:
        untold: Sequence[Maps] = step.untold or step.told
        for told, without in zip(step.told, untold, strict=True):
            size = _size(told, latent, config.level)
            if size is None:
                continue
            if procedure == "released":
                guided = without.logits + config.guidance * (told.logits - without.logits)
                found.append(stretched(_column(guided, token, size)))
            else:
                found.append(_column(told.shares, token, size))
    if not found:
        levels = sorted({_level(item, latent) for step in steps for item in step.told} - {0})
        raise ConfigError(
            f"diffusion.level: {config.level} is not one of 0, {', '.join(map(str, levels))}"
        )
    finest = max(item.shape for item in found)
    return np.mean([_enlarged(item, finest) for item in found], axis=0)


def _level(maps: Maps, latent: tuple[int, int]) -> int:
    """Places of the latent for each of a map, along a side; 0 where it does not divide."""
    places, level = maps.logits.shape[1], 1
    while level <= min(latent):
        if (latent[0] // level) * (latent[1] // level) == places:
            return level
        level *= 2
    return 0


def _size(maps: Maps, latent: tuple[int, int], wanted: int) -> tuple[int, int] | None:
    level = _level(maps, latent)
    if not level or wanted not in (0, level):
        return None
    return latent[0] // level, latent[1] // level


def _column(values: torch.Tensor, token: int, size: tuple[int, int]) -> Map:
    return values[0, :, token].double().cpu().numpy().reshape(size)


def _enlarged(values: Map, size: tuple[int, int], way: int = cv2.INTER_LINEAR) -> Map:
    if values.shape == size:
        return values
    return np.asarray(cv2.resize(values, size[::-1], interpolation=way), np.float64)


def at_image(
    values: Map,
    seen: tuple[int, int],
    filled: tuple[int, int, int, int],
    size: tuple[int, int],
    procedure: str = "paper",
) -> Map:
    """An attention map at the size of the image, from 0 to 1.

    Args:
        values: (h, w) of the picture that the network saw.
        seen: Height and width of that picture in pixels.
        filled: Its rows and columns that are image: top, bottom, left, right.
        size: Height and width of the image.
        procedure: ``paper`` stretches and then enlarges, bilinear; ``released`` goes through 256
            grey levels, Lanczos, and stretches what is image once more.
    """
    top, bottom, left, right = filled
    even = stretched(values)
    if procedure == "released":
        grey = np.asarray(even * 255, np.uint8)
        large = np.asarray(cv2.resize(grey, seen[::-1], interpolation=cv2.INTER_LANCZOS4))
        cut = stretched(large[top:bottom, left:right].astype(np.float64))
        return _enlarged(cut, size)
    if filled == (0, *seen[:1], 0, *seen[1:]):
        return _enlarged(even, size)
    return _enlarged(_enlarged(even, seen)[top:bottom, left:right], size)


def inside_minus_outside(values: Map, masks: BoolMasks) -> Map:
    """Mean of a map inside each mask minus that outside (Ref-Diff, generative score s^G).

    Args:
        values: (H, W).
        masks: (N, H, W), none empty.

    Returns:
        (N,) float64; outside a mask that is the whole image is 0.
    """
    flat = masks.reshape(len(masks), -1)
    areas = flat.sum(1)
    within = flat @ values.ravel()
    without = values.sum() - within
    return np.asarray(within / areas - without / np.maximum(flat.shape[1] - areas, 1), np.float64)


def cut_proposals(values: Map) -> Proposals:
    """Ref-Diff without a segmentor: a map cut at 5 %, 10 %, … 95 %, masks within masks.

    Args:
        values: (H, W) in [0, 1].

    Returns:
        At most 19 proposals, their quality being the generative score; none of a flat map.
    """
    masks = np.stack([values >= cut for cut in CUTS])
    masks = masks[masks.any((1, 2))]
    scores = inside_minus_outside(values, masks) if len(masks) else np.zeros(0)
    return Proposals(masks, scores.astype(np.float32))


def bias_of_place(
    size: tuple[int, int], directions: Sequence[Direction], procedure: str = "paper"
) -> NDArray[np.float32]:
    """Ref-Diff's soft mask P: 1 at the side that is named, falling to 0.

    Args:
        size: Height and width.
        directions: Positions that were said; the paper knows left, right, top and bottom. Of two
            the masks are multiplied.
        procedure: ``released`` knows left and right only, and falls to 0 over two thirds.

    Returns:
        (H, W) float32 in [0, 1]; ones where no such position is said.
    """
    height, width = size
    reach = 1.0 if procedure == "paper" else _REACH
    rows, columns = (
        np.clip(1 - np.linspace(0, 1, length, dtype=np.float32) / reach, 0, 1)
        for length in (height, width)
    )
    made = np.ones((height, width), np.float32)
    if Direction.LEFT in directions:
        made *= columns
    elif Direction.RIGHT in directions:
        made *= columns[::-1]
    if procedure == "paper" and Direction.TOP in directions:
        made *= rows[:, None]
    elif procedure == "paper" and Direction.BOTTOM in directions:
        made *= rows[::-1, None]
    return made


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


@dataclass(frozen=True)
class RefDiff:
    """The Ref-Diff scores under a configuration.

    Attributes:
        config: Weights and variant.
    """

    config: RefDiffConfig

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
        text, pictured = plain(expression.text), features.pictured
        if not self.brings_candidates or pictured is None or not text:
            return proposals, features
        cut = cut_proposals(pictured.attention(text, root_end(text, expression.head)))
        own = pictured.of(cut)
        none = ("",) * len(cut)
        found = replace(features, regions=own.crops(), captions=none, pictured=own, names=NO_NAMES)
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
        if features.pictured is None:
            raise ValueError("features: ref_diff needs those of a scene observed for it")
        text = plain(expression.text)
        attention = features.pictured.attention(text, root_end(text, expression.head))
        generative = scale * inside_minus_outside(attention, features.pictured.masks)
        if config.alpha == 1:
            return ScoreTable({ATTENTION: generative}, generative, text=text)
        within, crops = features.pictured.regions(expression.directions)
        pair = encoder.encode_texts([text, expression.head or text])
        parts = self._cosines(within, crops, pair)
        terms = {name: (scale * value).double().numpy() for name, value in parts.items()}
        looks = config.beta * terms[GLOBAL] + (1 - config.beta) * terms[LOCAL]
        total = (1 - config.alpha) * looks + config.alpha * generative
        weights = {"V": 1 - config.alpha, ATTENTION: config.alpha, GLOBAL: 0.0, LOCAL: 0.0}
        return ScoreTable(
            {"V": looks, ATTENTION: generative, **terms},
            self._largest(total, features.pictured.masks),
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
