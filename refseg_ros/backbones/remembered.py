# SPDX-License-Identifier: Apache-2.0
"""What was worked out for the strings that were asked for last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """Values by string, those not asked for the longest forgotten; threads may share it."""

    def __init__(self, most: int) -> None:
        """Remember nothing yet.

        Args:
            most: Strings that are kept between calls.
        """
        self._most = most
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()

    def forget(self, key: str) -> None:
        """Forget the value of one string, if there is one."""
        with self._lock:
            self._values.pop(key, None)

    def recall(
        self, keys: Sequence[str], make: Callable[[Sequence[str]], Sequence[Value]]
    ) -> dict[str, Value]:
        """The values of some strings.

        Args:
            keys: Strings, in any order and as often as wanted.
            make: Works out the values of strings, each once; asked for new ones alone.

        Returns:
            A value for each string.
        """
        wanted = dict.fromkeys(keys)
        with self._lock:
            found = {key: self._values[key] for key in wanted if key in self._values}
        new = [key for key in wanted if key not in found]
        if new:
            found.update(zip(new, make(new), strict=True))
        with self._lock:
            for key in wanted:
                self._values[key] = found[key]
                self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return found
