#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How far poses and sizes from depth are from the simulator's truth, by category.

Scenes are drawn from seeds; of each, the things that are wholly seen at 0.5 to 1.2 m are measured
with their true masks. The truth is the middle of a thing's own box and its sides: footprint,
longer side first, and height. Errors of sizes are shares of the true side; of a thing, the mean
over its three sides. The depth is exact, or with --sensor as of a depth camera: noise, holes,
rounding, and rims whose depth is mixed with what lies behind. With --thing missing no thing has a
depth of its own, with --thing through each has that of what is behind it: neither may have a pose.

    python benchmarks/target_3d.py --scenes 150
    python benchmarks/target_3d.py --scenes 150 --sensor
    python benchmarks/target_3d.py --scenes 40 --sensor --grow 3 --thing missing
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.catalogue import SIZES, footprint, height
from refseg_lab.simulation.placement import footprint_corners
from refseg_lab.simulation.ranging import RangeSpec, depth_image, ranged
from refseg_lab.simulation.rasteriser import rasterise
from refseg_lab.simulation.sampling import sample_scene
from refseg_lab.simulation.scene import ObjectSpec, SceneSpec
from refseg_ros.geometry import pose_of

WIDTH, HEIGHT = 640, 480
NEAR, FAR = 0.5, 1.2
SEEN = 0.98
"""Share of a thing's own pixels that must be visible for it to be unoccluded."""
OFF = 0.02
"""Metres from which a pose is of no use."""
FIRST = 5000
"""Seed of the first scene."""


@dataclass(frozen=True)
class Error:
    """Of one thing: its category, metres, share of the sides, share of the height, or why not."""

    category: str
    carried: bool
    centre: float
    sides: float
    height: float
    reason: str = ""


def truth(item: ObjectSpec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle of a thing's box in the world and its sides, metres."""
    scale = SIZES[item.size]
    x0, y0, x1, y1 = (value * scale for value in footprint(item.category))
    tall = height(item.category) * scale
    middle = footprint_corners(item).mean(0)
    sides = sorted((x1 - x0, y1 - y0), reverse=True)
    return np.array([*middle, item.height + tall / 2]), np.array([*sides, tall])


def without(spec: SceneSpec, index: int) -> SceneSpec:
    """A scene without one thing, and whatever that carries."""
    gone, kept = {index}, []
    for number, item in enumerate(spec.objects):
        if item.support in gone or number == index:
            gone.add(number)
        else:
            support = item.support - sum(number < item.support for number in gone)
            kept.append(replace(item, support=support))
    return replace(spec, objects=tuple(kept))


def errors(
    seed: int, profile: str, sensor: RangeSpec | None, grow: int, thing: str = "seen"
) -> Iterator[Error]:
    """One for each thing of a scene that is wholly seen at the distance."""
    spec = sample_scene(seed, profile)
    seen = rasterise(spec, WIDTH, HEIGHT)
    clean = depth_image(spec, WIDTH, HEIGHT)
    matrix, pose = spec.camera.intrinsics(WIDTH, HEIGHT), spec.camera.pose()
    for index, item in enumerate(spec.objects):
        mask = seen.instances == index + 1
        edge = mask[[0, -1]].any() or mask[:, [0, -1]].any()
        middle, sides = truth(item)
        distance = np.linalg.norm(middle - pose[:3, 3])
        whole = mask.sum() >= SEEN * seen.full_areas[index] > 0
        if edge or not whole or not NEAR <= distance <= FAR:
            continue
        depth = clean
        if thing == "through":
            behind = depth_image(without(spec, index), WIDTH, HEIGHT)
            depth = np.where(mask, behind, clean)
        if sensor is not None:
            depth = ranged(depth, sensor, np.random.default_rng(seed))
        if thing == "missing":
            depth = np.where(mask, np.float32(0.0), depth)
        if grow:
            kernel = np.ones((2 * abs(grow) + 1,) * 2, np.uint8)
            change = cv2.dilate if grow > 0 else cv2.erode
            mask = change(mask.astype(np.uint8), kernel) > 0
        found, reason = pose_of(mask, depth, matrix)
        carried = item.support >= 0
        if found is None:
            yield Error(item.category, carried, np.nan, np.nan, np.nan, reason)
            continue
        centre = pose[:3, :3] @ found.centre + pose[:3, 3]
        off = np.abs(found.size / sides - 1)
        yield Error(
            item.category, carried, float(np.linalg.norm(centre - middle)),
            float(off.mean()), float(off[2]),
        )  # fmt: skip


def row(name: str, items: Sequence[Error]) -> str:
    """One line of the table."""
    good = [item for item in items if not item.reason]
    if not good:
        return f"{name:<12}{len(items):>5}  none measured"
    centre = 100 * np.array([item.centre for item in good])
    sides = 100 * np.array([item.sides for item in good])
    tall = 100 * np.array([item.height for item in good])
    cells = [f"{f(v):>8.2f}" for v in (centre, sides, tall) for f in (np.median, _p90)]
    return f"{name:<12}{len(items):>5}{len(items) - len(good):>7}" + "".join(cells)


def _p90(values: NDArray[np.float64]) -> float:
    return float(np.percentile(values, 90))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scenes", type=int, default=150)
    parser.add_argument("--profile", default="train", choices=("train", "compose", "shift"))
    parser.add_argument("--sensor", action="store_true", help="depth as of a depth camera")
    parser.add_argument("--grow", type=int, default=0, help="pixels by which masks are too large")
    parser.add_argument("--thing", default="seen", choices=("seen", "missing", "through"))
    options = parser.parse_args(arguments)
    found: list[Error] = []
    begun = time.process_time()
    for seed in range(FIRST, FIRST + options.scenes):
        sensor = RangeSpec() if options.sensor else None
        found += errors(seed, options.profile, sensor, options.grow, options.thing)
    seconds = time.process_time() - begun
    print(f"{'':<12}{'':>12}{'centre, cm':>16}{'size, %':>16}{'height, %':>16}")
    print(f"{'':<12}{'n':>5}{'failed':>7}" + f"{'median':>8}{'90 %':>8}" * 3)
    for name in sorted({item.category for item in found}):
        print(row(name, [item for item in found if item.category == name]))
    print(row("on table", [item for item in found if not item.carried]))
    print(row("carried", [item for item in found if item.carried]))
    print(row("all", found))
    off = sum(item.centre > OFF for item in found)
    print(f"{off} of {len(found)} have a pose that is more than {100 * OFF:.0f} cm off")
    print(f"{options.scenes} scenes in {seconds:.0f} s of one core, rendering included")
    return 0


if __name__ == "__main__":
    sys.exit(main())
