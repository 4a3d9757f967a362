# SPDX-License-Identifier: Apache-2.0
"""A simulated camera and arm that pick what commands mean, from the segmenter's topics alone.

The arm knows where the camera is, as a hand-eye calibration tells; the simulator's truth only
judges the outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape

from refseg_lab.demo.script import needed
from refseg_lab.evaluation import mask_iou
from refseg_lab.picking.cell import PickingCell
from refseg_lab.picking.film import PickFilm
from refseg_lab.picking.picking import Attempt, judge_pick, pick
from refseg_lab.picking.trials import (
    IOU_NEEDED,
    PickOutcome,
    Task,
    choose_tasks,
    open_scenes,
    own_task,
    pick_summary,
    picks_table,
    save_picks,
)
from refseg_lab.ros.client import run_client
from refseg_lab.ros.pick_client import PickClient, Reply
from refseg_lab.simulation import Frame
from refseg_ros.geometry import organised_cloud
from refseg_ros.image_io import write_image
from refseg_ros.results import Selection, Status
from refseg_ros.ros.listening import with_mask
from refseg_ros.viewer.overlay import draw_overlay


def run_trials(client: PickClient, console: Console) -> int:
    """Asks and picks in every scene, prints and writes what came of it.

    Returns:
        0 if enough commands succeeded, else 1.

    Raises:
        RefsegError: The segmenter does not answer in time.
        RendererUnavailable: The simulation cannot start.
        Interrupted: A signal came.
    """
    outcomes: list[PickOutcome] = []
    out, film = Path(client.settings["out"]), bool(client.settings["film"])
    said = str(client.settings["say"])
    scenes = islice(
        open_scenes(client.settings["seed"], bool(client.settings["faulty_depth"])),
        1 if said else client.settings["scenes"],
    )
    with Console(stderr=True).status("waiting for the simulation and the models…") as status:
        client.wait_for_segmenter()
        for turn, (cell, frame) in enumerate(scenes):
            client.show(frame)
            own = [own_task(said, cell.spec, frame)] if said else []
            for task in own or choose_tasks(cell.spec, frame, turn):
                status.update(f"scene {cell.spec.seed}: {escape(task.command)}")
                client.resume(frame)
                trial = _Trial(client, cell, frame, task)
                outcome = trial.run(PickFilm(cell, task.command) if film else None)
                film = film and not (outcome.ok and outcome.moved)
                trial.save(out, len(outcomes))
                outcomes.append(outcome)
                _tell(console, outcome)
            client.show(None)
    console.print(picks_table(outcomes))
    for line in pick_summary(outcomes):
        console.print(line)
    save_picks(out / "results.json", outcomes)
    console.print(f"pictures and results.json are in {escape(str(out))}")
    return 0 if sum(item.ok for item in outcomes) >= needed(len(outcomes)) else 1


def _tell(console: Console, outcome: PickOutcome) -> None:
    mark = "picked" if outcome.moved else "right"
    verdict = f"[green]{mark}[/green]" if outcome.ok else "[red]not picked[/red]"
    console.print(f"[bold]{escape(outcome.command)}[/bold]  (scene {outcome.scene})")
    console.print(f"  node: {outcome.status}, {escape(outcome.what)}", soft_wrap=True)
    console.print(f"  arm:  {verdict}, {escape(outcome.why)}", soft_wrap=True)


class _Trial:
    """One command: asked, acted on and judged."""

    def __init__(self, client: PickClient, cell: PickingCell, frame: Frame, task: Task) -> None:
        self._client, self._cell, self._frame, self._task = client, cell, frame, task
        self._film: PickFilm | None = None

    def run(self, film: PickFilm | None) -> PickOutcome:
        """Ask, let the arm act and judge; a film is kept if the pick succeeds."""
        cell, command = self._cell, self._task.command
        self._reply = reply = self._client.ask(command)
        selection = reply.heard.selection
        self._picture = self._draw(selection)
        self._client.show(None)  # what the arm does is not seen by the camera of this demo
        cell.reset()
        before = cell.places()
        if film is not None:
            film.start(self._draw(selection, labelled=False))
        attempt = self._act(reply)
        meant = self._task.target
        if meant is None:  # the best guess is that the node is right
            meant = self._most_covered(selection.mask)
        lifted, verdict = judge_pick(before, cell.places(), meant)
        if self._task.target is None and not attempt.holding:
            lifted = False  # what somebody asks for is taken to be there
        if film is not None:
            film.stop()
            self._film = film if lifted and attempt.holding else None
        self._client.resume(self._frame)
        overlap = np.nan
        if meant >= 0:
            mask = selection.mask
            overlap = mask_iou(mask, self._frame.instances == meant + 1) if mask.size else 0.0
        chosen = selection.status is Status.SELECTED
        return PickOutcome(
            scene=cell.spec.seed,
            command=command,
            phenomenon=self._task.phenomenon,
            category=cell.spec.objects[meant].category if meant >= 0 else "",
            status=selection.status.name,
            iou=float(overlap),
            perceived=bool(chosen and overlap >= IOU_NEEDED) if meant >= 0 else not chosen,
            moved=attempt.grasp is not None,
            ok=lifted,
            what=selection.reason,
            why=f"{attempt.reason}: {verdict}" if attempt.grasp else attempt.reason,
            seconds=reply.seconds,
        )

    def _most_covered(self, mask: NDArray[np.bool_]) -> int:
        """Index of the object that most of a mask lies on; -1 if none."""
        below = self._frame.instances[mask] if mask.size else np.zeros(0, np.uint8)
        counts = np.bincount(below, minlength=2)[1:]
        return int(counts.argmax()) if counts.any() else -1

    def _act(self, reply: Reply) -> Attempt:
        status = reply.heard.selection.status
        if status is Status.AMBIGUOUS:
            question = reply.heard.message.question or "several things fit"
            return Attempt(None, False, f"no motion, it asks back: {question}")
        if status is not Status.SELECTED:
            return Attempt(None, False, "no motion, there is nothing to pick")
        if reply.cloud is None or reply.box is None:
            return Attempt(None, False, f"no motion: {reply.heard.message.space_problem}")
        frame = self._frame
        others = np.isnan(reply.cloud[..., 2])
        rest = organised_cloud(others, frame.depth, frame.intrinsics)
        return pick(self._cell, reply.cloud, reply.box, frame.camera_pose, rest)

    def _draw(self, selection: Selection, labelled: bool = True) -> NDArray[np.uint8]:
        image = self._frame.rgb
        return draw_overlay(image, with_mask(selection, image.shape[:2]), labelled=labelled)

    def save(self, out: Path, number: int) -> None:
        """Write the answer's picture, and the film if there is one."""
        write_image(out / f"{number:02d}.png", self._picture)
        if self._film is not None:
            self._film.save(out / "pick.webp")


def main(args: Sequence[str] | None = None) -> None:
    """Run the trials once."""
    run_client(PickClient, run_trials, 140, args)


if __name__ == "__main__":
    main()
