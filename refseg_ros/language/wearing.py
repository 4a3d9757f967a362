# SPDX-License-Identifier: Apache-2.0
"""What people have on and in their hands: how they look, and nothing that they are inside of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from refseg_ros.language import lexicon
from refseg_ros.language.expression import NounPhrase, RelationKind
from refseg_ros.language.grammar import Item
from refseg_ros.language.tokens import lemma

_HANDS: Final = frozenset(("holding", "carrying", "holds", "carries", "hold", "carry"))
_WORN: Final = frozenset(map(lemma, lexicon.GARMENTS)) | lexicon.GARMENTS


def relation_to(
    item: Item, owner: NounPhrase, landmark: NounPhrase, tokens: Sequence[str]
) -> RelationKind:
    """The relation that is meant: ``WITH`` for "in a hat", and for what people hold.

    Args:
        item: A ``RELATION``.
        owner: What it is said of.
        landmark: What it is a relation to.
        tokens: The clause's tokens.
    """
    assert item.relation is not None
    last = tokens[item.stop - 1] if item.stop > item.start else item.word
    worn = landmark.head in _WORN or is_colour(landmark)
    dressed = item.relation is RelationKind.IN and last == "in" and worn
    if dressed or (last in _HANDS and lexicon.is_animate(owner.head)):
        return RelationKind.WITH
    return item.relation


def is_person(phrase: NounPhrase) -> bool:
    """Whether a phrase names somebody, and no animal: nobody calls that one "it"."""
    return lexicon.is_animate(phrase.head) and phrase.head not in lexicon.ANIMALS


def is_worn(phrase: NounPhrase) -> bool:
    """Whether a phrase names a garment."""
    return not _WORN.isdisjoint(phrase.text.split())


def is_colour(phrase: NounPhrase) -> bool:
    """Whether a phrase is a colour and nothing more: "in pink", "wearing black and white"."""
    words = set(phrase.text.split()) - {"all"}
    return bool(words) and words <= lexicon.COLOURS and not phrase.is_plural
