# SPDX-License-Identifier: Apache-2.0
"""Which things to pick in which scenes, and how outcomes are reported.

Scenes and commands follow from seeds and the scenes' truth by a fixed rule that knows nothing of
what the models or the arm can do.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from rich.table import Table

from refseg_lab.evaluation.bootstrap import Figure, Resampler
from refseg_lab.picking.arm import BASE
from refseg_lab.picking.cell import PickingCell
from refseg_lab.simulation.expressions import PHENOMENA, refer
from refseg_lab.simulation.ranging import RangeSpec, ranged
from refseg_lab.simulation.renderer import Frame
from refseg_lab.simulation.sampling import sample_scene
from refseg_lab.simulation.scene import SceneSpec

COMMANDS: Final = 3
"""Commands per scene, each for another thing."""
ABSENT_EVERY: Final = 3
"""In one scene of this many, a command also names a thing that is not there."""
IOU_NEEDED: Final = 0.5
"""Least overlap with the thing meant at which it counts as perceived."""
NEAREST, FARTHEST = 0.28, 0.88
"""Metres from the arm's base between which it can grasp from above."""
_STILL = 0.005  # metres that a thing may move while the scene settles
_NOT_ASKED = ("plural", "absent")


@dataclass(frozen=True)
class Task:
    """A command and what it means.

    Attributes:
        command: The sentence.
        target: Index of the object meant; -1 if nothing is; None if only the speaker knows.
        phenomenon: That of the expression; "absent" if nothing is meant, "own" if unknown.
    """

    command: str
    target: int | None
    phenomenon: str


@dataclass(frozen=True)
class PickOutcome:
    """One command and what came of it.

    Attributes:
        scene: Seed of the scene.
        command: The command as it was sent.
        phenomenon: See `Task`.
        category: Category of the thing meant, "" if nothing is.
        status: Name of the answer's status.
        iou: IoU of the answer's mask with the thing meant; NaN if nothing is meant.
        perceived: Whether the answer is right: the thing meant is SELECTED, or what is not there
            is not.
        moved: Whether the arm closed its fingers on something.
        ok: Whether the thing meant was lifted and nothing else; with nothing meant, nothing.
        what: What the node said, in a sentence.
        why: What the arm did, in a sentence.
        seconds: From sending the command to the answer.
    """

    scene: int
    command: str
    phenomenon: str
    category: str
    status: str
    iou: float
    perceived: bool
    moved: bool
    ok: bool
    what: str
    why: str
    seconds: float


def open_scenes(seed: int, faulty_depth: bool = False) -> Iterator[tuple[PickingCell, Frame]]:
    """Scenes from a seed on, each with its first frame; a scene is closed when the next is asked.

    Skips cameras on a wrist (this arm's camera is on a mast), pictures that show the
    waiting arm, and scenes in which something moved while it settled.

    Args:
        seed: Seed of the first scene that is considered.
        faulty_depth: Whether the depth has the noise, holes and rims of a depth camera.
    """
    while True:
        spec = sample_scene(seed)
        seed += 1
        if spec.camera.mount != "mast":
            continue
        with PickingCell(spec) as cell:
            placed = np.array([(*item.position, item.height) for item in spec.objects])
            drift = np.linalg.norm(cell.places() - placed, axis=1).max()
            if drift <= _STILL and not cell.shows_arm():
                frame = cell.frame()
                if faulty_depth:
                    rng = np.random.default_rng(spec.seed)
                    frame = replace(frame, depth=ranged(frame.depth, RangeSpec(), rng))
                yield cell, frame


