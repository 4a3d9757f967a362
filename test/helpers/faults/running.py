# SPDX-License-Identifier: Apache-2.0
"""Injects faults one after the other and tells what came of it."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from checkout import ROOT
from faults import commands, images, models, transport  # noqa: F401  (they fill the list)
from faults.listing import FAULTS, Fault
from faults.node_under_test import HANG, Maker, Stand, domain
from ros_peer import NAMESPACE

__all__ = ["FAULTS", "Row", "inject", "inject_all", "table"]

_NUMBERED = re.compile(r"/test_\d+")


@dataclass(frozen=True)
class Row:
    """What came of one fault.

    Attributes:
        fault: What was injected.
        did: What the node did; what was wrong if it did not do what it must.
        holds: Whether it did what it must.
        seconds: How long it took.
    """

    fault: Fault
    did: str
    holds: bool
    seconds: float


def inject(fault: Fault, stand: Stand) -> str:
    """Inject a fault into a running node, which must work afterwards; returns what it did."""
    did = fault.run(stand)
    stand.check_works(HANG)
    return did


def inject_all(
    faults: Sequence[Fault], folder: Path, hear: Callable[[Row], None] = lambda row: None
) -> list[Row]:
    """Inject faults: first those that one node can stand, then those with nodes of their own.

    Args:
        faults: What to inject.
        folder: An empty one for logs and files.
        hear: Gets each row when it is known.
    """
    rows = {}
    with domain() as env:
        shared = [fault for fault in faults if not fault.own]
        with contextlib.ExitStack() as stack:
            stand: Stand | None = None
            for fault in shared:
                if stand is None:
                    stand = Stand(env, _made(folder / "shared"))
                    stack.callback(stand.close)
                rows[fault.key] = _row(fault, lambda: inject(fault, stand), hear)  # noqa: B023
                if stand.node.process.poll() is not None:
                    stand.close()
                    stand = None
        for fault in faults:
            if fault.own:
                maker = Maker(env, _made(folder / fault.key))
                rows[fault.key] = _row(fault, lambda: fault.run(maker), hear)  # noqa: B023
    return [rows[fault.key] for fault in faults]


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def _row(fault: Fault, run: Callable[[], str], hear: Callable[[Row], None]) -> Row:
    began, holds = time.monotonic(), True
    try:
        did = run()
    except Exception as error:  # a fault that breaks the harness does not hold either
        did, holds = f"{type(error).__name__}: {error}", False
    # Neither this run's namespace nor where this checkout lies belongs in the table.
    did = _NUMBERED.sub("", did.replace(NAMESPACE, "").replace(f"{ROOT}/", ""))
    row = Row(fault, did, holds, time.monotonic() - began)
    hear(row)
    return row


def table(rows: Sequence[Row]) -> str:
    """The rows as a table in Markdown."""
    lines = ["| injected | must | did |", "|---|---|---|"]
    for row in rows:
        did = " ".join(row.did.split()).replace("|", "\\|")
        mark = "" if row.holds else "**does not hold**: "
        lines.append(f"| {row.fault.injected} | {row.fault.must} | {mark}{did} |")
    return "\n".join(lines) + "\n"
