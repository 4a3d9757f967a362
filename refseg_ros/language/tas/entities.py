# SPDX-License-Identifier: Apache-2.0
"""Entities with relations and superlatives, as TAS's released code takes them from a parse.

That code is adapted from ReCLIP (Subramanian et al., ACL 2022) and differs from it by a slip that
decides which sentences are rectified: noun chunks are always expanded to the words that hang on
them, each *word* of a chunk then has a chunk of its own, and so an article or adjective beside a
head noun counts as another thing. "The left man" has a relation to "the left man" without words,
beside the superlative "left"; "man on left" has the superlative alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from refseg_ros.language.tas.sentences import Sentence

LEFT: Final = frozenset(("left", "west"))
RIGHT: Final = frozenset(("right", "east"))
ABOVE: Final = frozenset(("above", "north", "top"))
BELOW: Final = frozenset(("below", "south", "under"))
RELATION_WORDS: Final = (
    LEFT
    | RIGHT
    | ABOVE
    | BELOW
    | {"bigger", "larger", "closer", "smaller", "tinier", "further"}
    | {"inside", "within", "contained"}
)
SUPERLATIVE_WORDS: Final = (
    LEFT
    | RIGHT
    | ABOVE
    | {"leftmost", "western", "rightmost", "eastern", "below", "south", "underneath"}
    | {"bigger", "biggest", "larger", "largest", "closer", "closest"}
    | {"smaller", "smallest", "tinier", "tiniest", "further", "furthest"}
)
NULL_WORDS: Final = frozenset(("part", "image", "side", "picture", "half", "region", "section"))

MAX_WORDS: Final = 77
"""Longest sentence in words: CLIP's context, beyond which the released code stops."""


@dataclass(frozen=True)
class EntityRelation:
    """What joins an entity to another.

    Attributes:
        words: The connecting words, in the order of the sentence; none is possible.
        other: Text of the other entity's noun chunk.
    """

    words: tuple[str, ...]
    other: str


@dataclass(frozen=True)
class Entity:
    """The thing that a sentence is about, as the rectifier sees it.

    Attributes:
        sentence: The whole sentence in lower case.
        target: Text of the head's noun chunk, see :func:`head_phrase`.
        head: Text of the head's expanded chunk; the rectifier acts only where it is ``target``.
        relations: In the order of the parse.
        superlatives: Words of each superlative, in order.
        chunks: Texts of all expanded noun chunks.
    """

    sentence: str
    target: str
    head: str
    relations: tuple[EntityRelation, ...] = ()
    superlatives: tuple[tuple[str, ...], ...] = ()
    chunks: tuple[str, ...] = ()


def head_phrase(sentence: Sentence) -> str:
    """Text of the noun chunk that holds the root: TAS's target phrase.

    Of several roots the last; of a root in no chunk the first child. If that is in none either,
    the whole sentence.
    """
    if not sentence.words:
        return ""
    head = _in_chunk(sentence, sentence.roots[-1])
    if head is None:
        return sentence.text(0, len(sentence.words))
    return sentence.text(*sentence.chunk_at[head])


def find_entity(text: str, sentence: Sentence) -> Entity | None:
    """The entity of a sentence.

    Args:
        text: The sentence in lower case; the rectifier looks for parts of words in it.
        sentence: Its parse.

    Returns:
        The entity of the first root, else of what the first noun chunk depends on; None if neither
        is in a chunk, or there are more than :data:`MAX_WORDS` words.
    """
    if not sentence.words or len(sentence.words) > MAX_WORDS:
        return None
    head = _in_chunk(sentence, sentence.roots[0])
    if head is None and sentence.chunks:
        first = sentence.chunk_root(sentence.chunks[0])
        head = _in_chunk(sentence, sentence.heads[first])
    if head is None:
        return None
    chunks = _expanded(sentence)
    relations, superlatives = _relations(sentence, head, chunks)
    return Entity(
        sentence=text,
        target=head_phrase(sentence),
        head=sentence.text(*chunks[head]),
        relations=relations,
        superlatives=superlatives,
        chunks=tuple(sentence.text(*chunk) for chunk in chunks.values()),
    )


def _in_chunk(sentence: Sentence, token: int) -> int | None:
    """The token if it is in a chunk, else its first child if that is."""
    for candidate in (token, *sentence.children[token][:1]):
        if candidate in sentence.chunk_at:
            return candidate
    return None


def _expanded(sentence: Sentence) -> dict[int, tuple[int, int]]:
    """By token, its chunk with the words that hang on it and hold no other chunk.

    Words between that do not hang on it are taken in as well.
    """
    wider: dict[tuple[int, int], tuple[int, int]] = {}
    for chunk in sentence.chunks:
        own = frozenset(range(*chunk))
        others = [index for index in sentence.chunk_at if index not in own]
        below = [index for index, above in enumerate(sentence.ancestors) if above & own]
        start, stop = chunk
        for index in below:
            holds = any(index in sentence.ancestors[other] for other in others)
            if index < chunk[0] and not holds:
                start = min(start, index)
            elif index >= chunk[1]:
                if holds or index in others:
                    break
                stop = index + 1
        wider[chunk] = (start, stop)
    return {index: wider[chunk] for index, chunk in sentence.chunk_at.items()}


def _relations(
    sentence: Sentence, head: int, chunks: dict[int, tuple[int, int]]
) -> tuple[tuple[EntityRelation, ...], tuple[tuple[str, ...], ...]]:
    """Chains of words from the head to other chunks, and to words at which nothing hangs."""
    relations: list[EntityRelation] = []
    superlatives: list[tuple[str, ...]] = []
    waiting: list[tuple[int, tuple[int, ...]]] = [(head, ())]
    while waiting:
        token, chain = waiting.pop()
        word = sentence.words[token]
        joins = word in RELATION_WORDS or word in NULL_WORDS
        # Another word of the head's own chunk counts as another entity: the slip told above.
        if token in chunks and token != head and not joins:
            words = tuple(sentence.words[index] for index in sorted(chain))
            relations.append(EntityRelation(words, sentence.text(*chunks[token])))
        elif not sentence.children[token]:
            words = tuple(sentence.words[index] for index in sorted((*chain, token)))
            if not SUPERLATIVE_WORDS.isdisjoint(words):
                superlatives.append(words)
        else:
            if token not in chunks or joins or word in SUPERLATIVE_WORDS:
                chain = (*chain, token)
            waiting += [(child, chain) for child in reversed(sentence.children[token])]
    return tuple(relations), tuple(superlatives)
