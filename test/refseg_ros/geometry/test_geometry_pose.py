# SPDX-License-Identifier: Apache-2.0
"""Poses of boxes and cylinders whose depth images are worked out by ray casting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refseg_lab.simulation.ranging import RangeSpec, depth_image, ranged
from refseg_lab.simulation.rasteriser import rasterise
from refseg_lab.simulation.sampling import sample_scene
from refseg_ros.geometry import (
    MIN_POINTS,
    NO_DEPTH,
    Lens,
    Plane,
    deproject,
    organised_cloud,
    pose_of,
)

SIZE = (180, 240)
K = np.array([[260.0, 0.0, 119.5], [0.0, 260.0, 89.5], [0.0, 0.0, 1.0]])

Depth = NDArray[np.float32]
Mask = NDArray[np.bool_]


def view(tilt: float, distance: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation and place in the world, z up, of a camera that looks at its origin."""
    forward = np.array([0.0, np.cos(tilt), -np.sin(tilt)])
    right = np.array([1.0, 0.0, 0.0])
    return np.stack([right, np.cross(forward, right), forward], 1), -distance * forward


def seen(
    kind: str, sides: tuple[float, float, float], yaw: float, tilt: float, distance: float
) -> tuple[Mask, Depth]:
    """Mask and depth of a box or a cylinder (sides[0] across) that stands at the origin."""
    turn, place = view(tilt, distance)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    pixels = np.stack([columns, rows, np.ones(SIZE)], -1)
    rays = pixels @ np.linalg.inv(K).T @ turn.T
    table = np.where(rays[..., 2] < -1e-6, -place[2] / np.minimum(rays[..., 2], -1e-6), np.inf)
    cos, sin = np.cos(yaw), np.sin(yaw)
    own = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    start, step = own @ place, rays @ own.T
    low, high = np.array([-sides[0], -sides[1], 0.0]) / 2, np.array(sides) / 2
    high[2] = sides[2]
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = (low - start) / step, (high - start) / step
    enter, leave = np.minimum(one, two), np.maximum(one, two)
    if kind == "cylinder":
        a = (step[..., :2] ** 2).sum(-1)
        b = (step[..., :2] * start[:2]).sum(-1)
        root = b**2 - a * ((start[:2] ** 2).sum() - (sides[0] / 2) ** 2)
        span = np.sqrt(np.maximum(root, 0))
        miss = root < 0
        enter = np.stack([np.where(miss, np.inf, (-b - span) / a), enter[..., 2]], -1)
        leave = np.stack([np.where(miss, -np.inf, (-b + span) / a), leave[..., 2]], -1)
    hit = enter.max(-1)
    mask = (hit < leave.min(-1)) & (hit > 0)
    # The rays advance one metre along the optical axis a unit.
    return mask, np.where(mask, hit, np.where(np.isfinite(table), table, 0)).astype(np.float32)


@settings(max_examples=15, deadline=None)
@given(
    st.floats(0.05, 0.14), st.floats(0.4, 1.0), st.floats(0.03, 0.12), st.floats(-3.1, 3.1),
    st.floats(0.5, 1.2), st.floats(0.5, 1.0),
)  # fmt: skip
def test_boxes_are_measured(
    length: float, share: float, tall: float, yaw: float, tilt: float, distance: float
) -> None:
    sides = (length, share * length, tall)
    mask, depth = seen("box", sides, yaw, tilt, distance)
    pose, reason = pose_of(mask, depth, K)
    assert pose is not None, reason
    turn, place = view(tilt, distance)
    middle = turn @ pose.centre + place
    assert np.linalg.norm(middle - (0, 0, tall / 2)) < 0.01
    assert np.abs(np.sort(pose.size[:2]) - np.sort(sides[:2])).max() < 0.012
    assert pose.size[2] == pytest.approx(tall, abs=0.006)
    assert pose.height == pytest.approx(tall, abs=0.006)
    assert pose.rotation.T @ pose.rotation == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(pose.rotation) == pytest.approx(1.0)
    assert (turn @ pose.rotation)[:, 2] == pytest.approx([0, 0, 1], abs=0.01)
    assert pose.rotation[0, 0] > -1e-6
    if share < 0.8:
        along = turn @ pose.rotation[:, 0]
        assert abs(along @ (np.cos(yaw), np.sin(yaw), 0.0)) > np.cos(np.deg2rad(6))


@settings(max_examples=10, deadline=None)
@given(
    st.floats(0.05, 0.12), st.floats(0.03, 0.1), st.floats(0.7, 1.2), st.floats(0.6, 0.8),
    st.integers(0, 1000),
)  # fmt: skip
def test_cylinders_are_measured_under_noise_and_holes(
    across: float, tall: float, tilt: float, distance: float, seed: int
) -> None:
    mask, depth = seen("cylinder", (across, across, tall), 0.0, tilt, distance)
    rough = ranged(depth, RangeSpec(), np.random.default_rng(seed))
    rough[::7, ::5] = np.nan
    pose, reason = pose_of(mask, rough, K)
    assert pose is not None, reason
    turn, place = view(tilt, distance)
    assert np.linalg.norm(turn @ pose.centre + place - (0, 0, tall / 2)) < 0.015
    assert pose.size == pytest.approx([across, across, tall], abs=0.016)
    # Pixels at rims are left out.
    assert pose.points < mask.sum()


