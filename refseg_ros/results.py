# SPDX-License-Identifier: Apache-2.0
"""What the stages hand to one another: validated, immutable, numpy at the border.

Coordinates are pixels of the input image; boxes are half-open ``(x0, y0, x1, y1)``, so that
``image[y0:y1, x0:x1]`` is the box and its width is ``x1 - x0``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refseg_ros.explain.explanation import Explanation

BoolMasks = NDArray[np.bool_]
FloatArray = NDArray[np.float32]


class Status(enum.IntEnum):
    """Outcome of a selection. The numbers are those of ``msg/Segmentation.msg``."""

    IDLE = 0
    """Nothing was asked: no command yet, or it was cleared with an empty one."""
    SELECTED = 1
    """One candidate is meant; its mask is the answer."""
    AMBIGUOUS = 2
    """A best candidate exists but the runner-up is too close; the mask is the best guess."""
    NOT_FOUND = 3
    """Nothing in the image matches the expression; the mask is empty."""
    LOST = 4
    """A target that was followed is no longer seen; the mask is empty."""
    ERROR = 5
    """The question could not be answered (bad image, no expression); the mask is empty."""

    @property
    def has_target(self) -> bool:
        """Whether a mask accompanies this status."""
        return self in (Status.SELECTED, Status.AMBIGUOUS)


def boxes_from_masks(masks: BoolMasks) -> FloatArray:
    """Tight half-open boxes of boolean masks.

    Args:
        masks: (N, H, W) bool.

    Returns:
        (N, 4) float32 ``x0, y0, x1, y1`` in pixels; zeros for an empty mask.
    """
    boxes = np.zeros((len(masks), 4), np.float32)
    for row, mask in zip(boxes, masks, strict=True):
        columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
        if columns.size:
            row[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


def sums_from_masks(masks: BoolMasks, boxes: FloatArray | None = None) -> NDArray[np.int64]:
    """Pixels of boolean masks, and the sums of their rows and columns.

    Args:
        masks: (N, H, W) bool.
        boxes: (N, 4) of :func:`boxes_from_masks`, outside of which nothing is looked at; made
            from the masks if not given.

    Returns:
        (N, 3) int64: how many pixels, the sum of their row numbers, that of their columns.
    """
    windows = boxes_from_masks(masks) if boxes is None else boxes
    sums = np.zeros((len(masks), 3), np.int64)
    for row, mask, (x0, y0, x1, y1) in zip(sums, masks, windows.astype(np.int64), strict=True):
        window = mask[y0:y1, x0:x1]
        lines, columns = window.sum(1, dtype=np.int64), window.sum(0, dtype=np.int64)
        row[:] = lines.sum(), lines @ np.arange(y0, y1), columns @ np.arange(x0, x1)
    return sums


def centroids_from_masks(masks: BoolMasks, boxes: FloatArray | None = None) -> FloatArray:
    """Centroids of boolean masks.

    Args:
        masks: (N, H, W) bool, each with at least one true pixel.
        boxes: As of :func:`sums_from_masks`.

    Returns:
        (N, 2) float32 ``row, column``: the mean over the mask's pixels, in pixels.
    """
    sums = sums_from_masks(masks, boxes)
    centroids: FloatArray = (sums[:, 1:] / np.maximum(sums[:, :1], 1)).astype(np.float32)
    return centroids


@dataclass(frozen=True)
class Proposals:
    """Candidate masks of one image.

    Attributes:
        masks: (N, H, W) bool, at the image's own resolution, none empty.
        quality: (N,) float32, the proposal network's own estimate of each mask's IoU.
        boxes: (N, 4) float32 half-open pixel boxes, made from the masks if not given.

    Raises:
        ValueError: A shape or dtype does not agree, or a mask is empty.
    """

    masks: BoolMasks
    quality: FloatArray
    boxes: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float32))

    def __post_init__(self) -> None:
        if self.masks.ndim != 3 or self.masks.dtype != np.bool_:
            raise ValueError(
                f"masks: expected (N, H, W) bool, got {self.masks.shape} {self.masks.dtype}"
            )
        if self.quality.shape != (len(self.masks),):
            raise ValueError(f"quality: expected ({len(self.masks)},), got {self.quality.shape}")
        if len(self.masks) and not self.masks.any((1, 2)).all():
            raise ValueError("masks: an empty mask is not a proposal")
        if self.boxes.shape != (len(self.masks), 4):
            object.__setattr__(self, "boxes", boxes_from_masks(self.masks))

    def __len__(self) -> int:
        return len(self.masks)

    @cached_property
    def areas(self) -> NDArray[np.int64]:
        """(N,) number of pixels of each mask; read-only, as it is kept for every sentence."""
        areas = np.array([np.count_nonzero(mask) for mask in self.masks], np.int64)
        areas.setflags(write=False)
        return areas

    @cached_property
    def centroids(self) -> FloatArray:
        """(N, 2) row, column of each mask's centre of mass in pixels (not the box centre).

        Read-only, as it is kept for every sentence.
        """
        centroids = centroids_from_masks(self.masks, self.boxes)
        centroids.setflags(write=False)
        return centroids

    def keep(self, indices: Sequence[int] | NDArray[np.int64]) -> Proposals:
        """The proposals at ``indices``, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        return Proposals(self.masks[chosen], self.quality[chosen], self.boxes[chosen])

    @classmethod
    def empty(cls, height: int, width: int) -> Proposals:
        """No proposals, for an image of ``height`` × ``width`` pixels."""
        return cls(np.zeros((0, height, width), np.bool_), np.zeros(0, np.float32))


