# SPDX-License-Identifier: Apache-2.0
"""Captions that are made when an answer needs them, and what is supposed until then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Supposition:
    """What captions that are not made yet are taken to say.

    Attributes:
        fit: Their cosine with what is said: 1 is the most that a caption can fit, -1 the least.
        named: Whether they name whatever is asked for, and what any other caption names.
    """

    fit: float
    named: bool


class AwaitedCaptions:
    """Captions of an image's candidates, each made once; threads may share it."""

    def __init__(
        self, names: Sequence[str], describe: Callable[[Sequence[int]], Sequence[str]]
    ) -> None:
        """Make none yet.

        Args:
            names: What came with the candidates as their names, "" for none; those stay.
            describe: Makes the captions of some rows.
        """
        self._describe = describe
        self._said: list[str | None] = [name or None for name in names]
        self._making = threading.Lock()

    @property
    def said(self) -> tuple[str, ...]:
        """Those that are made; "" where none is yet."""
        return tuple(text or "" for text in self._said)

    @property
    def rows(self) -> tuple[int, ...]:
        """Candidates that have none yet, ascending."""
        return tuple(row for row, text in enumerate(self._said) if text is None)

    def make(self, rows: Iterable[int]) -> None:
        """Make the captions of some candidates, as far as they are not made."""
        with self._making:
            new = [row for row in rows if self._said[row] is None]
            if new:
                for row, text in zip(new, self._describe(new), strict=True):
                    self._said[row] = text
