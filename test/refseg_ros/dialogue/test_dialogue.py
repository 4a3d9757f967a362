# SPDX-License-Identifier: Apache-2.0
"""Conversations about rectangles whose names are true: answers to questions, and references."""

from __future__ import annotations

import numpy as np
import pytest
from dialogue_bench import COLOURS, MUGS, Words, scene, talk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spatial_layouts import around

from refseg_ros import Conversation, Status
from refseg_ros.language.replies import ReplyKind, read_reply


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("the left one", 0),
        ("left", 0),
        ("no, I mean the right one", 1),
        ("the one on the right please", 1),
        ("the right mug", 1),
        ("the second", 1),
        ("the first one", 0),
        ("the last", 1),
        ("number 2", 1),
        ("candidate two", 1),
        ("1", 0),
        ("no, the other one", 1),
        ("not that one", 1),
        ("not the left one", 1),
        ("the leftmost", 0),
        ("either", 0),
    ],
)
def test_answers_to_a_question(text: str, chosen: int) -> None:
    answer = talk(MUGS, "the red mug", text)
    assert (answer.status, answer.index) == (Status.SELECTED, chosen)
    np.testing.assert_array_equal(answer.mask, MUGS.proposals.masks[chosen])


def test_answers_by_look() -> None:
    for text, chosen in (("the blue one", 1), ("green", 2), ("the red mug", 0), ("the second", 1)):
        assert talk(COLOURS, "the mug", text).index == chosen
    fruit = scene(["orange mug", "red mug"], around(20, 50), around(70, 50))
    assert talk(fruit, "the mug", "orange").index == 0
    kinds = scene(["red mug", "red cup"], around(20, 50), around(70, 50))
    assert talk(kinds, "the red thing", "the cup").index == 1
    plain = scene(["red mug", "blue mug"], around(20, 50), around(70, 50), captioned=False)
    assert talk(plain, "the mug", "the blue one").index == 1


def test_both_are_a_set() -> None:
    answer = talk(MUGS, "the mug", "both of them")
    assert answer.status is Status.SELECTED
    assert sorted(answer.indices) == [0, 1]


@pytest.mark.parametrize("text", ["yes", "it", "number 3", "number 9", "that one"])
def test_what_does_not_answer_is_asked_again(text: str) -> None:
    answer = talk(MUGS, "the mug", text)
    assert answer.status is Status.AMBIGUOUS
    assert "does not say which" in answer.reason
    assert answer.question == "Two red mugs: the left or the right one?"
    assert talk(MUGS, "the mug", text, "left").index == 0


def test_noise_leaves_the_question_open() -> None:
    assert talk(MUGS, "the mug", "hmm please").status is Status.ERROR
    assert talk(MUGS, "the mug", "hmm please", "left").index == 0


def test_an_answer_may_leave_a_smaller_question() -> None:
    answer = talk(COLOURS, "the mug", "not the red one")
    assert answer.status is Status.AMBIGUOUS
    assert answer.tied == (1, 2)
    assert answer.question == "Two mugs: the blue or the green one?"
    assert talk(COLOURS, "the mug", "not the red one", "the green one").index == 2


def test_neither_ends_it() -> None:
    for text in ("neither", "none of them", "no"):
        answer = talk(MUGS, "the mug", text)
        assert answer.status is Status.NOT_FOUND
        assert "none of the 2" in answer.reason
        assert not answer.mask.any()
        after = talk(MUGS, "the mug", text, "it")
        assert after.status is Status.ERROR
        assert "before" in after.reason


def test_yes_and_no_to_a_best_guess() -> None:
    guess = MUGS.select("the book and the mug")
    assert guess.status is Status.AMBIGUOUS
    assert guess.question == "Do you mean the blue book?"
    assert talk(MUGS, "the book and the mug", "yes please").status is Status.SELECTED
    assert talk(MUGS, "the book and the mug", "ok").index == 2
    assert talk(MUGS, "the book and the mug", "no").status is Status.NOT_FOUND


def test_yes_to_a_set_that_is_not_as_said() -> None:
    guess = COLOURS.select("the four mugs")
    assert (guess.status, guess.question) == (Status.AMBIGUOUS, "")
    for text in ("yes", "all of them"):
        taken = talk(COLOURS, "the four mugs", text)
        assert (taken.status, sorted(taken.indices)) == (Status.SELECTED, [0, 1, 2])


def test_a_new_thing_is_a_new_command() -> None:
    assert talk(MUGS, "the mug", "the blue book").index == 2
    assert talk(MUGS, "the mug", "the spoon").status is Status.NOT_FOUND
    more = scene(["red mug", "red mug", "blue mug"], around(20, 50), around(70, 50), around(95, 5))
    # Another colour than any asked about: it is none of them, whatever is on the left.
    assert talk(more, "the red mug", "the blue mug").index == 2
    assert talk(more, "the red mug", "the blue one").index == 2
    # The question's own noun and no other look: one of those asked about.
    assert talk(more, "the red mug", "the right mug").index == 1


