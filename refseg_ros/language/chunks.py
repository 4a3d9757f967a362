# SPDX-License-Identifier: Apache-2.0
"""Noun phrases of a caption, and whether two phrases name the same kind of thing (for TAS's N)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from refseg_ros.language import lexicon
from refseg_ros.language.expression import NounPhrase
from refseg_ros.language.grammar import Item, Kind, scan
from refseg_ros.language.nouns import head_noun, is_adjective, unique
from refseg_ros.language.synonyms import GROUP_OF
from refseg_ros.language.tokens import CLAUSE_END, COMMA, lemma, normalise, tokenise


class SynonymRule(Protocol):
    """Says whether two noun phrases name the same kind of thing; :func:`same_thing` is one."""

    def __call__(self, a: str, b: str) -> bool:
        """Whether ``a`` and ``b`` name the same kind of thing."""
        ...


def same_thing(a: str, b: str) -> bool:
    """Whether two phrases have the same head noun, by lemma or by a built-in synonym group.

    This replaces the published rule, by which most nouns are no synonyms of themselves. "cup" and
    "mug" are different things here. Phrases without a head noun are the same as nothing.

    Args:
        a: A noun phrase, "the red mugs".
        b: Another one.
    """
    return bool(kinds(a) & kinds(b))


def kinds(phrase: str) -> frozenset[str]:
    """Names of the kinds of thing that a noun phrase names: two phrases that share one are alike.

    Args:
        phrase: "the red mugs".

    Returns:
        Its lemma, its group, or its two-word group; nothing for a phrase without a head noun.
    """
    return _kinds(head_noun(phrase), tokenise(normalise(phrase)[0]))


def kinds_of(phrase: NounPhrase) -> frozenset[str]:
    """The same of a phrase that was taken apart already."""
    return _kinds(phrase.head, phrase.text.split())


def _kinds(head: str, tokens: Sequence[str]) -> frozenset[str]:
    if not head:
        return frozenset()
    words = [lemma(token) for token in tokens]
    pair = words[words.index(head) - 1 : words.index(head) + 1] if head in words[1:] else []
    compound = GROUP_OF.get(" ".join(pair))
    return frozenset((compound,)) if compound else frozenset((GROUP_OF.get(head, head),))


def is_abstract(phrase: str) -> bool:
    """Whether a phrase names no thing that could be mistaken for the target ("the background")."""
    head = head_noun(phrase)
    return not head or head in lexicon.ABSTRACT


def noun_chunks(caption: str) -> tuple[str, ...]:
    """Noun phrases of a caption as often as said, in order, with articles and in lower case.

    As in the published method nothing is filtered: see :func:`is_abstract` and :func:`same_thing`.

    Args:
        caption: Any string, such as "a red mug, a blue bowl and a book on a table".

    Returns:
        Its noun phrases: ("a red mug", "a blue bowl", "a book", "a table").
    """
    found: list[str] = []
    sentence: list[str] = []
    for token in [*tokenise(normalise(caption)[0]), CLAUSE_END]:
        if token == CLAUSE_END:
            found += _phrases_of(sentence)
            sentence = []
        else:
            sentence.append(token)
    return tuple(found)


def noun_phrases(caption: str) -> tuple[str, ...]:
    """Those of :func:`noun_chunks`, each once."""
    return unique(noun_chunks(caption))


_INSIDE = (Kind.WORD, Kind.NUMBER, Kind.ORDINAL)


def _phrases_of(tokens: list[str]) -> list[str]:
    """Noun phrases of one sentence: runs of words, begun anew at an article."""
    runs: list[list[Item]] = [[]]
    items = scan(tokens)
    for index, item in enumerate(items):
        prenominal = item.kind is Kind.DIRECTION and item.prenominal
        if item.kind is Kind.ARTICLE:
            runs.append([item])
        elif item.kind in _INSIDE or prenominal or _joined(items, index, runs[-1]):
            runs[-1].append(item)
        else:
            runs.append([])
    phrases = []
    for run in runs:
        words = [item for item in run if item.kind is Kind.WORD]
        pure = all(is_adjective(item.word) or item.word == "there" for item in words)
        if words and not pure:
            text = tokens[run[0].start : run[-1].stop]
            phrases.append(" ".join(word for word in text if word != COMMA))
    return phrases


def _joined(items: list[Item], index: int, run: list[Item]) -> bool:
    """Whether "and" or a comma stands between two adjectives of one noun."""
    if items[index].kind not in (Kind.AND, Kind.COMMA) or not run or index + 2 >= len(items):
        return False
    words = [item.word for item in run if item.kind is Kind.WORD]
    return (
        bool(words)
        and all(word in lexicon.ADJECTIVES for word in words)
        and items[index + 1].word in lexicon.ADJECTIVES
        and items[index + 2].kind is Kind.WORD
    )
