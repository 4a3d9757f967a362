# SPDX-License-Identifier: Apache-2.0
"""Items whose words belong together otherwise beside the words around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from refseg_ros.language import lexicon
from refseg_ros.language.expression import RelationKind
from refseg_ros.language.grammar import Item, Kind, scan
from refseg_ros.language.verb_forms import is_past

_PARTICLES: Final = lexicon.word_set("up down out off over away on")
"""Words that belong to a participle before a noun: "the folded up chair"."""
_BODY_BACKS: Final = (["his", "back"], ["her", "back"])
_STILL: Final = lexicon.word_set("still now currently already always")
"""When something is so, which tells nothing in a picture."""


def regrouped(items: Sequence[Item], tokens: Sequence[str]) -> list[Item]:
    """The items of a clause, those taken apart that are more, and those joined that are one."""
    parts = [part for item in items for part in _taken_apart(item, tokens)]
    found: list[Item] = []
    index = 0
    while index < len(parts):
        item = _in_context(parts, index, found)
        found.append(item)
        index += 1
        while index < len(parts) and parts[index].start < item.stop:
            index += 1
    return found


def _in_context(items: Sequence[Item], index: int, before: Sequence[Item]) -> Item:
    """The item at an index as what stands around it tells it."""
    item = items[index]
    after = items[index + 1] if index + 1 < len(items) else None
    if item.word == "from" and after is not None and after.word == "behind":
        landmark = items[index + 2].kind if index + 2 < len(items) else None
        seen = landmark not in (Kind.ARTICLE, Kind.WORD, Kind.PRONOUN, Kind.NUMBER)
        return replace(item, kind=Kind.STATE, stop=after.stop) if seen else item
    placed = after is not None and after.kind in (Kind.RELATION, Kind.DIRECTION)
    if item.word == "over" and item.kind is Kind.RELATION and placed:
        alone = item.stop == item.start + 1
        return replace(item, kind=Kind.LINK, relation=None) if alone else item
    if item.kind is not Kind.WORD:
        return item
    last = before[-1] if before else None
    if after is None or last is None:
        return item
    named = last.kind is Kind.WORD and last.word not in lexicon.ADJECTIVES
    has = after.kind in (Kind.LINK, Kind.RELATION)
    if item.word == "such" and after.word == "as":
        return replace(item, kind=Kind.PREPOSITION, stop=after.stop)
    if item.word in _STILL and last.word not in lexicon.PURE_ADJECTIVES and has:
        return replace(item, kind=Kind.LINK)
    if item.word == "next" and named and after.kind in (Kind.ARTICLE, Kind.PRONOUN):
        return replace(item, kind=Kind.RELATION, relation=RelationKind.NEXT_TO)
    if item.word == "next" and named and after.kind is Kind.RELATION:
        return replace(item, kind=Kind.LINK)  # "next in between two others"
    opens = last.kind in (Kind.ARTICLE, Kind.NUMBER, Kind.ORDINAL) or (
        last.kind is Kind.WORD and not named
    )
    noun = items[index + 2].kind is Kind.WORD if index + 2 < len(items) else False
    single = after.word in _PARTICLES and after.stop == after.start + 1
    if opens and noun and is_past(item.word) and single:
        return replace(item, stop=after.stop)  # "the folded up chair"
    return item


def _taken_apart(item: Item, tokens: Sequence[str]) -> list[Item]:
    """Items of one that is more before a noun: "in his right hand", "in front of the table"."""
    said = tokens[item.start : item.stop]
    if item.kind is Kind.WORD and item.word in ("toward", "towards"):
        return [replace(item, kind=Kind.PREPOSITION)]
    if said[:3] in (["in", "front", "of"], ["in", "back", "of"]) and item.kind is Kind.DIRECTION:
        if said[-1] not in lexicon.FURNITURE:
            return [item]
        relation = lexicon.RELATION_OF_DIRECTION[item.directions[-1]]
        cut = item.start + 3
        front = Item(Kind.RELATION, item.start, cut, "in", relation=relation)
        return [front, *(_moved(part, cut) for part in scan(said[3:]))]
    after = tokens[item.stop] if item.stop < len(tokens) else ""
    kind = lexicon.RELATION_PHRASES.get((item.word,))
    if not item.pronoun or item.stop != item.start + 3:
        return [item]
    start, back = item.start, tokens[item.start + 1 : item.stop] in _BODY_BACKS
    side = lexicon.DIRECTION_WORDS.get(tokens[start + 2])
    if side is None or not (back or (kind is not None and _is_name(after))):
        return [item]
    governs = Kind.PREPOSITION if kind is None else Kind.RELATION
    noun = Item(Kind.WORD, start + 2, start + 3, tokens[start + 2])
    place = replace(noun, kind=Kind.DIRECTION, directions=(side,), prenominal=True)
    return [
        Item(governs, start, start + 1, item.word, relation=kind),
        Item(Kind.ARTICLE, start + 1, start + 2, tokens[start + 1]),
        noun if back else place,
    ]


def _moved(item: Item, by: int) -> Item:
    return replace(item, start=item.start + by, stop=item.stop + by)


def _is_name(token: str) -> bool:
    return bool(token) and all(item.kind is Kind.WORD for item in scan([token]))
