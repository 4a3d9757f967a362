# SPDX-License-Identifier: Apache-2.0
"""What logical forms are true of, in three-valued logic (Kleene's strong one).

Each object of a scene satisfies a form surely, surely not, or perhaps; `min` is "and". A form
means something only if nothing is left to doubt: one object surely and no other perhaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from refseg_lab.simulation.forms import (
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
from refseg_lab.simulation.measurements import MAYBE, NO, YES, Thing, Truth
from refseg_lab.simulation.predicates import agree, between, in_half, precedes, relates
from refseg_lab.simulation.thing_names import NEAR_COLOURS, mistakable

Truths = tuple[Truth, ...]

_SIDES = ("left", "right", "top", "bottom")


class World:
    """The things of one scene, and which forms are true of them.

    Args:
        things: the result of `measurements.measure`.
        lenient: whether names and colours that a listener might mistake, and things wholly
            hidden, count as `MAYBE` instead of `NO`; to say that something is absent, even those
            must be missing.
    """

    def __init__(self, things: Sequence[Thing], lenient: bool = False) -> None:
        self.things = tuple(things)
        self.lenient = lenient
        self._denote = cache(self._denotation)
        self._relates = cache(self._relation)
        self._before = cache(self._precedence)

    def denote(self, form: NounPhrase) -> Truths:
        """How far each object satisfies a form, its count aside."""
        return self._denote(form)

    def resolve(self, form: NounPhrase) -> tuple[int, ...] | None:
        """The sorted indices of what a form means.

        Returns:
            One index for the singular, that many for a number, two or more for all, none for a
            form that is surely true of nothing; None if the form leaves a doubt, or its number is
            not met.
        """
        truths = self.denote(form)
        sure = tuple(k for k, truth in enumerate(truths) if truth == YES)
        if MAYBE in truths:
            return None
        met = len(sure) >= 2 if form.count == 0 else len(sure) == form.count
        return sure if met or not sure else None

    def _denotation(self, form: NounPhrase) -> Truths:
        truths = tuple(
            min(
                self._shown(thing),
                self._of_kind(form.category, thing),
                self._coloured(form.colour, thing),
            )
            for thing in self.things
        )
        if form.size:
            truths = self._sized(form, truths)
        for modifier in form.modifiers:
            truths = self._modified(modifier, truths, max(form.count, 1))
        return truths

    def _shown(self, thing: Thing) -> Truth:
        return max(thing.shown, MAYBE) if self.lenient else thing.shown

    def _of_kind(self, category: str, thing: Thing) -> Truth:
        if not category or thing.category == category:
            return YES
        return MAYBE if self.lenient and thing.category in mistakable(category) else NO

    def _coloured(self, colour: str, thing: Thing) -> Truth:
        if not colour or thing.colour == colour:
            return YES
        near = frozenset((colour, thing.colour)) in NEAR_COLOURS
        return MAYBE if self.lenient and near else NO

    def _sized(self, form: NounPhrase, truths: Truths) -> Truths:
        """Big or small among all things of the category and among those meant so far alike."""
        kind = tuple(
            min(self._shown(thing), self._of_kind(form.category, thing)) for thing in self.things
        )
        return tuple(
            min(truth, agree(self._size(form.size, k, kind), self._size(form.size, k, truths)))
            for k, truth in enumerate(truths)
        )

    def _size(self, size: str, index: int, members: Truths) -> Truth:
        """Whether it is that size: nothing is clearly more so, and another is clearly less so."""
        others = [k for k, member in enumerate(members) if member and k != index]
        if any(self._before(size, k, index) and members[k] == YES for k in others):
            return NO
        none_larger = all(self._before(size, index, k) or self._level(index, k) for k in others)
        exceeds = any(self._before(size, index, k) and members[k] == YES for k in others)
        return YES if none_larger and exceeds else MAYBE

    def _level(self, a: int, b: int) -> bool:
        """Whether two things are surely of one size."""
        one, two = self.things[a], self.things[b]
        alike = one.category == two.category and one.scale == two.scale
        return alike and one.whole and two.whole

    def _precedence(self, order: str, a: int, b: int) -> bool:
        return precedes(order, self.things[a], self.things[b])

    def _relation(self, kind: str, item: int, anchor: int) -> Truth:
        return relates(kind, self.things, item, anchor)

    def _modified(self, modifier: Modifier, truths: Truths, count: int) -> Truths:
        if isinstance(modifier, Rank):
            return self._ranked(modifier, truths)
        if isinstance(modifier, Place):
            return self._placed(modifier, truths, count)
        if isinstance(modifier, Not):
            holds = tuple(2 - truth for truth in self._positive(modifier.of))
        elif isinstance(modifier, OnTable):
            holds = tuple(YES if thing.support < 0 else NO for thing in self.things)
        elif isinstance(modifier, Between):
            holds = self._in_between(modifier)
        else:
            holds = self._positive(modifier)
        return tuple(min(truth, hold) for truth, hold in zip(truths, holds, strict=True))

    def _positive(self, part: Colour | Relation) -> Truths:
        """A colour or a relation by itself; a relation to nothing sure is `MAYBE` everywhere."""
        if isinstance(part, Colour):
            return tuple(self._coloured(part.colour, thing) for thing in self.things)
        anchor = self._single(part.anchor)
        if anchor is None:
            return (MAYBE,) * len(self.things)
        return tuple(self._relates(part.kind, k, anchor) for k in range(len(self.things)))

    def _in_between(self, part: Between) -> Truths:
        first, second = self._single(part.first), self._single(part.second)
        if first is None or second is None:
            return (MAYBE,) * len(self.things)
        first, second = min(first, second), max(first, second)
        return tuple(between(self.things, k, first, second) for k in range(len(self.things)))

    def _single(self, anchor: NounPhrase) -> int | None:
        found = self.resolve(anchor) if anchor.count == 1 else None
        return found[0] if found else None

    def _interval(self, order: str, index: int, truths: Truths) -> tuple[int, int]:
        """Fewest and most members that may come before one in an order."""
        others = [k for k, truth in enumerate(truths) if truth and k != index]
        fewest = sum(self._before(order, k, index) and truths[k] == YES for k in others)
        return fewest, sum(not self._before(order, index, k) for k in others)

    def _ranked(self, modifier: Rank, truths: Truths) -> Truths:
        ranked = []
        for k, truth in enumerate(truths):
            fewest, most = self._interval(modifier.order, k, truths)
            sure = fewest == most == modifier.rank - 1
            possible = fewest <= modifier.rank - 1 <= most
            ranked.append(min(truth, YES if sure else MAYBE if possible else NO))
        return tuple(ranked)

    def _placed(self, modifier: Place, truths: Truths, count: int) -> Truths:
        """In that part of the picture, and for halves also the outermost of what is meant so far.

        The middle is that of the picture and of exactly three things from left to right.
        """
        placed = []
        three = sum(truth == YES for truth in truths) == 3 and MAYBE not in truths
        for k, truth in enumerate(truths):
            holds = in_half(modifier.where, self.things[k])
            if modifier.where in _SIDES:
                fewest, most = self._interval(modifier.where, k, truths)
                outermost = YES if most < count else NO if fewest >= count else MAYBE
                holds = agree(holds, outermost)
            elif modifier.where == "middle":
                fewest, most = self._interval("left", k, truths)
                second = YES if fewest == most == 1 else MAYBE if fewest <= 1 <= most else NO
                holds = agree(holds, second) if three else MAYBE
            placed.append(min(truth, holds))
        return tuple(placed)
