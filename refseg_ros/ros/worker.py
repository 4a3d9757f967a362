# SPDX-License-Identifier: Apache-2.0
"""What waits for the one thread that runs the models: newest frame, newest command, calls."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

MAX_CALLS = 16
"""Service calls that may wait; each holds an image."""


@dataclass(eq=False)
class Call:
    """One call of the service, answered exactly once, by whoever comes first.

    Attributes:
        request: What was asked.
        future: Gets the response; an ``rclpy.task.Future``.
        deadline: ``time.monotonic()`` after which nobody waits any more.
    """

    request: Any
    future: Any
    deadline: float
    _answered: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def answered(self) -> bool:
        """Whether the response was given."""
        return self._answered

    def answer(self, response: Any) -> bool:
        """Give the response; False if there was one already."""
        with self._lock:
            if self._answered:
                return False
            self._answered = True
        self.future.set_result(response)
        return True


@dataclass(frozen=True)
class Look:
    """Work: look at a frame and answer what is asked.

    Attributes:
        frame: The newest image message.
    """

    frame: Any


@dataclass(frozen=True)
class Clear:
    """Work: forget the command.

    Attributes:
        command: The blank text that asked for it.
        frame: The newest image message; None if none came yet.
    """

    command: str
    frame: Any | None


class Inbox:
    """Takes what arrives from any thread at any rate, and gives one thread its next work.

    A newer frame replaces an older one that was not looked at yet, and a newer command an older
    one: what is answered is always the present.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Any | None = None
        self._fresh = False
        self._command: str | None = None
        self._calls: deque[Call] = deque()
        self._continuous = False
        self._stopped = False
        self._received = 0
        self._dropped = 0
        self._last_frame_time = time.monotonic()

    @property
    def received(self) -> int:
        """Frames put in so far."""
        return self._received

    @property
    def dropped(self) -> int:
        """Frames that were replaced before they were looked at."""
        return self._dropped

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    @property
    def pending(self) -> str | None:
        """The command that waits, if one does."""
        return self._command

    @property
    def silence(self) -> float:
        """Seconds since the last frame came, or since the start."""
        return time.monotonic() - self._last_frame_time

    @property
    def newest(self) -> Any | None:
        """The newest frame, looked at or not."""
        return self._frame

    def put_frame(self, frame: Any) -> None:
        """Keep the newest frame."""
        with self._changed:
            self._dropped += self._fresh
            self._received += 1
            self._last_frame_time = time.monotonic()
            self._frame, self._fresh = frame, True
            self._changed.notify()

    def put_command(self, command: str) -> str | None:
        """Keep the newest command.

        Returns:
            The command that it replaces, which will not be answered any more; or None.
        """
        with self._changed:
            replaced, self._command = self._command, command
            self._changed.notify()
            return replaced

    def put_call(self, call: Call) -> bool:
        """Queue a service call; False if too many wait."""
        with self._changed:
            self._calls = deque(waiting for waiting in self._calls if not waiting.answered)
            if len(self._calls) >= MAX_CALLS:
                return False
            self._calls.append(call)
            self._changed.notify()
            return True

    def set_continuous(self, continuous: bool) -> None:
        """Whether a fresh frame is work even when nothing is asked."""
        with self._changed:
            self._continuous = continuous
            self._changed.notify()

    def pop_command(self) -> str | None:
        """Take the command that waits; it counts as answered from here on."""
        with self._changed:
            command, self._command = self._command, None
            return command

    def stop(self) -> None:
        """Give no more work."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def take(self) -> Clear | Look | Call | None:
        """Wait for the next work: a command first, then calls, then fresh frames.

        A command to look for something waits for the first frame; a blank one does not.

        Returns:
            The work, or None when stopped. The command of a `Look` stays until `pop_command`,
            so that one that comes meanwhile is the one that is answered.
        """
        with self._changed:
            while not self._stopped:
                command, self._command = self._command, None
                if command is not None and not command.strip():
                    return Clear(command, self._frame)
                self._command = command
                if command is not None and self._frame is not None:
                    return self._look()
                if self._calls:
                    return self._calls.popleft()
                if self._continuous and self._fresh:
                    return self._look()
                self._changed.wait()
            return None

    def _look(self) -> Look:
        self._fresh = False
        return Look(self._frame)
