# SPDX-License-Identifier: Apache-2.0
"""The parser of referring expressions: rules over whole tokens, no model, no download.

It reads what people say to robots and what annotators of referring-expression data sets type.
Every text has a reading, if only an empty one; the same text always has the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from refseg_ros.language import lexicon
from refseg_ros.language.expression import (
    Direction,
    NounPhrase,
    ReferringExpression,
    Relation,
    RelationKind,
)
from refseg_ros.language.grammar import (
    Item,
    Kind,
    drop_destination,
    scan,
    split_clauses,
    strip_command,
)
from refseg_ros.language.tokens import COMMA, lemma, normalise, tokenise


def parse(text: str) -> ReferringExpression:
    """Takes a sentence apart.

    A position that follows a landmark ("the mug next to the book on the left") and every further
    relation are taken to be those of the thing meant, not of the landmark.

    Args:
        text: Any string.

    Returns:
        What it says; :attr:`ReferringExpression.is_empty` if that is nothing.
    """
    clean, truncated = normalise(text)
    first = None
    for clause in split_clauses(tokenise(clean)):
        tokens, verb = strip_command(clause)
        items = drop_destination(scan(tokens), tokens, verb)
        if items:
            reader = _Reader(tokens[: items[-1].stop], items)
            reader.read()
            expression = reader.expression(text, truncated)
            if not expression.is_empty:
                return expression
            first = first or expression
    return first or ReferringExpression(text, truncated=truncated)


def head_noun(phrase: str) -> str:
    """Lemma of a noun phrase's head ("a red coffee mug" → "mug"); "" if it has none."""
    tokens = [token for token in tokenise(normalise(phrase)[0]) if token.isalnum() or "-" in token]
    return parse_phrase(scan(tokens), tokens)[0].head


def is_adjective(word: str) -> bool:
    """Whether a word is known to qualify and never to name a thing."""
    return word in lexicon.PURE_ADJECTIVES


def name(words: Sequence[str], predicative: bool = False) -> NounPhrase:
    """The noun phrase that bare words make: its head, colours, materials and sizes.

    Args:
        words: Words without articles and positions; those after "of" belong to the phrase's text.
        predicative: Whether they stand after "is": then "orange" is a colour, not a fruit.
    """
    core = list(words)
    if "of" in core[1:-1]:
        cut = core.index("of", 1)
        core = core[cut + 1 :] if core[cut - 1] in lexicon.MEASURES else core[:cut]
    qualifies = lexicon.ADJECTIVES if predicative else lexicon.PURE_ADJECTIVES
    head = next((word for word in reversed(core) if word not in qualifies), "")
    rest = list(core)
    if head:
        del rest[len(rest) - 1 - rest[::-1].index(head)]
    return NounPhrase(
        text=" ".join(word for word in words if word != COMMA),
        head="" if head in lexicon.GENERIC_NOUNS else lemma(head),
        colours=_unique(word for word in rest if word in lexicon.COLOURS),
        materials=_unique(word for word in rest if word in lexicon.MATERIALS),
        sizes=_unique(word for word in rest if word in lexicon.SIZES),
        is_plural=bool(head) and lemma(head) != head and head not in lexicon.GENERIC_NOUNS,
    )


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _merge(first: NounPhrase, second: NounPhrase) -> NounPhrase:
    """Two phrases for one thing: the attributes of both, the head of the one that has it."""
    headed = second if second.head and not first.head else first
    qualifiers = {
        lexicon_word for lexicon_word in first.text.split() if is_adjective(lexicon_word)
    }
    text = headed.text or first.text or second.text
    if headed is second and qualifiers:
        missing = [
            word for word in first.text.split() if word in qualifiers and word not in text.split()
        ]
        text = " ".join([*missing, text])
    return NounPhrase(
        text=text,
        head=headed.head,
        colours=_unique(first.colours + second.colours),
        materials=_unique(first.materials + second.materials),
        sizes=_unique(first.sizes + second.sizes),
        directions=_unique_directions(first.directions + second.directions),
        extremes=_unique_directions(first.extremes + second.extremes),
        ordinal=first.ordinal or second.ordinal,
        is_plural=first.is_plural or second.is_plural,
    )


def _unique_directions(directions: Iterable[Direction]) -> tuple[Direction, ...]:
    return tuple(dict.fromkeys(directions))


