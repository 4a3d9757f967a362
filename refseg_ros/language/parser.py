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
from refseg_ros.language.foreign import language_of
from refseg_ros.language.grammar import Item, Kind, scan
from refseg_ros.language.nouns import is_adjective, unique
from refseg_ros.language.reader import Reader
from refseg_ros.language.requests import Request, is_way, request_in, split_requests
from refseg_ros.language.spelling import corrected, regular, spoken
from refseg_ros.language.states import with_states
from refseg_ros.language.tokens import COMMA, lemma, normalise, tokenise

MAX_WORDS: Final = 128
"""Words of a text that are read; the work grows faster than they do."""


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
    words, owners = spoken(clean)
    said = regular(words)
    truncated = truncated or len(said) > MAX_WORDS
    tokens, corrections = corrected(said[:MAX_WORDS])
    best, unread = ReferringExpression(text), list[str]()
    rank = 0
    clauses = [part for clause in split_clauses(tokens) for part in split_requests(clause)]
    for clause in _joined(clauses):
        request = request_in(clause)
        read = _read(text, clause, request, owners)
        filled = not read.is_empty or read.target != NounPhrase()
        thing = not is_way(read.head) if request is None else request.is_thing
        # "that is my sister. follow that car": the car is.
        ordered = request is not None and request.is_direct and read.head != ""
        found = filled * (1 + thing + ordered)
        again = rank > 0 and read.head == best.head != ""  # "a blue car is ahead. follow that car"
        if found > rank and not again:
            # "pull over. that is my friend": a friend is meant, no place to stop.
            unread += _words(best.referring.split())
            best, rank = read, found
        elif rank:
            unread += _words(clause) if strip_command(clause).tokens else []
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
        language=language_of(clean, words),
    )


def referring_part(text: str) -> str:
    """The first clause that names something, without its command: what TAS takes for a sentence.

    Only what commands a robot to handle a thing is taken off, and no word is read otherwise.
    """
    tokens, _ = corrected(tokenise(normalise(text)[0]))
    for clause in _joined(split_clauses(tokens)):
        read = _read(text, clause)
        if not read.is_empty or read.target != NounPhrase():
            return read.referring
    return ""


def _joined(clauses: Sequence[list[str]]) -> list[list[str]]:
    """The clauses, with those that go on about the same thing ("it is red") put together."""
    joined: list[list[str]] = []
    for clause in clauses:
        tokens, verb, _ = strip_command(clause)
        others = tokens[:1] in (["he"], ["she"])  # of whom the clause before may say only "him"
        about = verb in lexicon.SAME_THING or not lexicon.ONES.isdisjoint(tokens)
        if joined and tokens and about and not others and (not verb or verb in lexicon.SAME_THING):
            joined[-1] += [COMMA, *tokens]
        else:
            joined.append(clause)
    return joined


def _words(clause: Sequence[str]) -> list[str]:
    """Words of a clause that is not read."""
    silent = lexicon.ARTICLES | lexicon.LINKS | {COMMA, "and"}
    return [token for token in clause if token not in silent]


def _read(
    text: str,
    clause: Sequence[str],
    request: Request | None = None,
    owners: Collection[str] | None = None,
) -> ReferringExpression:
    """The reading of one clause, empty if it is a command or a courtesy and nothing more.

    Args:
        text: The sentence.
        clause: Its tokens.
        request: What it is about, if that is not all that follows a command.
        owners: Words said in the possessive; None to read verbs as other words.
    """
    said = clause if request is None else request.tokens
    command = strip_command(said, beside=owners is not None)
    items = scan(command.tokens)
    verb = "bring" if request is not None and request.is_handled else command.verb
    cut = destination(items, command.tokens, verb)
    goal = command.tokens[items[cut].start :] if cut < len(items) else []
    items = items[:cut]
    tokens = command.tokens[: items[-1].stop if items else 0]
    items = items if owners is None else with_states(items, tokens, owners)
    reader = Reader(tokens, items)
    reader.read()
    target = reader.target.finished()
    unread = reader.unread_words()
    items = [item for item in items if item not in reader.of_use]
    return ReferringExpression(
        text=text,
        referring=" ".join(tokens).replace(f" {COMMA}", COMMA),
        target=target,
        negated=unique(reader.negated),
        content_words=unique((*_framed(target.head), *_content_words(items, tokens))),
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
    words = (_noun(item.word) for item in items if item.kind is Kind.WORD)
    return unique(word for word in words if word not in _NO_LOSS and word not in kept)


def _noun(word: str) -> str:
    """A word, or what an indefinite pronoun stands for."""
    return lexicon.INDEFINITE.get(word, word)


_NO_LOSS: Final = lexicon.NOT_SAID | lexicon.ADJECTIVES | lexicon.PRONOUNS | lexicon.ARTICLES


def _framed(head: str) -> tuple[str, ...]:
    """The head where it tells what a picture shows only as a landmark: "pick up the camera"."""
    return (head,) if head in lexicon.PICTURE | lexicon.VIEWER else ()


def _content_words(items: Sequence[Item], tokens: Sequence[str]) -> tuple[str, ...]:
    words: list[str] = []
    for item in items:
        if item.kind is Kind.STATE:
            said = [word for token in tokens[item.start : item.stop] for word in _quoted(token)]
            words += (part.word for part in scan(said) if part.kind is Kind.WORD)
        elif item.kind is Kind.WORD:
            words.append(_noun(item.word))
    return unique(
        word if is_adjective(word) else lemma(word)
        for word in words
        if word not in lexicon.NOT_SAID
    )


def _quoted(token: str) -> list[str]:
    """The words of a token, which are more than one where a text was quoted."""
    return token.strip('"').split()
