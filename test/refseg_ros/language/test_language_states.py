# SPDX-License-Identifier: Apache-2.0
"""Verbs after a noun, what people wear and hold, parts, and text and numbers on things."""

from __future__ import annotations

import pytest

from refseg_lab.evaluation.parser_accuracy import reading
from refseg_ros.language import RelationKind, parse
from refseg_ros.language.tas.tools import LanguageTools
from refseg_ros.language.verb_forms import is_past, is_present


def _read(text: str) -> tuple[str, list[str], tuple[str, ...], list[str]]:
    """Head, relations, states and positions."""
    expression = parse(text)
    said = reading(expression)
    return (
        expression.head,
        said.get("relations", []),
        expression.target.states,
        said.get("directions", []),
    )


@pytest.mark.parametrize(
    ("text", "head", "relations", "states"),
    [
        ("the tray covered with a napkin", "tray", ["with(napkin)"], ("covered",)),
        ("blanket rolled up on the bench", "blanket", ["on(bench)"], ("rolled up",)),
        ("the door left ajar", "door", [], ("left ajar",)),
        ("the gardener bent over", "gardener", [], ("bent over",)),
        ("the torn envelope under the lamp", "envelope", ["under(lamp)"], ()),
        ("a puppy chasing its tail near the gate", "puppy", ["next_to(gate)"], ("chasing tail",)),
        ("the nurse pouring a glass of milk", "nurse", [], ("pouring glass of milk",)),
        ("the lady feeds the ducks", "lady", [], ("feeds ducks",)),
        ("the boy who eats an apple", "boy", [], ("eats apple",)),
        ("the girl is tying her shoes", "girl", [], ("tying shoes",)),
        ("a fence surrounded by weeds", "fence", [], ("surrounded by weeds",)),
        ("the clerk staring at the ceiling", "clerk", [], ("staring at ceiling",)),
        ("the toddler trying to open a box", "toddler", [], ("trying to open box",)),
        ("the waiter with a grey beard smiling", "waiter", ["with(beard)"], ("smiling",)),
        ("the nurse sitting", "nurse", [], ("sitting",)),
        ("the nurse sitting on a stool", "nurse", ["on(stool)"], ()),
        ("the lamp parked there", "lamp", [], ()),
        ("the jug that fell over", "jug", [], ("fell over",)),
        ("the melon cut in half", "melon", [], ("cut in half",)),
        ("the cook ready to pour", "cook", [], ("ready to pour",)),
        ("the kitten asleep on the rug", "kitten", ["on(rug)"], ("asleep",)),
        ("the lady about to open a box", "lady", [], ("about to open box",)),
        ("the jar mostly covered by leaves", "jar", [], ("mostly covered by leaves",)),
        ("the person outside", "person", [], ("outside",)),
    ],
)
def test_a_verb_after_a_noun_is_a_state_of_it(
    text: str, head: str, relations: list[str], states: tuple[str, ...]
) -> None:
    assert _read(text) == (head, relations, states, [])
    assert not parse(text).unread


@pytest.mark.parametrize(
    ("text", "directions"),
    [
        ("the goat facing left", []),
        ("the goat turned to the right", []),
        ("the goat facing left on the right", ["right"]),
        ("the goat left", ["left"]),
        ("the goat standing on the left", ["left"]),
    ],
)
def test_which_way_a_thing_faces_is_no_position(text: str, directions: list[str]) -> None:
    assert _read(text)[3] == directions


def test_a_state_is_matched_by_looks_and_used() -> None:
    expression = parse("the red puppy chasing a ball")
    assert expression.target.look == "red puppy chasing ball"
    assert expression.head_phrase == "red puppy"
    assert {"chasing", "ball"} <= set(expression.content_words)
    assert not parse("the one sleeping").is_empty