def parse_phrase(
    items: Sequence[Item], tokens: Sequence[str], start: int = 0, predicative: bool = False
) -> tuple[NounPhrase, int]:
    """One noun phrase at item ``start``: articles, ordinals, positions, adjectives, noun.

    Returns:
        The phrase (with empty text if there is none) and the item after it.
    """
    words: list[str] = []
    placed = NounPhrase()
    index = start
    while index < len(items):
        item = items[index]
        following = items[index + 1] if index + 1 < len(items) else None
        before_word = following is not None and following.kind is Kind.WORD
        has_noun = any(word not in lexicon.ADJECTIVES for word in words)
        if item.kind is Kind.WORD:
            if not (item.word == "one" and before_word and not words):
                words.append(item.word)
        elif item.kind in (Kind.ARTICLE, Kind.NUMBER, Kind.ORDINAL) and not words:
            if item.kind is Kind.ORDINAL:
                placed = replace(placed, ordinal=item.rank)
        elif item.word == "top" and _is_garment(items, start, index, words):
            words.append(item.word)
        elif (
            item.kind is Kind.DIRECTION
            and item.prenominal
            and not has_noun
            and (not words or before_word)
        ):
            placed = _placed(placed, item)
        elif (
            item.kind in (Kind.AND, Kind.COMMA)
            and words
            and before_word
            and _joins(words, items, index)
        ):
            pass
        elif item.kind is Kind.OF and words and words[-1] not in lexicon.GENERIC_NOUNS:
            inner = index + 1
            while inner < len(items) and items[inner].kind in (Kind.ARTICLE, Kind.NUMBER):
                inner += 1
            if inner >= len(items) or items[inner].kind is not Kind.WORD or not has_noun:
                break
            words.append("of")
            index = inner
            continue
        else:
            break
        index += 1
    phrase = name(words, predicative)
    return (
        replace(
            phrase, directions=placed.directions, extremes=placed.extremes, ordinal=placed.ordinal
        ),
        index,
    )


def _joins(words: Sequence[str], items: Sequence[Item], index: int) -> bool:
    """Whether "and" or a comma joins two adjectives of one noun ("red and white ball")."""
    return (
        words[-1] in lexicon.ADJECTIVES
        and items[index + 1].word in lexicon.ADJECTIVES
        and not any(word not in lexicon.ADJECTIVES for word in words)
    )


def _is_garment(items: Sequence[Item], start: int, index: int, words: Sequence[str]) -> bool:
    """Whether "top" is what somebody wears ("in a pink top"), not a position."""
    ends = index + 1 == len(items) or items[index + 1].kind is not Kind.WORD
    lone = items[index].stop == items[index].start + 1
    coloured = bool(words) and all(word in lexicon.COLOURS for word in words)
    return items[start].kind is Kind.ARTICLE and coloured and lone and ends


def _placed(phrase: NounPhrase, item: Item) -> NounPhrase:
    """The phrase with the positions of a ``DIRECTION`` item added."""
    return replace(
        phrase,
        directions=_unique_directions(phrase.directions + item.directions),
        extremes=_unique_directions(phrase.extremes + (item.directions if item.extreme else ())),
    )


