# SPDX-License-Identifier: Apache-2.0
"""Follows the target of the last answer from picture to picture, in a thread of its own.

The worker observes and answers; meanwhile this thread moves the mask with the thing, on the
newest picture each time. The networks are shared without a lock: they keep no state, and torch
lets go of the interpreter while it computes. When the tracker is in doubt, or now and then, it
asks the worker for an observation, goes on, and learns from it when it is there.
"""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header

from refseg_ros.errors import ImageError
from refseg_ros.results import Selection, Status
from refseg_ros.ros.backlog import Backlog, Picture
from refseg_ros.ros.conversions import read_rgb
from refseg_ros.ros.health import Health
from refseg_ros.ros.messages import StampedAnswer
from refseg_ros.ros.outputs import Outputs
from refseg_ros.ros.parameters import Parameters
from refseg_ros.ros.space import Place, Places
from refseg_ros.ros.worker import Again

if TYPE_CHECKING:
    from refseg_ros.scene import Scene
    from refseg_ros.tracking import Tracked, Tracker

MEMORY: Final = 32
"""Pictures that an observation may take; each that is kept holds about four bytes a pixel."""

_REST: Final = 0.5  # seconds from one observation for a lost target to the next
_CATCH_UP: Final = 8  # pictures looked at of those that came while the command was answered
_ENDING_SECONDS: Final = 0.5
_WARNING_SECONDS: Final = 5.0


@dataclass(frozen=True, eq=False)
class _Target:
    """What is followed.

    Attributes:
        answer: That named it.
        scene: The observed picture in which it was chosen.
        time: ``time.monotonic()`` when the picture came that was looked at.
        ask: Asks the worker for an observation.
    """

    answer: StampedAnswer
    scene: Scene
    time: float
    ask: Callable[[Again], None]


