# SPDX-License-Identifier: Apache-2.0
"""Nodes in a process: start, run until a signal, end with the right exit code."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn, Protocol

import rclpy
from rclpy._rclpy_pybind11 import RCLError, UnknownROSArgsError
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
)
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from refseg_ros.early import SIGNALS
from refseg_ros.errors import ConfigError, RefsegError

_FAILURES, _FAILURE_SECONDS = 10, 10.0  # of callbacks, after which the process ends
_BAD_START = (RefsegError, InvalidParameterTypeException, InvalidParameterValueException)


class RunnableNode(Protocol):
    """What `run` needs of an ``rclpy.node.Node``."""

    exit_code: int | None
    """Set by any thread to end the process."""

    def close(self) -> bool:
        """End what the node started; False if a thread of it is still at work."""

    def destroy_node(self) -> None:
        """As in rclpy."""


class RosLogHandler(logging.Handler):
    """Forwards the library's log records to the ROS log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record. rclpy allows one severity for each calling line."""
        logger, text = get_logger(record.name), record.getMessage()
        if record.exc_info:
            text = f"{text}\n{logging.Formatter().formatException(record.exc_info)}"
        if record.levelno >= logging.ERROR:
            logger.error(text)
        elif record.levelno >= logging.WARNING:
            logger.warning(text)
        elif record.levelno >= logging.INFO:
            logger.info(text)
        else:
            logger.debug(text)


class _Stop:
    """Whether a signal asked to end; wakes an executor that waits.

    rclpy's own handlers are not used: a second signal during their shutdown kills the process.
    """

    def __init__(self) -> None:
        self.requested = False
        # Python runs handlers in the main thread, which may be waiting inside rclpy. The number
        # of the signal is written to this pipe at once, and the thread at its end wakes it.
        self._read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        self.requested = True

    def watch(self, executor: SingleThreadedExecutor) -> None:
        """Wake the executor at the first signal."""

        def wait() -> None:
            os.read(self._read_end, 1)
            executor.wake()

        threading.Thread(target=wait, name="signals", daemon=True).start()

    def ignore(self) -> None:
        """Let the ending take its course, whatever comes."""
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def initialise(args: Sequence[str] | None) -> None:
    """Begin to speak ROS; signals are the caller's.

    Args:
        args: Command line; None takes that of the process.

    Raises:
        ConfigError: The command line, or a file that it names, cannot be read.
    """
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except UnknownROSArgsError as error:
        raise ConfigError(f"unknown ROS arguments: {error}") from error
    except RCLError as error:
        # Where in C it was found is of no use to who wrote the file.
        text = re.sub(r"[ ,]*at /\S+:\d+", "", " ".join(str(error).split()))
        raise ConfigError(text.removeprefix("failed to initialize rcl: ")) from error


def run(name: str, make_node: Callable[[], RunnableNode], args: Sequence[str] | None) -> NoReturn:
    """Run a node until SIGINT, SIGTERM or its ``exit_code``, then exit the process.

    Args:
        name: For errors before there is a node.
        make_node: Creates it; called after rclpy was initialised.
        args: Command line; None takes that of the process.
    """
    run_all(name, lambda: [make_node()], args)


def run_all(
    name: str, make_nodes: Callable[[], Iterable[RunnableNode]], args: Sequence[str] | None
) -> NoReturn:
    """Run nodes until a signal, until one fails or until all have ended, then exit the process.

    Args:
        name: For errors before there is a node.
        make_nodes: Creates them one by one; called after rclpy was initialised.
        args: Command line; None takes that of the process.
    """
    stop = _Stop()
    library = logging.getLogger("refseg_ros")
    library.addHandler(RosLogHandler())
    library.setLevel(logging.INFO)
    library.propagate = False
    nodes: list[RunnableNode] = []
    try:
        initialise(args)
        nodes.extend(make_nodes())
    except _BAD_START as error:
        get_logger(name).fatal(str(error))
        code = 1
    else:
        code = _spin(name, nodes, stop)
    stop.ignore()
    idle = all([node.close() for node in nodes])
    for node in nodes:
        node.destroy_node()
    # A node that is left, such as one whose start failed, leaves its shared memory behind.
    gc.collect()
    rclpy.try_shutdown()
    if idle:
        atexit._run_exitfuncs()
    # Without the interpreter's own ending: taking torch's libraries apart takes seconds, and a
    # model at work in a thread, which cannot be interrupted, would be waited for or crash in it.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _exit_code(nodes: Sequence[RunnableNode]) -> int | None:
    """The first failure, or 0 if every node has ended; None to go on."""
    codes = [node.exit_code for node in nodes]
    if any(codes):
        return next(code for code in codes if code)
    return None if None in codes else 0


def _spin(name: str, nodes: Sequence[RunnableNode], stop: _Stop) -> int:
    """Spin until the process must end; returns its exit code."""
    executor = SingleThreadedExecutor()
    for node in nodes:
        executor.add_node(node)
    stop.watch(executor)
    failures: deque[float] = deque(maxlen=_FAILURES)
    code = None
    while rclpy.ok() and not stop.requested and code is None:
        try:
            executor.spin_once(timeout_sec=1.0)
        except Exception:
            # One message or tick less is better than a robot without the node; not for ever.
            get_logger(name).error(f"a callback failed: {traceback.format_exc()}")
            failures.append(time.monotonic())
            if len(failures) == _FAILURES and failures[-1] - failures[0] < _FAILURE_SECONDS:
                get_logger(name).fatal("callbacks fail again and again: ending the process")
                code = 1
        code = _exit_code(nodes) if code is None else code
    executor.shutdown(timeout_sec=0)
    return code or 0
