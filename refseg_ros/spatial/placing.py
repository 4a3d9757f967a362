# SPDX-License-Identifier: Apache-2.0
"""Everything that a sentence says of place, applied to the candidates' weights, in one order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refseg_ros.language import ReferringExpression, Relation
from refseg_ros.language.lexicon import SIZES
from refseg_ros.results import Proposals
from refseg_ros.spatial.position import (
    CLOSENESS,
    PRIOR_SCALE,
    in_frame,
    position_prior,
    rank_extreme,
    reach,
    size_prior,
)
from refseg_ros.spatial.rectifier import rectify
from refseg_ros.spatial.relations import SUPPORTED, relate

Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Placing:
    """Candidates after what the sentence says of place.

    Attributes:
        weights: (N,) float64, summing to 1.
        eligible: (N,) bool, the candidates left in the choice.
        index: The chosen candidate; it is eligible.
        reason: What place words did; "" if the sentence has none.
    """

    weights: Weights
    eligible: NDArray[np.bool_]
    index: int
    reason: str


def place(
    weights: Weights,
    expression: ReferringExpression,
    landmarks: Mapping[str, Weights],
    proposals: Proposals,
    absolute: str,
    closeness: float = CLOSENESS,
) -> Placing:
    """Weigh candidates by relations, then choose one by absolute position.

    Args:
        weights: (N,) shares of the candidates, N ≥ 1, finite and not negative.
        expression: What was said.
        landmarks: For each landmark phrase of :func:`usable_relations`, (N,) how likely each
            candidate is it; a relation whose landmark is missing here changes nothing.
        proposals: The N candidates.
        absolute: "rectifier": the paper's half or quadrant, weights untouched. "extreme": sizes
            are a soft prior, and a position picks the furthest of the candidates alike, since "the
            mug on the left" is the leftmost mug wherever the mugs stand. "off": positions change
            nothing.
        closeness: See :func:`refseg_ros.spatial.rank_extreme`.

    Returns:
        The placing.

    Raises:
        ValueError: There are no candidates, or ``absolute`` is unknown.
    """
    if not len(weights):
        raise ValueError("weights: expected at least one candidate, got none")
    if absolute not in ("rectifier", "extreme", "off"):
        raise ValueError(f"absolute: expected rectifier, extreme or off, got {absolute!r}")
    shared = _shared(np.asarray(weights, np.float64))
    reasons = []
    for relation in usable_relations(expression):
        if all(landmark.text in landmarks for landmark in relation.landmarks):
            shared = _related(shared, relation, landmarks, proposals)
            kind = relation.kind.value.replace("_", " ")
            reasons.append(f"weighed by {kind} '{relation.phrase}'")
    placing = _positioned(shared, expression, proposals, absolute, closeness)
    reasons += [placing.reason] if placing.reason else []
    return Placing(placing.weights, placing.eligible, placing.index, "; ".join(reasons))


def _shared(weights: Weights) -> Weights:
    """Weights that sum to 1; equal ones if all are 0."""
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(weights), 1 / len(weights))


def usable_relations(expression: ReferringExpression) -> tuple[Relation, ...]:
    """The relations that can be weighed.

    Those of a kind without geometry ("with"), those to the table that everything stands on, and
    those to a landmark without a look to search for ("it") are left out.
    """
    return tuple(
        relation
        for relation in expression.relations
        if relation.kind in SUPPORTED
        and not relation.on_support
        and all(landmark.head or landmark.attributes for landmark in relation.landmarks)
    )


def _related(
    weights: Weights, relation: Relation, landmarks: Mapping[str, Weights], proposals: Proposals
) -> Weights:
    """The weights after one relation."""
    size = (proposals.masks.shape[1], proposals.masks.shape[2])
    likely = [
        landmarks[item.text] * position_prior(proposals.centroids, item.directions, size)
        for item in relation.landmarks
    ]
    return relate(
        relation.kind,
        weights,
        likely[0],
        proposals.boxes,
        second_landmark_weights=likely[1] if len(likely) > 1 else None,
    )


def _positioned(
    weights: Weights,
    expression: ReferringExpression,
    proposals: Proposals,
    absolute: str,
    closeness: float,
) -> Placing:
    everything = np.ones(len(weights), np.bool_)
    directions = expression.directions
    if absolute == "rectifier" and directions:
        choice = rectify(weights, proposals.centroids, directions)
        return Placing(weights, choice.eligible, _index(choice.index), choice.reason)
    reasons = []
    if absolute == "extreme":
        signs = {SIZES[word] for word in expression.target.size_words}
        if len(signs) == 1:
            weights = _shared(weights * size_prior(weights, proposals.areas, signs.pop()))
            reasons.append(f"weighed by size ({' '.join(expression.target.size_words)})")
        if directions:
            placing = _to_directions(weights, expression, proposals, closeness)
            reasons.append(placing.reason)
            return Placing(placing.weights, placing.eligible, placing.index, "; ".join(reasons))
    return Placing(weights, everything, int(np.argmax(weights)), "; ".join(reasons))


def _index(index: int | None) -> int:
    """The index of a choice among at least one candidate."""
    if index is None:
        raise ValueError("weights: expected at least one candidate, got none")
    return index


def _to_directions(
    weights: Weights, expression: ReferringExpression, proposals: Proposals, closeness: float
) -> Placing:
    """The furthest of the candidates alike, and weights that agree with that choice."""
    directions = expression.directions
    size = (proposals.masks.shape[1], proposals.masks.shape[2])
    centroids = np.asarray(proposals.centroids, np.float64)
    rank = expression.ordinal or 1
    choice = rank_extreme(weights, centroids, directions, size, rank=rank, closeness=closeness)
    index, members = _index(choice.index), np.flatnonzero(choice.eligible)
    # Those that compete count as alike; how far each lies from the chosen one sets it apart.
    distances = reach(in_frame(centroids[members], size), directions)
    apart = np.abs(distances - distances[np.flatnonzero(members == index)[0]])
    placed = weights.copy()
    placed[members] = weights[members].mean() * np.exp(-apart / PRIOR_SCALE)
    return Placing(_shared(placed), choice.eligible, index, choice.reason)
