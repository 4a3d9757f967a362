# SPDX-License-Identifier: Apache-2.0
"""Injects every fault into real nodes and prints what they did.

Run: ``make faults``, or ``PYTHONPATH=test python -m faults [--only NAME …] [--write FILE]``.
Exit code 1 if a row does not hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from faults.listing import FAULTS, Fault
from faults.running import Row, inject_all, table
from rich.console import Console

BEGIN, END = "<!-- faults -->\n", "<!-- /faults -->\n"


def chosen(names: list[str]) -> list[Fault]:
    """The faults of some names; all without names."""
    known = {fault.key: fault for fault in FAULTS}
    unknown = sorted(set(names) - set(known))
    if unknown:
        sys.exit(f"--only: {', '.join(unknown)} is none of {', '.join(known)}")
    return [known[name] for name in names] if names else list(FAULTS)


def write(path: Path, rows: Sequence[Row]) -> None:
    """Put rows in the table of a page; those of faults that were not injected now stay."""
    page = path.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    before, tail = rest.split(END)
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in before.splitlines()[2:]}
    title, rule, *new = table(rows).splitlines()
    lines |= {row.fault.injected: line for row, line in zip(rows, new, strict=True)}
    kept = [lines[fault.injected] for fault in FAULTS if fault.injected in lines]
    text = "\n".join([title, rule, *kept, ""])
    path.write_text(f"{head}{BEGIN}{text}{END}{tail}", encoding="utf-8")


def main() -> None:
    """The command ``python -m faults``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="of the faults")
    parser.add_argument("--write", type=Path, help="page in whose table the rows are put")
    options = parser.parse_args()
    console = Console(soft_wrap=True)

    def show(row: Row) -> None:
        word = "[green]holds[/]" if row.holds else "[red]FAILS[/]"
        console.print(f"{word}  {row.fault.key} ({row.seconds:.0f} s): ", end="")
        console.print(row.did, markup=False)

    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        rows = inject_all(chosen(options.only), Path(folder), show)
    holding = sum(row.holds for row in rows)
    console.print(f"{holding} of {len(rows)} rows hold")
    if options.write is not None:
        write(options.write, rows)
    sys.exit(holding != len(rows))


if __name__ == "__main__":
    main()
