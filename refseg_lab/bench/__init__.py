# SPDX-License-Identifier: Apache-2.0
"""What observing, answering, tracking and messages cost on this machine: ``refseg bench``."""

from refseg_lab.bench.recording import BenchReport, BenchRow
from refseg_lab.bench.running import GROUPS, BenchOptions, run_bench

__all__ = ["GROUPS", "BenchOptions", "BenchReport", "BenchRow", "run_bench"]