@dataclass
class _Reader:
    """Reads the items of one clause from left to right."""

    tokens: Sequence[str]
    items: Sequence[Item]
    index: int = 0
    target: NounPhrase = field(default_factory=NounPhrase)
    relations: list[Relation] = field(default_factory=list)
    negated: list[str] = field(default_factory=list)

    def read(self) -> None:
        """Consumes every item."""
        while self.index < len(self.items):
            item = self.items[self.index]
            if item.kind is Kind.NEGATION:
                self._read_negation()
            elif item.kind is Kind.RELATION:
                self._read_relation(item)
            elif item.kind is Kind.DIRECTION and not self._starts_phrase():
                self.target = _placed(self.target, item)
                self.index += 1
            elif item.kind is Kind.PREPOSITION and self._ranks_distance(item):
                self._read_distance()
            elif item.kind is Kind.PREPOSITION or (item.kind is Kind.OF and self.target.head):
                self.index = max(self._phrase(self.index + 1)[1], self.index + 1)
            elif item.kind in (Kind.AND, Kind.COMMA, Kind.LINK, Kind.OF, Kind.PRONOUN):
                self.index += 1
            else:
                self._read_target(item)

    def _starts_phrase(self) -> bool:
        """Whether a bare position word here begins the phrase of the thing meant."""
        item = self.items[self.index]
        return item.prenominal and not self.target.head and not self._noun_said()

    def _noun_said(self) -> bool:
        return bool(self.target.text)

    def _phrase(self, start: int, predicative: bool = False) -> tuple[NounPhrase, int]:
        return parse_phrase(self.items, self.tokens, start, predicative)

    def _read_target(self, item: Item) -> None:
        """A phrase that nothing governs: the thing meant, or more about it."""
        bare = item.kind not in (Kind.ARTICLE, Kind.NUMBER)
        after_link = self.index > 0 and self.items[self.index - 1].kind is Kind.LINK
        predicative = bare and (bool(self.target.head) or (after_link and self._noun_said()))
        phrase, stop = self._phrase(self.index, predicative)
        self.index = max(stop, self.index + 1)
        if not (self.target.head and phrase.head):
            self.target = _merge(self.target, phrase)

    def _read_negation(self) -> None:
        """Words after "not": a quality, or a position or relation with its phrase."""
        start = self.index + 1
        while start < len(self.items) and self.items[start].kind in (Kind.ARTICLE, Kind.LINK):
            start += 1
        stop = start
        if self.items[self.index].word == "non":
            stop = min(stop + 1, len(self.items))
        elif stop < len(self.items) and self.items[stop].kind in (
            Kind.RELATION,
            Kind.PREPOSITION,
        ):
            stop = max(self._phrase(stop + 1)[1], stop + 1)
        elif stop < len(self.items) and self.items[stop].kind is Kind.DIRECTION:
            stop = max(self._phrase(stop)[1], stop + 1)
        else:
            stop = self._phrase(stop)[1]
        self.index = max(stop, self.index + 1)
        if stop > start:
            words = self.tokens[self.items[start].start : self.items[stop - 1].stop]
            self.negated.append(" ".join(words))

    def _read_relation(self, item: Item) -> None:
        """A relation and its landmark; without one, what position it tells ("the one behind")."""
        assert item.relation is not None
        landmarks = [self._landmark()]
        if item.relation is RelationKind.BETWEEN and self._at(Kind.AND):
            landmarks.append(self._landmark())
        found = tuple(landmark for landmark in landmarks if landmark.text)
        if not found:
            direction = lexicon.DIRECTION_OF_RELATION.get(item.relation)
            if direction:
                self.target = _placed(self.target, replace(item, directions=(direction,)))
        elif found[0].text in lexicon.VIEWER:
            self._relate_to_viewer(item)
        elif found[0].head not in lexicon.NOT_LANDMARKS:
            on_support = item.relation is RelationKind.ON and found[0].head in lexicon.SUPPORTS
            self.relations.append(Relation(item.relation, found, on_support))

    def _ranks_distance(self, item: Item) -> bool:
        """Whether "to" or "from" here belongs to a "closest" or "furthest" before the noun."""
        depths = (Direction.FRONT, Direction.BACK)
        said = lexicon.NEAREST_WORDS | lexicon.FARTHEST_WORDS
        return (
            item.word in ("to", "from")
            and any(direction in depths for direction in self.target.extremes)
            and not said.isdisjoint(self.tokens[: item.start])
        )

    def _read_distance(self) -> None:
        """Read "the closest ball to the cone" as "the ball closest to the cone"."""
        landmark = self._landmark()
        if not landmark.text or landmark.text in lexicon.VIEWER:
            return
        near = Direction.FRONT in self.target.extremes
        kind = RelationKind.NEXT_TO if near else RelationKind.FAR_FROM
        depth = Direction.FRONT if near else Direction.BACK
        self.target = replace(
            self.target,
            directions=tuple(item for item in self.target.directions if item is not depth),
            extremes=tuple(item for item in self.target.extremes if item is not depth),
        )
        self.relations.append(Relation(kind, (landmark,)))

    def _landmark(self) -> NounPhrase:
        """The phrase after the current item."""
        phrase, stop = self._phrase(self.index + 1)
        if not phrase.text and stop < len(self.items):
            pronoun = self.items[stop]
            if pronoun.kind is Kind.PRONOUN:
                phrase, stop = NounPhrase(text=pronoun.word), stop + 1
        self.index = max(stop, self.index + 1)
        return phrase

    def _at(self, kind: Kind) -> bool:
        return self.index < len(self.items) and self.items[self.index].kind is kind

    def _relate_to_viewer(self, item: Item) -> None:
        """Read "closest to me" and "in front of the camera" as positions."""
        near = item.relation in (RelationKind.NEXT_TO, RelationKind.IN_FRONT_OF)
        if near or item.relation is RelationKind.FAR_FROM:
            direction = Direction.FRONT if near else Direction.BACK
            extreme = item.word in lexicon.NEAREST_WORDS | lexicon.FARTHEST_WORDS
            self.target = _placed(
                self.target, replace(item, directions=(direction,), extreme=extreme)
            )

    def expression(self, text: str, truncated: bool) -> ReferringExpression:
        """What was read."""
        words = (item.word for item in self.items if item.kind is Kind.WORD)
        return ReferringExpression(
            text=text,
            referring=" ".join(self.tokens).replace(f" {COMMA}", COMMA),
            target=replace(self.target, relations=tuple(self.relations)),
            negated=_unique(self.negated),
            content_words=_unique(
                word if is_adjective(word) else lemma(word)
                for word in words
                if word not in lexicon.NOT_SAID
            ),
            truncated=truncated,
        )
