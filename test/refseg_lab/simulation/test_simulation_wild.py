# SPDX-License-Identifier: Apache-2.0
"""Wild scenes: bent and coated things, mats and added light."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from refseg_lab.simulation import SceneSpec, TabletopRenderer, sample_scene
from refseg_lab.simulation.catalogue import CATEGORIES, NAMED, SIZES, footprint
from refseg_lab.simulation.chance import Chance
from refseg_lab.simulation.coating import coat_shares
from refseg_lab.simulation.lighting import BRIGHTNESS, TINT, lit, seen_surface
from refseg_lab.simulation.primitives import signed_volume
from refseg_lab.simulation.rasteriser import DEPTH_STEPS, rasterise
from refseg_lab.simulation.scene import SHIFT_PATTERNS, ObjectSpec, SensorSpec
from refseg_lab.simulation.shaping import extent, sample_shape, shaped_parts
from refseg_lab.simulation.variety import AmbienceSpec, CoatSpec, ShapeSpec

SEEDS = range(6)
THING = ObjectSpec("mug", "red", "small", (0.0, 0.0), 0.0, (0.8, 0.1, 0.1))


def test_a_wild_scene_is_its_seeds_and_survives_json() -> None:
    specs = [sample_scene(seed, "wild") for seed in range(60)]
    for seed, spec in enumerate(specs):
        assert sample_scene(seed, "wild") == spec
        assert SceneSpec.from_json(spec.to_json()) == spec
        assert not {spec.table.pattern, spec.floor.pattern, spec.wall.pattern}.intersection(
            SHIFT_PATTERNS
        )
        assert all(item.category in NAMED for item in spec.objects)
    things = [item for spec in specs for item in spec.objects]
    assert 0.3 < np.mean([item.coat is not None for item in things]) < 0.5
    assert all(item.coat.colour != item.colour for item in things if item.coat)
    balls = [item for item in things if item.category == "ball"]
    assert 0.15 < np.mean([item.accent == item.rgb for item in balls]) < 0.6
    assert not any(item.accent == item.rgb for item in things if item.category in ("book", "car"))
    assert 0.4 < np.mean([bool(spec.mats) for spec in specs]) < 0.8


def test_plain_scenes_are_written_as_ever() -> None:
    for profile in ("train", "compose", "shift"):
        data = json.loads(sample_scene(3, profile).to_json())
        assert not {"mats", "ambience"}.intersection(data)
        assert not any(
            {"shape", "coat", "accent"}.intersection(entry) for entry in data["objects"]
        )


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_bent_thing_stands_in_its_footprint_and_keeps_its_inside_in(category: str) -> None:
    for seed in range(8):
        shape = sample_shape(Chance(seed), category, carries=False)
        item = ObjectSpec(category, "red", "large", (0, 0), 0.0, (1, 0, 0), shape=shape)
        meshes = [mesh for mesh in shaped_parts(item) if mesh is not None]
        points = np.concatenate([mesh.vertices for mesh in meshes])
        x0, y0, x1, y1 = (value * SIZES["large"] for value in footprint(category))
        assert (points[:, :2] >= (x0 - 1e-9, y0 - 1e-9)).all()
        assert (points[:, :2] <= (x1 + 1e-9, y1 + 1e-9)).all()
        assert points[:, 2].min() == 0.0
        assert all(signed_volume(mesh) > 0.0 for mesh in meshes)
        plain = extent(replace(item, shape=None))
        ratios = np.array(extent(item)) / plain
        assert ratios.min() > 0.35
        assert ratios.max() < 1.75


def test_a_cube_stays_no_brick_and_a_ball_round() -> None:
    for category, most in (("cube", 1.25), ("ball", 1.15)):
        for seed in range(40):
            shape = sample_shape(Chance(seed), category, carries=False)
            sides = extent(ObjectSpec(category, "red", "small", (0, 0), 0, (1, 0, 0), shape=shape))
            assert max(sides) < most * min(sides)


def test_what_is_carried_rests_in_the_bent_room_of_its_carrier() -> None:
    carried = 0
    for seed in range(40):
        spec, plain = sample_scene(seed, "wild"), sample_scene(seed, "train")
        for item, before in zip(spec.objects, plain.objects, strict=True):
            if item.support >= 0:
                carried += 1
                shape = spec.objects[item.support].shape
                assert shape == ShapeSpec((1.0, 1.0, shape.scale[2]))
                assert item.height == pytest.approx(before.height * shape.scale[2], abs=1e-5)
    assert carried > 20


@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_colour_keeps_two_thirds_of_a_coated_thing(seed: int) -> None:
    spec = sample_scene(seed, "wild")
    coats = ("stripes", "bands", "checks", "dots", "zigzag", "rim", "dipped", "half", "label")
    objects = tuple(
        replace(item, coat=CoatSpec(coats[(seed + k) % 9], "white", (1, 1, 1), share=0.33))
        for k, item in enumerate(spec.objects)
    )
    seen = rasterise(replace(spec, objects=objects), 320, 240)
    shares = coat_shares(replace(spec, objects=objects), seen)
    assert shares.min() >= 0.0
    assert shares.max() <= 1.0
    painted = 0
    for k in range(len(objects)):
        own = shares[seen.instances == k + 1]
        if len(own) > 150:
            assert (own > 0.5).mean() < 0.35
            painted += own.max() > 0.9
    assert painted


def test_normals_point_out_of_a_ball() -> None:
    spec = sample_scene(0)
    ball = ObjectSpec("ball", "red", "large", spec.camera.target[:2], 0.0, (0.8, 0.1, 0.1))
    spec = replace(spec, objects=(ball,))
    points, normals = seen_surface(spec, rasterise(spec, 320, 240))
    radius = 0.045 * SIZES["large"]
    outwards = points - np.array([*ball.position, radius])
    cosines = (outwards * normals).sum(1) / radius
    assert np.median(cosines) > 0.99
    assert (cosines > 0.93).mean() > 0.9


def test_light_keeps_grey_within_its_limits() -> None:
    for seed in SEEDS:
        spec = sample_scene(seed, "wild")
        assert spec.ambience is not None
        grey = np.full((120, 160, 3), 100, np.uint8)
        dull = replace(spec, objects=tuple(replace(i, finish="matte") for i in spec.objects))
        picture = lit(dull, spec.ambience, rasterise(dull, 160, 120), grey)
        shade = 1.0 - spec.ambience.occlusion
        assert picture.min() >= np.floor(100 * BRIGHTNESS[0] * TINT[0] * shade)
        assert picture.max() <= np.ceil(100 * BRIGHTNESS[1] * TINT[1])
        assert len(np.unique(picture)) > 8


def test_a_wild_picture_is_repeated_and_leaves_plain_ones_alone(
    renderer: TabletopRenderer,
) -> None:
    plain, wild = sample_scene(2), sample_scene(10, "wild")
    before = renderer.render(plain)
    first = renderer.render(wild)
    after = renderer.render(plain)
    again = renderer.render(wild)
    for one, two in ((before, after), (first, again)):
        np.testing.assert_array_equal(one.rgb, two.rgb)
        np.testing.assert_array_equal(one.depth, two.depth)
        np.testing.assert_array_equal(one.instances, two.instances)


def test_a_plain_ball_is_drawn_without_its_band(renderer: TabletopRenderer) -> None:
    spec = sample_scene(0)
    ball = ObjectSpec("ball", "red", "large", spec.camera.target[:2], 0.0, (0.8, 0.0, 0.0))
    banded, plain = (
        renderer.render(
            replace(spec, objects=(replace(ball, accent=accent),), sensor=SensorSpec())
        )
        for accent in (None, ball.rgb)
    )
    green = [frame.rgb[frame.instances == 1][:, 1] for frame in (banded, plain)]
    assert (green[0] > 90).mean() > 0.05 > (green[1] > 90).mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_masks_of_bent_things_are_where_they_are_drawn(
    renderer: TabletopRenderer, seed: int
) -> None:
    spec = sample_scene(seed, "wild")
    frame = renderer.render(spec)
    seen = rasterise(spec, 320, 240)
    rows, columns = np.nonzero(seen.instances)
    near = np.abs(frame.depth[rows, columns] - DEPTH_STEPS / seen.steps[rows, columns]) < 1e-3
    assert near.mean() > 0.985
    empty = renderer.render(replace(spec, objects=()))
    nearer = frame.depth < empty.depth - 1e-3
    mask = seen.instances > 0
    assert (nearer & mask).sum() > 0.95 * (nearer | mask).sum()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ShapeSpec((0.1, 1, 1)), "scale"),
        (lambda: ShapeSpec(taper=1.5), "taper.*1.5"),
        (lambda: CoatSpec("tartan", "red", (1, 0, 0)), "pattern.*tartan"),
        (lambda: CoatSpec("dots", "red", (1, 0, 0), share=0.6), "share.*0.6"),
        (lambda: CoatSpec("dots", "red", (1, 0, 0), period=0.0), "period"),
        (lambda: AmbienceSpec((), (1, 1, 1), (1, 1, 1), (0, 0, 1), occlusion=2.0), "occlusion"),
        (
            lambda: replace(
                sample_scene(0), objects=(THING, replace(THING, shape=ShapeSpec((1, 1, 0.8))))
            ),
            "share their shape.*small mug",
        ),
    ],
)
def test_what_is_not_allowed_is_named(call, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=words):
        call()
