# SPDX-License-Identifier: Apache-2.0
"""A sentence as a scene is asked it: read once, with what of it can be used and what cannot."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from refseg_ros.language.expression import Anaphora, NounPhrase, ReferringExpression
from refseg_ros.language.nouns import unique
from refseg_ros.language.tokens import lemma, plain
from refseg_ros.language.usable import (
    MAX_DEPTH,
    has_look,
    looks_of,
    usable,
    usable_exclusion,
    usable_relations,
    whole_of,
)


@dataclass(frozen=True)
class Unused:
    """What of a sentence an answer to it leaves aside.

    Attributes:
        words: Words of things and qualities that nothing was compared with, and those that could
            not be read.
        negated: What the thing meant is said not to be, where that could not be told.
        plural: The head as said, when several things are asked for and one is answered.
        things: Those of ``words`` that name a thing which the models know.
        before: Words that point to what was meant before, which is not known here.
        strange: Nouns that are none of the names of things, for which a likely one is taken.
        colours: Colours and materials that nothing which is seen tells.
        unknown: Words of a phrase that the models do not know, each with the phrase.
        parts: Parts of things that nothing shows by itself, each with the thing that is answered.
    """

    words: tuple[str, ...] = ()
    negated: tuple[str, ...] = ()
    plural: str = ""
    things: tuple[str, ...] = ()
    before: str = ""
    strange: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def matters(self) -> bool:
        """Whether what was found may well not be what was asked for."""
        told = self.negated or self.plural or self.things or self.before
        return bool(told or self.strange or self.colours or self.unknown or self.parts)

    def __str__(self) -> str:
        parts = [f"{word} is not known to these models" for word in self.unknown]
        parts += [f"'not {phrase}' was not used" for phrase in self.negated]
        parts += [f"'{word}' was not used" for word in self.words]
        parts += (
            [f"'{self.plural}' are several, but only one is looked for"] if self.plural else []
        )
        parts += [f"{self.before}, but nothing was meant before"] if self.before else []
        parts += [f"no thing is named '{noun}'" for noun in self.strange]
        parts += [f"no candidate shows the {part} by itself" for part in self.parts]
        parts += [f"names alone do not show what is '{word}'" for word in self.colours]
        return "; ".join(parts)


NOTHING_ASIDE: Final = Unused()
"""All of the sentence was used."""


def unused(
    expression: ReferringExpression,
    vocabulary: Container[str] | None = None,
    *,
    sets: bool = True,
    unknown: Collection[str] = (),
) -> Unused:
    """What of a sentence is left aside when only its noun phrases are matched.

    Args:
        expression: The parsed sentence.
        vocabulary: Nouns that the models know; None when that is not known.
        sets: Whether several things are found where several are asked for.
        unknown: What :meth:`Vocabulary.known_part` left out.
    """
    target = expression.target
    used = _forms(" ".join(_said(target, vocabulary)))
    denied = _forms(" ".join((*expression.negated, *unknown)).replace("'", " "))
    words = [word for word in expression.content_words if word not in used | denied]
    words += [word for word in expression.unread if word not in (*words, *denied)]
    told = [usable_exclusion(item, target, vocabulary) for item in target.excluded]
    told += [False] * (len(expression.negated) - len(told))
    return Unused(
        words=tuple(words),
        negated=tuple(
            phrase
            for phrase, resolved in zip(expression.negated, told, strict=False)
            if not resolved
        ),
        plural=target.text if target.is_plural and not sets else "",
        things=tuple(word for word in words if word in (vocabulary or ())),
        before=_before(target),
        unknown=tuple(unknown),
    )


def _before(target: NounPhrase) -> str:
    """What a phrase takes from what was meant before, in words; "" if nothing."""
    if target.anaphora in _BEFORE:
        return _BEFORE[target.anaphora]
    pointed = (
        landmark.text
        for relation in target.relations
        for landmark in relation.landmarks
        if landmark.anaphora is Anaphora.SAME and not has_look(landmark)
    )
    text = next(pointed, "")
    return f"'{text}' should be the thing meant before" if text else ""


_BEFORE = {
    Anaphora.OTHER: "it should differ from the one before",
    Anaphora.SAME: "it should be the same as before",
}
"""ONE ("the left one") needs nothing from before."""


def _forms(text: str) -> set[str]:
    return {form for word in text.split() for form in (word, lemma(word))}


def _said(phrase: NounPhrase, vocabulary: Container[str] | None, depth: int = 0) -> Iterator[str]:
    """The words of a phrase that are matched or weighed, landmarks' too."""
    yield from (*phrase.size_words, phrase.use)
    yield from (item.word for item in phrase.superlatives)
    if has_look(phrase):
        yield from (phrase.text, phrase.look)
    for relation in phrase.relations:
        if usable(relation, vocabulary):
            for landmark in relation.landmarks:
                yield landmark.text
                if depth < MAX_DEPTH:
                    yield from _said(landmark, vocabulary, depth + 1)


