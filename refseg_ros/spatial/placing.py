# SPDX-License-Identifier: Apache-2.0
"""Everything that a sentence says of place, applied to the candidates' weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from refseg_ros.config import CLOSENESS
from refseg_ros.language import ReferringExpression
from refseg_ros.language.expression import NounPhrase
from refseg_ros.language.tas.entities import Entity
from refseg_ros.language.usable import has_look, whole_of
from refseg_ros.results.explanation import Condition, ConditionKind, Weighing
from refseg_ros.spatial.layout import Layout
from refseg_ros.spatial.likeness import Likeness, share_out
from refseg_ros.spatial.rectifier import Rectification, rectify, rectify_released
from refseg_ros.spatial.weighed import Weighed
from refseg_ros.spatial.weighing import Weigher

Weights = NDArray[np.float64]

OUTLINED: Final = 4.0
"""Power of the estimated IoU of a mask beside its look, between masks of one thing."""


@dataclass(frozen=True)
class Placing:
    """Candidates after what the sentence says of place.

    Attributes:
        weights: (N,) float64, summing to 1.
        eligible: (N,) bool, the candidates left in the choice.
        chosen: The chosen candidates, the best first; they are eligible. One unless several are
            asked for.
        reason: What place words did; "" if the sentence has none.
        truth: In [0, 1], how far what is said beside looks holds for the chosen; the least of
            several.
        missing: Landmarks, in words, that no candidate looks like.
        open: Why the answer is not certain, in words; "" if nothing speaks against it.
        copies: Further masks of the chosen things, which are no rivals of theirs.
        by_whole: Whether the chosen is what the thing meant is a part of, as nothing shows that.
        weighing: How it came about, for an explanation.
    """

    weights: Weights
    eligible: NDArray[np.bool_]
    chosen: tuple[int, ...]
    reason: str
    truth: float = 1.0
    missing: tuple[str, ...] = ()
    open: str = ""
    copies: tuple[int, ...] = ()
    by_whole: bool = False
    weighing: Weighing = field(default_factory=Weighing)

    @property
    def index(self) -> int:
        """The best of the chosen."""
        return self.chosen[0]


def place(
    target: Likeness,
    expression: ReferringExpression,
    looks: Mapping[str, Likeness],
    layout: Layout,
    absolute: str,
    closeness: float = CLOSENESS,
    relations: bool = True,
    entity: Entity | None = None,
    best_copy: bool = False,
    things: NDArray[np.bool_] | None = None,
    parts: bool = False,
) -> Placing:
    """Weigh candidates by all that is said of them beside their looks, and choose.

    Args:
        target: How the N ≥ 1 candidates look beside the thing meant.
        expression: What was said.
        looks: How candidates look beside landmarks and exclusions, by the :attr:`NounPhrase.look`
            of each phrase of :func:`refseg_ros.language.usable.looks_of`; a relation whose
            landmark is missing here changes nothing.
        layout: The layout of the N candidates.
        absolute: "released": the half or quadrant that the paper's code chooses for ``entity``,
            weights untouched, and else only relations. "rectifier": the same by the positions of
            ``expression``. "extreme": everything that :class:`Weigher` knows; "the mug on the
            left" is the leftmost mug wherever the mugs stand. "off": as that without positions,
            sizes and orders of the thing meant.
        closeness: Share of the greatest from which another candidate counts as of the same look.
        relations: Whether relations are weighed.
        entity: "released": what the sentence is about; None leaves the best.
        best_copy: If a chosen thing has several masks, take the best mask: where a part of it fits
            what is said better than the whole does, the whole is meant.
        things: (N,) which candidates are things, of which one is any that is called so; all
            without it.
        parts: :attr:`Weigher.parts`.

    Returns:
        The placing.

    Raises:
        ValueError: There are no candidates, or ``absolute`` is unknown.
    """
    if not len(layout):
        raise ValueError("layout: expected at least one candidate, got none")
    if absolute not in ("released", "rectifier", "extreme", "off"):
        raise ValueError(
            f"absolute: expected released, rectifier, extreme or off, got {absolute!r}"
        )
    if expression.in_picture and layout.space is not None:
        layout = replace(layout, in_picture=True)
    phrase = expression.target
    if absolute != "extreme":
        phrase = NounPhrase(text=phrase.text, head=phrase.head, relations=phrase.relations)
    plain = share_out(np.zeros(len(layout)) if things is None else things.astype(np.float64))
    weigher = Weigher(layout, looks, plain, closeness, relations, parts)
    look = replace(target, shares=share_out(target.shares))
    found = weigher.weigh(phrase, look)
    weighing = _weighing(look, found, layout)
    reason = "; ".join(found.notes)
    choice = None
    if absolute == "released":
        choice = rectify_released(found.weights, layout.integer_centroids, entity)
    elif absolute == "rectifier" and expression.directions:
        choice = rectify(found.weights, layout.places[:, ::-1], expression.directions)
    if choice is not None and choice.index is not None:
        reason = "; ".join(filter(None, (reason, choice.reason)))
        weighing = _rectified(weighing, choice, expression)
        return Placing(found.weights, choice.eligible, (choice.index,), reason, weighing=weighing)
    truth = float(found.held[list(found.chosen)].min())
    if best_copy and not found.by_whole and (has_look(phrase) or whole_of(phrase) is None):
        found = _with_best_copies(found, look, layout)
        weighing = replace(weighing, ruled_out=found.ruled_out)
    chosen = list(found.chosen)
    return Placing(
        found.weights,
        found.eligible,
        found.chosen,
        reason,
        truth,
        found.missing,
        found.open,
        tuple(np.flatnonzero(layout.copies[chosen].any(0)).tolist()),
        found.by_whole,
        weighing,
    )


def _with_best_copies(found: Weighed, look: Likeness, layout: Layout) -> Weighed:
    """The same things by the masks of them that look most like it and are best outlined."""
    worth = look.shares * layout.proposals.quality.astype(np.float64) ** OUTLINED
    weights, chosen = found.weights.copy(), list(found.chosen)
    for place_of, index in enumerate(found.chosen):
        copies = [index, *np.flatnonzero(layout.copies[index]).tolist()]
        best = max(copies, key=lambda row: worth[row])
        if best not in chosen:
            chosen[place_of] = best
            weights[[index, best]] = weights[[best, index]]
    eligible = found.eligible.copy()
    eligible[chosen] = True
    # A copy that is taken after all is not ruled out as a copy.
    reasons = tuple("" if row in chosen else why for row, why in enumerate(found.ruled_out))
    return replace(
        found, weights=weights, chosen=tuple(chosen), eligible=eligible, ruled_out=reasons
    )


def _weighing(look: Likeness, found: Weighed, layout: Layout) -> Weighing:
    twins: list[list[int]] = [[] for _ in range(len(layout))]
    for first, second in zip(*(rows.tolist() for rows in np.nonzero(layout.copies)), strict=True):
        if first != second:
            twins[first].append(second)
    return Weighing(
        look.matched,
        tuple(look.shares.tolist()),
        tuple(look.fits.tolist()),
        tuple(found.truth.tolist()),
        found.conditions,
        found.ruled_out,
        tuple(tuple(others) for others in twins),
    )


def _rectified(
    weighing: Weighing, choice: Rectification, expression: ReferringExpression
) -> Weighing:
    """The weighing with the rectifier's decision, which alone rules out."""
    words = " ".join(direction.value for direction in expression.directions)
    inside = choice.eligible.tolist()
    holds = tuple(float(kept) for kept in inside)
    condition = Condition(ConditionKind.RECTIFIER, words, choice.reason, holds)
    return replace(
        weighing,
        conditions=(*weighing.conditions, condition),
        ruled_out=tuple("" if kept else f"does not lie {words}" for kept in inside),
    )
