#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How well a thing is followed through rendered films, beside observing alone.

Films of five kinds (the camera moves; the thing moves too; something passes before it; the camera
turns away and back; a thing that looks the same passes by) are drawn from seeds and rendered at
640 x 480, 10 pictures a second. The thing is given in the first picture by its true mask: the
candidate nearest to it is followed. An observation that is asked for arrives --latency pictures
later, as it does in a node. Without tracking, every --every-th picture is observed, the thing
found in it from the one before, and its mask shown until the next.

    python benchmarks/tracking.py
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, fields, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refseg_lab.evaluation.bootstrap import Resampler
from refseg_lab.simulation.renderer import TabletopRenderer
from refseg_lab.simulation.sequences import KINDS, sample_film
from refseg_ros import Segmenter
from refseg_ros.dialogue.finding import found_again
from refseg_ros.results import Selection, Status
from refseg_ros.scene import Scene
from refseg_ros.tracking import Tracker
from refseg_ros.tracking.outline import overlap

FIRST = 100
"""Seed of the first film."""
SEEN = 100
"""Pixels from which a thing is to be found; with none it is to be lost, between them neither."""
FOUND, TAKEN = 0.5, 0.3
"""IoU from which a thing is found, and with another from which that is taken for it."""

Masks = NDArray[np.bool_]


@dataclass(frozen=True)
class Shots:
    """A rendered film: (T, H, W, 3) uint8 pictures, (T, H, W) uint8 instances, and whose."""

    kind: str
    pictures: NDArray[np.uint8]
    instances: NDArray[np.uint8]
    target: int


@dataclass
class Tally:
    """What is counted over films; times are in milliseconds."""

    films: int = 0
    overlaps: list[list[float]] = field(default_factory=list)
    switches: int = 0
    losses: int = 0
    gaps: list[int] = field(default_factory=list)
    never: int = 0
    absent: int = 0
    imagined: int = 0
    observed: int = 0
    wall: list[float] = field(default_factory=list)
    core: list[float] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        names = (item.name for item in fields(self))
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def add(self, shots: Shots, masks: Masks) -> None:
        """Count a film whose masks after the first picture are given."""
        self.films += 1
        wrong, held, gap = False, True, 0
        self.overlaps.append([])
        for mask, instances in zip(masks, shots.instances[1:], strict=True):
            truth = instances == shots.target + 1
            fit, area = overlap(mask, truth), int(truth.sum())
            others = (overlap(mask, instances == k) for k in np.unique(instances[mask]) if k)
            other = max((value for value in others if value != fit), default=0.0)
            switched = other > max(fit, TAKEN)
            self.switches += switched and not wrong
            self.losses += held and not mask.any()
            wrong, held = switched, bool(mask.any())
            if not area:
                self.absent += 1
                self.imagined += held
            if area < SEEN:
                continue
            self.overlaps[-1].append(fit)
            if fit < FOUND:
                gap += 1
            elif gap:
                self.gaps.append(gap)
                gap = 0
        self.never += gap > 0

    def row(self, name: str) -> str:
        """One line of the table."""
        fits = np.concatenate(self.overlaps)
        sums = [sum(values) for values in self.overlaps]
        mean = Resampler(self.films).ratio(sums, [len(values) for values in self.overlaps])
        cells = [
            f"{name:<22}{self.films:>5}{mean.value:>7.3f}  ({mean.low:.2f} to {mean.high:.2f})",
            f"{(fits >= FOUND).mean():>9.1%}{self.switches:>9}{self.losses:>8}",
            f"{len(self.gaps):>10}{np.median(self.gaps) if self.gaps else 0:>7.0f}",
            f"{self.never:>7}{self.imagined:>7}/{self.absent:<5}",
            f"{self.observed / max(1, self.films):>7.1f}",
        ]
        return "".join(cells)


HEADER = (
    f"{'':<22}{'films':>5}{'mIoU':>7}{'':>16}{'IoU>=.5':>9}{'switches':>9}{'losses':>8}"
    f"{'recovered':>10}{'after':>7}{'never':>7}{'imagined':>13}{'observed':>9}"
)


def shots_of(number: int, length: int, cache: Path | None) -> Shots:
    """A film, from the cache if it is in it."""
    kind = KINDS[number % len(KINDS)]
    path = cache / f"{kind}-{FIRST + number}-{length}.npz" if cache else None
    if path is not None and path.exists():
        with np.load(path) as data:
            return Shots(kind, data["rgb"], data["instances"], int(data["target"]))
    film = sample_film(FIRST + number, kind, length)
    with TabletopRenderer(640, 480, depth=False) as renderer:
        frames = [renderer.render(spec) for spec in film.frames]
    pictures = np.stack([frame.rgb for frame in frames])
    instances = np.stack([frame.instances for frame in frames])
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, rgb=pictures, instances=instances, target=film.target)
    return Shots(kind, pictures, instances, film.target)


@cache
def segmenter_of(preset: str) -> Segmenter:
    """The networks, loaded once in each process."""
    return Segmenter.from_preset(preset, "cpu")


