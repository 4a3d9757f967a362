# SPDX-License-Identifier: Apache-2.0
"""``refseg eval refcoco`` and its relatives: the papers' tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from refseg_ros.cli.console import one_line_errors, set_up_logging
from refseg_ros.cli.options import DeviceOption, MethodOption, PresetOption, VerboseOption

NAMES = ("refcoco", "refcoco+", "refcocog", "grefcoco", "phrasecut", "ref-adv-s", "openref")
"""Names of the commands, as in :data:`refseg_lab.evaluation.refer.layout.DATASETS`."""


def add_commands(eval_app: typer.Typer) -> None:
    """Give ``refseg eval`` one command per data set, and the converter.

    Args:
        eval_app: Of ``refseg eval``.
    """
    for name in NAMES:
        eval_app.command(name, help=f"The published data set {name}; see docs/reproduce.md.")(
            _evaluate
        )
    eval_app.command("convert")(convert)


def _evaluate(
    context: typer.Context,
    split: Annotated[str, typer.Option(help="val, testA, testB, test, …")] = "val",
    by: Annotated[
        str, typer.Option(help="Who made the split: unc, umd or google. [default: the usual one]")
    ] = "",
    preset: PresetOption = "paper",
    method: MethodOption = "",
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the data sets. [default: REFSEG_DATA, or refer in the cache]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Results, one line per image; an interrupted run continues. "
            "[default: out/eval/DATASET-BY-SPLIT-PRESET-METHOD.jsonl]",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="Number of images, from the first; default: all.")
    ] = None,
    report: Annotated[
        bool,
        typer.Option(help="Write a page with the best and worst answers next to the results."),
    ] = True,
    workers: Annotated[int, typer.Option(min=1, help="Processes, each with one thread.")] = 1,
    ray: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Share the work on this Ray cluster (auto, local)."),
    ] = "",
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> None:
    """Measure a preset on a split; an interrupted run continues."""
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from refseg_lab.evaluation.refer.figures import split_figures
    from refseg_lab.evaluation.refer.layout import locate
    from refseg_lab.evaluation.refer.report import (
        print_table,
        title,
        write_report,
        write_summary,
    )
    from refseg_lab.evaluation.refer.running import ReferRun, run_split

    set_up_logging(verbose)
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    with one_line_errors():
        place = locate(str(context.info_name), split, by, data)
        asked = ReferRun(place, preset, method, device, images, workers, ray)
        words = (place.dataset, place.by, place.split, Path(preset).stem, method)
        stem = "-".join(word for word in words if word)
        log = out or Path("out/eval") / f"{stem}.jsonl"
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(title(place), total=None)
            listed, results = run_split(
                asked,
                log,
                progress=lambda done, count: bar.update(task, completed=done, total=count),
            )
        found = split_figures(results)
        name = " ".join(word for word in (preset, method) if word)
        print_table(place, name, found)
        written = [log, log.with_suffix(".json")]
        write_summary(written[1], place, name, found)
        if report:
            written.append(log.with_suffix(".html"))
            write_report(written[2], place, name, found, listed, results)
    for path in written:
        typer.echo(f"wrote {path}")


def convert(
    pickled: Annotated[Path, typer.Argument(help="The pickle, such as 'refs(unc).p'.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="[default: next to it, .json]", show_default=False),
    ] = None,
) -> None:
    """Convert REFER's pickle to JSON without running any of it."""
    from refseg_lab.evaluation.refer.pickles import pickle_to_json as to_json

    out = output or pickled.with_suffix(".json")
    with one_line_errors():
        count = to_json(pickled, out)
    typer.echo(f"wrote {out}: {count} references")
