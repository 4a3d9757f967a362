# SPDX-License-Identifier: Apache-2.0
"""An ablation as tables: for a terminal of any width, and in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from refseg_lab.evaluation.ablation import Ablation, AblationRow
from refseg_lab.evaluation.bootstrap import Figure
from refseg_lab.evaluation.comparing import Against, Comparison, RowFigures
from refseg_lab.evaluation.tables import number, percent

if TYPE_CHECKING:
    from rich.console import Console

ONE_TABLE = 118
"""Terminal width from which all figures but ECE fit in one table; below it there are two."""
WITH_ECE = 124
"""Terminal width from which ECE fits as well."""
NARROWEST = 80
"""Terminal width that the narrower tables need."""
_NAME = "row"
_NOTE = (
    "groups: Pr@50 %; absent ref'd: % of the absent objects that were refused; false rej.: % of "
    "the present ones, with a proposal, that were; diff: Pr@50 minus that of the row that it "
    "changes, the one before if no other is named, with its paired 95 % interval"
)


@dataclass(frozen=True)
class _Column:
    """A column of figures: its head in two lines, and its cells."""

    head: tuple[str, str]
    cell: Callable[[RowFigures], str]

    @property
    def name(self) -> str:
        """The head in one line."""
        first, second = self.head
        return f"{first[:-1]}{second}" if first.endswith("-") else f"{first} {second}".strip()


def _share(key: str, first: str, second: str = "") -> _Column:
    return _Column((first, second), lambda row: percent(row.figures[key]))


def _mean(key: str, first: str) -> _Column:
    return _Column((first, ""), lambda row: number(row.figures[key]))


def _group(name: str, first: str, second: str = "") -> _Column:
    return _Column((first, second), lambda row: percent(row.groups[name]))


_DIFFERENCE = _Column(("diff", "95 %"), lambda row: signed(row.difference))
_MAIN = (_share("pr50", "Pr@50"), _mean("miou", "mIoU"), _mean("oiou", "oIoU"))
_REFUSAL = (
    _share("absent_refused", "absent", "ref'd"),
    _share("false_rejects", "false", "rej."),
)
_GROUPS = (
    _group("attribute", "attri-", "bute"),
    _group("absolute", "abso-", "lute"),
    _group("relation", "rela-", "tion"),
    _group("3-D", "3-D"),
    _group("ordinal", "ordi-", "nal"),
    _group("superlative", "super-", "lative"),
    _group("negation", "nega-", "tion"),
    _group("plural", "plu-", "ral"),
)
_ECE = _mean("ece", "ECE")


def signed(figure: Figure | None) -> str:
    """``+3.1 (+1.2 +5.0)`` points; a dash where there is nothing to compare."""
    if figure is None or figure.value is None or figure.low is None or figure.high is None:
        return "–"
    return f"{_points(figure.value)} ({_points(figure.low)} {_points(figure.high)})"


def _points(share: float) -> str:
    rounded = round(100 * share, 1) + 0.0  # no minus zero
    return f"{rounded:+.1f}" if rounded else "0.0"


def print_rows(console: Console, ablation: Ablation) -> None:
    """Print what each row adds.

    Args:
        console: Where to.
        ablation: The rows.
    """
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for row in ablation.rows:
        table.add_row(escape(row.name), escape(row.what))
    console.print(table)
    console.print()


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print a split: the rows, and the two that are compared.

    Args:
        console: Where to; it decides how many tables the figures take.
        comparison: The figures.
    """
    asked = sum(comparison.n.values())
    title = (
        f"RefTabletop · {comparison.split} · {comparison.scenes} scenes, {asked} expressions · "
        "ablation"
    )
    if console.width >= ONE_TABLE:
        ece = [_ECE] if console.width >= WITH_ECE else []
        every = (*_MAIN, *_GROUPS, *_REFUSAL, *ece, _DIFFERENCE)
        console.print(_table(comparison, every, title, _NOTE))
    else:
        main = (*_MAIN, _ECE, *_REFUSAL, _DIFFERENCE)
        console.print(_table(comparison, main, title, ""))
        console.print()
        console.print(_table(comparison, _GROUPS, "", _NOTE))
    console.print()
    console.print(_pair_table(comparison))
    console.print()
    for line in summary_lines(comparison):
        console.print(line)
    for row in comparison.rows:
        for scene, error in row.failures:
            console.print(f"[red]failed[/red]   {escape(f'{row.row.name}: {scene}: {error}')}")
    console.print()


