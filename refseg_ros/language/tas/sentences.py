# SPDX-License-Identifier: Apache-2.0
"""Sentences as TAS's rules need them: words, whom each depends on, and noun chunks.

The published rules are written against spaCy. :class:`SentenceParser` is what they need of it; our
own parser answers it with :func:`sketch`, spaCy through :mod:`.spacy_parser`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

from refseg_ros.language import lexicon
from refseg_ros.language.chunks import noun_chunks
from refseg_ros.language.nouns import is_adjective
from refseg_ros.language.parser import referring_part
from refseg_ros.language.tokens import COMMA, tokenise


@dataclass(frozen=True)
class Sentence:
    """A dependency parse with noun chunks.

    Attributes:
        words: The M tokens, as written.
        heads: Index of the token that each depends on; a root has its own.
        chunks: Noun chunks ``(start, stop)``, half-open, in order, apart from each other.
        spaces: Whether a space follows each token; all of them if not given.
    """

    words: tuple[str, ...]
    heads: tuple[int, ...]
    chunks: tuple[tuple[int, int], ...] = ()
    spaces: tuple[bool, ...] = ()

    def text(self, start: int, stop: int) -> str:
        """Tokens ``start`` to ``stop`` as written."""
        spaces = self.spaces[start:stop] or (True,) * (stop - start)
        pairs = zip(self.words[start:stop], spaces, strict=True)
        return "".join(word + " " * space for word, space in pairs).strip()

    @property
    def roots(self) -> tuple[int, ...]:
        """Tokens that depend on nothing."""
        return tuple(index for index, head in enumerate(self.heads) if index == head)

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """For each token, those that depend on it, in order."""
        found: list[list[int]] = [[] for _ in self.words]
        for index, head in enumerate(self.heads):
            if index != head:
                found[head].append(index)
        return tuple(map(tuple, found))

    @cached_property
    def ancestors(self) -> tuple[frozenset[int], ...]:
        """For each token, those that it depends on, directly or not; never itself."""
        found = []
        for index in range(len(self.words)):
            above: list[int] = []
            while (head := self.heads[index]) != index:
                above.append(head)
                index = head
            found.append(frozenset(above))
        return tuple(found)

    @cached_property
    def chunk_at(self) -> dict[int, tuple[int, int]]:
        """The chunk of each token that is in one."""
        return {index: chunk for chunk in self.chunks for index in range(*chunk)}

    def chunk_root(self, chunk: tuple[int, int]) -> int:
        """The token of a chunk that the others depend on."""
        return min(range(*chunk), key=lambda index: len(self.ancestors[index]))


class SentenceParser(Protocol):
    """What TAS's rules ask of a parser."""

    @property
    def name(self) -> str:
        """What it is, in a word or two."""

    def sentence(self, text: str) -> Sentence:
        """The parse of a sentence in lower case; empty for one without words."""

    def noun_chunks(self, text: str) -> tuple[str, ...]:
        """Noun phrases of a caption as often as said, in order."""


@dataclass(frozen=True)
class OwnParser:
    """Our rules: no model, no download."""

    name: str = "own rules"

    def sentence(self, text: str) -> Sentence:
        """The referring part as :func:`sketch` reads it; commands and courtesies are left out."""
        return sketch(tokenise(referring_part(text)))

    def noun_chunks(self, text: str) -> tuple[str, ...]:
        """See :func:`refseg_ros.language.noun_chunks`."""
        return noun_chunks(text)


_PLACES: Final = frozenset(lexicon.DIRECTION_WORDS) | frozenset(lexicon.EXTREME_WORDS)
_BETWEEN: Final = (
    lexicon.OTHER_PREPOSITIONS
    | lexicon.DIRECTION_PREPOSITIONS
    | lexicon.LINKS
    | frozenset(phrase[0] for phrase in lexicon.RELATION_PHRASES if len(phrase) == 1)
    | frozenset(("of", "next", "close", "adjacent", "not", "without", COMMA, "and", "or", "but"))
)
"""Words that end a noun chunk and join it to the next."""
_COORDINATING: Final = frozenset((COMMA, "and", "or", "but"))


def sketch(tokens: Sequence[str]) -> Sentence:
    """A dependency parse by rule, such as spaCy would most often give to so short a text.

    Noun chunks are runs of articles, adjectives and nouns with the position words before their
    noun ("the left man"), or position words alone ("on *the left*"). The words of a chunk depend
    on its last, position words after a noun ("man left") on the noun, a preposition on what is
    before it, a chunk on the preposition before it; what is left depends on the first: the root.

    Args:
        tokens: One clause's tokens, in lower case.
    """
    heads: list[int] = []
    chunks: list[tuple[int, int]] = []
    root: int | None = None
    governor: int | None = None
    join: int | None = None
    while (index := len(heads)) < len(tokens):
        if _joins(tokens, index):
            root = index if root is None else root
            coordinates = tokens[index] in _COORDINATING
            above = governor if join is None or coordinates else join
            heads.append(root if above is None else above)
            join = None if coordinates else index
            continue
        stop, core = _chunk(tokens, index)
        chunks.append((index, core))
        last = core - 1
        root = last if root is None else root
        heads += [last] * (last - index)
        heads.append(root if join is None else join)
        heads += [last] * (stop - core)
        governor, join = stop - 1, None
    return Sentence(tuple(tokens), tuple(heads), tuple(chunks))


def _joins(tokens: Sequence[str], index: int) -> bool:
    token = tokens[index]
    verbal = token.endswith("ing") and token not in lexicon.ING_NOUNS
    before = tokens[index - 1] if index else ""
    after_noun = bool(before) and before not in _BETWEEN | lexicon.ARTICLES | lexicon.ADJECTIVES
    return token in _BETWEEN or (verbal and after_noun)


def _chunk(tokens: Sequence[str], start: int) -> tuple[int, int]:
    """Where a run from ``start`` ends, and where in it its chunk does."""
    stop = start + 1
    while stop < len(tokens) and not _joins(tokens, stop) and tokens[stop] not in lexicon.ARTICLES:
        stop += 1
    nouns = [
        index
        for index in range(start, stop)
        if tokens[index] not in _PLACES | lexicon.ARTICLES and not is_adjective(tokens[index])
    ]
    return stop, nouns[-1] + 1 if nouns else stop
