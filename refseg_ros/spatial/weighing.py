# SPDX-License-Identifier: Apache-2.0
"""One evaluator of noun phrases over the candidates of an image: soft logic, then a choice.

What a phrase says is weighed in one order, for the thing meant and for every landmark alike:

1. its look: shares of the matcher;
2. what may hold more or less: plain sizes, relations, exclusions, and positions where something
   else chooses; each a truth in [0, 1], multiplied;
3. what chooses among those that remain: "leftmost", "biggest", "second from the right", "closest
   to the bowl". Who competes looks like it (its share is at least ``closeness`` times the
   greatest) and fits nearly as well as the one that fits best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from refseg_ros.config import CLOSENESS
from refseg_ros.language import Direction, Relation, RelationKind
from refseg_ros.language.expression import NounPhrase
from refseg_ros.language.lexicon import CROWDS, SIZES
from refseg_ros.language.usable import (
    HOLDING,
    MAX_DEPTH,
    SIDED,
    completed,
    has_look,
    in_words,
    is_anything,
    is_told,
    part_relation,
    usable,
    whole_of,
)
from refseg_ros.results.explanation import Condition, ConditionKind, Landmark
from refseg_ros.spatial.layout import Layout, Vector
from refseg_ros.spatial.likeness import LEAST, Likeness, share_out
from refseg_ros.spatial.orders import Order, by_direction, by_measure
from refseg_ros.spatial.position import PRIOR_SCALE, position_prior, size_prior
from refseg_ros.spatial.relations import (
    ATTACHED,
    UNTOLD,
    distance_kept,
    distances,
    on_the_table,
    relation_leaning,
    relation_support,
)
from refseg_ros.spatial.weighed import Weighed, ordered, ruled_out, taken, weighed_by

HOLDS: Final = 0.5
"""Truth from which something holds: of the best for one thing, by itself for a set."""
NEARLY: Final = 0.1
"""Truth of a relation that any plausible candidate must reach for it to be taken strictly."""
SEEN: Final = 0.1
"""How well a landmark must be looked like by some candidate to be there at all."""
ON_TABLE_TOO: Final = 0.3
"""Truth that a thing is on the table although it stands on another thing."""
PERHAPS_A_PART: Final = 0.4
"""Truth that a thing has what it is said to be with, where that may be a part, as a handle."""
ADJACENT: Final = SIDED | {RelationKind.NEXT_TO}
"""Relations of which, where they hold for several, the nearest is meant."""
SHOWN_TOGETHER: Final = HOLDING | {RelationKind.WITH, RelationKind.HELD_BY}
"""Relations of things that one mask may show both of."""
SHARED: Final = 0.6
"""Truth of such a relation for what looks like the thing and like the landmark."""
GROUND: Final = 0.2
"""Share of the picture above which what several things lie in is the ground, and no tray."""
STRICTNESS: Final = 3
"""Power of an exclusion: "the duck that is not red" is no red duck, however good a duck it is."""
WHOLE: Final = 0.1
"""Power of the area of a mask of any look, so that a whole counts before its parts."""
LEVELLING: Final = 0.05
"""Power of a share among candidates that look alike."""


@dataclass(frozen=True)
class Weigher:
    """Weighs phrases on one image.

    Attributes:
        layout: The layout of the N candidates, N ≥ 1.
        looks: Looks by :attr:`NounPhrase.look`; what is missing here is not looked for.
        plain: (N,) shares for phrases that say nothing of looks.
        closeness: Share of the greatest from which another counts as of the same look.
        relations: Whether relations are weighed.
        parts: Whether what things are said to be with may be parts of them, which no candidate
            shows: "with a handle" then prefers what is with one, and refuses nothing.
    """

    layout: Layout
    looks: Mapping[str, Likeness]
    plain: Vector
    closeness: float = CLOSENESS
    relations: bool = True
    parts: bool = False
    _everything: Vector = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_everything", np.ones(len(self.layout)))

    def weigh(
        self,
        phrase: NounPhrase,
        look: Likeness | None = None,
        depth: int = 0,
        part: tuple[Direction, ...] = (),
    ) -> Weighed:
        """The candidates that a phrase means.

        Args:
            phrase: What was said.
            look: The phrase's look, if another than that of :attr:`looks`.
            depth: Depth of nesting.
            part: Where in the thing the part of it lies that is meant; () for the whole.
        """
        whole = whole_of(phrase)
        if whole is not None and not has_look(phrase):
            return self._whole(whole, depth, phrase.directions)
        look, doubt = look or self._look(phrase), ""
        if whole is not None and self.relations and depth <= MAX_DEPTH:
            shown, doubt = self._shown_parts(phrase, look, depth)
            doubt = doubt and f"{doubt} the '{phrase.head}' of the '{whole.text}' by itself"
            if shown is None:
                found = self._whole(whole, depth)
                return replace(found, open=found.open or doubt, by_whole=True)
            look = replace(look, shares=shown)
        conditions: list[Condition] = []
        missing: list[str] = []
        ratios = look.shares / look.shares.max()
        alike = ratios >= self.closeness
        plausible = alike | ((ratios >= self.closeness**2) & (look.fits >= 0.5))
        held = self._held(phrase, conditions, missing, depth, plausible)
        truth = held * self._graded(phrase, look, conditions)
        if np.ptp(truth) > 0.0:
            look = replace(look, shares=self._levelled(look.shares))
        best = truth[alike].max()
        members = np.flatnonzero(alike & (truth >= HOLDS * best))
        # Where any look will do, shares do not tell a whole from its parts.
        extent = 1.0 if has_look(phrase) else self.layout.proposals.areas**WHOLE
        distinct = self._distinct(look.shares * truth * extent, members)
        several = phrase.is_plural or (phrase.count or 1) > 1
        if several or not (part or self._only_placed(phrase)):
            # What is counted or compared by its looks is counted once.
            members = self._grouped(phrase, look.shares * truth, distinct)
        if phrase.ordinal is not None and not has_look(phrase):
            members = self._series(members)
        orders = self._orders(phrase, members, depth)
        if part and not several:
            # What shows the part, where anything does, lies further that way than the whole.
            order = by_direction(part, members.tolist(), self.layout, 1, alike=False)
            orders.append(replace(order, name=f"{order.name} of the whole"))
        if several:
            found = self._several(phrase, look, truth, members, orders)
        else:
            found = self._one(look.shares * truth, members, orders)
        notes = [item.note for item in (*conditions, *found.conditions) if item.note]
        lowest = HOLDS if several else HOLDS * best
        fits = look.fits if several else self._everything
        reasons = ruled_out(
            found.eligible, alike, fits, conditions, lowest, distinct, self.layout.copies
        )
        return replace(
            found,
            held=held,
            truth=truth,
            notes=(*notes, *found.notes),
            missing=tuple(missing),
            conditions=(*conditions, *found.conditions),
            open=found.open or doubt,
            ruled_out=reasons,
        )

    def _whole(self, whole: NounPhrase, depth: int, part: tuple[Direction, ...] = ()) -> Weighed:
        """The thing of which a part is meant, or the place in it."""
        found = self.weigh(whole, None, depth, part)
        unseen = (whole.text,) if self._look(whole).fits.max() < SEEN else ()
        return replace(found, missing=(*unseen, *found.missing))

    def _shown_parts(
        self, phrase: NounPhrase, look: Likeness, depth: int
    ) -> tuple[Vector | None, str]:
        """Shares in the look of a part among what may show it, None if nothing does; and a doubt.

        Where looks tell what is none, that is what looks like it: in the whole or at it, else
        anywhere. Where they only rank, it is what lies in the whole, in doubt unless it leads:
        the whole, which shows the part too, often looks more like it than the part by itself.
        """
        relation = part_relation(phrase)
        assert relation is not None
        unseen: list[str] = []
        likely = self._landmarks(relation, [], unseen, depth)[0]
        fits = look.fits >= HOLDS
        if unseen and fits.any():
            return look.shares, ""
        held = relation_support(relation.kind, likely, self.layout)
        told, others = look.matched and not fits.all(), look.shares[held < HOLDS]
        leads = told | (HOLDS * look.shares >= others.max(initial=0.0))
        shares = look.shares * ((held > ATTACHED) | ((held >= HOLDS) & leads)) * fits
        if shares.max() >= self.closeness**2 * look.shares.max():
            doubt = "" if leads[np.argmax(shares)] else "others look more like"
            return share_out(shares), doubt
        apart = fits & (likely < UNTOLD * likely.max())
        elsewhere = told and apart.any()
        return (look.shares, "") if elsewhere else (None, "no candidate shows")

    def _usable(self, relation: Relation) -> bool:
        if relation.on_support:
            return usable(relation)
        return bool(relation.landmarks) and all(
            landmark.look in self.looks
            if has_look(landmark)
            else is_told(landmark) or is_anything(landmark, relation.kind)
            for landmark in relation.landmarks
        )

    def _look(self, phrase: NounPhrase) -> Likeness:
        known = self.looks.get(phrase.look) if has_look(phrase) else None
        return known or Likeness(self.plain, self._everything)

    def _graded(self, phrase: NounPhrase, look: Likeness, conditions: list[Condition]) -> Vector:
        """How far plain sizes and positions fit, beside those that compete."""
        truth = self._everything.copy()
        signs = {SIZES[word] for word in phrase.sizes if word in SIZES}
        if len(signs) == 1:
            fits = size_prior(look.shares, self.layout.sizes**2, signs.pop())
            words = " ".join(phrase.sizes)
            conditions.append(weighed_by(ConditionKind.SIZE, words, fits))
            truth *= fits
        aside = self._soft_directions(phrase)
        if aside:
            fits = self._placed(aside)
            words = " ".join(item.value for item in aside)
            conditions.append(weighed_by(ConditionKind.POSITION, words, fits))
            truth *= fits
        return truth

    def _placed(self, directions: Sequence[Direction]) -> Vector:
        """How well each lies where that is said."""
        return position_prior(self.layout.places[:, ::-1], directions, self.layout.size)

    def _held(
        self,
        phrase: NounPhrase,
        conditions: list[Condition],
        missing: list[str],
        depth: int,
        plausible: NDArray[np.bool_] | None = None,
    ) -> Vector:
        """How far relations hold, and exclusions do not.

        A relation that holds for none that may be it is told by how far each leans that way.
        """
        held = self._everything.copy()
        if depth > MAX_DEPTH:
            return held
        for relation in phrase.relations if self.relations else ():
            if not relation.extreme and self._usable(relation):
                landmarks: list[Landmark] = []
                holds = self._related(relation, landmarks, missing, depth, plausible, phrase)
                seen = self.layout.seen_by if relation.kind in SIDED else ""
                words = f"{relation.kind.words} '{relation.phrase}'{seen}"
                condition = weighed_by(ConditionKind.RELATION, words, holds, landmarks)
                if len(holds) > 1 and not np.ptp(holds):
                    condition = replace(condition, note=f"{words} tells none from another")
                conditions.append(condition)
                held *= holds
        for excluded in phrase.excluded:
            inner: list[Condition] = []
            fits = self._fits(completed(excluded, phrase), inner, depth)
            if fits is not None:
                holds = (1.0 - fits) ** STRICTNESS
                named = [landmark for item in inner for landmark in item.landmarks]
                words = in_words(excluded)
                conditions.append(weighed_by(ConditionKind.EXCLUSION, words, holds, named))
                held *= holds
        return held

    def _soft_directions(self, phrase: NounPhrase) -> tuple[Direction, ...]:
        """Positions that narrow down, as something else chooses or several are meant."""
        chosen_by = phrase.extremes + phrase.ordinal_from
        others = tuple(item for item in phrase.directions if item not in chosen_by)
        several = phrase.is_plural and (phrase.count or 1) < 2
        chooses = phrase.superlatives or chosen_by or phrase.ordinal or several
        return others if chooses else ()

    def _related(
        self,
        relation: Relation,
        landmarks: list[Landmark],
        missing: list[str],
        depth: int,
        plausible: NDArray[np.bool_] | None,
        phrase: NounPhrase,
    ) -> Vector:
        if relation.on_support:
            return np.maximum(on_the_table(self.layout), ON_TABLE_TOO)
        unseen: list[str] = []
        likely = self._landmarks(relation, landmarks, unseen, depth)
        if unseen and relation.head in CROWDS:
            return self._everything  # "in the row of cups": no candidate shows a row
        if unseen and relation.kind is RelationKind.PART_OF:
            return self._everything  # the part is seen, if not of what
        second = likely[1] if len(likely) > 1 else None
        asked = relation.kind, likely[0], self.layout
        holds = relation_support(*asked, second_landmark_weights=second)
        # "The plate on the plate" and "the thing on the plate" are no plate itself.
        of_two_kinds = phrase.head and all(it.head != phrase.head for it in relation.landmarks)
        if plausible is not None and of_two_kinds and relation.kind in SHOWN_TOGETHER:
            holds = np.maximum(holds, SHARED * self._shown_together(relation, plausible))
        if self.parts and relation.kind is RelationKind.WITH and plausible is not None:
            return np.maximum(holds * (not unseen), PERHAPS_A_PART)
        missing += unseen
        if plausible is None:
            return holds
        if holds[plausible].max() < NEARLY:
            both = plausible if has_look(phrase) else None
            return relation_leaning(*asked, second_landmark_weights=second, called_both=both)
        if (plausible & (holds >= HOLDS)).sum() > 1 and relation.kind in ADJACENT:
            return holds * distance_kept(likely[0], self.layout)
        return holds

    def _shown_together(self, relation: Relation, plausible: NDArray[np.bool_]) -> Vector:
        """1 for what may be the thing and looks like the landmark too, as a dish of rice does.

        0 where all that may be the thing do, which tells none from another.
        """
        fits = np.min([self._look(item).fits for item in relation.landmarks], axis=0)
        both = plausible & (fits >= HOLDS)
        telling = both.sum() < max(plausible.sum(), 2)
        return (both & telling).astype(np.float64)

    def _landmarks(
        self, relation: Relation, landmarks: list[Landmark], missing: list[str], depth: int
    ) -> list[Vector]:
        """How likely each candidate is each landmark, or one of them."""
        likely: list[Vector] = []
        for landmark in relation.landmarks:
            look = self._look(landmark)
            weighed = self.weigh(landmark, depth=depth + 1)
            unseen = look.fits.max() < SEEN and not weighed.by_whole
            missing += [landmark.text] if unseen else []
            missing += weighed.missing
            landmarks.append(taken(landmark.text, look.fits, weighed))
            if is_anything(landmark, relation.kind):
                likely.append(self.plain)
            elif relation.kind is not RelationKind.BETWEEN and len(weighed.chosen) > 1:
                likely.append(self._marked(weighed.chosen))
            else:
                likely.append(weighed.weights)
        return likely

    def _marked(self, indices: tuple[int, ...]) -> Vector:
        """1 for some candidates and all masks of the same things, 0 for the rest."""
        marks = np.zeros(len(self.layout))
        marks[self.layout.copies[list(indices)].any(0)] = 1.0
        return marks

    @staticmethod
    def _only_placed(phrase: NounPhrase) -> bool:
        """Whether nothing but a side or corner is said: "bottom left"."""
        ranked = phrase.ordinal or phrase.superlatives or phrase.relations or phrase.excluded
        return bool(phrase.directions) and not (ranked or phrase.group or has_look(phrase))

    def _fits(self, phrase: NounPhrase, conditions: list[Condition], depth: int) -> Vector | None:
        """How surely each candidate is something that must not be; None if that excludes nothing.

        Which is so where nothing of it can be told, or a landmark of it is not there.
        """
        told = has_look(phrase) and phrase.look in self.looks
        if not (told or self._narrows(phrase)):
            return None
        if phrase.superlatives or phrase.extremes or phrase.ordinal is not None:
            found = self.weigh(phrase, depth=depth + 1)
            conditions += found.conditions
            return None if found.missing else self._marked(found.chosen)
        look = self._look(phrase)
        missing: list[str] = []
        held: Vector = look.fits * self._held(phrase, conditions, missing, depth + 1)
        held = held * self._graded(phrase, look, conditions)
        if phrase.directions:
            held = held * self._placed(phrase.directions)
        return None if missing else np.clip(held, 0.0, 1.0)

    def _narrows(self, phrase: NounPhrase) -> bool:
        """Whether anything but its look tells a phrase from others."""
        related = self.relations and any(self._usable(item) for item in phrase.relations)
        ordered = phrase.superlatives or phrase.ordinal is not None
        return bool(phrase.directions or phrase.sizes or ordered or related)

    def _levelled(self, shares: Vector) -> Vector:
        """Shares among which what looks alike differs little, so that what else is said decides.

        Of two red mugs a matcher finds one redder, by a factor that says nothing of which is the
        big one. Around ``closeness`` times the greatest share the weight falls to 0.
        """
        ratios = np.maximum(shares / max(shares.max(), LEAST), 1e-12)
        weights = ratios**LEVELLING / (1.0 + self.closeness / ratios)
        return share_out(weights)

    def _distinct(self, weights: Vector, members: NDArray[np.intp]) -> NDArray[np.intp]:
        """The best of each thing's masks, so that each thing is counted once."""
        kept: list[int] = []
        taken = np.zeros(len(weights), np.bool_)
        for index in members[np.argsort(-weights[members], kind="stable")].tolist():
            if not taken[index]:
                kept.append(index)
                taken |= self.layout.copies[:, index]
        return np.sort(np.array(kept, np.intp))

    def _grouped(
        self, phrase: NounPhrase, weights: Vector, members: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        """The two best for "the two mugs", whatever else would do."""
        if phrase.group is None or phrase.group >= len(members):
            return members
        best = np.argsort(-weights[members], kind="stable")[: max(phrase.group, 1)]
        return np.sort(members[best])

    def _series(self, members: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those that may be counted where no noun says what: not the ground of several others."""
        inside = self.layout.overlapped[np.ix_(members, members)] > HOLDS
        np.fill_diagonal(inside, False)
        large = self.layout.proposals.areas[members] > GROUND * math.prod(self.layout.size)
        kept = members[~large | (inside.sum(0) < 2)]
        return kept if len(kept) else members

    def _orders(self, phrase: NounPhrase, members: NDArray[np.intp], depth: int) -> list[Order]:
        """What chooses, the last of them finally; only it has a rank other than 1."""
        inside = members.tolist()
        orders = []
        if self.relations and depth <= MAX_DEPTH:
            for relation in phrase.relations:
                if relation.extreme and self._usable(relation):
                    landmarks: list[Landmark] = []
                    likely = self._landmarks(relation, landmarks, [], depth)
                    values = distances(relation.kind, likely[0], self.layout)
                    name = f"by '{relation.kind.words} {relation.phrase}'"
                    taken = tuple(landmarks)
                    orders.append(Order(values, relation.rank, PRIOR_SCALE, name, taken))
        orders += [by_measure(item, phrase, self.layout) for item in phrase.superlatives]
        soft = self._soft_directions(phrase)
        directions = tuple(item for item in phrase.directions if item not in soft)
        rank = phrase.ordinal or 1
        if phrase.ordinal is not None and not (directions or phrase.ordinal_from):
            order = by_direction((Direction.LEFT,), inside, self.layout, rank)
            orders.append(replace(order, name="counted from the left, as no side was said"))
        elif directions or phrase.ordinal_from:
            ways = phrase.ordinal_from or directions
            alike = has_look(phrase) or phrase.anaphora is not None
            orders.append(by_direction(ways, inside, self.layout, rank, alike=alike))
        # A landmark must be one thing rather than two that are nearly level.
        return [replace(item, scale=item.scale / 2) for item in orders] if depth else orders

    def _one(self, weights: Vector, members: NDArray[np.intp], orders: list[Order]) -> Weighed:
        """The single thing meant."""
        eligible = np.ones(len(weights), np.bool_)
        if not orders:
            shared = share_out(weights)
            return Weighed(shared, weights, weights, eligible, (int(np.argmax(shared)),))
        eligible[:] = False
        eligible[members] = True
        inside, doubt = members.tolist(), ""
        conditions = []
        placed = np.zeros(len(weights))
        for order in orders:
            (index, *_), enough = order.pick(inside)
            conditions.append(ordered(order, inside, (index,), enough))
            doubt = doubt or ("" if enough else f"there are only {len(inside)} such candidates")
            apart = np.abs(order.values[inside] - order.values[index]) / order.scale
            placed[:] = 0.0
            placed[inside] = weights[inside].mean() * np.exp(-np.minimum(apart, 600.0))
            # What a further order chooses among: those about level with the first.
            inside = [item for item, gap in zip(inside, apart, strict=True) if gap <= 0.5]
        rest = np.where(eligible, 0.0, weights)
        # Those that do not compete keep their weight, below the chosen one.
        ceiling = placed.max()
        placed = np.where(eligible, placed, np.minimum(rest, 0.5 * ceiling))
        shared = share_out(placed)
        return Weighed(
            shared, weights, weights, eligible, (index,), open=doubt, conditions=tuple(conditions)
        )

    def _several(
        self,
        phrase: NounPhrase,
        look: Likeness,
        truth: Vector,
        members: NDArray[np.intp],
        orders: list[Order],
    ) -> Weighed:
        """The set of things meant: so many as are said, else all that fit."""
        weights = look.shares * truth
        fitting = [k for k in members.tolist() if look.fits[k] >= HOLDS and truth[k] >= HOLDS]
        pool = fitting or [int(members[np.argmax(weights[members])])]
        count, conditions, doubt = phrase.count, [], ""
        for order in orders:
            competing = pool
            pool, _ = order.pick(pool, count or order.ahead(pool))
            conditions.append(ordered(order, competing, pool))
        if not orders:
            pool.sort(key=lambda index: (-weights[index], index))
        if count is not None and count > 1:
            if len(fitting) > count and not orders:
                doubt = f"{count} were asked for, but {len(fitting)} fit"
            pool = pool[:count]
        wanted = max(count or 2, 2)
        if len(pool) < wanted:
            doubt = (
                f"{'several' if count is None else count} were asked for, but {len(pool)} found"
            )
        eligible = np.zeros(len(weights), np.bool_)
        eligible[fitting or pool] = True
        chosen = tuple(pool)
        raised = weights.copy()
        # Of a set each is meant as much as the other; those left out stay behind.
        raised[pool] = weights[pool].mean()
        others = np.setdiff1d(np.arange(len(weights)), pool)
        raised[others] = np.minimum(raised[others], 0.5 * raised[pool].min())
        return Weighed(
            share_out(raised),
            weights,
            truth,
            eligible,
            chosen,
            (f"{len(pool)} of them chosen",),
            open=doubt,
            conditions=tuple(conditions),
        )
