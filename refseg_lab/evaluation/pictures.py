# SPDX-License-Identifier: Apache-2.0
"""Pictures of answers: which ones to look at, how they are drawn, and a sheet of them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from refseg_lab.evaluation.metrics import union_of
from refseg_lab.evaluation.records import Answer, Sample, SceneResult
from refseg_ros.recordings.observed import unpacked_mask
from refseg_ros.results import Selection, Status, boxes_from_masks
from refseg_ros.viewer.overlay import STATUS_COLOURS, draw_outline, draw_overlay
from refseg_ros.viewer.text import draw_text, printable, shorten

Picture = NDArray[np.uint8]

TRUTH_COLOUR = (255, 255, 255)
"""RGB of the outline of what was meant."""
_RIGHT, _WRONG, _INK, _PAPER = (22, 160, 110), (214, 69, 65), (23, 32, 43), (255, 255, 255)
_CELL, _TEXT, _GAP = 400, 15, 10  # pixels of the sheet
_COLUMNS = 5


def best_answers(results: Sequence[SceneResult], count: int) -> list[Answer]:
    """The best of each phenomenon in turn, no scene twice.

    Args:
        results: Records of a split.
        count: How many at most.
    """
    right = [item for result in results for item in result.answers if item.right]
    return _in_turn(sorted(right, key=lambda item: -(item.iou or 1.0)), count)


def worst_answers(results: Sequence[SceneResult], count: int) -> list[Answer]:
    """The worst of each phenomenon in turn; of equally bad ones the surest.

    Args:
        results: Records of a split.
        count: How many at most.
    """
    wrong = [item for result in results for item in result.answers if not item.right]
    return _in_turn(sorted(wrong, key=lambda item: (item.iou or 0.0, -item.score)), count)


def random_answers(results: Sequence[SceneResult], count: int, seed: int) -> list[Answer]:
    """One random expression of each of some random scenes.

    Args:
        results: Records of a split.
        count: How many at most.
        seed: Seed for the choice.
    """
    rng = np.random.default_rng(seed)
    asked = [result for result in results if result.answers]
    chosen = rng.permutation(len(asked))[:count]
    return [asked[index].answers[int(rng.integers(len(asked[index].answers)))] for index in chosen]


def _in_turn(answers: Iterable[Answer], count: int) -> list[Answer]:
    """Take answers in order: one of each phenomenon, then a second, … no scene twice."""
    queues: defaultdict[str, deque[Answer]] = defaultdict(deque)
    for answer in answers:
        queues[answer.phenomenon].append(answer)
    chosen: list[Answer] = []
    scenes: set[str] = set()
    while len(chosen) < count and any(queues.values()):
        for queue in queues.values():
            while queue and queue[0].scene in scenes:
                queue.popleft()
            if queue and len(chosen) < count:
                scenes.add(queue[0].scene)
                chosen.append(queue.popleft())
    return chosen


def draw_answer(sample: Sample, answer: Answer) -> Picture:
    """The picture with the predicted mask lit up and outlined over the white outline of the truth.

    Args:
        sample: The picture.
        answer: One of its answers.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    size = (sample.image.shape[0], sample.image.shape[1])
    mask = unpacked_mask(answer.mask, size)
    selection = Selection(
        expression=answer.expression,
        status=Status[answer.status],
        reason=answer.reason,
        mask=mask,
        box=boxes_from_masks(mask[None])[0],
        score=answer.score,
        margin=answer.margin,
        index=None,
        candidates=(),
        seconds={},
    )
    picture = draw_overlay(sample.image, selection, labelled=False)
    draw_outline(picture, union_of(sample.objects[list(answer.targets)]), TRUTH_COLOUR)
    # Again, on top: white is left where the two part.
    draw_outline(picture, mask, STATUS_COLOURS[selection.status])
    return picture


def verdict(answer: Answer) -> str:
    """IoU and status in a few words, or whether an absent object was refused."""
    status = answer.status.lower().replace("_", " ")
    if answer.iou is None:
        return f"absent object · {status}"
    return f"IoU {answer.iou:.2f} · {status}" + (f" · {answer.limit}" if answer.limit else "")


def answers_sheet(samples: Sequence[Sample], answers: Sequence[Answer]) -> Picture:
    """Answers in rows of five, each with its expression and its verdict below.

    Args:
        samples: The pictures, one an answer.
        answers: What was said of each; at least one.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: There are none, or the numbers differ.
    """
    if not answers or len(answers) != len(samples):
        raise ValueError(
            f"answers: at least one and one a sample, got {len(answers)} for {len(samples)}"
        )
    cells = [_cell(sample, answer) for sample, answer in zip(samples, answers, strict=True)]
    columns = min(_COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    height = max(cell.shape[0] for cell in cells)
    sheet = np.full(
        (rows * (height + _GAP) + _GAP, columns * (_CELL + _GAP) + _GAP, 3), 255, np.uint8
    )
    for index, cell in enumerate(cells):
        top = _GAP + (index // columns) * (height + _GAP)
        left = _GAP + (index % columns) * (_CELL + _GAP)
        sheet[top : top + cell.shape[0], left : left + _CELL] = cell
    return sheet


def _cell(sample: Sample, answer: Answer) -> Picture:
    picture = scaled(draw_answer(sample, answer), _CELL)
    canvas = Image.new("RGB", (_CELL, picture.shape[0] + 3 * _TEXT + 4), _PAPER)
    canvas.paste(Image.fromarray(picture))
    draw = ImageDraw.Draw(canvas)
    colour = _RIGHT if answer.right else _WRONG
    top = picture.shape[0]
    draw.rectangle((0, top, _CELL, top + 3), fill=colour)
    asked = shorten(f"“{printable(answer.expression)}”", _TEXT, _CELL - 4)
    draw_text(draw, (2, top + 1.5 * _TEXT), asked, _TEXT, _INK)
    said = shorten(f"{answer.phenomenon} · {verdict(answer)}", _TEXT, _CELL - 4)
    draw_text(draw, (2, top + 2.8 * _TEXT), said, _TEXT, colour)
    return np.asarray(canvas)


def scaled(picture: Picture, width: int) -> Picture:
    """A picture at another width, its proportions kept.

    Args:
        picture: (H, W, 3) uint8.
        width: In pixels.
    """
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
