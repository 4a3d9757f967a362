# SPDX-License-Identifier: Apache-2.0
"""Grasps on hand-made clouds, the arm's kinematics, the collision shapes, and one real pick."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from checkout import ROOT
from numpy.typing import NDArray

from refseg_lab.picking import GRIPPER, Box, plan_grasps, solid
from refseg_lab.picking import trials as trials_module
from refseg_lab.picking.collision import clip, convex_pieces
from refseg_lab.picking.picking import judge_pick
from refseg_lab.picking.trials import PickOutcome, choose_tasks, own_task, pick_summary
from refseg_lab.simulation import Frame, ObjectSpec, SceneSpec, sample_scene
from refseg_lab.simulation.catalogue import CATEGORIES
from refseg_lab.simulation.rasteriser import rasterise
from refseg_ros.geometry import organised_cloud, pose_of

Points = NDArray[np.float64]
STEP = 0.004


def block(length: float, width: float, height: float, x: float = 0.0, y: float = 0.0) -> Points:
    """Top and sides of a block that stands on z = 0."""
    across = np.arange(-length / 2, length / 2 + STEP / 2, STEP)
    along = np.arange(-width / 2, width / 2 + STEP / 2, STEP)
    up = np.arange(STEP, height, STEP)
    sides = [
        *((a, b, height) for a in across for b in along),
        *((a, side * width / 2, z) for a in across for z in up for side in (-1, 1)),
        *((side * length / 2, b, z) for b in along for z in up for side in (-1, 1)),
    ]
    return np.array(sides) + np.array((x, y, 0.0))


def box(length: float, width: float, height: float) -> Box:
    return Box(np.array([0.0, 0.0, height / 2]), np.eye(3), np.array([length, width, height]))


def test_a_block_is_taken_across_its_width() -> None:
    grasps, reason = plan_grasps(block(0.12, 0.05, 0.06), box(0.12, 0.05, 0.06))
    best = grasps[0]
    assert reason == ""
    assert abs(best.closing[1]) > 0.99
    assert best.width == pytest.approx(0.05, abs=0.005)
    assert best.width < best.opening <= GRIPPER.opening
    assert np.linalg.norm(best.position[:2]) < 0.01
    assert 0.0 < best.position[2] < 0.04
    assert [g.score for g in grasps] == sorted((g.score for g in grasps), reverse=True)


def test_the_pose_points_down_and_closes_along_y() -> None:
    best = plan_grasps(block(0.12, 0.05, 0.06), box(0.12, 0.05, 0.06))[0][0]
    pose = best.pose(above=0.1)
    assert np.allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3))
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
    assert np.allclose(pose[:3, 2], (0, 0, -1))
    assert np.allclose(pose[:3, 1], best.closing)
    assert pose[2, 3] == pytest.approx(best.position[2] + 0.1)


def test_what_is_too_wide_is_left_with_its_width() -> None:
    grasps, reason = plan_grasps(block(0.2, 0.18, 0.04), box(0.2, 0.18, 0.04))
    assert grasps == []
    assert "180 mm wide, 140 mm" in reason


def test_a_flat_lens_is_left_to_others() -> None:
    spots = np.arange(-0.06, 0.0601, STEP)
    lens = np.array([(x, y, 0.015 - 3.5 * (x * x + y * y)) for x in spots for y in spots])
    lens = lens[lens[:, 2] > 0.0]
    grasps, reason = plan_grasps(lens, box(0.12, 0.12, 0.015))
    assert grasps == []
    assert "turn away" in reason


def test_a_wide_pot_is_taken_by_its_rim() -> None:
    angles = np.linspace(0, 2 * math.pi, 240, endpoint=False)
    rings = [(r, z) for z in np.arange(0.004, 0.09, STEP) for r in (0.085, 0.090)]
    floor = [(r, 0.006) for r in np.arange(0.0, 0.085, STEP)]
    pot = np.array(
        [(r * math.cos(a), r * math.sin(a), z) for r, z in rings + floor for a in angles]
    )
    grasps, _ = plan_grasps(pot, box(0.18, 0.18, 0.09))
    best = grasps[0]
    distance = float(np.linalg.norm(best.position[:2]))
    assert distance == pytest.approx(0.0875, abs=0.006)
    assert best.width < 0.02
    assert abs(best.closing[:2] @ best.position[:2]) / distance > 0.95
    assert best.position[2] > 0.006


def test_the_hidden_half_is_that_of_the_seen_one() -> None:
    rng = np.random.default_rng(0)
    ball = rng.normal(size=(6000, 3))
    ball = 0.04 * ball / np.linalg.norm(ball, axis=1)[:, None] + (0, 0, 0.04)
    seen = ball[(ball[:, 1] < 0.002) & (ball[:, 2] > 0.01)]
    table = np.array([(x, y, 0.0) for x in np.arange(-0.2, 0.2, 0.01) for y in (-0.1, -0.06)])
    best = plan_grasps(seen, box(0.08, 0.08, 0.08), table)[0][0]
    assert best.width == pytest.approx(0.08, abs=0.008)
    assert np.linalg.norm(best.position[:2]) < 0.015


def test_neighbours_are_not_hit() -> None:
    thing = block(0.06, 0.05, 0.06)
    sides = np.concatenate([block(0.1, 0.02, 0.08, y=side * 0.043) for side in (-1, 1)])
    grasps, _ = plan_grasps(thing, box(0.06, 0.05, 0.06), sides)
    assert grasps
    assert all(abs(grasp.closing[0]) > 0.8 for grasp in grasps)
    ends = np.concatenate([block(0.02, 0.1, 0.08, x=side * 0.045) for side in (-1, 1)])
    grasps, reason = plan_grasps(thing, box(0.06, 0.05, 0.06), np.concatenate([sides, ends]))
    assert grasps == []
    assert "no room for the fingers" in reason


def test_strays_and_unknown_points_do_not_matter() -> None:
    thing = block(0.12, 0.05, 0.06)
    strays = np.array([(0.5, 0.1, -0.2), (np.nan, 0, 0), (0.0, np.inf, 0.0)])
    clean = plan_grasps(thing, box(0.12, 0.05, 0.06))[0][0]
    dirty = plan_grasps(np.concatenate([thing, strays]), box(0.12, 0.05, 0.06))[0][0]
    assert np.allclose(clean.position, dirty.position, atol=1e-3)


def test_too_few_points_are_told() -> None:
    grasps, reason = plan_grasps(np.full((50, 3), np.nan), box(0.1, 0.1, 0.1))
    assert grasps == []
    assert "only 0 points" in reason


def test_points_at_steps_are_left_out() -> None:
    cloud = np.full((6, 8, 3), np.nan, np.float32)
    rows, columns = np.mgrid[1:5, 1:7]
    cloud[1:5, 1:7] = np.stack([columns * 0.002, rows * 0.002, np.full((4, 6), 0.8)], -1)
    cloud[1:5, 6, 2] = 1.1  # the table behind
    kept = solid(cloud)
    assert len(kept) == 4 * 4
    assert kept[:, 2].max() < 1.0


# ------------------------------------------------------------------ shapes


def test_clipping_keeps_what_lies_behind() -> None:
    triangle = np.array([[(0.0, 0.0, 0.0), (4.0, 0.0, 0.0), (0.0, 4.0, 0.0)]])
    along = np.array([1.0, 0.0, 0.0])

    def area(triangles: Points) -> float:
        sides = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
        return float(np.linalg.norm(sides, axis=1).sum() / 2)

    assert area(clip(triangle, along, 1.0)) == pytest.approx(8 - 4.5)
    assert area(clip(triangle, -along, -1.0)) == pytest.approx(4.5)
    assert len(clip(triangle, along, -1.0)) == 0


@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_every_category_has_pieces_that_fill_its_box(category: str) -> None:
    pieces = convex_pieces(category)
    points = np.concatenate(pieces)
    meshes = [mesh.vertices for mesh in CATEGORIES[category].build() if mesh is not None]
    vertices = np.concatenate(meshes)
    assert all(len(piece) >= 4 for piece in pieces)
    assert np.allclose(points.min(0), vertices.min(0), atol=2e-3)
    assert np.allclose(points.max(0), vertices.max(0), atol=2e-3)


@pytest.mark.parametrize(("category", "radius"), [("mug", 0.02), ("bowl", 0.03), ("ring", 0.02)])
def test_hollow_things_are_hollow(category: str, radius: float) -> None:
    for piece in convex_pieces(category):
        if piece[:, 2].min() < 0.02 and category != "ring":
            continue  # the bottom
        assert np.linalg.norm(piece[:, :2].mean(0)) > radius


# ------------------------------------------------------------------ verdicts


def test_only_the_thing_meant_may_rise() -> None:
    before = np.zeros((3, 3))

    def after(*risen: float) -> Points:
        return before + np.stack([np.zeros(3), np.zeros(3), risen], 1)

    assert judge_pick(before, after(0.0, 0.12, 0.0), 1)[0]
    assert judge_pick(before, after(0.0, 0.03, 0.0), 1) == (False, "it slipped or was missed")
    assert judge_pick(before, after(0.1, 0.12, 0.0), 1) == (False, "object 1 was lifted")
    assert judge_pick(before, after(0.0, 0.0, 0.0), -1)[0]
    assert not judge_pick(before, after(0.0, 0.1, 0.0), -1)[0]


def outcome(scene: int, category: str, perceived: bool, moved: bool, ok: bool) -> PickOutcome:
    return PickOutcome(
        scene, "the thing", "colour", category, "SELECTED", math.nan, perceived, moved, ok, "w",
        "y", 1.0,
    )  # fmt: skip


def test_the_summary_tells_seeing_and_grasping_apart(tmp_path: Path) -> None:
    outcomes = [
        outcome(1, "mug", True, True, True),
        outcome(1, "mug", True, True, False),
        outcome(2, "mug", False, True, False),
        outcome(2, "", True, False, True),
    ]
    lines = pick_summary(outcomes)
    assert lines[0].startswith("thing meant was selected: 2 of 3, 67 %")
    assert lines[1].startswith("picked, where it was selected: 1 of 2, 50 %")
    assert lines[2].startswith("picked, of all that is there: 1 of 3, 33 %")
    assert lines[3].startswith("no motion, where nothing fits: 1 of 1")
    assert lines[4] == "closed on another thing: 1 of 3"
    trials_module.save_picks(tmp_path / "results.json", outcomes)
    report = json.loads((tmp_path / "results.json").read_text())
    assert report["commands"][0]["iou"] is None
    assert report["summary"] == lines
    assert pick_summary([])[0] == "thing meant was selected: none"


# ------------------------------------------------------------------ the arm


def scene() -> SceneSpec:
    """A cube and a mug on the table of a scene from a seed."""
    drawn = sample_scene(2_000_009)
    things = (
        ObjectSpec("cube", "red", "medium", (0.0, 0.05), 0.4, (0.8, 0.1, 0.1)),
        ObjectSpec("mug", "blue", "medium", (0.14, -0.05), 1.0, (0.1, 0.2, 0.8)),
    )
    return SceneSpec(
        0, things, drawn.camera, drawn.light, drawn.table, drawn.floor, drawn.wall, (0.9, 0.7)
    )


@pytest.fixture(scope="module")
def cell() -> Iterator[object]:
    pytest.importorskip("mujoco")
    from refseg_lab.picking.cell import PickingCell
    from refseg_lab.simulation import RendererUnavailable

    try:
        made = PickingCell(scene(), 320, 240)
    except RendererUnavailable as error:
        pytest.skip(str(error))
    yield made
    made.close()


def test_inverse_kinematics_reach_what_is_in_reach(cell) -> None:
    rng = np.random.default_rng(3)
    for _ in range(40):
        distance, bearing, yaw = rng.uniform((0.3, -1.2, 0.0), (0.85, 1.2, math.pi))
        wanted = np.eye(4)
        wanted[:3, 1] = (math.cos(yaw), math.sin(yaw), 0.0)
        wanted[:3, 2] = (0.0, 0.0, -1.0)
        wanted[:3, 0] = np.cross(wanted[:3, 1], wanted[:3, 2])
        x, y = -0.6 + distance * math.cos(bearing), distance * math.sin(bearing)
        wanted[:3, 3] = (x, y, rng.uniform(0.005, 0.25))
        angles = cell.kinematics.solve(wanted)
        assert angles is not None
        got = cell.kinematics.tip(angles)
        assert np.linalg.norm(got[:3, 3] - wanted[:3, 3]) < 1e-3
        assert np.abs(got[:3, :3] - wanted[:3, :3]).max() < 5e-3


def test_what_is_out_of_reach_has_no_angles(cell) -> None:
    wanted = np.diag([1.0, -1.0, -1.0, 1.0])
    wanted[:3, 3] = (0.9, 0.0, 0.1)
    assert cell.kinematics.solve(wanted) is None


def test_it_picks_a_cube_and_a_mug_and_nothing_else(cell) -> None:
    from refseg_lab.picking.picking import pick

    frame = cell.frame()
    for meant in (0, 1):
        cell.reset()
        mask = frame.instances == meant + 1
        pose, reason = pose_of(mask, frame.depth, frame.intrinsics)
        assert pose is not None, reason
        seen = Box(pose.centre, pose.rotation, pose.size)
        cloud = organised_cloud(mask, frame.depth, frame.intrinsics)
        rest = organised_cloud(~mask, frame.depth, frame.intrinsics)
        before = cell.places()
        attempt = pick(cell, cloud, seen, frame.camera_pose, rest)
        assert attempt.holding, attempt.reason
        assert judge_pick(before, cell.places(), meant)[0]


def test_reset_puts_everything_back(cell) -> None:
    cell.reset()
    before = cell.places()
    cell.move(cell.angles + 0.2)
    cell.wait(0.05)
    cell.reset()
    assert np.array_equal(before, cell.places())


def test_the_picture_is_that_of_the_other_renderer(cell) -> None:
    from refseg_lab.simulation import TabletopRenderer

    cell.reset()
    ours = cell.frame()
    assert not cell.shows_arm()
    with TabletopRenderer(320, 240) as renderer:
        theirs = renderer.render(scene())
    off = np.abs(ours.rgb.astype(int) - theirs.rgb.astype(int))
    assert np.mean(off > 24) < 0.02
    assert np.median(np.abs(ours.depth - theirs.depth)) < 1e-3


def test_the_code_of_the_page_runs(cell) -> None:
    page = (ROOT / "docs" / "grasping.md").read_text(encoding="utf-8")
    code = page.split("## Grasps from above")[1].split("```python\n")[1].split("```")[0]
    cell.reset()
    frame = cell.frame()
    mask = frame.instances == 1
    pose, _ = pose_of(mask, frame.depth, frame.intrinsics)
    names = {
        "camera": frame.camera_pose,
        "selection": SimpleNamespace(mask=mask),
        "pose": pose,
        "depth": frame.depth,
        "intrinsics": frame.intrinsics,
    }
    exec(compile(code, "docs/grasping.md", "exec"), names)
    assert names["grasps"], names["reason"]
    off = names["grasps"][0].position[:2] - scene().objects[0].position
    assert np.linalg.norm(off) < 0.015


def drawn(seed: int) -> tuple[SceneSpec, Frame]:
    """A scene and its truth, without a picture."""
    spec = sample_scene(seed)
    seen = rasterise(spec, 320, 240)
    return spec, Frame(
        rgb=np.zeros((240, 320, 3), np.uint8),
        depth=np.zeros((240, 320), np.float32),
        instances=seen.instances,
        intrinsics=spec.camera.intrinsics(320, 240),
        camera_pose=spec.camera.pose(),
        full_areas=seen.full_areas,
    )


@pytest.mark.parametrize("turn", [0, 1])
def test_commands_are_for_different_things_that_can_be_taken(turn: int) -> None:
    spec, frame = drawn(2_000_009)
    tasks = choose_tasks(spec, frame, turn)
    meant = [task.target for task in tasks if task.target != -1]
    assert len(meant) == len(set(meant)) == 3
    carriers = {item.support for item in spec.objects}
    for index in meant:
        assert index not in carriers
        assert 0.28 < math.dist(spec.objects[index].position, (-0.6, 0.0)) < 0.88
    assert [task.phenomenon for task in tasks].count("absent") == (turn == 0)
    assert choose_tasks(spec, frame, turn) == tasks


def test_somebodys_own_command_means_what_the_truth_says() -> None:
    spec, frame = drawn(2_000_009)
    scripted = choose_tasks(spec, frame, 0)
    assert [own_task(task.command, spec, frame) for task in scripted] == scripted
    assert own_task("whatever you like", spec, frame).target is None
