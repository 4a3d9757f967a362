# SPDX-License-Identifier: Apache-2.0
"""What "leftmost", "biggest", "second from the right" and "closest to the bowl" rank by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from refseg_ros.language import Direction
from refseg_ros.language.expression import Measure, NounPhrase, Superlative
from refseg_ros.results.explanation import Landmark
from refseg_ros.spatial.layout import Layout, Vector
from refseg_ros.spatial.position import PRIOR_SCALE, SIZE_SCALE, in_frame, reach

NEARNESS_SCALE: Final = 0.12
"""Softness of an order by nearness: in heights of the picture, or in metres with depth."""


@dataclass(frozen=True)
class Order:
    """A ranking of the candidates that compete.

    Attributes:
        values: (N,) the greatest comes first.
        rank: 1 for the first, -1 for the last, never 0.
        scale: Difference of values that sets two candidates apart.
        name: In words.
        landmarks: What was taken for the things that it is told by.
    """

    values: Vector
    rank: int
    scale: float
    name: str
    landmarks: tuple[Landmark, ...] = ()

    def pick(self, members: Sequence[int], count: int = 1) -> tuple[list[int], bool]:
        """The candidate of that rank, and those that follow it.

        Args:
            members: Candidates that compete, at least one.
            count: How many are meant.

        Returns:
            Their indices, first of all the one of that rank, and whether there are so many: past
            the last, the last is taken.
        """
        ordered = sorted(members, key=lambda index: (-self.values[index], index))
        start = self.rank - 1 if self.rank > 0 else len(ordered) + self.rank
        enough = start >= 0 and start + count <= len(ordered)
        start = min(max(start, 0), max(len(ordered) - count, 0))
        return ordered[start : start + count], enough

    def ahead(self, members: Sequence[int]) -> int:
        """How many are meant by "the leftmost cups": those before the widest gap, at least two."""
        values = np.sort(self.values[list(members)])[::-1]
        gaps = values[1:-1] - values[2:]
        return 2 + int(np.argmax(gaps)) if len(gaps) else len(values)


def by_direction(
    directions: Sequence[Direction],
    members: Sequence[int],
    layout: Layout,
    rank: int,
    *,
    alike: bool = True,
) -> Order:
    """How far each lies in directions; see :func:`refseg_ros.spatial.position.reach`."""
    inside = list(members)
    shares = in_frame(layout.places[:, ::-1], layout.size)[inside]
    values = np.full(len(layout), -np.inf)
    ends = layout.ends
    boxes = None if ends is None else ends[inside]
    values[inside] = reach(shares, directions, boxes, alike=alike)
    names = " ".join(direction.value for direction in dict.fromkeys(directions))
    return Order(values, rank, PRIOR_SCALE, f"towards the {names}{layout.seen_by}")


def by_measure(superlative: Superlative, phrase: NounPhrase, layout: Layout) -> Order:
    """How big, tall, long, wide or near each is; the least first where the word says so."""
    values = _measured(superlative.measure, phrase, layout)
    near = superlative.measure is Measure.NEARNESS
    if not near:
        values = np.log(np.maximum(values, 1e-9))
    scale = NEARNESS_SCALE if near else SIZE_SCALE
    sign = 1.0 if superlative.most else -1.0
    word = superlative.word or superlative.measure.value
    name = f"by {word}" + ("" if layout.measured else ", judged without depth")
    return Order(sign * values, superlative.rank, scale, name)


def _measured(measure: Measure, phrase: NounPhrase, layout: Layout) -> Vector:
    if measure is Measure.NEARNESS:
        return layout.nearness
    if measure is Measure.LENGTH:
        return _lengths(layout)
    if measure is Measure.WIDTH:
        return layout.widths / layout.scales
    if measure is Measure.HEIGHT and (layout.tall is not None or not phrase.head):
        return layout.tallness
    if measure is Measure.HEIGHT:
        # Of one kind the taller is the bigger too, which foreshortening disturbs less.
        upright: Vector = layout.heights / layout.scales
        return np.cbrt(upright * layout.sizes**2)
    return layout.sizes


def _lengths(layout: Layout) -> Vector:
    """(N,) the longer side of the smallest rectangle around each outline."""
    sides = [max(cv2.minAreaRect(hull)[1]) + 1.0 for hull in layout.hulls]
    lengths: Vector = np.array(sides, np.float64) / layout.scales
    return lengths
