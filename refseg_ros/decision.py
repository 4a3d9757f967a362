# SPDX-License-Identifier: Apache-2.0
"""The last stage: one thing is meant, nearly two, or none; and the sentence that says why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from refseg_ros.config import DecisionConfig
from refseg_ros.language import ReferringExpression, lemma
from refseg_ros.matching import ScoreTable
from refseg_ros.results import Candidate, Proposals, Selection, Status
from refseg_ros.spatial.placing import Placing, usable_relations


def refusal(
    expression: ReferringExpression,
    count: int,
    vocabulary: Collection[str] | None,
    aside: Unused | None = None,
) -> tuple[Status, str] | None:
    """Why a question cannot be answered before anything is scored, if so.

    Args:
        expression: The parsed sentence.
        count: Number of proposals.
        vocabulary: Head nouns that the models know; None for any.
        aside: What of the sentence will not be used.

    Returns:
        Status and reason, or None when scoring makes sense.
    """
    if expression.is_empty:
        if not expression.text.strip():
            return Status.ERROR, "the expression is empty; say what to look for"
        return Status.ERROR, (
            "the expression is empty of anything to look for: name a thing, a colour or a place"
        )
    target = expression.target
    placed = bool(target.directions or target.size_words or usable_relations(expression))
    if aside and str(aside) and not (placed or says_how_it_looks(expression)):
        return Status.ERROR, f"{aside}, and nothing else is said: name the thing that is meant"
    if not count:
        return Status.NOT_FOUND, "nothing in the image stands out as an object"
    landmarks = (item for related in usable_relations(expression) for item in related.landmarks)
    for head in (expression.head, *(landmark.head for landmark in landmarks)):
        if vocabulary is not None and head and head not in vocabulary:
            return Status.NOT_FOUND, f"'{head}' is not a word that these models know"
    return None


def says_how_it_looks(expression: ReferringExpression) -> bool:
    """Whether there is a look to match: false for "the leftmost thing", "the biggest one"."""
    target = expression.target
    return bool(target.head or target.colours or target.materials)


@dataclass(frozen=True)
class Unused:
    """What of a sentence an answer to it leaves aside.

    Attributes:
        words: Words of things and qualities that nothing was compared with.
        negated: What the thing meant is said not to be; exclusion is not resolved.
        plural: The head as said, when several things are asked for and one is answered.
        things: Those of ``words`` that name a thing which the models know.
    """

    words: tuple[str, ...] = ()
    negated: tuple[str, ...] = ()
    plural: str = ""
    things: tuple[str, ...] = ()

    @property
    def matters(self) -> bool:
        """Whether the one thing found may well not be what was asked for."""
        return bool(self.negated or self.plural or self.things)

    def __str__(self) -> str:
        parts = [f"'not {phrase}' was not used" for phrase in self.negated]
        parts += [f"'{word}' was not used" for word in self.words]
        parts += [f"'{self.plural}' are several, and one is looked for"] if self.plural else []
        return "; ".join(parts)


def unused(expression: ReferringExpression, vocabulary: Collection[str] | None = None) -> Unused:
    """What of a sentence is left aside when only its head noun phrase is matched.

    Args:
        expression: The parsed sentence.
        vocabulary: Nouns that the models know; None when that is not known.
    """
    target = expression.target
    said = [
        *target.size_words,
        *([target.text, target.look] if says_how_it_looks(expression) else ()),
    ]
    # What everything stands on tells nothing apart: leaving it aside is right.
    weighed = (*usable_relations(expression), *(r for r in expression.relations if r.on_support))
    said += [landmark.text for relation in weighed for landmark in relation.landmarks]
    used = {form for word in " ".join(said).split() for form in (word, lemma(word))}
    denied = {
        form for word in " ".join(expression.negated).split() for form in (word, lemma(word))
    }
    words = tuple(word for word in expression.content_words if word not in used | denied)
    return Unused(
        words=words,
        negated=expression.negated,
        plural=target.text if target.is_plural else "",
        things=tuple(word for word in words if word in (vocabulary or ())),
    )


def rank(
    table: ScoreTable, placed: Placing, proposals: Proposals, captions: tuple[str, ...]
) -> tuple[Candidate, ...]:
    """All candidates, best first; those that position words rule out come last with score 0."""
    scores = np.where(placed.eligible, placed.weights, 0.0)
    # Shares of what position words leave in may all have underflowed to 0.
    total = scores.sum()
    scores = scores / total if total > 0 else placed.eligible / placed.eligible.sum()
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
    aside: Unused = Unused(),
) -> Selection:
    """Select the chosen candidate, call it ambiguous, or refuse.

    Args:
        expression: The parsed sentence.
        candidates: Of :func:`rank`.
        placed: Names the chosen one.
        proposals: Hold its mask.
        config: Thresholds.
        seconds: Wall-clock seconds of the stages, for the record.
        aside: What of the sentence was not used; said in the reason, and AMBIGUOUS if it matters.
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
        reason = "; ".join(filter(None, (reason, str(aside))))
        return Selection.none(
            expression.text, Status.NOT_FOUND, reason, size, candidates, seconds, margin
        )
    close = margin < config.min_margin
    return Selection(
        expression=expression.text,
        status=Status.AMBIGUOUS if close or aside.matters else Status.SELECTED,
        reason=_reason(chosen, margin, len(candidates), placed.reason, close, aside),
        # Copies: what a caller draws into an answer must not change the scene.
        mask=proposals.masks[chosen.index].copy(),
        box=proposals.boxes[chosen.index].copy(),
        score=chosen.score,
        margin=margin,
        index=chosen.index,
        candidates=candidates,
        seconds=dict(seconds),
    )


def _reason(
    chosen: Candidate, margin: float, count: int, placing: str, close: bool, aside: Unused
) -> str:
    called = f" ({chosen.caption!r})" if chosen.caption else ""
    where = f", {placing}" if placing else ""
    verdict = "only just leads" if close else "leads"
    note = f"; {aside}" if str(aside) else ""
    return (
        f"candidate {chosen.index + 1} of {count}{called} {verdict}"
        f" by {margin:.2f} with a share of {chosen.score:.2f}{where}{note}"
    )
