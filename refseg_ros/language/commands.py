# SPDX-License-Identifier: Apache-2.0
"""What is asked of the robot, taken off the words that say which thing is meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from refseg_ros.language import lexicon
from refseg_ros.language.grammar import Item, Kind
from refseg_ros.language.tokens import CLAUSE_END, COMMA
from refseg_ros.language.verb_forms import is_present


class Command(NamedTuple):
    """A clause without its command.

    Attributes:
        tokens: What says which thing is meant.
        verb: The verb of the command; "" if none was said.
        rest: A second command after it ("put it on the tray").
    """

    tokens: list[str]
    verb: str
    rest: list[str]


def split_clauses(tokens: Sequence[str]) -> list[list[str]]:
    """The tokens between full stops, without empty clauses."""
    clauses: list[list[str]] = [[]]
    for index, token in enumerate(tokens):
        beside = tokens[max(index - 1, 0) : index + 2]
        coloured = token in lexicon.COLOURED and not lexicon.COLOURS.isdisjoint(beside)
        if token == CLAUSE_END:
            clauses.append([])
        elif token == COMMA and (not clauses[-1] or clauses[-1][-1] in lexicon.ARTICLES | {COMMA}):
            continue
        elif token not in lexicon.FILLERS and not coloured:
            clauses[-1].append(token)
            _drop_scenery(clauses[-1])
    return [clause for clause in clauses if clause]


def _drop_scenery(clause: list[str]) -> None:
    """Take "over there" and "in the picture" off the end: they tell nothing apart."""
    if tuple(clause[-2:]) in lexicon.YONDER:
        del clause[-2:]
    elif clause[-1] in lexicon.PICTURE:
        start = len(clause) - 1 - (len(clause) > 1 and clause[-2] in lexicon.ARTICLES)
        if start and clause[start - 1] in ("in", "on", "within"):
            del clause[start - 1 :]


def names_picture(tokens: Sequence[str]) -> bool:
    """Whether it is said that places are those of the picture: "left in the image"."""
    return any(
        token in lexicon.SHOWN and article in lexicon.ARTICLES and where in ("in", "of", "on")
        for where, article, token, after in zip(
            tokens, tokens[1:], tokens[2:], [*tokens[3:], ""], strict=False
        )
        if after != "frame"  # which is a thing
    )


def strip_command(clause: Sequence[str], beside: bool = False) -> Command:
    """A clause without what is asked of the robot.

    "don't touch the mug" leaves "not the mug": what is forbidden is not what is meant.

    Args:
        clause: Its tokens.
        beside: Whether "to me" stays after "next" and "up" after "looking", where they are no
            courtesies.
    """
    start, verb, forbidden = 0, "", False
    while start < len(clause):
        if tuple(clause[start : start + 2]) == ("do", "not"):
            forbidden, start = True, start + 2
            continue
        size = lead_in(clause, start)
        if not size:
            break
        if clause[start] != COMMA:
            verb = " ".join(clause[start : start + size])
        start += size
    cut = stop = _follow_up(clause, start)
    while stop > start and (size := _trailing(clause, start, stop)):
        if beside and _belongs(clause[stop - size - 1], clause[stop - size]):
            break
        stop -= size
    said = list(clause[start:stop])
    if not forbidden or not said:
        return Command(said, verb, _rest(clause[cut:]))
    # "don't take the red one, take the blue one": the second command says what is meant.
    tokens, _, rest = strip_command(clause[cut:], beside)
    return Command(["not", *said, COMMA, *tokens], verb, rest)


def _belongs(word: str, courtesy: str) -> bool:
    """Whether what looks like a courtesy belongs to the word before: "next to me"."""
    near = courtesy == "to" and word in _BESIDE
    return near or (courtesy == "up" and is_present(word))


_BESIDE: Final = lexicon.word_set("next close adjacent")


def _rest(tokens: Sequence[str]) -> list[str]:
    """A second command without what joins it to the first."""
    words = [token for token in tokens if token != COMMA]
    while words and words[0] in ("and", "then"):
        del words[0]
    return words


def lead_in(clause: Sequence[str], start: int) -> int:
    """Tokens at ``start`` that only lead up to what is meant."""
    if clause[start] == COMMA:
        return 1
    for phrase in lexicon.LEAD_IN_BY_FIRST.get(clause[start], ()):
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
            clause[index] in lexicon.FOLLOW_UP_VERBS
            and (index + 1 < len(clause) or clause[index] in lexicon.LONE_VERBS)
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
    for phrase in lexicon.TRAILING_BY_LAST.get(clause[stop - 1], ()):
        size = len(phrase)
        if stop - start >= size and tuple(clause[stop - size : stop]) == phrase:
            return size
    return 0


def destination(items: Sequence[Item], tokens: Sequence[str], verb: str) -> int:
    """Where among the items the place begins to which a thing is to be put.

    "put the mug *in the bowl*", "move the mug *to the left*", "take it *to the kitchen*".

    Returns:
        The index of the item; the count of items if no such place is said.
    """
    first, _, particle = verb.partition(" ")
    puts = first in lexicon.PUT_VERBS and particle != "away"
    if not puts and first not in lexicon.MOVE_VERBS | lexicon.BRING_VERBS:
        return len(items)
    for index in range(len(items) - 1, 0, -1):
        item = items[index]
        goal = tokens[item.start] in lexicon.GOALS
        place = item.kind in (Kind.RELATION, Kind.DIRECTION, Kind.PREPOSITION)
        if first in lexicon.BRING_VERBS:
            # "bring me the ball to the left of the tray" says which ball.
            place = goal and (item.kind is Kind.PREPOSITION or item.word in ("into", "onto"))
        elif first in lexicon.MOVE_VERBS:
            place = place and (goal or item.relation in lexicon.MOVED_BESIDE)
        if place and not item.prenominal and items[index - 1].kind is not Kind.LINK:
            return index
    return len(items)
