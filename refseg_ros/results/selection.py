# SPDX-License-Identifier: Apache-2.0
"""The answer to one sentence on one image: validated, immutable, numpy at the border.

Coordinates are pixels of the input image; boxes are half-open ``(x0, y0, x1, y1)``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from refseg_ros.results.explanation import Explanation
from refseg_ros.results.proposals import FloatArray, Proposals

if TYPE_CHECKING:
    from refseg_ros.language.reading import Reading


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
        question: What would settle an AMBIGUOUS answer, in plain words; "" if nothing is asked.
        options: Follow-ups that answer :attr:`question`, in its order; () if none are offered.
        tied: Indices of the candidates that fit an AMBIGUOUS answer about equally well, best
            first, copies of one thing counted once; the chosen ones alone if other doubts made it
            so.
        proposals: What all indices are rows of; None where no scene was asked.
        reading: How the sentence was read; None where no scene was asked.
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
    proposals: Proposals | None = field(default=None, repr=False)
    reading: Reading | None = field(default=None, repr=False)

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
        from refseg_ros.explain.as_text import as_text

        return as_text(self, 100 if width is None else width, colour=colour, most=most)

    def to_dict(self) -> dict[str, Any]:
        """The whole answer and its explanation as plain values, ready for JSON.

        No NaN and no infinity: a number that JSON has no word for is None. The keys are told in
        ``docs/explain.md``. The mask is not among them, its box and area are.
        """
        from refseg_ros.explain.as_dict import as_dict

        return as_dict(self)