@dataclass(frozen=True)
class Reading:
    """A sentence in the light of what the models know.

    Attributes:
        expression: The sentence, taken apart.
        vocabulary: Nouns that the models know; None when that is not known.
        any_words: Whether any words will do, as where whole sentences are compared with crops.
        unused: What of it an answer leaves aside.
        looks: Landmarks and exclusions that need a look, and whether each must not be.
        named: Whether the vocabulary is that of the names of things that are seen.
        guessing: Whether other nouns than those are compared with them all the same.
    """

    expression: ReferringExpression
    vocabulary: Container[str] | None = None
    any_words: bool = False
    unused: Unused = NOTHING_ASIDE
    looks: tuple[tuple[NounPhrase, bool], ...] = ()
    named: bool = False
    guessing: bool = False

    @property
    def says_how_it_looks(self) -> bool:
        """Whether there is a look to match: false for "the leftmost thing", "the biggest one"."""
        return has_look(self.expression.target)

    @property
    def foreign(self) -> str:
        """That the sentence seems to be in another language, in words; "" for English."""
        language = self.expression.language
        return language and f"the sentence seems to be {language}; only English is understood"

    @cached_property
    def placed(self) -> bool:
        """Whether anything but a look tells the thing meant from others."""
        target = self.expression.target
        excluded = (usable_exclusion(item, target, self.vocabulary) for item in target.excluded)
        return bool(
            target.directions
            or target.superlatives
            or target.ordinal
            or target.sizes
            or any(excluded)
            or usable_relations(self.expression, self.vocabulary)
        )


def read(
    expression: ReferringExpression,
    vocabulary: Container[str] | None = None,
    *,
    phrases: bool = True,
    sets: bool = True,
    named: bool = False,
    guessing: bool = False,
    colours: bool = True,
    unknown: Collection[str] = (),
) -> Reading:
    """What of a parsed sentence can be asked of a scene.

    Args:
        expression: The parsed sentence.
        vocabulary: Nouns that the models know; None when that is not known.
        phrases: Whether noun phrases are compared; else whole sentences, of which any words do.
        sets: Whether several things are found where several are asked for.
        named: Whether the vocabulary is that of the names of things that are seen.
        guessing: Whether nouns that are not in the vocabulary are compared, doubtfully, with those
            that are.
        colours: Whether anything tells colours and materials.
        unknown: What :meth:`Vocabulary.known_part` left out of it.
    """
    aside, parts = NOTHING_ASIDE, list[tuple[str, str]]()
    if vocabulary is not None and phrases:
        expression = replace(expression, target=_shown(expression.target, vocabulary, parts))
    if phrases:
        aside = unused(expression, vocabulary, sets=sets, unknown=unknown)
    gone = {noun for noun, _ in parts}
    words = tuple(word for word in aside.words if word not in gone)
    told = unique(f"'{noun}' of the '{whole}'" for noun, whole in parts)
    aside = replace(aside, words=words, parts=told)
    looks = tuple(looks_of(expression.target, vocabulary))
    said = (expression.target, *(phrase for phrase, _ in looks))
    if guessing and vocabulary is not None:
        nouns = unique(item.head for item in said if item.head and item.head not in vocabulary)
        aside = replace(aside, strange=nouns)
    if not colours:
        words = unique(word for item in said for word in item.colours + item.materials)
        aside = replace(aside, colours=words)
    return Reading(
        expression,
        vocabulary,
        any_words=not phrases and bool(plain(expression.text)),
        unused=aside,
        looks=looks,
        named=named,
        guessing=guessing,
    )


def _shown(
    phrase: NounPhrase, known: Container[str], parts: list[tuple[str, str]], depth: int = 0
) -> NounPhrase:
    """The phrase, and those within it, with the whole for a part that nothing is called."""
    whole = whole_of(phrase) if phrase.head not in known and not phrase.names else None
    if whole is not None and phrase.head and whole.head in known:
        parts.append((phrase.head, whole.text))
        phrase = whole
    if depth > MAX_DEPTH:
        return phrase
    relations = tuple(
        replace(
            item, landmarks=tuple(_shown(mark, known, parts, depth + 1) for mark in item.landmarks)
        )
        for item in phrase.relations
    )
    return replace(phrase, relations=relations)
