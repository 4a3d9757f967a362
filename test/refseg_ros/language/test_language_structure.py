# SPDX-License-Identifier: Apache-2.0
"""Readings as structure: what is ranked, excluded, counted, nested and taken from before."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from refseg_lab.evaluation.parser_accuracy import reading
from refseg_ros.language import (
    Anaphora,
    Direction,
    Measure,
    NounPhrase,
    RelationKind,
    Superlative,
    parse,
)
from refseg_ros.language.spelling import corrected
from refseg_ros.language.tokens import COMMA, normalise, tokenise


def test_a_superlative_is_no_plain_size() -> None:
    target = parse("the biggest mug").target
    assert target.superlatives == (Superlative(Measure.SIZE, True, 1, "biggest"),)
    assert (target.sizes, target.size_words, target.look) == ((), ("biggest",), "mug")
    assert parse("the big mug").target.superlatives == ()


def test_an_unknown_superlative_stays_a_quality() -> None:
    target = parse("the heaviest box").target
    assert (target.superlatives, target.qualities) == ((), ("heaviest",))


def test_nearness_is_a_position_only_without_depth() -> None:
    found = parse("the second nearest mug")
    assert found.target.superlatives == (Superlative(Measure.NEARNESS, True, 2, "nearest"),)
    assert found.target.directions == ()
    assert (found.directions, found.ordinal) == ((Direction.FRONT,), 2)


def test_nearest_to_a_landmark_is_a_relation_to_the_utmost() -> None:
    for text in ("the mug closest to the bowl", "the closest mug to the bowl"):
        found = parse(text)
        (relation,) = found.relations
        assert (relation.kind, relation.extreme, relation.rank) == (RelationKind.NEXT_TO, True, 1)
        assert (relation.head, found.target.superlatives, found.directions) == ("bowl", (), ())
    assert parse("the mug close to the bowl").relations[0].extreme is False


def test_a_comparison_ranks_nothing_and_says_so() -> None:
    found = parse("the mug bigger than the bowl")
    assert found.target.superlatives == ()
    assert found.unread == ("bigger", "than", "bowl")


def test_the_landmark_has_a_landmark_of_its_own() -> None:
    (relation,) = parse("the mug left of the big red bowl on the tray").relations
    (bowl,) = relation.landmarks
    assert (bowl.head, bowl.sizes, bowl.colours) == ("bowl", ("big",), ("red",))
    assert [(item.kind, item.head) for item in bowl.relations] == [(RelationKind.ON, "tray")]


@pytest.mark.parametrize(
    ("text", "relations"),
    [
        ("the mug left of the bowl on the tray", ["left_of(bowl[on(tray)])"]),
        ("the mug left of the bowl and on the tray", ["left_of(bowl)", "on(tray)"]),
        ("the mug left of the bowl, on the tray", ["left_of(bowl)", "on(tray)"]),
        ("the mug on the tray closest to the bowl", ["on(tray)", "next_to!(bowl)"]),
        ("the mug next to the bowl on the table", ["next_to(bowl)", "on(table)"]),
        ("the mug next to the bowl that is on the left", ["next_to(bowl@left)"]),
        ("the mug next to the bowl and the book", ["next_to(bowl)", "next_to(book)"]),
        ("the mug between the bowl on the tray and the can", ["between(bowl[on(tray)],can)"]),
        ("the mug between the red and the blue bowl", ["between(bowl,bowl)"]),
        ("the tray the duck is on", ["carrying(duck)"]),
        ("the tray with the duck and the mug on it", ["carrying(duck)", "carrying(mug)"]),
        ("the book that the mug is on top of", ["carrying(mug)"]),
        ("the mug between pink tin and blue pear", ["between(tin,pear)"]),
        ("the mug to the top left of the bowl", ["above(bowl)", "left_of(bowl)"]),
        ("the mug with the bowl behind it", ["in_front_of(bowl)"]),
    ],
)
def test_attachment(text: str, relations: list[str]) -> None:
    found = parse(text)
    assert reading(found)["relations"] == relations
    assert found.unread == ()


def test_an_exclusion_is_a_phrase_of_its_own() -> None:
    (excluded,) = parse("the mug, not the small one in the bowl").target.excluded
    assert (excluded.head, excluded.sizes) == ("", ("small",))
    assert [(item.kind, item.head) for item in excluded.relations] == [(RelationKind.IN, "bowl")]


def test_what_is_excluded_is_not_said_of_the_target() -> None:
    target = parse("the cup that is not red, not on the left and not in the bowl").target
    assert (target.colours, target.directions, target.relations) == ((), (), ())
    assert [item.colours for item in target.excluded] == [("red",), (), ()]
    assert target.excluded[1].directions == (Direction.LEFT,)
    assert target.excluded[2].relations[0].head == "bowl"


@pytest.mark.parametrize(
    ("text", "count", "group", "plural", "any_one"),
    [
        ("the mug", None, None, False, False),
        ("mugs", None, None, True, False),
        ("both mugs", 2, None, True, False),
        ("every mug", None, None, True, False),
        ("all three mugs", 3, None, True, False),
        ("the left one of the two mugs", None, 2, False, False),
        ("one of the three mugs", None, 3, False, True),
        ("any mug", None, None, False, True),
        ("two of the mugs", 2, None, True, False),
        ("the scissors", None, None, False, False),
    ],
)
def test_quantity(
    text: str, count: int | None, group: int | None, plural: bool, any_one: bool
) -> None:
    target = parse(text).target
    assert (target.count, target.group) == (count, group)
    assert (target.is_plural, target.is_any) == (plural, any_one)


@pytest.mark.parametrize(
    ("text", "anaphora", "head"),
    [
        ("it", Anaphora.SAME, ""),
        ("that one", Anaphora.SAME, ""),
        ("that one on the left", Anaphora.ONE, ""),
        ("that mug", None, "mug"),
        ("the same mug again", Anaphora.SAME, "mug"),
        ("the other one", Anaphora.OTHER, ""),
        ("the others", Anaphora.OTHER, ""),
        ("the other mug", Anaphora.OTHER, "mug"),
        ("the left one", Anaphora.ONE, ""),
        ("the left thing", None, ""),
        ("the mug, the red one", None, "mug"),
    ],
)
def test_anaphora(text: str, anaphora: Anaphora | None, head: str) -> None:
    target = parse(text).target
    assert (target.anaphora, target.head) == (anaphora, head)


def test_a_bare_pronoun_says_nothing_by_itself() -> None:
    assert parse("pick it up").is_empty
    assert not parse("the left one").is_empty
    assert not parse("the biggest").is_empty


@pytest.mark.parametrize(
    ("text", "ordinal", "start"),
    [
        ("the second mug", 2, ()),
        ("the second mug from the left", 2, (Direction.LEFT,)),
        ("the second from the left red mug", 2, (Direction.LEFT,)),
        ("the last mug from the left", 1, (Direction.RIGHT,)),
        ("the last mug on the left", 1, (Direction.LEFT,)),
        ("the last mug", -1, ()),
        ("the second to last mug from the right", 2, (Direction.LEFT,)),
        ("the second largest mug", None, ()),
    ],
)
def test_where_an_ordinal_counts_from(
    text: str, ordinal: int | None, start: tuple[Direction, ...]
) -> None:
    target = parse(text).target
    assert (target.ordinal, target.ordinal_from) == (ordinal, start)


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("put the mug on the tray in the bowl", "in the bowl"),
        ("put the mug that is in the bowl", ""),
        ("move the mug to the left of the bowl", "to the left of the bowl"),
        ("bring me the mug to the left of the bowl", ""),
        ("take the mug and put it on the tray", "put it on the tray"),
    ],
)
def test_where_a_thing_is_to_be_put_is_no_part_of_which_one(text: str, destination: str) -> None:
    assert parse(text).destination == destination


@pytest.mark.parametrize(
    ("text", "unread"),
    [
        ("the mug", ()),
        ("man eating pizza", ()),
        ("the mug and the bowl", ("bowl",)),
        ("the mug behind, left", ()),
        ("the mug two to the left of the bowl", ("two",)),
        ("the mug over there in the picture", ()),
        ("the mug opposite the bowl", ("opposite", "bowl")),
        ("the mug. The bowl is dirty.", ("bowl", "dirty")),
        ("the mug. It is red.", ()),
    ],
)
def test_what_no_reading_is_found_for_is_listed(text: str, unread: tuple[str, ...]) -> None:
    assert parse(text).unread == unread


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("gren", "green"), ("lefmost", "leftmost"), ("behnd", "behind"), ("clsoest", "closest"),
        ("yelllow", "yellow"), ("smoll", "small"), ("nexto", "next to"), ("teh", "the"),
    ],
)  # fmt: skip
def test_slips_are_put_right_and_said(word: str, meant: str) -> None:
    assert corrected([word, "mug"]) == ([*meant.split(), "mug"], ((word, meant),))


WORDS_OF_THEIR_OWN = """
    block crown flower night light write while closet clover shall stall smell oranges browns
    mother father corner forth tower lover loser bedside bellow gren8 greeen3 fish duk mugg
    sleft bright thread beast laptop rightly greet greed brow blank
