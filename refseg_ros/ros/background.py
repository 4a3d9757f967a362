# SPDX-License-Identifier: Apache-2.0
"""A node that spins on a thread of its own, beside a main thread that has other work."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Generic, NoReturn, TypeVar

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.markup import escape

from refseg_ros.errors import RefsegError
from refseg_ros.simulation.opengl import RendererUnavailable

NodeT = TypeVar("NodeT", bound=Node)
_ENDING_SECONDS = 2.0


class Spinning(Generic[NodeT]):
    """Spins a node while a ``with`` block runs, and destroys it afterwards.

    Args:
        node: What spins; the block gets it.
        stop: Set when a callback failed or rclpy was shut down, so that the block can end.

    Attributes:
        failed: Whether a callback raised an exception; it was logged.
    """

    def __init__(self, node: NodeT, stop: threading.Event) -> None:
        self._node = node
        self._stop = stop
        self._ending = False
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, name="ros", daemon=True)
        self.failed = False

    def __enter__(self) -> NodeT:
        self._thread.start()
        return self._node

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Always, also after an error: a thread that still spins aborts the interpreter's end.
        self._ending = True
        self._executor.shutdown(timeout_sec=_ENDING_SECONDS)
        self._thread.join(_ENDING_SECONDS)
        self._node.destroy_node()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            self._stop.set()
        except Exception as error:
            if not self._ending:
                self._node.get_logger().fatal(f"{type(error).__name__}: {error}")
                self.failed = True
                self._stop.set()


class Interrupted(Exception):
    """A signal asked for the end."""


def run_client(
    make: Callable[[threading.Event], NodeT],
    work: Callable[[NodeT, Console], int],
    width: int,
    args: Sequence[str] | None,
) -> NoReturn:
    """Do a demo's work beside its spinning node, then exit the process.

    The exit code is that of the work, 130 after a signal, or 1 with one line that says why.

    Args:
        make: Makes the node; the event is set when the work must end.
        work: Gets the node and where to print; may raise `Interrupted`.
        width: Columns of what is printed where there is no terminal.
        args: Command line; None takes that of the process.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else width)
    try:
        with Spinning(make(stop), stop) as node:
            code = work(node, console)
    except Interrupted:
        code = 130
    except (RefsegError, RendererUnavailable, OSError) as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"[red]refseg demo:[/red] {escape(str(error))}"
        )
        code = 1
    finally:
        rclpy.try_shutdown()
    raise SystemExit(code)
