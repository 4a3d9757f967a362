# SPDX-License-Identifier: Apache-2.0
"""The way of a sentence, top to bottom: read, refuse, score, place, decide.

Everything here is cheap and is done once a sentence, on a scene that was observed once.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from refseg_ros.decision.choice import SURE, decide, rank
from refseg_ros.decision.judging import judged
from refseg_ros.decision.questions import with_question
from refseg_ros.decision.refusal import (
    NOTHING_SEEN,
    ONLY_NAMED,
    Refusal,
    refusal,
    unknown_noun,
)
from refseg_ros.language.caption_names import agreements
from refseg_ros.language.expression import ReferringExpression
from refseg_ros.language.kinship import (
    doubtful_nouns,
    known_nouns,
    phrases_in,
    with_seen_supports,
)
from refseg_ros.language.nouns import unique
from refseg_ros.language.reading import Reading, read
from refseg_ros.language.vocabulary import nouns_of, with_uses
from refseg_ros.methods.likeness import Logits, match, plausible, score_looks
from refseg_ros.methods.names import NAMED, SURE_ENOUGH
from refseg_ros.methods.scoring import ScoreTable, shares
from refseg_ros.results import Explanation, Selection, Status
from refseg_ros.spatial.context import NOTHING_SAID, Context
from refseg_ros.spatial.likeness import Likeness
from refseg_ros.spatial.placing import Placing, place
from refseg_ros.stopwatch import Stopwatch

if TYPE_CHECKING:
    from refseg_ros.config import DecisionConfig
    from refseg_ros.scene import Scene


STRANGE_PICTURE: Final = (
    "the picture is unlike the rendered tables that the bundled models know; for photos use a "
    "preset with published weights, such as fast"
)
UNSURE: Final = 0.5
"""Highest score of an answer about a picture that is unlike all that the models learnt from."""


def answer(
    scene: Scene, expression: ReferringExpression, context: Context = NOTHING_SAID
) -> Selection:
    """Answer a sentence about a scene.

    Args:
        scene: What was observed, with the models that answer.
        expression: What was said, references to earlier sentences resolved.
        context: What earlier sentences settled; see :class:`refseg_ros.Conversation`.

    Returns:
        The selection; its status and reason say what happened when there is no mask. Its indices
        are rows of its own proposals.
    """
    models, watch, told = scene.models, Stopwatch(), context.settles_look
    if scene.concepts is not None:
        with watch.stage("concepts"):
            scene = scene.asked(nouns_of(expression))
    reading = _read(scene, expression, context)
    expression = reading.expression
    if refused := refusal(reading, told=told):
        return _refused(scene, reading, refused, watch)
    with torch.inference_mode(), models.device.precision():
        with watch.stage("candidates"):
            scene = scene.candidates_for(expression)
        seen = bool(len(scene.proposals) if expression.head else scene.things.any())
        nothing = ONLY_NAMED if scene.concepts and not len(scene.proposals) else NOTHING_SEEN
        seen = seen or told or bool(scene.proposals.asked)
        refused = unknown_noun(reading, told=told) if seen else nothing
        refused = refused or (None if len(scene.proposals) else nothing)
        if refused:
            return _refused(scene, reading, refused, watch)
        with watch.stage("match"):
            table = _score(scene, expression)
        with watch.stage("spatial"):
            placed = _place(scene, reading, table, context)
    selection = _decide(scene, reading, table, placed, context, watch)
    return _told(selection, scene, reading)


def _read(scene: Scene, expression: ReferringExpression, context: Context) -> Reading:
    """The sentence in the light of what the models know, or of the names that came."""
    models = scene.models
    config, vocabulary, names = models.config, models.vocabulary, scene.features.names
    seen = scene.features.seen
    asked, doubtful = scene.proposals.asked, frozenset[str]()
    named = bool(names or asked) or not seen
    called_by = names.read if named else scene.features.named
    known: Container[str] | None = None
    unknown: tuple[str, ...] = ()
    if vocabulary is not None and not named:
        known = vocabulary.with_nouns(context.pinned)
        expression, unknown = vocabulary.known_part(expression)
    elif config.score.text == "phrase":
        heads = unique(item.phrase.head for item in called_by if item.phrase.head)
        target = with_uses(expression.target, heads, models.language.kinds)
        expression = replace(expression, target=target)
    if named or vocabulary is None:
        called = known_nouns(expression, called_by)
        supposed = scene.features.supposed
        if supposed is not None and supposed.named and not named:
            called = frozenset(item.head for item in phrases_in(expression.target))
        target = with_seen_supports(expression.target, called)
        expression = replace(expression, target=target)
        if named:
            known = called | context.pinned.keys()
            if asked and seen and len(scene.proposals):
                least = config.proposals.absent_thresh
                doubtful = doubtful_nouns(expression, asked, least) - known
            known |= doubtful
    reading = read(
        expression,
        known,
        phrases=config.score.text == "phrase",
        sets=config.spatial.absolute == "extreme",
        named=named,
        guessing=named and seen and not (asked or config.decision.known_words),
        colours=seen or names.tell_colours,
        # What was settled by an answer is no doubt any more.
        unknown=() if context.settles_look else unknown,
    )
    if not doubtful or context.settles_look:
        return reading
    said = (expression.target, *(item for item, _ in reading.looks))
    strange = unique(item.head for item in said if item.head in doubtful)
    return replace(reading, unused=replace(reading.unused, strange=strange))


def _refused(scene: Scene, reading: Reading, refused: Refusal, watch: Stopwatch) -> Selection:
    """No answer, and why."""
    expression = reading.expression
    none = Selection.none(expression.text, *refused, scene.size, seconds=watch.total())
    none = replace(none, explanation=Explanation(expression, objections=(refused[1],)))
    return _told(none, scene, reading)


def _told(selection: Selection, scene: Scene, reading: Reading) -> Selection:
    """The answer with what it chose from, how it was read, and what speaks against trusting it."""
    config = scene.models.config
    unknown = scene.models.clip.unknown_words(reading.expression.content_words)
    warnings = [f"the word {word!r} is not known to the bundled model" for word in unknown]
    if selection.indices and not config.decision.calibrated:
        if scene.proposals.asked:
            warnings.append(f"{config.name!r} is not calibrated: what its detector sees may err")
        elif not scene.features.names:
            warnings.append(
                f"{config.name!r} is not calibrated: it cannot tell when the thing is missing; "
                "`refseg calibrate` fits it to your own pictures"
            )
    if scene.is_strange:
        warnings.append(STRANGE_PICTURE)
        selection = replace(selection, score=min(selection.score, UNSURE))
    if reading.foreign:
        warnings.append(reading.foreign)
    return replace(selection, warnings=tuple(warnings), proposals=scene.proposals, reading=reading)


def _score(scene: Scene, expression: ReferringExpression) -> ScoreTable:
    """The method's scores, of several names that will do the best one's for each candidate."""
    target = expression.target
    tables = [_scored(scene, replace(expression, target=item)) for item in target.alternatives]
    # What the names of things tell needs no look.
    tables = [table for table in tables if table.min_match is not None] or tables
    if len(tables) == 1:
        return tables[0]
    best = np.argmax([match(table.terms) for table in tables], axis=0)
    columns = np.arange(len(best))

    def of_best(values: Sequence[Logits]) -> Logits:
        chosen: Logits = np.stack(values)[best, columns]
        return chosen

    return replace(
        tables[0],
        terms={name: of_best([table.terms[name] for table in tables]) for name in tables[0].terms},
        total=of_best([table.total for table in tables]),
        text=", ".join(table.text for table in tables),
    )


def _scored(scene: Scene, expression: ReferringExpression) -> ScoreTable:
    """The method's scores, and what captions (to the match alone) and given names add to them."""
    models, captioned = scene.models, scene.features.captioned
    matcher = models.matcher if captioned else models.matcher.without_captions()
    features, target = scene.features, expression.target
    named = features.by_name(target, models.clip)
    if features.told_by_name(target):
        return ScoreTable({NAMED: named}, named, text=target.look, min_match=SURE_ENOUGH)
    table = matcher.score(features, expression, models.clip)
    weight = models.config.decision.caption_match
    if weight and captioned:
        table = table.plus("C", weight * agreements(features.named, target), 0.0)
    if features.names:
        table = table.plus(NAMED, named, 1.0)
    return table


