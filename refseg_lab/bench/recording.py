# SPDX-License-Identifier: Apache-2.0
"""Measured times, and the machine they were measured on."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

from refseg_lab.evaluation.timing import machine
from refseg_ros.backbones.device import Device

_PACKAGES = ("torch", "numpy", "opencv-python-headless", "transformers", "open_clip_torch")


@dataclass(frozen=True)
class BenchRow:
    """One thing that was measured.

    Attributes:
        group: What it belongs to; one of :data:`refseg_lab.bench.GROUPS`.
        name: What it is.
        seconds: Duration of each run; empty if it could not be measured.
        note: Why it could not be measured, or another remark.
    """

    group: str
    name: str
    seconds: tuple[float, ...]
    note: str = ""

    def quantile(self, share: float) -> float:
        """Seconds that this share of the runs did not exceed; needs at least one measured run."""
        return float(np.quantile(self.seconds, share))

    def as_json(self) -> dict[str, Any]:
        """Plain values: milliseconds, None where nothing was measured."""
        shares = {"median_ms": 0.5, "p10_ms": 0.1, "p90_ms": 0.9, "p95_ms": 0.95}
        return {
            "group": self.group,
            "name": self.name,
            "runs": len(self.seconds),
            **{
                key: round(1e3 * self.quantile(share), 4) if self.seconds else None
                for key, share in shares.items()
            },
            "all_ms": [round(1e3 * value, 4) for value in self.seconds],
            "note": self.note,
        }


@dataclass
class BenchReport:
    """All rows, and what they were measured on.

    Attributes:
        preset: The segmenter's preset.
        device: Where networks run, and in which precision.
        threads: Threads for torch and OpenCV.
        rows: In the order in which they were measured.
        load_before: Processes that wanted to run in the minute before: above the number of cores
            something else was running, and the seconds are too long.
        peaks: Greatest memory of the process after each group, in megabytes; it never shrinks.
    """

    preset: str
    device: Device
    threads: int
    rows: list[BenchRow] = field(default_factory=list)
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])
    peaks: dict[str, float] = field(default_factory=dict)

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of Python and of the packages that do the work."""
        found = {"python": platform.python_version()}
        for name in (*_PACKAGES, "refseg_ros"):
            try:
                found[name] = version(name)
            except PackageNotFoundError:  # a checkout on PYTHONPATH, or another OpenCV
                found[name] = "not installed by pip"
        return found

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "preset": self.preset,
            "machine": machine(),
            "device": str(self.device),
            "dtype": str(self.device.dtype).removeprefix("torch."),
            "threads": self.threads,
            "load_before": self.load_before,
            "versions": dict(self.versions),
            "peak_memory_mb": dict(self.peaks),
            "rows": [row.as_json() for row in self.rows],
        }

    def note_peak(self, group: str) -> None:
        """Remember the greatest memory so far; on CUDA that of the GPU as well."""
        unit = 1 if sys.platform == "darwin" else 1024
        bytes_used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        self.peaks[group] = round(bytes_used / 2**20, 1)
        if self.device.torch_device.type == "cuda":
            used = torch.cuda.max_memory_allocated(self.device.torch_device)
            self.peaks[f"{group}, GPU"] = round(used / 2**20, 1)
