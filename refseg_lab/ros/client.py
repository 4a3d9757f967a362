# SPDX-License-Identifier: Apache-2.0
"""A demo's client: work on the main thread beside a node that spins, with an exit code."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

import rclpy
from rclpy.node import Node
from rich.console import Console
from rich.markup import escape

from refseg_lab.simulation.opengl import RendererUnavailable
from refseg_ros.errors import RefsegError
from refseg_ros.ros.background import Spinning
from refseg_ros.ros.process import initialise

NodeT = TypeVar("NodeT", bound=Node)


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
    console = Console(highlight=False, width=None if sys.stdout.isatty() else width)
    try:
        initialise(args)
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