@dataclass(frozen=True)
class Candidate:
    """One proposal as the matcher saw it.

    Attributes:
        index: Its row in ``Scene.proposals``; it is labelled ``index + 1`` in a label image.
        score: Total score in [0, 1]: softmax share among the candidates of this image.
        terms: Named parts of the score in logits, e.g. ``{"V": 21.3, "P": 80.1, "N": 15.0}``.
        eligible: Whether the spatial rule leaves it in the choice.
        box: (4,) float32 half-open pixel box.
        area: Pixels of its mask.
        caption: What the captioner says of it; empty when captions are off.
    """

    index: int
    score: float
    terms: Mapping[str, float]
    eligible: bool
    box: FloatArray
    area: int
    caption: str = ""


@dataclass(frozen=True)
class Selection:
    """The answer to one expression on one image.

    Attributes:
        expression: The text as it was given.
        status: See :class:`Status`.
        reason: One sentence that says why; never empty.
        mask: (H, W) bool; all false unless ``status.has_target``. Of several things the union.
        box: (4,) float32 half-open pixel box of the mask; zeros without a target.
        score: How likely the answer is right, in [0, 1]: the share of the chosen candidates and of
            further masks of the same things, made a probability by the preset's
            ``decision.score_slope`` and ``score_offset``; 0 without a target.
        margin: Score of the best (of several the least) minus that of the runner-up, in [0, 1].
        index: Row of the chosen proposal, of several the best; None without a target.
        candidates: All candidates, best first.
        seconds: Wall-clock seconds of each stage that ran for this answer.
        indices: Rows of all chosen proposals, :attr:`index` first; made from it if not given.
        warnings: Sentences about what was asked for that could not be weighed, such as words that
            the model was never taught.
        explanation: How the answer came about; None where no stage has told.
        question: Of an AMBIGUOUS answer what would settle it, in plain words; "" if nothing is
            asked.
        options: Follow-ups that answer :attr:`question`, in its order; () if none are offered.
        tied: Of an AMBIGUOUS answer the candidates' indices that fit about as well, best first,
            copies of one thing counted once; the chosen ones alone if other doubts made it so.
    """

    expression: str
    status: Status
    reason: str
    mask: NDArray[np.bool_]
    box: FloatArray
    score: float
    margin: float
    index: int | None
    candidates: tuple[Candidate, ...]
    seconds: Mapping[str, float]
    indices: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    explanation: Explanation | None = None
    question: str = ""
    options: tuple[str, ...] = ()
    tied: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.index is not None and not self.indices:
            object.__setattr__(self, "indices", (self.index,))

    @classmethod
    def none(
        cls,
        expression: str,
        status: Status,
        reason: str,
        size: tuple[int, int],
        candidates: Sequence[Candidate] = (),
        seconds: Mapping[str, float] | None = None,
        margin: float = 0.0,
    ) -> Selection:
        """An answer without a target, for an image of ``size`` = (height, width) pixels."""
        return cls(
            expression=expression,
            status=status,
            reason=reason,
            mask=np.zeros(size, np.bool_),
            box=np.zeros(4, np.float32),
            score=0.0,
            margin=margin,
            index=None,
            candidates=tuple(candidates),
            seconds=dict(seconds or {}),
        )

    def explain(
        self, width: int | None = None, *, colour: bool = False, most: int | None = None
    ) -> str:
        """The outcome and how it came about, as text for a terminal.

        How the sentence was read, the candidates with each term of the score before and after
        weighting, what is said beside looks with how far it holds for each, and the thresholds of
        the decision. Control characters are left out.

        Args:
            width: Columns to fill, at least 60; by default 100.
            colour: Whether to colour it with ANSI escapes.
            most: Candidates to show, best first; all by default.

        Raises:
            ValueError: ``width`` is below 60, or ``most`` below 1.
        """
        from refseg_ros.explain.text import as_text

        return as_text(self, 100 if width is None else width, colour=colour, most=most)

    def to_dict(self) -> dict[str, Any]:
        """The whole answer and its explanation as plain values, ready for JSON.

        No NaN and no infinity: a number that JSON has no word for is None. The keys are told in
        ``docs/explain.md``. The mask is not among them, its box and area are.
        """
        from refseg_ros.explain.plain import as_dict

        return as_dict(self)
