# SPDX-License-Identifier: Apache-2.0
"""The parser on sentences with known readings, and on any text at all."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refseg_ros.language import (
    Direction,
    ReferringExpression,
    head_noun,
    is_abstract,
    noun_phrases,
    parse,
    same_thing,
)
from refseg_ros.language.tokens import MAX_CHARS, lemma, normalise, tokenise

# Sentence, head, head phrase, directions ("!" marks said to the utmost), relations.
READINGS = [
    ("the red mug", "mug", "red mug", "", ""),
    ("Pick up the red mug on the left.", "mug", "red mug", "left", ""),
    ("pick the can on the left up please", "can", "can", "left", ""),
    ("can you see the can?", "can", "can", "", ""),
    ("could you give me that small blue one please", "", "small blue one", "", ""),
    ("Hey robot! Could you please hand me the wooden block?", "block", "wooden block", "", ""),
    ("I'd like the small ball, please.", "ball", "small ball", "", ""),
    ("show me where the teapot is", "teapot", "teapot", "", ""),
    ("grab the banana and put it in the bowl", "banana", "banana", "", ""),
    ("put the red cube in the bowl", "cube", "red cube", "", ""),
    ("put the mug on the left side into the bowl", "mug", "mug", "left", ""),
    ("move the mug to the left", "mug", "mug", "", ""),
    ("stack of plates", "stack", "stack of plates", "", ""),
    ("stack the cubes", "cube", "cubes", "", ""),
    ("could you hand me the... um, red thing?", "", "red thing", "", ""),
    ("left guy", "guy", "guy", "left", ""),
    ("left mug", "mug", "mug", "left", ""),
    ("the left mug", "mug", "mug", "left", ""),
    ("red left car", "car", "red car", "left", ""),
    ("mug left", "mug", "mug", "left", ""),
    ("mug, red, left", "mug", "mug", "left", ""),
    ("leftmost mug", "mug", "mug", "left!", ""),
    ("the left-most mug", "mug", "mug", "left!", ""),
    ("the most left mug", "mug", "mug", "left!", ""),
    ("mug on the left", "mug", "mug", "left", ""),
    ("mug on left", "mug", "mug", "left", ""),
    ("mug on the left side", "mug", "mug", "left", ""),
    ("mug on the left-hand side", "mug", "mug", "left", ""),
    ("left hand side mug", "mug", "mug", "left", ""),
    ("top left mug", "mug", "mug", "top left", ""),
    ("bottom-right cube", "cube", "cube", "bottom right", ""),
    ("pizza top left", "pizza", "pizza", "top left", ""),
    ("the spoon in the top right corner", "spoon", "spoon", "top right", ""),
    ("the lower left cube", "cube", "cube", "bottom left", ""),
    ("mug at the back", "mug", "mug", "back", ""),
    ("the bowl in front", "bowl", "bowl", "front", ""),
    ("the middle cone", "cone", "cone", "middle", ""),
    ("duck in the center of the picture", "duck", "duck", "middle", ""),
    ("the mug on the left of the table", "mug", "mug", "left", ""),
    ("item on the right side of the screen", "", "item", "right", ""),
    ("bottle on the far right", "bottle", "bottle", "right!", ""),
    ("the duck furthest to the left", "duck", "duck", "left!", ""),
    ("the ball all the way to the left", "ball", "ball", "left!", ""),
    ("the closest mug", "mug", "mug", "front!", ""),
    ("mug closest to the camera", "mug", "mug", "front!", ""),
    ("the apple furthest from us", "apple", "apple", "back!", ""),
    ("the far cone", "cone", "cone", "back!", ""),
    ("the leftmost of the two cups", "cup", "cups", "left!", ""),
    ("the left of the two books", "book", "books", "left", ""),
    ("the one behind", "", "one", "back", ""),
    ("left", "", "", "left", ""),
    ("mug left of the book", "mug", "mug", "", "left_of book"),
    ("mug to the left of the book", "mug", "mug", "", "left_of book"),
    ("the mug on the right side of the blue bowl", "mug", "mug", "", "right_of blue bowl"),
    ("what is left of the book", "", "", "", "left_of book"),
    ("ball in the bowl", "ball", "ball", "", "in bowl"),
    ("the ball on top of the book", "ball", "ball", "", "on book"),
    ("the spoon on the left plate", "spoon", "spoon", "", "on plate"),
    ("the mug right next to the book", "mug", "mug", "", "next_to book"),
    ("object nearest the bowl", "", "object", "", "next_to bowl"),
    ("the mug closest to the left bowl", "mug", "mug", "", "next_to bowl"),
    ("the closest ball to the cone", "ball", "ball", "", "next_to cone"),
    ("the bowl far from the mug", "bowl", "bowl", "", "far_from mug"),
    ("the star behind the white star", "star", "star", "", "behind white star"),
    ("the bowl in front of the mug", "bowl", "bowl", "", "in_front_of mug"),
    ("the heart above the star", "heart", "heart", "", "above star"),
    ("the pear underneath the tray", "pear", "pear", "", "under tray"),
    ("the thing between the book and the bowl", "", "thing", "", "between book and bowl"),
    ("the book in between the two mugs", "book", "book", "", "between mugs"),
    ("the bowl that contains the banana", "bowl", "bowl", "", "containing banana"),
    ("the cup with the red handle", "cup", "cup", "", "with red handle"),
    ("the one next to it", "", "one", "", "next_to it"),
    ("the ball next to the mug on the left", "ball", "ball", "left", "next_to mug"),
    ("ball left of the cone and behind the star", "ball", "ball", "", "left_of cone, behind star"),
    ("cup of coffee near the laptop", "cup", "cup of coffee", "", "next_to laptop"),
    ("man eating pizza", "man", "man", "", ""),
    ("the bright laptop", "laptop", "bright laptop", "", ""),
    ("beast", "beast", "beast", "", ""),
    ("a pair of scissors", "scissors", "pair of scissors", "", ""),
    ("the orange", "orange", "orange", "", ""),
    ("the orange mug", "mug", "orange mug", "", ""),
    ("the mug that is orange", "mug", "mug", "", ""),
    ("the big glass bottle", "bottle", "big glass bottle", "", ""),
    ("glass", "glass", "glass", "", ""),
    ("the man's hat", "hat", "man hat", "", ""),
    ("woman in a pink top", "woman", "woman", "", "with pink top"),
    ("青いカップ", "青いカップ", "青いカップ", "", ""),
    ("🦆 du\u200bck", "duck", "duck", "", ""),
]  # fmt: skip


def _directions(expression: ReferringExpression) -> str:
    marks = ((item.value, "!" * (item in expression.extremes)) for item in expression.directions)
    return " ".join(name + mark for name, mark in marks)


@pytest.mark.parametrize(("text", "head", "phrase", "directions", "relations"), READINGS)
def test_reading(text: str, head: str, phrase: str, directions: str, relations: str) -> None:
    found = parse(text)
    assert found.head == head
    assert found.head_phrase == phrase
    assert _directions(found) == directions
    assert ", ".join(f"{item.kind.value} {item.phrase}" for item in found.relations) == relations
    assert found.text == text


@pytest.mark.parametrize(
    ("text", "referring"),
    [
        ("Could you PICK UP the red mug, please?", "the red mug"),
        ("robot, fetch   the hammer now", "the hammer"),
        ("where is the red mug on the left", "the red mug on the left"),
        ("point to the duck", "the duck"),
        ("find", ""),
        ("please", ""),
        ("", ""),
        (" \t\n", ""),
        ("!?.,", ""),
        ("🦆", ""),
    ],
)
def test_referring_part(text: str, referring: str) -> None:
    assert parse(text).referring == referring
    assert parse(text).is_empty == (not referring)


@pytest.mark.parametrize(
    ("text", "sizes", "colours", "materials"),
    [
        ("the big red plastic mug", ("big",), ("red",), ("plastic",)),
        ("big, red mug", ("big",), ("red",), ()),
        ("the red and white ball", (), ("red", "white"), ()),
        ("the mug that is orange", (), ("orange",), ()),
        ("the orange", (), (), ()),
        ("the orange orange", (), ("orange",), ()),
        ("light blue cup", (), ("blue",), ()),
        ("which of the mugs is red", (), ("red",), ()),
        ("smallest wooden thing", (), (), ("wooden",)),
    ],
)
def test_attributes(
    text: str, sizes: tuple[str, ...], colours: tuple[str, ...], materials: tuple[str, ...]
) -> None:
    target = parse(text).target
    assert (target.sizes, target.colours, target.materials) == (sizes, colours, materials)
    assert target.attributes == sizes + colours + materials


@pytest.mark.parametrize(
    ("text", "negated", "phrase", "directions"),
    [
        ("cup that is not red", ("red",), "cup", ""),
        ("the cup that isn't blue on the left", ("blue",), "cup", "left"),
        ("mug not on the left", ("on the left",), "mug", ""),
        ("the mug not left of the book", ("left of the book",), "mug", ""),
        ("the non-red cup", ("red",), "cup", ""),
        ("the blue cube, not the red one", ("red one",), "blue cube", ""),
        ("not the red mug, the blue one", ("red mug",), "blue one", ""),
        ("don't touch the red mug, take the blue one", ("red mug",), "blue one", ""),
        ("bottle without a cap", ("cap",), "bottle", ""),
    ],
)
def test_negation(text: str, negated: tuple[str, ...], phrase: str, directions: str) -> None:
    found = parse(text)
    assert found.negated == negated
    assert found.head_phrase == phrase
    assert _directions(found) == directions
    assert not found.relations


@pytest.mark.parametrize(
    ("text", "ordinal", "directions"),
    [
        ("second duck from the right", 2, "right"),
        ("the third spoon from the left", 3, "left"),
        ("the first cube on the left", 1, "left"),
        ("the 2nd one from the left", 2, "left"),
        ("the left mug", None, "left"),
    ],
)
def test_ordinals(text: str, ordinal: int | None, directions: str) -> None:
    assert parse(text).ordinal == ordinal
    assert _directions(parse(text)) == directions


def test_landmark_keeps_its_own_position() -> None:
    relation = parse("the spoon on the left plate").relations[0]
    assert [item.value for item in relation.landmarks[0].directions] == ["left"]
    assert not parse("the spoon on the left plate").directions
    assert relation.head == "plate"
    assert not relation.on_support


def test_on_the_table_is_marked_as_saying_nothing() -> None:
    assert parse("the mug on the table").relations[0].on_support


def test_content_words_name_what_a_vocabulary_must_know() -> None:
    found = parse("pick up the small red flanges left of the bowl, not the green one")
    assert found.content_words == ("small", "red", "flange", "bowl", "green")


@pytest.mark.parametrize("word", ["laptop", "bright", "beast", "underwear", "stop", "leftover"])
def test_no_position_inside_a_word(word: str) -> None:
    found = parse(f"the {word}")
    assert not found.directions
    assert not found.relations
    assert found.content_words == (word,)


@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_any_text_has_a_reading_and_always_the_same(text: str) -> None:
    found = parse(text)
    assert found == parse(text)
    assert found.text == text
    assert found.referring == found.referring.lower().strip()
    for phrase in noun_phrases(text):
        assert phrase == phrase.strip() != ""
        assert isinstance(is_abstract(phrase), bool)


WORDS = (
    "the a left right top of on in to not mug red orange and , . closest far most second two next "
    "between front behind that is one put do it without from near hand side book"
)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(WORDS.split()), max_size=14))
def test_any_order_of_known_words_has_a_reading(words: list[str]) -> None:
    found = parse(" ".join(words))
    assert len(set(found.directions)) == len(found.directions)
    assert set(found.extremes) <= set(found.directions)
    assert all(relation.landmarks for relation in found.relations)
    assert same_thing(found.head, found.head) == bool(head_noun(found.head))


@pytest.mark.parametrize(
    "text", ["a " * 50_000, "not " * 30_000, "do not " * 20_000, "\ufdfa" * 9_000, "\x00" * 10_000]
)
def test_long_text_is_cut_and_says_so(text: str) -> None:
    started = time.perf_counter()
    found = parse(text)
    assert time.perf_counter() - started < 1.0
    assert found.truncated
    assert found.text == text
    assert len(found.referring) <= MAX_CHARS + 1


def test_short_text_is_whole() -> None:
    assert not parse("the mug").truncated


def test_an_ordinary_sentence_takes_under_a_millisecond() -> None:
    text = "could you give me that small blue mug behind the tray please"
    best = min(_seconds(text) for _ in range(50))
    assert best < 1e-3


def _seconds(text: str) -> float:
    started = time.perf_counter()
    parse(text)
    return time.perf_counter() - started


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("it isn't", ["it", "is", "not"]),
        ("I can’t", ["i", "can", "not"]),
        ("top-left t-shirt", ["top", "left", "t-shirt"]),
        ("the man's", ["the", "man"]),
        ("left most, right", ["leftmost", ",", "right"]),
        ("\u202etfel\u202c", ["tfel"]),
        ("\uff4d\uff55\uff47", ["mug"]),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    assert tokenise(normalise(text)[0]) == tokens


@pytest.mark.parametrize(
    ("word", "singular"),
    [
        ("mugs", "mug"), ("boxes", "box"), ("glasses", "glass"), ("knives", "knife"),
        ("berries", "berry"), ("cookies", "cookie"), ("pies", "pie"), ("vases", "vase"),
        ("brushes", "brush"), ("shoes", "shoe"), ("bus", "bus"), ("glass", "glass"),
        ("scissors", "scissors"), ("people", "person"), ("gloves", "glove"), ("mug", "mug"),
    ],
)  # fmt: skip
def test_lemma(word: str, singular: str) -> None:
    assert lemma(word) == singular


@pytest.mark.parametrize(
    ("caption", "phrases"),
    [
        (
            "a red mug, a blue bowl and a book on a table",
            ("a red mug", "a blue bowl", "a book", "a table"),
        ),
        ("there is a cup of tea on top of a wooden table", ("a cup", "tea", "a wooden table")),
        ("two men sitting at a table eating pizza", ("two men", "a table", "pizza")),
        ("a mug and a mug. A MUG", ("a mug",)),
        ("a tray of red and white mugs and a can", ("a tray", "red and white mugs", "a can")),
        ("the mug in front of the left bowl", ("the mug", "the left bowl")),
        ("", ()),
        ("on the left", ()),
        ("it is red", ()),
    ],
)  # fmt: skip
def test_noun_phrases(caption: str, phrases: tuple[str, ...]) -> None:
    assert noun_phrases(caption) == phrases


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("a red mug", "mugs", True),
        ("cup", "mug", False),
        ("the airplane", "airplane", True),
        ("a pizza", "the pizzas", True),
        ("couch", "a big sofa", True),
        ("man", "guy", True),
        ("the remote control", "a remote", True),
        ("teddy bear", "bear", False),
        ("a cube", "the blue block", True),
        ("laptop", "top", False),
        ("the orange mug", "an orange", False),
        ("", "", False),
        ("red", "red", False),
    ],
)
def test_same_thing(a: str, b: str, same: bool) -> None:
    assert same_thing(a, b) is same
    assert same_thing(b, a) is same


@pytest.mark.parametrize(
    ("phrase", "abstract"),
    [("the background", True), ("a view", True), ("red", True), ("a mug", False)],
)
def test_is_abstract(phrase: str, abstract: bool) -> None:
    assert is_abstract(phrase) is abstract


@pytest.mark.parametrize(
    ("text", "look", "plural"),
    [
        ("the red mug", "red mug", False),
        ("the two red mugs", "red mug", True),
        ("the biggest ball", "ball", False),
        ("the small blue boxes", "blue box", True),
        ("the red one", "red one", False),
        ("the scissors", "scissors", False),
        ("the smallest one", "one", False),
        ("the mug that is red", "red mug", False),
        ("the cube which is blue", "blue cube", False),
    ],
)
def test_the_look_is_singular_and_has_no_size(text: str, look: str, plural: bool) -> None:
    target = parse(text).target
    assert (target.look, target.is_plural) == (look, plural)


@pytest.mark.parametrize(
    ("text", "look", "plural", "any_one"),
    [
        ("anything red", "red thing", False, True),
        ("something red", "red thing", False, False),
        ("whatever is red", "red thing", False, True),
        ("whatever's red", "red thing", False, True),
        ("whichever one is red", "red one", False, True),
        ("anything that's red", "red thing", False, True),
        ("anything coloured red", "red thing", False, True),
        ("everything red", "red thing", True, False),
        ("everything that is red", "red thing", True, False),
        ("the red stuff", "red thing", True, False),
        ("all the red stuff", "red thing", True, False),
        ("all things red", "red thing", True, False),
        ("whatever mug is red", "red mug", False, True),
        ("the red coloured mugs", "red mug", True, False),
        ("someone in red", "red person", False, False),
        ("everybody on the left", "person", True, False),
    ],
)
def test_indefinite_pronouns_stand_for_a_thing(
    text: str, look: str, plural: bool, any_one: bool
) -> None:
    found = parse(text)
    assert (found.target.look, found.target.is_plural) == (look, plural)
    assert found.target.is_any is any_one
    assert found.unread == ()


def test_the_background_itself_is_no_place() -> None:
    assert parse("the background").head == "background"
    assert parse("the man in the background").target.directions == (Direction.BACK,)
    assert parse("background tree").target.directions == (Direction.BACK,)
