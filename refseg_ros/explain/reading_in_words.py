# SPDX-License-Identifier: Apache-2.0
"""How a sentence was read, in words."""

from __future__ import annotations

from dataclasses import dataclass

from refseg_ros.language.expression import (
    Anaphora,
    Measure,
    NounPhrase,
    ReferringExpression,
    Relation,
    Superlative,
)

_DEEPEST = 4
_NUMBERS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
_BACK = {
    Anaphora.SAME: "the same as before",
    Anaphora.OTHER: "another than before",
    Anaphora.ONE: "one of the kind meant before, or of any kind",
}


@dataclass(frozen=True)
class ReadingInWords:
    """How a sentence was read; each field in words, empty where nothing was said of it.

    Attributes:
        referring: The part that says what is meant.
        head: The head noun.
        attributes: Sizes, colours and materials.
        directions: "left", "to the utmost left".
        ordinal: "second from the right".
        superlatives: "biggest: the greatest size".
        relations: "left of the blue book (on the tray)".
        exclusions: What it must not be.
        count: How many are meant, and of how many.
        before: What it takes from the thing meant before.
        destination: Where it is to be put, which tells nothing of which one.
        unread: Words that nothing was made of.
        corrections: Words that were read as others.
    """

    referring: str = ""
    head: str = ""
    attributes: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()
    ordinal: str = ""
    superlatives: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    count: str = ""
    before: str = ""
    destination: str = ""
    unread: tuple[str, ...] = ()
    corrections: tuple[str, ...] = ()


def reading(expression: ReferringExpression) -> ReadingInWords:
    """How a sentence was read."""
    target = expression.target
    corrections = [f"{said!r} as {read!r}" for said, read in expression.corrections]
    corrections += ["only the beginning, as it is too long"] if expression.truncated else []
    return ReadingInWords(
        referring=expression.referring,
        head=target.head,
        attributes=target.attributes,
        directions=_directions(target),
        ordinal=_ordinal(target),
        superlatives=tuple(_superlative(item) for item in target.superlatives),
        relations=tuple(_relation(item) for item in target.relations),
        exclusions=tuple(_phrase(item) for item in target.excluded) or expression.negated,
        count=_count(target),
        before=_BACK[target.anaphora] if target.anaphora else "",
        destination=expression.destination,
        unread=expression.unread,
        corrections=tuple(corrections),
    )


def _number(rank: int) -> str:
    if rank < 0:
        return "last" if rank == -1 else f"{_number(-rank)} to last"
    return _NUMBERS[rank] if rank < len(_NUMBERS) else f"number {rank}"


def _directions(phrase: NounPhrase) -> tuple[str, ...]:
    chosen = phrase.extremes
    return tuple(
        f"{'to the utmost ' if item in chosen else ''}{item.value}" for item in phrase.directions
    )


def _ordinal(phrase: NounPhrase) -> str:
    if phrase.ordinal is None:
        return ""
    side = " ".join(item.value for item in phrase.ordinal_from)
    return _number(phrase.ordinal) + (f" from the {side}" if side else "")


def _superlative(item: Superlative) -> str:
    measure = item.measure.value
    end = "greatest" if item.most else "least"
    if item.measure is Measure.NEARNESS:
        measure, end = "camera", "nearest to the" if item.most else "farthest from the"
    place = "" if item.rank == 1 else f"{_number(item.rank)} by "
    return f"{item.word or 'superlative'}: {place}the {end} {measure}"


def _relation(relation: Relation, depth: int = 0) -> str:
    kind = relation.kind.words
    if relation.extreme:
        kind = f"{'' if relation.rank == 1 else _number(relation.rank) + ' '}utmost {kind}"
    if relation.on_support:
        return f"{kind} the table"
    return f"{kind} " + " and ".join(_phrase(item, depth) for item in relation.landmarks)


def _phrase(phrase: NounPhrase, depth: int = 0) -> str:
    """A phrase within another, with what is said of it in brackets."""
    more = [*_directions(phrase), _ordinal(phrase)]
    more += [item.word for item in phrase.superlatives if item.word not in phrase.text.split()]
    if depth < _DEEPEST:
        more += [_relation(item, depth + 1) for item in phrase.relations]
        more += [f"not {_phrase(item, depth + 1)}" for item in phrase.excluded]
    bracket = ", ".join(item for item in more if item)
    named = phrase.text or " ".join(phrase.attributes)
    if not named:
        return bracket or "something"
    return f"{named} ({bracket})" if bracket else named


def _count(phrase: NounPhrase) -> str:
    if phrase.is_any:
        words = "any one"
    elif (phrase.count or 1) > 1:
        words = str(phrase.count)
    else:
        words = "all of them" if phrase.is_plural else ""
    if phrase.group is None:
        return words
    return f"{words or 'one'} of {phrase.group}"
