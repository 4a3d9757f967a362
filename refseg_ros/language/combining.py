# SPDX-License-Identifier: Apache-2.0
"""Sentences that lean on an earlier one, put together with it field by field."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from refseg_ros.language import ReferringExpression
from refseg_ros.language.expression import Anaphora, NounPhrase
from refseg_ros.language.lexicon import NOT_SAID
from refseg_ros.language.nouns import unique
from refseg_ros.language.usable import MAX_DEPTH, has_look

PREVIOUS: Final = "it"
"""Look of a landmark that is the thing meant before; see :attr:`Context.pinned`."""


def combined(
    before: ReferringExpression, said: ReferringExpression, coloured: bool = True
) -> ReferringExpression:
    """What "the left one" means after "the red mug": a red mug, on the left.

    From before come the noun, and each of colours, materials and plain sizes of which the
    follow-up says none; never places, orders, relations and numbers.

    Args:
        before: The earlier sentence, with its own references resolved.
        said: The follow-up.
        coloured: Whether colours, materials, sizes and qualities come over at all.
    """
    kind, more = before.target, said.target
    colours = more.colours or (kind.colours if coloured else ())
    materials = more.materials or (kind.materials if coloured else ())
    ranked = kind.sizes + tuple(item.word for item in kind.superlatives)
    gone = {*kind.colours, *kind.materials, *ranked, *(() if coloured else kind.qualities)}
    qualities = more.qualities + (kind.qualities if coloured else ())
    base = [word for word in kind.text.split() if word not in gone]
    text = " ".join(unique((*colours, *materials, *more.qualities, *base)))
    target = replace(
        more,
        text=text,
        head=kind.head,
        colours=colours,
        materials=materials,
        sizes=more.sizes or (kind.sizes if coloured else ()),
        qualities=unique(qualities),
        excluded=tuple(_of_kind(item, kind) for item in more.excluded),
        anaphora=None,
    )
    return _told(said, target, before)


def answering(before: ReferringExpression, said: ReferringExpression) -> ReferringExpression:
    """What an answer means of the candidates that are left: their sizes were weighed already."""
    return combined(replace(before, target=replace(before.target, sizes=())), said)


def look_only(before: ReferringExpression, text: str, count: int = 1) -> ReferringExpression:
    """The kind of thing that was meant, without where it is: of one already found.

    Args:
        before: What was said of it.
        text: The sentence that is answered.
        count: How many are meant.
    """
    several = NounPhrase(count=count, is_plural=True) if count > 1 else NounPhrase()
    return answering(before, ReferringExpression(text, target=several))


def by_itself(said: ReferringExpression) -> ReferringExpression:
    """The sentence without its reference: of "another mug" a mug."""
    return _told(said, replace(said.target, anaphora=None), said)


def pinned(said: ReferringExpression) -> ReferringExpression | None:
    """The sentence with "it" in "next to it" as a known landmark; None if it has no such."""
    target = _pinned(said.target)
    return None if target == said.target else replace(said, target=target)


def _pinned(phrase: NounPhrase, depth: int = 0) -> NounPhrase:
    if depth > MAX_DEPTH:
        return phrase
    relations = tuple(
        replace(relation, landmarks=tuple(_landmark(item, depth) for item in relation.landmarks))
        for relation in phrase.relations
    )
    excluded = tuple(_pinned(item, depth + 1) for item in phrase.excluded)
    return replace(phrase, relations=relations, excluded=excluded)


def _landmark(phrase: NounPhrase, depth: int) -> NounPhrase:
    if phrase.anaphora is Anaphora.SAME and not has_look(phrase):
        return NounPhrase(text=PREVIOUS, head=PREVIOUS)
    return _pinned(phrase, depth + 1)


def _of_kind(excluded: NounPhrase, kind: NounPhrase) -> NounPhrase:
    """What follows "not", of the kind that is spoken of: "the red one" is a red mug."""
    if excluded.head or excluded.anaphora is not Anaphora.ONE:
        return excluded
    if not (excluded.colours or excluded.materials):
        return replace(excluded, anaphora=None, text="")
    words = (*excluded.colours, *excluded.materials, kind.head)
    return replace(excluded, anaphora=None, head=kind.head, text=" ".join(filter(None, words)))


def _told(
    said: ReferringExpression, target: NounPhrase, before: ReferringExpression
) -> ReferringExpression:
    words = tuple(word for word in target.look.split() if word not in NOT_SAID)
    return replace(
        said,
        target=target,
        referring=target.look or before.referring or said.referring,
        content_words=unique((*words, *said.content_words)),
    )
