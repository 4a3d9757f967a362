# SPDX-License-Identifier: Apache-2.0
"""Sentences in the words that models of few words know, and what is told of the rest."""

from __future__ import annotations

import pytest

from refseg_ros.language import NounPhrase, parse
from refseg_ros.language.reading import read
from refseg_ros.language.usable import looks_of
from refseg_ros.language.vocabulary import Vocabulary, with_uses
from refseg_ros.weights import bundled_vocabulary

FEW = Vocabulary.of(["cup", "paper cup", "mug", "bowl", "banana", "pear", "ball", "red", "blue"])
BUNDLED = Vocabulary.of(bundled_vocabulary())


def _known(text: str) -> tuple[NounPhrase, tuple[str, ...]]:
    expression, unknown = FEW.known_part(parse(text))
    return expression.target, unknown


def test_it_knows_heads_by_themselves_and_what_may_stand_before_them() -> None:
    assert "cup" in FEW
    assert not any(word in FEW for word in ("paper", "red"))
    assert FEW.compounds == {("paper", "cup")}
    assert FEW.looks == {"red", "blue"}
    assert "it" in FEW.with_nouns(["it"])
    assert {"brick", "orange"} & BUNDLED.nouns == {"brick"}
    assert {"purple", "violet", "orange"} <= BUNDLED.looks


@pytest.mark.parametrize(
    ("text", "look", "words"),
    [
        ("the golden cup", "cup", ["golden"]),
        ("the turquoise mug", "mug", ["turquoise"]),
        ("the soup bowl", "bowl", ["soup"]),
        ("the bowl of soup", "bowl", ["soup"]),
        ("the banana bowl", "bowl", ["banana"]),
        ("the cup that is shiny", "cup", ["shiny"]),
        ("the cup which is golden", "cup", ["golden"]),
        ("the vintage red kitchen mugs", "red mug", ["vintage", "kitchen"]),
        ("the paper cup", "paper cup", []),
        ("the paper bowl", "bowl", ["paper"]),
        ("the small red cup", "red cup", []),
        ("the very same red mug", "very red mug", []),
        ("the biggest of the two red bowls", "red bowl", []),
        ("the golden one on the left", "one", ["golden"]),
    ],
)
def test_the_known_part_of_a_phrase(text: str, look: str, words: list[str]) -> None:
    target, unknown = _known(text)
    assert target.look == look
    assert [item.split("'")[1] for item in unknown] == words


def test_what_is_unknown_is_named_with_its_phrase_once() -> None:
    assert _known("the golden cup next to the golden cup")[1] == ("'golden' of 'golden cup'",)
    assert _known("the golden")[1] == ("'golden'",)


def test_landmarks_keep_their_known_part_and_exclusions_only_what_is_known_whole() -> None:
    target, unknown = _known("the cup next to the wooden bowl that is not golden or red")
    assert target.relations[0].landmarks[0].look == "bowl"
    assert unknown == ("'wooden' of 'wooden bowl'",)
    assert [item.text for item in target.excluded] == ["", "red"]
    expression, unknown = FEW.known_part(parse("the cup that is not golden"))
    told = read(expression, FEW, unknown=unknown).unused
    assert (told.negated, told.unknown, told.matters) == (("golden",), (), True)


def test_an_answer_to_an_unknown_word_is_never_sure() -> None:
    expression, unknown = FEW.known_part(parse("the golden cup"))
    aside = read(expression, FEW, unknown=unknown).unused
    assert aside.matters
    assert str(aside) == "'golden' of 'golden cup' is not known to these models"
    known, nothing = FEW.known_part(parse("the red cup"))
    assert not read(known, FEW, unknown=nothing).unused.matters


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("the fruit", ("banana", "pear")),
        ("the blue fruit", ("banana", "pear")),
        ("the sphere", ("ball",)),
        ("something to drink from", ("mug", "cup")),
        ("something you can eat", ("banana", "pear")),
        ("the animal", ()),
        ("something to write with", ()),
        ("the ball", ()),
    ],
)
def test_other_names_for_kinds_of_kinds_uses_and_synonyms(
    text: str, names: tuple[str, ...]
) -> None:
    assert _known(text)[0].names == names


