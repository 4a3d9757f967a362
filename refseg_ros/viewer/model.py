# SPDX-License-Identifier: Apache-2.0
"""What the page shows, apart from how: frames, answers and pictures. No ROS, no web.

ROS callbacks write from one thread, browsers read from others; every method may be called from
any thread.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_ros.results import Selection
from refseg_ros.viewer.frames import FrameLog
from refseg_ros.viewer.overlay import RgbImage, draw_candidates, draw_overlay

MAX_COMMAND = 2000
"""Longest command in characters."""

_HISTORY = 24  # answers kept
_PICTURES = 16  # encoded pictures kept for further browsers
_VIEW_CELLS = (32, 24)  # grid on which two views are compared
_VIEW_CHANGE = 6.0  # grey levels by which a cell must differ; the node's keyframe_change
_THUMBNAIL = 176  # width in pixels
_JPEG_QUALITY = 85


@dataclass(frozen=True)
class ShownAnswer:
    """One answer with the frame that it is about.

    Attributes:
        number: Counts the answers from 1.
        stamp: The frame's stamp, in nanoseconds.
        selection: The answer itself.
        image: (H, W, 3) uint8 RGB, the frame that was segmented; None if it is not at hand.
        observe_ms: Milliseconds spent on the image; 0 if it had been observed before.
        select_ms: Milliseconds spent on the command.
        waited_ms: Milliseconds from sending the command here to its answer; None if it came from
            elsewhere.
        labels: (H, W) uint16 numbered candidates, or None.
    """

    number: int
    stamp: int
    selection: Selection
    image: RgbImage | None
    observe_ms: float
    select_ms: float
    waited_ms: float | None = None
    labels: NDArray[np.uint16] | None = None


@dataclass(frozen=True)
class GraphStatus:
    """The state of the graph in a few words, for the head of the page.

    Attributes:
        camera_fps: Frames a second over the last few seconds; 0 if none come.
        segmenter: Whether a segmenter is on the graph.
        problem: What keeps the segmenter from its work, in its own words; empty if nothing.
        scene: Name of the simulated scene; empty with another camera.
        pending: The command that waits for its answer; None if none does.
        pending_seconds: How long it has been waiting.
        current: Number of the answer whose view is still what the camera sees; 0 for none.
    """

    camera_fps: float
    segmenter: bool
    problem: str
    scene: str
    pending: str | None
    pending_seconds: float
    current: int


def clean_command(text: str) -> str:
    """A typed command as it goes to ROS: unchanged but for what a ROS string cannot hold.

    Line breaks become blanks; NUL ends a string in DDS, and a lone surrogate is not text, so
    both are dropped.

    Raises:
        ValueError: It has more than :data:`MAX_COMMAND` characters.
    """
    if len(text) > MAX_COMMAND:
        raise ValueError(f"{len(text)} characters; at most {MAX_COMMAND} are allowed")
    one_line = text.replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
    return one_line.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")


def same_view(first: RgbImage, second: RgbImage) -> bool:
    """Whether two frames show the same scene from the same place, sensor noise aside.

    Args:
        first: (H, W, 3) uint8 RGB.
        second: (H, W, 3) uint8 RGB; another size is another view.
    """
    if first.shape != second.shape:
        return False
    cells = [
        cv2.resize(image.astype(np.float32), _VIEW_CELLS, interpolation=cv2.INTER_AREA)
        for image in (first, second)
    ]
    return float(np.abs(cells[0] - cells[1]).max()) <= _VIEW_CHANGE


class ViewerModel:
    """Frames and answers of one camera, and the pictures made of them on demand."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._frames = FrameLog()
        self._arrivals: deque[float] = deque(maxlen=20)
        self._frame_count = 0
        self._live: RgbImage | None = None
        self._numbers = itertools.count(1)
        self._history: deque[ShownAnswer] = deque(maxlen=_HISTORY)
        self._revision = 0
        self._pending: tuple[str, float] | None = None
        self._scene = ""
        self._suggestions: tuple[str, ...] = ()
        self._segmenter, self._problem = False, ""
        self._current: tuple[int, int, bool] = (0, 0, False)
        self._pictures: OrderedDict[tuple[object, ...], bytes] = OrderedDict()

    def add_frame(self, stamp: int, image: RgbImage) -> None:
        """Takes a camera frame: (H, W, 3) uint8 RGB, stamp in nanoseconds."""
        with self._lock:
            self._frames.add(stamp, image)
            self._live = image
            self._frame_count += 1
            self._arrivals.append(time.monotonic())

    def add_answer(
        self,
        stamp: int,
        selection: Selection,
        observe_ms: float,
        select_ms: float,
        labels: NDArray[np.uint16] | None = None,
        followed: bool = False,
    ) -> None:
        """Takes an answer about the frame with that stamp.

        An answer to the same expression as the one before replaces it, because a node in
        continuous mode repeats its answer for every frame; so does one that was ``followed`` from
        that, even where the view has changed.
        """
        with self._lock:
            image = self._frame(stamp)
            selection = _fitted(selection, image)
            if image is not None and image.shape[:2] != selection.mask.shape:
                image = None
            if labels is not None and (image is None or labels.shape != image.shape[:2]):
                labels = None
            waited = None
            if self._pending is not None and self._pending[0] == selection.expression:
                waited = (time.monotonic() - self._pending[1]) * 1000
                self._pending = None
            number = next(self._numbers)
            answer = ShownAnswer(
                number, stamp, selection, image, observe_ms, select_ms, waited, labels
            )
            last = self._history[-1] if self._history else None
            if last is not None and waited is None and _repeats(last, answer, followed):
                self._history[-1] = replace(answer, waited_ms=last.waited_ms)
            else:
                self._history.append(answer)
            self._revision += 1

    def _frame(self, stamp: int) -> RgbImage | None:
        """The frame of a stamp: a recent one, or that of an answer to an earlier command."""
        known = (a.image for a in self._history if a.stamp == stamp)
        return next((image for image in known if image is not None), self._frames.find(stamp))

    def sent(self, command: str) -> None:
        """Notes that a command went out, to show that its answer is awaited."""
        with self._lock:
            self._pending = (command, time.monotonic()) if command else None
            self._revision += 1

    def set_scene(self, name: str, suggestions: tuple[str, ...]) -> None:
        """Takes the scene's name and expressions that could be asked in it."""
        with self._lock:
            self._scene, self._suggestions = name, suggestions
            self._revision += 1

    def set_segmenter(self, present: bool) -> None:
        """Notes whether a segmenter is on the graph."""
        with self._lock:
            self._segmenter = present

    def set_problem(self, problem: str) -> None:
        """Notes what keeps the segmenter from its work; empty if nothing does."""
        with self._lock:
            self._problem = problem

    @property
    def revision(self) -> int:
        """Grows whenever an answer, a command or the scene changes."""
        return self._revision

    @property
    def suggestions(self) -> tuple[str, ...]:
        """Expressions that could be asked now."""
        return self._suggestions

    def history(self) -> list[ShownAnswer]:
        """The answers, newest first."""
        with self._lock:
            return list(reversed(self._history))

    def answer(self, number: int | None = None) -> ShownAnswer | None:
        """The answer with that number, or the newest one; None if there is none (any more)."""
        with self._lock:
            if number is None:
                return self._history[-1] if self._history else None
            return next((a for a in self._history if a.number == number), None)

    def status(self) -> GraphStatus:
        """A snapshot for the head of the page."""
        with self._lock:
            now = time.monotonic()
            recent = [moment for moment in self._arrivals if now - moment < 3.0]
            span = now - recent[0] if len(recent) > 1 else 0.0
            pending, since = self._pending or (None, now)
            return GraphStatus(
                camera_fps=(len(recent) - 1) / span if span > 0 else 0.0,
                segmenter=self._segmenter,
                problem=self._problem,
                scene=self._scene,
                pending=pending,
                pending_seconds=now - since,
                current=self._current_number(),
            )

    def live_version(self) -> str:
        """Changes whenever the live picture may have changed; "" before the first frame."""
        with self._lock:
            newest = self._history[-1].number if self._history else 0
            return f"{self._frame_count}-{newest}" if self._frame_count else ""

    def _current_number(self) -> int:
        """Number of the newest answer if the camera still sees what it is about, else 0."""
        if not self._history or self._live is None:
            return 0
        newest = self._history[-1]
        if self._current[:2] != (self._frame_count, newest.number):
            same = newest.image is not None and same_view(newest.image, self._live)
            self._current = (self._frame_count, newest.number, same)
        return newest.number if self._current[2] else 0

    def live_picture(self, numbered: bool) -> bytes | None:
        """JPEG of the newest frame, with the newest answer drawn over it while it holds.

        Args:
            numbered: Draw the numbered candidates instead of the mask.
        """
        with self._lock:
            image, version = self._live, self.live_version()
            answer = self.answer(self._current_number() or -1)
        if image is None:
            return None
        return self._picture(("live", version, numbered), image, answer, numbered)

    def answer_picture(self, number: int, numbered: bool, small: bool = False) -> bytes | None:
        """JPEG of an answer over its own frame; None if answer or frame are gone.

        Args:
            number: The answer's number.
            numbered: Draw the numbered candidates instead of the mask.
            small: A thumbnail without text.
        """
        answer = self.answer(number)
        if answer is None or answer.image is None:
            return None
        key = ("answer", number, numbered, small)
        return self._picture(key, answer.image, answer, numbered, small)

    def _picture(
        self,
        key: tuple[object, ...],
        image: RgbImage,
        answer: ShownAnswer | None,
        numbered: bool,
        small: bool = False,
    ) -> bytes:
        with self._lock:
            if key in self._pictures:
                return self._pictures[key]
        picture = _drawn(image, answer, numbered, small)
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        with self._lock:
            self._pictures[key] = data.tobytes()
            while len(self._pictures) > _PICTURES + _HISTORY:
                self._pictures.popitem(last=False)
        return data.tobytes()


