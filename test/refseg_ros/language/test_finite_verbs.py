# SPDX-License-Identifier: Apache-2.0
"""Verbs in the present after their subject are no heads."""

from __future__ import annotations

import pytest

from refseg_lab.evaluation.parser_accuracy import reading
from refseg_ros.language import parse


@pytest.mark.parametrize(
    ("text", "head", "relations", "states"),
    [
        ("a kitten sleeps on the rug", "kitten", ["on(rug)"], ("sleeps",)),
        ("the puppy sleeps on a cushion", "puppy", ["on(cushion)"], ("sleeps",)),
        ("an ox walks in between two carts", "ox", ["between(cart)"], ("walks",)),
        ("this van wants to turn", "van", [], ("wants to turn",)),
        ("an old clock hangs from the ceiling", "clock", [], ()),
        ("lemons hang on the tree", "lemon", ["on(tree)"], ()),
        ("two towels lie on the shelf", "towel", ["on(shelf)"], ()),
        ("a white jug holds milk", "jug", ["containing(milk)"], ()),
        ("a nurse in a green shirt holds a tray", "nurse", ["with(shirt)", "with(tray)"], ()),
        ("the clerk wears a brown tie", "clerk", ["with(tie)"], ()),
        ("the horse bends over to drink", "horse", [], ("bends over to drink",)),
    ],
)
def test_a_verb_in_the_present_is_no_head(
    text: str, head: str, relations: list[str], states: tuple[str, ...]
) -> None:
    found = parse(text)
    assert (found.head, found.target.states) == (head, states)
    assert sorted(reading(found).get("relations", [])) == relations


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("the dog treats on the table", "treat"),
        ("the cup holders in the car", "holder"),
        ("a sports car", "car"),
        ("a tennis players arm", "arm"),
        ("the lamp stand by the door", "stand"),
        ("an apple pieces on a plate", "piece"),
    ],
)
def test_a_plural_is_no_verb(text: str, head: str) -> None:
    assert parse(text).head == head
