# SPDX-License-Identifier: Apache-2.0
"""What the worker is given, and when a view is new."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from refseg_ros.errors import ImageError
from refseg_ros.ros import worker
from refseg_ros.ros.keyframes import KeyframeObserver, SeenFrame, change, thumbnail
from refseg_ros.ros.worker import MAX_CALLS, Call, Clear, Expired, Inbox, LookJob


class Answered:
    """A future as `Call` uses it."""

    def __init__(self) -> None:
        self.results: list[Any] = []

    def set_result(self, result: Any) -> None:
        self.results.append(result)


def call() -> Call:
    return Call("request", Answered(), deadline=0.0)


def test_newest_frame_and_command_win() -> None:
    inbox = Inbox()
    assert inbox.put_command("first") is None
    assert inbox.put_command("second") == "first"
    for frame in "abc":
        inbox.put_frame(frame)
    assert inbox.take() == LookJob("c")
    assert (inbox.received, inbox.dropped) == (3, 2)
    # Until it is popped a newer command can take its place.
    assert inbox.put_command("third") == "second"
    assert inbox.pop_command() == "third"
    assert inbox.pop_command() is None


def test_a_command_waits_for_a_frame_and_a_call_does_not() -> None:
    inbox = Inbox()
    inbox.put_command("the mug")
    asked = call()
    inbox.put_call(asked)
    assert inbox.take() is asked
    inbox.put_frame("frame")
    assert inbox.take() == LookJob("frame")


def test_a_command_comes_before_calls_and_clearing_before_all() -> None:
    inbox = Inbox()
    inbox.put_frame("frame")
    inbox.put_call(call())
    inbox.put_command("the mug")
    assert inbox.take() == LookJob("frame")
    assert inbox.put_command(" ") == "the mug"
    assert inbox.take() == Clear(" ", "frame")
    assert inbox.pending is None


def test_clearing_needs_no_frame() -> None:
    inbox = Inbox()
    inbox.put_command("")
    assert inbox.take() == Clear("", None)


def test_only_in_continuous_mode_a_frame_is_work() -> None:
    inbox = Inbox()
    taken: list[Any] = []
    thread = threading.Thread(target=lambda: taken.append(inbox.take()))
    thread.start()
    inbox.put_frame("frame")
    thread.join(0.1)
    assert thread.is_alive()
    inbox.set_continuous(True)
    thread.join(5.0)
    assert taken == [LookJob("frame")]


def test_stop_wakes_the_waiting() -> None:
    inbox = Inbox()
    taken: list[Any] = []
    thread = threading.Thread(target=lambda: taken.append(inbox.take()))
    thread.start()
    inbox.stop()
    thread.join(5.0)
    assert taken == [None]
    assert inbox.stopped


def test_frames_from_a_fast_camera_are_all_counted() -> None:
    inbox = Inbox()
    inbox.set_continuous(True)
    seen: list[int] = []

    def work() -> None:
        while (item := inbox.take()) is not None:
            assert isinstance(item, LookJob)
            seen.append(item.frame)
            time.sleep(0.002)

    thread = threading.Thread(target=work)
    thread.start()
    for number in range(500):
        inbox.put_frame(number)
    deadline = time.monotonic() + 5.0
    while (not seen or seen[-1] != 499) and time.monotonic() < deadline:
        time.sleep(0.01)
    inbox.stop()
    thread.join(5.0)
    assert seen == sorted(set(seen))
    assert seen[-1] == 499
    assert len(seen) + inbox.dropped == inbox.received == 500


def test_a_call_is_answered_once() -> None:
    asked = call()
    assert asked.answer("too late")
    assert not asked.answer("in time")
    assert asked.future.results == ["too late"]


def test_calls_are_bounded_by_those_that_wait() -> None:
    inbox = Inbox()
    calls = [call() for _ in range(MAX_CALLS)]
    assert all(inbox.put_call(item) for item in calls)
    assert not inbox.put_call(call())
    calls[0].answer("expired")
    assert inbox.put_call(call())


def test_an_old_frame_is_not_looked_at_and_the_command_expires() -> None:
    inbox = Inbox()
    inbox.set_oldest(0.1)
    inbox.put_frame("frame")
    time.sleep(0.15)
    assert inbox.newest is None
    inbox.put_command("the mug")
    began = time.monotonic()
    assert inbox.take() == Expired("the mug")
    assert 0.05 < time.monotonic() - began < 5.0
    assert inbox.pending is None
    inbox.put_command("the mug")
    inbox.put_frame("another")
    assert inbox.take() == LookJob("another")


def test_a_patient_command_and_one_of_a_patient_node_wait_for_ever() -> None:
    for patient, oldest in ((True, 0.05), (False, 0.0)):
        inbox = Inbox()
        inbox.set_oldest(oldest)
        inbox.put_command("the mug", patient)
        taken: list[Any] = []
        thread = threading.Thread(target=lambda: taken.append(inbox.take()))  # noqa: B023
        thread.start()
        thread.join(0.2)
        assert taken == []
        inbox.put_frame("frame")
        thread.join(5.0)
        assert taken == [LookJob("frame")]


def test_an_expired_command_does_not_hold_up_calls() -> None:
    inbox = Inbox()
    inbox.set_oldest(60.0)
    inbox.put_command("the mug")
    asked = call()
    inbox.put_call(asked)
    assert inbox.take() is asked
    assert inbox.pending == "the mug"


def test_drained_nothing_waits_any_more() -> None:
    inbox = Inbox()
    asked = call()
    inbox.put_frame("frame")
    inbox.put_call(asked)
    inbox.put_command("the mug")
    assert inbox.drain() == "the mug"
    assert (inbox.newest, inbox.pending, inbox.full) == (None, None, False)
    assert inbox.drain() is None


GREY = np.full((48, 64, 3), 100, np.uint8)


def test_noise_averages_out_and_small_things_do_not() -> None:
    rng = np.random.default_rng(0)
    grey = np.full((480, 640, 3), 100, np.uint8)
    noisy = np.clip(grey + rng.normal(0, 10, grey.shape), 0, 255).astype(np.uint8)
    assert change(thumbnail(grey), thumbnail(noisy)) < 4.0
    moved = grey.copy()
    moved[200:220, 300:320] = 140  # one cell of 32x24
    assert change(thumbnail(grey), thumbnail(moved)) == pytest.approx(40.0, abs=0.5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (7, 3)])
def test_thumbnails_of_odd_sizes(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 7, np.uint8)
    assert thumbnail(image).shape == (min(24, shape[0]), min(32, shape[1]), 3)
    assert change(thumbnail(image), thumbnail(image)) == 0.0


def test_views_of_other_size_are_new() -> None:
    assert change(thumbnail(GREY[:1]), thumbnail(GREY)) == float("inf")


class Counting:
    """Counts observations; a black image fails."""

    def __init__(self) -> None:
        self.count = 0

    def observe(self, image: Any) -> SimpleNamespace:
        if not image.any():
            raise ImageError("black")
        self.count += 1
        return SimpleNamespace(image=image)


def seen(image: Any, header: str = "header") -> SeenFrame:
    return SeenFrame(header, image, frames=None)  # type: ignore[arg-type]


def test_observer_recalls_what_it_saw() -> None:
    observer = KeyframeObserver(Counting())  # type: ignore[arg-type]
    assert observer.recall(seen(GREY), 6.0, 0.0) is None
    first = observer.observe(seen(GREY))
    assert first.frame.size == (48, 64)
    again = observer.recall(seen(GREY + 6, "newer"), 6.0, 0.0)
    assert again is not None
    assert again.scene is first.scene
    assert again.same_view(first)
    assert not again.same_view(None)
    # The frame is the newest one that showed the view; what it shows stays that of the first.
    assert (again.frame.header, again.frame.image[0, 0, 0]) == ("newer", GREY[0, 0, 0] + 6)
    assert observer.recall(seen(GREY + 7), 6.0, 0.0) is None
    assert observer.recall(seen(GREY[:24]), 6.0, 0.0) is None
    assert observer.recall(seen(GREY), 0.0, 60.0) is not None
    time.sleep(0.02)
    assert observer.recall(seen(GREY), 0.0, 0.01) is None
    with pytest.raises(ImageError):
        observer.observe(seen(GREY * 0))
    assert observer.recall(seen(GREY), 6.0, 0.0) is None


# ------------------------------------------------------------- frames that are nearly too old


class Clock:
    """A clock set by hand, in place of the worker's; waiting lets time pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, inbox: Inbox) -> None:
        self.now = 100.0
        self.waits: list[float] = []
        self.arrivals: list[tuple[float, str]] = []
        self._inbox = inbox
        monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(inbox._changed, "wait", self._wait)

    def _wait(self, seconds: float | None) -> None:
        assert seconds is not None, "this would wait for ever"
        self.waits.append(seconds)
        self.until(self.now + seconds, first=True)

    def until(self, now: float, first: bool = False) -> None:
        """Let time pass, up to the first arrival if wanted; frames come meanwhile."""
        while self.arrivals and self.arrivals[0][0] <= now:
            self.now, frame = self.arrivals.pop(0)
            self._inbox.put_frame(frame)
            if first:
                return
        self.now = now


