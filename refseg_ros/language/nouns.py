# SPDX-License-Identifier: Apache-2.0
"""Noun phrases: from items to one thing with its attributes, places, rank and number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from refseg_ros.language import lexicon
from refseg_ros.language.expression import (
    Anaphora,
    Direction,
    Measure,
    NounPhrase,
    RelationKind,
    Superlative,
)
from refseg_ros.language.grammar import Item, Kind, scan
from refseg_ros.language.tokens import COMMA, lemma, normalise, tokenise

_T = TypeVar("_T")


def head_noun(phrase: str) -> str:
    """Lemma of a noun phrase's head ("a red coffee mug" → "mug"); "" if it has none."""
    tokens = [token for token in tokenise(normalise(phrase)[0]) if token.isalnum() or "-" in token]
    return parse_phrase(scan(tokens))[0].head


def is_adjective(word: str) -> bool:
    """Whether a word is known to qualify and never to name a thing."""
    return word in lexicon.PURE_ADJECTIVES


def name(words: Sequence[str], predicative: bool = False) -> NounPhrase:
    """The noun phrase that bare words make: its head and attributes.

    Args:
        words: Words without articles and positions; those after "of" belong to the phrase's text.
        predicative: Whether they stand after "is": then "orange" is a colour, not a fruit.
    """
    words = _definite(words)
    core = list(words)
    if "of" in core[1:-1]:
        cut = core.index("of", 1)
        part = core[cut - 1] in lexicon.PARTS and core[-1] not in lexicon.FRAME_WORDS
        core = core[cut + 1 :] if part or core[cut - 1] in lexicon.MEASURES else core[:cut]
    qualifies = lexicon.ADJECTIVES if predicative else lexicon.PURE_ADJECTIVES
    head = next((word for word in reversed(core) if word not in qualifies), "")
    rest = list(core)
    if head:
        del rest[len(rest) - 1 - rest[::-1].index(head)]
    generic = head in lexicon.GENERIC_NOUNS
    ranked = [word for word in rest if word in lexicon.SUPERLATIVES]
    known = lexicon.COLOURS | lexicon.MATERIALS | lexicon.SIZES.keys() | {"of", "very", COMMA}
    return NounPhrase(
        text=" ".join(word for word in words if word != COMMA),
        head="" if generic else lemma(head),
        colours=unique(word for word in rest if word in lexicon.COLOURS),
        materials=unique(word for word in rest if word in lexicon.MATERIALS),
        sizes=unique(word for word in rest if word in lexicon.SIZES and word not in ranked),
        qualities=unique(word for word in rest if word not in known and word not in ranked),
        superlatives=unique(Superlative(*lexicon.SUPERLATIVES[w], word=w) for w in ranked),
        is_plural=head in lexicon.PLURAL_GENERIC if generic else lemma(head) != head,
    )


def _definite(words: Sequence[str]) -> list[str]:
    """The words with an indefinite pronoun as the noun that it stands for, the last of them.

    "anything red" and "thing red" are a red thing, "whatever red mug" is a red mug.
    """
    rest = [word for word in words if word not in lexicon.INDEFINITE]
    pronouns = [lexicon.INDEFINITE[word] for word in words if word in lexicon.INDEFINITE]
    if any(word not in lexicon.ADJECTIVES | lexicon.GENERIC_NOUNS for word in rest):
        return rest
    generic = [word for word in rest if word in lexicon.GENERIC_NOUNS]
    return [word for word in rest if word not in generic] + (generic or pronouns)[:1]


def unique(words: Iterable[_T]) -> tuple[_T, ...]:
    """Each once, in order."""
    return tuple(dict.fromkeys(words))