def test_a_mask_over_the_rim_does_not_move_the_box() -> None:
    mask, depth = seen("box", (0.1, 0.06, 0.05), 0.4, 0.7, 0.7)
    wide = mask.copy()
    for shift in (-2, -1, 1, 2):
        for axis in (0, 1):
            wide |= np.roll(mask, shift, axis)
    clean, rough = pose_of(mask, depth, K)[0], pose_of(wide, depth, K)[0]
    assert clean is not None
    assert rough is not None
    assert rough.centre == pytest.approx(clean.centre, abs=0.006)
    assert rough.size == pytest.approx(clean.size, abs=0.012)


def test_the_same_pixels_give_the_same_pose() -> None:
    mask, depth = seen("cylinder", (0.08, 0.08, 0.1), 0.0, 0.7, 0.7)
    one, two = pose_of(mask, depth, K)[0], pose_of(mask, depth, K)[0]
    assert one is not None
    assert two is not None
    assert np.array_equal(one.rotation, two.rotation)
    assert np.array_equal(one.centre, two.centre)
    x, y, z, w = one.quaternion
    assert np.linalg.norm([x, y, z, w]) == pytest.approx(1.0)
    assert w >= 0


def test_what_carries_a_thing_is_no_part_of_it() -> None:
    mask, depth = seen("box", (0.06, 0.06, 0.06), 0.2, 0.8, 0.7)
    turn, place = view(0.8, 0.7)
    normal = turn.T @ (0.0, 0.0, 1.0)
    # The floor lies 20 cm under the table top on which it is seen to stand.
    floor = Plane(normal, float(place[2]) + 0.2)
    pose, reason = pose_of(mask, depth, K, floor)
    assert pose is not None, reason
    assert pose.size[2] == pytest.approx(0.06, abs=0.006)
    assert pose.height == pytest.approx(0.26, abs=0.006)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -1.0])
def test_without_depth_there_is_a_reason(value: float) -> None:
    mask, depth = seen("box", (0.06, 0.06, 0.06), 0.2, 0.8, 0.7)
    pose, reason = pose_of(mask, np.full_like(depth, value), K)
    assert pose is None
    assert f"only 0 of the mask's {mask.sum()} pixels" in reason
    assert str(MIN_POINTS) in reason
    pose, reason = pose_of(mask, np.where(mask, depth, value).astype(np.float32), K)
    assert pose is None
    assert "no plane" in reason
    assert pose_of(np.zeros_like(mask), depth, K)[0] is None


@pytest.mark.parametrize("grow", [0, 2, 4])
@pytest.mark.parametrize("kind", ["missing", "a tenth is there", "glass", "65535", "millimetres"])
def test_depth_that_is_not_the_things_own_makes_no_pose(kind: str, grow: int) -> None:
    mask, depth = seen("box", (0.08, 0.07, 0.1), 0.3, 0.8, 0.7)
    turn, place = view(0.8, 0.7)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    rays = np.stack([columns, rows, np.ones(SIZE)], -1) @ np.linalg.inv(K).T @ turn.T
    table = (-place[2] / rays[..., 2]).astype(np.float32)
    there = np.random.default_rng(0).random(SIZE) < 0.1
    depth = {
        "missing": np.where(mask, 0, depth),
        "a tenth is there": np.where(mask & ~there, 0, depth),
        "glass": table,
        "65535": np.where(mask, np.float32(65.535), depth),
        "millimetres": depth * 1000,
    }[kind].astype(np.float32)
    wide = np.pad(mask, grow)
    for axis in (0, 1):
        wide = np.any([np.roll(wide, k, axis) for k in range(-grow, grow + 1)], 0)
    wide = wide[grow : grow + SIZE[0], grow : grow + SIZE[1]]
    pose, reason = pose_of(wide, depth, K)
    assert pose is None
    # Glass has the depth of the table, as paper has: where that is may well be told.
    if kind == "glass":
        assert "clear as glass" in reason
    elif grow:
        assert reason.startswith(NO_DEPTH)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.floats(0.1, 3.0), st.sampled_from([0.0, np.nan, np.inf, -1.0, 65.5]),
    st.booleans(),
)  # fmt: skip
def test_any_depth_has_a_pose_or_a_reason(
    seed: int, scale: float, other: float, lens: bool
) -> None:
    rng = np.random.default_rng(seed)
    mask, depth = seen("box", (0.08, 0.07, 0.1), 0.3, 0.8, 0.7)
    depth = np.where(mask, depth * scale, depth)
    depth += rng.normal(0, rng.choice([0.0, 0.01, 0.5]), SIZE)
    depth[rng.random(SIZE) < rng.random()] = other
    bent = Lens((-0.35, 0.1, 0.0, 0.0)) if lens else None
    pose, reason = pose_of(mask, depth.astype(np.float32), K, lens=bent)
    assert (pose is None) is bool(reason)
    if pose is not None:
        assert np.isfinite([*pose.centre, *pose.size, pose.height, *pose.quaternion]).all()


