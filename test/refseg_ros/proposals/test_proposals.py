# SPDX-License-Identifier: Apache-2.0
"""Pruning on masks whose overlaps are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refseg_ros.proposals.prune import drop_contained, drop_duplicates, intersections, prune
from refseg_ros.results import Proposals


def _boxes(*boxes: tuple[int, int, int, int], size: int = 10) -> np.ndarray:
    masks = np.zeros((len(boxes), size, size), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    return masks


def test_intersections_count_shared_pixels() -> None:
    masks = _boxes((0, 0, 4, 4), (2, 2, 6, 6), (8, 8, 10, 10))
    assert intersections(masks).tolist() == [[16, 4, 0], [4, 16, 0], [0, 0, 4]]


def test_the_smaller_of_an_overlapping_pair_goes() -> None:
    # 6 of the small one's 12 pixels are shared: 0.5 > 0.4, but not > 0.5.
    masks = _boxes((0, 0, 4, 3), (2, 0, 10, 10))
    assert drop_contained(masks, 0.4).tolist() == [1]
    assert drop_contained(masks, 0.5).tolist() == [0, 1]


def test_a_mask_that_goes_still_removes_another() -> None:
    # A (1 wide) lies in B, B in C; A is judged against B although B itself goes.
    masks = _boxes((0, 0, 1, 2), (0, 0, 2, 10), (1, 0, 10, 10))
    assert drop_contained(masks, 0.4).tolist() == [2]


def test_of_equal_areas_the_later_goes() -> None:
    masks = _boxes((0, 0, 4, 4), (1, 0, 5, 4))
    assert drop_contained(masks, 0.4).tolist() == [0]


def test_copies_go_but_contents_stay() -> None:
    tray, ball, tray_again = (0, 0, 8, 8), (2, 2, 4, 4), (0, 0, 8, 7)
    masks = _boxes(tray, ball, tray_again)
    quality = np.array([0.8, 0.7, 0.9], np.float32)
    # The trays share 56 of 64 pixels: IoU 0.875; the ball has 4 of the tray's 64.
    assert drop_duplicates(masks, quality, 0.5).tolist() == [2, 1]
    assert drop_duplicates(masks, quality, 0.9).tolist() == [2, 0, 1]


def test_no_masks_are_no_trouble() -> None:
    empty = Proposals.empty(5, 5)
    for iou in (1.0, 0.5):
        kept = prune(empty, min_area=1, max_area=1, overlap=0.4, duplicate_iou=iou)
        assert len(kept) == 0


@pytest.mark.parametrize(("min_area", "kept"), [(4, [4, 25]), (5, [25]), (0.04, [4, 25])])
def test_areas_are_pixels_or_a_fraction(min_area: float, kept: list[int]) -> None:
    masks = _boxes((0, 0, 1, 1), (2, 2, 4, 4), (5, 5, 10, 10), (0, 0, 10, 10))
    proposals = Proposals(masks, np.ones(4, np.float32))
    pruned = prune(proposals, min_area=min_area, max_area=0.5, overlap=0.4, duplicate_iou=0.9)
    assert sorted(pruned.areas.tolist()) == kept


@settings(deadline=None)
@given(
    hnp.arrays(bool, st.tuples(st.integers(1, 6), st.just(4), st.just(4))),
    st.floats(0, 0.99),
)
def test_survivors_never_overlap_too_much(masks: np.ndarray, limit: float) -> None:
    masks = masks[masks.any((1, 2))]
    kept = drop_duplicates(masks, np.ones(len(masks), np.float32), limit)
    shared = intersections(masks[kept])
    areas = np.diag(shared)
    iou = shared / np.maximum(areas[:, None] + areas[None, :] - shared, 1)
    np.fill_diagonal(iou, 0)
    assert (iou <= limit + 1e-6).all()
    assert not len(masks) or len(kept) >= 1
