# SPDX-License-Identifier: Apache-2.0
"""A node that spins on a thread of its own, beside a main thread that has other work."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Generic, TypeVar

from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

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
