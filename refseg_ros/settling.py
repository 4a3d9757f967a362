# SPDX-License-Identifier: Apache-2.0
"""Answers with no more captions than it takes to know what all of them would say.

A caption counts in the score by P alone, and P is bounded: no caption fits a text better than a
cosine of 1, or worse than -1. So a sentence is answered twice, as if every caption that is not
made fitted it as well as can be, and as badly. If both choose the same things, whose own captions
are made, the others cannot change that; else those are made first that could change it most.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from refseg_ros.answer import answer
from refseg_ros.language.expression import NounPhrase, ReferringExpression
from refseg_ros.language.kinship import phrases_in
from refseg_ros.methods.awaiting import Supposition
from refseg_ros.results import Selection, Status
from refseg_ros.results.explanation import Column
from refseg_ros.spatial.context import NOTHING_SAID, Context
from refseg_ros.spatial.layout import ANY_NAME
from refseg_ros.stopwatch import Stopwatch

if TYPE_CHECKING:
    from refseg_ros.scene import Scene

SURE_SCORE: Final = 0.05
"""How far the score of an answer may be from that with all captions."""
AT_ONCE: Final = 4
"""Captions made before the answer is looked at again, on a CPU; on a GPU a whole batch."""


def settled(
    scene: Scene, expression: ReferringExpression, context: Context = NOTHING_SAID
) -> Selection:
    """The answer that all captions would give: its status and the things chosen are the same.

    Args:
        scene: Its captions are made when they are needed.
        expression: See :func:`refseg_ros.answer.answer`.
        context: See there; what leans on earlier sentences takes all captions.

    Returns:
        The selection. Its score is within :data:`SURE_SCORE` of that with all captions, were it
        not for the score's line; candidates without one have no P (NaN).
    """
    watch, made = Stopwatch(), scene.awaiting
    assert made is not None
    if context != NOTHING_SAID or _counts(expression.target):
        with watch.stage("captions"):
            scene = scene.whole
        return _timed(answer(scene, expression, context), watch)
    seconds, many = 0.0, 0
    least, most = captions_at_a_time(scene), scene.models.config.captions.batch_size
    while True:
        known = scene.so_far
        if not (awaited := known.features.awaited):
            return _timed(answer(known, expression), watch, seconds)
        found = [answer(each, expression) for each in _supposed(known, expression)]
        waiting = [row for row in _ahead(found) if row in awaited]
        if not waiting and _agree(found, awaited):
            return _timed(_without(found[0], awaited), watch, seconds)
        if many or not waiting:
            best = [item.index for item in found[0].candidates] or awaited
            many = many or least
            waiting = [row for row in dict.fromkeys((*waiting, *best)) if row in awaited][:many]
        # What hangs on many takes few rounds, as a large batch costs less a caption.
        many = min(max(2 * many, least), most)
        with watch.stage("captions"):
            made.make(waiting)
        seconds += watch.seconds["captions"]


def captions_at_a_time(scene: Scene) -> int:
    """How many captions are made at a time where some may do."""
    most = scene.models.config.captions.batch_size
    return most if scene.models.device.torch_device.type != "cpu" else min(most, AT_ONCE)


def _counts(target: NounPhrase) -> bool:
    """Whether all that compete are counted, so that one more or less changes which are meant."""
    several = target.is_plural or (target.count or 1) > 1
    return bool(several or target.ordinal)


def _supposed(scene: Scene, expression: ReferringExpression) -> Iterator[Scene]:
    """The scene under each supposition that may tell answers apart, the best fit first."""
    awaited, plain = set(scene.features.awaited), scene.layout
    names = [ANY_NAME if row in awaited else name for row, name in enumerate(scene.captions)]
    named = plain.called(tuple(names))
    supports = any(
        relation.on_support
        for phrase in phrases_in(expression.target)
        for relation in phrase.relations
    )
    apart = supports or not np.array_equal(named.copies, plain.copies)
    for layout in (plain, named) if apart else (plain,):
        for fit in (1.0, -1.0):
            supposed = Supposition(fit, layout is named)
            yield scene.with_features(replace(scene.features, supposed=supposed), layout)


def _ahead(found: Sequence[Selection]) -> list[int]:
    """What must not be supposed, as others are held against it: the chosen, and the best looks.

    Where their captions are known, each other one can only fall short of them by more than if its
    own fitted as well as can be.
    """
    rows = dict.fromkeys(index for item in found for index in item.indices)
    for item in found:
        if item.explanation is not None and len(item.explanation.total):
            rows[int(np.argmax(item.explanation.total))] = None
    return list(rows)


def _agree(found: Sequence[Selection], awaited: Sequence[int]) -> bool:
    """Whether answers are the same whatever the awaited captions say."""
    first, rows = found[0], frozenset(awaited)
    # A question names things by their captions, and a refusal tells of the best of all.
    told = first.status is Status.SELECTED or not first.candidates
    same = all((item.status, item.indices) == (first.status, first.indices) for item in found)
    shares = (sum(it.score for it in item.candidates if it.index in rows) for item in found)
    scores = [item.score for item in found]
    apart = max(max(shares), max(scores) - min(scores))
    return told and same and apart <= SURE_SCORE / 2


def _without(selection: Selection, awaited: Sequence[int]) -> Selection:
    """An answer that tells nothing of captions that were only supposed."""
    rows = frozenset(awaited)

    def column(values: Column) -> Column:
        return tuple(math.nan if row in rows else value for row, value in enumerate(values))

    candidates = tuple(
        replace(item, terms={**item.terms, "P": math.nan})
        if item.index in rows and "P" in item.terms
        else item
        for item in selection.candidates
    )
    explanation = selection.explanation
    if explanation is not None:
        terms = tuple(
            replace(term, values=column(term.values), weighted=column(term.weighted))
            if term.name == "P"
            else term
            for term in explanation.terms
        )
        explanation = replace(explanation, terms=terms)
    return replace(selection, candidates=candidates, explanation=explanation)


def _timed(selection: Selection, watch: Stopwatch, captions: float = 0.0) -> Selection:
    """The answer with the time that captions took in it, and the whole."""
    total = watch.total()
    spent = {"captions": captions or total.get("captions", 0.0)}
    return replace(selection, seconds={**selection.seconds, **spent, "total": total["total"]})
