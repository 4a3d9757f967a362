# SPDX-License-Identifier: Apache-2.0
"""Parts of things: "the lid of the jar" is part of a jar, "a cup of tea" of nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from refseg_ros.language import lexicon
from refseg_ros.language.expression import NounPhrase
from refseg_ros.language.grammar import Item, Kind
from refseg_ros.language.nouns import parse_phrase
from refseg_ros.language.tokens import lemma

_NO_PARTS: Final = (
    lexicon.MEASURES
    | lexicon.CONTAINERS
    | lexicon.DEPICTIONS
    | lexicon.CROWDS
    | lexicon.ABSTRACT
    | lexicon.GENERIC_NOUNS
)


def named_whole(
    items: Sequence[Item], start: int, stop: int, phrase: NounPhrase
) -> NounPhrase | None:
    """The thing that a noun phrase names a part of: the jar of "the lid of the jar".

    What follows "of" with an article can be counted, so it has parts; what has none is what the
    noun before is full of, made of or many of ("cup of tea", "group of people").

    Args:
        items: The items of a clause.
        start: The first item of the phrase.
        stop: The item after it.
        phrase: The phrase that they were read as.

    Returns:
        The whole; None where the phrase names no part.
    """
    of = next((k for k in range(start, stop) if items[k].kind is Kind.OF), stop)
    if of + 1 >= stop or items[of + 1].kind is not Kind.ARTICLE or not phrase.head:
        return None
    noun = lemma(items[of - 1].word)
    if noun != phrase.head or noun in _NO_PARTS or lexicon.is_animate(noun):
        return None
    whole, _ = parse_phrase(items[:stop], of + 1)
    return whole if whole.head else None
