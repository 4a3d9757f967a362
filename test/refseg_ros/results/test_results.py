# SPDX-License-Identifier: Apache-2.0
"""Boxes, centroids and the checks of the result types, on masks small enough to draw."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refseg_ros.results import (
    Candidate,
    Proposals,
    Selection,
    Status,
    boxes_from_masks,
    centroids_from_masks,
    sums_from_masks,
)


def _l_shape() -> np.ndarray:
    mask = np.zeros((6, 6), bool)
    mask[1:5, 2] = True
    mask[4, 2:5] = True
    return mask


def test_box_is_tight_and_half_open() -> None:
    boxes = boxes_from_masks(np.stack([_l_shape(), np.zeros((6, 6), bool)]))
    assert boxes.tolist() == [[2, 1, 5, 5], [0, 0, 0, 0]]


def test_centroid_is_the_centre_of_mass_not_of_the_box() -> None:
    # Rows 1 2 3 4 4 4, columns 2 2 2 2 3 4: means 18/6 and 15/6; the box centre is (3, 3.5).
    assert centroids_from_masks(_l_shape()[None]).tolist() == [[3.0, 2.5]]


@given(hnp.arrays(bool, st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))))
def test_box_holds_every_pixel_and_no_smaller_box_does(masks: np.ndarray) -> None:
    for mask, (x0, y0, x1, y1) in zip(masks, boxes_from_masks(masks).astype(int), strict=True):
        inside = mask[y0:y1, x0:x1]
        assert inside.sum() == mask.sum()
        if mask.any():
            assert inside[0].any()
            assert inside[-1].any()
            assert inside[:, 0].any()
            assert inside[:, -1].any()


def test_proposals_make_boxes_and_areas() -> None:
    proposals = Proposals(_l_shape()[None], np.array([0.5], np.float32))
    assert proposals.boxes.tolist() == [[2, 1, 5, 5]]
    assert proposals.areas.tolist() == [6]
    assert len(proposals.keep([])) == 0
    assert len(Proposals.empty(3, 4)) == 0


@pytest.mark.parametrize(
    ("masks", "quality", "message"),
    [
        (np.ones((2, 2), bool), np.ones(2, np.float32), "masks"),
        (np.ones((1, 2, 2), np.uint8), np.ones(1, np.float32), "masks"),
        (np.ones((1, 2, 2), bool), np.ones(2, np.float32), "quality"),
        (np.zeros((1, 2, 2), bool), np.ones(1, np.float32), "empty"),
    ],
)
def test_proposals_refuse_what_does_not_agree(
    masks: np.ndarray, quality: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Proposals(masks, quality)


def test_only_two_statuses_have_a_target() -> None:
    assert {status for status in Status if status.has_target} == {
        Status.SELECTED,
        Status.AMBIGUOUS,
    }


def test_explain_marks_the_chosen_and_names_the_ruled_out() -> None:
    box = np.array([0, 0, 2, 2], np.float32)
    first = Candidate(3, 0.75, {"V": 20.0, "N": 5.5}, True, box, 4, "a red mug")
    second = Candidate(0, 0.25, {"V": 10.0, "N": 1.0}, False, box, 4)
    selection = Selection(
        "mug",
        Status.SELECTED,
        "because",
        np.ones((2, 2), bool),
        box,
        0.75,
        0.5,
        3,
        (first, second),
        {},
    )
    title, _, heading, head, best, other = selection.explain().splitlines()
    assert title == "SELECTED: because"
    assert heading == "Candidates"
    assert head.split() == ["#", "V", "N", "score", "caption"]
    assert best.startswith("> ")
    assert best.split()[1:] == ["4", "20.00", "5.50", "0.750", "a", "red", "mug"]
    assert other.endswith("ruled out")


def test_no_target_has_an_empty_mask_of_the_image_size() -> None:
    selection = Selection.none("x", Status.NOT_FOUND, "nothing", (3, 5))
    assert selection.mask.shape == (3, 5)
    assert not selection.mask.any()
    assert selection.index is None
    assert selection.explain() == "NOT_FOUND: nothing"
    warned = dataclasses.replace(selection, warnings=("one", "two"))
    assert warned.explain() == "NOT_FOUND: nothing\nwarning: one\nwarning: two"


def test_areas_and_centroids_are_measured_once_and_cannot_be_changed() -> None:
    proposals = Proposals(np.ones((2, 3, 5), bool), np.ones(2, np.float32))
    assert proposals.areas is proposals.areas
    assert proposals.centroids is proposals.centroids
    for kept in (proposals.areas, proposals.centroids):
        with pytest.raises(ValueError, match="read-only"):
            kept[0] = 7


def test_windows_give_the_sums_of_whole_masks() -> None:
    rng = np.random.default_rng(0)
    masks = rng.random((6, 31, 47)) > np.linspace(0.1, 0.999, 6)[:, None, None]
    masks[5] = False
    masks[5, 30, 46] = True
    rows, columns = np.mgrid[:31, :47]
    slow = [(mask.sum(), rows[mask].sum(), columns[mask].sum()) for mask in masks]
    assert sums_from_masks(masks).tolist() == [list(map(int, each)) for each in slow]
    assert sums_from_masks(masks[:0]).shape == (0, 3)
    assert Proposals(masks, np.ones(6, np.float32)).areas.tolist() == [each[0] for each in slow]
