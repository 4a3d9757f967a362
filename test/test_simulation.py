# SPDX-License-Identifier: Apache-2.0
"""Scenes, meshes and the bundled slice; nothing here needs OpenGL."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refseg_ros.simulation import CameraSpec, ObjectSpec, SceneSpec, SurfaceSpec, sample_scene
from refseg_ros.simulation.bundle import SCENES, SIZE, bundled_scenes
from refseg_ros.simulation.catalogue import CATEGORIES, COLOURS, footprint, parts
from refseg_ros.simulation.dataset import HELD_OUT_SEED
from refseg_ros.simulation.expressions import refer
from refseg_ros.simulation.primitives import (
    Mesh,
    block,
    cylinder,
    ellipsoid,
    lathe,
    signed_volume,
    tube,
)
from refseg_ros.simulation.sampling import footprint_corners, separated
from refseg_ros.simulation.scene import PATTERNS
from refseg_ros.simulation.textures import paint

SEEDS = st.integers(min_value=0, max_value=2**31)


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_spec_survives_json_and_the_seed_decides_it(seed: int) -> None:
    spec = sample_scene(seed)
    assert SceneSpec.from_json(spec.to_json()) == spec
    assert sample_scene(seed) == spec


def test_different_seeds_give_different_scenes() -> None:
    assert len({sample_scene(seed).to_json() for seed in range(50)}) == 50


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_objects_stand_apart_and_in_view(seed: int) -> None:
    spec = sample_scene(seed)
    assert 3 <= len(spec.objects) <= 9
    corners = [footprint_corners(item) for item in spec.objects]
    for k, one in enumerate(corners):
        assert all(separated(one, other, 0.0) for other in corners[k + 1 :])
    pose, camera = spec.camera.pose(), spec.camera.intrinsics(480, 360)
    for item in spec.objects:
        assert abs(item.position[0]) < spec.table_size[0]
        assert abs(item.position[1]) < spec.table_size[1]
        local = pose[:3, :3].T @ (np.array([*item.position, 0.0]) - pose[:3, 3])
        u, v, w = camera @ local
        assert w > 0.0
        assert 0.0 <= u / w <= 479.0
        assert 0.0 <= v / w <= 359.0


def test_touching_rectangles_are_not_separated_by_a_gap() -> None:
    square = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
    assert separated(square, square + np.array((1.5, 0.0)), 0.5)
    assert not separated(square, square + np.array((1.4, 0.0)), 0.5)
    assert not separated(square, square + np.array((0.5, 0.5)), 0.0)
    diamond = np.array([(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)])
    # The bounding boxes of these two overlap, the shapes do not.
    assert separated(square, diamond + np.array((-0.3, -0.9)), 0.0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sample_scene(-1), "seed"),
        (lambda: sample_scene(0, 5, 4), "min_objects"),
        (lambda: sample_scene(0, 1, 99), "max_objects"),
        (lambda: CameraSpec((0, 0, 0), 0.0, 2.0, 1.0, 0.7), "elevation"),
        (lambda: CameraSpec((0, 0, 0), 0.0, 1.0, math.nan, 0.7), "distance"),
        (lambda: CameraSpec((0, 0, 0), 0.0, 1.0, 1.0, 0.0), "fovy"),
        (
            lambda: ObjectSpec("unicorn", "red", "small", (0, 0), 0.0, (1, 0, 0)),
            "category.*unicorn",
        ),
        (lambda: SurfaceSpec("tartan", (0, 0, 0), (1, 1, 1), 0, 1.0), "pattern.*tartan"),
        (lambda: parts("unicorn"), "category.*unicorn"),
        (lambda: SceneSpec.from_json("{}"), "SceneSpec"),
        (lambda: SceneSpec.from_json("nonsense"), "Expecting value"),
    ],
)
def test_bad_input_is_named(call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_camera_looks_at_its_target() -> None:
    # From (0, -1, 1) to the origin: 45 degrees down along +y.
    camera = CameraSpec((0, 0, 0), math.radians(-90), math.radians(45), math.sqrt(2), 0.8)
    np.testing.assert_allclose(camera.position, (0.0, -1.0, 1.0), atol=1e-12)
    half = math.sqrt(0.5)
    expected = np.array([(1, 0, 0, 0), (0, -half, half, -1), (0, -half, -half, 1), (0, 0, 0, 1)])
    np.testing.assert_allclose(camera.pose(), expected, atol=1e-12)
    # Half the height spans half the field of view.
    focal = camera.intrinsics(200, 101)[0, 0]
    assert math.isclose(math.atan2(50.5, focal), 0.4)


def test_swaying_starts_at_the_view_and_keeps_the_distance() -> None:
    camera = sample_scene(3).camera
    assert camera.swayed(0.0) == camera
    moved = camera.swayed(4.0)
    assert moved.azimuth != camera.azimuth
    distance = np.linalg.norm(moved.position - np.asarray(moved.target))
    assert math.isclose(float(distance), camera.distance)
    assert sample_scene(3).with_camera(moved).camera == moved


def unbalanced_edges(mesh: Mesh) -> int:
    """Directed edges without an opposite one, after joining vertices at one place."""
    _, index = np.unique(np.round(mesh.vertices, 7), axis=0, return_inverse=True)
    faces = index.reshape(-1)[mesh.faces]
    edges: Counter[tuple[int, int]] = Counter()
    for a, b in ((0, 1), (1, 2), (2, 0)):
        edges.update(zip(faces[:, a].tolist(), faces[:, b].tolist(), strict=True))
    return sum(count != edges[b, a] for (a, b), count in edges.items() if a != b)


@pytest.mark.parametrize("name", list(CATEGORIES))
def test_meshes_are_closed_wound_outwards_and_stand_on_the_table(name: str) -> None:
    solid = [mesh for mesh in parts(name) if mesh is not None]
    for mesh in solid:
        assert signed_volume(mesh) > 0.0
        assert unbalanced_edges(mesh) == 0
    lowest = min(float(mesh.vertices[:, 2].min()) for mesh in solid)
    assert -1e-9 <= lowest <= 0.01
    x0, y0, x1, y1 = footprint(name)
    assert 0.05 < max(x1 - x0, y1 - y0) < 0.25


def test_an_accent_has_a_colour_and_only_then() -> None:
    for name, category in CATEGORIES.items():
        assert (parts(name)[1] is None) == (category.accent is None), name


def test_volumes_of_primitives() -> None:
    assert math.isclose(signed_volume(block((2.0, 3.0, 4.0))), 24.0)
    assert math.isclose(signed_volume(cylinder(1.0, 0.0, 2.0, 400)), 2 * math.pi, rel_tol=1e-3)
    ball = ellipsoid((1.0, 2.0, 3.0), 100, 200)
    assert math.isclose(signed_volume(ball), 8 * math.pi, rel_tol=2e-3)
    cone = lathe([(0, 0), (3, 0), (0, 2)], 400)
    assert math.isclose(signed_volume(cone), 6 * math.pi, rel_tol=1e-3)
    angles = np.arange(200) * (2 * math.pi / 200)
    circle = np.stack([3 * np.cos(angles), 3 * np.sin(angles), np.zeros(200)], -1)
    torus = tube(circle, np.ones(200), 200, closed=True)
    assert math.isclose(signed_volume(torus), 6 * math.pi**2, rel_tol=2e-3)


def test_colours_are_well_apart() -> None:
    values = np.array(list(COLOURS.values()))
    gaps = np.linalg.norm(values[:, None] - values[None], axis=-1) + np.eye(len(values))
    assert gaps.min() > 0.3


@pytest.mark.parametrize("pattern", PATTERNS)
def test_textures_follow_from_their_spec(pattern: str) -> None:
    surface = SurfaceSpec(pattern, (0.2, 0.3, 0.4), (0.8, 0.7, 0.6), 5, 1.0)
    pixels = paint(surface)
    assert pixels.shape == (256, 256, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, paint(surface))
    other = paint(SurfaceSpec(pattern, (0.2, 0.3, 0.4), (0.8, 0.7, 0.6), 6, 1.0))
    assert (pixels != other).any()


def test_bundle_is_whole_and_agrees_with_itself() -> None:
    scenes = bundled_scenes()
    assert [scene.spec.seed for scene in scenes] == [HELD_OUT_SEED + k for k in range(SCENES)]
    for scene in scenes:
        frame, spec = scene.frame, scene.spec
        width, height = SIZE
        assert (frame.rgb.shape, frame.rgb.dtype) == ((height, width, 3), np.uint8)
        assert (frame.depth.shape, frame.depth.dtype) == ((height, width), np.float32)
        assert (frame.instances.shape, frame.instances.dtype) == ((height, width), np.uint8)
        assert spec == sample_scene(spec.seed)
        assert frame.instances.max() <= len(spec.objects)
        np.testing.assert_allclose(frame.intrinsics, spec.camera.intrinsics(width, height))
        assert scene.referrals == tuple(refer(spec, frame))
        assert json.loads(spec.to_json())["seed"] == spec.seed


def test_bundled_depth_puts_objects_where_the_spec_says() -> None:
    for scene in bundled_scenes():
        frame = scene.frame
        v, u = np.mgrid[: frame.depth.shape[0], : frame.depth.shape[1]]
        rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(frame.intrinsics).T
        points = rays * frame.depth[..., None]
        points = points @ frame.camera_pose[:3, :3].T + frame.camera_pose[:3, 3]
        for k, item in enumerate(scene.spec.objects):
            seen = points[frame.instances == k + 1]
            reach = np.hypot(*(np.abs(footprint_corners(item) - item.position).max(axis=0)))
            flat = np.linalg.norm(seen[:, :2] - item.position, axis=1)
            assert (flat < reach + 0.004).all()
            assert (seen[:, 2] > -0.004).all()
            assert (seen[:, 2] < 0.22).all()


def test_bundled_pictures_show_the_colours_of_the_spec() -> None:
    # The light keeps the hue, so things of one colour must look like what they are called.
    checked = 0
    for scene in bundled_scenes():
        for k, item in enumerate(scene.spec.objects):
            pixels = scene.frame.rgb[scene.frame.instances == k + 1]
            plain = CATEGORIES[item.category].accent is None and len(pixels) > 500
            if plain and item.colour in ("red", "green", "blue"):
                channel = ("red", "green", "blue").index(item.colour)
                assert np.mean(pixels.argmax(axis=1) == channel) > 0.9, (scene.name, item.name)
                checked += 1
    assert checked >= 5
