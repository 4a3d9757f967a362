# SPDX-License-Identifier: Apache-2.0
"""A few child processes that live and die together with this one (Linux)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

# Runs before the real program in the same process: asks the kernel to kill it when its parent
# dies, however that happens, then becomes the program. (`preexec_fn` would run Python code
# between fork and exec, which may deadlock beside other threads.) PR_SET_PDEATHSIG is 1.
_SHIM = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent process is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""
_STOP_STEPS = ((signal.SIGINT, 6.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0))


@dataclass
class Child:
    """One running child process.

    Attributes:
        name: For messages.
        process: The process, in a session of its own.
        log: The file of its output, or None if it writes to this terminal.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path | None

    def last_lines(self, count: int = 25) -> list[str]:
        """The end of its log; empty without one."""
        if self.log is None:
            return []
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]

    def describe_end(self) -> str:
        """How it ended, in words."""
        code = self.process.returncode
        if code is not None and code < 0:
            return f"{self.name} was ended by signal {signal.Signals(-code).name}"
        return f"{self.name} ended with exit code {code}"


class Children:
    """Starts child processes and stops them all: politely, then firmly."""

    def __init__(self) -> None:
        self.running: list[Child] = []

    def start(
        self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path | None = None
    ) -> Child:
        """Starts a child that cannot outlive this process.

        Args:
            name: For messages.
            command: Absolute path of the program and its arguments; no shell is involved.
            env: Its whole environment.
            log: File for its output; None leaves it on this terminal.
        """
        shim = [sys.executable, "-I", "-S", "-c", _SHIM, str(os.getpid()), *command]
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(log.open("wb")) if log else None
            process = subprocess.Popen(
                shim,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,  # Ctrl-C reaches this process alone; it stops the others
            )
        child = Child(name, process, log)
        self.running.append(child)
        return child

    def ended(self) -> Child | None:
        """The first child that is no longer running, if any."""
        return next((c for c in self.running if c.process.poll() is not None), None)

    def stop(self, hurry: threading.Event | None = None) -> None:
        """Ends all children: SIGINT, later SIGTERM, at last SIGKILL, and reaps them.

        Args:
            hurry: When set (a second Ctrl-C), waiting is cut short.
        """
        for number, seconds in _STOP_STEPS:
            alive = [child for child in self.running if child.process.poll() is None]
            if not alive:
                break
            for child in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.process.pid, number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and not (hurry is not None and hurry.is_set()):
                if all(child.process.poll() is not None for child in alive):
                    break
                time.sleep(0.05)
        for child in self.running:
            child.process.wait()
        self.running.clear()


class StopRequest:
    """Remembers the signals that ask this process to stop.

    Attributes:
        asked: Set by the first SIGINT, SIGTERM or SIGHUP.
        hurry: Set by the second one.
        number: Number of the first signal; None before.
    """

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.hurry = threading.Event()
        self.number: int | None = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked.is_set():
            self.hurry.set()
        else:
            self.number = number
            self.asked.set()

    @contextlib.contextmanager
    def listening(self) -> Iterator[StopRequest]:
        """Takes the signals over while the block runs; main thread only."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, self._note) for number in numbers}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
