# SPDX-License-Identifier: Apache-2.0
"""``refseg eval language``: sentences that people wrote, on true regions and names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from refseg_ros.cli.console import one_line_errors
from refseg_ros.cli.options import PresetOption

_EXAMPLES = """
[bold]Examples[/bold]

  refseg eval language data --page out/wrong.html

  refseg eval language --labels labels.jsonl --misreadings
"""


def add_language(eval_app: typer.Typer) -> None:
    """Give ``refseg eval`` its command ``language``.

    Args:
        eval_app: Of ``refseg eval``.
    """
    eval_app.command("language", epilog=_EXAMPLES)(language)


def language(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR",
            help="Folder of sentences with boxes or polygons, names and what is meant; "
            "docs/language.md has the layout.",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Sentences labelled by hand, one JSON object a line."),
    ] = None,
    preset: PresetOption = "tabletop",
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write every figure and every answer to this file."),
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="Write a page of the wrong answers to this file.")
    ] = None,
    misreadings: Annotated[
        bool, typer.Option("--misreadings", help="Print what was read otherwise than labelled.")
    ] = False,
) -> None:
    """Language and space alone, with true regions and names: sentences that people wrote."""
    if folder is None and labels is None:
        raise typer.BadParameter("name a folder, or labels with --labels, or both")
    from refseg_lab.evaluation.language.measuring import evaluate_language

    with one_line_errors():
        evaluate_language(folder, labels, preset, json_file, page, misreadings)