class Observations:
    """Observed pictures of one film, each observed once."""

    def __init__(self, segmenter: Segmenter, shots: Shots) -> None:
        self._segmenter, self._shots = segmenter, shots
        self._scenes: dict[int, Scene] = {}

    def at(self, number: int) -> Scene:
        """The scene of a picture."""
        if number not in self._scenes:
            self._scenes[number] = self._segmenter.observe(self._shots.pictures[number])
        return self._scenes[number]


def chosen(scene: Scene, truth: Masks) -> Selection | None:
    """The candidate nearest to the truth, as an answer; None if there is none."""
    fits = [overlap(mask, truth) for mask in scene.proposals.masks]
    if not fits or max(fits) < FOUND:
        return None
    index = int(np.argmax(fits))
    none = Selection.none("", Status.SELECTED, "", scene.size)
    mask, box = scene.proposals.masks[index], scene.proposals.boxes[index]
    return replace(none, mask=mask, box=box, index=index, indices=(index,), score=1.0)


def tracked(
    shots: Shots, scenes: Observations, selection: Selection, latency: int, tally: Tally
) -> Masks:
    """Masks of all pictures but the first, by a tracker."""
    tracker = Tracker()
    asked, answer = None, tracker.start(scenes.at(0), selection)
    masks = []
    for number in range(1, len(shots.pictures)):
        if asked is not None and number - asked >= latency:
            tracker.reobserved(scenes.at(asked), number - 1 - asked)
            asked = None
        wall, core = time.perf_counter(), time.process_time()
        answer = tracker.update(shots.pictures[number])
        tally.wall.append(1e3 * (time.perf_counter() - wall))
        tally.core.append(1e3 * (time.process_time() - core))
        masks.append(answer.mask)
        if answer.reobserve and asked is None:
            asked = number
            tally.observed += 1
    return np.stack(masks)


def observed(
    shots: Shots, scenes: Observations, index: int, every: int, latency: int, tally: Tally
) -> Masks:
    """The same by observing alone."""
    known, held = scenes.at(0), index
    mask = known.proposals.masks[index]
    masks = []
    for number in range(1, len(shots.pictures)):
        taken = number - latency
        if taken > 0 and taken % every == 0:
            scene = scenes.at(taken)
            tally.observed += 1
            found = found_again(known, (held,), scene)
            mask = np.zeros_like(mask)
            if found is not None:
                known, held = scene, found[0]
                mask = scene.proposals.masks[held]
        masks.append(mask)
    return np.stack(masks)


def measured(number: int, options: argparse.Namespace) -> tuple[str, Tally, Tally, str]:
    """Kind of a film, the figures with and without a tracker, and its IoUs in words."""
    shots = shots_of(number, options.length, options.cache)
    scenes = Observations(segmenter_of(options.preset), shots)
    selection = chosen(scenes.at(0), shots.instances[0] == shots.target + 1)
    with_tracker, alone = Tally(), Tally()
    if selection is None or selection.index is None:
        return shots.kind, with_tracker, alone, "left out, as no candidate is the thing"
    masks = tracked(shots, scenes, selection, options.latency, with_tracker)
    with_tracker.add(shots, masks)
    index, every, latency = selection.index, options.every, options.latency
    held = observed(shots, scenes, index, every, latency, alone)
    alone.add(shots, held)
    words = f"tracked {_fits(shots, masks)}; observed {_fits(shots, held)}"
    return shots.kind, with_tracker, alone, words


def _fits(shots: Shots, masks: Masks) -> str:
    truths = shots.instances[1:] == shots.target + 1
    return " ".join(
        f"{overlap(mask, truth):.2f}" if mask.any() else "none"
        for mask, truth in zip(masks, truths, strict=True)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--films", type=int, default=20)
    parser.add_argument("--length", type=int, default=30, help="pictures of each")
    parser.add_argument("--latency", type=int, default=4, help="pictures an observation takes")
    parser.add_argument("--every", type=int, default=6, help="observing alone: each such picture")
    parser.add_argument("--preset", default="tabletop")
    parser.add_argument("--jobs", type=int, default=1, help="films at a time, a process each")
    parser.add_argument("--each", action="store_true", help="print the IoUs of each film")
    parser.add_argument("--cache", type=Path, help="folder that keeps rendered films")
    options = parser.parse_args(arguments)
    with_tracker = {kind: Tally() for kind in (*KINDS, "all")}
    alone = {kind: Tally() for kind in (*KINDS, "all")}
    films = range(options.films)
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for number, found in enumerate(pool.map(measured, films, [options] * options.films)):
            kind, one, other, words = found
            if options.each:
                print(f"{kind} {FIRST + number}: {words}", flush=True)
            for name in (kind, "all"):
                with_tracker[name] += one
                alone[name] += other
    print(HEADER)
    for label, table in (("tracked", with_tracker), ("observed", alone)):
        for kind, tally in table.items():
            if tally.films:
                print(tally.row(f"{label}: {kind}"))
    for name, times in (
        ("wall", with_tracker["all"].wall),
        ("one core", with_tracker["all"].core),
    ):
        middle, high = np.percentile(times, (50, 95))
        print(f"an update, {name}: median {middle:.0f} ms, 95 % {high:.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
