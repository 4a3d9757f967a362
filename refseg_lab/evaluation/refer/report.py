# SPDX-License-Identifier: Apache-2.0
"""The table of a run beside the published one, on the terminal, as JSON and as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from rich.console import Console
from rich.table import Table

from refseg_lab.evaluation.page import EXAMPLES, PAGE_STYLE, card_group
from refseg_lab.evaluation.pictures import best_answers, worst_answers
from refseg_lab.evaluation.records import SceneResult
from refseg_lab.evaluation.refer.figures import PUBLISHED, Figures, shown
from refseg_lab.evaluation.refer.layout import DATASETS, SplitFiles
from refseg_lab.evaluation.refer.loading import ReferImage
from refseg_lab.evaluation.refer.source import sample_of
from refseg_ros.errors import DatasetError


def title(place: SplitFiles) -> str:
    """Data set and split in words: ``RefCOCOg umd val``."""
    words = (DATASETS[place.dataset].title, place.by, place.split)
    return " ".join(word for word in words if word)


def rows(place: SplitFiles, name: str, found: Figures) -> list[tuple[str, ...]]:
    """Our row and the published ones, after a row of headings.

    Args:
        place: The split.
        name: Name of our row, e.g. preset and method.
        found: Our figures.
    """
    names = list(found.values)
    table = [("", *names)]
    table.append((name, *(shown(key, found.values[key]) for key in names)))
    for row in PUBLISHED:
        miou, oiou = row.at(place.dataset, place.by, place.split)
        if miou is None:
            continue
        printed = {"mIoU": miou, "oIoU": oiou}
        cells = [printed.get(key) for key in names]
        table.append(
            (
                f"{row.method} (published)",
                *("–" if cell is None else f"{cell:.2f}" for cell in cells),
            )
        )
    return table


def print_table(place: SplitFiles, name: str, found: Figures) -> None:
    """Print the table to the terminal.

    Args:
        place: The split.
        name: Name of our row.
        found: Our figures.
    """
    heads, *lines = rows(place, name, found)
    table = Table(*heads, box=None, header_style="bold", title=title(place), title_justify="left")
    for line in lines:
        table.add_row(*line)
    console = Console() if Console().is_terminal else Console(width=200)
    console.print(table)
    note = f"{found.images} images, {found.expressions} expressions"
    if found.failed:
        note += f"; {found.failed} ended in an error and count as 0"
    console.print(note)


def write_summary(path: Path, place: SplitFiles, name: str, found: Figures) -> None:
    """Write the table as JSON, shares from 0 to 1.

    Args:
        path: Path of the file.
        place: The split.
        name: Name of our row.
        found: Our figures.

    Raises:
        DatasetError: It cannot be written.
    """
    values = {
        "dataset": place.dataset,
        "by": place.by,
        "split": place.split,
        "name": name,
        "images": found.images,
        "expressions": found.expressions,
        "failed": found.failed,
        "figures": dict(found.values),
    }
    _write(path, json.dumps(values, indent=1))


def write_report(
    path: Path,
    place: SplitFiles,
    name: str,
    found: Figures,
    images: Sequence[ReferImage],
    results: Sequence[SceneResult],
) -> None:
    """Write a page with the table and the best and worst cases as pictures.

    Args:
        path: Path of the page.
        place: The split.
        name: Name of our row.
        found: Our figures.
        images: Images of the split.
        results: Results for the images, in the same order.

    Raises:
        RefsegError: A picture cannot be read any more, or the page cannot be written.
    """
    by_name = {image.name: image for image in images}
    groups = (
        ("Worst answers", worst_answers(results, EXAMPLES)),
        ("Best answers", best_answers(results, EXAMPLES)),
    )
    shown_groups = "".join(
        card_group(heading, "", [(sample_of(by_name[item.scene]), item) for item in answers])
        for heading, answers in groups
    )
    heads, *lines = rows(place, name, found)
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines
    )
    note = f"{found.images} images, {found.expressions} expressions, {found.failed} errors"
    _write(
        path,
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title(place))}</title><style>{PAGE_STYLE}</style></head><body><main>"
        f"<header><h1>{escape(title(place))}</h1><div class='quiet'>{escape(name)} · "
        f"{escape(note)}</div></header>"
        f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'
        f"{shown_groups}</main></body></html>\n",
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DatasetError(f"{path}: cannot be written ({error.strerror})") from None
