# SPDX-License-Identifier: Apache-2.0
"""How long a robot waits for its first answer: observe + first select at 640×480.

Method: the networks are loaded and two pictures answered before the clock starts (first calls
allocate and import). Then the bundled pictures are taken in turn; of each, one ``observe`` and
the first ``select`` of one of its expressions are timed together by the wall clock, one picture
at a time. torch and OpenCV use the stated number of threads. Median, least and greatest of the
runs are printed, with the stages of ``observe``, and the load of the machine before the run:
above the number of cores something else was running, and the figures say little (threads that
wait for one another are then slower than one alone; OMP_WAIT_POLICY=PASSIVE softens that).

Run: ``python benchmarks/observe_select.py [--threads 2] [--runs 40] [--preset tabletop]``
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from refseg_lab.evaluation.runner import threads
from refseg_lab.evaluation.tabletop_source import TabletopSource
from refseg_lab.evaluation.timing import THREADS, WARM_UP, cores, machine, time_first_answers
from refseg_ros import Segmenter
from refseg_ros.errors import RefsegError
from refseg_ros.recordings.observed import Observed


class Staged:
    """A segmenter that keeps the seconds of every stage of observing."""

    def __init__(self, segmenter: Segmenter) -> None:
        """Wrap a loaded segmenter."""
        self._segmenter = segmenter
        self.description = segmenter.description
        self.stages: defaultdict[str, list[float]] = defaultdict(list)

    def observe(self, image: NDArray[np.uint8]) -> Observed:
        """Look at an image."""
        scene = self._segmenter.observe(image)
        for name, seconds in scene.seconds.items():
            self.stages[name].append(seconds)
        return scene


def main(arguments: list[str] | None = None) -> None:
    """The command ``python benchmarks/observe_select.py``."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    made.add_argument("--preset", default="tabletop", help="a preset or a YAML file")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, …")
    made.add_argument("--threads", type=int, default=min(THREADS, cores()), help="of torch")
    made.add_argument("--runs", type=int, default=40, help="pictures that are timed")
    options = made.parse_args(arguments)
    for name in ("threads", "runs"):
        if getattr(options, name) < 1:
            made.error(f"--{name}: {getattr(options, name)} is less than 1")
    console, load = Console(highlight=False), os.getloadavg()[0]
    try:
        staged = Staged(Segmenter.from_preset(options.preset, device=options.device))
        samples = TabletopSource().open()
    except RefsegError as error:
        made.exit(1, f"{made.prog}: error: {error}\n")
    with threads(options.threads):
        total = time_first_answers(staged, samples, count=options.runs, limit=math.inf)
    height, width = samples[0].image.shape[:2]
    console.print(_table(total, staged.stages))
    console.print(
        f"{staged.description}; {machine()}; {options.threads} threads; load {load:.1f} before; "
        f"{options.runs} pictures of {width}×{height}",
        soft_wrap=True,
    )


def _table(total: tuple[float, ...], stages: dict[str, list[float]]) -> Table:
    table = Table("stage", box=None, header_style="bold")
    for name in ("median", "least", "greatest"):
        table.add_column(f"{name} ms", justify="right")
    rows = {f"  {name}": values[WARM_UP:] for name, values in stages.items() if name != "total"}
    for name, values in {"observe + first select": list(total), **rows}.items():
        figures = (statistics.median(values), min(values), max(values))
        table.add_row(name, *(f"{1e3 * value:.0f}" for value in figures))
    return table


if __name__ == "__main__":
    main()
