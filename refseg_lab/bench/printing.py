# SPDX-License-Identifier: Apache-2.0
"""A report as a table for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from refseg_lab.bench.recording import BenchReport, BenchRow
from refseg_lab.evaluation.timing import machine


def as_table(report: BenchReport) -> RenderableType:
    """Rows by group, and below them what they were measured on."""
    table = Table(box=None, header_style="bold")
    table.add_column("", no_wrap=True)
    for name in ("median ms", "p95 ms", "10–90 % ms", "runs"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", style="dim")
    group = ""
    for row in report.rows:
        if row.group != group:
            group = row.group
            peak = report.peaks.get(group)
            memory = f"peak memory {peak:.0f} MB" if peak else ""
            table.add_row(f"[bold]{escape(group)}[/bold]", "", "", "", "", memory)
        table.add_row(f"  {escape(row.name)}", *_figures(row), escape(row.note))
    packages = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    below = (
        f"{report.preset} on {report.device}; {machine()}; threads: {report.threads}; load "
        f"{report.load_before:.1f} before\n{packages}"
    )
    return Group(table, escape(below))


def _figures(row: BenchRow) -> tuple[str, str, str, str]:
    if not row.seconds:
        return "–", "", "", ""
    low, middle, high, late = (1e3 * row.quantile(share) for share in (0.1, 0.5, 0.9, 0.95))
    spread = f"{_shown(low)}–{_shown(high)}"
    if len(row.seconds) == 1:
        return _shown(middle), "", "", "1"
    return _shown(middle), _shown(late), spread, str(len(row.seconds))


def _shown(milliseconds: float) -> str:
    return f"{milliseconds:.0f}" if milliseconds >= 100 else f"{milliseconds:.3g}"
