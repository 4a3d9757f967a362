# SPDX-License-Identifier: Apache-2.0
"""Global-Local CLIP: features of a mask within its image and of its crop, mixed.

Yu, Seo and Son, "Zero-shot Referring Image Segmentation with Global-Local Context Features", CVPR
2023: f = α f^G + (1 - α) f^L and t = β t^G + (1 - β) t^L, the mask of the greatest cosine. f^G is
:mod:`refseg_ros.backbones.clip_masked`, f^L a crop's; t^G is of the sentence and t^L of its head
noun phrase. As in the released code features are mixed as they come, of any length; only the
mixes are normalised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.config.methods import GlobalLocalConfig
from refseg_ros.language import ReferringExpression
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

GLOBAL, LOCAL = "G", "L"
"""Terms of the mask within its image and of the crop alone, for explanations."""


def mix(first: torch.Tensor, second: torch.Tensor, weight: float) -> torch.Tensor:
    """Unit vectors along ``weight`` · first + (1 - ``weight``) · second.

    Args:
        first: (..., D) features of any length.
        second: (..., D) features of any length.
        weight: In [0, 1].

    Returns:
        (..., D) L2-normalised; zeros where the mix is 0.
    """
    return functional.normalize(weight * first + (1.0 - weight) * second, dim=-1)


def mixed_regions(
    within: torch.Tensor, crops: torch.Tensor, alpha: float
) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
    """Region features and the parts that they are mixed from.

    Args:
        within: (N, D) features of the masks within the image, f^G.
        crops: (N, D) features of their crops, f^L.
        alpha: Weight of the former.

    Returns:
        (N, D) L2-normalised, and the parts by term, L2-normalised too.
    """
    parts = {
        GLOBAL: functional.normalize(within, dim=-1),
        LOCAL: functional.normalize(crops, dim=-1),
    }
    return mix(within, crops, alpha), parts


@dataclass(frozen=True)
class GlobalLocal(OnProposals):
    """The scores of Global-Local CLIP.

    Attributes:
        config: Weights, and how the image is seen.
        crop: See :func:`refseg_ros.methods.crops.region_images`.
        language: Finds the head noun phrase.
    """

    config: GlobalLocalConfig
    crop: str = "squashed"
    language: LanguageTools = field(default_factory=LanguageTools)

    def look(
        self, image: Image, proposals: Proposals, clip: ClipEncoder, watch: Stopwatch
    ) -> tuple[torch.Tensor, object]:
        """The mixed features, and the parts that they are mixed from."""
        config = self.config
        with watch.stage("clip"):
            within = clip.encode_masked(image, proposals.masks, config.blocks, config.side)
            crops = region_images(image, proposals, crop=self.crop)
            return mixed_regions(within, clip.encode_images(list(crops), unit=False), config.alpha)

    def joined(self, kept: object, more: object, rows: NDArray[np.intp]) -> object:
        """The parts of all."""
        before, added = (cast(Mapping[str, torch.Tensor], parts) for parts in (kept, more))
        return {name: torch.cat([part, added[name][rows]]) for name, part in before.items()}

    def without_captions(self) -> GlobalLocal:
        """The method itself, which asks nothing of captions."""
        return self

    def score(
        self, features: SceneFeatures, expression: ReferringExpression, encoder: TextEncoder
    ) -> ScoreTable:
        """V, the cosine of both mixes in logits; G and L, those of the parts, count nothing."""
        scale, parts = features.logit_scale, cast(Mapping[str, torch.Tensor], features.kept)
        text = plain(expression.text)
        head = self.language.head_phrase(expression.text) or text
        pair = encoder.encode_texts([text, head], unit=False)
        meant = mix(pair[0], pair[1], self.config.sentence)
        terms = {
            name: (scale * part @ meant).double().numpy()
            for name, part in {"V": features.regions, **parts}.items()
        }
        return ScoreTable(terms, terms["V"], dict.fromkeys(parts, 0.0), text)
