# SPDX-License-Identifier: Apache-2.0
"""Words that belong together otherwise beside the words around them; whose "it" and "back" are."""

from __future__ import annotations

import pytest

from refseg_lab.evaluation.parser_accuracy import reading
from refseg_ros.language import parse


@pytest.mark.parametrize(
    ("text", "head", "relations", "states", "colours"),
    [
        ("the folded up chair by the wall", "chair", ["next_to(wall)"], (), ()),
        ("the blurred out lady in the hat", "lady", ["with(hat)"], (), ()),
        ("a sweet dish such as pudding", "dish", [], (), ()),
        ("the glass still has some milk in it", "glass", ["containing(milk)"], (), ()),
        ("the cup next the jug", "cup", ["next_to(jug)"], (), ()),
        ("a kettle with it's lid open", "kettle", ["with(lid)"], (), ()),
        ("a red color cap", "cap", [], (), ("red",)),
        ("the mug that is green in colour", "mug", [], (), ("green",)),
        ("a pink , gold , and white kite", "kite", [], (), ("pink", "gold", "white")),
        ("a girl in a green tank top", "girl", ["with(top)"], (), ()),
        ("the cook leaning over beside the stove", "cook", ["next_to(stove)"],
         ("leaning over",), ()),
        ("the nurse i am waiting for", "nurse", [], (), ()),
        ("the van with a picture of a fish on it", "van", ["carrying(picture)"], (), ()),
        ("the sail cut in two", "sail", [], ("cut in two",), ()),
        ("a goat with its head held very high", "goat", ["with(head)"], ("held very high",), ()),
        ("a clown in yellow looking down", "clown", [], ("looking down",), ("yellow",)),
        ("the cup in the middle of the plates", "cup", ["between(plate)"], (), ()),
        ("the switched on lamp", "lamp", [], (), ()),
        ("a lamb being pet by a boy in a red coat", "lamb", [], ("pet by boy in red coat",), ()),
        ("the jug over by the sink", "jug", ["next_to(sink)"], (), ()),
        ("the lamp over the sink", "lamp", ["above(sink)"], (), ()),
        ("a nurse standing at the door and eating cake", "nurse", ["next_to(door)"],
         ("eating cake",), ()),
        ("a boy with a ball and running shoes", "boy", ["with(ball)", "with(shoe)"], (), ()),
        ("the goat seen from behind", "goat", [], ("from behind",), ()),
        ("the boy in jersey number 27", "boy", ["with(jersey)"], ("number 27",), ()),
        ("bus number 105", "bus", [], ("number 105",), ()),
        ("a pony pulling the man in red", "pony", [], ("pulling man in red",), ()),
        ("that might be my scooter", "scooter", [], (), ()),
    ],
)  # fmt: skip
def test_words_in_their_context(
    text: str,
    head: str,
    relations: list[str],
    states: tuple[str, ...],
    colours: tuple[str, ...],
) -> None:
    found = parse(text)
    assert (found.head, found.target.states, found.target.colours) == (head, states, colours)
    assert sorted(reading(found).get("relations", [])) == relations
    assert not found.directions


@pytest.mark.parametrize(
    ("text", "kind", "landmark"),
    [
        ("the stool with the girl in white socks sitting on it", "carrying", "girl"),
        ("a pony with a boy in a red hat on it", "carrying", "boy"),
        ("the cart behind the boy with a box on it", "carrying", "box"),
        ("a wagon with a hat on it", "carrying", "hat"),
        ("a lamb on the ground with another lamb standing over it", "below", "lamb"),
        ("a goat with her kid on her right side", "left of", "kid"),
        ("the girl with her sister in a green shirt on her left", "right of", "sister"),
    ],
)
def test_it_is_nobody_and_what_is_worn_stands_beside_nobody(
    text: str, kind: str, landmark: str
) -> None:
    said = [(item.kind.words, item.head) for item in parse(text).relations]
    assert (kind, landmark) in said


def test_a_patch_on_it_is_on_the_coat() -> None:
    (coat,) = parse("the man in a coat with a patch on it").relations
    (patch,) = coat.landmarks[0].relations
    assert (coat.kind.words, patch.kind.words, patch.head) == ("with", "carrying", "patch")


@pytest.mark.parametrize(
    ("text", "relations"),
    [
        ("the sticker on the boys back", ["on(back)"]),
        ("the bucket behind the ladys back", ["behind(back)"]),
        ("the bag on his back", ["on(back)"]),
    ],
)
def test_the_back_of_somebody_is_no_place(text: str, relations: list[str]) -> None:
    found = parse(text)
    assert sorted(reading(found).get("relations", [])) == relations
    assert not found.directions


@pytest.mark.parametrize(
    ("text", "own", "shelf"),
    [
        ("the mug on the second shelf from the top", (None, []), (2, ["top"])),
        ("the third mug from the left on the first shelf from the top", (3, ["left"]),
         (1, ["top"])),
        ("the third mug on the shelf from the left", (3, ["left"]), (None, [])),
    ],
)  # fmt: skip
def test_what_a_rank_counts_from(
    text: str, own: tuple[int | None, list[str]], shelf: tuple[int | None, list[str]]
) -> None:
    target = parse(text).target
    (landmark,) = target.relations[0].landmarks
    for phrase, (rank, start) in ((target, own), (landmark, shelf)):
        assert phrase.ordinal == rank
        assert [item.value for item in phrase.ordinal_from] == start


def test_on_front_of_is_on_it() -> None:
    found = parse("sailor on front of boat")
    assert [item.value for item in found.directions] == ["front"]
    assert reading(found)["relations"] == ["on(boat)"]


@pytest.mark.parametrize(
    ("text", "relations"),
    [
        ("a bench on which the girls are sitting", ["carrying(girl)"]),
        ("the crate in which the ball is", ["containing(ball)"]),
        ("the shelf upon which the jug stands", ["carrying(jug)"]),
        ("the cup which is on the tray", ["on(tray)"]),
        ("the mug next to the shelf the books are on", ["next_to(shelf[carrying(book)])"]),
        ("the back of the stool the nurse is sitting on", ["part_of(stool[carrying(nurse)])"]),
    ],
)
def test_what_another_thing_stands_on(text: str, relations: list[str]) -> None:
    assert reading(parse(text))["relations"] == relations


@pytest.mark.parametrize(
    ("text", "several"),
    [("an all white kitten", False), ("all white kittens", True), ("all of the red ones", True)],
)
def test_all_of_one_thing_are_not_several(text: str, several: bool) -> None:
    assert parse(text).target.is_plural is several


def test_over_on_the_left_is_no_place_above() -> None:
    assert [item.value for item in parse("the jug over on the left").directions] == ["left"]


def test_what_follows_or_is_denied_too() -> None:
    found = parse("the clerk by the desk is not wearing a tie or holding a cup")
    assert [item.head for item in found.relations] == ["desk"]
    assert [item.relations[0].head for item in found.target.excluded] == ["tie", "cup"]
