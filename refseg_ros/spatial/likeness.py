# SPDX-License-Identifier: Apache-2.0
"""How candidates look beside what is said, as shares of one and as truths of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

LEAST: Final = 1e-300
"""Weights that sum to no more are none."""


@dataclass(frozen=True)
class Likeness:
    """How the candidates look beside what a phrase says of looks.

    Attributes:
        shares: (N,) how likely each is it, summing to 1.
        fits: (N,) in [0, 1], whether each looks like it at all, whatever the others look like; the
            border is at 0.5.
        matched: Whether the shares tell of looks; false where nothing is said of them.
    """

    shares: Vector
    fits: Vector
    matched: bool = True


def any_of(looks: Sequence[Likeness]) -> Likeness:
    """How the candidates look beside several names of which any will do; at least one."""
    if len(looks) == 1:
        return looks[0]
    fits = np.stack([look.fits for look in looks])
    shares = np.stack([look.shares for look in looks])
    return replace(looks[0], shares=share_out((shares * fits).sum(0)), fits=fits.max(0))


def share_out(weights: Vector) -> Vector:
    """Weights that sum to 1; equal ones if all are 0."""
    total = weights.sum()
    if not total > LEAST:
        return np.full(len(weights), 1.0 / len(weights))
    shared: Vector = weights / total
    return shared


def logistic(values: Vector) -> Vector:
    """1 / (1 + e^-x) without overflow."""
    result: Vector = 0.5 * (1.0 + np.tanh(0.5 * np.asarray(values, np.float64)))
    return result
