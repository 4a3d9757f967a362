# SPDX-License-Identifier: Apache-2.0
"""What an answer costs: seconds, files and loading, measured apart from everything else."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from refseg_lab.evaluation.bootstrap import Figure
from refseg_lab.evaluation.measure import look
from refseg_lab.evaluation.records import Sample
from refseg_lab.evaluation.runner import Loader, threads
from refseg_ros.recordings.observed import Observer

THREADS = 2
"""Threads of the timing; the target is stated for two CPU cores."""
WARM_UP = 2
"""Samples that are answered before the clock starts: first calls allocate and compile."""
TIMED = 12
"""Samples that are timed."""
LIMIT = 90.0
"""Seconds after which no further sample is begun: a machine that is busy with other things takes
minutes for what two quiet cores do in seconds, and its times are worth little."""
_SPREAD = (0.1, 0.9)
DIFFUSION = "weights/bundled/diffusion"
"""Folder of the networks that only the method ref_diff reads."""
_CODE = (".py", ".pyc", ".typed")


@dataclass(frozen=True)
class Cost:
    """What was measured on this machine.

    Attributes:
        seconds: Time to observe a picture and answer its first expression, one per sample.
        size: Height and width of the pictures in pixels.
        threads: Used while timing.
        machine: Processor and number of cores.
        load_average: Processes that wanted to run in the minute before: above the number of
            cores the machine was busy with other things, and the seconds are too long.
        load_seconds: From files to networks in memory, libraries imported before.
        bundled: Bytes of each folder of data that ships with the package.
    """

    seconds: tuple[float, ...]
    size: tuple[int, int]
    threads: int
    machine: str
    load_average: float
    load_seconds: float
    bundled: dict[str, int]

    @property
    def answer(self) -> Figure:
        """Median of the seconds, with the range that holds the middle 80 %."""
        if not self.seconds:
            return Figure(None)
        low, high = np.quantile(self.seconds, _SPREAD)
        return Figure(float(np.median(self.seconds)), float(low), float(high))

    @property
    def bundled_bytes(self) -> int:
        """All of :attr:`bundled` but what only the method ref_diff reads."""
        return sum(self.bundled.values()) - self.diffusion_bytes

    @property
    def diffusion_bytes(self) -> int:
        """What only the method ref_diff reads."""
        return self.bundled.get(DIFFUSION, 0)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "answer_seconds": {**self.answer.as_json(), "all": list(self.seconds)},
            "height": self.size[0],
            "width": self.size[1],
            "threads": self.threads,
            "machine": self.machine,
            "load_average": self.load_average,
            "load_seconds": self.load_seconds,
            "bundled_bytes": dict(self.bundled),
        }


def time_first_answers(
    observer: Observer,
    samples: Sequence[Sample],
    *,
    count: int = TIMED,
    warm_up: int = WARM_UP,
    limit: float = LIMIT,
) -> tuple[float, ...]:
    """Seconds of observe + first select, one picture at a time.

    Args:
        observer: What is timed.
        samples: At least one with a question; they are taken in turn, and again if too few.
        count: Samples to time, at least 1.
        warm_up: Samples before them that do not count.
        limit: Seconds after which no further sample is begun; one is timed in any case.

    Raises:
        ValueError: No sample has a question, or ``count`` is less than 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    asked = [samples[index] for index in range(min(len(samples), count + warm_up))]
    asked = [sample for sample in asked if sample.questions]
    if not asked:
        raise ValueError("samples: none of them has a question")
    seconds: list[float] = []
    deadline = time.perf_counter() + limit
    for index in range(warm_up + count):
        if len(seconds) > warm_up and time.perf_counter() > deadline:
            break
        sample = asked[index % len(asked)]
        question = sample.questions[0]
        began = time.perf_counter()
        look(observer, sample).select(question.expression)
        seconds.append(time.perf_counter() - began)
    return tuple(seconds[warm_up:])


def measure_cost(load: Loader, observer: Observer, samples: Sequence[Sample]) -> Cost:
    """Time loading and answering, and weigh the bundled files.

    Args:
        load: Loads what is timed; called once more, when everything is imported.
        observer: What ``load`` made before.
        samples: Pictures to answer, all of one size and with a question; none are not timed.
    """
    load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    began = time.perf_counter()
    load()
    load_seconds = time.perf_counter() - began
    used = min(THREADS, cores())
    seconds: tuple[float, ...] = ()
    if samples:
        with threads(used):
            seconds = time_first_answers(observer, samples)
    height, width = samples[0].image.shape[:2] if samples else (0, 0)
    return Cost(
        seconds=seconds,
        size=(height, width),
        threads=used,
        machine=machine(),
        load_average=load_average,
        load_seconds=load_seconds,
        bundled=bundled_bytes(),
    )


def machine() -> str:
    """The processor's name and the number of cores that this process may use."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        name = names[0] if names else name
    return f"{name}, {cores()} cores"


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def bundled_bytes() -> dict[str, int]:
    """Bytes of the data that ships with both packages, by folder."""
    sizes: dict[str, int] = {}
    for name in ("refseg_ros", "refseg_lab"):
        package = Path(str(resources.files(name)))
        for path in package.rglob("*"):
            if path.is_file() and path.suffix not in _CODE:
                place = "/".join(path.relative_to(package).parts[:-1][:3])
                sizes[place] = sizes.get(place, 0) + path.stat().st_size
    return sizes
