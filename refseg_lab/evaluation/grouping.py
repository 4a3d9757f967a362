# SPDX-License-Identifier: Apache-2.0
"""Which phenomena share a column, and how answers of some kind are summed by scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from refseg_lab.evaluation.bootstrap import Figure, Resampler
from refseg_lab.evaluation.measure import RIGHT_IOU
from refseg_lab.evaluation.records import ABSENT, REFUSED, Answer, SceneResult

GROUPS: dict[str, tuple[str, ...]] = {
    "attribute": ("category", "colour", "size"),
    "absolute": ("position",),
    "relation": ("relation", "between", "containment"),
    "3-D": ("relation_3d",),
    "ordinal": ("ordinal",),
    "superlative": ("superlative",),
    "negation": ("negation",),
    "plural": ("plural",),
}
"""Phenomena that share a column of an ablation."""
SPATIAL = (
    *("position", "relation", "relation_3d", "between", "containment", "ordinal"),
    "superlative",
)
"""Phenomena whose sentences have words of place, size or order."""

Belongs = Callable[[Answer], bool]
Measure = Callable[[Answer], float]


def sums(
    results: Sequence[SceneResult], belongs: Belongs, measure: Measure = lambda answer: 1.0
) -> NDArray[np.float64]:
    """(scenes,) sum of a measure over the answers of each sample that belong.

    Args:
        results: One per sample.
        belongs: Whether an answer counts.
        measure: What is summed; by default the answers are counted.
    """
    return np.array(
        [
            sum(measure(answer) for answer in result.answers if belongs(answer))
            for result in results
        ],
        np.float64,
    )


def among(phenomena: Sequence[str]) -> Belongs:
    """Whether an answer is of one of some phenomena.

    Args:
        phenomena: Their names.
    """
    wanted = frozenset(phenomena)
    return lambda answer: answer.phenomenon in wanted


def has_target(answer: Answer) -> bool:
    """Whether a thing that is there was asked for."""
    return answer.phenomenon != ABSENT


def is_absent(answer: Answer) -> bool:
    """Whether a thing that is not there was asked for."""
    return answer.phenomenon == ABSENT


def is_right(answer: Answer) -> float:
    """1 for a right answer, 0 for a wrong one."""
    return float(answer.right)


def can_be_found(answer: Answer) -> bool:
    """Whether the thing asked for is there and proposals cover it: only refusing loses it."""
    return has_target(answer) and (answer.oracle or 0.0) >= RIGHT_IOU


def refusals(results: Sequence[SceneResult], draws: Resampler) -> dict[str, Figure]:
    """How often refusing goes wrong.

    Args:
        results: One per sample.
        draws: Bootstrap draws over the same number of samples.

    Returns:
        ``false_accepts``: share of the sentences about absent objects that were answered with a
        mask. ``false_rejects``: share of the sentences about objects that are there, and that
        proposals cover with IoU ≥ 0.5, that were refused. Exceptions are neither.
    """
    return {
        "false_accepts": draws.ratio(
            sums(results, is_absent, lambda answer: float(not answer.refused)),
            sums(results, is_absent),
        ),
        "false_rejects": draws.ratio(
            sums(results, can_be_found, lambda answer: float(answer.limit == REFUSED)),
            sums(results, can_be_found),
        ),
    }
