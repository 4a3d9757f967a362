# SPDX-License-Identifier: Apache-2.0
"""What sentences choose on rectangles whose looks are given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spatial_layouts import around, layout

from refseg_ros.language import parse
from refseg_ros.language.usable import looks_of
from refseg_ros.results import Proposals
from refseg_ros.spatial import Layout, Placing, place
from refseg_ros.spatial.likeness import Likeness
from refseg_ros.spatial.weighing import Weigher

KINDS = ("mug", "bowl", "book", "ball", "cube")


def looks_like(phrase: object, names: list[str]) -> Likeness:
    """Shares of e^-5 for each word that is missing: a blue mug lacks one of "red mug"."""
    head, colours = getattr(phrase, "head", ""), getattr(phrase, "colours", ())
    wanted = [word for word in (head, *colours) if word]
    lacking = np.array([sum(word not in name.split() for word in wanted) for name in names])
    shares = np.exp(-5.0 * lacking)
    return Likeness(shares / shares.sum(), (lacking == 0) * 1.0)


def choose(
    text: str, names: list[str], where: Layout, absolute: str = "extreme", relations: bool = True
) -> Placing:
    """What a sentence means among candidates of which the names are true."""
    expression = parse(text)
    wanted = looks_of(expression.target, KINDS)
    looks = {item.look: looks_like(item, names) for item, _ in wanted}
    target = looks_like(expression.target, names)
    return place(target, expression, looks, where, absolute, relations=relations)


# 0: red mug, 1: blue mug, 2: book, 3: red mug, 4: big bowl with 5: a ball in it.
NAMES = ["red mug", "blue mug", "red book", "red mug", "blue bowl", "red ball"]
SCENE = layout(
    around(10, 30),
    around(30, 52),
    around(50, 30),
    around(85, 34),
    around(30, 80, 30),
    around(30, 78, 10),
)


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("the blue mug", (1,)),
        ("the mug on the left", (0,)),
        ("the leftmost mug", (0,)),
        ("the rightmost red mug", (3,)),
        ("the second mug from the left", (1,)),
        ("the second mug from the right", (1,)),
        ("the last mug from the left", (3,)),
        ("the second mug", (1,)),
        ("the last mug", (3,)),
        ("the mug at the front", (1,)),
        ("the nearest mug", (1,)),
        ("the mug farthest from the camera", (0,)),
        ("the second closest mug", (3,)),
        ("the biggest thing", (4,)),
        ("the biggest mug", (0,)),
        ("the smallest mug", (1,)),
        ("the red mug left of the book", (0,)),
        ("the mug right of the book", (3,)),
        ("the ball in the bowl", (5,)),
        ("the thing in the bowl", (5,)),
        ("the bowl with the ball in it", (4,)),
        ("the thing between the two red mugs", (2,)),
        ("the mug closest to the bowl", (1,)),
        ("the mug furthest from the bowl", (3,)),
        ("the mug that is not red", (1,)),
        ("the red thing that is not a mug or a ball", (2,)),
        ("the red mug that is not left of the book", (3,)),
        ("the mug next to the bowl with the ball in it", (1,)),
        ("the mugs", (0, 1, 3)),
        ("all the red mugs", (0, 3)),
        ("both red mugs", (0, 3)),
        ("the two leftmost mugs", (0, 1)),
        ("the two mugs on the right", (3, 1)),
        ("the mugs on the left", (0, 1)),
        ("all the mugs that are not red", (1,)),
        ("the left one of the two red mugs", (0,)),
    ],
)
def test_what_is_meant(text: str, chosen: tuple[int, ...]) -> None:
    found = choose(text, NAMES, SCENE)
    assert set(found.chosen) == set(chosen), found.reason
    assert found.eligible[list(chosen)].all()
    assert found.weights.sum() == pytest.approx(1)
    assert found.missing == ()


def test_the_first_of_a_set_is_the_best() -> None:
    assert choose("the two mugs on the right", NAMES, SCENE).chosen == (3, 1)
    assert choose("the two biggest mugs", NAMES, SCENE).chosen == (0, 3)


def test_weights_by_a_relation_are_shares_times_truths() -> None:
    # Left of the book: mug 0 by 40 pixels straight, mug 3 not at all.
    found = choose("the red mug left of the book", ["red mug", "red book", "red mug"],
                   layout(around(10, 30), around(50, 30), around(70, 30)))  # fmt: skip
    assert found.weights[0] > 0.999
    # sigma(37) * sigma(1.3 / 0.2), and e^-5 less of the weight of the landmark elsewhere.
    assert found.truth == pytest.approx(0.9985, abs=1e-2)


def test_an_order_sets_apart_by_distance() -> None:
    # Two alike, 12 pixels of 100 apart: e^-1 with the prior's scale of 0.12.
    found = choose("the leftmost mug", ["mug", "mug"], layout(around(20, 50), around(32, 50)))
    assert found.weights == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.e)])


def test_exclusion_takes_its_fit_away() -> None:
    expression = parse("the mug that is not red")
    where = layout(around(20, 50), around(60, 50))
    excluded = Likeness(np.array([0.9, 0.1]), np.array([0.8, 0.25]))
    wanted = {item.look: excluded for item, _ in looks_of(expression.target)}
    assert list(wanted) == ["red mug"]
    found = place(Likeness(np.full(2, 0.5), np.ones(2)), expression, wanted, where, "extreme")
    # Halves times (1 - 0.8)^3 = 0.2^3 and (1 - 0.25)^3 = 0.75^3.
    total = 0.008 + 0.421875
    assert found.weights == pytest.approx([0.008 / total, 0.421875 / total])
    assert found.truth == pytest.approx(0.421875)
    assert "'red'" in found.reason


def test_not_the_biggest_one_takes_out_the_biggest() -> None:
    found = choose("the mug that is not the biggest one", ["mug", "mug"],
                   layout(around(20, 50, 20), around(60, 50)))  # fmt: skip
    assert found.chosen == (1,)


def test_an_exclusion_by_a_landmark_that_is_not_there_excludes_nothing() -> None:
    found = choose("the blue mug that is not left of the cube", NAMES, SCENE)
    assert found.chosen == (1,)
    assert found.missing == ()
    assert found.truth == 1.0


def test_a_landmark_that_nothing_looks_like_is_missing() -> None:
    found = choose("the mug left of the cube", NAMES, SCENE)
    assert found.missing == ("cube",)


@pytest.mark.parametrize(("fit", "missing"), [(0.09, ("cube",)), (0.11, ()), (0.4, ())])
def test_a_landmark_that_something_comes_near_to_is_there(
    fit: float, missing: tuple[str, ...]
) -> None:
    expression = parse("the mug left of the cube")
    wanted = {"cube": Likeness(np.array([0.1, 0.9]), np.array([0.01, fit]))}
    where = layout(around(20, 50), around(60, 50))
    found = place(Likeness(np.full(2, 0.5), np.ones(2)), expression, wanted, where, "extreme")
    assert found.chosen == (0,)
    assert found.missing == missing


def test_a_relation_that_holds_for_nothing_is_told_by_its_truth() -> None:
    names = [*NAMES[:5], "blue ball"]
    found = choose("the red book in the bowl", names, SCENE)
    assert found.chosen == (2,)
    assert found.truth < 0.02


def test_on_the_table_prefers_what_stands_on_nothing_else_and_never_refuses() -> None:
    names = ["book", "mug", "mug"]
    where = layout((10, 40, 50, 70), around(30, 55), around(80, 55))
    assert choose("the mug on the table", names, where).chosen == (2,)
    alone = choose("the mug on the table", names[:2], layout((10, 40, 50, 70), around(30, 55)))
    assert alone.chosen == (1,)
    assert alone.truth == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the three red mugs", "3 were asked for, but 2 found"),
        ("the two mugs", "2 were asked for, but 3 fit"),
        ("all the books", "several were asked for, but 1 found"),
        ("the fifth mug from the left", "only 3"),
    ],
)
def test_numbers_that_are_not_met_are_said(text: str, said: str) -> None:
    assert said in choose(text, NAMES, SCENE).open


def test_an_ordinal_without_a_side_says_how_it_was_read() -> None:
    assert "counted from the left" in choose("the second mug", NAMES, SCENE).reason
    assert choose("the second mug from the left", NAMES, SCENE).open == ""


def test_sizes_without_depth_say_so() -> None:
    assert "without depth" in choose("the biggest mug", NAMES, SCENE).reason
    boxes = [around(20, 50), around(60, 50)]
    deep = layout(*boxes, depths=[2.0, 1.0])
    found = choose("the biggest mug", ["mug", "mug"], deep)
    # As large in the picture at twice the distance is twice as big.
    assert found.chosen == (0,)
    assert "without depth" not in found.reason
    assert choose("the nearest mug", ["mug", "mug"], deep).chosen == (1,)


def test_the_rectifier_is_the_papers_and_changes_no_weight() -> None:
    shares = np.array([0.1, 0.2, 0.3, 0.15, 0.15, 0.1])
    target = Likeness(shares, np.ones(6))
    for text in ("the mug on the left", "the biggest mugs on the left that are not red"):
        found = place(target, parse(text), {}, SCENE, "rectifier", relations=False)
        assert found.weights == pytest.approx(shares)
        # Left of the median column, that of mug 1, bowl and ball, lies mug 0 alone.
        assert found.chosen == (0,)
        assert found.truth == 1.0
        assert found.open == ""


def test_off_leaves_the_best_share() -> None:
    assert (
        choose("the leftmost mug", NAMES, SCENE, "off").index
        == choose("the mug", NAMES, SCENE, "off").index
    )
    assert choose("the mug in the bowl", NAMES, SCENE, "off", relations=False).truth == 1.0


def test_what_cannot_be_placed_is_refused() -> None:
    target = Likeness(np.ones(6) / 6, np.ones(6))
    with pytest.raises(ValueError, match="absolute"):
        place(target, parse("mug"), {}, SCENE, "up")
    with pytest.raises(ValueError, match="at least one"):
        place(
            Likeness(np.zeros(0), np.zeros(0)),
            parse("mug"),
            {},
            Layout(Proposals.empty(5, 5)),
            "off",
        )


def test_landmarks_of_landmarks_end() -> None:
    text = "the mug left of " + "the book left of " * 40 + "the bowl"
    assert choose(text, NAMES, SCENE).chosen


def test_a_weigher_reads_a_phrase_by_itself() -> None:
    names = ["mug", "mug"]
    where = layout(around(20, 50), around(60, 50))
    phrase = parse("the mug on the right").target
    weigher = Weigher(where, {phrase.look: looks_like(phrase, names)}, np.full(2, 0.5))
    assert weigher.weigh(phrase).chosen == (1,)


_WORDS = (
    "the two", "all the", "not", "mug", "mugs", "red", "blue", "bowl", "ball", "left", "right",
    "of", "in", "on", "under", "between", "and", "biggest", "smallest", "second", "nearest",
    "last", "closest to", "from the", "that is", "it", "one", "the other", "table", "with",
    "without", "next to", "in the middle", "in front of", "three", "any", "tallest", ",", "behind",
    "big",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(_WORDS), max_size=14).map(" ".join) | st.text(max_size=60))
def test_any_sentence_is_placed(text: str) -> None:
    for absolute in ("extreme", "rectifier", "off"):
        found = choose(text, NAMES, SCENE, absolute)
        assert found.weights.sum() == pytest.approx(1)
        assert found.weights.min() >= 0
        assert found.eligible[list(found.chosen)].all()
        assert len(set(found.chosen)) == len(found.chosen) >= 1
        assert 0 <= found.truth <= 1


def test_of_places_without_a_noun_outlines_compete_that_overlap() -> None:
    # Two outlines that share more than half: the one in the corner is meant, not the first.
    where = layout((0, 10, 60, 80), (0, 30, 60, 100), (70, 0, 100, 100))
    assert choose("bottom left corner", ["a", "b", "c"], where).chosen == (1,)
    assert choose("the top left", ["a", "b", "c"], where).chosen == (0,)


def test_of_those_that_a_relation_holds_for_the_nearest_is_meant() -> None:
    where = layout(around(10, 50), around(30, 50), around(60, 50), around(90, 50))
    names = ["red mug", "red mug", "red book", "blue mug"]
    assert choose("the red mug left of the book", names, where).chosen == (1,)


def test_what_holds_for_none_is_doubted_and_what_is_plainly_not_in_is_refused() -> None:
    where = layout(around(60, 20), around(50, 60), around(85, 90))
    names = ["blue mug", "red bowl", "red ball"]
    leaning = choose("the mug left of the bowl", names, where)
    assert leaning.chosen == (0,)
    assert 0.05 <= leaning.truth < 0.25
    assert choose("the mug in the bowl", names, where).truth < 0.05


def test_the_part_of_a_thing_is_the_thing_or_what_shows_the_part() -> None:
    names = ["red bowl", "red bowl", "red book"]
    where = layout((10, 20, 60, 90), (70, 40, 90, 60), (30, 0, 40, 8))
    assert choose("the top of the bowl on the right", names, where).chosen == (1,)
    assert choose("the left half of the book", names, where).chosen == (2,)
    # A proposal of the upper half of the one bowl.
    masks = np.zeros((2, 100, 100), np.bool_)
    masks[0, 20:80, 20:80] = masks[1, 20:55, 20:80] = True
    halves = Layout(Proposals(masks, np.ones(2, np.float32)))
    assert choose("the top of the bowl", ["red bowl"] * 2, halves).chosen == (1,)
    assert choose("the bottom half of the bowl", ["red bowl"] * 2, halves).chosen == (0,)


def test_on_the_front_of_a_thing_is_on_it() -> None:
    # Two balls on a tray, one far before it.
    where = layout((10, 30, 90, 70), around(30, 40), around(50, 62), around(50, 90))
    names = ["red tray", "red ball", "red ball", "red ball"]
    assert choose("the ball on the front of the tray", names, where).chosen == (2,)
    assert choose("the ball on the back of the tray", names, where).chosen == (1,)


@pytest.mark.parametrize(
    "text", ["neither the red nor the blue mug", "neither the red mug nor the blue one"]
)
def test_neither_of_two_is_a_third_of_the_kind(text: str) -> None:
    names = ["red mug", "green book", "green mug", "blue mug"]
    where = layout(*(around(20 * k + 15, 50) for k in range(4)))
    assert choose(text, names, where).chosen == (2,)


# 0: a pot with 1: its lid at the top of it, 2: a pot by itself, 3: a cube.
POTS = ["red pot", "red lid", "blue pot", "red cube"]
POT_SCENE = layout((10, 40, 50, 90), (15, 32, 45, 40), (60, 40, 95, 90), (4, 4, 12, 12))


def test_what_shows_a_part_of_a_thing_is_meant_else_the_thing_with_a_doubt() -> None:
    lid = choose("the lid of the red pot", POTS, POT_SCENE)
    assert (lid.chosen, lid.open, lid.by_whole) == ((1,), "", False)
    assert lid.truth >= 0.5
    whole = choose("the spout of the blue pot", POTS, POT_SCENE)
    assert (whole.chosen, whole.by_whole) == ((2,), True)
    assert "no candidate shows the 'spout' of the 'blue pot' by itself" in whole.open
    # What is said of the part's place is said of the whole's.
    assert choose("the spout of the pot on the right", POTS, POT_SCENE).chosen == (2,)
    assert choose("the cube left of the spout of the blue pot", POTS, POT_SCENE).chosen == (3,)


def test_a_part_that_lies_elsewhere_is_taken_with_little_truth() -> None:
    where = layout((10, 40, 50, 90), (60, 60, 80, 70))
    found = choose("the lid of the pot", POTS[:2], where)
    assert (found.chosen, found.by_whole) == ((1,), False)
    assert found.truth < 0.25


def test_the_part_is_seen_even_where_the_whole_is_not() -> None:
    found = choose("the lid of the kettle", POTS, POT_SCENE)
    assert (found.chosen, found.missing) == ((1,), ())


def test_looks_that_tell_nothing_leave_the_part_to_what_lies_in_the_whole() -> None:
    masks = np.zeros((3, 100, 100), np.bool_)
    masks[0, 20:80, 20:80] = masks[1, 35:60, 65:80] = masks[2, 85:95, 5:15] = True
    where = Layout(Proposals(masks, np.ones(3, np.float32)))
    expression = parse("the handle of the mug")
    whole = Likeness(np.array([0.98, 0.01, 0.01]), np.ones(3))
    doubts = {
        (0.2, 0.7, 0.1): "",
        (0.6, 0.3, 0.1): "others look more like the 'handle' of the 'mug' by itself",
        (0.97, 0.005, 0.025): "no candidate shows the 'handle' of the 'mug' by itself",
    }
    for shares, doubt in doubts.items():
        look = Likeness(np.array(shares), np.ones(3))
        found = place(look, expression, {"mug": whole}, where, "extreme", parts=True)
        shown = shares[1] > 0.01
        assert (found.chosen, found.by_whole, found.open) == ((int(shown),), not shown, doubt)


# 0: a basket with 1: a ball in it, 2: a basket by itself, 3: a cube far from both.
BASKETS = layout(around(20, 50, 30), around(20, 48, 10), around(60, 50, 30), around(92, 8))


def of_baskets(text: str, fits: list[float], *, parts: bool = True) -> Placing:
    """What a sentence means where the landmark looks so; the baskets look alike."""
    expression = parse(text)
    seen = Likeness(np.array(fits) + 1e-3, np.array(fits))
    wanted = {item.look: seen for item, _ in looks_of(expression.target)}
    look = Likeness(np.array([0.5, 1e-6, 0.5, 1e-6]), np.array([1.0, 0.0, 1.0, 0.0]))
    return place(look, expression, wanted, BASKETS, "extreme", parts=parts)


def test_with_is_decided_by_looking_where_no_vocabulary_tells_things_from_parts() -> None:
    found = of_baskets("the basket with the ball", [0.0, 1.0, 0.0, 0.0])
    assert found.chosen == (0,)
    assert found.truth > 0.9
    # The other keeps the truth of what may be a part: 0.4.
    assert found.weights[2] / found.weights[0] == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize("fits", [[0.0] * 4, [0.0, 0.0, 0.0, 1.0]])
def test_a_part_that_no_candidate_shows_refuses_nothing(fits: list[float]) -> None:
    # A strap that is nowhere seen, or what looks like one lies elsewhere.
    found = of_baskets("the basket with a strap", fits)
    assert found.truth == pytest.approx(0.4)
    assert found.missing == ()
    assert found.weights[0] == pytest.approx(found.weights[2])


def test_what_a_vocabulary_knows_as_a_thing_must_be_there() -> None:
    assert of_baskets("the basket with a ball", [0.0] * 4, parts=False).missing == ("ball",)
    away = of_baskets("the basket with a ball", [0.0, 0.0, 0.0, 1.0], parts=False)
    assert away.truth < 0.25


def test_without_is_what_has_it_not() -> None:
    assert of_baskets("the basket without a ball", [0.0, 1.0, 0.0, 0.0]).chosen == (2,)
    unseen = of_baskets("the basket without a strap", [0.0] * 4)
    assert unseen.weights[0] == pytest.approx(unseen.weights[2])


@pytest.mark.parametrize("text", ["the basket with the pears", "the basket on the shelf"])
def test_one_mask_may_show_the_thing_and_the_landmark(text: str) -> None:
    # No mask of the pears by themselves: the second basket's shows them.
    found = of_baskets(text, [0.0, 0.0, 1.0, 0.0])
    assert found.chosen == (2,)
    assert found.truth == pytest.approx(0.6)
    # It tells nothing of several that all look like both, nor of sides.
    assert of_baskets(text, [1.0, 0.0, 1.0, 0.0]).truth < 0.5
    assert of_baskets("the basket left of the pears", [0.0, 0.0, 1.0, 0.0]).chosen == (0,)


def test_where_no_noun_is_said_what_others_lie_in_is_not_counted() -> None:
    # A pond behind three posts.
    posts = [around(column, 50, 12) for column in (30, 50, 70)]
    where = layout((20, 30, 98, 70), *posts)
    names = ["blue pond", "red cube", "red cube", "red cube"]
    assert choose("second from the right", names, where).chosen == (2,)
    assert choose("the second cube from the right", names, where).chosen == (2,)


def test_a_tray_is_counted_though_others_lie_in_it() -> None:
    where = layout((60, 40, 95, 70), around(85, 50), around(70, 50), around(20, 50))
    names = ["blue tray", "red cube", "red cube", "red cube"]
    assert choose("second thing from the right", names, where).chosen == (0,)
    assert choose("third thing from the right", names, where).chosen == (2,)


@pytest.mark.parametrize("text", ["the plate on the red plate", "the thing on the red plate"])
def test_what_is_on_a_thing_of_its_kind_is_not_that_thing(text: str) -> None:
    where = layout((10, 30, 60, 90), (22, 45, 48, 75), (70, 50, 95, 80))
    found = choose(text, ["red plate", "blue plate", "white plate"], where)
    assert found.chosen == (1,)
    assert found.weights[0] < 0.1 * found.weights[1]


def test_several_to_the_utmost_are_those_before_the_widest_gap() -> None:
    where = layout(*(around(column, 50) for column in (10, 20, 60, 72, 84)))
    names = ["red mug"] * 5
    assert set(choose("the rightmost mugs", names, where).chosen) == {2, 3, 4}
    assert set(choose("the leftmost mugs", names, where).chosen) == {0, 1}
    assert set(choose("the two rightmost mugs", names, where).chosen) == {3, 4}
    pair = layout(around(10, 50), around(90, 50))
    assert set(choose("the leftmost mugs", names[:2], pair).chosen) == {0, 1}


def test_a_rank_in_a_row_counts_along_it() -> None:
    back = [around(column, 20) for column in (20, 50, 80)]
    front = [around(column, 80) for column in (10, 45, 90)]
    where = layout(*back, *front)
    assert choose("the second mug in the back row", ["red mug"] * 6, where).chosen == (1,)
    assert choose("first mug in the front row from the right", ["red mug"] * 6, where).chosen == (
        5,
    )


def test_a_row_of_things_need_not_be_seen() -> None:
    where = layout(*(around(column, 50) for column in (20, 50, 80)))
    found = choose("the left mug in the row of mugs", ["red mug"] * 3, where)
    assert (found.chosen, found.missing) == ((0,), ())
    assert "in 'row of mugs' tells none from another" in found.reason


def test_a_part_that_nothing_looks_like_is_said_to_tell_nothing() -> None:
    found = of_baskets("the basket with a strap", [0.0] * 4)
    assert found.reason == "with 'strap' tells none from another"
