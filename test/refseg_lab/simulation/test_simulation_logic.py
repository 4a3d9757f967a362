# SPDX-License-Identifier: Apache-2.0
"""What logical forms are true of: hand-made things with worked-out answers, doubts included."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabletop_things import thing

from refseg_lab.simulation.forms import (
    ORDERS,
    PLACES,
    RELATIONS,
    Between,
    Colour,
    Not,
    NounPhrase,
    OnTable,
    Place,
    Rank,
    Relation,
)
from refseg_lab.simulation.logic import World
from refseg_lab.simulation.measurements import MAYBE, NO, YES, Thing

MUG, BOWL = NounPhrase("mug"), NounPhrase("bowl")


def test_kinds_colours_and_what_is_hardly_seen() -> None:
    world = World((thing("mug"), thing("mug", "blue"), thing("cup", "red"), thing("duck", "red")))
    assert world.denote(MUG) == (YES, YES, NO, NO)
    assert world.denote(NounPhrase("", "red")) == (YES, NO, YES, YES)
    assert world.resolve(MUG) is None
    assert world.resolve(NounPhrase("mug", "blue")) == (1,)
    assert world.resolve(NounPhrase("mug", "green")) == ()
    hidden = World((thing("mug"), thing("mug", shown=MAYBE), thing("mug", shown=NO)))
    assert hidden.denote(MUG) == (YES, MAYBE, NO)
    assert hidden.resolve(MUG) is None
    assert hidden.resolve(replace(MUG, count=0)) is None


def test_for_absence_names_and_colours_that_could_be_mistaken_count_as_perhaps() -> None:
    things = (thing("mug", "orange"), thing("duck"))
    strict, lenient = World(things), World(things, lenient=True)
    assert strict.resolve(NounPhrase("cup")) == ()
    assert lenient.resolve(NounPhrase("cup")) is None
    assert lenient.resolve(NounPhrase("mug", "red")) is None
    assert lenient.resolve(NounPhrase("mug", "blue")) == ()
    assert lenient.resolve(NounPhrase("teapot")) == ()
    hidden = (thing("mug", shown=NO),)
    assert World(hidden).resolve(MUG) == ()
    assert World(hidden, lenient=True).resolve(MUG) is None


@pytest.mark.parametrize(
    ("scales", "big", "small"),
    [
        ((0.8, 1.0, 1.22), (NO, NO, YES), (YES, NO, NO)),
        ((1.0, 1.0, 1.22), (NO, NO, YES), (YES, YES, NO)),
        ((1.0, 1.0, 1.0), (MAYBE,) * 3, (MAYBE,) * 3),
        ((1.0, 1.05, 1.22), (NO, NO, YES), (MAYBE, MAYBE, NO)),
    ],
)
def test_big_and_small(
    scales: tuple[float, ...], big: tuple[int, ...], small: tuple[int, ...]
) -> None:
    world = World([thing(scale=scale) for scale in scales])
    assert world.denote(NounPhrase("mug", size="big")) == big
    assert world.denote(NounPhrase("mug", size="small")) == small


def test_a_size_needs_all_of_the_kind_and_all_that_is_meant_to_agree() -> None:
    # The bigger of the red mugs is the smaller of all but one.
    world = World(
        (thing(scale=0.8), thing(scale=1.0), thing("mug", "blue", scale=1.22), thing("ball"))
    )
    assert world.denote(NounPhrase("mug", "red", "big")) == (NO, MAYBE, NO, NO)
    assert world.denote(NounPhrase("mug", "red", "small")) == (YES, NO, NO, NO)


def test_a_side_needs_its_half_of_the_picture_and_the_outermost_place() -> None:
    left = NounPhrase("mug", modifiers=(Place("left"),))
    assert World((thing(x=0.2), thing(x=0.7))).denote(left) == (YES, NO)
    # Both in the left half: one of them is further left, but is the other not on the left?
    assert World((thing(x=0.2), thing(x=0.35))).denote(left) == (YES, MAYBE)
    # Both in the right half.
    assert World((thing(x=0.6), thing(x=0.8))).denote(left) == (MAYBE, NO)
    two = replace(left, count=2)
    world = World((thing(x=0.1), thing(x=0.3), thing(x=0.8)))
    assert world.denote(two) == (YES, YES, NO)
    assert world.resolve(two) == (0, 1)
    assert world.resolve(left) is None


def test_the_middle_is_that_of_the_picture_and_of_three() -> None:
    middle = NounPhrase("mug", modifiers=(Place("middle"),))
    assert World((thing(x=0.2), thing(x=0.5), thing(x=0.8))).denote(middle) == (NO, YES, NO)
    assert World((thing(x=0.2), thing(x=0.5))).denote(middle) == (MAYBE, MAYBE)
    assert World((thing(x=0.5), thing(x=0.7), thing(x=0.9))).denote(middle) == (MAYBE, MAYBE, NO)


def test_ranks_are_sure_only_where_the_order_is() -> None:
    row = [thing(x=x) for x in (0.7, 0.1, 0.4)]
    second = NounPhrase("mug", modifiers=(Rank("left", 2),))
    assert World(row).denote(second) == (NO, NO, YES)
    assert World(row).resolve(NounPhrase("mug", modifiers=(Rank("right"),))) == (0,)
    close = [thing(x=x) for x in (0.1, 0.4, 0.42)]
    assert World(close).denote(second) == (NO, MAYBE, MAYBE)
    unsure = [thing(x=0.1, shown=MAYBE), thing(x=0.4), thing(x=0.7)]
    assert World(unsure).denote(second) == (NO, MAYBE, MAYBE)
    assert World(row[:1]).denote(second) == (NO,)


def test_relations_and_denials_need_one_sure_anchor() -> None:
    things = (
        thing("bowl", x=0.3),
        thing("ball", x=0.3, support=0, contained=True),
        thing("ball", "blue", x=0.8),
    )
    inside = NounPhrase("ball", modifiers=(Relation("in", BOWL),))
    outside = NounPhrase("ball", modifiers=(Not(Relation("in", BOWL)),))
    not_blue = NounPhrase("ball", modifiers=(Not(Colour("blue")),))
    world = World(things)
    assert world.resolve(inside) == (1,)
    assert world.resolve(outside) == (2,)
    assert world.resolve(not_blue) == (1,)
    assert world.resolve(NounPhrase("ball", modifiers=(OnTable(),))) == (2,)
    two_bowls = World((*things, thing("bowl", x=0.6)))
    assert two_bowls.denote(inside) == (NO, MAYBE, MAYBE, NO)
    assert two_bowls.resolve(outside) is None
    left_bowl = NounPhrase("bowl", modifiers=(Rank("left"),))
    assert two_bowls.resolve(NounPhrase("ball", modifiers=(Relation("in", left_bowl),))) == (1,)
    nowhere = NounPhrase("ball", modifiers=(Relation("in", NounPhrase("tray")),))
    assert set(world.denote(nowhere)) == {NO, MAYBE}


def test_between_two_anchors_and_what_is_said_twice() -> None:
    world = World((thing("book", x=0.2), thing("bowl", x=0.8), thing(x=0.5), thing(x=0.95, y=0.9)))
    assert world.resolve(NounPhrase(modifiers=(Between(NounPhrase("book"), BOWL),))) == (2,)
    assert world.resolve(NounPhrase(modifiers=(Between(NounPhrase("book"), MUG),))) is None


def test_modifiers_apply_in_their_order() -> None:
    row = World(
        [thing("mug", colour, x=x) for colour, x in (("red", 0.1), ("blue", 0.4), ("red", 0.7))]
    )
    first, other = Rank("left"), Not(Colour("red"))
    assert row.resolve(NounPhrase("mug", modifiers=(other, first))) == (1,)
    assert row.resolve(NounPhrase("mug", modifiers=(first, other))) == ()


def test_numbers() -> None:
    world = World((thing(), thing(), thing("duck")))
    assert world.resolve(replace(MUG, count=0)) == (0, 1)
    assert world.resolve(replace(MUG, count=2)) == (0, 1)
    assert world.resolve(replace(MUG, count=3)) is None
    assert world.resolve(NounPhrase("duck", count=0)) is None
    assert world.resolve(NounPhrase("book", count=0)) == ()


COLOUR = st.sampled_from(("red", "blue"))
KIND = st.sampled_from(("", "mug", "bowl"))
LEAVES = st.builds(NounPhrase, KIND, COLOUR, st.sampled_from(("", "big", "small")))


def grown(inner: st.SearchStrategy[NounPhrase]) -> st.SearchStrategy[NounPhrase]:
    relation = st.builds(Relation, st.sampled_from(RELATIONS), inner)
    part = st.one_of(
        st.builds(Place, st.sampled_from(PLACES)),
        st.builds(Rank, st.sampled_from(ORDERS), st.integers(1, 3)),
        st.builds(Between, inner, inner),
        st.builds(OnTable),
        st.builds(Not, st.one_of(relation, st.builds(Colour, COLOUR))),
        relation,
    )
    modifiers = st.lists(part, max_size=2).map(tuple)
    return st.builds(NounPhrase, KIND, COLOUR, st.just(""), modifiers, st.integers(0, 3))


FORMS = st.recursive(LEAVES, grown, max_leaves=4)
PLACED = st.builds(
    thing,
    st.sampled_from(("mug", "bowl")),
    COLOUR,
    st.floats(0.05, 0.95),
    st.floats(0.05, 0.95),
    shown=st.sampled_from((NO, MAYBE, YES)),
    scale=st.sampled_from((0.8, 1.0, 1.22)),
)


@given(FORMS)
def test_forms_survive_json(form: NounPhrase) -> None:
    assert NounPhrase.from_dict(json.loads(json.dumps(form.to_dict()))) == form


@given(FORMS, st.lists(PLACED, min_size=1, max_size=5))
@settings(max_examples=150, deadline=None)
def test_nothing_is_surer_than_that_it_is_seen(form: NounPhrase, things: list[Thing]) -> None:
    world = World(things)
    truths = world.denote(form)
    assert len(truths) == len(things)
    assert set(truths) <= {NO, MAYBE, YES}
    assert all(truth <= item.shown for truth, item in zip(truths, things, strict=True))
    lenient = World(things, lenient=True)
    plain = replace(form, modifiers=(), size="")
    assert all(a <= b for a, b in zip(world.denote(plain), lenient.denote(plain), strict=True))
    found = world.resolve(form)
    assert found is None or not found or all(truths[k] == YES for k in found)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Place("nowhere"), "where must be one of"),
        (lambda: Relation("under", MUG), "kind must be one of"),
        (lambda: Rank("old"), "order must be one of"),
        (lambda: Rank("left", 0), "rank must be at least 1, got 0"),
        (lambda: NounPhrase(size="huge"), "size must be one of"),
        (lambda: NounPhrase(count=-1), "count must be at least 0, got -1"),
        (
            lambda: NounPhrase.from_dict({"form": "Colour", "colour": "red"}),
            "must be a NounPhrase",
        ),
        (lambda: NounPhrase.from_dict({"form": "Verb"}), "form must be one of"),
        (lambda: NounPhrase.from_dict({"form": "NounPhrase", "age": 3}), "not the fields"),
    ],
)
def test_wrong_forms_are_refused(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
