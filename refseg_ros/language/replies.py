# SPDX-License-Identifier: Apache-2.0
"""Answers that name no thing: yes, no, neither, number 3."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

from refseg_ros.language import ReferringExpression
from refseg_ros.language.expression import Anaphora, NounPhrase
from refseg_ros.language.lexicon import COLOUR_NOUNS, FILLERS, NUMBERS, word_set
from refseg_ros.language.tokens import CLAUSE_END, COMMA, normalise, tokenise

_COURTESY: Final = word_set("please thanks thank ok okay well") | FILLERS | {COMMA, CLAUSE_END}
_YES: Final = frozenset((
    "yes", "yeah", "yep", "yup", "yes it is", "yes that is it", "yes that is right", "yes i do",
    "yes that one", "yes this one", "yes yes", "that is it", "that is right", "that is correct",
    "sure", "correct", "indeed", "of course",
))  # fmt: skip
_NO: Final = frozenset((
    "no", "nope", "nah", "no it is not", "no i do not", "no no", "that is wrong", "wrong",
    "no that is wrong", "neither", "none", "no neither", "no none", "neither one",
    "neither of them", "neither of those", "neither of these", "neither of the two",
    "none of them", "none of those", "none of these", "no none of them", "not any of them",
    "never mind", "forget it", "cancel", "cancel that", "nothing", "no nothing",
))  # fmt: skip
_NUMBER: Final = re.compile(r"(?:the )?(?:number|candidate|no|nr|option)? ?(\d{1,5})(?: one)?")
_NUMBER_WORD: Final = re.compile(r"(?:the )?(?:number|candidate|option) (\w+)")


class ReplyKind(enum.Enum):
    """What a reply does."""

    YES = enum.auto()
    NO = enum.auto()
    NUMBER = enum.auto()


@dataclass(frozen=True)
class Reply:
    """A reply that names no thing.

    Attributes:
        kind: See :class:`Kind`.
        number: The candidate's number, for ``NUMBER``.
    """

    kind: ReplyKind
    number: int = 0


def read_reply(text: str) -> Reply | None:
    """A reply that names no thing, read from any text; None if it is none."""
    clean, _ = normalise(text)
    tokens = tokenise(clean)
    words = " ".join(word for word in tokens if word not in _COURTESY)
    if words in _YES or (not words and {"ok", "okay"} & set(tokens)):
        return Reply(ReplyKind.YES)
    if words in _NO:
        return Reply(ReplyKind.NO)
    said = words.removeprefix("no ").removeprefix("yes ").removeprefix("i mean ")
    if found := _NUMBER.fullmatch(said):
        return Reply(ReplyKind.NUMBER, int(found[1]))
    if found := _NUMBER_WORD.fullmatch(said):
        number = 1 if found[1] == "one" else NUMBERS.get(found[1], 0)
        return Reply(ReplyKind.NUMBER, number) if number else None
    return None


def as_quality(phrase: NounPhrase) -> NounPhrase:
    """A phrase of an answer, in which "orange" alone is a colour and not a fruit."""
    if phrase.head in COLOUR_NOUNS and phrase.text == phrase.head and not phrase.is_plural:
        return NounPhrase(text=phrase.head, colours=(phrase.head,))
    return phrase


def rank_of(phrase: NounPhrase) -> int | None:
    """The rank in "the second", "the last one", if nothing else is said; else None."""
    bare = NounPhrase(text=phrase.text, ordinal=phrase.ordinal, anaphora=phrase.anaphora)
    one = phrase.anaphora is None or phrase.anaphora is Anaphora.ONE
    return phrase.ordinal if phrase == bare and phrase.text in ("", "one") and one else None


def rejects(said: ReferringExpression) -> bool:
    """Whether it only says that what was pointed to is not it: "not that one"."""
    excluded = said.target.excluded
    return (
        bool(excluded)
        and said.target == NounPhrase(text=said.target.text, excluded=excluded)
        and not said.target.text
        and all(item.anaphora is Anaphora.SAME and not item.head for item in excluded)
    )
