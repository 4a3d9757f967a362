# SPDX-License-Identifier: Apache-2.0
"""The integer rasteriser against hand-made triangles and against OpenGL."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refseg_lab.simulation import (
    CameraSpec,
    ObjectSpec,
    RendererUnavailable,
    SceneSpec,
    TabletopRenderer,
    sample_scene,
)
from refseg_lab.simulation.rasteriser import NEAR_METRES, covered_pixels, rasterise

# One metre away, one pixel is 1/10 m and pixel (0, 0) has its centre on the axis.
SIMPLE = np.array([[10.0, 0.0, 0.0], [0.0, 10.0, 0.0], [0.0, 0.0, 1.0]])


def drawn(points: list[tuple[float, float]], width: int = 8, height: int = 6) -> np.ndarray:
    """How often each pixel is covered by triangles given as corners in pixels, one metre away."""
    flat = np.asarray(points, np.float64).reshape(-1, 3, 2) / 10.0
    corners = np.concatenate([flat, np.ones((*flat.shape[:2], 1))], -1)
    hits = np.zeros(width * height, int)
    for pixels, _ in covered_pixels(corners, SIMPLE, width, height):
        np.add.at(hits, pixels, 1)
    return hits.reshape(height, width)


def test_a_triangle_owns_the_centres_on_its_top_and_left_edges_alone() -> None:
    # Corners (1, 1), (1, 4), (4, 1): the diagonal through (3, 2) and (2, 3) is a right edge.
    hits = drawn([(1, 1), (1, 4), (4, 1)])
    expected = np.zeros((6, 8), int)
    expected[1, 1:4] = 1
    expected[2, 1:3] = 1
    expected[3, 1] = 1
    np.testing.assert_array_equal(hits, expected)


def test_a_triangle_seen_from_behind_or_without_area_is_not_drawn() -> None:
    assert not drawn([(1, 1), (4, 1), (1, 4)]).any()
    assert not drawn([(1, 1), (2, 2), (4, 4)]).any()


def test_what_lies_outside_the_picture_is_cut_off() -> None:
    assert drawn([(-50, -50), (-50, 90), (90, -50)]).tolist() == np.ones((6, 8), int).tolist()


def test_the_plane_behind_the_camera_is_not_drawn() -> None:
    corners = np.array([[[0.0, 0.0, -1.0], [0.0, 0.3, -1.0], [0.3, 0.0, 1.0]]])
    assert list(covered_pixels(corners, SIMPLE, 8, 6)) == []
    corners[..., 2] = NEAR_METRES / 2
    assert list(covered_pixels(corners, SIMPLE, 8, 6)) == []


inside = st.tuples(st.floats(-3.0, 19.0), st.floats(-3.0, 15.0))


@given(st.lists(inside, min_size=1, max_size=1))
@settings(max_examples=60, deadline=None)
def test_a_fan_over_a_rectangle_covers_each_pixel_once(middle: list[tuple[float, float]]) -> None:
    # Whatever point inside a rectangle its four triangles meet in, they share only edges.
    x, y = (min(max(v, 0.5), top) for v, top in zip(middle[0], (14.5, 10.5), strict=True))
    ring = [(0.0, 0.0), (0.0, 11.0), (15.0, 11.0), (15.0, 0.0)]
    fan = [p for k in range(4) for p in (ring[k], ring[(k + 1) % 4], (x, y))]
    hits = drawn(fan, 18, 14)
    expected = np.zeros((14, 18), int)
    expected[:11, :15] = 1
    np.testing.assert_array_equal(hits, expected)


def test_inverse_depth_is_interpolated() -> None:
    # u = 10 x / z: corners at pixels (0, 0), (0, 8), (8, 0) with 1/z = 1, 1, 1/2.
    corners = np.array([[[0.0, 0.0, 1.0], [0.0, 0.8, 1.0], [1.6, 0.0, 2.0]]])
    ((pixels, steps),) = covered_pixels(corners, SIMPLE, 8, 8)
    found = dict(zip(pixels.tolist(), (steps / float(1 << 24)).tolist(), strict=True))
    assert found[0] == pytest.approx(1.0, abs=1e-6)
    assert found[4] == pytest.approx(0.75, abs=1e-6)
    assert found[8] == pytest.approx(1.0, abs=1e-6)


def cube_scene(*heights: float) -> SceneSpec:
    """Cubes over one another, seen from straight enough above that the upper hides the lower."""
    camera = CameraSpec((0.0, 0.0, 0.0), 0.0, math.radians(89.0), 1.0, math.radians(40.0))
    cubes = tuple(
        ObjectSpec("cube", "red", size, (0.0, 0.0), 0.0, (1.0, 0.0, 0.0), height=height)
        for size, height in zip(("small", "large"), heights, strict=True)
    )
    return replace(sample_scene(0), objects=cubes, camera=camera)


def test_the_nearer_object_hides_the_other_and_full_areas_do_not_care() -> None:
    result = rasterise(cube_scene(0.0, 0.2), 160, 120)
    assert set(np.unique(result.instances)) == {0, 2}
    alone = replace(cube_scene(0.0, 0.2), objects=cube_scene(0.0, 0.2).objects[:1])
    assert result.full_areas[0] == rasterise(alone, 160, 120).full_areas[0] > 80
    assert result.full_areas[1] == np.count_nonzero(result.instances == 2)


def test_of_equals_the_first_object_wins() -> None:
    scene = cube_scene(0.0, 0.0)
    twins = (scene.objects[1], scene.objects[1])
    result = rasterise(replace(scene, objects=twins), 160, 120)
    assert set(np.unique(result.instances)) == {0, 1}
    assert result.full_areas[0] == result.full_areas[1]


def test_ids_are_the_same_again_and_have_the_right_size() -> None:
    spec = cube_scene(0.0, 0.1)
    first, again = rasterise(spec, 64, 48), rasterise(spec, 64, 48)
    np.testing.assert_array_equal(first.instances, again.instances)
    # A large cube (0.08784 m) whose top is 0.18784 m up: side 65.9 px m * 0.08784 m / 0.812 m.
    side = 24.0 / math.tan(math.radians(20.0)) * 0.08784 / (1.0 - 0.18784)
    assert np.count_nonzero(first.instances == 2) == pytest.approx(side**2, rel=0.12)


def test_ids_do_not_depend_on_how_the_processor_multiplies() -> None:
    code = (
        "import hashlib\n"
        "from refseg_lab.simulation import sample_scene\n"
        "from refseg_lab.simulation.rasteriser import rasterise\n"
        "shown = [rasterise(sample_scene(seed), 320, 240).instances for seed in range(8)]\n"
        "print(hashlib.sha256(b''.join(ids.tobytes() for ids in shown)).hexdigest())\n"
    )
    # Kernels with and without fused multiply-add round differently.
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "OPENBLAS_CORETYPE": core},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for core in ("Prescott", "Haswell")
    }
    assert len(found) == 1
    assert len(found.pop().strip()) == 64


def test_sides_are_checked() -> None:
    with pytest.raises(ValueError, match="width must be at least 1 pixel, got 0"):
        rasterise(sample_scene(0), 0, 10)


@pytest.mark.parametrize("seed", [3, 11])
def test_opengl_agrees(seed: int) -> None:
    """Where an object is nearer than the empty scene, its silhouette is what OpenGL drew."""
    spec = sample_scene(seed)
    try:
        renderer = TabletopRenderer(320, 240)
    except RendererUnavailable as error:
        pytest.skip(str(error))
    with renderer:
        full = renderer.render(spec)
        empty = renderer.render(replace(spec, objects=()))
    drawn_by_gl = full.depth < empty.depth - 1e-4
    ours = full.instances > 0
    union = np.count_nonzero(drawn_by_gl | ours)
    assert np.count_nonzero(drawn_by_gl & ours) > 0.99 * union