@pytest.mark.parametrize(
    ("text", "relations"),
    [
        ("the kite held by the girl", ["held_by(girl)"]),
        ("the backpack carried by the tall hiker", ["held_by(hiker)"]),
        ("the scarf worn by the woman on the left", ["held_by(woman)"]),
        ("the kite the girl is holding", ["held_by(girl)"]),
        ("the kite that the girl is holding", ["held_by(girl)"]),
        ("the bench by the wall", ["next_to(wall)"]),
        ("the bike parked by the wall", ["next_to(wall)"]),
        ("a girl holding a kite", ["with(kite)"]),
        ("a bowl holding a lemon", ["containing(lemon)"]),
    ],
)
def test_what_somebody_holds(text: str, relations: list[str]) -> None:
    assert _read(text)[1] == relations


@pytest.mark.parametrize(
    ("text", "excluded"),
    [
        ("the stool the boy is not standing on", ["[carrying(boy)]"]),
        ("the kite the girl is not holding", ["[held_by(girl)]"]),
        ("the box not on the shelf nor the floor", ["[on(shelf)]", "[on(floor)]"]),
        ("the box not on the table", ["[on(table)]"]),
        ("the boy without wearing a cap", ["[with(cap)]"]),
    ],
)
def test_what_is_denied_of_a_thing(text: str, excluded: list[str]) -> None:
    assert reading(parse(text))["excluded"] == excluded


def test_a_denied_state_is_never_one_that_is_asked_for() -> None:
    target = parse("the girl not riding a bike").target
    assert not target.states
    assert [item.states for item in target.excluded] == [("riding bike",)]
    target = parse("the girl not playing with a ball").target
    assert not target.states
    assert not target.relations


@pytest.mark.parametrize(
    ("text", "relations", "directions"),
    [
        ("man in a green coat", ["with(coat)"], []),
        ("lady in sunglasses", ["with(sunglasses)"], []),
        ("a woman with curly hair on the right", ["with(hair)"], ["right"]),
        ("a woman with curly hair next to the door", ["with(hair)", "next_to(door)"], []),
        ("the boy in a blue top near the gate", ["with(top)", "next_to(gate)"], []),
        ("the boy wearing a dark top and holding a net", ["with(top)", "with(net)"], []),
        ("a girl with a doll in her left hand", ["with(doll[in(hand@left)])"], []),
        ("the goat with a bell standing in a puddle", ["with(bell)", "in(puddle)"], []),
        ("the box with a label on the lid", ["with(label[on(lid)])"], []),
        ("the person with glasses", ["with(glasses)"], []),
        ("the lemon in the bowl", ["in(bowl)"], []),
        ("man green shirt", ["with(shirt)"], []),
        ("waiter white apron left", ["with(apron)"], ["left"]),
    ],
)
def test_what_people_wear_is_a_look_and_the_rest_is_said_of_them(
    text: str, relations: list[str], directions: list[str]
) -> None:
    found = _read(text)
    assert (found[1], found[3]) == (relations, directions)


@pytest.mark.parametrize("text", ["a child in yellow", "a child wearing yellow"])
def test_a_colour_after_in_is_how_somebody_looks(text: str) -> None:
    target = parse(text).target
    assert (target.colours, target.relations) == (("yellow",), ())


def test_a_possessor_wears_nothing_here() -> None:
    assert parse("the boy's green shirt").head == "shirt"
    assert parse("boys hat on the left").head == "hat"
    assert parse("the knife in the orange").relations[0].head == "orange"


@pytest.mark.parametrize(
    ("text", "relations", "directions"),
    [
        ("the front of the tractor", ["part_of(tractor)"], ["front"]),
        ("left half of the melon", ["part_of(melon)"], ["left"]),
        ("left of the melon", ["left_of(melon)"], []),
        ("the stool in front of the table", ["in_front_of(table)"], []),
        ("the goat at the back of the herd", [], ["back"]),
    ],
)
def test_a_part_a_side_and_a_place_among_many(
    text: str, relations: list[str], directions: list[str]
) -> None:
    found = _read(text)
    assert (found[1], found[3]) == (relations, directions)