def test_references_to_what_was_meant() -> None:
    left = ("the red mug", "left")
    for text in ("it", "that one", "pick it up", "the same mug again", "yes"):
        assert talk(MUGS, *left, text).index == 0
    for text in ("the other one", "another mug", "the other mug", "not that one", "the right one"):
        assert talk(MUGS, *left, text).index == 1
    assert talk(COLOURS, "the red mug", "the blue one").index == 1
    assert talk(COLOURS, "the red mug", "no").status is Status.NOT_FOUND


def test_the_other_one_is_alike_or_not_there() -> None:
    answer = talk(MUGS, "the book", "the other one")
    assert answer.status is Status.NOT_FOUND
    assert "no other book" in answer.reason
    # No other red one: another mug.
    pair = scene(["red mug", "blue mug", "green book"], *(around(k, 50) for k in (20, 50, 80)))
    assert talk(pair, "the red mug", "the other one").index == 1
    # A refusal does not make one forget.
    assert talk(MUGS, "the book", "the other one", "it").index == 2


def test_a_landmark_that_was_meant_before() -> None:
    row = scene(
        ["red mug", "blue ball", "red mug", "green book"],
        around(20, 50), around(34, 50), around(70, 50), around(84, 50),
    )  # fmt: skip
    assert talk(row, "the book", "the mug next to it").index == 2
    assert talk(row, "the book", "the mug left of it on the left").index == 0
    # None of its kind stands there: any thing.
    assert talk(row, "the book", "the one next to it").index == 2
    assert talk(row, "the ball", "the one next to it").index == 0
    alone = row.select("the mug next to it")
    assert alone.status is not Status.SELECTED
    assert "before" in alone.reason


def test_nothing_was_meant_before() -> None:
    for text in ("it", "the other one", "the same mug"):
        answer = talk(MUGS, text)
        assert answer.status is not Status.SELECTED
        assert "before" in answer.reason
    assert talk(MUGS, "the spoon", "it").status is Status.ERROR


def test_a_blank_command_clears() -> None:
    conversation = Conversation()
    conversation.ask(MUGS, "the mug")
    conversation.ask(MUGS, "  ")
    assert conversation.follow(MUGS) is None
    assert conversation.ask(MUGS, "it").status is Status.ERROR


def test_things_are_found_again_in_another_image() -> None:
    words = Words()
    names = ["red mug", "red mug", "blue book"]
    first = scene(names, around(20, 50), around(70, 50), around(45, 20), words=words)
    # The same things in another order, a little moved.
    turned = scene(names[::-1], around(46, 21), around(71, 51), around(21, 51), words=words)
    conversation = Conversation()
    conversation.ask(first, "the mug")
    assert conversation.ask(turned, "the left one").index == 2
    again = conversation.follow(first)
    assert again is not None
    assert (again.status, again.index, again.expression) == (Status.SELECTED, 0, "the left one")
    # Both mugs went elsewhere: which is which cannot be told.
    moved = scene(names, around(20, 90), around(70, 90), around(45, 20), words=words)
    for answer in (conversation.follow(moved), conversation.ask(moved, "it")):
        assert answer is not None
        assert answer.status is Status.LOST
        assert not answer.mask.any()
        assert "cannot be told" in answer.reason


@pytest.mark.parametrize(
    "text",
    ["the orange one", "orange", "left", "the left one", "the second", "the other one", "yes",
     "not the left one", "both", "number 1", "the one next to the book", "the nearer one"],
)  # fmt: skip
def test_an_answer_about_things_that_are_gone_selects_nothing_else(text: str) -> None:
    words = Words()
    first = scene(["orange mug", "white mug"], around(20, 50), around(70, 50), words=words)
    other = scene(
        ["orange ball", "white spoon", "red book"],
        around(20, 50), around(70, 50), around(45, 20), words=words,
    )  # fmt: skip
    conversation = Conversation()
    assert conversation.ask(first, "the mug").question
    answer = conversation.ask(other, text)
    assert answer.status is Status.LOST
    assert not answer.mask.any()
    # The question is still open where they are seen; what names a thing stands by itself.
    assert conversation.ask(other, "the spoon").index == 1


def test_no_follow_up_leaves_the_kind_that_is_spoken_of() -> None:
    mixed = scene(
        ["red mug", "blue mug", "green ball"], around(20, 50), around(50, 50), around(80, 50)
    )
    for first in ("the mug", "the blue mug"):
        for text in ("the green one", "no, the green one", *(["green"] * (first == "the mug"))):
            answer = talk(mixed, first, text)
            # To this encoder a green ball is as much a green mug as a red mug is.
            assert (answer.status, answer.index) != (Status.SELECTED, 2), (first, text)
            assert answer.index != 2
    assert talk(mixed, "the mug", "the green thing").index == 2


