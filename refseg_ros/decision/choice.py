# SPDX-License-Identifier: Apache-2.0
"""The last stage: one thing is meant, nearly two, several or none; and why, in a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refseg_ros.config import DecisionConfig
from refseg_ros.decision.explaining import explain
from refseg_ros.language import ReferringExpression
from refseg_ros.language.reading import NOTHING_ASIDE, Unused
from refseg_ros.language.usable import has_look
from refseg_ros.methods.likeness import match
from refseg_ros.methods.names import NAMED, SURE_ENOUGH
from refseg_ros.methods.scoring import ScoreTable
from refseg_ros.results import Candidate, Proposals, Selection, Status, boxes_from_masks
from refseg_ros.results.explanation import Check
from refseg_ros.spatial.likeness import logistic
from refseg_ros.spatial.placing import Placing

SURE = 1e-3
"""How near to certainty a share is told apart."""


def rank(
    table: ScoreTable, placed: Placing, proposals: Proposals, captions: tuple[str, ...]
) -> tuple[Candidate, ...]:
    """All candidates, best first; those that position words rule out come last with score 0."""
    scores = np.where(placed.eligible, placed.weights, 0.0)
    # Shares of what position words leave in may all have underflowed to 0.
    total = scores.sum()
    scores = scores / total if total > 0 else placed.eligible / placed.eligible.sum()
    terms = {name: column.tolist() for name, column in table.terms.items()}
    columns = (scores, placed.eligible, proposals.areas)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    candidates = [
        Candidate(
            index=index,
            score=score,
            terms={name: column[index] for name, column in terms.items()},
            eligible=eligible,
            box=proposals.boxes[index],
            area=area,
            caption=captions[index],
        )
        for index, (score, eligible, area) in enumerate(rows)
    ]
    return tuple(sorted(candidates, key=lambda item: (not item.eligible, -item.score)))


def decide(
    expression: ReferringExpression,
    candidates: tuple[Candidate, ...],
    placed: Placing,
    proposals: Proposals,
    config: DecisionConfig,
    seconds: Mapping[str, float],
    aside: Unused = NOTHING_ASIDE,
    table: ScoreTable | None = None,
) -> Selection:
    """Select the chosen candidate, call it ambiguous, or refuse.

    Args:
        expression: The parsed sentence.
        candidates: The candidates from :func:`rank`.
        placed: Names the chosen one.
        proposals: Hold its mask.
        config: Thresholds.
        seconds: Wall-clock seconds of the stages, for the record.
        aside: What of the sentence was not used; said in the reason, and AMBIGUOUS if it matters.
        table: The scores behind ``candidates``, for the explanation.
    """
    chosen = [item for item in candidates if item.index in placed.chosen]
    chosen.sort(key=lambda item: placed.chosen.index(item.index))
    own = {*placed.chosen, *placed.copies}
    others = [item.score for item in candidates if item.eligible and item.index not in own]
    least = min(item.score for item in chosen)
    margin = max(0.0, least - max(others, default=0.0))
    size = (proposals.masks.shape[1], proposals.masks.shape[2])
    alike, truth, lead = checks = _checks(expression, chosen, placed, margin, config)
    refused = _mismatch(alike, truth, placed)
    close = lead.says_no
    more = len(namesakes(expression, candidates, placed, config))
    shared = (
        ("", "another one has the same name")[more]
        if more < 2
        else f"{more} others have the same name"
    )
    judged = alike.applies and alike.at_least > -math.inf
    misnamed = _misnamed(chosen) if judged else ""
    unsure = f"what is said holds only to {placed.truth:.2f}" if placed.truth < DOUBTED else ""
    notes = tuple(filter(None, (shared, misnamed, placed.open, unsure, str(aside))))
    objections = (refused, "it only just leads" if close else "", *notes)
    explanation = explain(expression, table, placed.weighing, checks, objections)
    if refused:
        reason = "; ".join(filter(None, (refused, str(aside))))
        none = Selection.none(
            expression.text, Status.NOT_FOUND, reason, size, candidates, seconds, margin
        )
        return replace(none, explanation=explanation)
    doubtful = close or aside.matters or bool(placed.open or shared or misnamed or unsure)
    indices = tuple(item.index for item in chosen)
    share = sum(item.score for item in candidates if item.index in own)
    mask: NDArray[np.bool_] = np.logical_or.reduce(proposals.masks[list(indices)])
    return Selection(
        expression=expression.text,
        status=Status.AMBIGUOUS if doubtful else Status.SELECTED,
        reason=_reason(chosen, margin, len(candidates), placed, close, notes),
        # Copies: what a caller draws into an answer must not change the scene.
        mask=mask,
        box=boxes_from_masks(mask[None])[0],
        score=confidence(min(1.0, share), config),
        margin=margin,
        index=indices[0],
        candidates=candidates,
        seconds=dict(seconds),
        indices=indices,
        explanation=explanation,
    )


def logit(shares: ArrayLike) -> NDArray[np.float64]:
    """log(p / (1 - p)) of shares in [0, 1], within :data:`SURE` of certainty at most."""
    within = np.clip(np.asarray(shares, np.float64), SURE, 1.0 - SURE)
    result: NDArray[np.float64] = np.log(within / (1.0 - within))
    return result


def confidence(share: float, config: DecisionConfig) -> float:
    """How likely an answer is right, from its share among the candidates (Platt, 1999).

    Args:
        share: The share of what is answered, further masks of the same things included; in [0, 1].
        config: Its line; by the one that changes nothing the share is returned as it is.
    """
    if config.score_slope == 1.0 and config.score_offset == 0.0:
        return share
    return float(logistic(config.score_slope * logit(share) + config.score_offset))


DOUBTED: Final = 0.25
"""Truth of what is said beside looks below which an answer is AMBIGUOUS."""
AS_TRUE: Final = 0.5
"""Share of the chosen one's truth from which what is said beside looks holds for another too."""