class Follower:
    """Follows one target at a time; any thread may call.

    Args:
        places: Where things are.
        outputs: Where results go.
        values: Parameters of the node.
        health: Hears how it went.
        logger: The node's logger.

    Attributes:
        updates: Pictures that were followed on so far.
        dropped: Pictures that were replaced by a newer one before they were looked at.
        late: Observations that came too late to be of use.
        state: How it stands with the target, in words.
        depth_problem: Why the target has no pose; empty if it has or needs none.
        mask: (H, W) bool, where the target was seen last; None before.
    """

    def __init__(
        self,
        places: Places,
        outputs: Outputs,
        values: Parameters,
        health: Health,
        logger: Any,
    ) -> None:
        self._places, self._outputs = places, outputs
        self._values, self._health, self._logger = values, health, logger
        self.updates = self.dropped = self.late = 0
        self.state, self.depth_problem = "nothing is followed", ""
        self.mask: NDArray[np.bool_] | None = None
        self._changed = threading.Condition()
        self._publishing = threading.Lock()
        self._backlog = Backlog()
        self._fresh: Picture | None = None
        self._target: _Target | None = None
        self._learned: tuple[Again, Scene | None] | None = None
        self._stopped = False
        self._thread: threading.Thread | None = None
        # Of the thread alone.
        self._current: _Target | None = None
        self._tracker: Tracker | None = None
        self._asked: Again | None = None
        self._number = 0
        self._learned_time = -math.inf

    @property
    def following(self) -> bool:
        """Whether there is a target, seen or lost."""
        return self._target is not None

    def put(self, message: Any) -> None:
        """Keep the newest picture."""
        if not self._values["track"]:
            return
        picture = Picture(message, time.monotonic())
        with self._changed:
            self._backlog.put(picture)
            if self._target is not None:
                self.dropped += self._fresh is not None
                self._fresh = picture
                self._changed.notify()

    def start(self, answer: StampedAnswer, came: float, ask: Callable[[Again], None]) -> None:
        """Follow the target of an answer, if the parameter ``track`` is set and it has one.

        Args:
            answer: The answer as it was published.
            came: ``time.monotonic()`` when its picture came.
            ask: Asks the worker for an observation, which it gives to :meth:`learn`.
        """
        chosen = answer.selection.index is not None and answer.selection.status.has_target
        if not self._values["track"] or answer.scene is None or not chosen:
            return
        with self._changed:
            self._target = _Target(answer, answer.scene, came, ask)
            self._fresh = self._backlog.newest(came)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
                self._thread.start()
            self._changed.notify()

    def stop(self) -> None:
        """Follow nothing; when this returns nothing more is published."""
        with self._publishing, self._changed:
            self._drop()

    def _drop(self) -> None:
        self._target, self._fresh, self._learned = None, None, None
        self.mask = None
        self.state, self.depth_problem = "nothing is followed", ""

    def close(self) -> bool:
        """End the thread; False if it is still at work."""
        self.stop()
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is None:
            return True
        self._thread.join(_ENDING_SECONDS)
        return not self._thread.is_alive()

    def wants(self, asked: Again) -> bool:
        """Whether an observation that was asked for is still of use."""
        return self._target is not None and self._target is asked.target

    def learn(self, asked: Again, scene: Scene | None) -> None:
        """Take an observation that was asked for; None if it failed."""
        with self._changed:
            self._learned = (asked, scene)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._stopped or self._learned or self._fresh):
                    # What nobody follows any more need not stay in memory.
                    if self._target is None:
                        self._current = self._tracker = None
                    self._changed.wait()
                if self._stopped:
                    return
                target, picture, learned = self._target, self._fresh, self._learned
                self._fresh = self._learned = None
            if target is not None:
                self._guarded(target, picture, learned)

    def _guarded(
        self, target: _Target, picture: Picture | None, learned: tuple[Again, Scene | None] | None
    ) -> None:
        """Work on; whatever goes wrong is told in a result, and is not the end of the thread."""
        header = target.answer.header if picture is None else picture.message.header
        try:
            if target is not self._current:
                self._begin(target)
            if learned is not None:
                self._learn(*learned)
            picture = self._newest(target, picture)
            if picture is not None:
                header = picture.message.header
                self._follow(target, picture)
        except ImageError as error:
            text = f"the target cannot be followed: {error}"
            self._logger.warning(text, throttle_duration_sec=_WARNING_SECONDS)
            self._health.trouble(text)
            self._publish(target, _unseen(target, Status.LOST, text, header))
        except Exception as error:
            self._logger.error(f"following failed: {traceback.format_exc()}")
            text = f"following failed: {error or type(error).__name__}"
            self._health.failed(text)
            self._publish(target, _unseen(target, Status.ERROR, text, header))
            with self._publishing, self._changed:
                if self._target is target:
                    self._drop()

    def _newest(self, target: _Target, picture: Picture | None) -> Picture | None:
        """The picture to work on, or what came since it was taken in hand."""
        with self._changed:
            if self._target is not target:  # the next one's
                return None
            newer, self._fresh = self._fresh, None
            self.dropped += newer is not None and picture is not None
        return newer or picture

    def _begin(self, target: _Target) -> None:
        """Start at the answer's picture, and catch up with what came since."""
        # Imports torch, which is for the worker to do first.
        from refseg_ros.tracking import Tracker, TrackingConfig

        self._current, self._asked, self._number = target, None, 0
        self._learned_time = -math.inf
        self._tracker = Tracker(TrackingConfig(memory=MEMORY))
        self._tracker.start(target.scene, target.answer.selection)
        with self._changed:
            missed = self._backlog.between(target.time, _CATCH_UP)
        for picture in missed:
            self._update(picture)

    def _update(self, picture: Picture) -> tuple[Tracked, NDArray[np.uint8]]:
        assert self._tracker is not None
        image = read_rgb(picture.message, self._values["max_megapixels"])
        tracked = self._tracker.update(image)
        self._number += 1
        return tracked, image

    def _learn(self, asked: Again, scene: Scene | None) -> None:
        if asked is not self._asked:
            return
        self._asked, self._learned_time = None, time.monotonic()
        ago = self._number - asked.number
        if ago >= MEMORY:
            self.late += 1
        elif scene is not None and self._tracker is not None:
            self._tracker.reobserved(scene, ago)

    def _follow(self, target: _Target, picture: Picture) -> None:
        """Find the target in the newest picture, and tell where it is."""
        started = time.perf_counter()
        tracked, image = self._update(picture)
        if tracked.reobserve and self._asked is None:
            self._ask(target, picture, tracked.state.status)
        seconds = time.perf_counter() - started
        header = picture.message.header
        selection = _selection(target.answer.selection, tracked, seconds)
        place = Place()
        if tracked.state.status.has_target:
            place = self._places.of(tracked.mask, header)
        answer = StampedAnswer(
            header,
            selection,
            place=place,
            image=image,
            tracked=tracked.confidence,
            method=target.answer.method,
        )
        state = f"{tracked.state.value} ({tracked.confidence:.2f})"
        if self._publish(target, answer, state):
            self.updates += 1
            age = time.monotonic() - picture.time
            self._health.took({"track": seconds, "image to tracked result": age})

    def _ask(self, target: _Target, picture: Picture, status: Status) -> None:
        """Ask for an observation of a picture; of a lost target not without a break."""
        if status is Status.LOST and time.monotonic() - self._learned_time < _REST:
            return
        in_doubt = status is not Status.SELECTED
        self._asked = Again(picture.message, self._number, in_doubt, target)
        target.ask(self._asked)

    def _publish(self, target: _Target, answer: StampedAnswer, state: str = "lost") -> bool:
        """Publish, unless something else is followed by now."""
        with self._publishing:
            if self._target is not target:
                return False
            self._outputs.publish(answer)
            self.state, self.depth_problem = state, answer.place.problem
            if answer.selection.status.has_target:
                self.mask = answer.selection.mask
            return True


def _unseen(target: _Target, status: Status, reason: str, header: Header) -> StampedAnswer:
    command = target.answer.selection.expression
    answer = StampedAnswer.without_image(command, status, reason, header)
    return replace(answer, tracked=0.0, method=target.answer.method)


def _selection(first: Selection, tracked: Tracked, seconds: float) -> Selection:
    """What the answer that is followed says by now."""
    status = tracked.state.status
    if status is Status.SELECTED:
        status = first.status  # an answer that was unsure does not become sure by being followed
        reason = f"followed from an earlier image: {first.reason}"
    elif status.has_target:
        reason = f"followed in doubt: {tracked.reason or 'an observation did not show it'}"
    else:
        reason = f"lost: {tracked.reason or 'an observation did not show it'}"
    if not status.has_target:
        first = replace(first, question="", options=(), score=0.0, margin=0.0)
    warnings = first.warnings
    if len(first.indices) > 1:
        warnings = (*warnings, f"of {len(first.indices)} things only the first is followed")
    return replace(
        first,
        status=status,
        reason=reason,
        mask=tracked.mask,
        box=tracked.box,
        index=None,
        indices=(),
        tied=(),
        candidates=(),
        warnings=warnings,
        seconds={"total": seconds},
        explanation=None,
    )
