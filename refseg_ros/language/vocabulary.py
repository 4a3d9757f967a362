# SPDX-License-Identifier: Apache-2.0
"""What models that learnt few words know, and sentences in their words.

A text encoder makes a vector of any word; of one that it never learnt it is noise, by which some
candidate is always the nearest. So only words that were learnt are compared, the head with what
was learnt of it, and the rest is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from refseg_ros.language import lexicon
from refseg_ros.language.caption_names import Naming
from refseg_ros.language.expression import NounPhrase, ReferringExpression
from refseg_ros.language.kinship import (
    KIND_OF,
    STRANGE,
    has_kinds,
    is_placed,
    kinship,
    noun_of,
    phrases_in,
)
from refseg_ros.language.nouns import unique
from refseg_ros.language.tokens import lemma
from refseg_ros.language.usable import part_relation
from refseg_ros.language.uses import USES

if TYPE_CHECKING:
    from refseg_ros.language.wordnet_kinds import ThingKinds

_NO_LOOK: Final = (
    lexicon.NOT_SAID
    | lexicon.SIZES.keys()
    | lexicon.SUPERLATIVES.keys()
    | lexicon.MEASURES
    | lexicon.PARTS
    | lexicon.PRONOUNS
    | lexicon.ARTICLES
    | lexicon.NUMBERS.keys()
    | lexicon.word_set("of very own whole single lone main only")
)
"""Words of a phrase that say nothing of how a thing looks by itself."""


@dataclass(frozen=True)
class Vocabulary:
    """The words that models know.

    ``noun in vocabulary`` tells of head nouns, in the singular.

    Attributes:
        nouns: Heads of the names: "brick" of "toy brick".
        compounds: What may stand before a head as part of a name: ("toy", "brick").
        looks: Colours and materials.
        kinds: What tells kinds and uses of things where our own tables do not; None for nothing.
    """

    nouns: frozenset[str]
    compounds: frozenset[tuple[str, str]] = frozenset()
    looks: frozenset[str] = frozenset()
    kinds: ThingKinds | None = None

    @classmethod
    def of(cls, names: Iterable[str]) -> Vocabulary:
        """The vocabulary of names of things and looks: "toy brick", "red"."""
        known = [tuple(name.split()) for name in names]
        looks = lexicon.COLOURS | lexicon.MATERIALS
        things = [words for words in known if len(words) > 1 or words[0] not in looks]
        return cls(
            frozenset(words[-1] for words in things),
            frozenset((word, words[-1]) for words in things for word in words[:-1]),
            frozenset(words[0] for words in known if words not in things),
        )

    def __contains__(self, noun: object) -> bool:
        """Whether a head noun is known."""
        return noun in self.nouns

    def with_nouns(self, nouns: Iterable[str]) -> Vocabulary:
        """The vocabulary with further heads."""
        return replace(self, nouns=self.nouns | frozenset(nouns))

    def known_part(
        self, expression: ReferringExpression
    ) -> tuple[ReferringExpression, tuple[str, ...]]:
        """A sentence without the words of its phrases that are not known.

        Args:
            expression: The parsed sentence.

        Returns:
            It in words that are known, and what was left out: words, each with the phrase that it
            is of. Heads stay, with other names that are known for them; of an exclusion with an
            unknown word nothing stays, for its known part says more.
        """
        left: list[tuple[str, str]] = []
        target = self._known(expression.target, left)
        told = (f"'{word}'" + (f" of '{said}'" if said != word else "") for word, said in left)
        return replace(expression, target=target), unique(told)

    def _known(self, phrase: NounPhrase, left: list[tuple[str, str]]) -> NounPhrase:
        """The known part of a phrase and of those within it."""
        unknown = self._unknown(phrase)
        left += ((word, phrase.text or word) for word in unknown)
        relations = tuple(
            replace(item, landmarks=tuple(self._known(mark, left) for mark in item.landmarks))
            for item in phrase.relations
        )
        excluded = []
        for item in phrase.excluded:
            count = len(left)
            known = self._known(item, left)
            excluded.append(known if len(left) == count else NounPhrase())
            del left[count:]
        words = [word for word in phrase.text.split() if word not in unknown]
        while words and words[-1] == "of":
            del words[-1]
        rest = replace(
            phrase,
            text=" ".join(words),
            colours=tuple(word for word in phrase.colours if word not in unknown),
            materials=tuple(word for word in phrase.materials if word not in unknown),
            qualities=tuple(word for word in phrase.qualities if word not in unknown),
            relations=relations,
            excluded=tuple(excluded),
        )
        return rest if rest.head in self.nouns else replace(rest, names=self._other_names(rest))

    def _other_names(self, phrase: NounPhrase) -> tuple[str, ...]:
        """Nouns by which what a phrase is about may be called too.

        Those of its use ("something to drink from": mug, cup), its synonyms ("sphere": ball) and
        the kinds of it ("fruit": banana, pear).
        """
        if phrase.use or not phrase.head:
            served = tuple(noun for noun in USES.get(phrase.use, ()) if noun in self.nouns)
            return served or serving(phrase.use, sorted(self.nouns), self.kinds)
        said = Naming.of_phrase(NounPhrase(phrase.head, phrase.head))
        alike = tuple(
            noun
            for noun in sorted(self.nouns)
            if kinship(Naming.of_phrase(NounPhrase(noun, noun)), said) >= KIND_OF
            or (phrase.head == "toy" and ("toy", noun) in self.compounds)
        )
        return alike or kinds_among(phrase.head, sorted(self.nouns), self.kinds)

    def _unknown(self, phrase: NounPhrase) -> tuple[str, ...]:
        """Words beside the head by which a phrase's look was not learnt."""
        said = (*phrase.text.split(), *phrase.colours, *phrase.materials, *phrase.qualities)
        part = part_relation(phrase)
        whole = part.phrase.split() if part is not None and phrase.head else ()
        return unique(
            word
            for word in said
            if lemma(word) != phrase.head
            and word not in whole
            and word not in self.looks | _NO_LOOK
            and (word, phrase.head) not in self.compounds
            and not word.isdigit()
        )


