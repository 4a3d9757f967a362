# SPDX-License-Identifier: Apache-2.0
"""The last pictures of a camera, kept so that what was answered late can be followed to now."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

_APART: Final = 0.1  # seconds between pictures that are kept for catching up
_KEPT: Final = 24
_BYTES: Final = 64_000_000  # of all that is kept


@dataclass(frozen=True)
class Picture:
    """An image message as it came.

    Attributes:
        message: sensor_msgs/Image or CompressedImage.
        time: ``time.monotonic()`` when it came.
    """

    message: Any
    time: float


class Backlog:
    """The newest picture, and some before it; for one thread at a time."""

    def __init__(self) -> None:
        self._kept: deque[Picture] = deque(maxlen=_KEPT)

    def put(self, picture: Picture) -> None:
        """Keep a picture; of those that came close upon each other only the newest stay."""
        if len(self._kept) > 1 and self._kept[-1].time - self._kept[-2].time < _APART:
            self._kept.pop()
        self._kept.append(picture)
        while len(self._kept) > 1 and sum(len(kept.message.data) for kept in self._kept) > _BYTES:
            self._kept.popleft()

    def newest(self, since: float) -> Picture | None:
        """The newest picture, if it came after a time."""
        newest = self._kept[-1] if self._kept else None
        return newest if newest is not None and newest.time > since else None

    def between(self, since: float, most: int) -> list[Picture]:
        """Pictures from after a time to before the newest, oldest first, evenly spread.

        Args:
            since: ``time.monotonic()``.
            most: How many at most.
        """
        missed = [picture for picture in list(self._kept)[:-1] if picture.time > since]
        count = min(most, len(missed))
        return [missed[(k + 1) * len(missed) // (count + 1)] for k in range(count)]
