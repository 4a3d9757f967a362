# SPDX-License-Identifier: Apache-2.0
"""Spatial coherence: how far a dense heat-map of the text lies inside a mask and nowhere else.

HybridGL (CVPR 2025): G is the similarity of each place with the head's noun phrase, stretched to
[0, 1] and divided by its mean; C_i = (2 − b) · mean of G inside mask i − b · mean of G outside.
One pass of the image serves all masks and all sentences. It is no method of its own: TAS may
add it to its sum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.clip_masked import resized
from refseg_ros.config.methods import CoherenceConfig
from refseg_ros.language import ReferringExpression
from refseg_ros.methods.scoring import (
    Image,
    OnProposals,
    SceneFeatures,
    ScoreTable,
    TextEncoder,
)
from refseg_ros.methods.tas import Captioned, Tas
from refseg_ros.results import BoolMasks, Proposals
from refseg_ros.stopwatch import Stopwatch

HEAT = "H"
"""Term of the coherence, for explanations."""


@dataclass(frozen=True)
class Dense:
    """An image as places, and its masks as shares of them.

    Attributes:
        cells: (P, D) float32 L2-normalised features of the places.
        inside: (N, P) float32; each row a mean over the places that a mask covers.
        outside: (N, P) float32; the same over the places that it does not cover, zeros for a mask
            that covers all.
    """

    cells: torch.Tensor
    inside: torch.Tensor
    outside: torch.Tensor

    @classmethod
    def of(cls, features: torch.Tensor, masks: BoolMasks) -> Dense:
        """Bring masks to the places of an image.

        Args:
            features: (h, w, D) L2-normalised.
            masks: (N, H, W), none empty.
        """
        height, width, dimension = features.shape
        covered = torch.zeros(0, height * width)
        if len(masks):
            whole = torch.from_numpy(masks.astype(np.float32))
            covered = resized(whole, height, width).flatten(1).clamp(0, 1)
        left = 1 - covered
        return cls(
            features.reshape(-1, dimension),
            covered / covered.sum(1, keepdim=True).clamp(min=1e-6),
            left / left.sum(1, keepdim=True).clamp(min=1e-6),
        )


def coherence(dense: Dense, text: torch.Tensor, balance: float) -> NDArray[np.float64]:
    """HybridGL's C of every mask.

    Args:
        dense: An image with N masks.
        text: (D,) unit feature of a noun phrase.
        balance: b: what counts against heat outside; 2 − b counts for heat inside.

    Returns:
        (N,) float64; zeros where the heat is everywhere the same.
    """
    heat = dense.cells @ text
    heat = heat - heat.min()
    if not len(dense.inside) or not float(heat.max()) > 0:
        return np.zeros(len(dense.inside))
    heat = heat / heat.mean()
    found = (2 - balance) * (dense.inside @ heat) - balance * (dense.outside @ heat)
    return np.asarray(found.double().numpy(), np.float64)


@dataclass(frozen=True)
class Heated:
    """What is kept of an image: its places, and what TAS keeps once there are captions."""

    dense: Dense
    captioned: Captioned | None = None


@dataclass(frozen=True)
class CoherentTas(OnProposals):
    """TAS with the coherence in its sum.

    Attributes:
        tas: The rest of the sum.
        config: Weight and balance.
    """

    tas: Tas
    config: CoherenceConfig

    def look(
        self, image: Image, proposals: Proposals, clip: ClipEncoder, watch: Stopwatch
    ) -> tuple[torch.Tensor, object]:
        """What TAS looks at, and the image place by place."""
        with watch.stage("dense"):
            dense = Dense.of(clip.encode_dense(image, self.config.side), proposals.masks)
        return self.tas.look(image, proposals, clip, watch)[0], Heated(dense)

    def joined(self, kept: object, more: object, rows: NDArray[np.intp]) -> Heated:
        """The same places, and the masks of all."""
        before, added = cast(Heated, kept), cast(Heated, more).dense
        dense = before.dense
        inside = torch.cat([dense.inside, added.inside[rows]])
        outside = torch.cat([dense.outside, added.outside[rows]])
        return replace(before, dense=replace(dense, inside=inside, outside=outside))

    @property
    def reads_picture(self) -> bool:
        """What TAS reads."""
        return self.tas.reads_picture

    def read(self, features: SceneFeatures, encoder: TextEncoder) -> Heated:
        """What TAS reads."""
        kept = cast(Heated, features.kept)
        return replace(kept, captioned=self.tas.read(features, encoder))

    def without_captions(self) -> CoherentTas:
        """TAS less what it asks of captions; the coherence asks nothing of them."""
        return replace(self, tas=self.tas.without_captions())

    def score(
        self, features: SceneFeatures, expression: ReferringExpression, encoder: TextEncoder
    ) -> ScoreTable:
        """The scores of :meth:`Tas.score`, and H."""
        kept = cast(Heated, features.kept)
        table = self.tas.score(replace(features, kept=kept.captioned), expression, encoder)
        phrase = encoder.encode_texts([self.tas.target(expression) or table.text])[0]
        heat = coherence(kept.dense, phrase, self.config.balance)
        return table.plus(HEAT, heat, self.config.weight)
