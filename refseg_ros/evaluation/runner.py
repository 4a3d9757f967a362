# SPDX-License-Identifier: Apache-2.0
"""Runs a measurement over a split, on one process or several."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from refseg_ros.config import SegmenterConfig
from refseg_ros.evaluation.measure import measure
from refseg_ros.evaluation.records import Components, Observer, Sample, SceneResult, Source
from refseg_ros.pools import in_processes

Progress = Callable[[int], None]


class Loader(Protocol):
    """Makes what is evaluated; pickled into every worker."""

    def __call__(self) -> Observer:
        """Load the networks."""


@dataclass(frozen=True)
class SegmenterLoader:
    """Loads a segmenter from a configuration; a variant of it is another loader.

    Attributes:
        config: Of the segmenter.
        device: As :meth:`refseg_ros.backbones.device.Device.from_name`.
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


class _Work:
    """What a process needs for any sample: networks and the open split."""

    def __init__(self, load: Loader, source: Source, components: Components | None) -> None:
        self._observer = load()
        self._samples = source.open()
        self._components = components

    def __call__(self, index: int) -> SceneResult:
        sample: Sample = self._samples[index]
        return measure(self._observer, sample, self._components)


_work: _Work | None = None  # of this worker process


def run(
    load: Loader,
    source: Source,
    *,
    components: Components | None = None,
    workers: int = 1,
    progress: Progress = lambda done: None,
) -> list[SceneResult]:
    """Measure every sample of a split.

    Each process uses one thread, so that the answers are the same for any number of workers.

    Args:
        load: Makes what is evaluated, once a process.
        source: The split.
        components: As of :func:`refseg_ros.evaluation.measure.measure`; pickled like ``load``.
        workers: Processes; 1 stays in this one.
        progress: Called with the number of samples done.

    Returns:
        One result a sample, in the order of the split.

    Raises:
        ValueError: ``workers`` is less than 1.
        RefsegError: The split or the networks cannot be read, or a worker died.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    results = []
    count = len(source.open())
    for result in _results((load, source, components), min(workers, max(count, 1)), count):
        results.append(result)
        progress(len(results))
    return results


def _results(
    task: tuple[Loader, Source, Components | None], workers: int, count: int
) -> Iterator[SceneResult]:
    if workers == 1:
        with threads(1):
            yield from map(_Work(*task), range(count))
        return
    yield from in_processes(_measure, range(count), workers, _start, task)


def _start(load: Loader, source: Source, components: Components | None) -> None:
    global _work
    _set_threads(1)
    _work = _Work(load, source, components)


def _measure(index: int) -> SceneResult:
    if _work is None:
        raise RuntimeError("this process was not started by run()")
    return _work(index)


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Use so many threads for networks and pictures inside the block.

    Args:
        count: At least 1.
    """
    import cv2
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    _set_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def _set_threads(count: int) -> None:
    import cv2
    import torch

    torch.set_num_threads(count)
    cv2.setNumThreads(count)
