# SPDX-License-Identifier: Apache-2.0
"""What is measured of many candidates at once is what a plain loop over them measures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from refseg_ros.language import RelationKind
from refseg_ros.proposals.prune import intersections, overlaps
from refseg_ros.results import Proposals
from refseg_ros.results.explanation import Condition, ConditionKind
from refseg_ros.spatial import Layout
from refseg_ros.spatial import relations as rules
from refseg_ros.spatial.layout import COPY_IOU, COPY_SHARE, LOW_BAND
from refseg_ros.spatial.likeness import logistic
from refseg_ros.spatial.relations import relation_leaning, relation_support
from refseg_ros.spatial.weighed import ruled_out

SEEDS = pytest.mark.parametrize("seed", range(12))


def crowd(seed: int) -> Layout:
    """Ellipses, thin lines, specks and copies all over a picture of any size, some named."""
    chance = np.random.default_rng(seed)
    count = int(chance.integers(1, 60))
    height, width = chance.integers(20, 500, 2).tolist()
    masks = np.zeros((count, height, width), np.uint8)
    for index, mask in enumerate(masks):
        if index and chance.random() < 0.2:
            mask[:] = masks[chance.integers(index)]
            continue
        middle = int(chance.integers(width)), int(chance.integers(height))
        axes = int(chance.integers(1, 60)), int(chance.choice([0, 1, 20, 60]))
        cv2.ellipse(mask, middle, axes, float(chance.uniform(0, 180)), 0, 360, 1, -1)
        if chance.random() < 0.3:  # rows and columns without a pixel
            mask[:: int(chance.integers(2, 4))] = 0
        if not mask.any():
            mask[middle[1], middle[0]] = 1
    names = tuple(chance.choice(["", "a mug", "a red cup"], count).tolist())
    return Layout(Proposals(masks.astype(bool)), names)


def shared_one_by_one(masks: NDArray[np.bool_], others: NDArray[np.bool_]) -> list[list[int]]:
    return [[int(np.count_nonzero(mask & other)) for other in others] for mask in masks]


@SEEDS
def test_shared_pixels_are_counted_part_by_part(seed: int) -> None:
    masks = crowd(seed).proposals.masks
    counted = shared_one_by_one(masks, masks)
    assert intersections(masks).tolist() == counted
    others = masks[::-1]
    assert overlaps(masks, others).tolist() == shared_one_by_one(masks, others)


def test_nothing_is_shared_by_no_masks() -> None:
    assert intersections(np.zeros((0, 4, 5), np.bool_)).shape == (0, 0)
    assert intersections(np.zeros((2, 4, 5), np.bool_)).tolist() == [[0, 0], [0, 0]]


@SEEDS
def test_copies_are_those_of_a_loop(seed: int) -> None:
    layout = crowd(seed)
    step = max(1, round(max(layout.size) / 240))
    masks = layout.proposals.masks[:, ::step, ::step]
    for i, one in enumerate(masks):
        for j, other in enumerate(masks):
            areas = max(one.sum(), 1), max(other.sum(), 1)
            shared = (one & other).sum()
            alike = shared > COPY_IOU * (sum(areas) - shared)
            named = layout.names[i] and layout.names[i] == layout.names[j]
            within = named and shared > COPY_SHARE * min(areas)
            assert layout.copies[i, j] == bool(alike or within)


@SEEDS
def test_what_stands_in_what_is_that_of_a_loop(seed: int) -> None:
    layout = crowd(seed)
    step = max(1, round(max(layout.size) / 240))
    shape = -(-layout.size[0] // step), -(-layout.size[1] // step)
    bands, outlines = [], []
    for mask, box in zip(layout.proposals.masks, layout.boxes, strict=True):
        left, top, right, bottom = box
        rows = np.arange(shape[0]) * step
        low = rows >= bottom - max(LOW_BAND * (bottom - top), step)
        band = mask[::step, ::step] & low[:, None]
        if not band.any():
            row, column = int(bottom - 1) // step, round((left + right) / 2 / step)
            band[min(row, shape[0] - 1), min(column, shape[1] - 1)] = True
        pixels = np.argwhere(mask)[:, ::-1].astype(np.int32)
        outline = np.zeros(shape, np.uint8)
        cv2.fillConvexPoly(outline, np.round(cv2.convexHull(pixels) / step).astype(np.int32), 1)
        bands.append(band)
        outlines.append(outline.astype(bool))
    expected = np.array(shared_one_by_one(np.array(bands), np.array(outlines)), np.float64)
    expected /= np.array([band.sum() for band in bands])[:, None]
    np.fill_diagonal(expected, 0)
    np.testing.assert_array_equal(layout.seated, expected)


def between_one_by_one(
    first: NDArray[np.float64], second: NDArray[np.float64], layout: Layout, leaning: bool
) -> list[float]:
    """For each candidate, every pair of the likeliest landmarks in turn."""
    best = rules.BETWEEN_LANDMARKS
    starts = np.argsort(-first, kind="stable")[:best]
    ends = np.argsort(-second, kind="stable")[:best]
    places = layout.centres
    pairs = {
        (j, k): first[j] * second[k]
        for j in starts
        for k in ends
        if j != k and (places[j] != places[k]).any()
    }
    greatest = max(pairs.values(), default=0.0)
    seen = greatest >= rules.UNTOLD * first.max() * second.max()
    if leaning and not seen:
        return [rules.LEANING] * len(layout)
    found = []
    for i, place in enumerate(places):
        holds = [0.0]
        for (j, k), likely in pairs.items():
            if i in (j, k) or not likely:
                continue
            line, offset = places[k] - places[j], place - places[j]
            along = (offset @ line) / (line @ line)
            aside = abs(offset[0] * line[1] - offset[1] * line[0]) / (line @ line)
            inner = (min(along, 1 - along) - rules.WITHIN) / rules.WITHIN_SCALE
            beside = (rules.ASIDE - aside) / rules.ASIDE_SCALE
            truth = float(logistic(np.array(inner)) * logistic(np.array(beside)))
            if leaning:
                way = np.hypot(along, aside) + np.hypot(1 - along, aside)
                leans = rules.AGAINST + (1 - rules.AGAINST) * min(max(3 - 2 * way, 0), 1)
                truth += rules.LEANING * (1 - truth) * leans
            holds.append(likely / greatest * truth)
        found.append(max(holds))
    return found


@SEEDS
@pytest.mark.parametrize("same", [True, False])
def test_between_is_that_of_a_loop(seed: int, same: bool) -> None:
    layout = crowd(seed)
    chance = np.random.default_rng(seed)
    # Some are no landmark at all, and most are hardly one.
    first, second = chance.random((2, len(layout))) ** 8 * (chance.random(len(layout)) < 0.9)
    if not (first.any() and second.any()):
        first[0] = second[0] = 1.0
    weights = {} if same else {"second_landmark_weights": second}
    for leaning, ask in ((False, relation_support), (True, relation_leaning)):
        found = ask(RelationKind.BETWEEN, first, layout, **weights)
        expected = between_one_by_one(first, first if same else second, layout, leaning)
        np.testing.assert_allclose(found, expected, atol=2 * rules.NEGLIGIBLE)


@SEEDS
def test_another_mask_of_a_thing_says_of_which(seed: int) -> None:
    layout = crowd(seed)
    copies, count = layout.copies, len(layout)
    distinct = np.flatnonzero(np.random.default_rng(seed).random(count) < 0.5)
    nothing, everything = np.zeros(count, np.bool_), np.ones(count, np.bool_)
    holds = Condition(ConditionKind.RELATION, "left of it", "", (1.0,) * count)
    said = ruled_out(nothing, everything, np.ones(count), [holds], 0.5, distinct, copies)
    for index, words in enumerate(said):
        twins = [k for k in distinct if copies[index, k] and k != index]
        if index in distinct or not twins:
            assert words == "others fit better"
        else:
            assert words == f"another mask of candidate {twins[0] + 1}"
