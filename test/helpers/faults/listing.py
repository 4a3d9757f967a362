# SPDX-License-Identifier: Apache-2.0
"""The list of faults; the modules beside this one fill it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong on purpose.

    Attributes:
        key: Name of its function.
        injected: What goes wrong.
        must: What the node must do.
        run: Does it to a stand, raises AssertionError if the node does not do what it must, and
            returns what it did.
        own: Whether it starts nodes of its own and gets no stand that runs, but a maker of them.
        slow: Whether it is left out of the quick tests.
    """

    key: str
    injected: str
    must: str
    run: Callable[[Any], str]
    own: bool = False
    slow: bool = False


FAULTS: list[Fault] = []
"""Every fault, in the order of the table."""


def fault(
    injected: str, must: str, own: bool = False, slow: bool = False
) -> Callable[[Callable[[Any], str]], Callable[[Any], str]]:
    """List a function as a fault."""

    def listed(run: Callable[[Any], str]) -> Callable[[Any], str]:
        FAULTS.append(Fault(run.__name__, injected, must, run, own, slow))
        return run

    return listed
