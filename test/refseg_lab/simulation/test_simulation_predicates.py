# SPDX-License-Identifier: Apache-2.0
"""Predicates of things and what is measured of a scene: worked-out answers, doubts included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tabletop_things import thing

from refseg_lab.simulation import Frame, ObjectSpec, sample_scene
from refseg_lab.simulation.catalogue import COLOURS
from refseg_lab.simulation.measurements import MAYBE, NO, YES, Thing, measure_objects
from refseg_lab.simulation.predicates import (
    agree,
    between,
    footprint_gap,
    graded,
    in_half,
    precedes,
    relates,
)


def test_what_two_readings_agree_on() -> None:
    assert [agree(a, b) for a in (NO, MAYBE, YES) for b in (NO, MAYBE, YES)] == [
        NO, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE, YES,
    ]  # fmt: skip
    assert [graded(v, 1.0, 2.0) for v in (0.5, 1.0, 1.5, 2.0, 3.0)] == [YES, YES, MAYBE, NO, NO]


# The anchor is at x 0.5, drop 0.375; the other thing is offset by dx to the right, dy downwards.
@pytest.mark.parametrize(
    ("kind", "dx", "dy", "expected"),
    [
        ("left_of", -0.2, 0.0, YES),
        ("left_of", -0.2, 0.14, YES),
        ("left_of", -0.2, 0.16, MAYBE),  # a slant of 0.8
        ("left_of", -0.1, 0.26, NO),  # rather below it
        ("left_of", -0.05, 0.0, MAYBE),  # less than the margin of 0.06
        ("left_of", 0.0, 0.0, NO),
        ("left_of", 0.2, 0.0, NO),
        ("right_of", 0.2, 0.0, YES),
        ("right_of", -0.2, 0.0, NO),
        ("above", 0.0, -0.2, YES),
        ("above", 0.0, 0.2, NO),
        ("below", 0.1, 0.2, YES),
        ("below", 0.2, 0.2, MAYBE),
        ("in_front_of", 0.0, 0.1, YES),
        ("in_front_of", 0.0, 0.04, MAYBE),  # less than 5 cm
        ("in_front_of", 0.0, -0.1, NO),
        ("behind", 0.0, -0.1, YES),
        ("behind", 0.09, -0.1, MAYBE),
        ("behind", 0.3, -0.1, NO),
        ("next_to", 0.08, 0.0, YES),  # 4 cm between them
        ("next_to", 0.12, 0.0, MAYBE),
        ("next_to", 0.17, 0.0, NO),
        ("in", 0.0, 0.0, NO),
        ("on", 0.0, 0.0, NO),
    ],
)
def test_relations_to_an_anchor(kind: str, dx: float, dy: float, expected: int) -> None:
    things = (thing(x=0.5 + dx, y=(0.375 + dy) / 0.75), thing("bowl", x=0.5, y=0.5))
    assert relates(kind, things, 0, 1) == expected


def test_over_a_wide_anchor_nothing_is_left_of_it() -> None:
    wide = replace(thing("tray", x=0.5), box=(0.35, 0.3, 0.65, 0.45))
    assert relates("left_of", (thing(x=0.4), wide), 0, 1) == MAYBE
    assert relates("left_of", (thing(x=0.3), wide), 0, 1) == YES


def test_what_rests_on_another_is_on_or_in_it_and_nothing_else() -> None:
    bowl, book = thing("bowl", x=0.3), thing("book", x=0.7)
    inside = thing("ball", x=0.3, support=0, contained=True)
    on_top = thing("cube", x=0.7, support=1)
    things = (bowl, book, inside, on_top)
    assert [relates("in", things, k, 0) for k in range(4)] == [NO, NO, YES, NO]
    assert [relates("on", things, k, 1) for k in range(4)] == [NO, NO, NO, YES]
    # Whether what lies in a bowl is also on it may be argued.
    assert relates("on", things, 2, 0) == MAYBE
    assert relates("in", things, 3, 1) == MAYBE
    for kind in ("left_of", "above", "next_to", "in_front_of"):
        assert relates(kind, things, 2, 0) == relates(kind, things, 0, 2) == NO


def test_next_to_is_doubtful_across_supports_and_past_a_third_thing() -> None:
    book, cube = thing("book", x=0.5), thing("cube", x=0.5, support=0)
    mug = thing("mug", x=0.58)
    assert relates("next_to", (book, cube, mug), 2, 0) == YES
    assert relates("next_to", (book, cube, mug), 2, 1) == MAYBE
    slim = replace(
        thing("spoon", x=0.54), corners=((0.535, 0.6), (0.545, 0.6), (0.545, 0.65), (0.535, 0.65))
    )
    assert relates("next_to", (book, mug, slim), 0, 1) == MAYBE


def test_gaps_of_footprints() -> None:
    a = thing(x=0.5)
    assert footprint_gap(a, thing(x=0.52)) == 0.0
    assert footprint_gap(a, thing(x=0.6)) == pytest.approx(0.06)
    diagonal = thing(x=0.57, aside=0.57, ahead=a.ahead + 0.08)
    assert footprint_gap(a, diagonal) == pytest.approx(0.05)  # 3 and 4 cm


@pytest.mark.parametrize(
    ("x", "dy", "expected"),
    [
        (0.5, 0.0, YES),
        (0.5, 0.05, YES),
        (0.5, 0.07, MAYBE),  # 0.175 of the way aside
        (0.5, 0.12, MAYBE),
        (0.5, 0.2, NO),
        (0.35, 0.0, MAYBE),  # an eighth of the way along
        (0.31, 0.0, NO),
        (0.1, 0.0, NO),
        (0.3, 0.0, NO),
    ],
)
def test_between(x: float, dy: float, expected: int) -> None:
    things = (thing("book", x=0.3), thing("bowl", x=0.7), thing(x=x, y=(0.375 + dy) / 0.75))
    assert between(things, 2, 0, 1) == between(things, 2, 1, 0) == expected
    assert between(things, 0, 0, 1) == NO


def test_between_in_the_picture_but_not_on_the_table_is_doubtful() -> None:
    things = [thing("book", x=0.3), thing("bowl", x=0.7), thing(x=0.5)]
    assert between(things, 2, 0, 1) == YES
    things[2] = thing(x=0.5, ahead=1.0)
    assert between(things, 2, 0, 1) == MAYBE
    things[2] = thing(x=0.5, support=1)
    assert between(things, 2, 0, 1) == MAYBE


def test_orders() -> None:
    low, high = thing(x=0.3, y=0.3), thing(x=0.36, y=0.38)
    assert precedes("left", low, high)
    assert not precedes("left", high, low)
    assert precedes("right", high, low)
    assert precedes("top", low, high)
    assert precedes("bottom", high, low)
    assert not precedes("left", low, thing(x=0.34))  # less than the margin of 0.045
    # The centroid is further left, but the right edge is not.
    assert not precedes("left", replace(low, box=(0.2, 0.2, 0.4, 0.3)), high)
    assert precedes("near", high, low)
    assert precedes("far", low, high)
    # Nearer along the table, but no nearer to the camera.
    assert not precedes("near", replace(high, distance=low.distance), low)


def test_sizes_are_real_and_unknown_where_a_thing_is_cut_off() -> None:
    small, large = thing(scale=0.8), thing(scale=1.0)
    assert precedes("big", large, small)
    assert precedes("small", small, large)
    assert not precedes("big", large, large)
    assert not precedes("big", replace(large, whole=False), small)
    long, bulky = thing("spoon", length=0.3, volume=0.05), thing("ball", length=0.15, volume=0.1)
    assert not precedes("big", long, bulky)
    assert not precedes("big", bulky, long)
    assert precedes("big", thing("tray", length=0.3, volume=0.2), bulky)
    assert precedes("tall", thing(tall=0.2), thing(tall=0.1))
    assert not precedes("tall", thing(tall=0.11), thing(tall=0.1))


@pytest.mark.parametrize(
    ("where", "x", "y", "expected"),
    [
        ("left", 0.4, 0.5, YES),
        ("left", 0.45, 0.5, MAYBE),
        ("left", 0.5, 0.5, NO),
        ("right", 0.58, 0.5, YES),
        ("top", 0.5, 0.42, YES),
        ("bottom", 0.5, 0.42, NO),
        ("middle", 0.6, 0.9, YES),
        ("middle", 0.32, 0.5, MAYBE),
        ("middle", 0.2, 0.5, NO),
        ("top left", 0.3, 0.3, YES),
        ("top left", 0.3, 0.47, MAYBE),
        ("top left", 0.6, 0.3, NO),
        ("bottom right", 0.6, 0.6, YES),
    ],
)
def test_parts_of_the_picture(where: str, x: float, y: float, expected: int) -> None:
    assert in_half(where, thing(x=x, y=y)) == expected


WIDTH, HEIGHT = 200, 100


def painted(boxes: list[tuple[int, int, int, int]], full: list[int]) -> tuple[Thing, ...]:
    """Things of which rectangles (x0 y0 x1 y1) are seen."""
    base = sample_scene(0)
    objects = tuple(
        ObjectSpec("cube", "red", "medium", (0.1 * k, 0.0), 0.0, COLOURS["red"])
        for k in range(len(boxes))
    )
    instances = np.zeros((HEIGHT, WIDTH), np.uint8)
    for k, (x0, y0, x1, y1) in enumerate(boxes):
        instances[y0:y1, x0:x1] = k + 1
    pose = np.eye(4)
    pose[:3, :3] = ((1, 0, 0), (0, 0, 1), (0, -1, 0))  # looks along world y, level
    pose[:3, 3] = (0.0, -1.0, 0.036)
    frame = Frame(
        rgb=np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        depth=np.ones((HEIGHT, WIDTH), np.float32),
        instances=instances,
        intrinsics=np.eye(3),
        camera_pose=pose,
        full_areas=tuple(full),
    )
    return measure_objects(replace(base, objects=objects), frame)


def test_measures_of_a_painted_scene() -> None:
    # 0.0007 of the picture are 14 pixels.
    seen, small, hidden, cut, none = painted(
        [(20, 40, 40, 60), (60, 10, 67, 12), (100, 10, 110, 20), (0, 80, 20, 95), (0, 0, 0, 0)],
        [400, 14, 400, 300, 0],
    )
    assert (seen.x, seen.y, seen.drop) == (0.15, 0.5, 0.25)
    assert seen.box == (0.1, 0.2, 0.2, 0.3)
    assert (seen.shown, seen.whole) == (YES, True)
    assert small.shown == YES
    assert (hidden.shown, hidden.whole) == (MAYBE, False)  # a quarter is seen, 0.3 are needed
    assert (cut.shown, cut.whole) == (YES, False)  # it touches the picture's edge
    assert (none.shown, none.whole) == (NO, False)
    assert seen.ahead == pytest.approx(0.0, abs=1e-3)
    assert hidden.aside - seen.aside == pytest.approx(0.2)
    assert seen.distance == pytest.approx(1.0, abs=1e-3)
    assert seen.near < seen.ahead < seen.far


def test_a_frame_must_tell_full_areas() -> None:
    with pytest.raises(ValueError, match=r"full_areas must hold 1 areas.*got 0"):
        painted([(0, 0, 9, 9)], [])
