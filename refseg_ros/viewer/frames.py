# SPDX-License-Identifier: Apache-2.0
"""Camera frames by their stamp, kept until a late answer names one of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BUDGET = 200_000_000  # bytes: 200 frames of 640x480 rgb8


@dataclass
class _Run:
    """Equal frames in a row: a camera that stands still in a simulation costs one picture."""

    first: int
    last: int
    pixels: NDArray[Any]


class FrameLog:
    """The newest frames; equal ones in a row are kept once. Not thread-safe.

    Args:
        budget: Bytes of pixels to keep; the newest frame stays in any case.
    """

    def __init__(self, budget: int = _BUDGET) -> None:
        self._budget = budget
        self._runs: deque[_Run] = deque()
        self._bytes = 0

    def add(self, stamp: int, pixels: NDArray[Any]) -> None:
        """Takes a frame.

        Args:
            stamp: In nanoseconds; frames come in the order of their stamps.
            pixels: The frame, of any shape and type; not copied.
        """
        last = self._runs[-1] if self._runs else None
        if last is not None and stamp > last.last and np.array_equal(last.pixels, pixels):
            last.last = stamp
            return
        self._runs.append(_Run(stamp, stamp, pixels))
        self._bytes += pixels.nbytes
        while self._bytes > self._budget and len(self._runs) > 1:
            self._bytes -= self._runs.popleft().pixels.nbytes

    def find(self, stamp: int) -> NDArray[Any] | None:
        """The frame of a stamp, or None.

        A frame that was lost on its way is found too if those before and after it are equal.
        """
        for run in reversed(self._runs):
            if run.first <= stamp <= run.last:
                return run.pixels
        return None

    def clear(self) -> None:
        """Forgets everything."""
        self._runs.clear()
        self._bytes = 0
