# SPDX-License-Identifier: Apache-2.0
"""Referring expressions: worked-out scenes, and an independent reader that checks every one."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from refseg_ros.simulation import Frame, ObjectSpec, SceneSpec, sample_scene
from refseg_ros.simulation.bundle import bundled_scenes
from refseg_ros.simulation.catalogue import COLOURS
from refseg_ros.simulation.expressions import KINDS, Referral, refer

WIDTH, HEIGHT = 480, 360
Box = tuple[int, int, int, int]


def drawn(*things: tuple[str, str, Box]) -> tuple[SceneSpec, Frame]:
    """A scene whose objects are seen as rectangles (colour, category, x0 y0 x1 y1)."""
    base = sample_scene(0)
    objects = tuple(
        ObjectSpec(category, colour, "medium", (0.0, 0.0), 0.0, COLOURS[colour])
        for colour, category, _ in things
    )
    instances = np.zeros((HEIGHT, WIDTH), np.uint8)
    for k, (_, _, (x0, y0, x1, y1)) in enumerate(things):
        instances[y0:y1, x0:x1] = k + 1
    spec = SceneSpec(
        base.seed, objects, base.camera, base.light, base.table, base.floor, base.wall, (1.0, 1.0)
    )
    frame = Frame(
        rgb=np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        depth=np.ones((HEIGHT, WIDTH), np.float32),
        instances=instances,
        intrinsics=spec.camera.intrinsics(WIDTH, HEIGHT),
        camera_pose=spec.camera.pose(),
    )
    return spec, frame


def told(*things: tuple[str, str, Box]) -> dict[str, int]:
    return {r.expression: r.object_index for r in refer(*drawn(*things))}


def test_words_for_single_things() -> None:
    given = told(
        ("red", "mug", (50, 100, 80, 130)),
        ("red", "book", (300, 100, 340, 130)),
        ("blue", "book", (200, 250, 240, 280)),
    )
    assert given["the mug"] == 0
    assert given["the red book"] == 1
    assert given["the blue book"] == 2
    assert given["the blue thing"] == 2
    assert "the book" not in given
    assert "the red thing" not in given


def test_places_and_relations() -> None:
    given = told(
        ("red", "mug", (50, 100, 80, 130)),
        ("blue", "mug", (400, 250, 430, 280)),
        ("green", "book", (200, 160, 260, 200)),
    )
    for words in ("mug on the left", "leftmost mug", "top left mug", "topmost mug"):
        assert given[f"the {words}"] == 0
    for words in ("mug on the right", "rightmost mug", "bottom right mug", "bottommost mug"):
        assert given[f"the {words}"] == 1
    assert given["the mug to the left of the book"] == 0
    assert given["the mug to the right of the book"] == 1
    assert given["the mug above the book"] == 0
    assert given["the mug below the book"] == 1


def test_nothing_is_said_where_places_are_too_close() -> None:
    # Centroids 20 px apart in x and y: less than the margin of 28.8 px.
    given = told(("red", "mug", (50, 100, 65, 115)), ("blue", "mug", (70, 120, 85, 135)))
    assert set(given) == {"the red mug", "the blue mug", "the red thing", "the blue thing"}


def test_the_middle_of_three() -> None:
    given = told(
        ("red", "cup", (50, 100, 80, 130)),
        ("red", "cup", (400, 100, 430, 130)),
        ("red", "cup", (220, 100, 250, 130)),
    )
    assert given["the cup in the middle"] == 2
    assert given["the cup on the left"] == 0
    assert "the red cup" not in given


def test_next_to_needs_a_clear_winner() -> None:
    near = told(
        ("red", "cup", (100, 100, 130, 130)),
        ("blue", "cup", (400, 100, 430, 130)),
        ("green", "book", (140, 100, 170, 130)),
    )
    assert near["the cup next to the book"] == 0
    even = told(
        ("red", "cup", (100, 100, 130, 130)),
        ("blue", "cup", (200, 100, 230, 130)),
        ("green", "book", (148, 100, 178, 130)),
    )
    assert "the cup next to the book" not in even


def test_an_almost_hidden_member_silences_its_category() -> None:
    visible = (("red", "mug", (50, 100, 80, 130)), ("green", "book", (200, 160, 260, 200)))
    hidden = ("blue", "mug", (400, 250, 410, 260))  # 100 of the 120 pixels needed
    assert told(*visible)["the mug"] == 0
    given = told(*visible, hidden)
    assert "the mug" not in given
    assert given["the red mug"] == 0
    assert 2 not in given.values()
    assert not any("left" in words for words in given)


def test_out_of_the_picture_is_no_rival() -> None:
    given = told(("red", "mug", (50, 100, 80, 130)), ("blue", "mug", (0, 0, 0, 0)))
    assert given["the mug"] == 0


def test_the_least_area_follows_the_size_of_the_picture() -> None:
    spec, frame = drawn(("red", "mug", (50, 100, 63, 110)))  # 130 pixels
    assert refer(spec, frame)
    twice = Frame(
        rgb=np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8),
        depth=np.ones((2 * HEIGHT, 2 * WIDTH), np.float32),
        instances=np.pad(frame.instances, ((0, HEIGHT), (0, WIDTH))),
        intrinsics=frame.intrinsics,
        camera_pose=frame.camera_pose,
    )
    assert not refer(spec, twice)


# The reader below knows only the sentence and the masks: it returns every object that the sentence
# is true of, by plain comparison without margins, written apart from the code under test.
Place = Callable[[tuple[float, float], list[tuple[float, float]]], bool]
EXTREMES: dict[str, Place] = {
    "left": lambda p, others: all(p[0] < q[0] for q in others),
    "right": lambda p, others: all(p[0] > q[0] for q in others),
    "top": lambda p, others: all(p[1] < q[1] for q in others),
    "bottom": lambda p, others: all(p[1] > q[1] for q in others),
}
RELATION = re.compile(r"the (.+) (to the left of|to the right of|above|below|next to) (the .+)")


def true_of(expression: str, spec: SceneSpec, frame: Frame) -> list[int]:
    centres: dict[int, tuple[float, float]] = {}
    for k in range(len(spec.objects)):
        rows, columns = np.where(frame.instances == k + 1)
        if len(rows):
            centres[k] = (float(np.mean(columns)), float(np.mean(rows)))
    relation = RELATION.fullmatch(expression)
    if relation:
        noun, words, anchor_text = relation.groups()
        (anchor,) = true_of(anchor_text, spec, frame)
        members = [k for k in named(noun, spec, centres) if k != anchor]
        ax, ay = centres[anchor]
        if words == "next to":
            gaps = {k: (centres[k][0] - ax) ** 2 + (centres[k][1] - ay) ** 2 for k in members}
            return [k for k in members if gaps[k] == min(gaps.values())]
        rules = {
            "to the left of": lambda k: centres[k][0] < ax,
            "to the right of": lambda k: centres[k][0] > ax,
            "above": lambda k: centres[k][1] < ay,
            "below": lambda k: centres[k][1] > ay,
        }
        return [k for k in members if rules[words](k)]
    words = expression.removeprefix("the ").split()
    sides = {w.removesuffix("most") for w in words} & set(EXTREMES)
    filler = {"on", "in", "at", "the", "middle", *EXTREMES, *(f"{s}most" for s in EXTREMES)}
    members = named(" ".join(w for w in words if w not in filler), spec, centres)
    if "middle" in words:
        return sorted(members, key=lambda k: centres[k][0])[1:2] if len(members) == 3 else []

    def fits(k: int) -> bool:
        others = [centres[m] for m in members if m != k]
        return all(EXTREMES[side](centres[k], others) for side in sides)

    return [k for k in members if fits(k)]


def named(noun: str, spec: SceneSpec, centres: dict[int, tuple[float, float]]) -> list[int]:
    words = noun.split()
    return [
        k
        for k in centres
        if words[-1] in ("thing", spec.objects[k].category)
        and (len(words) == 1 or words[0] == spec.objects[k].colour)
    ]


@pytest.mark.parametrize("scene", bundled_scenes(), ids=lambda scene: scene.name)
def test_every_bundled_expression_is_true_of_one_object(scene) -> None:
    assert len({r.expression for r in scene.referrals}) == len(scene.referrals)
    for referral in scene.referrals:
        assert true_of(referral.expression, scene.spec, scene.frame) == [referral.object_index]


def test_random_layouts_are_told_apart_too() -> None:
    rng = np.random.default_rng(7)
    kinds: set[str] = set()
    for _ in range(60):
        things = []
        for _ in range(int(rng.integers(2, 8))):
            x, y = int(rng.integers(0, WIDTH - 30)), int(rng.integers(0, HEIGHT - 30))
            side = int(rng.integers(8, 30))
            colour = ("red", "blue")[int(rng.integers(2))]
            category = ("mug", "book", "star")[int(rng.integers(3))]
            things.append((colour, category, (x, y, x + side, y + side)))
        spec, frame = drawn(*things)
        for referral in refer(spec, frame):
            kinds.add(referral.kind)
            assert true_of(referral.expression, spec, frame) == [referral.object_index], referral
    assert kinds == set(KINDS)


def test_bundled_scenes_offer_every_kind_of_expression() -> None:
    referrals: list[Referral] = [r for scene in bundled_scenes() for r in scene.referrals]
    assert {r.kind for r in referrals} == set(KINDS)
    assert len(referrals) > 200
