# SPDX-License-Identifier: Apache-2.0
"""One sentence read after another: as an answer, as a reference, or as neither."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from refseg_ros.dialogue.finding import found_again
from refseg_ros.language import Anaphora, NounPhrase, ReferringExpression, parse
from refseg_ros.language.combining import (
    PREVIOUS,
    answering,
    by_itself,
    combined,
    look_only,
    pinned,
)
from refseg_ros.language.nouns import has_stand_in
from refseg_ros.language.replies import Reply, ReplyKind, as_quality, rank_of, read_reply, rejects
from refseg_ros.language.spoken_names import fits_name
from refseg_ros.methods.likeness import looks
from refseg_ros.results import Selection, Status
from refseg_ros.spatial.context import Context

if TYPE_CHECKING:
    from refseg_ros.scene import Scene


@dataclass(frozen=True)
class Turn:
    """One sentence and its answer.

    Attributes:
        text: The sentence.
        scene: What it was about.
        expression: What it meant, its references resolved.
        selection: The answer.
        leans: Whether it leaned on earlier sentences: then what was found is followed on later
            images, not the sentence.
    """

    text: str
    scene: Scene
    expression: ReferringExpression
    selection: Selection
    leans: bool = False

    @property
    def tied(self) -> tuple[int, ...]:
        """What the question, still open, is about; () if there is none."""
        unsure = self.selection.status is Status.AMBIGUOUS
        asked = len(self.selection.tied) > 1 or self.selection.question
        return self.selection.tied if unsure and asked else ()


def lost_answer(text: str, scene: Scene) -> Selection:
    """The answer where what was meant before cannot be told any more."""
    reason = "the thing meant before is out of view, or cannot be told from others like it"
    return Selection.none(text, Status.LOST, reason, scene.size)


def again(last: Turn, scene: Scene, found: tuple[int, ...]) -> Selection:
    """The answer of a turn about the same things in another image."""
    count = 1 if last.tied else len(found)
    expression = look_only(last.expression, last.text, count)
    selection = scene.resolve(expression, Context(found, level=True))
    if last.selection.status is Status.AMBIGUOUS and selection.status is Status.SELECTED:
        # Another doubt than a tie: to look again does not settle it.
        asked = last.selection.question, last.selection.options
        selection = replace(
            selection, status=Status.AMBIGUOUS, tied=found, question=asked[0], options=asked[1]
        )
    return replace(selection, reason=f"found again: {selection.reason}")


class FollowUp:
    """Reads one sentence after another turn.

    Args:
        before: What it may lean on.
        scene: What it is about.
        said: The sentence, taken apart; not blank.
    """

    def __init__(self, before: Turn, scene: Scene, said: ReferringExpression) -> None:
        self.before, self.scene, self.said = before, scene, said
        self.text = said.text

    @cached_property
    def _found(self) -> tuple[int, ...] | None:
        """What was tied or meant before, in this image; None if it cannot be told."""
        before = self.before
        return found_again(before.scene, before.tied or before.selection.indices, self.scene)

    @property
    def lost(self) -> bool:
        """Whether that cannot be told."""
        return self._found is None

    @property
    def tied(self) -> tuple[int, ...]:
        """What the open question is about."""
        return (self._found or ()) if self.before.tied else ()

    @property
    def target(self) -> tuple[int, ...]:
        """What was meant before, of the tied the best guess."""
        count = len(self.before.selection.indices)
        return (self._found or ())[:count]

    def turn(self) -> Turn | None:
        """The sentence answered; None if it leans on nothing."""
        reply = read_reply(self.text)
        if reply is not None:
            return self._reply(reply)
        if self.before.tied and (answered := self._answer()):
            return answered
        return self._refer()

    def _done(self, expression: ReferringExpression, selection: Selection) -> Turn:
        return Turn(self.text, self.scene, expression, selection, leans=True)

    def _refused(self, status: Status, reason: str) -> Turn:
        selection = Selection.none(self.text, status, reason, self.scene.size)
        return self._done(self.before.expression, selection)

    def _not_seen(self) -> Turn:
        return self._done(self.before.expression, lost_answer(self.text, self.scene))

    def _pick(self, indices: Sequence[int], why: str) -> Turn:
        """Exactly these candidates."""
        expression = look_only(self.before.expression, self.text, len(indices))
        context = Context(tuple(indices), level=True)
        selection = self.scene.resolve(expression, context)
        selection = replace(selection, reason=f"{why}: {selection.reason}")
        return self._done(self.before.expression, selection)

    def _narrow(
        self, expression: ReferringExpression, inside: tuple[int, ...], level: bool
    ) -> Turn:
        """What a sentence means of some candidates."""
        context = Context(inside, level=level)
        selection = self.scene.resolve(expression, context)
        reason = f"of the {len(self.tied)} asked about: {selection.reason}"
        return self._done(expression, replace(selection, reason=reason))

    def _reply(self, reply: Reply) -> Turn | None:
        """Yes, no or a number."""
        tied = self.before.tied
        if reply.kind is ReplyKind.NUMBER and not tied:
            return None
        if self.lost:
            return self._not_seen()
        if reply.kind is ReplyKind.NO:
            what = f"none of the {len(tied)} asked about" if len(tied) > 1 else "not that one"
            reason = f"{what}, as was said; describe the thing in other words"
            return self._refused(Status.NOT_FOUND, reason)
        if reply.kind is ReplyKind.YES:
            if len(tied) > 1 and self.before.selection.question:
                return self._repeat()
            return self._pick(self.target, "as was said")
        if reply.number - 1 not in self.tied:
            return self._repeat()
        return self._pick((reply.number - 1,), "chosen by number")

    def _repeat(self) -> Turn:
        """The question once more, for a reply that does not answer it."""
        reason = f"{self.text[:40]!r} does not say which of them"
        selection = self.before.selection
        if self.scene is not self.before.scene:
            selection = again(self.before, self.scene, self.tied)
        asked = replace(selection, expression=self.text, reason=f"{reason}: {selection.reason}")
        return self._done(self.before.expression, asked)

    def _answer(self) -> Turn | None:
        """The sentence as an answer to the question that is open; None if it looks like none."""
        said, target = self.said, as_quality(self.said.target)
        if target == NounPhrase():
            return None
        # "the mug", "the red thing"; not "the red one", "red", "left".
        named = bool(target.head) or (has_stand_in(target) and target.anaphora is None)
        if self.lost:
            # What leans on the question is about nothing that is here; the rest stands by itself.
            return None if named else self._not_seen()
        rest = self.tied[1:]
        if rejects(said) or target.anaphora is Anaphora.OTHER:
            return self._among(by_itself(_unrejected(said)), rest)
        if self._points_back(said):
            return self._repeat()
        rank = rank_of(target)
        options = self.before.selection.options
        if rank is not None and len(options) > 1:
            if abs(rank) > len(options):
                reason = f"there are only {len(options)} to choose from"
                return self._refused(Status.NOT_FOUND, reason)
            option = options[rank - 1 if rank > 0 else rank]
            reply = read_reply(option)
            return self._reply(reply) if reply else self._among(parse(option), self.tied)
        answered = self._among(said, self.tied)
        if not named:
            return answered or self._of_its_kind()
        return answered and self._if_meant(answered, target)

    def _if_meant(self, answered: Turn, target: NounPhrase) -> Turn | None:
        """An answer that names a thing; None if it looks like a new command.

        It is an answer for sure if it is an option, or tells which of the question's noun.
        """
        heads = self._heads(self.tied)
        options = [parse(option).target for option in self.before.selection.options]
        if target.head in heads and _tells_where(target):
            return answered
        if any(_same_name(target, option, heads) for option in options):
            return answered
        alone = self.scene.resolve(self.said)
        if not alone.status is answered.selection.status is Status.SELECTED:
            return None
        first, second = answered.selection.indices[0], alone.indices[0]
        if self.scene.layout.copies[first, second]:
            return None
        both = Context((first, second), level=True)
        unsure = self.scene.resolve(look_only(self.said, self.text), both)
        reason = f"it may answer the question, or be a new command: {unsure.reason}"
        return self._done(self.said, replace(unsure, reason=reason))

    def _of_its_kind(self) -> Turn:
        """What "the green one" means of all things of the noun, never of another."""
        expression = combined(self.before.expression, self.said)
        return self._done(expression, self.scene.resolve(expression))

    def _heads(self, inside: Sequence[int]) -> set[str]:
        """The question's noun, and what those candidates are called."""
        names = (self.scene.names[index] for index in inside)
        return {self.before.expression.head, *(name.head for name in names if name is not None)}

    def _points_back(self, said: ReferringExpression) -> bool:
        """Whether it speaks of "it" while that is not settled."""
        same = said.target.anaphora is Anaphora.SAME and not said.target.head
        return (same and not said.target.is_plural) or pinned(said) is not None

    def _among(self, said: ReferringExpression, inside: tuple[int, ...]) -> Turn | None:
        """What a sentence means of the candidates asked about; None if it is of no such."""
        said = replace(said, text=self.text)
        target = as_quality(said.target)
        if not inside:
            return None
        before = self.before.expression
        names = [self.scene.names[index] for index in inside]
        if target.head and target.head not in self._heads(inside):
            return None
        said = replace(said, target=target)
        whole = target.head and (target.relations or target.excluded)
        if whole and self.scene.resolve(said).status is Status.SELECTED:
            # It tells one thing from all others: a new command rather than an answer.
            return None
        expression = said if target.head else answering(before, said)
        level = not (target.materials or target.qualities)
        if target.head or target.colours:
            fitting = _fitting(target, inside, names) or _fitting(
                target, inside, names, before.head
            )
            if not fitting and any(names):
                return None
            if not fitting and target.colours:
                # Without captions the best of all candidates tells whether one of these is meant.
                if self.scene.resolve(expression).index not in inside:
                    return None
                level = False
            inside = fitting or inside
        turn = self._narrow(expression, inside, level)
        new = bool(target.head) and not turn.selection.status.has_target
        return None if new else turn

    def _refer(self) -> Turn | None:
        """A sentence that refers to the thing meant before; None if it does not."""
        target = self.said.target
        if target.anaphora is Anaphora.ONE and pinned(self.said) is None:
            return self._of_its_kind()
        leans = target.anaphora in (Anaphora.SAME, Anaphora.OTHER) or rejects(self.said)
        if not leans and pinned(self.said) is None:
            return None
        if self.lost:
            return self._not_seen()
        if pinned(self.said) is not None:
            return self._beside()
        if target.anaphora is Anaphora.SAME:
            return self._same()
        return self._other()

    def _same(self) -> Turn | None:
        noun = self.said.head
        if noun and noun != self.before.expression.head:
            names = [self.scene.names[index] for index in self.target]
            if not all(fits_name(NounPhrase(head=noun), name) for name in names):
                return None
        return self._pick(self.target, "the same as before")

    def _beside(self) -> Turn | None:
        """Answer "the one next to it": of its kind if there is such a one, else of any."""
        said = pinned(self.said)
        assert said is not None
        context = Context(self._others(), pinned={PREVIOUS: self.target})
        if not context.within:
            return self._refused(Status.NOT_FOUND, "nothing else is seen")
        if self.said.target.anaphora is Anaphora.ONE:
            expression = combined(self.before.expression, said, coloured=False)
            selection = self.scene.resolve(expression, context)
            if selection.status.has_target and self._alike(selection):
                return self._done(expression, selection)
        said = by_itself(said)
        return self._done(said, self.scene.resolve(said, context))

    def _other(self) -> Turn | None:
        """Another of the kind: like it in all that was said, or else of its noun."""
        said = _unrejected(self.said)
        others = Context(self._others())
        if not others.within:
            return self._refused(Status.NOT_FOUND, "nothing else is seen")
        if said.head:
            expression = by_itself(said)
            return self._done(expression, self.scene.resolve(expression, others))
        for coloured in (True, False):
            expression = combined(self.before.expression, said, coloured)
            selection = self.scene.resolve(expression, others)
            if selection.status.has_target and (said.target.colours or self._alike(selection)):
                return self._done(expression, selection)
        noun = self.before.expression.head or "thing"
        return self._refused(Status.NOT_FOUND, f"no other {noun} is seen")

    def _others(self) -> tuple[int, ...]:
        """All candidates that are no masks of what was meant before."""
        copies, own = self.scene.layout.copies, list(self.target)
        return tuple(k for k in range(len(copies)) if k not in own and not copies[k, own].any())

    def _alike(self, selection: Selection) -> bool:
        """Whether what was found looks like it about as much as what was meant before."""
        seen = {item.index: looks(item.terms) for item in selection.candidates}
        closeness = max(self.scene.models.config.spatial.closeness, 1e-9)
        known = max(seen[index] for index in self.target)
        return seen[selection.indices[0]] >= known + math.log(closeness)


def _fitting(
    said: NounPhrase,
    inside: tuple[int, ...],
    names: Sequence[NounPhrase | None],
    noun: str = "",
) -> tuple[int, ...]:
    """Those candidates that may be called so."""
    named_so = (fits_name(said, name, noun) for name in names)
    return tuple(index for index, fits in zip(inside, named_so, strict=True) if fits)


def _unrejected(said: ReferringExpression) -> ReferringExpression:
    """The sentence without "not that one" in it."""
    if not rejects(said):
        return said
    return replace(said, target=replace(said.target, excluded=()), negated=())


def _tells_where(target: NounPhrase) -> bool:
    """Whether a phrase tells a thing from its like by place, order or size alone."""
    places = target.directions or target.superlatives or target.ordinal or target.sizes
    return bool(places or target.relations or target.excluded) and not target.colours


def _same_name(said: NounPhrase, option: NounPhrase, heads: set[str]) -> bool:
    """Whether a phrase names a thing as an option does, word for word but for its noun."""
    alike = said.head == option.head if option.head else said.head in heads
    return alike and bool(option.head or option.colours) and said.colours == option.colours
