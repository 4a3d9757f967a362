# SPDX-License-Identifier: Apache-2.0
"""Pools of processes: order, errors of a start, death of a worker and of the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkout import HELPERS, ROOT

from refseg_lab.pools import in_processes
from refseg_lab.simulation import RendererUnavailable
from refseg_ros.errors import RefsegError

_offset = 0


def begin(offset: int) -> None:
    global _offset
    if offset < 0:
        raise RendererUnavailable("there is no driver")
    _offset = offset


def add(number: int) -> int:
    if number == 13:
        raise ValueError("thirteen")
    if number == 99:
        os._exit(1)
    return number + _offset


def test_results_come_in_order_from_started_processes() -> None:
    assert list(in_processes(add, range(7), 2, begin, (10,), chunk=2)) == list(range(10, 17))


def test_errors_of_start_and_work_arrive_as_they_are() -> None:
    with pytest.raises(RendererUnavailable, match="there is no driver"):
        list(in_processes(add, range(3), 1, begin, (-1,)))
    with pytest.raises(ValueError, match="thirteen"):
        list(in_processes(add, (1, 13), 1))
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        list(in_processes(add, (1,), 0))


def test_a_worker_that_dies_is_told_of() -> None:
    with pytest.raises(RefsegError, match="one of 1 processes ended early"):
        list(in_processes(add, (1, 99), 1))


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_closing_does_not_wait_for_what_is_under_way() -> None:
    naps = in_processes(nap, (0, 300), 2)
    assert next(naps) == 0
    began = time.monotonic()
    naps.close()
    assert time.monotonic() - began < 100


def leave_word(folder: str) -> None:
    Path(folder, "worker").write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(60)


_PARENT = """
import sys
from test_pools import leave_word
from refseg_lab.pools import in_processes
if __name__ == "__main__":
    list(in_processes(leave_word, [sys.argv[1]], 1))
"""


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "zombie" not in status.read_text(encoding="utf-8")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_worker_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(_PARENT, encoding="utf-8")
    paths = os.pathsep.join(map(str, (Path(__file__).parent, HELPERS, ROOT)))
    parent = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], env={**os.environ, "PYTHONPATH": paths}
    )
    word = tmp_path / "worker"
    deadline = time.monotonic() + 60
    while not (word.exists() and word.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline
        assert parent.poll() is None
        time.sleep(0.05)
    worker = int(word.read_text(encoding="utf-8"))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while alive(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)
