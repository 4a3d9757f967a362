# SPDX-License-Identifier: Apache-2.0
"""The parser of referring expressions: rules over whole tokens, no model, no download.

It reads what people say to robots and what annotators of referring-expression data sets type.
Every text has a reading, if only an empty one; the same text always has the same one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from refseg_ros.language import lexicon
from refseg_ros.language.commands import destination, names_picture, split_clauses, strip_command
from refseg_ros.language.expression import NounPhrase, ReferringExpression
from refseg_ros.language.grammar import Item, Kind, scan
from refseg_ros.language.nouns import is_adjective, unique
from refseg_ros.language.reader import Reader
from refseg_ros.language.spelling import corrected
from refseg_ros.language.tokens import COMMA, lemma, normalise, tokenise


def parse(text: str) -> ReferringExpression:
    """Takes a sentence apart.

    The first clause that names something is read; words of other clauses are left unread. A
    relation or relative clause right after a landmark is the landmark's; see
    :mod:`refseg_ros.language.reader`.

    Args:
        text: Any string.

    Returns:
        What it says; :attr:`ReferringExpression.is_empty` if that is nothing.
    """
    clean, truncated = normalise(text)
    tokens, corrections = corrected(tokenise(clean))
    best, unread = ReferringExpression(text), list[str]()
    found = False
    for clause in _joined(split_clauses(tokens)):
        read = _read(text, clause)
        if found:
            unread += _words(clause) if strip_command(clause).tokens else []
        elif not read.is_empty or read.target != NounPhrase():
            best, found = read, True
        else:
            unread += (*read.unread, *_words(read.destination.split()))
    return ReferringExpression(
        text=text,
        referring=best.referring,
        target=best.target,
        negated=best.negated,
        content_words=best.content_words,
        destination=best.destination,
        unread=(*best.unread, *unread),
        corrections=corrections,
        truncated=truncated,
        in_picture=names_picture(tokens),
    )


def _joined(clauses: Sequence[list[str]]) -> list[list[str]]:
    """The clauses, with those that go on about the same thing ("it is red") put together."""
    joined: list[list[str]] = []
    for clause in clauses:
        tokens, verb, _ = strip_command(clause)
        about = verb in lexicon.SAME_THING or not lexicon.ONES.isdisjoint(tokens)
        if joined and tokens and about and (not verb or verb in lexicon.SAME_THING):
            joined[-1] += [COMMA, *tokens]
        else:
            joined.append(clause)
    return joined


def _words(clause: Sequence[str]) -> list[str]:
    """Words of a clause that is not read."""
    silent = lexicon.ARTICLES | lexicon.LINKS | {COMMA, "and"}
    return [token for token in clause if token not in silent]


def _read(text: str, clause: Sequence[str]) -> ReferringExpression:
    """The reading of one clause, empty if it is a command or a courtesy and nothing more."""
    command = strip_command(clause)
    items = scan(command.tokens)
    cut = destination(items, command.tokens, command.verb)
    goal = command.tokens[items[cut].start :] if cut < len(items) else []
    items = items[:cut]
    tokens = command.tokens[: items[-1].stop if items else 0]
    reader = Reader(tokens, items)
    reader.read()
    target = reader.target.finished()
    unread = reader.unread_words()
    return ReferringExpression(
        text=text,
        referring=" ".join(tokens).replace(f" {COMMA}", COMMA),
        target=target,
        negated=unique(reader.negated),
        content_words=_content_words(items),
        destination=" ".join([*goal, *command.rest]),
        unread=(*unread, *_lost(items, {*_kept(target), *unread})),
    )


def _kept(phrase: NounPhrase) -> Iterator[str]:
    """Words by which a phrase and all phrases within it are looked for."""
    yield from phrase.text.split()
    inner = (landmark for relation in phrase.relations for landmark in relation.landmarks)
    for item in (*inner, *phrase.excluded):
        yield from _kept(item)


def _lost(items: Sequence[Item], kept: Collection[str]) -> tuple[str, ...]:
    """Words that no phrase is looked for by, such as the mug in "most the mug one"."""
    words = (item.word for item in items if item.kind is Kind.WORD)
    return unique(word for word in words if word not in _NO_LOSS and word not in kept)


_NO_LOSS: Final = lexicon.NOT_SAID | lexicon.ADJECTIVES | lexicon.PRONOUNS | lexicon.ARTICLES


def _content_words(items: Sequence[Item]) -> tuple[str, ...]:
    words = (item.word for item in items if item.kind is Kind.WORD)
    return unique(
        word if is_adjective(word) else lemma(word)
        for word in words
        if word not in lexicon.NOT_SAID
    )
