# SPDX-License-Identifier: Apache-2.0
"""The scripted demo apart from ROS: which commands, how they are judged, what is shown.

The commands follow from the scenes' ground truth by a fixed rule that knows nothing of what the
models can do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.table import Table

from refseg_lab.evaluation import mask_iou
from refseg_ros.image_io import write_image
from refseg_ros.results import Selection, Status

SCENES = 6
COMMANDS_A_SCENE = 3
KINDS = ("category", "colour", "position", "relation", "containment")
"""Kinds of expressions in the order in which they take turns."""
UNKNOWN_THING = "the purple elephant"
"""Names a thing that no scene has."""
IOU_NEEDED = 0.5
SHARE_NEEDED = 0.75
"""Share of the commands that must succeed."""
_TILE = 360  # width in pixels of a picture of the contact sheet
_COLUMNS = 4
_GAP = 6  # pixels between the pictures


@dataclass(frozen=True)
class DemoCommand:
    """An expression and the object that it means in a scene.

    Attributes:
        expression: The sentence.
        object_id: Value of the object's pixels in the ground-truth image; 0 for nothing.
        kind: Kind of the expression, or "absent".
    """

    expression: str
    object_id: int
    kind: str


@dataclass(frozen=True)
class SceneFacts:
    """What the simulated camera publishes about its scene.

    Attributes:
        number: The scene's number.
        categories: Category of each object.
        referrals: Expressions, each of which means one object.
    """

    number: int
    categories: frozenset[str]
    referrals: tuple[DemoCommand, ...]

    @classmethod
    def from_json(cls, text: str) -> SceneFacts:
        """Reads the camera's ``~/objects``.

        Raises:
            ValueError: It is not what the camera publishes.
        """
        try:
            data = json.loads(text)
            return cls(
                int(data["scene"]),
                frozenset(str(item["category"]) for item in data["objects"]),
                tuple(
                    DemoCommand(str(item["expression"]), int(item["id"]), str(item["kind"]))
                    for item in data["referrals"]
                ),
            )
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"not a scene description ({error!r})") from error


@dataclass(frozen=True)
class CommandOutcome:
    """One command and what came of it.

    Attributes:
        scene: Number of the scene.
        command: The command as it was sent.
        kind: Kind of the expression, or "absent".
        status: Name of the answer's status.
        iou: Intersection over union with the object meant, in [0, 1]; NaN if none is meant.
        margin: Margin of the answer.
        observe_ms: Time for the image; 0 if it had been observed before.
        select_ms: Time for the command.
        answer_ms: From sending the command to hearing the answer.
        ok: Whether the object meant was hit, or what is absent was refused.
    """

    scene: int
    command: str
    kind: str
    status: str
    iou: float
    margin: float
    observe_ms: float
    select_ms: float
    answer_ms: float
    ok: bool


def choose_commands(facts: SceneFacts, turn: int, categories: Sequence[str]) -> list[DemoCommand]:
    """The commands of one scene.

    The kinds take turns from scene to scene; of a kind, the expression in the middle of the
    scene's list is taken. Where a scene has no expression of a kind, the next kind steps in.
    Of three scenes, the first also gets a command for a thing that no scene has, and the second
    one for a thing that it does not have: the first category of the catalogue that is missing.

    Args:
        facts: The scene.
        turn: Counts the scenes from 0.
        categories: All categories, in the order of the catalogue.
    """
    chosen: list[DemoCommand] = []
    for step in range(COMMANDS_A_SCENE):
        for shift in range(len(KINDS)):
            kind = KINDS[(turn * COMMANDS_A_SCENE + step + shift) % len(KINDS)]
            known = [r for r in facts.referrals if r.kind == kind and r not in chosen]
            if known:
                chosen.append(known[len(known) // 2])
                break
    if turn % 3 == 0:
        chosen.append(DemoCommand(UNKNOWN_THING, 0, "absent"))
    if turn % 3 == 1:
        missing = next(c for c in categories if c not in facts.categories)
        chosen.append(DemoCommand(f"the {missing}", 0, "absent"))
    return chosen


def judge_answer(
    scene: int,
    referral: DemoCommand,
    selection: Selection,
    truth: NDArray[Any],
    times: tuple[float, float, float],
) -> CommandOutcome:
    """Compares an answer with ground truth.

    Args:
        scene: Number of the scene.
        referral: What was asked and meant.
        selection: The answer; its mask is (H, W).
        truth: (H, W) integers, the object ids of the same frame.
        times: Milliseconds of observing, selecting and answering.
    """
    if referral.object_id:
        overlap = mask_iou(selection.mask, truth == referral.object_id)
        ok = selection.status.has_target and overlap >= IOU_NEEDED
    else:
        overlap, ok = math.nan, selection.status is Status.NOT_FOUND
    return CommandOutcome(
        scene,
        referral.expression,
        referral.kind,
        selection.status.name,
        float(overlap),
        float(selection.margin),
        *times,
        ok=bool(ok),
    )


def needed(count: int) -> int:
    """How many of ``count`` commands must succeed."""
    return math.ceil(SHARE_NEEDED * count)


def answers_table(outcomes: Sequence[CommandOutcome]) -> Table:
    """The outcomes for a terminal."""
    shown = Table(title="refseg_ros demo", box=None, header_style="bold", pad_edge=False)
    for name in ("scene", "command", "status"):
        shown.add_column(name, no_wrap=name != "command", overflow="fold")
    for name in ("IoU", "margin", "observe\nms", "select\nms", "answer\nms"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("ok")
    for item in outcomes:
        shown.add_row(
            str(item.scene),
            item.command,
            item.status,
            "–" if math.isnan(item.iou) else f"{item.iou:.2f}",
            f"{item.margin:.2f}",
            f"{item.observe_ms:.0f}" if item.observe_ms else "reused",
            f"{item.select_ms:.0f}",
            f"{item.answer_ms:.0f}",
            "[green]yes[/green]" if item.ok else "[red]no[/red]",
        )
    return shown


def answer_summary(outcomes: Sequence[CommandOutcome]) -> list[str]:
    """The figures below the table, one line each."""
    hits = sum(item.ok for item in outcomes)
    lines = [
        f"{hits} of {len(outcomes)} commands succeeded; at least {needed(len(outcomes))} must"
    ]
    again = [item.answer_ms for item in outcomes if not item.observe_ms]
    if again:
        lines.append(
            f"a further command on a frame already seen was answered in {median(again):.0f} ms "
            f"(median of {len(again)}, slowest {max(again):.0f} ms)"
        )
    return lines


def contact_sheet(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """All pictures on one.

    Args:
        pictures: (H, W, 3) uint8 RGB of one size, at least one.

    Returns:
        (H', W', 3) uint8 RGB.
    """
    height = round(_TILE * pictures[0].shape[0] / pictures[0].shape[1])
    columns = min(_COLUMNS, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    size = (columns * (_TILE + _GAP) - _GAP, rows * (height + _GAP) - _GAP)
    sheet = Image.new("RGB", size, "white")
    for number, shown in enumerate(pictures):
        tile = Image.fromarray(shown).resize((_TILE, height), Image.Resampling.LANCZOS)
        row, column = divmod(number, columns)
        sheet.paste(tile, (column * (_TILE + _GAP), row * (height + _GAP)))
    return np.array(sheet)


def save_answers(
    out: Path, outcomes: Sequence[CommandOutcome], pictures: Sequence[NDArray[np.uint8]]
) -> None:
    """Writes ``results.json``, one PNG for each command and ``contact_sheet.png``.

    Args:
        out: An existing folder.
        outcomes: In the order of the commands.
        pictures: (H, W, 3) uint8 RGB, one for each outcome.

    Raises:
        ImageError: A picture cannot be written.
        OSError: The results cannot be written.
    """
    rows = [
        {name: None if value != value else value for name, value in asdict(item).items()}
        for item in outcomes
    ]
    report = {
        "commands": rows,
        "succeeded": sum(item.ok for item in outcomes),
        "needed": needed(len(outcomes)),
    }
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    (out / "results.json").write_text(text + "\n", encoding="utf-8")
    for number, shown in enumerate(pictures):
        write_image(out / f"{number:02d}.png", shown)
    if pictures:
        write_image(out / "contact_sheet.png", contact_sheet(pictures))
