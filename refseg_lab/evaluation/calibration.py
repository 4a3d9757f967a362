# SPDX-License-Identifier: Apache-2.0
"""Whether ``score`` is the probability that an answer is right.

Expected calibration error (Naeini et al., AAAI 2015; Guo et al., ICML 2017, equation 3): answers
are binned by score, and the distances between the mean score of a bin and its share of right
answers are averaged, each bin by its number of answers. Brier score (Brier, 1950): the mean
squared distance of the score from 1 for a right answer and from 0 for a wrong one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refseg_lab.evaluation.bootstrap import LEVEL, Figure, Resampler
from refseg_lab.evaluation.records import ABSENT, Answer, SceneResult

BINS = 15
"""Bins of scores, as in Guo et al."""
SIMULATED = 500
"""Draws behind the error that chance alone makes."""
PLURAL = "plural"
"""Phenomenon whose score is a sum over several candidates, and no probability of one."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """Answers of about the same score.

    Attributes:
        low: Score above which they lie (at which, for the first).
        high: Score up to which they lie.
        n: How many.
        score: Mean score; 0 without any.
        right: Share that is right; 0 without any.
    """

    low: float
    high: float
    n: int
    score: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """How far scores are probabilities.

    Attributes:
        n: Answers that count.
        score: Mean score.
        right: Share that is right.
        ece: Expected calibration error over :data:`BINS` bins of equal width.
        chance: What ``ece`` would be on average if every score were the probability that its
            answer is right: the part that comes from having only ``n`` answers.
        ece_mass: The same over bins of equally many answers; those of one score stay together.
        brier: Brier score.
        bins: All bins, of equal width.
    """

    n: int
    score: Figure
    right: Figure
    ece: Figure
    chance: float
    ece_mass: Figure
    brier: Figure
    bins: tuple[Bin, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        figures = ("score", "right", "ece", "ece_mass", "brier")
        return {
            "n": self.n,
            "chance": self.chance,
            **{name: getattr(self, name).as_json() for name in figures},
            "bins": [dict(vars(item)) for item in self.bins],
        }


def answered(answer: Answer) -> bool:
    """Whether an answer's score counts for calibration: one thing, asked for and answered."""
    return answer.phenomenon not in (PLURAL, ABSENT) and not answer.refused


def answered_at_all(answer: Answer) -> bool:
    """Like :func:`answered`, but absent objects count too: an answer about one is wrong."""
    return answer.phenomenon != PLURAL and not answer.refused


def measured_calibration(
    results: Sequence[SceneResult], draws: Resampler, *, absent: bool = False
) -> Calibration | None:
    """Compare scores with which answers are right.

    Args:
        results: One per sample.
        draws: Bootstrap draws over the same number of samples.
        absent: Whether answers to sentences about absent objects count as wrong ones; else they
            are left out.

    Returns:
        The figures; None if nothing was answered.
    """
    counts = answered_at_all if absent else answered
    rows = [
        (scene, answer.score, answer.right and answer.iou is not None)
        for scene, result in enumerate(results)
        for answer in result.answers
        if counts(answer)
    ]
    if not rows:
        return None
    scene = np.array([row[0] for row in rows], np.int64)
    score = np.array([row[1] for row in rows], np.float64)
    right = np.array([row[2] for row in rows], np.float64)
    edges = np.linspace(0.0, 1.0, BINS + 1)

    def total(values: Array) -> Array:
        return np.bincount(scene, values, len(results)).astype(np.float64)

    one = np.ones_like(score)
    return Calibration(
        n=len(rows),
        score=draws.ratio(total(score), total(one)),
        right=draws.ratio(total(right), total(one)),
        ece=_error(scene, score, right, edges, draws),
        chance=chance_error(score, edges),
        ece_mass=_error(scene, score, right, equal_mass(score), draws),
        brier=draws.ratio(total((score - right) ** 2), total(one)),
        bins=_bins(score, right, edges),
    )


def equal_mass(score: Array) -> Array:
    """Edges of bins of equally many scores; fewer bins where many scores are the same.

    Args:
        score: (N,) in [0, 1], N ≥ 1.

    Returns:
        (M + 1,) float64 ascending from 0 to 1, M ≤ :data:`BINS`.
    """
    ordered = np.sort(score)
    last = -(-np.arange(1, BINS) * len(score) // BINS) - 1  # rows at which bins end
    inner = np.unique(ordered[last[last >= 0]])
    return np.array([0.0, *inner[(inner > 0) & (inner < 1)], 1.0])


def bin_of(score: Array, edges: Array) -> NDArray[np.int64]:
    """The bin of each score: (low, high], and 0 in the first.

    Args:
        score: (N,) in [0, 1].
        edges: (M + 1,) ascending from 0 to 1.
    """
    return np.digitize(score, edges[1:-1], right=True).astype(np.int64)


def calibration_error(score: Array, right: Array, edges: Array) -> float:
    """Expected calibration error.

    Args:
        score: (N,) in [0, 1], N ≥ 1.
        right: (N,) 0 or 1.
        edges: Edges of the bins, as in :func:`bin_of`.
    """
    gaps = np.bincount(bin_of(score, edges), score - right, len(edges) - 1)
    return float(np.abs(gaps).sum() / len(score))


def chance_error(score: Array, edges: Array) -> float:
    """Mean calibration error of answers that are right with the probability of their score.

    Args:
        score: (N,) in [0, 1], N ≥ 1.
        edges: Edges of the bins, as in :func:`bin_of`.

    Returns:
        The mean over :data:`SIMULATED` draws, always the same ones for the same scores.
    """
    rng = np.random.default_rng(0)
    drawn = (rng.uniform(size=score.shape) < score for _ in range(SIMULATED))
    return float(
        np.mean([calibration_error(score, right.astype(float), edges) for right in drawn])
    )


def _error(
    scene: NDArray[np.int64], score: Array, right: Array, edges: Array, draws: Resampler
) -> Figure:
    """The error with its basic bootstrap interval.

    Chance alone makes bins disagree, so the error of a sample lies above that of the population,
    and that of a resample above that of the sample, by about as much. The basic interval, which
    reflects the resamples' at the estimate, takes most of that out; the percentile one would add
    it. Near 0 some is left: compare the estimate with :attr:`Calibration.chance`.
    """
    estimate = calibration_error(score, right, edges)
    cells = scene * (len(edges) - 1) + bin_of(score, edges)
    size = draws.counts.shape[1] * (len(edges) - 1)
    gaps = np.bincount(cells, score - right, size).reshape(-1, len(edges) - 1)
    drawn = draws.counts @ np.bincount(scene, minlength=len(gaps))
    errors = np.abs(draws.counts @ gaps).sum(1)[drawn > 0] / drawn[drawn > 0]
    tail = (1.0 - LEVEL) / 2.0
    low, high = 2 * estimate - np.quantile(errors, (1.0 - tail, tail))
    return Figure(estimate, float(min(max(low, 0.0), estimate)), float(max(high, estimate)))


def _bins(score: Array, right: Array, edges: Array) -> tuple[Bin, ...]:
    which = bin_of(score, edges)
    counts = np.bincount(which, minlength=len(edges) - 1)
    scores = np.bincount(which, score, len(edges) - 1) / np.maximum(counts, 1)
    rights = np.bincount(which, right, len(edges) - 1) / np.maximum(counts, 1)
    return tuple(
        Bin(float(low), float(high), int(n), float(mean), float(share))
        for low, high, n, mean, share in zip(
            edges[:-1], edges[1:], counts, scores, rights, strict=True
        )
    )
