# SPDX-License-Identifier: Apache-2.0
"""Work shared out among processes that end with this one and fail with their own errors."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from refseg_ros.errors import RefsegError

Job = TypeVar("Job")
Done = TypeVar("Done")

_failure: Exception | None = None  # of this worker's start


def in_processes(
    work: Callable[[Job], Done],
    jobs: Iterable[Job],
    workers: int,
    start: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
    *,
    chunk: int = 1,
) -> Generator[Done, None, None]:
    """Do jobs on several processes.

    Closing the iterator, an error and Ctrl-C end all processes at once, so that ``work`` must be
    safe to break off.

    Args:
        work: Does one job; a function of a module, since it is pickled.
        jobs: What to do, pickled too.
        workers: Number of processes, at least 1.
        start: Called once in each process before its first job.
        arguments: Arguments for ``start``.
        chunk: Jobs handed over at a time.

    Yields:
        What ``work`` returned, in the order of the jobs.

    Raises:
        Exception: The first that ``start`` or ``work`` raised.
        RefsegError: A process was ended from outside.
        ValueError: ``workers`` is less than 1.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    # A fork would copy OpenGL's state and the locks of torch's threads.
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, context, _begin, (start, arguments))
    try:
        yield from pool.map(_Guarded(work), jobs, chunksize=chunk)
    except BrokenProcessPool:
        raise RefsegError(
            f"workers: one of {workers} processes ended early, perhaps for want of memory; "
            "try fewer"
        ) from None
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Guarded:
    """Work that is not done where the process could not be started."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work

    def __call__(self, job: Any) -> Any:
        if _failure is not None:
            raise _failure
        return self._work(job)


def _begin(start: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    global _failure
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers on Ctrl-C
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        if start is not None:
            start(*arguments)
    # Raised by the first job instead: an executor would only say that it is broken.
    except Exception as error:
        _failure = error


def _end_with_parent() -> None:
    """Ends this process when its parent is gone, which an executor's worker does not notice."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