"""


@pytest.mark.parametrize(
    "word",
    WORDS_OF_THEIR_OWN.split(),
)
def test_words_of_their_own_are_left_alone(word: str) -> None:
    assert corrected([word]) == ([word], ())


def test_a_correction_is_reported() -> None:
    found = parse("the gren mug on the rigth")
    assert found.corrections == (("gren", "green"), ("rigth", "right"))
    assert (found.target.colours, found.directions) == (("green",), (Direction.RIGHT,))


def _phrases(phrase: NounPhrase) -> list[NounPhrase]:
    nested = [item for relation in phrase.relations for item in relation.landmarks]
    found = [phrase]
    for item in (*nested, *phrase.excluded):
        found += _phrases(item)
    return found


def _check(text: str) -> None:
    found = parse(text)
    assert found == parse(text)
    assert reading(found) == reading(parse(text))
    for phrase in _phrases(found.target):
        assert set(phrase.extremes) <= set(phrase.directions)
        assert phrase.ordinal is None or phrase.ordinal != 0
        assert phrase.count is None or phrase.count >= 2
        assert all(item.rank >= 1 for item in phrase.superlatives)
        assert all(item.landmarks and item.rank >= 1 for item in phrase.relations)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=10_000))
def test_any_text_has_a_reading(text: str) -> None:
    _check(text)


VOCABULARY = """
    the a all both two one ones that this other same mug red bowl tray orange biggest second last
    closest far left right top near on in under with of from to and or but not no without except
    between next is has it me , . put ring than nothing everything which behind front side any
    i pick most its number holding i'm don't - ' w/o
