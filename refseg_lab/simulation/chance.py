# SPDX-License-Identifier: Apache-2.0
"""A source of chance whose numbers are the same on every machine and under every numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from numpy.random import PCG64

T = TypeVar("T")


class Chance:
    """Draws from the raw stream of PCG64.

    numpy promises that the raw stream of a bit generator never changes, but not what
    ``Generator.uniform`` or ``choice`` make of it, so that scenes and expressions of a seed are
    drawn with the few methods here.

    Args:
        seed: any integer >= 0.

    Raises:
        ValueError: if the seed is negative.
    """

    def __init__(self, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"seed must be >= 0, got {seed}")
        self._bits = PCG64(seed)

    def unit(self) -> float:
        """A number in [0, 1) with 53 random bits."""
        return float((int(self._bits.random_raw()) >> 11) * 2.0**-53)

    def uniform(self, low: float, high: float, digits: int = 5) -> float:
        """A number in [low, high], rounded so that the last bits of arithmetic do not show."""
        return round(low + (high - low) * self.unit(), digits)

    def integer(self, count: int) -> int:
        """A whole number in 0..count-1.

        Raises:
            ValueError: if count is below 1.
        """
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        return int(self.unit() * count)

    def between(self, low: int, high: int) -> int:
        """A whole number in low..high, both included."""
        return low + self.integer(high - low + 1)

    def pick(self, items: Sequence[T]) -> T:
        """One of the items, each as likely.

        Raises:
            ValueError: if there is none.
        """
        return items[self.integer(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in random order (Fisher and Yates)."""
        mixed = list(items)
        for last in range(len(mixed) - 1, 0, -1):
            other = self.integer(last + 1)
            mixed[last], mixed[other] = mixed[other], mixed[last]
        return mixed

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """Up to count different items in random order."""
        return self.shuffled(items)[:count]

    def happens(self, share: float) -> bool:
        """True with the given probability."""
        return self.unit() < share
