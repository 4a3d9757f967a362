# SPDX-License-Identifier: Apache-2.0
"""Referring expressions: their words, and that each means what it claims, by another reading."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refseg_lab.simulation import Frame, SceneSpec, sample_scene
from refseg_lab.simulation.catalogue import CATEGORIES, COLOURS, HELD_OUT, HELD_OUT_PAIRS, NAMED
from refseg_lab.simulation.chance import Chance
from refseg_lab.simulation.expressions import (
    PHENOMENA,
    Referral,
    benchmark_referrals,
    phenomenon_of,
    refer,
)
from refseg_lab.simulation.forms import (
    Between,
    Colour,
    Modifier,
    Not,
    NounPhrase,
    OnTable,
    Place,
    Rank,
    Relation,
)
from refseg_lab.simulation.logic import World
from refseg_lab.simulation.measurements import NO, measure_objects
from refseg_lab.simulation.phrasing import Speaker
from refseg_lab.simulation.rasteriser import rasterise
from refseg_lab.simulation.thing_names import NAMES, NEAR, mistakable, plural, safe_names

WIDTH, HEIGHT = 160, 120
_CENTRES: dict[int, dict[int, tuple[float, float]]] = {}
PROFILES = {"test": "train", "test_compose": "compose", "test_shift": "shift"}
SCENES = st.tuples(st.integers(0, 10_000), st.sampled_from(sorted(PROFILES)))


@cache
def scene(seed: int, split: str) -> tuple[SceneSpec, Frame]:
    """A scene seen without OpenGL: its picture is black, its instances are right."""
    spec = sample_scene(seed, PROFILES[split])
    seen = rasterise(spec, WIDTH, HEIGHT)
    frame = Frame(
        rgb=np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        depth=np.ones((HEIGHT, WIDTH), np.float32),
        instances=seen.instances,
        intrinsics=spec.camera.intrinsics(WIDTH, HEIGHT),
        camera_pose=spec.camera.pose(),
        full_areas=seen.full_areas,
    )
    return spec, frame


@given(SCENES)
@settings(max_examples=12, deadline=None)
def test_every_expression_means_exactly_its_targets(case: tuple[int, str]) -> None:
    seed, split = case
    spec, frame = scene(seed, split)
    things = measure_objects(spec, frame)
    strict, lenient = World(things), World(things, lenient=True)
    chosen, plain = benchmark_referrals(spec, frame, split), refer(spec, frame)
    assert 1 <= len(chosen) <= 12
    for referral in (*chosen, *plain):
        if referral.phenomenon == "absent":
            assert referral.targets == ()
            assert lenient.resolve(referral.form) == ()
        else:
            assert referral.targets
            assert strict.resolve(referral.form) == referral.targets
            assert (len(referral.targets) > 1) == (referral.phenomenon == "plural")
            assert all(things[k].shown != NO for k in referral.targets)
        assert referral.phenomenon == phenomenon_of(referral.form, referral.targets)
        assert Referral.from_dict(json.loads(json.dumps(referral.to_dict()))) == referral
    for given_ in (chosen, plain):
        assert len({referral.expression for referral in given_}) == len(given_)
        order = [PHENOMENA.index(referral.phenomenon) for referral in given_]
        assert order == sorted(order)


def plain_centres(frame: Frame) -> dict[int, tuple[float, float]]:
    """Mean column and row of each visible object."""
    known = _CENTRES.get(id(frame))
    if known is not None:
        return known
    centres = _CENTRES.setdefault(id(frame), {})
    for k in range(len(frame.full_areas)):
        rows, columns = np.where(frame.instances == k + 1)
        if len(rows):
            centres[k] = (float(columns.mean()), float(rows.mean()))
    return centres


def plainly_true(form: NounPhrase, spec: SceneSpec, frame: Frame) -> list[int]:
    """What a form is true of without any margin, read from pixels and poses anew."""
    centres = plain_centres(frame)
    found = [
        k
        for k in centres
        if form.category in ("", spec.objects[k].category)
        and form.colour in ("", spec.objects[k].colour)
    ]
    if form.size:
        order = [("small", "medium", "large").index(spec.objects[k].size) for k in found]
        extreme = max(order) if form.size == "big" else min(order)
        found = [k for k, size in zip(found, order, strict=True) if size == extreme]
    for part in form.modifiers:
        found = _plainly(part, found, form.count, spec, frame)
    return found


def _depths(spec: SceneSpec, frame: Frame) -> list[float]:
    """Of each object's place on the table, along the optical axis."""
    axis, origin = frame.camera_pose[:2, 2], frame.camera_pose[:2, 3]
    return [float((np.array(item.position) - origin) @ axis) for item in spec.objects]


