# SPDX-License-Identifier: Apache-2.0
"""The last pictures of a camera, kept so that what was answered late can be followed to now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

_APART: Final = 0.1  # seconds between pictures that are kept for catching up
_OLDEST: Final = 20.0  # seconds
_KEPT: Final = 24
_BYTES: Final = 64_000_000  # of all that is kept
_STEP: Final = 0.25  # seconds between pictures of which a thing is surely followed


@dataclass(frozen=True, eq=False)
class Picture:
    """An image message as it came.

    Attributes:
        message: sensor_msgs/Image or CompressedImage.
        time: ``time.monotonic()`` when it came.
    """

    message: Any
    time: float


class Backlog:
    """The newest picture, and some before it, the older the fewer; for one thread at a time."""

    def __init__(self) -> None:
        self._kept: list[Picture] = []

    def put(self, picture: Picture) -> None:
        """Keep a picture; of those that came close upon each other only the newest stay."""
        kept = self._kept
        if len(kept) > 1 and kept[-1].time - kept[-2].time < _APART:
            kept.pop()
        kept.append(picture)
        while kept[0].time < picture.time - _OLDEST:
            kept.pop(0)
        while len(kept) > _KEPT or self._too_large():
            kept.pop(self._least_missed())

    def _too_large(self) -> bool:
        size = sum(len(picture.message.data) for picture in self._kept)
        return len(self._kept) > 1 and size > _BYTES

    def _least_missed(self) -> int:
        """Place of the picture whose neighbours are the closest for its age."""
        kept, now = self._kept, self._kept[-1].time
        gaps = [
            (kept[place + 1].time - kept[place - 1].time) / (now - kept[place].time + _APART)
            for place in range(1, len(kept) - 1)
        ]
        return 1 + gaps.index(min(gaps)) if gaps else 0

    def newest(self, since: float) -> Picture | None:
        """The newest picture, if it came after a time."""
        newest = self._kept[-1] if self._kept else None
        return newest if newest is not None and newest.time > since else None

    def between(self, since: float, most: int) -> list[Picture]:
        """Pictures from after a time to before the newest, oldest first.

        Args:
            since: ``time.monotonic()``.
            most: How many at most; fewer if there is little between.
        """
        missed = [picture for picture in self._kept[:-1] if picture.time > since]
        if not missed:
            return []
        span = self._kept[-1].time - since
        count = min(most, math.ceil(span / _STEP) - 1)
        wanted = [since + (k + 1) * span / (count + 1) for k in range(count)]
        near = (min(missed, key=lambda item: abs(item.time - moment)) for moment in wanted)
        return list(dict.fromkeys(near))
