# SPDX-License-Identifier: Apache-2.0
"""Candidate masks of one image, and what is measured of masks.

Coordinates are pixels of the input image; boxes are half-open ``(x0, y0, x1, y1)``, so that
``image[y0:y1, x0:x1]`` is the box and its width is ``x1 - x0``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

BoolMasks = NDArray[np.bool_]
FloatArray = NDArray[np.float32]


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
        boxes: See :func:`sums_from_masks`.

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
        quality: (N,) float32, the proposal network's own estimate of each mask's IoU; ones if not
            given.
        boxes: (N, 4) float32 half-open pixel boxes, made from the masks if not given.
        names: N noun phrases that the source calls them by, such as "wine glass", "" for one
            that it has no name for; () where it names nothing.
        scores: (N,) float32 in [0, 1], how sure the source is of each name; ones if not given.
        strangeness: How far the picture lies from those that the source learnt from; above 1 it
            is unlike them, 0 if that is not known.
        asked: Nouns that the source was asked for, and how surely the image shows each, in [0, 1].

    Raises:
        ValueError: A shape or dtype does not agree, a mask is empty, or a score is out of range.
    """

    masks: BoolMasks
    quality: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    boxes: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    names: tuple[str, ...] = ()
    scores: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    strangeness: float = 0.0
    asked: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.masks)
        if self.masks.ndim != 3 or self.masks.dtype != np.bool_:
            raise ValueError(
                f"masks: expected (N, H, W) bool, got {self.masks.shape} {self.masks.dtype}"
            )
        for name in ("quality", "scores"):
            values = np.asarray(getattr(self, name), np.float32)
            values = values if values.size else np.ones(count, np.float32)
            if values.shape != (count,):
                raise ValueError(f"{name}: expected ({count},), got {values.shape}")
            object.__setattr__(self, name, values)
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError(f"scores: expected values in [0, 1], got {self.scores.tolist()}")
        object.__setattr__(self, "names", tuple(self.names))
        if self.names and len(self.names) != count:
            raise ValueError(f"names: expected {count}, one a mask, got {len(self.names)}")
        if not all(isinstance(item, str) for item in self.names):
            raise ValueError(f"names: expected strings, got {self.names}")
        empty = np.flatnonzero(~self.masks.any((1, 2))).tolist() if count else []
        if empty:
            raise ValueError(f"masks: an empty mask is not a proposal; so are those of {empty}")
        if self.boxes.shape != (count, 4):
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
        names = tuple(self.names[row] for row in chosen) if self.names else ()
        return Proposals(
            self.masks[chosen],
            self.quality[chosen],
            self.boxes[chosen],
            names,
            self.scores[chosen],
            self.strangeness,
            self.asked,
        )

    @classmethod
    def empty(cls, height: int, width: int) -> Proposals:
        """No proposals, for an image of ``height`` × ``width`` pixels."""
        return cls(np.zeros((0, height, width), np.bool_), np.zeros(0, np.float32))

    @classmethod
    def from_boxes(
        cls,
        boxes: NDArray[np.float32] | Sequence[Sequence[float]],
        size: tuple[int, int],
        names: Sequence[str] = (),
        scores: FloatArray | Sequence[float] = (),
    ) -> Proposals:
        """Boxes of a detector that draws no masks: each is a mask of its own whole pixels.

        Args:
            boxes: (N, 4) ``x0, y0, x1, y1`` in pixels; what lies outside the image is cut off.
            size: Height and width of the image in pixels.
            names: See :class:`Proposals`.
            scores: See :class:`Proposals`.

        Raises:
            ValueError: See :class:`Proposals`; a box that holds no pixel of the image makes an
                empty mask.
        """
        values = np.asarray(boxes if len(boxes) else np.zeros((0, 4)), np.float64)
        if values.ndim != 2 or values.shape[1] != 4 or not np.isfinite(values).all():
            raise ValueError(f"boxes: expected (N, 4) finite x0, y0, x1, y1, got {boxes!r}")
        masks = np.zeros((len(values), *size), np.bool_)
        ends = np.clip(np.round(values), 0, (size[1], size[0]) * 2).astype(np.int64)
        for mask, (x0, y0, x1, y1) in zip(masks, ends.tolist(), strict=True):
            mask[y0:y1, x0:x1] = True
        return cls(masks, names=tuple(names), scores=np.asarray(scores, np.float32))