def with_uses(
    phrase: NounPhrase, nouns: Iterable[str] = (), kinds: ThingKinds | None = None
) -> NounPhrase:
    """A phrase, and those within it, with the names of what serves a use that is said.

    Args:
        phrase: What was said.
        nouns: Names of what is seen, for kinds and uses that our own tables do not have.
        kinds: What tells those; None for nothing.
    """
    nouns = tuple(nouns)
    relations = tuple(
        replace(item, landmarks=tuple(with_uses(mark, nouns, kinds) for mark in item.landmarks))
        for item in phrase.relations
    )
    names = unique((*USES.get(phrase.use, ()), *serving(phrase.use, nouns, kinds)))
    if phrase.head and phrase.head not in nouns:
        said = Naming.of_phrase(NounPhrase(phrase.head, phrase.head))
        named = (Naming.of_phrase(NounPhrase(noun, noun)) for noun in nouns)
        if all(kinship(name, said) <= STRANGE for name in named):
            names = kinds_among(phrase.head, nouns, kinds)
    return replace(phrase, relations=relations, names=names)


def serving(use: str, nouns: Iterable[str], kinds: ThingKinds | None) -> tuple[str, ...]:
    """Those nouns that serve a use."""
    return tuple(noun for noun in nouns if use and kinds is not None and kinds.serves(noun, use))


def kinds_among(head: str, nouns: Iterable[str], kinds: ThingKinds | None) -> tuple[str, ...]:
    """Those nouns that name a kind of what a head names, where our own tables have no kinds.

    A kind that they have is theirs to tell: no mug is a person, though a fool is called one.
    """
    if kinds is None:
        return ()
    return tuple(
        noun
        for noun in nouns
        if not (has_kinds(head) and is_placed(noun)) and kinds.is_kind(noun, head)
    )


MOST_NOUNS: Final = 8
"""Nouns of a sentence that a detector is asked for."""


def nouns_of(expression: ReferringExpression) -> tuple[str, ...]:
    """What a text-prompted detector is asked for a sentence: the nouns of target and landmarks.

    Args:
        expression: What was said.

    Returns:
        Nouns in the singular, each once, :data:`MOST_NOUNS` at most; of a compound both words,
        "traffic light".
    """
    phrases = phrases_in(with_uses(expression.target))
    nouns = (noun_of(item) for phrase in phrases for item in phrase.alternatives)
    nobody = lexicon.NOT_SAID | lexicon.PRONOUNS
    return unique(noun for noun in nouns if noun and noun not in nobody)[:MOST_NOUNS]
