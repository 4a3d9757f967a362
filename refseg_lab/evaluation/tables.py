# SPDX-License-Identifier: Apache-2.0
"""The tables that ``refseg eval`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from refseg_lab.evaluation.bootstrap import Figure
from refseg_lab.evaluation.records import FAILED, NO_PROPOSAL, REFUSED, WRONG_PROPOSAL
from refseg_lab.evaluation.summary import PhenomenonRow, Summary
from refseg_lab.evaluation.targets import Target

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 112
"""Terminal width that the widest table needs."""
_NONE = "–"
_COLUMNS = (
    ("n", ""),
    ("Pr@50 %", "95 %"),
    ("mIoU", "95 %"),
    ("oIoU", ""),
    ("oracle", "Pr@50"),
    ("chance", "Pr@50"),
    ("refused", "%"),
    ("no", "mask"),
    ("wrongly", "refused"),
    ("wrong", "one"),
)


def percent(figure: Figure | None) -> str:
    """A share in per cent, one digit; a dash where nothing was measured."""
    if figure is None or figure.value is None:
        return _NONE
    return f"{100 * figure.value:.1f}"


def number(figure: Figure | None) -> str:
    """A number with three digits; a dash where nothing was measured."""
    return _NONE if figure is None or figure.value is None else f"{figure.value:.3f}"


def percent_interval(figure: Figure) -> str:
    """``87.3 (84–90)``."""
    if figure.value is None or figure.low is None or figure.high is None:
        return percent(figure)
    return f"{percent(figure)} ({100 * figure.low:.0f}–{100 * figure.high:.0f})"


def number_interval(figure: Figure) -> str:
    """``0.812 (.79–.83)``."""
    if figure.value is None or figure.low is None or figure.high is None:
        return number(figure)
    low, high = (f"{end:.2f}".removeprefix("0") for end in (figure.low, figure.high))
    return f"{number(figure)} ({low}–{high})"


def split_table(split: str, summary: Summary) -> Table:
    """Figures per phenomenon, all but absent objects, and absent objects.

    Args:
        split: Its name.
        summary: Its figures.
    """
    asked = sum(row.n for row in summary.rows)
    table = Table(
        title=f"RefTabletop · {split} · {summary.scenes} scenes, {asked} expressions",
        title_style="bold",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        header_style="bold",
        caption="no mask, wrongly refused, wrong one: % of the expressions lost to that part",
        caption_justify="left",
    )
    table.add_column("phenomenon", no_wrap=True, vertical="bottom")
    for first, second in _COLUMNS:
        table.add_column(f"{first}\n{second}".strip(), justify="right", no_wrap=True)
    plain = [row for row in summary.rows if row.limits]
    for row in plain:
        table.add_row(*_cells(row), end_section=row is plain[-1])
    if summary.total:
        table.add_row(*_cells(summary.total), style="bold", end_section=True)
    for row in summary.rows:
        if not row.limits:
            right = percent_interval(row.figures["refused_right"])
            rest = [_NONE] * 4 + [percent(row.figures["refused"])] + [_NONE] * 3
            table.add_row(f"{row.phenomenon} (refused)", str(row.n), right, *rest)
    return table


def _cells(row: PhenomenonRow) -> list[str]:
    figures = row.figures
    return [
        row.phenomenon,
        str(row.n),
        percent_interval(figures["pr50"]),
        number_interval(figures["miou"]),
        number(figures["oiou"]),
        percent(figures["oracle_pr50"]),
        percent(figures["chance_pr50"]),
        percent(figures["refused"]),
        *(f"{100 * row.limits[name]:.1f}" for name in (NO_PROPOSAL, REFUSED, WRONG_PROPOSAL)),
    ]


def print_split(console: Console, split: str, summary: Summary) -> None:
    """Print the table of a split, its proposals, its single networks and what failed.

    Args:
        console: Where to.
        split: Its name.
        summary: Its figures.
    """
    console.print(split_table(split, summary))
    found = summary.proposals
    console.print(
        f"proposals   {percent_interval(found['well_covered'])} % of {summary.objects} objects "
        f"with IoU ≥ 0.75, mean best IoU {number_interval(found['mean_best'])}, "
        f"{number(found['per_object'])} per object"
    )
    if summary.total:
        total = summary.total
        levels = ", ".join(
            f"Pr@{level} {percent(total.figures[f'pr{level}'])}" for level in (60, 70, 80, 90)
        )
        console.print(f"all but absent   {levels}, chance mIoU {_chance(total)}")
    _print_refusals(console, summary)
    _print_calibration(console, summary)
    for name, figure in summary.components.items():
        console.print(f"{name.replace('_', ' ')}   {percent_interval(figure)} %")
    _print_failures(console, summary)
    console.print()


def _print_refusals(console: Console, summary: Summary) -> None:
    accepts, rejects = (summary.refusal[name] for name in ("false_accepts", "false_rejects"))
    console.print(
        f"refusals   false accepts {percent_interval(accepts)} % of the absent objects, false "
        f"rejects {percent_interval(rejects)} % of the present ones that have a proposal"
    )


def _print_calibration(console: Console, summary: Summary) -> None:
    present, everything = (summary.calibration.get(name) for name in ("present", "all"))
    if present is not None:
        console.print(
            f"score as a probability   ECE {number_interval(present.ece)}, "
            f"{present.chance:.3f} by chance alone, equal mass "
            f"{number_interval(present.ece_mass)}, Brier {number_interval(present.brier)}; "
            f"mean score {number(present.score)}, right {number(present.right)}, n = {present.n}"
        )
    if everything is not None and present is not None and everything.n > present.n:
        console.print(
            f"   with false accepts as wrong answers   ECE {number_interval(everything.ece)}, "
            f"Brier {number_interval(everything.brier)}, n = {everything.n}"
        )


def _chance(row: PhenomenonRow) -> str:
    return number(row.figures["chance_miou"])


def _print_failures(console: Console, summary: Summary) -> None:
    lost = summary.total.limits[FAILED] if summary.total else 0.0
    if lost:
        console.print(
            f"[red]errors[/red]   {100 * lost:.1f} % of the expressions, counted as wrong"
        )
    for scene, error in summary.failures:
        console.print(f"[red]failed[/red]   {escape(scene)}: {escape(error)}")


def targets_table(rows: Sequence[Target]) -> Table:
    """Figure, split, target, value, interval, reached.

    Args:
        rows: Rows from :func:`refseg_lab.evaluation.targets.targets`.
    """
    table = Table(
        title="Targets",
        title_style="bold",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        header_style="bold",
        caption="intervals: 95 %, bootstrap over scenes; of a time: the middle 80 % of the runs",
        caption_justify="left",
    )
    table.add_column("figure", no_wrap=True)
    table.add_column("split", no_wrap=True)
    for name in ("target", "value", "interval"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("reached")
    for row in rows:
        table.add_row(
            row.name,
            row.split or _NONE,
            _threshold(row),
            _value(row, row.figure.value if row.figure else None),
            _interval(row),
            _verdict(row),
        )
    return table


def _threshold(row: Target) -> str:
    if row.threshold is None:
        return "(beside)"
    return f"{'≥' if row.at_least else '≤'} {_value(row, row.threshold)}"


_SCALES = {
    "%": (100.0, 1, " %"),
    "ms": (1e3, 0, " ms"),
    "s": (1.0, 2, " s"),
    "MB": (1e-6, 1, " MB"),
}


def _value(row: Target, value: float | None) -> str:
    if value is None:
        return "not measured"
    scale, digits, unit = _SCALES.get(row.unit, (1.0, 3, ""))
    return f"{value * scale:.{digits}f}{unit}"


def _interval(row: Target) -> str:
    figure = row.figure
    if figure is None or figure.low is None or figure.high is None:
        return _NONE
    scale, digits, _ = _SCALES.get(row.unit, (1.0, 3, ""))
    return f"{figure.low * scale:.{digits}f}–{figure.high * scale:.{digits}f}"


def _verdict(row: Target) -> Text:
    if row.reached is None:
        return Text(_NONE)
    return Text("yes", style="green") if row.reached else Text("no", style="bold red")
