# SPDX-License-Identifier: Apache-2.0
"""How a node is: rates, times, memory and failures, for /diagnostics."""

from __future__ import annotations

import os
import statistics
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

_KEPT = 200  # times of a stage that percentiles are taken of
_TICKS = 6  # of a second, over which rates are taken
_RECENT = 30.0  # seconds for which a passing trouble is a problem
_SHOWN = 300  # characters of a text from outside

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def shown(text: str, most: int = _SHOWN) -> str:
    """A text from outside for logs and diagnostics: of bounded length, nothing invisible in it."""
    cut = text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)


def resident_megabytes() -> float:
    """Memory of this process that is in use, in megabytes (2**20 bytes)."""
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[1])
    return pages * _PAGE_BYTES / 2**20


def gpu_megabytes() -> float | None:
    """Memory that torch holds on GPUs, in megabytes; None if it uses none."""
    cuda = _cuda()
    return None if cuda is None else float(cuda.memory_reserved() / 2**20)


def free_gpu_memory() -> None:
    """Give back what torch keeps of GPU memory, so that the next work can have it in one piece."""
    if (cuda := _cuda()) is not None:
        cuda.empty_cache()


def _cuda() -> Any | None:
    """``torch.cuda`` if it is in use; another thread may be in the middle of importing it."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    is_initialized = getattr(cuda, "is_initialized", None)
    return cuda if is_initialized is not None and is_initialized() else None


class Health:
    """Counts and times what a node does; any thread may tell it.

    Attributes:
        failure: What the last work failed of; empty if it did not fail.
        last_error: The last thing that went wrong, however long ago.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {}
        self._counts: deque[tuple[float, Mapping[str, int]]] = deque(maxlen=_TICKS)
        self._troubles: dict[str, float] = {}
        self._error_time = 0.0
        self.failure = self.last_error = ""
        self.answers = self.failures = 0

    def took(self, stages: Mapping[str, float]) -> None:
        """Keep the seconds of stages."""
        with self._lock:
            for name, seconds in stages.items():
                self._times.setdefault(name, deque(maxlen=_KEPT)).append(seconds)

    def succeeded(self) -> None:
        """Count an answer; what failed before is over."""
        with self._lock:
            self.answers += 1
            self.failure = ""

    def failed(self, text: str) -> None:
        """Count a failure."""
        with self._lock:
            self.failures += 1
            self.failure = self.last_error = shown(text)
            self._error_time = time.monotonic()

    def trouble(self, text: str) -> None:
        """Keep a passing trouble, which is a problem for half a minute."""
        with self._lock:
            self._troubles[shown(text)] = time.monotonic()

    def troubles(self) -> list[str]:
        """The passing troubles of the last half minute."""
        with self._lock:
            now = time.monotonic()
            self._troubles = {
                text: then for text, then in self._troubles.items() if now - then < _RECENT
            }
            return list(self._troubles)

    def rates(self, counts: Mapping[str, int]) -> dict[str, str]:
        """How often a second what is counted happens; call it once a second.

        Args:
            counts: Name to number so far.

        Returns:
            Name to number a second over the last five calls.
        """
        now = time.monotonic()
        with self._lock:
            self._counts.append((now, dict(counts)))
            then, before = self._counts[0]
        seconds = now - then
        return {
            # Counts begin anew where the node is configured anew.
            name: f"{max(0, count - before.get(name, 0)) / seconds if seconds else 0.0:.1f}"
            for name, count in counts.items()
        }

    def latencies(self) -> dict[str, str]:
        """Median and 95th percentile of each stage, in milliseconds, by the stage's name."""
        with self._lock:
            times = {name: list(seconds) for name, seconds in self._times.items()}
        return {
            f"{name} ms (p50, p95)": ", ".join(
                f"{1e3 * part:.1f}" for part in _percentiles(values)
            )
            for name, values in times.items()
        }

    def figures(self) -> dict[str, str]:
        """Memory and errors."""
        gpu = gpu_megabytes()
        with self._lock:
            ago = f"{time.monotonic() - self._error_time:.0f} s ago" if self.last_error else ""
            return {
                "memory MB": f"{resident_megabytes():.0f}",
                "GPU memory MB": "none" if gpu is None else f"{gpu:.0f}",
                "answers": str(self.answers),
                "failures": str(self.failures),
                "last error": self.last_error,
                "last error was": ago,
            }


def _percentiles(values: list[float]) -> tuple[float, float]:
    if len(values) == 1:
        return values[0], values[0]
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    return cuts[9], cuts[18]