def test_a_phrase_by_each_of_its_names() -> None:
    target, _ = _known("the blue fruits")
    assert [item.look for item in target.alternatives] == ["blue banana", "blue pear"]
    target, _ = _known("something red to drink from")
    assert [item.look for item in target.alternatives] == ["red mug", "red cup"]
    target, _ = _known("the red cup")
    assert target.alternatives == (target,)


def test_landmarks_have_other_names_too() -> None:
    target, _ = _known("the mug next to something to eat")
    (landmark, denied), *_ = looks_of(target, FEW)
    assert (landmark.names, denied) == (("banana", "pear"), False)


def test_uses_are_known_without_a_vocabulary() -> None:
    assert "pen" in with_uses(parse("something to write with").target).names
    assert with_uses(parse("something to zorb with").target).names == ()
    near = with_uses(parse("the mug next to something to read").target)
    assert "book" in near.relations[0].landmarks[0].names


@pytest.mark.parametrize(
    ("text", "use"),
    [
        ("something to drink from", "drink from"),
        ("hand me something I can write with please", "write with"),
        ("a thing for writing", "write with"),
        ("something to cut the bread with", "cut with"),
        ("something to cut bread with", "cut with"),
        ("something to hit nails with", "hit nails with"),
        ("something to zorb with", "zorb with"),
        ("something to the left of the mug", ""),
        ("the one to my left", ""),
        ("something that I bought", ""),
        ("the thing closest to camera", ""),
        ("the one for me", ""),
    ],
)
def test_what_something_is_for(text: str, use: str) -> None:
    found = parse(text)
    assert found.target.use == use
    assert not use or (found.unread, found.target.head) == ((), "")


def test_a_use_is_said_of_the_thing_right_before_it() -> None:
    found = parse("something to drink from on the left, next to something to eat").target
    assert found.use == "drink from"
    assert found.directions
    assert found.relations[0].landmarks[0].use == "eat"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("prends la tasse rouge", "French"),
        ("nimm die rote Tasse", "German"),
        ("dame la taza roja", "Spanish"),
        ("prendi la tazza rossa", "Italian"),
        ("pegue a caneca vermelha", "Portuguese"),
        ("pak de rode beker", "Dutch"),
        ("赤いコップ", "Japanese"),
        ("拿红色的杯子", "Chinese or Japanese"),
        ("빨간 컵", "Korean"),
        ("возьми чашку", "Russian or another language in Cyrillic letters"),
        ("the red mug left of the die", ""),
        ("la lakers shirt", ""),
        ("zebra", ""),
        ("asdf qwer", ""),
        ("", ""),
        ("\udc80 \x00 ?!", ""),
    ],
)
def test_the_language_of_a_sentence(text: str, language: str) -> None:
    assert parse(text).language == language


def test_a_part_that_is_not_known_stands_for_the_thing_and_is_told() -> None:
    expression, unknown = FEW.known_part(parse("the handle of the red mug next to the bowl"))
    assert unknown == ()
    for text in ("the ball left of the spout of the mug", "the foot of the mug on the left"):
        found = read(parse(text), {"ball", "mug"})
        target = found.expression.target
        whole = target.relations[0].landmarks[0] if target.head == "ball" else target
        assert (whole.text, whole.head) == ("mug", "mug")
        assert found.unused.words == ()
        assert found.unused.matters
        assert "by itself" in str(found.unused)
    found = read(expression, FEW)
    assert (found.expression.head, found.unused.parts) == ("mug", ("'handle' of the 'red mug'",))
    assert found.expression.relations[0].head == "bowl"
    assert read(parse("the lid of the mug"), {"lid", "mug"}).expression.head == "lid"
    assert read(parse("the lid of the mug"), {"lid"}).unused.parts == ()
