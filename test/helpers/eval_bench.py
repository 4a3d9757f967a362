# SPDX-License-Identifier: Apache-2.0
"""A benchmark of two hand-made pictures and a segmenter that answers by its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refseg_lab.evaluation.records import Question, Sample
from refseg_ros.results import Proposals, Selection, Status

SIZE = (20, 20)


def block(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[rows, columns] = True
    return mask


UPPER = block(slice(0, 10), slice(0, 10))  # 100 pixels
LOWER = block(slice(10, 20), slice(10, 20))  # 100 pixels
STRIP = block(slice(0, 10), slice(15, 20))  # 50 pixels, which no proposal covers
OBJECTS = np.stack([UPPER, LOWER, STRIP])

NEAR_UPPER = block(slice(0, 10), slice(1, 11))  # shares 90 of 110 with UPPER: 9/11
HALF_LOWER = block(slice(10, 20), slice(10, 15))  # shares 50 of 100 with LOWER: 1/2
CORNER = block(slice(18, 20), slice(0, 2))  # 4 pixels of nothing
MASKS = np.stack([NEAR_UPPER, HALF_LOWER, CORNER])

QUESTIONS = (
    Question("the first", (0,), "category"),  # proposal 0: IoU 90/110
    Question("the second", (1,), "colour"),  # proposal 1: IoU 50/100
    Question("the third", (0,), "colour"),  # proposal 2: IoU 0, a wrong proposal
    Question("refuse", (1,), "position"),  # refused though proposal 1 is there
    Question("the first", (2,), "position"),  # no proposal; 0 is chosen: 0 of 150
    Question("perhaps the first", (0, 1), "plural"),  # AMBIGUOUS: 90 of 210
    Question("refuse", (), "absent"),  # rightly refused
    Question("the second", (), "absent"),  # falsely accepted
)


class Picture:
    """An observed picture: its second word chooses the proposal."""

    proposals = Proposals(MASKS, np.ones(3, np.float32))

    def select(self, text: str) -> Selection:
        if text == "crash":
            raise RuntimeError("a [bug]")
        if text == "refuse":
            return Selection.none(text, Status.NOT_FOUND, "there is none", SIZE)
        index = ("first", "second", "third").index(text.split()[-1])
        return Selection(
            expression=text,
            status=Status.AMBIGUOUS if "perhaps" in text else Status.SELECTED,
            reason="it was asked for",
            mask=MASKS[index],
            box=self.proposals.boxes[index],
            score=0.75,
            margin=0.5,
            index=index,
            candidates=(),
            seconds={},
        )


class ByWord:
    """What is evaluated; it cannot look at a black picture."""

    description = "by word"

    def observe(self, image: np.ndarray) -> Picture:
        if not image.any():
            raise ValueError("a black [picture]")
        return Picture()


@dataclass(frozen=True)
class Hand:
    """Pictures of a given brightness, all with the same questions."""

    levels: tuple[int, ...] = (90, 120)
    questions: tuple[Question, ...] = QUESTIONS

    def open(self) -> Sequence[Sample]:
        return [
            Sample(f"scene_{n}", np.full((*SIZE, 3), level, np.uint8), OBJECTS, self.questions)
            for n, level in enumerate(self.levels)
        ]
