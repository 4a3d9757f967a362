# SPDX-License-Identifier: Apache-2.0
"""The last stage: one thing is meant, nearly two, or none; and the sentence that says why."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from refseg_ros.config import DecisionConfig
from refseg_ros.language import ReferringExpression
from refseg_ros.matching import ScoreTable
from refseg_ros.results import Candidate, Proposals, Selection, Status
from refseg_ros.spatial.placing import Placing, usable_relations


def refusal(
    expression: ReferringExpression, count: int, vocabulary: Collection[str] | None
) -> tuple[Status, str] | None:
    """Why a question cannot be answered before anything is scored, if so.

    Args:
        expression: The parsed sentence.
        count: Number of proposals.
        vocabulary: Head nouns that the models know; None for any.

    Returns:
        Status and reason, or None when scoring makes sense.
    """
    if expression.is_empty:
        return Status.ERROR, "the expression is empty; say what to look for"
    if not count:
        return Status.NOT_FOUND, "nothing in the image stands out as an object"
    landmarks = (item for related in usable_relations(expression) for item in related.landmarks)
    for head in (expression.head, *(landmark.head for landmark in landmarks)):
        if vocabulary is not None and head and head not in vocabulary:
            return Status.NOT_FOUND, f"'{head}' is not a word that these models know"
    return None


def says_how_it_looks(expression: ReferringExpression) -> bool:
    """Whether there is a look to match: false for "the leftmost thing"."""
    return bool(expression.head or expression.attributes)


def rank(
    table: ScoreTable, placed: Placing, proposals: Proposals, captions: tuple[str, ...]
) -> tuple[Candidate, ...]:
    """All candidates, best first; those that position words rule out come last with score 0."""
    scores = np.where(placed.eligible, placed.weights, 0.0)
    scores = scores / scores.sum()
    areas = proposals.areas
    candidates = [
        Candidate(
            index=index,
            score=float(scores[index]),
            terms={name: float(column[index]) for name, column in table.terms.items()},
            eligible=bool(placed.eligible[index]),
            box=proposals.boxes[index],
            area=int(areas[index]),
            caption=captions[index],
        )
        for index in range(len(proposals))
    ]
    return tuple(sorted(candidates, key=lambda item: (not item.eligible, -item.score)))


def decide(
    expression: ReferringExpression,
    candidates: tuple[Candidate, ...],
    placed: Placing,
    proposals: Proposals,
    config: DecisionConfig,
    seconds: Mapping[str, float],
) -> Selection:
    """Select the chosen candidate, call it ambiguous, or refuse.

    Args:
        expression: The parsed sentence.
        candidates: Of :func:`rank`.
        placed: Names the chosen one.
        proposals: Hold its mask.
        config: Thresholds.
        seconds: Wall-clock seconds of the stages, for the record.
    """
    chosen = next(item for item in candidates if item.index == placed.index)
    others = [item.score for item in candidates if item.eligible and item is not chosen]
    margin = max(0.0, chosen.score - max(others, default=0.0))
    size = (proposals.masks.shape[1], proposals.masks.shape[2])
    match = chosen.terms["V"]
    if says_how_it_looks(expression) and match < config.min_match:
        reason = (
            f"nothing looks like it: the best candidate matches at {match:.1f} logits, and at "
            f"least {config.min_match:.1f} are asked for"
        )
        return Selection.none(
            expression.text, Status.NOT_FOUND, reason, size, candidates, seconds, margin
        )
    close = margin < config.min_margin
    return Selection(
        expression=expression.text,
        status=Status.AMBIGUOUS if close else Status.SELECTED,
        reason=_reason(chosen, margin, len(candidates), placed.reason, close),
        mask=proposals.masks[chosen.index],
        box=proposals.boxes[chosen.index],
        score=chosen.score,
        margin=margin,
        index=chosen.index,
        candidates=candidates,
        seconds=dict(seconds),
    )


def _reason(chosen: Candidate, margin: float, count: int, placing: str, close: bool) -> str:
    called = f" ({chosen.caption!r})" if chosen.caption else ""
    where = f", {placing}" if placing else ""
    verdict = "only just leads" if close else "leads"
    return (
        f"candidate {chosen.index + 1} of {count}{called} {verdict}"
        f" by {margin:.2f} with a share of {chosen.score:.2f}{where}"
    )
