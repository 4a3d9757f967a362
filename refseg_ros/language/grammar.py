# SPDX-License-Identifier: Apache-2.0
"""From tokens to items: courtesies off, then each stretch of words named for what it does."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from refseg_ros.language import lexicon
from refseg_ros.language.expression import Direction, RelationKind
from refseg_ros.language.tokens import CLAUSE_END, COMMA


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
    COMMA = enum.auto()


@dataclass(frozen=True)
class Item:
    """Tokens ``start`` to ``stop`` of a clause and what they do.

    Attributes:
        kind: See :class:`Kind`.
        start: First token.
        stop: One past the last token.
        word: The first token itself.
        directions: Of a ``DIRECTION``: the positions.
        extreme: Of a ``DIRECTION``: whether said to the utmost.
        prenominal: Of a ``DIRECTION``: bare position words, which may stand before a noun.
        relation: Of a ``RELATION``: its kind.
        rank: Of an ``ORDINAL``: 1 for first.
    """

    kind: Kind
    start: int
    stop: int
    word: str
    directions: tuple[Direction, ...] = ()
    extreme: bool = False
    prenominal: bool = False
    relation: RelationKind | None = None
    rank: int = 0


def split_clauses(tokens: Sequence[str]) -> list[list[str]]:
    """The tokens between full stops, without empty clauses."""
    clauses: list[list[str]] = [[]]
    for token in tokens:
        if token == CLAUSE_END:
            clauses.append([])
        elif token == COMMA and (not clauses[-1] or clauses[-1][-1] in lexicon.ARTICLES | {COMMA}):
            continue
        elif token not in lexicon.FILLERS:
            clauses[-1].append(token)
    return [clause for clause in clauses if clause]


def strip_command(clause: Sequence[str]) -> tuple[list[str], str]:
    """A clause without what is asked of the robot.

    "don't touch the mug" leaves "not the mug": what is forbidden is not what is meant.

    Returns:
        The tokens that say what is meant, and the verb of the command ("" if none was said).
    """
    start, verb, forbidden = 0, "", False
    while start < len(clause):
        if tuple(clause[start : start + 2]) == ("do", "not"):
            forbidden, start = True, start + 2
            continue
        size = _lead_in(clause, start)
        if not size:
            break
        if clause[start] != COMMA:
            verb = clause[start]
        start += size
    cut = stop = _follow_up(clause, start)
    while stop > start and (size := _trailing(clause, start, stop)):
        stop -= size
    said = list(clause[start:stop])
    if not forbidden or not said:
        return said, verb
    # "don't take the red one, take the blue one": the second command says what is meant.
    return ["not", *said, COMMA, *strip_command(clause[cut:])[0]], verb


def _lead_in(clause: Sequence[str], start: int) -> int:
    """Tokens at ``start`` that only lead up to what is meant."""
    if clause[start] == COMMA:
        return 1
    for phrase in lexicon.LEAD_IN:
        if tuple(clause[start : start + len(phrase)]) == phrase:
            following = clause[start + 1] if start + 1 < len(clause) else ""
            may_be_noun = len(phrase) == 1 and phrase[0] in lexicon.AMBIGUOUS_VERBS
            if not may_be_noun or following in lexicon.ARTICLES | lexicon.PRONOUNS:
                return len(phrase)
    return 0


def _follow_up(clause: Sequence[str], start: int) -> int:
    """Where a second command ("and put it …") begins; the clause's length if there is none."""
    for index in range(start + 1, len(clause)):
        if clause[index] == "then":
            cut = index
        elif clause[index - 1] in ("and", "then", COMMA) and (
            clause[index] in lexicon.FOLLOW_UP_VERBS and index + 1 < len(clause)
        ):
            cut = index - 1
        else:
            continue
        while cut > start and clause[cut - 1] in ("and", "then", COMMA):
            cut -= 1
        return cut
    return len(clause)


def _trailing(clause: Sequence[str], start: int, stop: int) -> int:
    """Tokens before ``stop`` that are a courtesy."""
    if clause[stop - 1] in (COMMA, "and"):
        return 1
    for phrase in lexicon.TRAILING:
        size = len(phrase)
        if stop - start >= size and tuple(clause[stop - size : stop]) == phrase:
            return size
    return 0


def drop_destination(items: list[Item], tokens: Sequence[str], verb: str) -> list[Item]:
    """The items without the place where a thing is to be put ("put the mug *in the bowl*")."""
    if verb not in lexicon.PUT_VERBS | lexicon.MOVE_VERBS:
        return items
    goals = ("to", "into", "onto", "toward", "towards")
    for index in range(len(items) - 1, 0, -1):
        item = items[index]
        place = item.kind in (Kind.RELATION, Kind.DIRECTION, Kind.PREPOSITION)
        if not place or item.prenominal:
            continue
        if verb in lexicon.PUT_VERBS or tokens[item.start] in goals:
            return items[:index]
    return items


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
    for phrase in lexicon.NEGATIONS:
        if tuple(tokens[index : index + len(phrase)]) == phrase:
            return Item(Kind.NEGATION, index, index + len(phrase), token)
    if (token, following) in lexicon.COMPOUNDS:
        return Item(Kind.WORD, index, index + 1, token)
    if token == "near" and before and before[-1].kind is Kind.ARTICLE and _is_word(following):
        front = (Direction.FRONT,)  # "the near mug"
        return Item(Kind.DIRECTION, index, index + 1, token, front, True, prenominal=True)
    place = _direction(tokens, index) or _relation(tokens, index)
    if place:
        return place
    previous = before[-1].kind if before else None
    if token in ("that", "which") and previous in (Kind.WORD, Kind.DIRECTION, Kind.PRONOUN):
        return Item(Kind.LINK, index, index + 1, token)
    if token in _SINGLE:
        return Item(_SINGLE[token], index, index + 1, token, rank=lexicon.ORDINALS.get(token, 0))
    is_tin = token == "can" and previous is not Kind.LINK and following not in lexicon.PRONOUNS
    if token in lexicon.LINKS and not is_tin:
        return Item(Kind.LINK, index, index + 1, token)
    after_noun = previous is Kind.WORD and before[-1].word not in lexicon.ADJECTIVES
    if token.endswith("ing") and after_noun and token not in lexicon.ING_NOUNS:
        return Item(Kind.PREPOSITION, index, index + 1, token)
    return Item(Kind.WORD, index, index + 1, token)


