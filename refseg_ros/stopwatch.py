# SPDX-License-Identifier: Apache-2.0
"""How long the stages of observing and selecting take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Stopwatch:
    """Collects the wall-clock seconds of named stages."""

    def __init__(self) -> None:
        """Start the total."""
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block under ``name``."""
        before = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - before

    def total(self) -> Mapping[str, float]:
        """The stages, and ``total`` since construction."""
        return {**self.seconds, "total": time.perf_counter() - self._started}