def choose_tasks(spec: SceneSpec, frame: Frame, turn: int) -> list[Task]:
    """The commands of one scene.

    Phenomena take turns from scene to scene; of a phenomenon, the expression in the middle of the
    scene's list is taken, of those that mean one thing for which no other command was chosen. The
    thing must carry nothing, lie within reach, and lie wholly in the picture.

    Args:
        spec: The scene.
        frame: Its picture with the truth.
        turn: Counts the scenes from 0.
    """
    referrals = refer(spec, frame)
    kinds = [name for name in PHENOMENA if name not in _NOT_ASKED]
    things = set(_reachable(spec, frame))
    chosen: list[Task] = []
    for step in range(COMMANDS):
        for shift in range(len(kinds)):
            kind = kinds[(turn * COMMANDS + step + shift) % len(kinds)]
            known = [r for r in referrals if r.phenomenon == kind and things & set(r.targets)]
            if known:
                middle = known[len(known) // 2]
                chosen.append(Task(middle.expression, middle.object_index, kind))
                things.discard(middle.object_index)
                break
    if turn % ABSENT_EVERY == 0:
        absent = [r for r in referrals if r.phenomenon == "absent"]
        chosen += [Task(r.expression, -1, "absent") for r in absent[len(absent) // 2 :][:1]]
    return chosen


def own_task(command: str, spec: SceneSpec, frame: Frame) -> Task:
    """The task of somebody's own sentence, with what it means if the scene's truth has it."""
    for referral in refer(spec, frame):
        if referral.expression == command and len(referral.targets) <= 1:
            return Task(command, (*referral.targets, -1)[0], referral.phenomenon)
    return Task(command, None, "own")


def _reachable(spec: SceneSpec, frame: Frame) -> Iterator[int]:
    carriers = {item.support for item in spec.objects}
    for index, item in enumerate(spec.objects):
        mask = frame.instances == index + 1
        cut = mask[[0, -1]].any() or mask[:, [0, -1]].any()
        distance = math.dist(item.position, BASE[:2])
        if index not in carriers and mask.any() and not cut and NEAREST < distance < FARTHEST:
            yield index


def picked_share(outcomes: Sequence[PickOutcome], good: Callable[[PickOutcome], bool]) -> Figure:
    """Share of outcomes with its interval, by a bootstrap over scenes."""
    totals: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for item in outcomes:
        totals[item.scene][0] += good(item)
        totals[item.scene][1] += 1
    if not totals:
        return Figure(None)
    hits, counts = zip(*totals.values(), strict=True)
    return Resampler(len(totals)).ratio(hits, counts)


def picks_table(outcomes: Sequence[PickOutcome]) -> Table:
    """The outcomes for a terminal."""
    shown = Table(title="refseg_ros picks", box=None, header_style="bold", pad_edge=False)
    for name in ("scene", "command", "answer", "IoU", "meant", "arm"):
        shown.add_column(name, no_wrap=name not in ("command", "arm"), overflow="fold")
    shown.add_column("ok")
    for item in outcomes:
        shown.add_row(
            str(item.scene),
            item.command,
            item.status,
            "–" if math.isnan(item.iou) else f"{item.iou:.2f}",
            "[green]yes[/green]" if item.perceived else "[red]no[/red]",
            item.why,
            "[green]yes[/green]" if item.ok else "[red]no[/red]",
        )
    return shown


def pick_summary(outcomes: Sequence[PickOutcome]) -> list[str]:
    """The figures below the table, one line each."""
    present = [item for item in outcomes if item.category]
    absent = [item for item in outcomes if not item.category]
    seen = [item for item in present if item.perceived]
    lines = [
        _line("thing meant was selected", present, lambda item: item.perceived),
        _line("picked, where it was selected", seen, lambda item: item.ok),
        _line("picked, of all that is there", present, lambda item: item.ok),
    ]
    if absent:
        lines.append(_line("no motion, where nothing fits", absent, lambda item: item.ok))
    wrong = sum(item.moved for item in present if not item.perceived)
    lines.append(f"closed on another thing: {wrong} of {len(present)}")
    return lines


def _line(name: str, items: Sequence[PickOutcome], good: Callable[[PickOutcome], bool]) -> str:
    figure = picked_share(items, good)
    hits = sum(good(item) for item in items)
    if figure.value is None or figure.low is None or figure.high is None:
        return f"{name}: none"
    return (
        f"{name}: {hits} of {len(items)}, {100 * figure.value:.0f} % "
        f"({100 * figure.low:.0f}–{100 * figure.high:.0f})"
    )


def save_picks(path: Path, outcomes: Sequence[PickOutcome]) -> None:
    """Writes the outcomes as JSON; numbers that are not known become null."""
    rows = [
        {name: None if value != value else value for name, value in asdict(item).items()}
        for item in outcomes
    ]
    text = json.dumps({"commands": rows, "summary": pick_summary(outcomes)}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
