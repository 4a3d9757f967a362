# SPDX-License-Identifier: Apache-2.0
"""What a segmenter was asked and what it answered, one record per expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from refseg_ros.recordings.observed import Observer

ABSENT = "absent"
"""Phenomenon of expressions whose object is not in the picture: refusing is right."""


@dataclass(frozen=True)
class Question:
    """An expression and what it means.

    Attributes:
        expression: The sentence.
        targets: Rows of :attr:`Sample.objects` that are meant; several for a plural, none for
            an absent object.
        phenomenon: What the expression tests, e.g. "colour"; :data:`ABSENT` without targets.
    """

    expression: str
    targets: tuple[int, ...]
    phenomenon: str


@dataclass(frozen=True)
class Sample:
    """One picture of a benchmark with its truth and its questions.

    Attributes:
        name: Name of the picture, unique in its split.
        image: (H, W, 3) uint8 RGB.
        objects: (K, H, W) bool, visible pixels of every object; all false for a hidden one.
        questions: What is asked.
        origin: What the sample was made from, for figures that only its benchmark knows.
        depth: (H, W) float32 metres, 0 where unknown, if the segmenter may see it; else None.
        intrinsics: (3, 3) float64 camera matrix in pixels, if the segmenter may see the depth.
        boxes: Whether the objects are filled boxes, with which the boxes of masks are compared.
    """

    name: str
    image: NDArray[np.uint8] = field(repr=False)
    objects: NDArray[np.bool_] = field(repr=False)
    questions: tuple[Question, ...]
    origin: object = field(default=None, repr=False)
    depth: NDArray[np.float32] | None = field(default=None, repr=False)
    intrinsics: NDArray[np.float64] | None = field(default=None, repr=False)
    boxes: bool = False


class SampleSource(Protocol):
    """Where the samples of one split come from; handed to worker processes by pickle."""

    def open(self) -> Sequence[Sample]:
        """The samples, each read when it is asked for."""


@dataclass(frozen=True)
class Answer:
    """One question with its answer and how right that is.

    Attributes:
        scene: Name of the sample.
        expression: The sentence.
        phenomenon: Phenomenon of the question.
        targets: Targets of the question.
        status: Name of the selection's status.
        reason: The selection's own sentence, or the error.
        score: Share of the chosen candidate.
        margin: Its lead.
        intersection: Pixels shared by the answer's mask and the truth.
        union: Pixels of either; at least 1 except for an absent object.
        iou: intersection / union; 0 for an empty answer. None for an absent object.
        right: IoU ≥ 0.5; for an absent object: the status is NOT_FOUND.
        oracle: IoU that the best proposals would have reached. None for an absent object.
        chance_hit: Probability that a proposal drawn at random has IoU ≥ 0.5; None as above.
        chance_iou: Expected IoU of a proposal drawn at random; None as above.
        limit: Which part failed, one of :data:`LIMITS`; empty for a right answer.
        mask: The answer's mask, packed by :func:`pack`; not part of the record's JSON.
    """

    scene: str
    expression: str
    phenomenon: str
    targets: tuple[int, ...]
    status: str
    reason: str
    score: float
    margin: float
    intersection: int
    union: int
    iou: float | None
    right: bool
    oracle: float | None
    chance_hit: float | None
    chance_iou: float | None
    limit: str
    mask: bytes = field(default=b"", repr=False)

    @property
    def refused(self) -> bool:
        """Whether the answer has no mask on purpose or by an error."""
        return self.status not in ("SELECTED", "AMBIGUOUS")

    def as_json(self) -> dict[str, Any]:
        """Plain values, without the mask."""
        values = {name: value for name, value in vars(self).items() if name != "mask"}
        return {**values, "targets": list(self.targets)}


Components = Callable[[Observer, Sample], Mapping[str, tuple[int, int]]]
"""Figures of single networks on one sample, by name: what is right, and of how many."""

NO_PROPOSAL = "no proposal"
REFUSED = "refused"
WRONG_PROPOSAL = "wrong proposal"
FALSE_ACCEPT = "false accept"
FAILED = "error"
LIMITS = (NO_PROPOSAL, REFUSED, WRONG_PROPOSAL, FAILED)
"""Why an expression with a target was answered wrongly. The first that holds is named: no
proposal covers the target with IoU ≥ 0.5; it was refused though one does; another was chosen.
``error`` is an exception. An absent object has :data:`FALSE_ACCEPT` instead."""


@dataclass(frozen=True)
class SceneResult:
    """What was measured on one sample.

    Attributes:
        scene: Its name.
        answers: One for each question.
        best: For each object that is large enough to count, the best proposal's IoU.
        proposals: How many proposals there were.
        error: What went wrong with the whole scene; empty if nothing did.
        components: Figures of single networks: what is right, and of how many.
    """

    scene: str
    answers: tuple[Answer, ...]
    best: tuple[float, ...]
    proposals: int
    error: str = ""
    components: Mapping[str, tuple[int, int]] = field(default_factory=dict)
