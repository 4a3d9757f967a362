# SPDX-License-Identifier: Apache-2.0
"""Sentences asked of true regions, with what leaving things out of them would answer."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from refseg_lab.evaluation.language.named_pictures import TrueSentence
from refseg_lab.evaluation.language.named_scene import fits_names, named_scene
from refseg_ros.config import SegmenterConfig
from refseg_ros.dialogue import Conversation
from refseg_ros.language import ReferringExpression, parse
from refseg_ros.language.usable import has_look
from refseg_ros.results import Selection, Status
from refseg_ros.scene import Scene
from refseg_ros.spatial.position import in_frame, reach

SAME_IOU = 0.5
"""IoU above which another region is as good as the one meant."""


class SentenceKind(str, enum.Enum):
    """What tells the thing meant, as the sentence was read."""

    PLACE = "place only"
    NOUN_PLACE = "noun + place"
    ORDINAL = "ordinal"
    RELATION = "relation"
    LOOK = "noun only"
    OTHER_NAME = "called by nobody else so"


@dataclass(frozen=True)
class TrueAnswer:
    """A sentence with its answer.

    Attributes:
        sentence: What was asked.
        kind: What tells the thing meant.
        status: Name of the answer's status.
        chosen: Rows answered; none for a refusal.
        reason: The answer's own.
        right: Whether that is what was meant.
        chance: How likely one of those that have the name is it.
        utmost: Whether the one of them is whose centroid lies furthest the way that is said;
            None where no place is said, or nothing is meant.
        unrelated: Whether it would be answered right without its relations; None without any.
    """

    sentence: TrueSentence
    kind: SentenceKind
    status: str
    chosen: tuple[int, ...]
    reason: str
    right: bool
    chance: float
    utmost: bool | None = None
    unrelated: bool | None = None


def ask_all(sentences: Sequence[TrueSentence], config: SegmenterConfig) -> Iterator[TrueAnswer]:
    """Ask every sentence; turns of a conversation one after another.

    Args:
        sentences: In the order of their files.
        config: Of the place and the decision; see :func:`named_scene.by_names`.
    """
    conversation, seen, scene = Conversation(), None, None
    for sentence in sentences:
        if scene is None or sentence.picture is not seen:
            seen, told = sentence.picture, sentence.source == "photos"
            scene = named_scene(sentence.picture, config, told=told)
        if not sentence.follows:
            conversation.clear()
        yield _answered(sentence, scene, conversation.ask(scene, sentence.text))


def _answered(sentence: TrueSentence, scene: Scene, selection: Selection) -> TrueAnswer:
    expression = parse(sentence.text)
    is_right = partial(_is_right, sentence, scene.proposals.masks)
    target = expression.target
    alike = np.flatnonzero(fits_names(target.text, sentence.picture.names))
    utmost = unrelated = None
    if expression.directions and len(alike) and sentence.wanted:
        shares = in_frame(scene.proposals.centroids.astype(np.float64), scene.size)
        utmost = is_right((int(alike[np.argmax(reach(shares[alike], expression.directions))]),))
    if target.relations:
        plainer = scene.resolve(replace(expression, target=replace(target, relations=())))
        unrelated = is_right(plainer.indices, plainer.status)
    return TrueAnswer(
        sentence,
        _kind(sentence, expression, alike),
        selection.status.name,
        selection.indices,
        selection.reason,
        is_right(selection.indices, selection.status),
        float(np.mean([is_right((int(row),)) for row in alike])) if len(alike) else 0.0,
        utmost,
        unrelated,
    )


def _kind(
    sentence: TrueSentence, expression: ReferringExpression, alike: NDArray[np.intp]
) -> SentenceKind:
    target = expression.target
    if sentence.source != "photos" and not set(sentence.wanted) <= set(alike.tolist()):
        return SentenceKind.OTHER_NAME
    if target.relations:
        return SentenceKind.RELATION
    if target.ordinal is not None:
        return SentenceKind.ORDINAL
    if not has_look(target):
        return SentenceKind.PLACE
    placed = target.directions or target.superlatives
    return SentenceKind.NOUN_PLACE if placed else SentenceKind.LOOK


def _is_right(
    sentence: TrueSentence,
    masks: NDArray[np.bool_],
    chosen: tuple[int, ...],
    status: Status = Status.SELECTED,
) -> bool:
    if sentence.asks_back:
        return status is Status.AMBIGUOUS
    if not (sentence.wanted and chosen):
        return not (sentence.wanted or chosen)
    if set(chosen) == set(sentence.wanted):
        return True
    answered, meant = masks[list(chosen)].any(0), masks[list(sentence.wanted)].any(0)
    return bool((answered & meant).sum() > SAME_IOU * (answered | meant).sum())
