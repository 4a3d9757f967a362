# SPDX-License-Identifier: Apache-2.0
"""What a detector's name may stand for."""

from __future__ import annotations

import pytest

from refseg_ros.language import parse
from refseg_ros.language.caption_names import Naming
from refseg_ros.language.kinship import (
    KIND_OF,
    SAME,
    STRANGE,
    WIDER,
    kinship,
    known_nouns,
    with_seen_supports,
)


def read(phrase: str) -> Naming:
    return Naming.of_phrase(parse(phrase).target)


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("cup", "the cups", SAME),
        ("sofa", "the couch", SAME),
        ("remote", "the remote control", SAME),
        ("traffic light", "the third traffic light from the right", SAME),
        ("wine glass", "the glass", KIND_OF),
        ("teddy bear", "the bear", KIND_OF),
        ("truck", "the vehicle", KIND_OF),
        ("taxi", "the vehicle", KIND_OF),
        ("apple", "the food", KIND_OF),
        ("hot dog", "the food", KIND_OF),
        ("glass", "the wine glass", WIDER),
        ("bear", "the teddy bear", WIDER),
        ("person", "the lady", WIDER),
        ("sports ball", "the tennis ball", WIDER),
        ("hot dog", "the dog", STRANGE),
        ("man", "the woman", STRANGE),
        ("kite", "the bird", STRANGE),
        ("red mug", "the blue mug", STRANGE),
        ("mug", "the blue mug", SAME),
        ("mug", "the leftmost one", SAME),
    ],
)
def test_names_meet_words(name: str, said: str, expected: float) -> None:
    assert kinship(read(name), read(said)) == expected


def test_nouns_are_known_wherever_they_are_said() -> None:
    names = [read(name) for name in ("person", "folding chair", "remote", "hot dog")]
    said = parse("the guy with the remote control behind the chair, not the lady")
    assert known_nouns(said, names) >= {"guy", "control", "chair", "lady"}
    assert "lamp" not in known_nouns(parse("the remote left of the lamp"), names)
    assert known_nouns(said, []) == frozenset()


def test_a_table_that_has_a_name_is_a_thing_like_others() -> None:
    target = parse("the mug left of the cup on the table").target
    outer = with_seen_supports(target, {"table"})
    inner = [relation for item in outer.relations for relation in (item, *_below(item))]
    assert not any(relation.on_support for relation in inner)
    assert with_seen_supports(target, {"cup"}) == target


def _below(relation):  # type: ignore[no-untyped-def]
    return [inner for landmark in relation.landmarks for inner in landmark.relations]
