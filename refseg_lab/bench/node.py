# SPDX-License-Identifier: Apache-2.0
"""A node process from end to end: the benchmark of the checkout, which needs ROS."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from refseg_lab.bench.recording import BenchRow

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "node.py"
_LINE = re.compile(r"^(?P<name>\S.*?)\s+median\s+(?P<median>[\d.]+) ms, (?P<rest>p5 .*)$")


def measure_node(runs: int) -> Iterator[BenchRow]:
    """From an image on a topic to its mask on another, and what the node adds to the models.

    Yields:
        The medians of ``benchmarks/node.py overhead``, whose spread is in the note.
    """
    if not _SCRIPT.exists():
        yield BenchRow("node", "end to end", (), "not available: benchmarks/ is not installed")
        return
    command = [sys.executable, str(_SCRIPT), "overhead", "--frames", str(max(2, runs))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [_LINE.match(line) for line in done.stdout.splitlines()]
    rows = [match for match in found if match]
    if done.returncode or not rows:
        why = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        yield BenchRow("node", "end to end", (), f"not available: {why[:200]}")
        return
    for match in rows:
        yield BenchRow("node", match["name"], (float(match["median"]) / 1e3,), match["rest"])
