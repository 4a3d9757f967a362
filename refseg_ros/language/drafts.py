# SPDX-License-Identifier: Apache-2.0
"""Noun phrases in the making: they gather what is said of a thing as the sentence goes on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from refseg_ros.language import lexicon
from refseg_ros.language.expression import (
    Anaphora,
    Measure,
    NounPhrase,
    Relation,
    RelationKind,
    Superlative,
)
from refseg_ros.language.nouns import ranked


@dataclass
class DraftRelation:
    """A relation whose landmarks may yet grow."""

    kind: RelationKind
    landmarks: list[Draft]
    extreme: bool = False
    rank: int = 1
    joined: bool = False  # whether "and" joins its landmark to that of the one before

    @property
    def on_support(self) -> bool:
        """Whether it says that something is on the table or floor."""
        return self.kind is RelationKind.ON and self.landmarks[0].phrase.head in lexicon.SUPPORTS

    def finished(self) -> Relation:
        """The relation, its landmarks settled."""
        return Relation(
            self.kind,
            tuple(landmark.finished() for landmark in self.landmarks),
            self.on_support,
            self.extreme,
            self.rank,
        )


@dataclass
class Draft:
    """A thing and what was said of it so far; a landmark's depth is one more than its owner's."""

    phrase: NounPhrase = field(default_factory=NounPhrase)
    relations: list[DraftRelation] = field(default_factory=list)
    excluded: list[Draft] = field(default_factory=list)
    depth: int = 0

    @property
    def may_be_described(self) -> bool:
        """Whether more can be said of it: not of "it", which is known already."""
        return self.phrase.anaphora is not Anaphora.SAME or bool(self.phrase.head)

    def take_nearness(self) -> Superlative | None:
        """Take out a "closest" or "furthest", which a landmark that follows may belong to."""
        for item in self.phrase.superlatives:
            if item.measure is Measure.NEARNESS:
                rest = tuple(other for other in self.phrase.superlatives if other is not item)
                self.phrase = replace(self.phrase, superlatives=rest)
                return item
        return None

    def relate(self, kind: RelationKind, landmark: Draft, extreme: bool) -> DraftRelation:
        """Add a relation; an ordinal that was said belongs to one said to the utmost."""
        rank = self.phrase.ordinal if extreme and not self.phrase.directions else None
        if rank is not None:
            self.phrase = replace(self.phrase, ordinal=None)
        landmark.depth = self.depth + 1
        self.relations.append(DraftRelation(kind, [landmark], extreme, max(rank or 1, 1)))
        return self.relations[-1]

    def name_each(self) -> None:
        """In "both the duck and the mug" there is but one duck."""
        if self.phrase.count and self.phrase.text.endswith(self.phrase.head):
            self.phrase = replace(self.phrase, count=None, is_plural=False)

    def finished(self) -> NounPhrase:
        """The phrase with its relations and exclusions."""
        phrase = replace(
            ranked(self.phrase),
            relations=tuple(relation.finished() for relation in self.relations),
            excluded=tuple(draft.finished() for draft in self.excluded),
        )
        said_more = phrase.relations or phrase.directions or phrase.superlatives or phrase.excluded
        if phrase.anaphora is Anaphora.SAME and phrase.text in _POINTING and said_more:
            # "that one on the left" is told by its place.
            return replace(phrase, anaphora=Anaphora.ONE)
        return phrase


def share_noun(owner: Draft) -> None:
    """Of "neither the red nor the blue mug" both are mugs, and so is the thing meant."""
    heads = {item.phrase.head: item.phrase for item in owner.excluded if item.phrase.head}
    bare = [item for item in owner.excluded if _lacks_noun(item.phrase)]
    if len(heads) != 1 or not bare:
        return
    ((head, named),) = heads.items()
    for item in bare:
        words = " ".join((*item.phrase.colours, *item.phrase.materials, head))
        item.phrase = replace(item.phrase, text=words, head=head, anaphora=None)
    if not (owner.phrase.head or owner.phrase.text):
        owner.phrase = replace(owner.phrase, text=head, head=head, is_plural=named.is_plural)


def _lacks_noun(phrase: NounPhrase) -> bool:
    """Whether an adjective or "one" stands in the place of a noun."""
    said = phrase.colours or phrase.materials or phrase.anaphora is Anaphora.ONE
    return bool(said) and not phrase.head


_POINTING: Final = lexicon.DEMONSTRATIVES | lexicon.ONES | {""}
