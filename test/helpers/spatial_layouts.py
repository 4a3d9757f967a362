# SPDX-License-Identifier: Apache-2.0
"""Rectangles as candidates, for tests of space."""

from __future__ import annotations

import numpy as np

from refseg_ros.results import Proposals
from refseg_ros.spatial import Layout
from refseg_ros.spatial.space import Space

Box = tuple[int, int, int, int]


def layout(*boxes: Box, size: int = 100, depths: list[float] | None = None) -> Layout:
    """Candidates that fill boxes (x0, y0, x1, y1) of a square picture; later ones hide earlier."""
    masks = np.zeros((len(boxes), size, size), np.bool_)
    for index, (x0, y0, x1, y1) in enumerate(boxes):
        masks[:index, y0:y1, x0:x1] = False
        masks[index, y0:y1, x0:x1] = True
    proposals = Proposals(masks, np.ones(len(boxes), np.float32))
    return Layout(proposals, space=None if depths is None else Space(np.array(depths)))


def around(column: int, row: int, side: int = 10) -> Box:
    """A square about a place."""
    half = side // 2
    return column - half, row - half, column + half, row + half
