# SPDX-License-Identifier: Apache-2.0
"""A process that is killed in the middle of its work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def kill_after_three_of_eight(code: str, arguments: list[str], log: Path) -> int:
    """Run Python code that logs a head and eight lines, and kill it when three are there.

    Args:
        code: Sees the modules of this folder and, in ``sys.argv``, the arguments.
        arguments: Of the code.
        log: File that it writes line by line.

    Returns:
        How many lines after the head were finished: at least three, not all.
    """
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env={**os.environ, "PYTHONPATH": path}
    )
    deadline = time.monotonic() + 120
    while not (log.exists() and log.read_bytes().count(b"\n") >= 4):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = log.read_bytes().count(b"\n") - 1
    assert 3 <= kept < 8
    return kept
