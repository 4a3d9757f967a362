# SPDX-License-Identifier: Apache-2.0
"""Which parts of a phrase can be weighed, and which looks must be known for that."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace
from typing import Final

from refseg_ros.language import ReferringExpression, Relation, RelationKind, lexicon
from refseg_ros.language.expression import NounPhrase

MAX_DEPTH: Final = 8
"""Landmarks of landmarks that are followed."""
SIDED: Final = frozenset(
    (
        RelationKind.LEFT_OF,
        RelationKind.RIGHT_OF,
        RelationKind.ABOVE,
        RelationKind.BELOW,
        RelationKind.IN_FRONT_OF,
        RelationKind.BEHIND,
    )
)
"""Relations that another viewer sees otherwise."""
HOLDING: Final = frozenset(
    (RelationKind.ON, RelationKind.IN, RelationKind.CARRYING, RelationKind.CONTAINING)
)
"""Relations that tell something even of any thing; next to something is nearly everything."""


def completed(excluded: NounPhrase, phrase: NounPhrase) -> NounPhrase:
    """An excluded phrase with the noun that it leaves out: of mugs, "not red" is red mug."""
    if excluded.head or excluded.anaphora or not (excluded.colours or excluded.materials):
        return excluded
    if not phrase.head:
        return excluded
    words = " ".join((*excluded.colours, *excluded.materials, phrase.head))
    return replace(excluded, head=phrase.head, text=words)


def has_look(phrase: NounPhrase) -> bool:
    """Whether a phrase says what the thing looks like: not "the leftmost thing"."""
    said = phrase.head or phrase.colours or phrase.materials
    return bool(said or phrase.states or phrase.names)


def usable(relation: Relation, vocabulary: Container[str] | None = None) -> bool:
    """Whether a relation can be weighed.

    Args:
        relation: What was said.
        vocabulary: Nouns that the models know; None when that is not known.

    Returns:
        False for a landmark that is neither described nor placed ("it"), and for WITH what a
        vocabulary does not know as a thing of its own ("with a handle"). Without a vocabulary it
        is looked for: see :attr:`refseg_ros.spatial.weighing.Weigher.parts`.
    """
    if relation.on_support:
        return relation.kind in (RelationKind.ON, RelationKind.IN)
    if relation.kind is RelationKind.WITH and vocabulary is not None:
        return bool(relation.landmarks) and all(
            item.head in vocabulary for item in relation.landmarks
        )
    return bool(relation.landmarks) and all(
        has_look(landmark) or is_told(landmark) or is_anything(landmark, relation.kind)
        for landmark in relation.landmarks
    )


def part_relation(phrase: NounPhrase) -> Relation | None:
    """What a phrase is said to be part of; None if of nothing that can be told."""
    parts = (item for item in phrase.relations if item.kind is RelationKind.PART_OF)
    part = next(parts, None)
    return part if part is not None and usable(part) else None


def whole_of(phrase: NounPhrase) -> NounPhrase | None:
    """The thing of which a phrase names a part; None if it names none.

    "The left half of the sandwich on the tray" is of the sandwich on the tray. A place that is
    said of a part with a noun, "the lid of the jar on the left", is that of the whole too.
    """
    part = part_relation(phrase)
    if part is None:
        return None
    (whole, *_), rest = part.landmarks, tuple(r for r in phrase.relations if r is not part)
    whole = replace(whole, relations=whole.relations + rest, excluded=phrase.excluded)
    if not has_look(phrase):
        return whole
    ways = tuple(item for item in phrase.directions if item not in whole.directions)
    extremes = whole.extremes + tuple(item for item in phrase.extremes if item in ways)
    return replace(whole, directions=whole.directions + ways, extremes=extremes)


def usable_exclusion(
    excluded: NounPhrase, phrase: NounPhrase, vocabulary: Container[str] | None = None
) -> bool:
    """Whether what a phrase must not be can be told."""
    whole = completed(excluded, phrase)
    if whole.states:
        return False  # no look tells surely what something does not do
    named = [whole, *(item for item, _ in looks_of(whole, vocabulary))]
    if vocabulary is not None and any(item.head and item.head not in vocabulary for item in named):
        return False
    related = any(usable(item, vocabulary) for item in whole.relations)
    return has_look(whole) or is_told(replace(whole, relations=())) or related


def is_told(landmark: NounPhrase) -> bool:
    """Whether a landmark without a look is told by anything else."""
    placed = landmark.directions or landmark.superlatives or landmark.relations
    return bool(placed or landmark.sizes or landmark.ordinal)


def is_anything(landmark: NounPhrase, kind: RelationKind) -> bool:
    """Whether any thing will do as a landmark: "with nothing on it", "on top of something"."""
    thing = bool(landmark.text) and lexicon.GENERIC_NOUNS.issuperset(landmark.text.split())
    plain = not (has_look(landmark) or is_told(landmark) or landmark.anaphora)
    return kind in HOLDING and thing and plain


def tells_sides(expression: ReferringExpression) -> bool:
    """Whether another viewer could take a sentence otherwise: "the left mug", "behind the box"."""
    return not expression.in_picture and _tells_sides(expression.target, 0)


def _tells_sides(phrase: NounPhrase, depth: int) -> bool:
    if phrase.directions or phrase.ordinal_from or phrase.ordinal is not None:
        return True
    if depth > MAX_DEPTH:
        return False
    inner = [*phrase.excluded]
    for relation in phrase.relations:
        if relation.kind in SIDED:
            return True
        inner += relation.landmarks
    return any(_tells_sides(item, depth + 1) for item in inner)


def in_words(phrase: NounPhrase) -> str:
    """An excluded phrase in words."""
    words = [*(item.value for item in phrase.directions), phrase.text or " ".join(phrase.colours)]
    words += [f"{item.kind.words} {item.phrase}" for item in phrase.relations]
    words += [item.word for item in phrase.superlatives]
    return "'" + " ".join(word for word in words if word) + "'"


def usable_relations(
    expression: ReferringExpression, vocabulary: Container[str] | None = None
) -> tuple[Relation, ...]:
    """Those relations of the thing meant that can be weighed; see :func:`usable`."""
    return tuple(item for item in expression.relations if usable(item, vocabulary))


def looks_of(
    phrase: NounPhrase, vocabulary: Container[str] | None = None, depth: int = 0
) -> Iterator[tuple[NounPhrase, bool]]:
    """Phrases within a phrase that need a look, and whether each is of what must not be.

    Args:
        phrase: The thing meant, which is not among them.
        vocabulary: Nouns that the models know; None when that is not known.
        depth: Depth of nesting; beyond :data:`MAX_DEPTH` nothing is given.
    """
    if depth > MAX_DEPTH:
        return
    related = (item for item in phrase.relations if usable(item, vocabulary))
    # What everything stands on is no candidate and has no look.
    inner = [
        (item, False)
        for relation in related
        if not relation.on_support
        for item in relation.landmarks
    ]
    inner += [
        (completed(item, phrase), True)
        for item in phrase.excluded
        if usable_exclusion(item, phrase, vocabulary)
    ]
    for item, denied in inner:
        if has_look(item):
            yield item, denied
        yield from looks_of(item, vocabulary, depth + 1)
