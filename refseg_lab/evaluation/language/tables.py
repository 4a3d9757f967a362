# SPDX-License-Identifier: Apache-2.0
"""What ``refseg eval language`` prints: shares with Wilson's intervals, and baselines beside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from refseg_lab.evaluation.bootstrap import Figure, wilson
from refseg_lab.evaluation.language.asking import SentenceKind, TrueAnswer
from refseg_lab.evaluation.language.labelled import LABEL_FIELDS, misread
from refseg_lab.evaluation.tables import percent, percent_interval
from refseg_ros.results import Status


def share(values: Iterable[float | None]) -> Figure:
    """Of values in [0, 1], None left out, the mean and its interval."""
    known = [float(value) for value in values if value is not None]
    return wilson(sum(known), len(known))


def figures(answers: Sequence[TrueAnswer]) -> dict[str, dict[str, Figure]]:
    """What is right of each file and kind of sentence, and what baselines have right.

    Args:
        answers: Of all files.

    Returns:
        By "file: kind", where there is any: ``right``; ``refused``; the baselines ``chance``,
        ``utmost`` (where a place is said) and ``unrelated``, and ``right_placed``, which is
        ``right`` of those sentences that ``utmost`` is of.
    """
    found = {}
    for source in dict.fromkeys(item.sentence.source for item in answers):
        for kind in SentenceKind:
            own = [a for a in answers if a.sentence.source == source and a.kind is kind]
            if own:
                found[f"{source}: {kind.value}"] = {
                    "right": share(item.right for item in own),
                    "refused": share(item.status == Status.NOT_FOUND.name for item in own),
                    "chance": share(item.chance for item in own),
                    "utmost": share(item.utmost for item in own),
                    "right_placed": share(a.right for a in own if a.utmost is not None),
                    "unrelated": share(item.unrelated for item in own),
                }
    return found


def place_table(answers: Sequence[TrueAnswer]) -> Table:
    """The figures of sentences with regions."""
    table = _table(
        "Sentences of true regions with true names, % right (95 %)",
        "file: kind", "n", "right", "refused", "one of the category", "category and utmost",
        "right of those", "relations left out",
    )  # fmt: skip
    counts: dict[str, int] = {}
    for item in answers:
        key = f"{item.sentence.source}: {item.kind.value}"
        counts[key] = counts.get(key, 0) + 1
    for key, row in figures(answers).items():
        told = percent_interval(row["right"])
        others = ("refused", "chance", "utmost", "right_placed", "unrelated")
        table.add_row(key, str(counts[key]), told, *(percent(row[name]) for name in others))
    return table


def reading_figures(labels: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Figure]]:
    """Of each source and of all, the share of labels whose fields are read right.

    Args:
        labels: Of :func:`labelled.read_labels`.

    Returns:
        By source, "all" last: by field, "every field" last.
    """
    wrong = [misread(label) for label in labels]
    sources = [str(label.get("source", "")) for label in labels]
    found = {}
    for source in (*(name for name in dict.fromkeys(sources) if name), "all"):
        own = [item for item, of in zip(wrong, sources, strict=True) if source in (of, "all")]
        found[source] = {
            **{name: share(name not in item for item in own) for name in LABEL_FIELDS},
            "every field": share(not item for item in own),
        }
    return found


def reading_table(labels: Sequence[Mapping[str, Any]]) -> Table:
    """The figures of labelled sentences, a column a source."""
    found = reading_figures(labels)
    table = _table(f"{len(labels)} labelled sentences, % read right (95 %)", "field", *found)
    for name in (*LABEL_FIELDS, "every field"):
        table.add_row(name, *(percent_interval(row[name]) for row in found.values()))
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right")
    return table