"""


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(VOCABULARY.split()), max_size=16).map(" ".join))
def test_any_order_of_known_words_has_a_reading(text: str) -> None:
    _check(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(VOCABULARY.split()), max_size=16).map(" ".join))
@example("most the mug one")
@example("mug the the")
def test_no_noun_is_dropped_in_silence(text: str) -> None:
    found = parse(text)
    said = {token for token in tokenise(normalise(text)[0]) if token in ("mug", "bowl", "tray")}
    kept = " ".join(phrase.text for phrase in _phrases(found.target)).split()
    assert said <= {*kept, *found.unread, *found.destination.split()} - {COMMA}


@pytest.mark.parametrize(
    "text", ["not " * 500, "in " * 700, "the mug in " * 150, "and or but " * 200]
)
def test_deep_nesting_is_read(text: str) -> None:
    _check(text)


@pytest.mark.parametrize(
    ("text", "rank", "start"),
    [
        ("the second jar in the back row", 2, ["left"]),
        ("third jar in the top row from the right", 3, ["right"]),
        ("the second jar in the left column", 2, ["top"]),
        ("next to last jar", -2, []),
        ("the last but one jar from the left", 2, ["right"]),
        ("the third jar over from the right", 3, ["right"]),
        ("the fourth jar in from the left", 4, ["left"]),
    ],
)
def test_where_a_rank_counts_from(text: str, rank: int, start: list[str]) -> None:
    found = parse(text)
    assert (found.head, found.target.ordinal, found.unread) == ("jar", rank, ())
    assert [item.value for item in found.target.ordinal_from] == start
    assert not found.relations


def test_a_place_after_a_part_is_that_of_the_whole() -> None:
    for text in ("the back of the stool on the left", "back of stool, left corner"):
        found = parse(text).target
        assert found.directions == (Direction.BACK,)
        assert found.relations[0].kind is RelationKind.PART_OF
        assert found.relations[0].landmarks[0].directions == (Direction.LEFT,)


@pytest.mark.parametrize(
    ("text", "part", "whole"),
    [
        ("the handle of the red jug", "handle", "red jug"),
        ("the green cap of my bottle on the left", "cap", "bottle"),
        ("wheel of a cart", "wheel", "cart"),
        ("the two legs of that stool", "leg", "stool"),
        ("the tail of the cat that is asleep", "tail", "cat"),
    ],
)
def test_a_part_is_part_of_a_thing(text: str, part: str, whole: str) -> None:
    found = parse(text)
    (relation,) = found.relations
    assert (found.head, relation.kind, relation.phrase) == (part, RelationKind.PART_OF, whole)
    assert found.unread == ()
    nested = parse(f"the spoon next to {text}").relations[0]
    assert (nested.kind, nested.head) == (RelationKind.NEXT_TO, part)
    assert nested.landmarks[0].relations[0].phrase == whole


@pytest.mark.parametrize(
    "text",
    [
        "a jug of milk",
        "the bowl of the soup",
        "two slices of the bread",
        "a pair of boots",
        "the group of the children",
        "a drawing of a cat",
        "the colour of the jug",
        "the rider of the pony",
        "all of the jugs",
        "leg of lamb",
    ],
)
def test_what_holds_shows_or_counts_a_thing_is_no_part_of_it(text: str) -> None:
    assert not any(item.kind is RelationKind.PART_OF for item in parse(text).relations)


def test_and_after_a_part_goes_on_about_the_thing_meant() -> None:
    found = parse("the spoon between the lid of the jug and the bowl").relations[0]
    assert [item.head for item in found.landmarks] == ["lid", "bowl"]
    assert parse("the lid of the jug and the bowl").unread == ("bowl",)


@pytest.mark.parametrize(
    ("text", "relation", "place"),
    [
        ("the jug on the front of the tray", RelationKind.ON, Direction.FRONT),
        ("the jug on the back of that shelf", RelationKind.ON, Direction.BACK),
        ("the jug in the back of the van", RelationKind.IN, Direction.BACK),
    ],
)
def test_a_place_on_or_in_a_thing_is_not_before_or_behind_it(
    text: str, relation: RelationKind, place: Direction
) -> None:
    found = parse(text).target
    assert [item.kind for item in found.relations] == [relation]
    assert (found.head, found.directions) == ("jug", (place,))


def test_what_is_in_front_is_not_on_the_front() -> None:
    for text in ("the jug in front of the tray", "the jug at the front of the tray"):
        found = parse(text).target
        assert [item.kind for item in found.relations] == [RelationKind.IN_FRONT_OF]
        assert found.directions == ()


@pytest.mark.parametrize(
    ("text", "head", "excluded"),
    [
        ("neither the red one nor the blue one", "", ["red", "blue"]),
        ("neither the red nor the blue jug", "jug", ["red_jug", "blue_jug"]),
        ("a neither red nor blue jug", "jug", ["red_jug", "blue_jug"]),
        ("neither the red jug nor the blue one", "jug", ["red_jug", "blue_jug"]),
        ("neither the jug on the left nor the one on the right", "jug", ["jug@left", "jug@right"]),
        ("neither a jug nor a stool", "", ["jug", "stool"]),
        ("the jug that is neither red, green nor blue", "jug", ["red", "green", "blue"]),
        ("the jug that is neither red and white nor blue", "jug", ["red_white", "blue"]),
        ("the jug with neither a lid nor a spout", "jug", ["[with(lid)]", "[with(spout)]"]),
        ("the jug that has neither a lid nor a spout", "jug", ["[with(lid)]", "[with(spout)]"]),
        ("the jug neither on the tray nor by the box", "jug", ["[on(tray)]", "[next_to(box)]"]),
        ("the jug that is neither red nor on the tray", "jug", ["red", "[on(tray)]"]),
    ],
)
def test_neither_and_nor_exclude_both(text: str, head: str, excluded: list[str]) -> None:
    found = parse(text)
    assert (found.head, found.unread) == (head, ())
    assert reading(found)["excluded"] == excluded


def test_closest_left_of_is_no_utmost() -> None:
    assert not parse("the jar closest to the left of the stove").relations[0].extreme
    assert parse("the jar furthest left of the stove").relations[0].extreme


def test_the_middle_beside_another_side_is_a_place() -> None:
    found = parse("the jar in the middle right of the stove").target
    assert found.directions == (Direction.MIDDLE,)
    assert [item.kind for item in found.relations] == [RelationKind.RIGHT_OF]


@pytest.mark.parametrize("text", ["the tram 12", "tram 12", "the jar left of tram 12"])
def test_a_number_after_a_noun_is_on_the_thing(text: str) -> None:
    found = parse(text)
    tram = found.relations[0].landmarks[0] if found.relations else found.target
    assert (tram.head, tram.states, found.unread) == ("tram", ("12",), ())
