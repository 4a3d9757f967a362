# SPDX-License-Identifier: Apache-2.0
"""What the weighing of a phrase leaves behind for an explanation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refseg_ros.results.explanation import Condition, ConditionKind, Landmark
from refseg_ros.spatial.layout import Vector
from refseg_ros.spatial.orders import Order

PRODUCT = (
    ConditionKind.RELATION,
    ConditionKind.EXCLUSION,
    ConditionKind.SIZE,
    ConditionKind.POSITION,
)
"""Kinds whose truths are multiplied."""


_NOTES = {
    ConditionKind.RELATION: "weighed by {}",
    ConditionKind.EXCLUSION: "without what is {}",
    ConditionKind.SIZE: "weighed by size ({})",
    ConditionKind.POSITION: "weighed by position ({})",
}


@dataclass(frozen=True)
class Weighed:
    """The candidates after all that a phrase says.

    Attributes:
        weights: (N,) summing to 1; the greatest is ``chosen[0]``.
        held: (N,) in [0, 1], how far relations and exclusions hold.
        truth: (N,) in [0, 1], that times how well plain sizes and positions fit.
        eligible: (N,) bool, those among which was chosen.
        chosen: Indices of what is meant, the best first; one for the singular.
        notes: What was done, in words.
        missing: Landmarks, in words, that no candidate looks like.
        open: Why the answer is not certain, in words; "" if nothing speaks against it.
        by_whole: Whether the chosen is what the thing meant is a part of, as nothing shows that.
        conditions: What was weighed and what chose, with how far each holds.
        ruled_out: (N,) why each is not eligible; "" if it is.
    """

    weights: Vector
    held: Vector
    truth: Vector
    eligible: NDArray[np.bool_]
    chosen: tuple[int, ...]
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    open: str = ""
    by_whole: bool = False
    conditions: tuple[Condition, ...] = ()
    ruled_out: tuple[str, ...] = ()


def taken(words: str, fits: Vector, found: Weighed) -> Landmark:
    """What was taken for a landmark.

    Args:
        words: The words as said.
        fits: (N,) in [0, 1], how far each candidate looks like it.
        found: The candidates after all that is said of it.
    """
    share = float(found.weights[list(found.chosen)].sum())
    return Landmark(words, found.chosen, min(1.0, share), float(fits.max()), found.conditions)


def weighed_by(
    kind: ConditionKind, words: str, holds: Vector, landmarks: Sequence[Landmark] = ()
) -> Condition:
    """A condition whose (N,) truths are multiplied, one of :data:`PRODUCT`."""
    note = _NOTES[kind].format(words)
    return Condition(kind, words, note, tuple(holds.tolist()), landmarks=tuple(landmarks))


def ordered(
    order: Order, competing: Sequence[int], picked: Sequence[int], enough: bool = True
) -> Condition:
    """An order, with the place of each candidate that competes.

    Args:
        order: What ranks.
        competing: Rows of those that compete, at least one.
        picked: Rows of those chosen by it, at least one.
        enough: Whether there are so many as the rank asks for.
    """
    holds, ranks = np.zeros(len(order.values)), [0] * len(order.values)
    inside = list(competing)
    apart = np.abs(order.values[inside][:, None] - order.values[list(picked)][None]).min(1)
    holds[inside] = np.exp(-np.minimum(apart / order.scale, 600.0))
    for place, index in enumerate(sorted(inside, key=lambda k: (-order.values[k], k)), start=1):
        ranks[index] = place
    number = f"number {order.rank}" if order.rank > 0 else "the last"
    short = "" if enough else f"; number {abs(order.rank)} was asked for"
    note = f"{number} {order.name}, of {len(inside)} similar candidates{short}"
    return Condition(
        ConditionKind.ORDER, order.name, note, tuple(holds.tolist()), tuple(ranks), order.landmarks
    )


def ruled_out(
    eligible: NDArray[np.bool_],
    alike: NDArray[np.bool_],
    fits: Vector,
    conditions: Sequence[Condition],
    lowest: float,
    distinct: NDArray[np.intp],
    copies: NDArray[np.bool_],
) -> tuple[str, ...]:
    """Why each candidate is out of the choice, in words; "" for those in it.

    Args:
        eligible: (N,) those in the choice.
        alike: (N,) those whose share comes near enough to the greatest.
        fits: (N,) how far each looks like what was said at all.
        conditions: What was weighed.
        lowest: Truth that the product must reach.
        distinct: Rows of those that passed both, one mask a thing.
        copies: (N, N) which masks are of one thing.
    """
    if eligible.all():
        return ("",) * len(eligible)
    factors = [item for item in conditions if item.kind in PRODUCT]
    truth = np.prod([item.holds for item in factors], axis=0) if factors else np.ones(len(fits))
    things = set(distinct.tolist())
    others = copies[:, distinct] & (distinct != np.arange(len(copies))[:, None])
    twins = np.where(others.any(1), distinct[others.argmax(1)], -1).tolist()
    reasons = []
    for index, kept in enumerate(eligible.tolist()):
        if kept:
            reasons.append("")
        elif not alike[index]:
            reasons.append("looks less like it than others")
        elif truth[index] < lowest:
            worst = min(factors, key=lambda item: item.holds[index])
            words = "not " * (worst.kind is ConditionKind.EXCLUSION) + worst.words
            reasons.append(f"{words} holds to {worst.holds[index]:.2f}")
        elif index not in things and twins[index] >= 0:
            reasons.append(f"another mask of candidate {twins[index] + 1}")
        elif fits[index] < 0.5:
            reasons.append("does not look like it")
        else:
            reasons.append("others fit better")
    return tuple(reasons)
