# SPDX-License-Identifier: Apache-2.0
"""An explanation for a terminal, laid out by rich."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.style import Style
from rich.table import Column, Table
from rich.text import Text

from refseg_ros.explain.wording import (
    best_first,
    check_words,
    clean,
    formula,
    held,
    number,
    objections,
    read_lines,
    remark,
    said,
    taken_for,
    weighted_name,
)
from refseg_ros.results import Candidate, Selection, Status
from refseg_ros.results.explanation import ConditionKind, Explanation

NARROWEST = 60
_STATUS_STYLES = {Status.SELECTED: "bold green", Status.AMBIGUOUS: "bold yellow"}
_WORDY = 3
"""Conditions up to which their words stand over the columns; beyond it only their letters."""


def as_text(
    selection: Selection, width: int = 100, *, colour: bool = False, most: int | None = None
) -> str:
    """The explanation as text; see :meth:`Selection.explain`.

    Raises:
        ValueError: ``width`` is below 60, or ``most`` below 1.
    """
    if width < NARROWEST:
        raise ValueError(f"width: expected at least {NARROWEST} columns, got {width}")
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
        highlight=False,
        # What the surroundings ask of terminals is not asked of a string.
        _environ={},
    )
    with console.capture() as captured:
        console.print(as_renderable(selection, most))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def as_renderable(selection: Selection, most: int | None = None) -> RenderableType:
    """The explanation for rich to lay out.

    Args:
        selection: The answer.
        most: Candidates to show, best first; None for all.

    Raises:
        ValueError: ``most`` is below 1.
    """
    if most is not None and most < 1:
        raise ValueError(f"most: expected at least 1 candidate, got {most}")
    parts: list[RenderableType] = [_verdict(selection)]
    parts += [Text(f"warning: {clean(item)}", "yellow") for item in selection.warnings]
    explanation = selection.explanation
    if explanation is not None:
        parts += [_title("How it was read"), _pairs(read_lines(explanation))]
    shown = best_first(selection)[:most]
    if shown:
        parts += _looks(selection, shown)
        parts += _weighed(selection, shown)
        left = len(selection.candidates) - len(shown)
        parts += [Text(f"   and {left} more, none above them", "dim")] if left else []
    if explanation is not None and (explanation.checks or objections(selection)):
        parts += [_title("Decision"), *_decision(explanation, objections(selection))]
    return Group(*parts)


def _verdict(selection: Selection) -> Text:
    style = _STATUS_STYLES.get(selection.status, "bold red")
    return Text.assemble((selection.status.name, style), f": {clean(selection.reason, 1000)}")


def _title(words: str, rest: str = "") -> RenderableType:
    return Padding(Text.assemble((words, "bold"), rest), (1, 0, 0, 0))


def _pairs(rows: Iterable[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, words in rows:
        table.add_row(Text(f"  {label}"), Text(words))
    return table


def _table(columns: Sequence[Column]) -> Table:
    head = Column(Text("  #"), justify="right", no_wrap=True)
    return Table(
        head, *columns, box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False
    )


def _figures(name: str, style: str = "") -> Column:
    return Column(Text(name), justify="right", no_wrap=True, style=style, min_width=4)


def _words(name: str) -> Column:
    return Column(Text(name), overflow="fold", ratio=1)


def _label(selection: Selection, candidate: Candidate) -> Text:
    mark = ">" if candidate.index in selection.indices else " "
    return Text(f"{mark} {candidate.index + 1:>2}")


def _row_style(selection: Selection, candidate: Candidate) -> str:
    if candidate.index in selection.indices:
        return "bold"
    return "" if candidate.eligible else "dim"


def _looks(selection: Selection, shown: Sequence[Candidate]) -> list[RenderableType]:
    """The terms of the score before and after weighting."""
    explanation = selection.explanation
    terms = {term.name: term for term in explanation.terms} if explanation else {}
    weighing = explanation.weighing if explanation else None
    alone = weighing is None or not (weighing.conditions or any(weighing.ruled_out))
    fits = weighing.fits if weighing and min(weighing.fits, default=1.0) < 1.0 else ()
    columns = []
    for name in shown[0].terms:
        columns.append(_figures(name))
        if name in terms and terms[name].weight not in (0, 1):
            columns.append(_figures(weighted_name(terms[name])))
    columns += [_figures("total")] if terms else []
    columns += [_figures("fits")] if fits else []
    columns += [_figures("share")] if weighing and weighing.shares else []
    columns += [_figures("score", "cyan")] if alone else []
    table = _table([*columns, _words("caption")])
    for item in shown:
        cells = []
        for name, value in item.terms.items():
            cells.append(number(value))
            if name in terms and terms[name].weight not in (0, 1):
                cells.append(number(terms[name].weighted[item.index]))
        cells += [number(explanation.total[item.index])] if explanation and terms else []
        cells += [number(fits[item.index])] if fits else []
        cells += [number(weighing.shares[item.index], 3)] if weighing and weighing.shares else []
        cells += [number(item.score, 3)] if alone else []
        words = " · ".join(
            filter(None, (clean(item.caption, 80), alone * remark(selection, item)))
        )
        row = [Text(cell) for cell in (*cells, words)]
        table.add_row(_label(selection, item), *row, style=_row_style(selection, item))
    return [*_looks_title(explanation), table, *_distractors(explanation)]


def _looks_title(explanation: Explanation | None) -> list[RenderableType]:
    if explanation is None or not explanation.terms:
        return [_title("Candidates")]
    rest = f": the crops beside “{clean(explanation.compared, 120)}”, in logits; total = "
    title = [_title("Looks", rest + formula(explanation))]
    if not explanation.weighing.matched:
        title.append(
            Text("  not used: the sentence says nothing of looks; shares are the masks' quality")
        )
    return title


def _distractors(explanation: Explanation | None) -> list[RenderableType]:
    if explanation is None or not any(term.name == "N" for term in explanation.terms):
        return []
    phrases = ", ".join(clean(item, 60) for item in explanation.distractors) or "nothing else"
    return [Padding(Text.assemble(("N compares with ", "dim"), clean(phrases, 600)), (0, 0, 0, 2))]


def _weighed(selection: Selection, shown: Sequence[Candidate]) -> list[RenderableType]:
    """What is said beside looks, and how far it holds."""
    explanation = selection.explanation
    weighing = explanation.weighing if explanation else None
    if weighing is None or not (weighing.conditions or any(weighing.ruled_out)):
        return []
    keyed = list(weighing.keyed())
    captions = {item.index: item.caption for item in selection.candidates}
    legend = []
    for key, condition in keyed:
        taken = "; ".join(taken_for(item, captions) for item in condition.landmarks)
        more = condition.note if condition.kind is ConditionKind.RECTIFIER else taken
        words = f"{condition.kind.value}: {said(condition)}" + (f"; {clean(more)}" if more else "")
        legend.append((key, words))
    columns = [_figures("share")]
    for key, condition in keyed:
        words = said(condition).replace("'", "") if len(keyed) <= _WORDY else ""
        header = Text(f"{key} {words}".strip())
        columns.append(Column(header, justify="right", min_width=5, max_width=14))
    columns += [_figures("truth"), _figures("score", "cyan"), _words("")]
    table = _table(columns)
    for item in shown:
        index = item.index
        cells = [Text(number(weighing.shares[index], 3))]
        for _, condition in keyed:
            cells.append(Text(held(condition, index), _grade(condition.holds[index])))
        cells.append(Text(number(weighing.truth[index])))
        cells.append(Text(number(item.score, 3)))
        cells.append(Text(remark(selection, item)))
        table.add_row(_label(selection, item), *cells, style=_row_style(selection, item))
    return [_title("Said beside looks", ", and how far it holds"), _pairs(legend), table]


def _grade(holds: float) -> Style:
    return Style(color="green" if holds >= 0.5 else "yellow" if holds >= 0.1 else "red")


def _decision(explanation: Explanation, told: Sequence[str]) -> list[RenderableType]:
    table = Table.grid(padding=(0, 2, 0, 0))
    styles = {"yes": "green", "no": "bold red"}
    for check in explanation.checks:
        asks, numbers, says = check_words(check)
        name = Text(f"  {check.name}", "dim")
        table.add_row(name, Text(asks), Text(numbers), Text(says, styles.get(says, "dim")))
    against = _pairs(("against", item) for item in told)
    return [*([table] if explanation.checks else []), against]
