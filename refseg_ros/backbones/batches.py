# SPDX-License-Identifier: Apache-2.0
"""Work in batches, which shrink where a GPU has no memory for them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import torch

logger = logging.getLogger(__name__)

Made = TypeVar("Made")


class Batches:
    """How many of something are worked on at a time.

    Attributes:
        size: That number. When the GPU runs out of memory it is halved for good, and a warning
            says so.
    """

    def __init__(self, size: int, what: str) -> None:
        """Start with a size.

        Args:
            size: At least 1.
            what: What the batches hold, for the warning: "crops for CLIP".
        """
        self.size = size
        self._what = what

    def run(self, items: Any, work: Callable[[Any], Made]) -> list[Made]:
        """Work through items in order.

        Args:
            items: A sequence, array or tensor.
            work: Takes a part of it, of :attr:`size` or less.

        Returns:
            What came of each part.

        Raises:
            torch.cuda.OutOfMemoryError: There is no memory for a single one.
        """
        made: list[Made] = []
        start = 0
        while start < len(items):
            part = items[start : start + self.size]
            done = self._tried(part, work)
            if done is not None:
                made.append(done)
                start += len(part)
        return made

    def _tried(self, part: Any, work: Callable[[Any], Made]) -> Made | None:
        try:
            return work(part)
        except torch.cuda.OutOfMemoryError:
            if len(part) == 1:
                raise
        self.size = len(part) // 2
        logger.warning(
            "out of GPU memory with %d %s at a time; %d from now on",
            len(part),
            self._what,
            self.size,
        )
        torch.cuda.empty_cache()
        return None
