# SPDX-License-Identifier: Apache-2.0
"""The renderer; skipped only where no OpenGL back end can be started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refseg_lab.simulation import (
    Frame,
    SceneSpec,
    SurfaceSpec,
    TabletopRenderer,
    sample_scene,
)
from refseg_lab.simulation.benchmark import SIZE
from refseg_lab.simulation.bundle import bundled_scenes
from refseg_lab.simulation.dataset import join_datasets, write_dataset
from refseg_lab.simulation.scene import SensorSpec
from refseg_lab.simulation.sensor import decode_jpeg
from refseg_ros.errors import ConfigError


def world_points(frame: Frame) -> np.ndarray:
    v, u = np.mgrid[: frame.depth.shape[0], : frame.depth.shape[1]]
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(frame.intrinsics).T
    points = rays * frame.depth[..., None]
    return points @ frame.camera_pose[:3, :3].T + frame.camera_pose[:3, 3]


def test_frame_has_the_promised_shapes(renderer: TabletopRenderer) -> None:
    spec = sample_scene(1)
    frame = renderer.render(spec)
    assert (frame.rgb.shape, frame.rgb.dtype) == ((240, 320, 3), np.uint8)
    assert (frame.depth.shape, frame.depth.dtype) == ((240, 320), np.float32)
    assert (frame.instances.shape, frame.instances.dtype) == ((240, 320), np.uint8)
    assert np.isfinite(frame.depth).all()
    assert set(np.unique(frame.instances)) <= set(range(len(spec.objects) + 1))
    assert sum(frame.areas(len(spec.objects))) == np.count_nonzero(frame.instances)


def test_a_spec_always_gives_the_same_frame(renderer: TabletopRenderer) -> None:
    first = renderer.render(sample_scene(2))
    renderer.render(sample_scene(3))
    again = renderer.render(sample_scene(2))
    np.testing.assert_array_equal(first.rgb, again.rgb)
    np.testing.assert_array_equal(first.depth, again.depth)
    np.testing.assert_array_equal(first.instances, again.instances)


def test_the_picture_is_what_the_sensors_file_decodes_to(renderer: TabletopRenderer) -> None:
    spec = replace(sample_scene(2), sensor=SensorSpec(noise=2.0, jpeg=60, seed=3))
    frame = renderer.render(spec)
    np.testing.assert_array_equal(frame.rgb, decode_jpeg(frame.jpeg))
    ideal = renderer.render(replace(spec, sensor=SensorSpec()))
    assert ideal.jpeg == b""
    assert 0.5 < np.abs(frame.rgb.astype(int) - ideal.rgb).mean() < 6.0
    np.testing.assert_array_equal(frame.instances, ideal.instances)


def test_a_soft_light_blurs_the_edges_of_shadows_and_keeps_its_light(
    renderer: TabletopRenderer,
) -> None:
    plain = SurfaceSpec("plain", (0.6, 0.6, 0.6), (0.6, 0.6, 0.6), 1, 1.0)
    spec = replace(sample_scene(2), sensor=SensorSpec(), table=plain)
    hard, soft = (
        renderer.render(replace(spec, light=replace(spec.light, softness=softness)))
        for softness in (0.0, 0.08)
    )
    table = (hard.instances == 0) & (np.abs(world_points(hard)[..., 2]) < 1e-3)
    one, two = (frame.rgb[..., 1][table].astype(int) for frame in (hard, soft))
    assert abs(one.mean() - two.mean()) < 4.0
    # Between full light and full shadow a hard edge has next to nothing.
    low, high = np.quantile(one, 0.02), np.quantile(one, 0.9)
    assert high - low > 20
    between = [np.mean((v > low + 8) & (v < high - 8)) for v in (one, two)]
    assert between[1] > 1.5 * between[0]


def test_depth_and_pose_put_the_table_top_at_zero(renderer: TabletopRenderer) -> None:
    spec = replace(sample_scene(4), objects=())
    frame = renderer.render(spec)
    assert not frame.instances.any()
    points = world_points(frame)
    x, y, z = np.moveaxis(points, -1, 0)
    on_table = (abs(x) < spec.table_size[0] - 0.02) & (abs(y) < spec.table_size[1] - 0.02)
    on_table &= z > -0.3
    assert on_table.mean() > 0.4
    assert np.abs(z[on_table]).max() < 1e-4


def test_masks_lie_where_single_objects_change_the_picture(renderer: TabletopRenderer) -> None:
    spec = sample_scene(5)
    full = renderer.render(spec)
    for k in range(len(spec.objects)):
        rest = tuple(item for index, item in enumerate(spec.objects) if index != k)
        without = renderer.render(replace(spec, objects=rest))
        nearer = full.depth < without.depth - 1e-4
        mask = full.instances == k + 1
        assert (nearer == mask).mean() > 0.999
        assert (mask & nearer).sum() > 0.97 * mask.sum()


def test_moving_the_camera_moves_the_picture_and_not_the_world(renderer: TabletopRenderer) -> None:
    spec = sample_scene(6)
    moved = spec.with_camera(spec.camera.swayed(4.0))
    before, after = renderer.render(spec), renderer.render(moved)
    assert (before.rgb != after.rgb).any()
    for k in range(len(spec.objects)):
        one = world_points(before)[before.instances == k + 1]
        two = world_points(after)[after.instances == k + 1]
        if min(len(one), len(two)) > 200:
            assert np.linalg.norm(one.mean(axis=0) - two.mean(axis=0)) < 0.03


def test_a_bundled_scene_is_rendered_alike_here(renderer: TabletopRenderer) -> None:
    scene = bundled_scenes()[0]
    with TabletopRenderer(*SIZE) as full:
        frame = full.render(scene.spec)
    np.testing.assert_array_equal(frame.instances, scene.frame.instances)
    # Drivers differ by a few grey levels and at rims.
    difference = np.abs(frame.rgb.astype(int) - scene.frame.rgb.astype(int))
    assert difference.mean() < 6.0
    assert np.median(np.abs(frame.depth - scene.frame.depth)) < 0.001


def test_sizes_and_use_after_close_are_refused(renderer: TabletopRenderer) -> None:
    with pytest.raises(ValueError, match=r"width must lie in 16\.\.2048 pixels, got 8"):
        TabletopRenderer(8, 240)
    closed = TabletopRenderer(64, 48)
    closed.close()
    closed.close()
    with pytest.raises(RuntimeError, match="closed"):
        closed.render(sample_scene(0))


def test_a_data_set_holds_what_its_lines_say(renderer: TabletopRenderer, tmp_path: Path) -> None:
    steps = list(write_dataset(tmp_path, 22, 50, 320, 240, 1))
    assert steps == [20, 22]
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    instances = np.load(tmp_path / "instances.npy", mmap_mode="r")
    lines = (tmp_path / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
    assert images.shape == (22, 240, 320, 3)
    assert len(lines) == 22
    for index in (0, 21):
        record = json.loads(lines[index])
        spec = SceneSpec.from_json(json.dumps(record["spec"]))
        assert spec == sample_scene(50 + index)
        frame = renderer.render(spec)
        np.testing.assert_array_equal(images[index], frame.rgb)
        np.testing.assert_array_equal(instances[index], frame.instances)
        assert tuple(record["areas"]) == frame.areas(len(spec.objects))


@pytest.mark.parametrize(("name", "value"), [("scenes", 0), ("seed", -1), ("workers", 0)])
def test_a_data_set_needs_sensible_numbers(name: str, value: int, tmp_path: Path) -> None:
    numbers = {"scenes": 1, "seed": 0, "workers": 1, name: value}
    with pytest.raises(ValueError, match=f"{name} must be at least"):
        next(write_dataset(tmp_path, width=64, height=48, **numbers))


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    without = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "DISPLAY")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**without, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("choice", ["disable", "glfw"])
def test_a_missing_back_end_is_explained(choice: str) -> None:
    pytest.importorskip("mujoco")
    code = "from refseg_lab.simulation import TabletopRenderer; TabletopRenderer(64, 48)"
    run = run_python(code, MUJOCO_GL=choice, WAYLAND_DISPLAY="")
    assert run.returncode != 0
    assert "RendererUnavailable" in run.stderr
    assert "libegl1 libegl-mesa0 libgl1-mesa-dri" in run.stderr


@pytest.mark.usefixtures("renderer")
def test_mujoco_may_have_been_imported_before() -> None:
    code = (
        "import mujoco\n"
        "from refseg_lab.simulation import TabletopRenderer, sample_scene\n"
        "with TabletopRenderer(64, 48) as renderer:\n"
        "    print(renderer.render(sample_scene(0)).rgb.any())\n"
    )
    run = run_python(code)
    assert run.stdout.strip() == "True", run.stderr


def test_an_unusable_back_end_is_named() -> None:
    code = """
