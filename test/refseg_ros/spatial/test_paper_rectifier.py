# SPDX-License-Identifier: Apache-2.0
"""The released rectifier: what it reads in an entity, and whom it chooses in five places."""

from __future__ import annotations

import numpy as np
import pytest

from refseg_ros.language.tas.entities import Entity, EntityRelation
from refseg_ros.spatial.rectifier import integer_centroids, rectify_released, said_part

# Medians: row 50, column 40.   0: TL   1: TR   2: on both, so BR   3: BL   4: BR
CENTROIDS = np.array([[10, 10], [20, 90], [50, 40], [80, 20], [90, 70]])
WEIGHTS = [0.10, 0.15, 0.30, 0.20, 0.25]


def _superlative(sentence: str) -> Entity:
    return Entity(sentence, "man", "man", superlatives=(("left",),))


def _relation(sentence: str, words: str, other: str) -> Entity:
    relation = EntityRelation(tuple(words.split()), other)
    return Entity(sentence, "man", "man", relations=(relation,), chunks=("man", other))


def _names(entity: Entity | None) -> str:
    return " ".join(direction.value for direction in said_part(entity))


@pytest.mark.parametrize(
    ("sentence", "part"),
    [
        ("left man", "left"), ("western man", "left"), ("rightmost man", "right"),
        ("eastern man", "right"), ("top man", "top"), ("man above", "top"),
        ("man below", "bottom"),
        ("top left man", "top left"), ("north east man", "top right"),
        ("man below left", "bottom left"), ("man underneath right", "bottom right"),
        ("top right left man", "top left"), ("top man below", "top"),
        # Words that the paper does not know.
        ("bottom man", ""), ("lower man", ""), ("middle man", ""), ("biggest man", ""),
        ("man under", ""),
        # Parts of words.
        ("man with laptop", "top"), ("bright man", "right"), ("man with beast", "right"),
    ],
)  # fmt: skip
def test_superlatives_by_parts_of_words(sentence: str, part: str) -> None:
    assert _names(_superlative(sentence)) == part


@pytest.mark.parametrize(
    ("sentence", "words", "other", "part"),
    [
        ("man on the left", "on left", "the left", "left"),
        ("man on the left", "on left", "man", "left"),
        ("man left of woman", "left of", "woman", ""),
        ("man above the top", "above", "the top", ""),
        ("man in the top", "in top", "the top", "top"),
        ("man at the right by the stop sign", "at right", "the right", "top right"),
        ("man on the right under it", "on right", "the right", "bottom right"),
        ("man on the right underneath", "on right", "the right", "bottom right"),
        ("man on the right at the bottom", "on right", "the right", "right"),
        ("man at the top left", "at top left", "the top left", "top left"),
        ("man in the south east", "in south", "the south east", "bottom right"),
        # The first direction ends the search, also where it is not allowed.
        ("man left of the right", "left of right", "the right", ""),
        ("man by the woman", "by", "the woman", ""),
        ("man bigger than left", "bigger", "man", ""),
    ],
)
def test_relations_by_connecting_words(sentence: str, words: str, other: str, part: str) -> None:
    assert _names(_relation(sentence, words, other)) == part


def test_entities_that_are_not_rectified() -> None:
    assert said_part(None) == ()
    assert said_part(Entity("left man", "man", "man")) == ()
    both = Entity(
        "left man", "man", "man", (EntityRelation((), "man"),), (("left",),), chunks=("man",)
    )
    assert said_part(both) == ()
    other_head = Entity("left man", "man", "left man", superlatives=(("left",),))
    assert said_part(other_head) == ()
    unknown = Entity("man on the left", "man", "man", (EntityRelation(("left",), "man"),))
    assert said_part(unknown) == ()


def test_the_last_relation_that_says_a_place_counts() -> None:
    first, second = EntityRelation(("left",), "the left"), EntityRelation(("right",), "the right")
    third = EntityRelation((), "the left")
    entity = Entity("man", "man", "man", (first, second, third), (), ("the left", "the right"))
    assert _names(entity) == "right"


@pytest.mark.parametrize(
    ("sentence", "index", "eligible"),
    [
        ("top left man", 0, [0]),
        ("top right man", 1, [1]),
        ("left man below", 3, [3]),
        ("right man below", 2, [2, 4]),
        ("left man", 3, [0, 3]),
        ("right man", 2, [1, 2, 4]),
        ("top man", 1, [0, 1]),
        ("man below", 2, [2, 3, 4]),
        ("man", 2, [0, 1, 2, 3, 4]),
    ],
)
def test_halves_and_quadrants(sentence: str, index: int, eligible: list[int]) -> None:
    found = rectify_released(WEIGHTS, CENTROIDS, _superlative(sentence))
    assert found.index == index
    assert np.flatnonzero(found.eligible).tolist() == eligible


def test_of_equal_quadrants_the_right_or_bottom_one_and_in_one_the_first() -> None:
    corners = [[0, 0], [0, 9], [9, 0], [9, 9], [9, 9]]
    for sentence, index in [("top", 1), ("below", 3), ("left", 2), ("right", 3)]:
        assert rectify_released([0.2] * 5, corners, _superlative(sentence)).index == index


def test_an_empty_quadrant_has_no_weight_and_the_best_of_all() -> None:
    falling = [[10, 10], [20, 20], [30, 30]]
    found = rectify_released([0.2, 0.3, 0.5], falling, _superlative("top right"))
    assert found.index == 2
    assert found.eligible.all()
    assert "top right" in found.reason
    # Of the top half only the left quadrant has candidates.
    assert rectify_released([0.2, 0.3, 0.5], falling, _superlative("top")).index == 0


def test_one_candidate_is_bottom_right_and_kept() -> None:
    for sentence in ("top left", "left", "right"):
        found = rectify_released([1.0], [[5, 5]], _superlative(sentence))
        assert found.index == 0
        assert found.eligible.tolist() == [True]
    assert rectify_released([], np.zeros((0, 2)), _superlative("left")).index is None


def test_centroids_are_rounded_down() -> None:
    masks = np.zeros((2, 6, 6), bool)
    masks[0, 2, [0, 1, 4]] = True  # column 5 / 3
    masks[1, [1, 5], 3] = masks[1, 4, 0] = True  # row 10 / 3, column 2
    assert integer_centroids(masks).tolist() == [[2, 1], [3, 2]]