def _is_word(token: str) -> bool:
    """Whether a token may begin or continue the noun of a phrase."""
    return bool(token) and (
        token == "can"
        or (
            token not in _SINGLE
            and token not in lexicon.LINKS
            and token not in lexicon.RELATION_PHRASES_BY_FIRST
            and token not in lexicon.DIRECTION_WORDS
            and all(token != phrase[0] for phrase in lexicon.NEGATIONS)
        )
    )


def _relation(tokens: Sequence[str], start: int) -> Item | None:
    """A relation at ``start``, with "right" or "just" before it; the longest that matches."""
    token, index = tokens[start], start
    if token in lexicon.RELATION_INTENSIFIERS and start + 1 < len(tokens):
        index += 1
    for phrase in lexicon.RELATION_PHRASES_BY_FIRST.get(tokens[index], ()):
        stop = index + len(phrase)
        if tuple(tokens[index:stop]) != phrase:
            continue
        article = stop < len(tokens) and tokens[stop] in lexicon.ARTICLES
        if phrase == ("nearest",) and not article:
            continue
        relation = lexicon.RELATION_PHRASES[phrase]
        return Item(Kind.RELATION, start, stop, token, relation=relation)
    return None


def _direction(tokens: Sequence[str], start: int) -> Item | None:
    """A position phrase at ``start``, such as "left" or "on the far left side".

    "left of" a thing is a relation; "left of" a frame ("the image") stays a direction.
    """
    index = start
    preposition = tokens[start] if tokens[start] in lexicon.DIRECTION_PREPOSITIONS else ""
    index += bool(preposition)
    article = bool(preposition) and index < len(tokens) and tokens[index] in lexicon.ARTICLES
    index += article
    found, extreme, index = _direction_words(tokens, index)
    if not found:
        return None
    if not preposition and _is_intensifier(tokens, start, index):
        return None
    words_end = index
    while index < len(tokens) and _is_side(tokens, index):
        index += 1
    following = tokens[index] if index < len(tokens) else ""
    if following == "of":
        return _direction_of(tokens, start, index, found, extreme, index > words_end)
    if article and index == words_end and preposition != "to" and _is_word(following):
        return None  # "on the left plate" is a relation to a plate
    return Item(
        Kind.DIRECTION, start, index, tokens[start], found, extreme, prenominal=not preposition
    )


def _direction_words(tokens: Sequence[str], index: int) -> tuple[tuple[Direction, ...], bool, int]:
    """Position words from ``index`` on, whether to the utmost, and where they end."""
    found: list[Direction] = []
    extreme = False
    while index < len(tokens):
        token = tokens[index]
        step = _utmost(tokens, index)
        if step:
            extreme, index = True, index + step
        elif token in lexicon.DIRECTION_WORDS:
            found.append(lexicon.DIRECTION_WORDS[token])
            index += 1
        elif token in lexicon.EXTREME_WORDS:
            following = tokens[index + 1] if index + 1 < len(tokens) else ""
            near_or_far = token in lexicon.NEAREST_WORDS | lexicon.FARTHEST_WORDS
            # "closest to the book" and "nearest the book" are relations.
            if near_or_far and following in ("to", "from", "the", "a"):
                break
            away = near_or_far and following == "away"
            if away and index + 2 < len(tokens) and tokens[index + 2] == "from":
                break
            found.append(lexicon.EXTREME_WORDS[token])
            extreme, index = True, index + 1 + away
        else:
            break
    return tuple(dict.fromkeys(found)), extreme and bool(found), index


def _utmost(tokens: Sequence[str], index: int) -> int:
    """Count of tokens that put the position word after them to the utmost ("furthest to the")."""
    if tokens[index] not in lexicon.INTENSIFIERS:
        return 0
    stop = index + 1
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
    if landmark in lexicon.NUMBERS and found == (Direction.MIDDLE,):
        return Item(Kind.RELATION, start, index + 1, tokens[start], relation=RelationKind.BETWEEN)
    direction = Item(Kind.DIRECTION, start, index, tokens[start], found, extreme)
    if landmark in lexicon.NUMBERS or (extreme and tokens[index - 1] in lexicon.EXTREME_WORDS):
        return direction  # "the leftmost of the cups": the cups are what is meant
    on_surface = found == (Direction.TOP,) and not side and landmark in lexicon.SUPPORTS
    if not landmark or (landmark in lexicon.FRAME_WORDS | lexicon.VIEWER and not on_surface):
        stop = min(after + 1, len(tokens))
        return Item(Kind.DIRECTION, start, stop, tokens[start], found, extreme)
    relation = lexicon.RELATION_OF_DIRECTION[found[-1]]
    if found == (Direction.MIDDLE,) and "and" in tokens[after:]:
        relation = RelationKind.BETWEEN
    return Item(Kind.RELATION, start, index + 1, tokens[start], relation=relation)