def merge(first: NounPhrase, second: NounPhrase) -> NounPhrase:
    """Two phrases for one thing: the attributes of both, the head of the one that has it."""
    headed = second if second.head and not first.head else first
    text = headed.text or first.text or second.text
    if headed is second:
        said = text.split()
        text = " ".join(
            [*(w for w in first.text.split() if is_adjective(w) and w not in said), text]
        )
    anaphora = first.anaphora or second.anaphora
    if headed.head and anaphora is Anaphora.ONE:
        anaphora = None
    return replace(
        headed,
        text=text,
        colours=unique(first.colours + second.colours),
        materials=unique(first.materials + second.materials),
        sizes=unique(first.sizes + second.sizes),
        qualities=unique(first.qualities + second.qualities),
        states=unique(first.states + second.states),
        superlatives=unique(first.superlatives + second.superlatives),
        directions=unique(first.directions + second.directions),
        extremes=unique(first.extremes + second.extremes),
        ordinal=first.ordinal or second.ordinal,
        ordinal_from=first.ordinal_from or second.ordinal_from,
        count=first.count or second.count,
        group=first.group or second.group,
        is_plural=first.is_plural or second.is_plural,
        is_any=first.is_any or second.is_any,
        anaphora=anaphora,
        use=first.use or second.use,
    )


def placed(phrase: NounPhrase, item: Item) -> NounPhrase:
    """The phrase with what a ``DIRECTION`` item says of place added.

    "second closest" is the second by nearness: the rank goes over to the superlative. In "the
    second in the back row" the rank counts along the row, from the left.
    """
    if item.nearness:
        rank = phrase.ordinal if phrase.ordinal and not phrase.directions else 1
        nearest = Superlative(Measure.NEARNESS, item.nearness > 0, max(rank, 1), item.word)
        ordinal = None if rank == phrase.ordinal else phrase.ordinal
        phrase = replace(
            phrase, superlatives=unique((*phrase.superlatives, nearest)), ordinal=ordinal
        )
    start = phrase.ordinal_from
    if item.word == "from" and phrase.ordinal:
        start = item.directions
    elif item.row and phrase.ordinal and not start:
        upright = not _ACROSS.isdisjoint(item.directions)
        start = (Direction.TOP if upright else Direction.LEFT,)
    return replace(
        phrase,
        directions=unique(phrase.directions + item.directions),
        extremes=unique(phrase.extremes + (item.directions if item.extreme else ())),
        ordinal_from=start,
    )


def ranked(phrase: NounPhrase) -> NounPhrase:
    """The phrase with its ordinal settled: where it counts from, and what "last" means."""
    if phrase.ordinal is None:
        return phrase
    start = phrase.ordinal_from
    if phrase.ordinal > 0:
        if start or len(phrase.directions) != 1:
            return phrase
        return replace(phrase, ordinal_from=phrase.directions)
    if start and all(item in _OPPOSITE for item in start):
        # "the last from the left" is the first from the right.
        turned = tuple(_OPPOSITE[item] for item in start)
        directions = unique(_OPPOSITE[d] if d in start else d for d in phrase.directions)
        return replace(phrase, ordinal=-phrase.ordinal, ordinal_from=turned, directions=directions)
    if len(phrase.directions) == 1:
        return replace(phrase, ordinal=-phrase.ordinal, ordinal_from=phrase.directions)
    return phrase


_ACROSS: Final = frozenset((Direction.LEFT, Direction.RIGHT))
_OPPOSITE: Final = {
    Direction.LEFT: Direction.RIGHT,
    Direction.RIGHT: Direction.LEFT,
    Direction.TOP: Direction.BOTTOM,
    Direction.BOTTOM: Direction.TOP,
    Direction.FRONT: Direction.BACK,
    Direction.BACK: Direction.FRONT,
}


def has_stand_in(phrase: NounPhrase) -> bool:
    """Whether a phrase without a head has a word in its place: "thing", "one", "it"."""
    said = lexicon.GENERIC_NOUNS.intersection(phrase.text.split())
    return bool(said) or phrase.anaphora is not None


def pronoun(word: str) -> NounPhrase | None:
    """What a pronoun refers to; None if it refers to no thing."""
    if word == "everything":
        return name((word,))
    if word not in lexicon.REFERRING_PRONOUNS:
        return None
    return NounPhrase(text=word, is_plural=word in ("them", "they"), anaphora=Anaphora.SAME)


def parse_phrase(
    items: Sequence[Item], start: int = 0, predicative: bool = False, alternatives: bool = True
) -> tuple[NounPhrase, int]:
    """One noun phrase at item ``start``: articles, numbers, positions, adjectives, noun.

    Args:
        items: The items of a clause.
        start: Where the phrase begins.
        predicative: See :func:`name`.
        alternatives: Whether "or" joins adjectives, "the red or blue mug".

    Returns:
        The phrase (with empty text if there is none) and the item after it.
    """
    reader = _PhraseReader(items, start, predicative, alternatives)
    while reader.index < len(items) and reader.step(items[reader.index]):
        reader.index += 1
    return reader.phrase(), reader.index