def test_a_command_that_does_not_look_like_an_answer_is_none() -> None:
    fruit = scene(
        ["orange pear", "orange ball", "green pear"],
        around(20, 50), around(50, 50), around(80, 50),
    )  # fmt: skip
    question = fruit.select("the orange thing").question
    assert question == "Do you mean the orange pear or the orange ball?"
    alone = fruit.select("the pear")
    assert talk(fruit, "the orange thing", "the pear").tied == alone.tied
    # It names an option in full, or it means the same in both ways.
    assert talk(fruit, "the orange thing", "the orange pear").index == 0
    assert talk(fruit, "the orange thing", "the ball").index == 1
    # One thing as an answer, another as a command: which of the two is asked.
    things = scene(
        ["red mug", "red mug", "blue book"], around(30, 50), around(80, 50), around(5, 50)
    )
    unsure = talk(things, "the mug", "the left thing")
    assert (unsure.status, sorted(unsure.tied)) == (Status.AMBIGUOUS, [0, 2])
    assert "new command" in unsure.reason
    assert unsure.question == "Do you mean the red mug or the blue book?"
    assert talk(things, "the mug", "the left thing", "the red mug").index == 0


def test_the_only_thing_of_its_look_may_move() -> None:
    words = Words()
    first = scene(["red mug", "blue book"], around(20, 50), around(70, 50), words=words)
    moved = scene(["blue book", "red mug"], around(70, 50), around(50, 90), words=words)
    conversation = Conversation()
    conversation.ask(first, "the mug")
    assert conversation.ask(moved, "it").index == 1
    # In its place, but another thing.
    swapped = scene(["green can", "blue book"], around(20, 50), around(70, 50), words=words)
    assert conversation.ask(swapped, "it").status is Status.LOST


def test_what_a_tracker_saw_is_leaned_on() -> None:
    words = Words()
    names = ["red mug", "red mug", "blue book"]
    first = scene(names, around(20, 50), around(70, 50), around(45, 20), words=words)
    moved = scene(names, around(20, 90), around(70, 90), around(45, 20), words=words)
    conversation = Conversation()
    masks = moved.proposals.masks
    conversation.carry(moved, masks[0])  # nothing was said
    conversation.ask(first, "the mug")
    conversation.carry(moved, masks[0])  # which one is still open
    assert conversation.ask(first, "the left one").index == 0
    conversation.carry(moved, np.zeros_like(masks[0]))  # it is not seen
    conversation.carry(moved, masks[2])  # another thing is there
    conversation.carry(moved, masks[1])
    assert conversation.ask(moved, "it").index == 1
    assert conversation.ask(moved, "the other one").index == 0


def test_a_plain_command_is_asked_anew_on_each_image() -> None:
    words = Words()
    first = scene(["red mug", "blue book"], around(20, 50), around(70, 50), words=words)
    conversation = Conversation()
    assert conversation.ask(first, "the leftmost thing").index == 0
    turned = scene(["red mug", "blue book"], around(70, 50), around(20, 50), words=words)
    answer = conversation.follow(turned)
    assert answer is not None
    assert answer.index == 1
    assert conversation.ask(turned, "it").index == 1


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("Yes!", ReplyKind.YES, 0),
        ("ok", ReplyKind.YES, 0),
        ("that's right", ReplyKind.YES, 0),
        ("No, thanks.", ReplyKind.NO, 0),
        ("None of them", ReplyKind.NO, 0),
        ("number 12", ReplyKind.NUMBER, 12),
        ("Candidate one", ReplyKind.NUMBER, 1),
        ("#3", ReplyKind.NUMBER, 3),
        ("no, number 3 please", ReplyKind.NUMBER, 3),
    ],
)
def test_replies_that_name_nothing(text: str, kind: ReplyKind, number: int) -> None:
    reply = read_reply(text)
    assert reply is not None
    assert (reply.kind, reply.number) == (kind, number)


@pytest.mark.parametrize("text", ["right", "the right one", "two mugs", "no mug", "the none", ""])
def test_other_texts_are_no_such_replies(text: str) -> None:
    assert read_reply(text) is None


WORDS = [
    "it",
    "the",
    "other",
    "one",
    "another",
    "left",
    "right",
    "second",
    "last",
    "number",
    "3",
    "yes",
    "no",
    "neither",
    "both",
    "not",
    "that",
    "red",
    "blue",
    "orange",
    "mug",
    "book",
    "next",
    "to",
    "of",
    "them",
    "big",
    "nearer",
    "same",
    ",",
    ".",
    "any",
    "two",
    "middle",
    "from",
    "and",
    "with",
]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.one_of(
            st.lists(st.sampled_from(WORDS), max_size=7).map(" ".join),
            st.text(max_size=60),
            st.text(alphabet="\u202e\u200f\u0627\u05d0\x00\x1b\ud800 it", max_size=20),
            st.sampled_from(
                ["it " * 3400, "\u202e" * 10_000, "not that one " * 800, "7" * 10_000]
            ),
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["the mug", "the two mugs", "the book", ""]),
)
def test_no_text_is_too_much(texts: list[str], first: str) -> None:
    conversation = Conversation()
    conversation.ask(COLOURS, first)
    for text in texts:
        answer = conversation.ask(COLOURS, text)
        assert answer.expression == text
        assert answer.reason
        assert answer.mask.any() == answer.status.has_target
        assert np.isfinite([answer.score, answer.margin]).all()
        assert len(set(answer.tied)) == len(answer.tied)
        assert bool(answer.tied) == (answer.status is Status.AMBIGUOUS)
        assert answer.seconds["total"] >= 0.0
