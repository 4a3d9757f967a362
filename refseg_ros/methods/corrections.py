# SPDX-License-Identifier: Apache-2.0
"""What mends the terms of TAS's score; each is one switch of :class:`ScoreConfig`."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

Logits = NDArray[np.float64]


def keep_top(positive: Logits, match: Logits, count: int) -> Logits:
    """P of the best by V alone; the others get the least P of those.

    A caption can then not lift a candidate that does not look like the target by itself, and
    captions of the others need not be known.

    Args:
        positive: (N,) P.
        match: (N,) V; of equals the first are kept.
        count: How many keep their P; 0 for all.

    Returns:
        (N,) P, finite where ``positive`` of the best is.
    """
    if not count or count >= len(match):
        return positive
    best = np.argsort(-match, kind="stable")[:count]
    kept = np.full(len(match), positive[best].min())
    kept[best] = positive[best]
    return kept


def distinctiveness(captions: torch.Tensor, regions: torch.Tensor, scale: float) -> Logits:
    """How far each caption tells its own region from the other candidates.

    q_i = softmax_j(s · u_i·v_j) at j = i, with the caption's text feature u_i and the region
    features v_j: near 1 for a caption that fits its region alone, 1/k for one that fits k regions
    as well ("a toy"), near 0 for one that fits another better.

    Args:
        captions: (N, D) L2-normalised text features of the captions.
        regions: (N, D) L2-normalised features of the regions.
        scale: CLIP's logit scale s.

    Returns:
        (N,) in [0, 1].
    """
    fits = (scale * captions @ regions.T).double().softmax(1)
    shares: Logits = fits.diagonal().numpy().copy()
    return shares


def draw_to_mean(positive: Logits, weights: Logits) -> Logits:
    """P'_i = mean(P) + q_i · (P_i - mean(P)): without distinction a caption says nothing.

    A factor on P itself would not do: P is far from 0 for every caption, so that a small factor
    would speak against the candidate.

    Args:
        positive: (N,) P.
        weights: (N,) q in [0, 1].
    """
    if not len(positive):
        return positive
    mean = positive.mean()
    drawn: Logits = mean + weights * (positive - mean)
    return drawn


def averaged(features: torch.Tensor) -> torch.Tensor:
    """The direction of the mean of text features, as for an ensemble of prompts.

    Args:
        features: (K, D) L2-normalised, K ≥ 1.

    Returns:
        (D,) L2-normalised.
    """
    return functional.normalize(features.mean(0), dim=-1)
