# SPDX-License-Identifier: Apache-2.0
"""Verbs in the present after their subject: "a kitten sleeps on the rug", "lemons hang on it".

Such a verb looks like a plural, or like another noun. It is told by the number of what stands
before: after "a", "this" or "one" no plural can follow a noun. Elsewhere only a verb that is known
counts, for "the dog treats" are treats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from refseg_ros.language import lexicon
from refseg_ros.language.expression import RelationKind
from refseg_ros.language.grammar import Item, Kind
from refseg_ros.language.tokens import lemma

_SINGULAR: Final = lexicon.word_set("a an this that one another each every")
_POSTURES: Final = lexicon.word_set("sit stand lie lay hang rest lean perch")
"""Verbs that say no more than that a thing is somewhere."""
_STATIVES: Final = _POSTURES | lexicon.word_set("hold contain show face touch cover carry wear")
"""Verbs of things."""
_ACTIONS: Final = lexicon.word_set(
    "sleep eat drink play smile laugh look stare gaze walk run ride jump swim fly graze lick bark "
    "chase kick throw catch hit swing watch read write work talk speak wait pose bend kneel squat "
    "crouch reach feed brush try help get go come move want wave lift pull push cut pour cook "
    "climb dance sing shout listen point turn peek drive cross enter leave stop know think"
)
"""Verbs of people and animals."""
_RELATING: Final = {
    "hold": RelationKind.CONTAINING,
    "contain": RelationKind.CONTAINING,
    "carry": RelationKind.CARRYING,
    "wear": RelationKind.WITH,
}
_GOVERNED: Final = (Kind.RELATION, Kind.PREPOSITION, Kind.ARTICLE)
_TAKING: Final = (*_GOVERNED, Kind.WORD, Kind.NUMBER, Kind.DIRECTION)


def is_predicate(before: Sequence[Item], word: str, after: Item | None) -> bool:
    """Whether a word is a verb of the present whose subject is right before.

    Args:
        before: The items before it.
        word: "sleeps".
        after: The item after it; None at the end.
    """
    if not before or before[-1].kind is not Kind.WORD or after is None:
        return False
    subject, start = before[-1].word, len(before)
    taking = after.kind in _TAKING or after.word in lexicon.RELATIVE
    if subject in lexicon.ADJECTIVES or not taking:
        return False
    governed = after.kind in _GOVERNED
    if word in _POSTURES:
        return governed and lemma(subject) != subject and subject not in lexicon.GARMENTS
    stem = _stem(word)
    if not stem:
        return False
    while start and before[start - 1].kind is Kind.WORD:
        start -= 1
    article = before[start - 1].word if start else ""
    animate, known = lexicon.is_animate(subject), stem in _STATIVES | _ACTIONS
    if article in _SINGULAR and lemma(subject) == subject:
        return known or (animate and governed)
    return governed and (stem in _RELATING or (animate and known))


def relation_said(word: str) -> RelationKind | None:
    """What a verb says of its object: "holds"."""
    return _RELATING.get(_stem(word))


def is_posture(word: str) -> bool:
    """Whether a verb says only that something is somewhere: "hangs", "sit"."""
    return word in _POSTURES or _stem(word) in _POSTURES


def _stem(word: str) -> str:
    """The verb of a form in -s: "carries" → "carry"; "" if it is none or names things."""
    if not word.endswith("s") or word.endswith(("ss", "us", "is")) or len(word) < 4:
        return ""
    if word in lexicon.GARMENTS or lexicon.is_animate(word) or lemma(word) in lexicon.MEASURES:
        return ""
    if word.endswith("ies"):
        return word[:-3] + "y"
    long = word.endswith(("sses", "ches", "shes", "xes", "zes", "oes"))
    return word[:-2] if long else word[:-1]
