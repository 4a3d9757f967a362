# SPDX-License-Identifier: Apache-2.0
"""Which logical forms may be tried on a scene, in a fixed order.

Whether a form means something is left to `refseg_lab.simulation.logic`; this module ensures that
each part of a form does some work: "the red mug" is not tried where there is one mug.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations

from refseg_lab.simulation.catalogue import COLOURS, NAMED
from refseg_lab.simulation.forms import (
    PLACES,
    Between,
    Colour,
    Modifier,
    Not,
    NounPhrase,
    OnTable,
    Place,
    Rank,
    Relation,
)
from refseg_lab.simulation.logic import World
from refseg_lab.simulation.measurements import NO, YES

_IN_PICTURE = ("left_of", "right_of", "above", "below", "next_to")
_IN_SPACE = ("in_front_of", "behind")
_EXTREMES = ("left", "right", "top", "bottom", "near", "far", "big", "small", "tall")


class Proposer:
    """Tries forms on one scene.

    Args:
        world: the scene.
        anchors_each: how many phrases for one thing that others are related to.
        pairs: if given, only things of these (colour, category) are meant, and both are said
            whether or not one would do.
    """

    def __init__(
        self,
        world: World,
        anchors_each: int = 1,
        pairs: frozenset[tuple[str, str]] | None = None,
    ) -> None:
        self._world = world
        self._pairs = pairs
        self._seen = [thing for thing in world.things if thing.shown != NO]
        self._kinds = [name for name in NAMED if any(t.category == name for t in self._seen)]
        self._colours = [name for name in COLOURS if any(t.colour == name for t in self._seen)]
        self._anchors = self._find_anchors(anchors_each)

    def forms(self) -> Iterator[NounPhrase]:
        """Forms that surely mean one thing, or several where they say so."""
        for form in self._singular():
            found = self._world.resolve(form)
            if found is not None and len(found) == 1:
                yield form
        for form in self._plural():
            found = self._world.resolve(form)
            # "The teapots that are not purple", where none is purple, would tell nothing apart.
            if found and not (form.modifiers and len(found) == self._members(_head(form))):
                yield form

    def absent(self, lenient: World) -> Iterator[NounPhrase]:
        """Forms that nothing in the scene satisfies, even by another name.

        Args:
            lenient: the same scene in which mistakable names and colours count as perhaps.
        """
        for form in self._missing():
            if lenient.resolve(form) == ():
                yield form

    def _heads(self) -> list[NounPhrase]:
        """Kinds of things without modifiers, the plainest first."""
        pairs = [
            NounPhrase(kind, colour)
            for kind in self._kinds
            for colour in self._colours
            if any((t.category, t.colour) == (kind, colour) for t in self._seen)
        ]
        if self._pairs is not None:
            return [head for head in pairs if (head.colour, head.category) in self._pairs]
        return [
            *(NounPhrase(kind) for kind in self._kinds),
            *pairs,
            *(NounPhrase("", colour) for colour in self._colours),
            NounPhrase(),
        ]

    def _says_too_much(self, head: NounPhrase) -> bool:
        """Whether the colour tells nothing apart: "the leftmost red mug" where all are red."""
        kind = replace(head, colour="")
        told = head.colour and head.category
        return bool(told) and self._members(kind) == self._members(head)

    def _members(self, form: NounPhrase) -> int:
        return sum(truth != NO for truth in self._world.denote(form))

    def _singular(self) -> Iterator[NounPhrase]:
        heads = self._heads()
        if len(self._seen) < 2:
            return
        for head in heads:
            by_colour = head.colour and head.category and self._pairs is None
            if not (by_colour and self._members(replace(head, colour="")) == 1):
                yield head
        for head in heads:
            if self._pairs is None and (self._members(head) < 2 or self._says_too_much(head)):
                continue
            if head.category:
                yield replace(head, size="big")
                yield replace(head, size="small")
            for modifier in self._modifiers(head):
                yield replace(head, modifiers=(modifier,))

    def _modifiers(self, head: NounPhrase) -> Iterator[Modifier]:
        """All that can be said of a head; orders only where there is something to order."""
        yield from (Place(where) for where in PLACES)
        members = self._members(head)
        if members > 1:
            yield from (Rank(order) for order in _EXTREMES)
        for rank in range(2, min(members, 4)):
            yield from (Rank(order, rank) for order in ("left", "right"))
        if members > 2:
            yield from (Rank(order, 2) for order in ("near", "far"))
        for kind in (*_IN_PICTURE, *_IN_SPACE, "in", "on"):
            yield from (Relation(kind, anchor) for anchor in self._anchors_but(head))
        for first, second in combinations(self._anchors_but(head), 2):
            yield Between(first, second)
        if members > 1:
            yield OnTable()
            yield from self._denials(head)

    def _denials(self, head: NounPhrase) -> Iterator[Modifier]:
        if not head.colour:
            yield from (Not(Colour(colour)) for colour in self._colours)
        for kind in ("in", "on"):
            for anchor in self._anchors_but(head):
                related = replace(head, modifiers=(Relation(kind, anchor),))
                # To deny what is true of none of them would tell nothing.
                if YES in self._world.denote(related):
                    yield Not(Relation(kind, anchor))

    def _anchors_but(self, head: NounPhrase) -> Iterator[NounPhrase]:
        """Anchors apart from the very things that the head names."""
        for anchor in self._anchors:
            plain = replace(anchor, size="", modifiers=())
            if plain != head:
                yield anchor

    def _find_anchors(self, each: int) -> list[NounPhrase]:
        """Up to this many phrases for each thing they surely single out, the plainest first."""
        anchors: list[NounPhrase] = []
        for index, thing in enumerate(self._world.things):
            named = thing.category in self._kinds
            category = thing.category if named else ""
            phrases: Iterable[NounPhrase] = (
                (
                    NounPhrase(category),
                    NounPhrase(category, thing.colour),
                    NounPhrase(category, size="big"),
                    NounPhrase(category, size="small"),
                    NounPhrase(category, modifiers=(Rank("left"),)),
                    NounPhrase(category, modifiers=(Rank("right"),)),
                )
                if named
                else (NounPhrase("", thing.colour),)
            )
            fitting = [form for form in phrases if self._world.resolve(form) == (index,)]
            anchors += fitting[:each]
        return [form for form in anchors if not form.modifiers or self._members_of_kind(form) > 1]

    def _members_of_kind(self, form: NounPhrase) -> int:
        return self._members(NounPhrase(form.category))

    def _plural(self) -> Iterator[NounPhrase]:
        for head in self._heads():
            members = self._members(head)
            if members < 2 or not (head.category or head.colour) or self._says_too_much(head):
                continue
            yield replace(head, count=0)
            yield replace(head, count=members)
            if not head.category:
                continue
            for count in range(2, members):
                for where in ("left", "right"):
                    yield replace(head, count=count, modifiers=(Place(where),))
            for kind in ("in", "on", "next_to", "in_front_of", "behind", "left_of", "right_of"):
                for anchor in self._anchors_but(head):
                    yield replace(head, count=0, modifiers=(Relation(kind, anchor),))
            for modifier in self._denials(head):
                yield replace(head, count=0, modifiers=(modifier,))

    def _missing(self) -> Iterator[NounPhrase]:
        if self._pairs is not None:
            yield from (NounPhrase(kind, colour) for colour, kind in sorted(self._pairs))
            return
        yield from (NounPhrase(kind) for kind in NAMED if kind not in self._kinds)
        yield from (NounPhrase(kind, colour) for kind in self._kinds for colour in COLOURS)
        for kind in self._kinds:
            for anchor in self._anchors:
                carrier = anchor.category in ("bowl", "tray", "book", "plate", "cube", "brick")
                if carrier and anchor.category != kind:
                    inside = anchor.category in ("bowl", "tray")
                    relation = Relation("in" if inside else "on", anchor)
                    yield NounPhrase(kind, modifiers=(relation,))


def _head(form: NounPhrase) -> NounPhrase:
    """The kind of things that a form speaks of."""
    return NounPhrase(form.category, form.colour)