from refseg_lab.simulation import RendererUnavailable, TabletopRenderer
try:
    TabletopRenderer(32, 32)
except RendererUnavailable as error:
    print(error)
"""
    env = {**os.environ, "MUJOCO_GL": "nonsense"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60
    )
    assert "MUJOCO_GL='nonsense'" in ran.stdout, ran.stderr
    assert "apt install" in ran.stdout


def test_scenes_of_several_folders_are_joined(tmp_path: Path) -> None:
    for name, count, seed in (("one", 3, 50), ("two", 2, 70)):
        list(write_dataset(tmp_path / name, count, seed, 64, 48, 1))
    joined = tmp_path / "joined"
    assert join_datasets(joined, [(tmp_path / "one", 1), (tmp_path / "two", None)]) == 3
    for name in ("images", "instances"):
        one, two, both = (
            np.load(tmp_path / folder / f"{name}.npy") for folder in ("one", "two", "joined")
        )
        assert (both == np.concatenate([one[:1], two])).all()
    seeds = [
        json.loads(line)["spec"]["seed"]
        for line in (joined / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert seeds == [50, 70, 71]
    with pytest.raises(ConfigError, match="has 2 scenes, not 9"):
        join_datasets(joined, [(tmp_path / "two", 9)])
    with pytest.raises(ConfigError, match="cannot be read"):
        join_datasets(joined, [(tmp_path / "none", None)])
    list(write_dataset(tmp_path / "small", 1, 0, 32, 24, 1))
    with pytest.raises(ConfigError, match="of another size"):
        join_datasets(joined, [(tmp_path / "one", 1), (tmp_path / "small", 1)])
