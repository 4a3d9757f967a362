# SPDX-License-Identifier: Apache-2.0
"""One set of models for the nodes of one process, used in turns."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from refseg_ros.config import SegmenterConfig

if TYPE_CHECKING:
    from refseg_ros.segmenter import Segmenter


class FairLock:
    """A lock that goes round in the order of asking: a busy camera does not starve a quiet one.

    A context manager, not reentrant. ``threading.Lock`` may be taken again and again by the
    thread that gave it back.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()

    def __enter__(self) -> None:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            self._changed.wait_for(lambda: self._queue[0] is ticket)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._queue.popleft()
            self._changed.notify_all()


class SharedModels:
    """Loads each segmenter once for as long as some node uses it; itself what a node loads with.

    Args:
        load: Makes the segmenter of a configuration and a device.

    Attributes:
        turn: Who has it may use the models.
    """

    def __init__(self, load: Callable[[SegmenterConfig, str], Segmenter]) -> None:
        self.turn = FairLock()
        self._load = load
        self._loading = threading.Lock()
        # Weakly: the models are freed when the last node has cleaned up.
        self._loaded: list[tuple[SegmenterConfig, str, weakref.ref[Segmenter]]] = []

    def __call__(self, config: SegmenterConfig, device: str) -> Segmenter:
        """The segmenter of a configuration and a device; from any thread.

        Raises:
            Exception: Whatever ``load`` raises; the next call tries again.
        """
        with self._loading:
            self._loaded = [entry for entry in self._loaded if entry[2]() is not None]
            for known_config, known_device, reference in self._loaded:
                segmenter = reference()
                if segmenter is not None and (known_config, known_device) == (config, device):
                    return segmenter
            segmenter = self._load(config, device)
            self._loaded.append((config, device, weakref.ref(segmenter)))
            return segmenter