@pytest.mark.parametrize(
    "lens", [Lens((-0.35, 0.1, 0.001, -0.001, 0.0)), Lens((0.05, 0.01, 0.0, 0.0), is_fisheye=True)]
)
def test_the_lens_of_an_image_that_is_not_rectified_is_taken_out(lens: Lens) -> None:
    """A box in the corner, as this lens shows it."""
    shift = np.array([[0.0, 0.0, 75.0], [0.0, 0.0, 50.0], [0.0, 0.0, 0.0]])
    matrix = K + shift * (1, 1, 1)
    mask, depth = seen("box", (0.08, 0.06, 0.1), 0.3, 0.8, 0.7)  # K's middle: matrix' corner
    wanted, reason = pose_of(mask, depth, matrix)
    assert wanted is not None, reason
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    pixels = np.stack([columns.ravel(), rows.ravel()], 1).astype(np.float64)
    rays = lens.straightened(pixels, matrix)
    found = np.rint(rays @ matrix[:2, :2].T + matrix[:2, 2]).reshape(*SIZE, 2)
    inside = ((found >= 0) & (found < (SIZE[1], SIZE[0]))).all(-1)
    x, y = np.where(inside[..., None], found, 0).astype(int).transpose(2, 0, 1)
    shown, far = mask[y, x] & inside, np.where(inside, depth[y, x], 0).astype(np.float32)
    ignored = pose_of(shown, far, matrix)[0]
    pose, reason = pose_of(shown, far, matrix, lens=lens)
    assert pose is not None, reason
    assert ignored is not None
    assert np.linalg.norm(ignored.centre - wanted.centre) > 0.01
    assert pose.centre == pytest.approx(wanted.centre, abs=0.003)
    assert pose.size == pytest.approx(wanted.size, abs=0.005)
    cloud = organised_cloud(shown, far, matrix, lens)
    held = np.isfinite(cloud[..., 2])
    assert held.sum() == (shown & (far > 0)).sum()
    assert lens.bent(cloud[held].astype(np.float64), matrix) == pytest.approx(
        np.argwhere(held)[:, ::-1], abs=0.5
    )


def test_what_a_lens_cannot_show_has_no_ray() -> None:
    lens = Lens((-0.35, 0.0, 0.0, 0.0))
    wide = np.array([[200.0, 0.0, 320.0], [0.0, 200.0, 240.0], [0.0, 0.0, 1.0]])
    rays = lens.straightened(np.array([[320.0, 240.0], [0.0, 0.0]]), wide)
    assert rays[0] == pytest.approx([0.0, 0.0])
    assert np.isnan(rays[1]).all()
    mask, depth = np.ones((480, 640), np.bool_), np.ones((480, 640), np.float32)
    assert 0 < len(deproject(mask, depth, wide, lens)) < mask.sum()
    assert np.isnan(organised_cloud(mask, depth, wide, lens)[0, 0]).all()


def test_sizes_must_agree() -> None:
    mask, depth = seen("box", (0.06, 0.06, 0.06), 0.2, 0.8, 0.7)
    with pytest.raises(
        ValueError, match=r"expected the mask's size \(180, 240\), got \(90, 240\)"
    ):
        pose_of(mask, depth[::2], K)
    with pytest.raises(ValueError, match="expected the mask's size"):
        organised_cloud(mask, depth[::2], K)


def test_a_cloud_has_each_point_at_its_pixel() -> None:
    mask, depth = seen("box", (0.06, 0.06, 0.06), 0.2, 0.8, 0.7)
    depth[0, 0] = 0
    depth[np.nonzero(mask)[0][0], np.nonzero(mask)[1][0]] = np.nan
    cloud = organised_cloud(mask, depth, K)
    assert cloud.shape == (*SIZE, 3)
    assert cloud.dtype == np.float32
    held = np.isfinite(cloud[..., 2])
    assert held.sum() == mask.sum() - 1
    assert not held[~mask].any()
    assert cloud[held] == pytest.approx(deproject(held, depth, K), abs=1e-6)
    whole = organised_cloud(np.ones_like(mask), depth, K)
    assert np.isnan(whole[0, 0]).all()


def test_scenes_have_the_depth_of_what_is_nearest() -> None:
    spec = sample_scene(3)
    depth, shown = depth_image(spec, 160, 120), rasterise(spec, 160, 120)
    assert depth.dtype == np.float32
    world = deproject(depth > 0, depth, spec.camera.intrinsics(160, 120))
    pose = spec.camera.pose()
    heights = (world @ pose[:3, :3].T + pose[:3, 3])[:, 2]
    instances = shown.instances[depth > 0]
    assert np.abs(heights[instances == 0]).max() < 1e-5
    assert np.median(heights[instances > 0]) > 0.005


@pytest.mark.parametrize("wrong", [{"noise": -1.0}, {"holes": 1.0}, {"mixing": 2}, {"step": 0.0}])
def test_a_sensor_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="RangeSpec"):
        RangeSpec(**wrong)  # type: ignore[arg-type]