def namesakes(
    expression: ReferringExpression,
    candidates: tuple[Candidate, ...],
    placed: Placing,
    config: DecisionConfig,
) -> tuple[int, ...]:
    """Other things that are what was said, where nothing that was said tells which is meant.

    A matcher finds one of three stars the most star-like; that one is not meant for it. So what
    is called what was said, looks like it, and for which relations and exclusions hold as well,
    is as good an answer. Where a place, size, order or number is said, that decides.

    Args:
        expression: The parsed sentence.
        candidates: The candidates from :func:`rank`.
        placed: Names the chosen one.
        config: :attr:`DecisionConfig.namesakes`, and the threshold of looks.

    Returns:
        Indices, best first and one mask a thing; none where captions are not weighed.
    """
    target = expression.target
    ordered = target.superlatives or target.sizes or target.directions or target.ordinal
    ordered = ordered or any(relation.extreme for relation in target.relations)
    several = target.is_plural or (target.count or 1) > 1 or target.is_any
    if not config.namesakes or ordered or several:
        return ()
    own = {*placed.chosen, *placed.copies}
    # Beside looks without a threshold a name alone does not tell that another one fits too.
    named = has_look(target) and config.calibrated
    named = named and any(NAMED in item.terms for item in candidates)
    truth = placed.weighing.truth
    least = AS_TRUE * max((truth[index] for index in placed.chosen), default=1.0) if truth else 0.0
    copies = placed.weighing.copies
    found: list[int] = []
    for item in candidates:
        index = item.index
        called = item.terms.get("C", 0.0) > 0 or (named and item.terms[NAMED] >= SURE_ENOUGH)
        fits = called and match(item.terms) >= config.min_match
        holds = not truth or truth[index] >= least
        counted = index in own or (copies and not set(copies[index]).isdisjoint(found))
        if item.eligible and fits and holds and not counted:
            found.append(index)
    return tuple(found)


TIED_SHARE: Final = 0.5
"""Share of the runner-up's score from which further candidates count as tied too."""