def _fitted(selection: Selection, image: RgbImage | None) -> Selection:
    """An answer without a target needs no mask message; it gets an empty one of its frame."""
    if image is None or selection.mask.any() or selection.mask.shape == image.shape[:2]:
        return selection
    return replace(selection, mask=np.zeros(image.shape[:2], np.bool_))


def _repeats(last: ShownAnswer, new: ShownAnswer, followed: bool) -> bool:
    """Whether the new answer is only the last one, given again for the next frame."""
    if last.selection.expression != new.selection.expression:
        return False
    if followed:
        return True
    if last.image is None or new.image is None:
        return last.image is new.image
    return same_view(last.image, new.image)


def _drawn(image: RgbImage, answer: ShownAnswer | None, numbered: bool, small: bool) -> RgbImage:
    if answer is None or answer.selection.mask.shape != image.shape[:2]:
        picture = image
    elif numbered and answer.labels is not None:
        picture = draw_candidates(image, answer.labels)
    elif small:
        picture = draw_overlay(image, answer.selection, labelled=False)
    else:
        picture = draw_overlay(image, answer.selection, show_candidates=numbered)
    if small:
        height = max(1, round(image.shape[0] * _THUMBNAIL / image.shape[1]))
        picture = cv2.resize(picture, (_THUMBNAIL, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return picture
