# SPDX-License-Identifier: Apache-2.0
"""Percentile bootstrap over scenes.

Expressions of one scene share picture, proposals and mistakes, so they are no independent
trials: whole scenes are drawn with replacement (a cluster bootstrap; Efron & Tibshirani, An
Introduction to the Bootstrap, 1993, chapters 8 and 13). Intervals over expressions would be too
narrow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
"""Draws of scenes behind each interval."""
LEVEL = 0.95
"""Probability mass of each interval."""


@dataclass(frozen=True)
class Figure:
    """A measured number with its interval.

    Attributes:
        value: The estimate; None where there was nothing to measure.
        low: Lower end of the interval; None as above.
        high: Upper end of the interval; None as above.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"value": self.value, "low": self.low, "high": self.high}


def wilson(hits: float, count: int) -> Figure:
    """The share of hits among independent trials, with Wilson's score interval (1927).

    Args:
        hits: Of ``count`` trials, or what they hit on average.
        count: Trials; of none there is no figure.
    """
    if not count:
        return Figure(None)
    z = 1.959964  # of the normal distribution, for LEVEL
    share, spread = hits / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return Figure(share, max(0.0, middle - half), min(1.0, middle + half))


class Resampler:
    """The same draws of scenes for every figure, so that figures can be compared.

    Attributes:
        counts: (resamples, scenes) float64, how often each scene is in each draw.
    """

    def __init__(self, scenes: int, *, resamples: int = RESAMPLES, seed: int = 0) -> None:
        """Draw once.

        Args:
            scenes: Number of scenes, at least 1.
            resamples: Number of draws, at least 1000: fewer leave the 2.5 % tails to chance.
            seed: Seed for the draws, at least 0.

        Raises:
            ValueError: A number is too small.
        """
        for name, value, least in (
            ("scenes", scenes, 1),
            ("resamples", resamples, 1000),
            ("seed", seed, 0),
        ):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        rng = np.random.default_rng(seed)
        share = np.full(scenes, 1.0 / scenes)
        self.counts: NDArray[np.float64] = rng.multinomial(scenes, share, resamples).astype(float)

    def ratio(self, numerators: ArrayLike, denominators: ArrayLike) -> Figure:
        """A sum over scenes divided by a sum over scenes: shares, means and oIoU alike.

        Args:
            numerators: (scenes,) sum of each scene, e.g. its right answers.
            denominators: (scenes,) the same of what it is divided by, e.g. its expressions; not
                negative, 0 for a scene without any.

        Returns:
            The ratio and its percentile interval. Draws in which the denominator is 0 hold no
            such figure and are left out.

        Raises:
            ValueError: The lengths are not the number of scenes.
        """
        above, below = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
        scenes = (self.counts.shape[1],)
        for name, values in (("numerators", above), ("denominators", below)):
            if values.shape != scenes:
                raise ValueError(f"{name}: expected {scenes}, got {values.shape}")
        total = below.sum()
        if not total > 0:
            return Figure(None)
        drawn = self.counts @ below
        ratios = (self.counts @ above)[drawn > 0] / drawn[drawn > 0]
        tail = (1.0 - LEVEL) / 2.0
        low, high = np.quantile(ratios, (tail, 1.0 - tail))
        return Figure(float(above.sum() / total), float(low), float(high))