def rivals(
    expression: ReferringExpression,
    selection: Selection,
    placed: Placing,
    copies: NDArray[np.bool_],
    config: DecisionConfig,
) -> tuple[int, ...]:
    """The candidates of an unsure answer that fit about as well, best first.

    Those whose score comes within ``min_margin`` of the chosen one's, without any that has less
    than :data:`TIED_SHARE` times the runner-up's, and :func:`namesakes`. Where a number or rank
    that was said is not met, all that competed. Of several masks of one thing only the best.

    Args:
        expression: The parsed sentence.
        selection: The selection from :func:`decide`.
        placed: Names the chosen ones and those that competed.
        copies: (N, N) whether two candidates are masks of one thing; :attr:`Layout.copies`.
        config: Thresholds.

    Returns:
        Indices, the chosen ones first; () unless the answer is AMBIGUOUS.
    """
    if selection.status is not Status.AMBIGUOUS:
        return ()
    chosen = selection.indices
    scores = {item.index: item.score for item in selection.candidates if item.eligible}
    own = {*chosen, *np.flatnonzero(copies[:, list(chosen)].any(1)).tolist()}
    others = [k for k in scores if k not in own]
    least = min(scores[index] for index in chosen)
    second = max((scores[index] for index in others), default=0.0)
    allowed = config.min_margin * (least if len(chosen) > 1 else 1.0)
    if expression.target.is_any:
        allowed = 0.0
    kept, alike = list(chosen), namesakes(expression, selection.candidates, placed, config)
    for index in others:
        close = scores[index] > least - allowed and scores[index] >= TIED_SHARE * second
        close = close or index in alike
        if (close or placed.open) and not copies[index, kept].any():
            kept.append(index)
    return tuple(kept)


def _checks(
    expression: ReferringExpression,
    chosen: list[Candidate],
    placed: Placing,
    margin: float,
    config: DecisionConfig,
) -> tuple[Check, Check, Check]:
    """The thresholds: of the match, of what is said beside looks, and of the lead."""
    # The members of a set share what one thing would have.
    least = min(item.score for item in chosen) if len(chosen) > 1 else 1.0
    seen = match(chosen[0].terms)
    return (
        # What stands for a part of it need not look like the part.
        Check(
            "min_match",
            seen,
            config.min_match,
            has_look(expression.target) and not placed.by_whole,
        ),
        Check("min_truth", placed.truth, config.min_truth),
        Check("min_margin", margin, config.min_margin * least, not expression.target.is_any),
    )


def _misnamed(chosen: list[Candidate]) -> str:
    """That a chosen one's caption names another kind or colour than was said; "" if none does."""
    names = (repr(item.caption) for item in chosen if item.terms.get("C", 0.0) < 0)
    name = next(names, "")
    return f"it looks like what was said, and its caption is {name}" if name else ""


def _mismatch(alike: Check, truth: Check, placed: Placing) -> str:
    """Why the best there is is not what was asked for; "" if it may be."""
    if alike.says_no:
        return (
            f"nothing looks like it: the best candidate matches at {alike.value:.1f} logits, and "
            f"at least {alike.at_least:.1f} are needed"
        )
    if placed.missing:
        return f"nothing looks like the '{placed.missing[0]}' that it is described by"
    if truth.says_no:
        return (
            f"nothing that looks like it is where it should be: what is said holds to "
            f"{placed.truth:.2f} for the best, {placed.reason}"
        )
    return ""


def _reason(
    chosen: list[Candidate],
    margin: float,
    count: int,
    placed: Placing,
    close: bool,
    notes: tuple[str, ...],
) -> str:
    best = chosen[0]
    called = f" ({best.caption!r})" if best.caption else ""
    where = f", {placed.reason}" if placed.reason else ""
    verdict = "only just leads" if close else "leads"
    noted = "".join(f"; {note}" for note in notes)
    if len(chosen) > 1:
        numbers = ", ".join(str(item.index + 1) for item in chosen)
        verdict = "only just lead" if close else "lead"
        return f"candidates {numbers} of {count} {verdict} by {margin:.2f}{where}{noted}"
    return (
        f"candidate {best.index + 1} of {count}{called} {verdict}"
        f" by {margin:.2f} with a share of {best.score:.2f}{where}{noted}"
    )