def _thresholds(scene: Scene, table: ScoreTable) -> DecisionConfig:
    """The preset's thresholds, as far as they are of what was scored."""
    decision = scene.models.config.decision
    return decision if table.min_match is None else replace(decision, min_match=table.min_match)


def _place(scene: Scene, reading: Reading, table: ScoreTable, context: Context) -> Placing:
    """Turn logits into shares and apply what the sentence says of place."""
    models, expression = scene.models, reading.expression
    config = models.config
    weights = shares(table.total, config.score.normalise, config.score.temperature)
    decision = config.decision
    fits = plausible(match(table.terms), _thresholds(scene, table).min_match)
    # What leans on earlier sentences is resolved by the whole logic under any preset.
    leans = context != NOTHING_SAID
    absolute = "extreme" if leans else config.spatial.absolute
    matched = True
    if absolute == "extreme" and not reading.says_how_it_looks:
        # "the leftmost thing": what a matcher makes of "thing" is noise.
        weights = scene.proposals.quality.clip(1e-3).astype(np.float64)
        fits = np.ones(len(weights))
        matched = False
    things = scene.things if scene.things.any() else None
    if things is not None and not expression.head:
        weights = np.where(things, weights, weights.min() * SURE)
    resolved = config.spatial.relations or absolute == "extreme"
    named = reading.looks if resolved else ()
    looks = score_looks(
        [item for item in named if item[0].look not in context.pinned],
        scene.features,
        models.clip,
        decision.min_match,
        decision.caption_match,
    )
    placed = place(
        context.confine(Likeness(weights, fits, matched)),
        expression,
        {**looks, **context.landmarks(len(weights))},
        scene.layout,
        absolute,
        config.spatial.closeness,
        config.spatial.relations or leans,
        models.language.entity(expression.text) if absolute == "released" else None,
        config.spatial.best_copy and context.within is None,
        things,
        # Only a vocabulary tells what is a thing of its own.
        parts=reading.vocabulary is None,
    )
    return context.restrict(placed)


def _decide(
    scene: Scene,
    reading: Reading,
    table: ScoreTable,
    placed: Placing,
    context: Context,
    watch: Stopwatch,
) -> Selection:
    """One, several, nearly two (and the question that would settle it), or none."""
    decision, models = _thresholds(scene, table), scene.models
    candidates = rank(table, placed, scene.proposals, scene.captions)
    selection = decide(
        reading.expression,
        candidates,
        placed,
        scene.proposals,
        # What earlier answers settled need not look like it anew.
        replace(decision, min_match=-math.inf) if context.settles_look else decision,
        watch.total(),
        reading.unused,
        table,
    )
    if selection.status is not Status.AMBIGUOUS or scene.features.supposed is not None:
        return selection
    with watch.stage("question"):
        asked = with_question(selection, scene, reading.expression, placed, decision)
    if models.judge is not None:
        with watch.stage("judge"):
            asked = judged(asked, scene, models.judge, models.config.judge, decision)
    return replace(asked, seconds=watch.total())