@pytest.mark.parametrize(
    ("text", "head", "qualities"),
    [
        ("a silver, slender candlestick", "candlestick", ("slender",)),
        ("upside down bucket", "bucket", ("upside-down",)),
        ("sleeveless left dancer", "dancer", ("sleeveless",)),
        ("a glass of juice", "glass", ("juice",)),
        ("the picture", "picture", ()),
        ("pick up the camera", "camera", ()),
        ("the left screen", "screen", ()),
    ],
)
def test_the_head_of_a_phrase(text: str, head: str, qualities: tuple[str, ...]) -> None:
    expression = parse(text)
    assert expression.head == head
    assert set(qualities) <= set(expression.head_phrase.split()) | set(expression.target.qualities)
    assert not expression.is_empty


def test_numbers_and_texts_on_things_are_looks() -> None:
    assert parse("runner number 4").target.ordinal is None
    assert parse("runner number 4").target.states == ("number 4",)
    assert parse("cube number 4").target.ordinal == 4
    assert parse('the crate that says "this side up"').target.states == ("says this side up",)
    assert parse('the "red" crate').target.colours == ("red",)
    assert (
        parse("the lamp closest to the photographer").directions
        == parse("nearest lamp").directions
    )


def test_forms_of_verbs() -> None:
    assert all(map(is_present, ("running", "tying", "being")))
    assert not any(map(is_present, ("ring", "ceiling", "string", "king")))
    assert all(map(is_past, ("covered", "torn", "tied")))
    assert not any(map(is_past, ("bed", "red", "seed", "shelf", "hundred")))


def test_long_texts_are_read_in_part() -> None:
    assert parse("kite held by the girl " * 40).truncated
    assert parse("kite held by the girl " * 40).head == "kite"


def test_the_published_procedure_reads_what_it_read() -> None:
    tools = LanguageTools()
    for text in ("the kite held by the girl", "walk to the kite", "umm the kite in red"):
        assert tools.parser.sentence(text).words == tuple(text.split())


@pytest.mark.parametrize("word", ["no one", "noone", "nobody"])
def test_nobody_is_no_person(word: str) -> None:
    (excluded,) = parse(f"the bench with {word} on it").target.excluded
    assert [(item.kind, item.head) for item in excluded.relations] == [
        (RelationKind.CARRYING, "person")
    ]


def test_what_somebody_at_a_thing_has_on_is_no_part_of_the_thing() -> None:
    found = parse("the woman standing at a desk in a green coat and boots").target
    worn = [(item.kind, item.head) for item in found.relations]
    with_it = RelationKind.WITH
    assert worn == [(RelationKind.NEXT_TO, "desk"), (with_it, "coat"), (with_it, "boot")]
    (relation,) = parse("the dog next to the man in a green coat").relations
    assert relation.landmarks[0].relations[0].head == "coat"
    (relation,) = parse("the woman behind the arm of the man in a green coat").relations
    (part,) = relation.landmarks[0].relations
    assert (part.kind, part.head) == (RelationKind.PART_OF, "man")
    assert part.landmarks[0].relations[0].head == "coat"
    assert parse("park parallel to that van").head == "van"
    assert parse("the van parallel to the fence").relations[0].kind is RelationKind.NEXT_TO


@pytest.mark.parametrize(
    ("text", "head", "part"),
    [
        ("jar red lid", "jar", "red lid"),
        ("the tall jar dark green lid", "jar", "dark green lid"),
        ("the blue chair yellow cushion on the left", "chair", "yellow cushion"),
        ("spoon left of kettle black handle", "kettle", "black handle"),
    ],
)
def test_a_colour_and_a_noun_after_a_thing_are_what_it_has(
    text: str, head: str, part: str
) -> None:
    found = parse(text).target
    thing = found if found.head == head else found.relations[0].landmarks[0]
    assert thing.head == head
    assert [(item.kind, item.phrase) for item in thing.relations] == [(RelationKind.WITH, part)]


@pytest.mark.parametrize(
    "text",
    [
        "sky blue jar",
        "bottle green lid",
        "apple green kettle",
        "dark red mug",
        "coffee mug",
        "jar lid",
        "kitchen chair",
        "car red truck",
    ],
)
def test_a_noun_before_a_colour_may_be_its_shade(text: str) -> None:
    found = parse(text).target
    assert (found.head, found.relations) == (text.split()[-1], ())
