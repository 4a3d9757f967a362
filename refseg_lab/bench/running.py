# SPDX-License-Identifier: Apache-2.0
"""Runs the measurements that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from refseg_lab.bench.messages import measure_messages
from refseg_lab.bench.node import measure_node
from refseg_lab.bench.recording import BenchReport, BenchRow
from refseg_lab.bench.stages import Table, measure_answer, measure_tracking
from refseg_lab.bench.sweeps import (
    sweep_cameras,
    sweep_candidates,
    sweep_expressions,
    sweep_sizes,
)
from refseg_lab.evaluation.runner import threads
from refseg_ros.backbones.device import Device
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import ConfigError

Measure = Callable[[Table, int], Iterator[BenchRow]]

GROUPS: dict[str, Measure] = {
    "answer": measure_answer,
    "tracking": measure_tracking,
    "messages": measure_messages,
    "candidates": sweep_candidates,
    "size": sweep_sizes,
    "expressions": sweep_expressions,
    "cameras": sweep_cameras,
}
"""What can be measured, in this order."""


@dataclass(frozen=True)
class BenchOptions:
    """What is measured.

    Attributes:
        preset: The segmenter's preset: a name or a YAML file.
        device: Device name for :meth:`Device.from_name`.
        threads: Threads for torch and OpenCV.
        runs: Runs per measurement, after a few warm-up runs that do not count.
        groups: Some of :data:`GROUPS`; () for all.
        node: Whether a node process is measured as well, over real topics.
    """

    preset: str = "tabletop"
    device: str = "auto"
    threads: int = 2
    runs: int = 10
    groups: tuple[str, ...] = ()
    node: bool = False

    def __post_init__(self) -> None:
        """Refuse unknown groups.

        Raises:
            ConfigError: A group is unknown; the message lists the known ones.
        """
        for name in self.groups:
            if name not in GROUPS:
                raise ConfigError(f"--only: no {name!r}; there are {', '.join(GROUPS)}")


def run_bench(
    options: BenchOptions, said: Callable[[str], None] = lambda name: None
) -> BenchReport:
    """Measure.

    Args:
        options: What and how often.
        said: Called with the name of each group as it begins.

    Raises:
        ConfigError: Unknown preset, device or group.
        WeightsError: A checkpoint is missing.
    """
    device = Device.from_name(options.device)
    report = BenchReport(options.preset, device, options.threads)
    with threads(options.threads):
        table = Table.load(SegmenterConfig.from_preset(options.preset), device)
        for name in options.groups or tuple(GROUPS):
            said(name)
            report.rows += GROUPS[name](table, options.runs)
            report.note_peak(name)
        if options.node:
            said("node")
            report.rows += measure_node(options.runs)
    return report