def _plainly(
    part: Modifier, found: list[int], count: int, spec: SceneSpec, frame: Frame
) -> list[int]:
    centres = plain_centres(frame)
    if isinstance(part, OnTable):
        return [k for k in found if spec.objects[k].support < 0]
    if isinstance(part, Place):
        signs = {"left": (0, 1), "right": (0, -1), "top": (1, 1), "bottom": (1, -1)}
        for side in part.where.split():
            if side == "middle":
                return sorted(found, key=lambda k: centres[k][0])[1:2]
            axis, sign = signs[side]
            half = (WIDTH / 2, HEIGHT / 2)[axis]
            found = [k for k in found if sign * (half - centres[k][axis]) > 0]
        return found
    if isinstance(part, Rank):
        return _plainly_ranked(part, found, spec, frame)
    if isinstance(part, Between):
        (a,), (b,) = plainly_true(part.first, spec, frame), plainly_true(part.second, spec, frame)
        low, high = np.minimum(centres[a], centres[b]), np.maximum(centres[a], centres[b])
        slack = 0.3 * float(np.linalg.norm(high - low))
        return [
            k
            for k in found
            if k not in (a, b)
            and np.all(np.array(centres[k]) > low - slack)
            and np.all(np.array(centres[k]) < high + slack)
        ]
    if isinstance(part, Not):
        if isinstance(part.of, Colour):
            return [k for k in found if spec.objects[k].colour != part.of.colour]
        return [k for k in found if k not in _plainly(part.of, found, count, spec, frame)]
    (anchor,) = plainly_true(part.anchor, spec, frame)
    (ax, ay), depths = centres[anchor], _depths(spec, frame)
    held = [k for k in found if spec.objects[k].support == anchor]
    rules = {
        "left_of": lambda k: centres[k][0] < ax,
        "right_of": lambda k: centres[k][0] > ax,
        "above": lambda k: centres[k][1] < ay,
        "below": lambda k: centres[k][1] > ay,
        "next_to": lambda k: (
            np.linalg.norm(np.subtract(spec.objects[k].position, spec.objects[anchor].position))
            < 0.35
        ),
        "in_front_of": lambda k: depths[k] < depths[anchor] + 0.1,
        "behind": lambda k: depths[k] > depths[anchor] - 0.1,
        "in": lambda k: k in held and spec.objects[k].contained,
        "on": lambda k: k in held and not spec.objects[k].contained,
    }
    return [k for k in found if k != anchor and rules[part.kind](k)]


def _plainly_ranked(part: Rank, found: list[int], spec: SceneSpec, frame: Frame) -> list[int]:
    centres = plain_centres(frame)
    keys = {
        "left": lambda k: centres[k][0],
        "right": lambda k: -centres[k][0],
        "top": lambda k: centres[k][1],
        "bottom": lambda k: -centres[k][1],
    }
    if part.order not in keys:
        return found
    return sorted(found, key=keys[part.order])[part.rank - 1 : part.rank]