def streaming(monkeypatch: pytest.MonkeyPatch, work: float) -> tuple[Inbox, Clock]:
    """Ten frames a second, ten of them looked at and the models at work since, for a time."""
    inbox = Inbox()
    inbox.set_continuous(True)
    clock = Clock(monkeypatch, inbox)
    clock.arrivals = [(100.1 + 0.1 * k, f"frame {k}") for k in range(100)]
    clock.until(101.0)
    assert inbox.take() == LookJob("frame 9")
    clock.until(101.0 + work)
    return inbox, clock


def test_an_old_frame_is_passed_over_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # Frame 19 came at 102.0: 0.08 s ago; the next is due in 0.02 s, the models took 1.08 s.
    inbox, clock = streaming(monkeypatch, 1.08)
    assert inbox.take() == LookJob("frame 20")
    assert clock.now == pytest.approx(102.1)


def test_a_young_frame_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    inbox, clock = streaming(monkeypatch, 1.04)
    assert inbox.take() == LookJob("frame 19")
    assert not clock.waits


def test_quick_models_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    # 0.04 s is more than a tenth of the 0.18 s that they took.
    inbox, clock = streaming(monkeypatch, 0.18)
    assert inbox.take() == LookJob("frame 10")
    assert not clock.waits


def test_a_camera_that_stopped_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    inbox, clock = streaming(monkeypatch, 1.08)
    clock.arrivals.clear()
    assert inbox.take() == LookJob("frame 19")
    assert clock.now == pytest.approx(102.125)  # a quarter of an interval late


def test_a_command_does_not_wait_for_a_nearer_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    inbox, clock = streaming(monkeypatch, 1.08)
    inbox.put_command("the mug")
    assert inbox.take() == LookJob("frame 19")
    assert not clock.waits


# --------------------------------------------------------------------- waiting for one's turn


def test_after_a_wait_the_newest_frame_is_looked_at() -> None:
    inbox = Inbox()
    inbox.set_continuous(True)
    inbox.put_frame("old")
    taken = inbox.take()
    assert taken is not None
    assert inbox.renewed(taken) == LookJob("old")
    inbox.put_frame("new")
    assert inbox.renewed(taken) == LookJob("new")
    asked = call()
    assert inbox.renewed(asked) is asked
    inbox.stop()
    assert inbox.renewed(taken) is None