def _plain(title: str, caption: str) -> Table:
    return Table(
        title=title or None,
        title_style="bold",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=0,
        header_style="bold",
        caption=caption or None,
        caption_justify="left",
    )


def _table(comparison: Comparison, columns: Sequence[_Column], title: str, caption: str) -> Table:
    table = _plain(title, caption)
    table.add_column(_NAME, vertical="bottom")  # the only one that may be broken
    for column in columns:
        head = "\n".join(column.head).strip()
        table.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    for row in comparison.rows:
        style = "bold" if row.row.name in comparison.compare else None
        cells: list[Any] = [escape(row.row.name)]
        for column in columns:
            text = Text(column.cell(row))
            if column is _DIFFERENCE:
                text.stylize(_colour(row.difference))
            cells.append(text)
        table.add_row(*cells, style=style)
    return table


def _colour(figure: Figure | None) -> str:
    """Green or red where the interval leaves no doubt."""
    if figure is None or figure.low is None or figure.high is None:
        return ""
    return "green" if figure.low > 0 else "red" if figure.high < 0 else ""


def _pair_table(comparison: Comparison) -> Table:
    table = _plain("", "")
    table.padding = (0, 1, 0, 0)
    table.add_column("Pr@50 %", no_wrap=True)
    for head in ("n", *comparison.labels):
        table.add_column(escape(head), justify="right")
    table.add_column("difference, paired 95 %", justify="right", no_wrap=True)
    for item in _pairs(comparison):
        last = Text(signed(item.difference), _colour(item.difference))
        table.add_row(*_pair_cells(item)[:-1], last)
    return table


def _pairs(comparison: Comparison) -> list[Against]:
    return [*comparison.groups, comparison.spatial, comparison.overall]


def _pair_cells(item: Against) -> list[str]:
    shares = [percent(item.first), percent(item.second)]
    return [item.name, str(item.n), *shares, signed(item.difference)]


def summary_lines(comparison: Comparison) -> list[str]:
    """What the second of the two compared rows gains on words of place, and where it loses.

    Args:
        comparison: The figures.
    """
    first, second = comparison.labels
    spatial, worst = comparison.spatial, comparison.worst
    lines = [
        f"{second} minus {first} on sentences with words of place: "
        f"{signed(spatial.difference)} points of Pr@50, n = {spatial.n}"
    ]
    if worst is not None:
        lines.append(
            f"least gain of all groups: {worst.name}, {signed(worst.difference)} points, "
            f"n = {worst.n}"
        )
    return lines


def markdown(ablation: Ablation, comparisons: Sequence[Comparison], description: str) -> str:
    """All tables in Markdown.

    Args:
        ablation: What was measured.
        comparisons: One per split.
        description: One line about the run.
    """
    parts = [
        f"{description}\n",
        _grid(
            ("row", "what it adds", "fields"),
            [(row.name, row.what, _fields(row)) for row in ablation.rows],
            left=3,
        ),
    ]
    for comparison in comparisons:
        columns = (*_MAIN, *_GROUPS, *_REFUSAL, _ECE, _DIFFERENCE)
        asked = sum(comparison.n.values())
        parts += [
            f"### {comparison.split}: {comparison.scenes} scenes, {asked} expressions\n",
            _grid(
                (_NAME, *(column.name for column in columns)),
                [
                    (row.row.name, *(column.cell(row) for column in columns))
                    for row in comparison.rows
                ],
            ),
            f"{_NOTE[0].upper()}{_NOTE[1:]}.\n",
            _grid(
                ("Pr@50 %", "n", *comparison.labels, "difference, paired 95 %"),
                [_pair_cells(item) for item in _pairs(comparison)],
            ),
            "\n".join(f"- {line}" for line in summary_lines(comparison)) + "\n",
        ]
    return "\n".join(parts)


def _fields(row: AblationRow) -> str:
    return ", ".join(f"`{name}: {value}`" for name, value in row.changes.items()) or "–"


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table, its first columns flush left."""
    rules = ["---" if index < left else "---:" for index in range(len(heads))]
    lines = [heads, rules, *rows]
    cells = (" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines)
    return "\n".join(f"| {line} |" for line in cells) + "\n"
