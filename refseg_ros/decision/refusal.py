# SPDX-License-Identifier: Apache-2.0
"""What of a sentence can be asked of a scene, and what an answer to it leaves aside."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from refseg_ros.language import ReferringExpression, lemma
from refseg_ros.language.expression import Anaphora, NounPhrase
from refseg_ros.language.usable import (
    MAX_DEPTH,
    has_look,
    looks_of,
    usable,
    usable_exclusion,
    usable_relations,
)
from refseg_ros.results import Status


def refusal(
    expression: ReferringExpression,
    count: int,
    vocabulary: Collection[str] | None,
    aside: Unused | None = None,
    *,
    any_words: bool = False,
    told: bool = False,
) -> tuple[Status, str] | None:
    """Why a question cannot be answered before anything is scored, if so.

    Args:
        expression: The parsed sentence.
        count: Number of proposals.
        vocabulary: Head nouns that the models know; None for any.
        aside: What of the sentence will not be used.
        any_words: Whether any words will do, as where whole sentences are compared with crops.
        told: Whether it is known from before what to look for.

    Returns:
        Status and reason, or None when scoring makes sense.
    """
    target = expression.target
    if expression.is_empty and not (any_words or told):
        if not expression.text.strip():
            return Status.ERROR, "the expression is empty; say what to look for"
        if target.anaphora is not None:
            return Status.ERROR, (
                "the expression is empty but for what was meant before, and nothing was; name a "
                "thing, a colour or a place"
            )
        return Status.ERROR, (
            "the expression is empty of anything to look for: name a thing, a colour or a place"
        )
    excluded = any(usable_exclusion(item, target, vocabulary) for item in target.excluded)
    placed = bool(
        target.directions
        or target.superlatives
        or target.ordinal
        or target.sizes
        or excluded
        or usable_relations(expression, vocabulary)
    )
    if aside and str(aside) and not told and not (placed or says_how_it_looks(expression)):
        return Status.ERROR, f"{aside}, and nothing else is said: name the thing that is meant"
    if not count:
        return Status.NOT_FOUND, "nothing in the image stands out as an object"
    landmarks = (item for item, denied in looks_of(target, vocabulary) if not denied)
    own = () if told else (expression.head,)
    for head in (*own, *(landmark.head for landmark in landmarks)):
        if vocabulary is not None and head and head not in vocabulary:
            return Status.NOT_FOUND, f"'{head}' is not a word that these models know"
    return None


def says_how_it_looks(expression: ReferringExpression) -> bool:
    """Whether there is a look to match: false for "the leftmost thing", "the biggest one"."""
    return has_look(expression.target)


@dataclass(frozen=True)
class Unused:
    """What of a sentence an answer to it leaves aside.

    Attributes:
        words: Words of things and qualities that nothing was compared with, and those that could
            not be read.
        negated: What the thing meant is said not to be, where that could not be told.
        plural: The head as said, when several things are asked for and one is answered.
        things: Those of ``words`` that name a thing which the models know.
        before: Words that point to what was meant before, which is not known here.
    """

    words: tuple[str, ...] = ()
    negated: tuple[str, ...] = ()
    plural: str = ""
    things: tuple[str, ...] = ()
    before: str = ""

    @property
    def matters(self) -> bool:
        """Whether what was found may well not be what was asked for."""
        return bool(self.negated or self.plural or self.things or self.before)

    def __str__(self) -> str:
        parts = [f"'not {phrase}' was not used" for phrase in self.negated]
        parts += [f"'{word}' was not used" for word in self.words]
        parts += [f"'{self.plural}' are several, and one is looked for"] if self.plural else []
        parts += [f"{self.before}, and nothing was meant before"] if self.before else []
        return "; ".join(parts)


NOTHING_ASIDE: Final = Unused()
"""All of the sentence was used."""


def unused(
    expression: ReferringExpression,
    vocabulary: Collection[str] | None = None,
    *,
    sets: bool = True,
) -> Unused:
    """What of a sentence is left aside when only its noun phrases are matched.

    Args:
        expression: The parsed sentence.
        vocabulary: Nouns that the models know; None when that is not known.
        sets: Whether several things are found where several are asked for.
    """
    target = expression.target
    used = _forms(" ".join(_said(target, vocabulary)))
    denied = _forms(" ".join(expression.negated))
    words = [word for word in expression.content_words if word not in used | denied]
    words += [word for word in expression.unread if word not in (*words, *denied)]
    told = [usable_exclusion(item, target, vocabulary) for item in target.excluded]
    told += [False] * (len(expression.negated) - len(told))
    return Unused(
        words=tuple(words),
        negated=tuple(
            phrase
            for phrase, resolved in zip(expression.negated, told, strict=False)
            if not resolved
        ),
        plural=target.text if target.is_plural and not sets else "",
        things=tuple(word for word in words if word in (vocabulary or ())),
        before=_before(target),
    )


def _before(target: NounPhrase) -> str:
    """What a phrase takes from what was meant before, in words; "" if nothing."""
    if target.anaphora in _BEFORE:
        return _BEFORE[target.anaphora]
    pointed = (
        landmark.text
        for relation in target.relations
        for landmark in relation.landmarks
        if landmark.anaphora is Anaphora.SAME and not has_look(landmark)
    )
    text = next(pointed, "")
    return f"'{text}' is to be the thing meant before" if text else ""


_BEFORE = {
    Anaphora.OTHER: "it is to be another than before",
    Anaphora.SAME: "it is to be the same as before",
}
"""ONE ("the left one") needs nothing from before."""


def _forms(text: str) -> set[str]:
    return {form for word in text.split() for form in (word, lemma(word))}


def _said(phrase: NounPhrase, vocabulary: Collection[str] | None, depth: int = 0) -> Iterator[str]:
    """The words of a phrase that are matched or weighed, landmarks' too."""
    yield from phrase.size_words
    yield from (item.word for item in phrase.superlatives)
    if has_look(phrase):
        yield from (phrase.text, phrase.look)
    for relation in phrase.relations:
        if usable(relation, vocabulary):
            for landmark in relation.landmarks:
                yield landmark.text
                if depth < MAX_DEPTH:
                    yield from _said(landmark, vocabulary, depth + 1)
