# SPDX-License-Identifier: Apache-2.0
"""Asks a segmenter all questions of one picture and measures proposals and answers."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from refseg_lab.evaluation.metrics import mask_iou, mask_ious, overlap, union_of
from refseg_lab.evaluation.records import (
    FAILED,
    FALSE_ACCEPT,
    NO_PROPOSAL,
    REFUSED,
    WRONG_PROPOSAL,
    Answer,
    Components,
    Question,
    Sample,
    SceneResult,
)
from refseg_ros.recordings.observed import Observed, Observer, packed_mask
from refseg_ros.results import Proposals, Selection, Status

logger = logging.getLogger(__name__)

RIGHT_IOU = 0.5
"""From this IoU on an answer counts as right (Pr@50)."""
VISIBLE_AREA = 200
"""Fewest pixels, at 640×480, of an object that counts for proposals."""


def least_area(height: int, width: int) -> float:
    """:data:`VISIBLE_AREA` as the same share of a picture of another size, in pixels."""
    return VISIBLE_AREA * (height * width) / (640.0 * 480.0)


def measure_scene(
    observer: Observer, sample: Sample, components: Components | None = None
) -> SceneResult:
    """Observe once, ask every question.

    An exception of the segmenter does not end an evaluation: the question counts as wrong, and
    all questions do when the picture could not be observed.

    Args:
        observer: What is evaluated.
        sample: A picture with its questions.
        components: Measures the networks one by one; None measures the whole method only.
    """
    try:
        observed = look(observer, sample)
        parts = dict(components(observer, sample)) if components else {}
    except Exception as error:  # whatever a segmenter does wrong is a result here
        logger.info("%s: could not be observed", sample.name, exc_info=True)
        text = f"{type(error).__name__}: {error}"
        none = Proposals.empty(*sample.image.shape[:2])
        answers = tuple(_failed(sample, item, none, text) for item in sample.questions)
        return SceneResult(sample.name, answers, tuple(0.0 for _ in _large(sample)), 0, text)
    proposals = observed.proposals
    best = tuple(
        float(mask_ious(proposals.masks, truth).max(initial=0.0)) for truth in _large(sample)
    )
    answers = tuple(_ask(observed, sample, question) for question in sample.questions)
    return SceneResult(sample.name, answers, best, len(proposals), components=parts)


def look(observer: Observer, sample: Sample) -> Observed:
    """Have a picture observed, with its depth image if the sample offers one."""
    if sample.depth is None:
        return observer.observe(sample.image)
    return observer.observe(sample.image, sample.depth, sample.intrinsics)


def _large(sample: Sample) -> list[NDArray[np.bool_]]:
    least = least_area(*sample.image.shape[:2])
    return [mask for mask in sample.objects if np.count_nonzero(mask) >= least]


def _ask(observed: Observed, sample: Sample, question: Question) -> Answer:
    try:
        selection = observed.select(question.expression)
    except Exception as error:  # as above
        logger.info(
            "%s: %r could not be answered", sample.name, question.expression, exc_info=True
        )
        text = f"{type(error).__name__}: {error}"
        return _failed(sample, question, observed.proposals, text)
    return judge_selection(sample, question, observed.proposals, selection)


def _failed(sample: Sample, question: Question, proposals: Proposals, error: str) -> Answer:
    size = sample.image.shape[:2]
    none = Selection.none(question.expression, Status.ERROR, error, (size[0], size[1]))
    return judge_selection(sample, question, proposals, none, failed=True)


def judge_selection(
    sample: Sample,
    question: Question,
    proposals: Proposals,
    selection: Selection,
    *,
    failed: bool = False,
) -> Answer:
    """Compare an answer with the truth.

    AMBIGUOUS counts by its best mask, which is what a robot would be given. The truth of a
    plural is the union of its targets.

    Args:
        sample: The picture.
        question: What was asked of it.
        proposals: What could have been chosen.
        selection: What was.
        failed: The selection stands for an exception.
    """
    targets = sample.objects[list(question.targets)]
    truth, mask = union_of(targets), selection.mask
    if sample.boxes:
        rows = (selection.proposals or proposals).masks
        chosen = rows[list(selection.indices)] if selection.indices else mask[None]
        mask = union_of(np.stack([filled_box(item) for item in chosen]))
        masks = [filled_box(item) for item in proposals.masks]
        proposals = replace(proposals, masks=np.stack(masks)) if masks else proposals
    intersection, union = overlap(mask, truth)
    absent = not question.targets
    iou = oracle = chance_hit = chance_iou = None
    if absent:
        right = selection.status is Status.NOT_FOUND
    else:
        iou = intersection / union if union else 0.0
        right = iou >= RIGHT_IOU
        oracle = oracle_iou(proposals, targets)
        chance_hit, chance_iou = chance(proposals, truth)
    return Answer(
        scene=sample.name,
        expression=question.expression,
        phenomenon=question.phenomenon,
        targets=question.targets,
        status=selection.status.name,
        reason=selection.reason,
        score=float(selection.score),
        margin=float(selection.margin),
        intersection=intersection,
        union=union,
        iou=iou,
        right=right,
        oracle=oracle,
        chance_hit=chance_hit,
        chance_iou=chance_iou,
        limit="" if right else _limit(oracle, selection.status, failed),
        mask=packed_mask(selection.mask) if selection.mask.any() else b"",
    )


def filled_box(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The smallest box around a mask, filled; nothing for an empty one."""
    box = np.zeros_like(mask)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows):
        box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return box


def _limit(oracle: float | None, status: Status, failed: bool) -> str:
    if failed:
        return FAILED
    if oracle is None:
        return FALSE_ACCEPT if status.has_target else FAILED
    if oracle < RIGHT_IOU:
        return NO_PROPOSAL
    return WRONG_PROPOSAL if status.has_target else REFUSED


def oracle_iou(proposals: Proposals, targets: NDArray[np.bool_]) -> float:
    """IoU that a perfect choice among the proposals reaches.

    Args:
        proposals: What may be chosen.
        targets: (T, H, W) bool, the objects meant; each takes its own best proposal.

    Returns:
        For one target the best IoU; for several the IoU of the union of their best proposals
        with the union of the targets. 0 without proposals.
    """
    if not len(proposals) or not len(targets):
        return 0.0
    ious = [mask_ious(proposals.masks, target) for target in targets]
    if len(targets) == 1:
        return float(ious[0].max())
    best = sorted({int(values.argmax()) for values in ious})
    return mask_iou(union_of(proposals.masks[best]), union_of(targets))


def chance(proposals: Proposals, truth: NDArray[np.bool_]) -> tuple[float, float]:
    """What drawing one proposal at random reaches, worked out exactly and not sampled.

    Args:
        proposals: Each as likely as the others.
        truth: (H, W) bool.

    Returns:
        Probability of IoU ≥ 0.5, and expected IoU; zeros without proposals.
    """
    if not len(proposals):
        return 0.0, 0.0
    ious = mask_ious(proposals.masks, truth)
    return float((ious >= RIGHT_IOU).mean()), float(ious.mean())
