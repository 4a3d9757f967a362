#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How often an arm picks what a sentence means, from the node's topics alone.

Runs `refseg demo --pick` over scenes of the test split: the segmenter node in a process of its
own, a simulated camera and arm in another, three commands a scene and now and then one for a thing
that is not there. Failures are told apart: what the node got wrong (another thing, nothing, a
question) and, where the thing meant was selected, what the gripper did. Intervals of 95 % by a
bootstrap over scenes. Equal seeds give equal scenes and commands.

With --shapes there is no node: each shape in each size stands alone on the table, is seen in
several views, and is picked by its true mask. So the gripper alone is measured, shape by shape.

    python benchmarks/picking.py --scenes 50
    python benchmarks/picking.py --scenes 50 --faulty-depth
    python benchmarks/picking.py --shapes
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from refseg_lab.demo.launcher import DemoOptions, run_demo
from refseg_lab.evaluation.timing import machine
from refseg_lab.picking import Box
from refseg_lab.picking.cell import PickingCell
from refseg_lab.picking.picking import judge_pick, pick
from refseg_lab.picking.trials import open_scenes
from refseg_lab.simulation import ObjectSpec, SceneSpec
from refseg_lab.simulation.catalogue import CATEGORIES, COLOURS, SIZES
from refseg_lab.simulation.splits import SPLITS
from refseg_ros.geometry import organised_cloud, pose_of

Row = dict[str, Any]


def cause(row: Row) -> str:
    """Why a thing that was there was not picked."""
    if not row["perceived"]:
        known = {"AMBIGUOUS": "the node asked back", "NOT_FOUND": "the node found nothing"}
        return known.get(row["status"], "the node selected something else")
    return str(row["why"])


def grouped(rows: Sequence[Row], key: Callable[[Row], str], name: str) -> list[str]:
    """A Markdown table: commands, selected, and picked of those, by some key."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    lines = [f"| {name} | commands | selected | picked of these |", "|---|---|---|---|"]
    for group, items in sorted(groups.items()):
        seen = [row for row in items if row["perceived"]]
        lines.append(f"| {group} | {len(items)} | {len(seen)} | {sum(r['ok'] for r in seen)} |")
    return lines


def pick_alone(category: str, size: str, spec: SceneSpec, yaw: float) -> str:
    """Picks one thing by its true mask; "" or why it failed."""
    place = spec.camera.target[:2]
    thing = ObjectSpec(category, "red", size, place, yaw, COLOURS["red"])
    with PickingCell(replace(spec, objects=(thing,))) as cell:
        frame = cell.frame()
        mask = frame.instances == 1
        pose, reason = pose_of(mask, frame.depth, frame.intrinsics)
        if pose is None:
            return reason
        clouds = (organised_cloud(m, frame.depth, frame.intrinsics) for m in (mask, ~mask))
        before = cell.places()
        box = Box(pose.centre, pose.rotation, pose.size)
        cloud, rest = clouds
        attempt = pick(cell, cloud, box, frame.camera_pose, rest)
        ok, verdict = judge_pick(before, cell.places(), 0)
        return "" if ok else attempt.reason if attempt.grasp is None else verdict


def measure_shapes(seed: int, views: int) -> None:
    """Print how often each shape is picked when it stands alone."""
    specs = [cell.spec for cell, _ in islice(open_scenes(seed), views)]
    totals: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    print(f"| thing | {' | '.join(SIZES)} |")
    print("|---" * (len(SIZES) + 1) + "|")
    for category in CATEGORIES:
        cells = []
        for size in SIZES:
            answers = [
                pick_alone(category, size, spec, 0.7 + 1.3 * number)
                for number, spec in enumerate(specs)
            ]
            good = answers.count("")
            totals.update(picked=good, tried=views)
            reasons.update(f"{size} {category}: {why}" for why in answers if why)
            cells.append(f"{good} of {views}")
        print(f"| {category} | {' | '.join(cells)} |", flush=True)
    print(f"\n{totals['picked']} of {totals['tried']} picked; not picked:")
    for text, count in reasons.most_common():
        print(f"  {count} × {text}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the picks and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scenes", type=int, default=30)
    parser.add_argument("--seed", type=int, default=SPLITS["test"].first_seed)
    parser.add_argument("--preset", default="tabletop")
    parser.add_argument(
        "--faulty-depth", action="store_true", help="depth with noise, holes and mixed rims"
    )
    parser.add_argument("--out", type=Path, default=Path("out/picking"))
    parser.add_argument("--shapes", action="store_true", help="each shape alone, without a node")
    parser.add_argument("--views", type=int, default=4, help="with --shapes: of each thing")
    given = parser.parse_args(arguments)
    begun = time.monotonic()
    if given.shapes:
        measure_shapes(given.seed, given.views)
        print(f"{(time.monotonic() - begun) / 60:.1f} min on {machine()}")
        return 0
    options = DemoOptions(
        seed=given.seed,
        preset=given.preset,
        out=given.out,
        pick=True,
        scenes=given.scenes,
        film=False,
        faulty_depth=given.faulty_depth,
    )
    (given.out / "results.json").unlink(missing_ok=True)
    run_demo(options)
    report = json.loads((given.out / "results.json").read_text(encoding="utf-8"))
    rows: list[Row] = report["commands"]
    present = [row for row in rows if row["category"]]
    print()
    for line in (
        *grouped(present, lambda row: row["category"], "thing"),
        "",
        *grouped(present, lambda row: row["phenomenon"], "phenomenon"),
        "",
        *report["summary"],
    ):
        print(line)
    print("not picked:")
    for text, count in Counter(cause(row) for row in present if not row["ok"]).most_common():
        print(f"  {count} × {text}")
    minutes = (time.monotonic() - begun) / 60
    print(f"{len(rows)} commands in {given.scenes} scenes, {minutes:.1f} min on {machine()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
