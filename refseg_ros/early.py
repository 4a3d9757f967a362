# SPDX-License-Identifier: Apache-2.0
"""Signals that come before a program is ready to end well; imports next to nothing itself."""

from __future__ import annotations

import os
import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Those that ask a node to end."""


def end_quietly() -> None:
    """Let these signals end the process with 0 until something else handles them.

    For programs whose imports take a second, in which nothing was begun that needs an ending.
    """
    for number in SIGNALS:
        signal.signal(number, lambda *_: os._exit(0))