_WORN: Final = (RelationKind.WITH, RelationKind.IN)
"""Relations after which "white top" is what somebody wears."""


class _PhraseReader:
    """Reads one noun phrase item by item."""

    def __init__(
        self, items: Sequence[Item], start: int, predicative: bool, alternatives: bool
    ) -> None:
        self.items, self.start, self.index = items, start, start
        self.predicative, self.alternatives = predicative, alternatives
        self.words: list[str] = []
        self.determiners: list[str] = []
        self.places = NounPhrase()
        self.count: int | None = None
        self.group: int | None = None
        self.anaphora: Anaphora | None = None
        self.of_group = self.any_one = False

    def step(self, item: Item) -> bool:
        """Take one item in; False if the phrase ends before it."""
        following = self.items[self.index + 1] if self.index + 1 < len(self.items) else None
        before_word = following is not None and following.kind is Kind.WORD
        if item.kind is Kind.WORD:
            self._take_word(item.word, before_word)
        elif item.kind in (Kind.ARTICLE, Kind.NUMBER, Kind.ORDINAL):
            return self._take_determiner(item)
        elif item.word == "top" and self._is_garment():
            self.words.append(item.word)
        elif item.kind is Kind.DIRECTION:
            return self._take_direction(item, before_word)
        elif item.kind in (Kind.AND, Kind.COMMA):
            if item.kind is Kind.COMMA and following is not None and following.kind is Kind.AND:
                return self._lists(following)
            return before_word and self._joins(item)
        elif item.kind is Kind.OF:
            return self._take_of()
        else:
            return False
        return True

    @property
    def _has_noun(self) -> bool:
        return any(word not in lexicon.ADJECTIVES for word in self.words)

    def _take_word(self, word: str, before_word: bool) -> None:
        if word in lexicon.OTHER | lexicon.SAME and not self._has_noun:
            self.anaphora = Anaphora.SAME if word in lexicon.SAME else Anaphora.OTHER
            if word != "others":
                return
        if not (word == "one" and before_word and not self.words):
            self.words.append(word)

    def _take_determiner(self, item: Item) -> bool:
        if self.words and not (item.kind is Kind.NUMBER and self._only_ranked()):
            return False
        if item.kind is Kind.ORDINAL:
            self.places = replace(self.places, ordinal=item.rank)
        elif item.kind is Kind.NUMBER and self.of_group:
            self.group = item.rank
        elif item.kind is Kind.NUMBER:
            self.count = item.rank
        if item.kind is not Kind.ORDINAL:
            self.determiners.append(item.word)
        return True

    def _only_ranked(self) -> bool:
        """Whether only superlatives were said: "the largest two plates"."""
        return all(word in lexicon.SUPERLATIVES for word in self.words)

    def _take_direction(self, item: Item, before_word: bool) -> bool:
        counted = item.word == "from" and self.places.ordinal is not None and before_word
        if not (item.prenominal or counted) or self._has_noun:
            return False
        if item.word in lexicon.SCENERY and not (self.words or before_word):
            self.words.append(item.word)  # "the background" itself
            return True
        if self.words and not before_word:
            return False
        self.places = placed(self.places, item)
        return True

    def _take_of(self) -> bool:
        """Take "of": after a noun it goes on with it; after "one" or "all" it names a group."""
        inner = self.index + 1
        while inner < len(self.items) and self.items[inner].kind in (Kind.ARTICLE, Kind.NUMBER):
            inner += 1
        ends = inner >= len(self.items) or self.items[inner].kind is not Kind.WORD
        nouns = [word for word in self.words if word not in lexicon.ADJECTIVES]
        nouns += self.words[-1:] if self.words[-1:] == ["glass"] else []
        if nouns and nouns[-1] not in lexicon.GENERIC_NOUNS:
            if ends:
                return False
            self.words.append("of")
            self.index = inner - 1
            return True
        said = self.words or self.determiners or self.places != NounPhrase()
        if self.of_group or not said or (ends and inner == self.index + 1):
            return False
        self.of_group = True
        self.any_one = self.words == ["one"] and self.places == NounPhrase()
        self.words = [word for word in self.words if word not in lexicon.GENERIC_NOUNS]
        for item in self.items[self.index + 1 : inner]:
            self.group = item.rank or self.group
        if self.count and self.determiners[-1:] == ["couple"]:
            self.of_group, self.group = False, None  # "a couple of rings"
        self.index = inner - 1
        return True

    def _joins(self, item: Item) -> bool:
        """Whether "and" or a comma joins two adjectives of one noun ("red and white ball")."""
        if not self.words or (item.word == "or" and not self.alternatives):
            return False
        last, word = self.words[-1], self.items[self.index + 1].word
        if self._has_noun:
            return {last, word} <= lexicon.PURE_COLOURS and item.kind is Kind.AND
        if last in lexicon.PURE_ADJECTIVES:
            return word in lexicon.ADJECTIVES
        described = item.kind is Kind.COMMA and self.determiners and last in lexicon.COLOURS
        if described and self.index + 2 < len(self.items):
            # "a gold, intricate vase"
            return self.items[self.index + 2].kind is Kind.WORD
        # "pink tin and blue pear" are two things.
        return any({last, word} <= kind for kind in (lexicon.COLOURS, lexicon.MATERIALS))

    def _lists(self, joint: Item) -> bool:
        """Whether ", and" joins the last of several adjectives; it is passed over then."""
        self.index += 1
        after = self.items[self.index + 1 : self.index + 2]
        joins = bool(after) and after[0].kind is Kind.WORD and self._joins(joint)
        self.index -= not joins
        return joins

    def _is_garment(self) -> bool:
        """Whether "top" is what somebody wears ("in a pink top"), not a position."""
        items, index = self.items, self.index
        ends = index + 1 == len(items) or items[index + 1].kind is not Kind.WORD
        lone = items[index].stop == items[index].start + 1
        known = lexicon.COLOURS | lexicon.PURE_ADJECTIVES
        coloured = bool(self.words) and all(word in known for word in self.words)
        worn = self.start and items[self.start - 1].relation in _WORN
        return (worn or items[self.start].kind is Kind.ARTICLE) and coloured and lone and ends

    def phrase(self) -> NounPhrase:
        """What was read."""
        named = name(self.words, self.predicative)
        determiners = frozenset(self.determiners)
        every = determiners & lexicon.EVERY
        if named.head and not named.is_plural:
            every -= {"all"}  # "an all white kitten"
        several = bool(self.count or every)
        any_word = determiners & lexicon.ANY or lexicon.WHICHEVER.intersection(self.words)
        picks = bool(any_word) or (self.any_one and not several)  # "every one of the cups"
        superlatives, ordinal = named.superlatives, self.places.ordinal
        if superlatives and ordinal and not self.places.directions:
            # "second largest": the rank is that of the superlative.
            first = replace(superlatives[0], rank=max(ordinal, 1))
            superlatives, ordinal = (first, *superlatives[1:]), None
        return replace(
            named,
            text=named.text or self._demonstrative(),
            superlatives=superlatives + self.places.superlatives,
            directions=self.places.directions,
            extremes=self.places.extremes,
            ordinal=ordinal,
            ordinal_from=self.places.ordinal_from,
            count=self.count,
            group=self.group,
            is_plural=several or (named.is_plural and not self.of_group),
            is_any=picks,
            anaphora=self._anaphora(named),
        )

    def _demonstrative(self) -> str:
        """The "that", "those" or "other" that stands for the noun itself; "" if none does."""
        if self.places != NounPhrase() or self.count:
            return ""
        if self.anaphora is Anaphora.OTHER:
            return "other"
        last = self.determiners[-1:]
        return last[0] if last and last[0] in lexicon.DEMONSTRATIVES else ""

    def _anaphora(self, named: NounPhrase) -> Anaphora | None:
        if self.anaphora or named.head:
            return self.anaphora
        bare = not self.words or self.words[0] in lexicon.ONES
        if bare and self.determiners and self.determiners[-1] in lexicon.DEMONSTRATIVES:
            return Anaphora.SAME
        return Anaphora.ONE if self.words and self.words[-1] in lexicon.ONES else None