@pytest.mark.parametrize("split", sorted(PROFILES))
def test_another_reading_without_margins_agrees(split: str) -> None:
    """Of each target the plain reading is true too; where it is as strict, of nothing else."""
    checked = exact = 0
    for seed in range(5):
        spec, frame = scene(seed, split)
        for referral in (*benchmark_referrals(spec, frame, split), *refer(spec, frame)):
            true = plainly_true(referral.form, spec, frame)
            assert set(referral.targets) <= set(true), referral
            checked += 1
            exact += tuple(sorted(true)) == referral.targets
    assert checked > 250
    assert exact > 0.6 * checked


def test_all_phenomena_come_in_turn_and_in_number() -> None:
    told = {name: 0 for name in PHENOMENA}
    for seed in range(20):
        referrals = benchmark_referrals(*scene(seed, "test"), "test")
        assert len(referrals) >= 8
        for referral in referrals:
            told[referral.phenomenon] += 1
    assert min(told.values()) >= 6
    assert max(told.values()) <= 24


def test_the_composition_split_tells_unseen_pairs_by_colour_and_name() -> None:
    for seed in range(8):
        spec, frame = scene(seed, "test_compose")
        referrals = benchmark_referrals(spec, frame, "test_compose")
        assert referrals
        for referral in referrals:
            form = referral.form
            assert (form.colour, form.category) in HELD_OUT_PAIRS
            colours = {form.colour, "violet" if form.colour == "purple" else form.colour}
            assert any(colour in referral.expression for colour in colours)
            for k in referral.targets:
                assert (spec.objects[k].colour, spec.objects[k].category) in HELD_OUT_PAIRS


def test_held_out_shapes_are_meant_but_never_named() -> None:
    meant = 0
    for seed in range(10):
        spec, frame = scene(seed, "test_shift")
        for referral in benchmark_referrals(spec, frame, "test_shift"):
            words = set(referral.expression.replace("?", "").replace(",", "").split())
            assert not words & {form for name in HELD_OUT for form in (name, plural(name))}
            meant += any(spec.objects[k].category in HELD_OUT for k in referral.targets)
    assert meant >= 10


def test_expressions_are_the_same_whatever_the_hash_seed() -> None:
    program = (
        "from test_simulation_expressions import *\n"
        "for split in sorted(PROFILES):\n"
        "    for referral in benchmark_referrals(*scene(3, split), split): print(referral)\n"
    )
    paths = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": number, "PYTHONPATH": paths},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for number in ("1", "2")
    ]
    assert said[0] == said[1]
    assert said[0].count("Referral(") > 20


MUG, BOWL = NounPhrase("mug"), NounPhrase("bowl", "blue")


def modified(*parts: Modifier, count: int = 1) -> NounPhrase:
    return NounPhrase("mug", "red", modifiers=parts, count=count)


@pytest.mark.parametrize(
    ("form", "words", "phenomenon"),
    [
        (MUG, "the mug", "category"),
        (NounPhrase("", "purple"), "the purple thing", "colour"),
        (NounPhrase("mug", "red", "big"), "the big red mug", "size"),
        (modified(Place("left")), "the red mug on the left", "position"),
        (modified(Place("top right")), "the top right red mug", "position"),
        (modified(Place("top")), "the red mug in the upper half of the picture", "position"),
        (modified(Relation("right_of", MUG)), "the red mug to the right of the mug", "relation"),
        (modified(Relation("above", MUG)), "the red mug above the mug in the picture", "relation"),
        (modified(Relation("behind", BOWL)), "the red mug behind the blue bowl", "relation_3d"),
        (modified(Rank("near")), "the red mug closest to the camera", "relation_3d"),
        (modified(Between(BOWL, MUG)), "the red mug between the blue bowl and the mug", "between"),
        (modified(Relation("in", BOWL)), "the red mug in the blue bowl", "containment"),
        (modified(OnTable()), "the red mug directly on the table", "containment"),
        (modified(Rank("right", 2)), "the second red mug from the right", "ordinal"),
        (modified(Rank("far", 2)), "the second farthest red mug", "ordinal"),
        (modified(Rank("left")), "the leftmost red mug", "superlative"),
        (modified(Rank("tall")), "the tallest red mug", "superlative"),
        (modified(Not(Colour("pink"))), "the red mug that is not pink", "negation"),
        (
            modified(Not(Relation("on", NounPhrase("tray", modifiers=(Rank("left"),))))),
            "the red mug that is not on the leftmost tray",
            "negation",
        ),
        (modified(count=0), "all the red mugs", "plural"),
        (modified(count=2), "the two red mugs", "plural"),
        (modified(Place("left"), count=3), "the three red mugs on the left", "plural"),
        (
            NounPhrase("plate", modifiers=(Not(Colour("red")),), count=0),
            "all the plates that are not red",
            "plural",
        ),
    ],
)  # fmt: skip
def test_plain_words(form: NounPhrase, words: str, phenomenon: str) -> None:
    assert Speaker(()).phrase(form) == words
    targets = (0,) if form.count == 1 else (0, 1)
    assert phenomenon_of(form, targets) == phenomenon
    assert phenomenon_of(form, ()) == "absent"


