# SPDX-License-Identifier: Apache-2.0
"""Runs a measurement over a split, on one process or several."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from refseg_lab.evaluation.measure import measure_scene
from refseg_lab.evaluation.records import Components, Sample, SampleSource, SceneResult
from refseg_lab.pools import in_processes
from refseg_ros.config import SegmenterConfig
from refseg_ros.recordings.observed import Observer

Progress = Callable[[int], None]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Loader(Protocol):
    """Makes what is evaluated; pickled into every worker."""

    def __call__(self) -> Observer:
        """Load the networks."""


@dataclass(frozen=True)
class SegmenterLoader:
    """Loads a segmenter from a configuration; a variant of it is another loader.

    Attributes:
        config: The segmenter's configuration.
        device: Device name for :meth:`refseg_ros.backbones.device.Device.from_name`.
    """

    config: SegmenterConfig
    device: str = "auto"

    def __call__(self) -> Observer:
        """Load the networks.

        Raises:
            ConfigError: The device is not there.
            WeightsError: A checkpoint is missing or damaged.
        """
        from refseg_ros.backbones.device import Device
        from refseg_ros.segmenter import Segmenter

        return Segmenter.from_config(self.config, Device.from_name(self.device))


class Prepare(Protocol[T_co]):
    """Prepares one process for measuring; pickled into every worker."""

    def __call__(self) -> Callable[[Sample], T_co]:
        """What measures one sample."""


@dataclass(frozen=True)
class Measuring:
    """Prepares to measure one observer.

    Attributes:
        load: Makes what is evaluated.
        components: See :func:`refseg_lab.evaluation.measure.measure_scene`.
    """

    load: Loader
    components: Components | None = None

    def __call__(self) -> Callable[[Sample], SceneResult]:
        """Load the networks."""
        observer = self.load()
        return lambda sample: measure_scene(observer, sample, self.components)


class Work:
    """What a process needs for any sample: a way to measure and the open split."""

    def __init__(self, prepare: Prepare[Any], source: SampleSource) -> None:
        """Load what is needed.

        Args:
            prepare: Makes the way to measure.
            source: The split.
        """
        self._measure = prepare()
        self._samples = source.open()

    def __call__(self, index: int) -> Any:
        """Measure one sample."""
        return self._measure(self._samples[index])


_work: Work | None = None  # of this worker process


def run_samples(
    load: Loader,
    source: SampleSource,
    *,
    components: Components | None = None,
    workers: int = 1,
    progress: Progress = lambda done: None,
) -> list[SceneResult]:
    """Measure every sample of a split.

    Args:
        load: Makes what is evaluated, once a process.
        source: The split.
        components: See :func:`refseg_lab.evaluation.measure.measure_scene`; pickled like
            ``load``.
        workers: See :func:`over_samples`.
        progress: Called with the number of samples done.

    Returns:
        One result per sample, in the order of the split.

    Raises:
        ValueError: ``workers`` is less than 1.
        RefsegError: The split or the networks cannot be read, or a worker died.
    """
    return over_samples(Measuring(load, components), source, workers=workers, progress=progress)


def over_samples(
    prepare: Prepare[T],
    source: SampleSource,
    *,
    workers: int = 1,
    progress: Progress = lambda done: None,
) -> list[T]:
    """Measure every sample of a split, each read once.

    Each process uses one thread, so that the answers are the same for any number of workers.

    Args:
        prepare: Loads what is needed, once a process, and returns what measures a sample.
        source: The split.
        workers: Processes; 1 stays in this one.
        progress: Called with the number of samples done.

    Returns:
        One result per sample, in the order of the split.

    Raises:
        ValueError: ``workers`` is less than 1.
        RefsegError: The split or the networks cannot be read, or a worker died.
    """
    results: list[T] = []
    for result in each_sample(prepare, source, workers):
        results.append(result)
        progress(len(results))
    return results


def each_sample(prepare: Prepare[T], source: SampleSource, workers: int = 1) -> Iterator[T]:
    """Like :func:`over_samples`, but yield each result once it and those before it are ready."""
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    count = len(source.open())
    workers = min(workers, max(count, 1))
    if workers == 1:
        with threads(1):
            yield from map(Work(prepare, source), range(count))
        return
    yield from in_processes(_measure, range(count), workers, _start, (prepare, source))


def _start(prepare: Prepare[Any], source: SampleSource) -> None:
    global _work
    set_threads(1)
    _work = Work(prepare, source)


def _measure(index: int) -> Any:
    if _work is None:
        raise RuntimeError("this process was not started by over_samples()")
    return _work(index)


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Use this many threads for networks and pictures inside the block.

    Args:
        count: At least 1.
    """
    import cv2
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    set_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def set_threads(count: int) -> None:
    """Use this many threads for networks and pictures in this process from now on.

    Args:
        count: At least 1.
    """
    import cv2
    import torch

    torch.set_num_threads(count)
    cv2.setNumThreads(count)
