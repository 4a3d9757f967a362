# SPDX-License-Identifier: Apache-2.0
"""What waits for the one thread that runs the models: newest frame, newest command, calls."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MAX_CALLS = 16
"""Service calls that may wait; each holds an image."""

_INTERVALS = 5  # between frames, of which the median is the camera's
_LATE = 1.25  # intervals after which a frame is not waited for any more
_MOST_WAITED = 0.1  # of the time between two looks


@dataclass(eq=False)
class Call:
    """One call of the service or goal of the action, answered once, by whoever comes first.

    Attributes:
        request: What was asked: ``image`` and ``expression``.
        future: Gets the response; an ``rclpy.task.Future``.
        deadline: ``time.monotonic()`` after which nobody waits any more.
        tell: Hears which stage of the work begins.
    """

    request: Any
    future: Any
    deadline: float
    tell: Callable[[str], None] = lambda stage: None
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
class LookJob:
    """Work: look at a frame and answer what is asked.

    Attributes:
        frame: The newest image message.
        time: ``time.monotonic()`` when it came.
    """

    frame: Any
    time: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Clear:
    """Work: forget the command.

    Attributes:
        command: The blank text that asked for it.
        frame: The newest image message; None if none came yet.
    """

    command: str
    frame: Any | None


@dataclass(frozen=True)
class Expired:
    """Work: say of a command that no image came for it.

    Attributes:
        command: It waited in vain.
    """

    command: str


@dataclass(frozen=True, eq=False)
class Again:
    """Work: observe a picture for a target that is followed.

    Attributes:
        frame: Its image message.
        number: The number of the tracker's update that saw it.
        in_doubt: Whether an earlier observation of the same view will not do.
        target: What is followed.
    """

    frame: Any
    number: int
    in_doubt: bool
    target: Any


@dataclass(frozen=True)
class Rest:
    """Work for when there is no other: some captions that no answer needed yet."""


Work = Clear | LookJob | Call | Expired | Again | Rest


class Inbox:
    """Takes what arrives from any thread at any rate, and gives one thread its next work.

    A newer frame replaces an older one that was not looked at yet, and a newer command an older
    one: what is answered is always the present.

    Attributes:
        active: Whether answers are wanted; what is at work when they are not is thrown away.
    """

    def __init__(self) -> None:
        self.active = False
        self._changed = threading.Condition()
        self._frame: Any | None = None
        self._fresh = False
        self._command: str | None = None
        self._command_time = math.inf
        self._calls: deque[Call] = deque()
        self._again: Again | None = None
        self._continuous = self._rest = False
        self._oldest = 0.0
        self._stopped = False
        self._received = 0
        self._dropped = 0
        self._intervals: deque[float] = deque(maxlen=_INTERVALS)
        self._last_look = math.inf
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
        """The newest frame, looked at or not; None if there is none, or it is too old."""
        return self._frame if self._is_recent() else None

    @property
    def full(self) -> bool:
        """Whether :data:`MAX_CALLS` calls wait."""
        with self._changed:
            return sum(not waiting.answered for waiting in self._calls) >= MAX_CALLS

    def put_frame(self, frame: Any) -> None:
        """Keep the newest frame."""
        with self._changed:
            self._dropped += self._fresh
            self._received += 1
            now = time.monotonic()
            self._intervals.append(now - self._last_frame_time)
            self._last_frame_time = now
            self._frame, self._fresh = frame, True
            self._changed.notify()

    def put_command(self, command: str, patient: bool = False) -> str | None:
        """Keep the newest command.

        Args:
            command: What is meant.
            patient: Whether it waits for an image as long as that takes.

        Returns:
            The command that it replaces, which will not be answered any more; or None.
        """
        with self._changed:
            replaced, self._command = self._command, command
            self._command_time = math.inf if patient else time.monotonic()
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

    def put_again(self, again: Again) -> None:
        """Keep the newest request of the tracker; commands and calls go before it."""
        with self._changed:
            self._again = again
            self._changed.notify()

    def set_continuous(self, continuous: bool) -> None:
        """Whether a fresh frame is work even when nothing is asked."""
        with self._changed:
            self._continuous = continuous
            self._changed.notify()

    def set_rest(self, rest: bool) -> None:
        """Whether there is something to do when nothing is asked."""
        with self._changed:
            self._rest = rest
            self._changed.notify()

    def set_oldest(self, seconds: float) -> None:
        """How old the newest frame may be, and how long a command waits for one; 0 is for ever."""
        with self._changed:
            self._oldest = seconds
            self._changed.notify()

    def drain(self) -> str | None:
        """Forget the frame and the calls; returns the command that waited, which is for ever."""
        with self._changed:
            command, self._command = self._command, None
            self._calls.clear()
            self.forget_frame()
            return command

    def forget_frame(self) -> None:
        """Wait for the next frame before anything is answered."""
        with self._changed:
            self._frame, self._fresh = None, False

    def pop_command(self) -> str | None:
        """Take the command that waits; it counts as answered from here on."""
        with self._changed:
            command, self._command = self._command, None
            return command

    def stop(self) -> None:
        """Give no more work."""
        with self._changed:
            self._stopped, self.active = True, False
            self._changed.notify_all()

    def take(self) -> Work | None:
        """Wait for the next work: a command first, then calls, the tracker, fresh frames, rest.

        A command to look for something waits for a recent frame; a blank one does not.

        Returns:
            The work, or None when stopped. The command of a `Look` stays until `pop_command`,
            so that one that comes meanwhile is the one that is answered.
        """
        with self._changed:
            while not self._stopped:
                if (work := self._next()) is not None:
                    return work
                self._changed.wait(self._patience())
            return None

    def renewed(self, work: Work) -> Work | None:
        """What is to be done of a work that had to wait: about the newest frame by now.

        Returns:
            The work, or None when stopped.
        """
        with self._changed:
            if self._stopped:
                return None
            return self._look() if isinstance(work, LookJob) and self._fresh else work

    def _next(self) -> Work | None:
        command = self._command
        if command is not None and not command.strip():
            self._command = None
            return Clear(command, self._frame)
        if command is not None and self._is_recent():
            return self._look()
        if command is not None and self._patience() == 0.0:
            self._command = None
            return Expired(command)
        if self._calls:
            return self._calls.popleft()
        if self._again is not None:
            again, self._again = self._again, None
            return again
        if self._continuous and self._fresh and self._is_recent() and not self._next_frame_in():
            return self._look()
        return Rest() if self._rest and self.active else None

    def _is_recent(self) -> bool:
        if self._frame is None:
            return False
        return not self._oldest or self.silence <= self._oldest

    def _patience(self) -> float | None:
        """Seconds for which the command still waits for a frame; None is for ever."""
        if self._command is None or not self._oldest or math.isinf(self._command_time):
            return self._next_frame_in() or None
        return max(0.0, self._command_time + self._oldest - time.monotonic())

    def _next_frame_in(self) -> float:
        """Seconds to wait for a frame that is nearer than the newest; 0 is not to wait.

        A result is as old as its frame was when the models came free, and on top of it their
        time. A frame of more than half an interval is passed over for the next one, if that
        costs little beside what the models take.
        """
        if len(self._intervals) < _INTERVALS or not self._fresh:
            return 0.0
        now = time.monotonic()
        interval = sorted(self._intervals)[_INTERVALS // 2]
        age = now - self._last_frame_time
        wait = _LATE * interval - age
        affordable = wait <= _MOST_WAITED * (now - self._last_look)
        return wait if age > interval / 2 and wait > 0 and affordable else 0.0

    def _look(self) -> LookJob:
        self._fresh, self._last_look = False, time.monotonic()
        return LookJob(self._frame, self._last_frame_time)
