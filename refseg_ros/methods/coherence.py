# SPDX-License-Identifier: Apache-2.0
"""Spatial coherence: how far a dense heat-map of the text lies inside a mask and nowhere else.

HybridGL (CVPR 2025): G is the similarity of each place with the head's noun phrase, stretched to
[0, 1] and divided by its mean; C_i = (2 − b) · mean of G inside mask i − b · mean of G outside.
One pass of the image serves all masks and all sentences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.backbones.clip_masked import resized
from refseg_ros.results import BoolMasks

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
