# SPDX-License-Identifier: Apache-2.0
"""A place among the items of a clause, and those that no reading was found for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from refseg_ros.language import lexicon
from refseg_ros.language.expression import NounPhrase
from refseg_ros.language.grammar import Item, Kind
from refseg_ros.language.nouns import parse_phrase

_SILENT: Final = (Kind.ARTICLE, Kind.LINK, Kind.COMMA, Kind.AND, Kind.OF)


class Cursor:
    """Walks along the items of a clause."""

    def __init__(self, tokens: Sequence[str], items: Sequence[Item]) -> None:
        self._tokens, self._items = tokens, items
        self._index = 0
        self._unread: list[Item] = []

    def unread_words(self) -> list[str]:
        """Words of the items that no reading was found for, in the order said."""
        unread = {(item.start, item.stop) for item in self._unread}
        items = [item for item in self._items if (item.start, item.stop) in unread]
        return [
            token
            for item in items
            if item.kind not in _SILENT
            for token in self._tokens[item.start : item.stop]
        ]

    def _phrase(self, start: int, predicative: bool = False) -> tuple[NounPhrase, int]:
        return parse_phrase(self._items, start, predicative)

    def _skip_phrase(self) -> None:
        """Leave the item and the phrase after it unread."""
        stop = max(self._phrase(self._index + 1)[1], self._index + 1)
        self._unread += self._items[self._index : stop]
        self._index = stop

    def _kind_at(self, index: int) -> Kind | None:
        return self._items[index].kind if index < len(self._items) else None

    def _stranded(self, index: int) -> int:
        """The end of "… is on" after "the brick the ring"; 0 if it does not stand here."""
        while self._kind_at(index) is Kind.LINK:
            index += 1
        if self._kind_at(index) is not Kind.RELATION:
            return 0
        ends = self._kind_at(index + 1) in (None, Kind.COMMA, Kind.AND, Kind.LINK)
        known = self._items[index].relation in lexicon.CONVERSE
        return index + 1 if ends and known else 0

    def _skip_clause(self) -> None:
        """Leave "I put down" after "the mug" unread, up to the next word of place."""
        while self._kind_at(self._index + 1) in (Kind.LINK, Kind.WORD, Kind.PRONOUN):
            self._index += 1
            self._unread.append(self._items[self._index])