def paraphrases(form: NounPhrase, present: tuple[str, ...] = ("mug", "cube")) -> set[str]:
    return {Speaker(present, Chance(seed)).sentence(form) for seed in range(400)}


def test_paraphrases_are_commands_questions_and_bare_phrases() -> None:
    said = paraphrases(modified(Place("left")))
    assert {"red mug left", "left red mug", "the red mug on the left"} <= said
    assert "could you give me the left-hand red mug, please?" in said
    assert "where is the red mug on the left?" in said
    assert "where are both red mugs?" in paraphrases(modified(count=2))
    assert all("both" not in text for text in paraphrases(modified(Place("left"), count=2)))


def test_a_name_that_fits_another_thing_present_is_avoided() -> None:
    cube = NounPhrase("cube")
    assert any("block" in text for text in paraphrases(cube, ("cube", "mug")))
    assert not any("block" in text for text in paraphrases(cube, ("cube", "brick")))
    assert safe_names("cube", ("brick",)) == ("cube",)
    assert mistakable("cup") == {"mug"}


def test_a_place_of_an_anchor_stands_before_its_noun() -> None:
    anchor = NounPhrase("book", modifiers=(Rank("left"),))
    for text in paraphrases(NounPhrase("mug", modifiers=(Relation("on", anchor),))):
        assert not text.rstrip("?").endswith("left"), text


def test_names_are_those_of_the_catalogue_and_of_one_thing_each() -> None:
    assert tuple(NAMES) == NAMED
    every = [name for names in NAMES.values() for name in names]
    assert len(set(every)) == len(every)
    assert set(NEAR) <= set(every)
    assert {category for near in NEAR.values() for category in near} <= set(CATEGORIES)
    assert [plural(name) for name in ("dish", "toy car", "mug")] == ["dishes", "toy cars", "mugs"]
    assert not set(COLOURS) & set(every)


def test_only_a_single_target_has_an_index() -> None:
    assert Referral("the mug", (3,), "category", MUG).object_index == 3
    with pytest.raises(ValueError, match="means 2 objects, not one"):
        _ = Referral("all mugs", (0, 1), "plural", MUG).object_index


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"phenomenon": "colour_only"}, "phenomenon must be one of"),
        ({"targets": 3}, "not the dictionary of a Referral"),
        ({"form": {"form": "Verb"}}, "form must be one of"),
    ],
)
def test_wrong_referrals_are_refused(change: dict[str, object], words: str) -> None:
    data = Referral("the mug", (0,), "category", MUG).to_dict()
    with pytest.raises(ValueError, match=words):
        Referral.from_dict({**data, **change})


def test_scenes_differ_in_what_is_said_of_them() -> None:
    texts = [
        tuple(r.expression for r in benchmark_referrals(*scene(seed, "test"), "test"))
        for seed in range(8)
    ]
    assert all(one != other for one, other in pairwise(texts))
