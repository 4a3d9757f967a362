# SPDX-License-Identifier: Apache-2.0
"""From tokens to items: each stretch of words named for what it does."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from refseg_ros.language import lexicon
from refseg_ros.language.expression import Direction, RelationKind
from refseg_ros.language.tokens import COMMA, lemma


class Kind(enum.Enum):
    """What an item does in the sentence."""

    WORD = enum.auto()
    ARTICLE = enum.auto()
    NUMBER = enum.auto()
    ORDINAL = enum.auto()
    PRONOUN = enum.auto()
    DIRECTION = enum.auto()
    RELATION = enum.auto()
    NEGATION = enum.auto()
    PREPOSITION = enum.auto()
    OF = enum.auto()
    AND = enum.auto()
    LINK = enum.auto()
    STATE = enum.auto()
    COMMA = enum.auto()


@dataclass(frozen=True)
class Item:
    """Tokens ``start`` to ``stop`` of a clause and what they do.

    Attributes:
        kind: See :class:`Kind`.
        start: First token.
        stop: One past the last token.
        word: The first token itself.
        directions: Positions that a ``DIRECTION`` names, or a ``RELATION`` names beside its own.
        extreme: Whether a ``DIRECTION`` is said to the utmost.
        prenominal: Whether a ``DIRECTION`` is bare position words, which may stand before a noun.
        nearness: For a ``DIRECTION``, 1 for nearest to the camera, -1 for farthest, 0 for neither.
        relation: The kind of a ``RELATION``, or the kind that a ``NEGATION`` denies, if any.
        utmost: Whether a ``RELATION`` is said to the utmost ("closest to").
        pronoun: The landmark of a ``RELATION`` that is said within it ("to its left").
        rank: For an ``ORDINAL``, 1 for first, -1 for last; for a ``NUMBER``, the number.
        row: Whether a ``DIRECTION`` is that of a row or column, in which a rank may count.
        within: Where in the landmark a thing is, beside a ``RELATION`` ("on the front of it").
        part: Where in the landmark, if a ``RELATION`` names a part of it ("front of the car").
    """

    kind: Kind
    start: int
    stop: int
    word: str
    directions: tuple[Direction, ...] = ()
    extreme: bool = False
    prenominal: bool = False
    nearness: int = 0
    relation: RelationKind | None = None
    utmost: bool = False
    pronoun: str = ""
    rank: int = 0
    row: bool = False
    within: tuple[Direction, ...] = ()
    part: tuple[Direction, ...] = ()


def scan(tokens: Sequence[str]) -> list[Item]:
    """Names every stretch of a clause, left to right, longest match first."""
    items: list[Item] = []
    index = 0
    while index < len(tokens):
        item = _next_item(tokens, index, items)
        items.append(item)
        index = item.stop
    return items


_SINGLE: dict[str, Kind] = {
    COMMA: Kind.COMMA,
    "and": Kind.AND,
    "or": Kind.AND,
    "plus": Kind.AND,
    "but": Kind.COMMA,
    "of": Kind.OF,
    **dict.fromkeys(lexicon.ARTICLES, Kind.ARTICLE),
    **dict.fromkeys(lexicon.NUMBERS, Kind.NUMBER),
    **dict.fromkeys(lexicon.ORDINALS, Kind.ORDINAL),
    **dict.fromkeys(lexicon.PRONOUNS, Kind.PRONOUN),
    **dict.fromkeys(lexicon.OTHER_PREPOSITIONS, Kind.PREPOSITION),
}


def _next_item(tokens: Sequence[str], index: int, before: Sequence[Item]) -> Item:
    token = tokens[index]
    following = tokens[index + 1] if index + 1 < len(tokens) else ""
    if found := _negation(tokens, index):
        return found
    said = tokens[index - 1] if index else ""
    if (token, following) in lexicon.COMPOUNDS or (said, token) in lexicon.COMPOUNDS:
        return Item(Kind.WORD, index, index + 1, token)
    previous = before[-1].kind if before else None
    if token == "near" and previous is Kind.ARTICLE and _is_word(following):
        return Item(Kind.DIRECTION, index, index + 1, token, prenominal=True, nearness=1)
    if tuple(tokens[index : index + 3]) in lexicon.SECOND_LAST:
        return Item(Kind.ORDINAL, index, index + 3, token, rank=-2)
    if token in ("over", "in") and following == "from":
        return Item(Kind.LINK, index, index + 1, token)  # "third over from the right"
    place = _direction(tokens, index) or _relation(tokens, index)
    if place:
        return place
    if size := _link(tokens, index, previous):
        return Item(Kind.LINK, index, index + size, token)
    if token in lexicon.ORDINALS:
        return _ordinal(tokens, index)
    if token == "number" and (following in lexicon.NUMBERS or _is_count(following)):
        rank = lexicon.NUMBERS.get(following) or int(following)
        return Item(Kind.ORDINAL, index, index + 2, token, rank=rank)
    if token in _SINGLE:
        return Item(_SINGLE[token], index, index + 1, token, rank=lexicon.NUMBERS.get(token, 0))
    is_tin = token == "can" and previous is not Kind.LINK and following not in lexicon.PRONOUNS
    if token in lexicon.LINKS and not is_tin:
        return Item(Kind.LINK, index, index + 1, token)
    after_noun = previous is Kind.WORD and before[-1].word not in lexicon.ADJECTIVES
    if token.endswith("ing") and after_noun and token not in lexicon.ING_NOUNS:
        return Item(Kind.PREPOSITION, index, index + 1, token)
    return Item(Kind.WORD, index, index + 1, token)


def _negation(tokens: Sequence[str], index: int) -> Item | None:
    """A negation at ``index``, the longest that matches."""
    token = tokens[index]
    if token == "but" and not lexicon.BUT_AFTER.isdisjoint(tokens[:index]):
        return Item(Kind.NEGATION, index, index + 1, token)
    for phrase in lexicon.NEGATIONS.get(token, ()):
        stop = index + len(phrase)
        if tuple(tokens[index:stop]) == phrase:
            denied = lexicon.WITHOUT.get(" ".join(phrase))
            return Item(Kind.NEGATION, index, stop, token, relation=denied)
    return None


def _link(tokens: Sequence[str], index: int, previous: Kind | None) -> int:
    """Count of tokens at ``index`` that link a noun to what is said of it; 0 for none."""
    for phrase in lexicon.LINK_PHRASES.get(tokens[index], ()):
        said = tuple(tokens[index : index + len(phrase)]) == phrase
        if said and (tokens[index] == "made" or previous is not None):
            return len(phrase)
    after = (Kind.WORD, Kind.DIRECTION, Kind.PRONOUN, Kind.NUMBER)
    return int(tokens[index] in ("that", "which", "where") and previous in after)


def _ordinal(tokens: Sequence[str], index: int) -> Item:
    """An ordinal; "second to last" and "second last" count from the other end."""
    rank, stop = lexicon.ORDINALS[tokens[index]], index + 1
    after = stop + (stop < len(tokens) and tokens[stop] == "to")
    if rank > 0 and after < len(tokens) and tokens[after] == "last":
        rank, stop = -rank, after + 1
    return Item(Kind.ORDINAL, index, stop, tokens[index], rank=rank)


def _is_count(token: str) -> bool:
    """Whether a token is a number in digits that something may be called by."""
    return token.isascii() and token.isdigit() and len(token) < 5 and int(token) > 0


def _is_word(token: str) -> bool:
    """Whether a token may begin or continue the noun of a phrase."""
    return bool(token) and (
        token == "can"
        or (
            token not in _SINGLE
            and token not in lexicon.LINKS
            and token not in lexicon.RELATION_PHRASES_BY_FIRST
            and token not in lexicon.DIRECTION_WORDS
            and token not in lexicon.NEGATIONS
        )
    )


_UTMOST: Final = (lexicon.NEAREST_WORDS | lexicon.FARTHEST_WORDS) - {"far"}


def _has_object(tokens: Sequence[str], index: int) -> bool:
    """Whether a thing follows "has" ("has a ball"), not a verb ("has been put")."""
    return index < len(tokens) and (
        tokens[index] in lexicon.ARTICLES or (_is_word(tokens[index]) and tokens[index] != "got")
    )


def _names(token: str) -> bool:
    """Whether a token begins a name, and not what somebody does ("on left looking down")."""
    return _is_word(token) and not (token.endswith("ing") and token not in lexicon.ING_NOUNS)


def _relation(tokens: Sequence[str], start: int) -> Item | None:
    """A relation at ``start``, with "right" or "just" before it; the longest that matches."""
    token, index = tokens[start], start
    if token in lexicon.RELATION_INTENSIFIERS and start + 1 < len(tokens):
        index += 1
    for phrase in lexicon.RELATION_PHRASES_BY_FIRST.get(tokens[index], ()):
        stop = index + len(phrase)
        if tuple(tokens[index:stop]) != phrase:
            continue
        after = tokens[stop] if stop < len(tokens) else ""
        if phrase == ("nearest",) and after not in lexicon.ARTICLES | lexicon.PRONOUNS:
            continue
        if len(phrase) == 1 and phrase[0] in ("has", "have") and not _has_object(tokens, stop):
            continue
        relation = lexicon.RELATION_PHRASES[phrase]
        ranks = phrase[0] in _UTMOST or token in _UTMOST
        utmost = ranks and phrase[-1] != "than"
        return Item(Kind.RELATION, start, stop, token, relation=relation, utmost=utmost)
    return None


def _direction(tokens: Sequence[str], start: int) -> Item | None:
    """A position phrase at ``start``, such as "left" or "on the far left side".

    "left of" a thing is a relation; "left of" a frame ("the image") stays a direction.
    """
    if _compares(tokens, start):
        return None
    index = start
    preposition = tokens[start] if tokens[start] in lexicon.DIRECTION_PREPOSITIONS else ""
    index += bool(preposition)
    article = bool(preposition) and index < len(tokens) and tokens[index] in lexicon.ARTICLES
    index += article
    found, extreme, nearness, index = _direction_words(tokens, index)
    if not (found or nearness):
        return None
    if not preposition and _is_intensifier(tokens, start, index):
        return None
    words_end = index
    while index < len(tokens) and _is_side(tokens, index):
        index += 1
    following = tokens[index] if index < len(tokens) else ""
    if following == "of" and found:
        return _direction_of(tokens, start, index, found, extreme, index > words_end)
    if article and tokens[start + 1] in lexicon.POSSESSIVES and found and following != "of":
        relation = lexicon.RELATION_OF_DIRECTION[found[-1]]
        return Item(Kind.RELATION, start, index, preposition, relation=relation, pronoun="it")
    counts = preposition == "from" and start and tokens[start - 1] in lexicon.ORDINALS
    # "closest to the left plate", but "man to the left black shirt"
    away = preposition == "to" and _UTMOST.isdisjoint(tokens[:start])
    lands = not counts and (article or preposition in ("on", "in", "near", "by", "along"))
    if lands and index == words_end and not away and _names(following):
        return None  # "on the left plate" is a relation to a plate
    return Item(
        Kind.DIRECTION,
        start,
        index,
        tokens[start],
        found,
        extreme,
        prenominal=not preposition,
        nearness=nearness,
        row=not lexicon.ROWS.isdisjoint(tokens[words_end:index]),
    )


def _compares(tokens: Sequence[str], start: int) -> bool:
    """Whether a relation such as "lower than" begins with a position word here."""
    return any(
        phrase[-1] == "than" and tuple(tokens[start : start + len(phrase)]) == phrase
        for phrase in lexicon.RELATION_PHRASES_BY_FIRST.get(tokens[start], ())
    )


def _direction_words(
    tokens: Sequence[str], index: int
) -> tuple[tuple[Direction, ...], bool, int, int]:
    """Position words from ``index`` on, whether to the utmost, nearness, and where they end."""
    found: list[Direction] = []
    extreme, nearness = False, 0
    while index < len(tokens):
        token = tokens[index]
        following = tokens[index + 1] if index + 1 < len(tokens) else ""
        if step := _utmost(tokens, index):
            extreme, index = True, index + step
        elif token in lexicon.DIRECTION_WORDS:
            found.append(lexicon.DIRECTION_WORDS[token])
            index += 1
        elif token == "near" and following in lexicon.SIDE_WORDS:
            found.append(Direction.FRONT)
            index += 1
        elif token in lexicon.NEAREST_WORDS | lexicon.FARTHEST_WORDS:
            # "closest to the book" and "nearest the book" are relations.
            if token == "far" and following in lexicon.SIDE_WORDS:
                found.append(Direction.BACK)
                index += 1
                continue
            away = following == "away"
            after = tokens[index + 2] if away and index + 2 < len(tokens) else following
            lands = not away and after in lexicon.ARTICLES | lexicon.PRONOUNS
            if lands or after in ("to", "from", "than"):
                break
            nearness = 1 if token in lexicon.NEAREST_WORDS else -1
            index += 1 + away
        elif token in lexicon.EXTREME_WORDS:
            found.append(lexicon.EXTREME_WORDS[token])
            extreme, index = True, index + 1 + (following in ("up", "down"))
        else:
            break
    return tuple(dict.fromkeys(found)), extreme and bool(found), nearness, index


def _utmost(tokens: Sequence[str], index: int) -> int:
    """Count of tokens that put the position word after them to the utmost ("furthest to the")."""
    if tokens[index] not in lexicon.INTENSIFIERS:
        return 0
    stop = index + 1
    if tokens[index] == "all" and tokens[stop : stop + 2] != ["the", "way"]:
        return 0
    while stop < len(tokens) and tokens[stop] in ("way", "to", "on", "over", "the", "at", "in"):
        stop += 1
    if stop < len(tokens) and tokens[stop] in lexicon.DIRECTION_WORDS:
        after = tokens[stop + 1] if stop + 1 < len(tokens) else ""
        # "closest to the left mug" is a relation to a mug.
        return (
            0
            if stop > index + 1 and _is_word(after) and after not in lexicon.SIDE_WORDS
            else stop - index
        )
    return 0


def _is_side(tokens: Sequence[str], index: int) -> bool:
    """Whether the token belongs to the position: "side", "corner"; "hand" only before more."""
    if tokens[index] == "hand":
        following = tokens[index + 1] if index + 1 < len(tokens) else ""
        return following == "side" or _is_word(following)
    return tokens[index] in lexicon.SIDE_WORDS


def _is_intensifier(tokens: Sequence[str], start: int, stop: int) -> bool:
    """Whether "right" at ``start`` only strengthens a relation ("right next to the book")."""
    if tokens[start] != "right" or stop != start + 1 or stop >= len(tokens):
        return False
    after_determiner = start and tokens[start - 1] in lexicon.ARTICLES | lexicon.INTENSIFIERS
    return (
        not after_determiner and _direction(tokens, stop) is None and bool(_relation(tokens, stop))
    )


def _direction_of(
    tokens: Sequence[str],
    start: int,
    index: int,
    found: tuple[Direction, ...],
    extreme: bool,
    side: bool,
) -> Item:
    """What "left of …" at ``start`` is, the "of" being at ``index``."""
    after = index + 1
    while after < len(tokens) and tokens[after] in lexicon.ARTICLES:
        after += 1
    landmark = tokens[after] if after < len(tokens) else ""
    if not landmark and tokens[after - 1] in lexicon.DEMONSTRATIVES:
        landmark = tokens[after - 1]  # "to the right of that"
    bare = tokens[start] not in lexicon.DIRECTION_PREPOSITIONS
    if not landmark and tokens[start:index] == ["on", "top"]:
        return Item(Kind.RELATION, start, index + 1, "on", relation=RelationKind.ON)
    noun = next((word for word in tokens[after:] if word not in lexicon.ADJECTIVES), "")
    crowd = landmark in lexicon.NUMBERS or lemma(noun) != noun  # "in the middle of the plates"
    if crowd and found == (Direction.MIDDLE,) and not bare:
        return Item(Kind.RELATION, start, index + 1, tokens[start], relation=RelationKind.BETWEEN)
    direction = Item(Kind.DIRECTION, start, index, tokens[start], found, extreme, bare)
    several = landmark in lexicon.NUMBERS and tokens[start] != "to"
    if several or (extreme and tokens[index - 1] in lexicon.EXTREME_WORDS):
        return direction  # "the leftmost of the cups": the cups are what is meant
    on_surface = found == (Direction.TOP,) and not side and landmark in lexicon.SUPPORTS
    if not landmark or (landmark in lexicon.FRAME_WORDS | lexicon.VIEWER and not on_surface):
        stop = min(after + 1, len(tokens))
        return Item(Kind.DIRECTION, start, stop, tokens[start], found, extreme)
    relation = lexicon.RELATION_OF_DIRECTION[found[-1]]
    # "Closest left of" is just left of it, of which the nearest is meant anyway.
    utmost = extreme and any(word in lexicon.FARTHEST_WORDS for word in tokens[start:index])
    if found == (Direction.MIDDLE,) and "and" in tokens[after:]:
        relation = RelationKind.BETWEEN
    within = tokens[start] == "on" or tokens[start + 1] in lexicon.ARTICLES
    held = _HOLDS.get(tokens[start]) if within else None
    if held and _DEPTHS.issuperset(found):
        return Item(
            Kind.RELATION, start, index + 1, tokens[start], relation=held, within=found[-1:]
        )
    ends = _SIDES.isdisjoint(found) or side
    part = found if bare and ends and relation is not RelationKind.BETWEEN else ()
    # "to the top left of the bowl" says two things of one landmark.
    return Item(
        Kind.RELATION,
        start,
        index + 1,
        tokens[start],
        found[:-1],
        relation=relation,
        utmost=utmost,
        part=part,
    )


_SIDES: Final = frozenset((Direction.LEFT, Direction.RIGHT))
_DEPTHS: Final = frozenset((Direction.FRONT, Direction.BACK))
_HOLDS: Final = {"on": RelationKind.ON, "in": RelationKind.IN}
"""Prepositions by which "the front of the tray" is a place of the tray, not one before it."""
