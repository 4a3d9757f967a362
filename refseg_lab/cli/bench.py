# SPDX-License-Identifier: Apache-2.0
"""``refseg bench``: what answers cost on this machine."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from refseg_ros.cli.console import one_line_errors, set_up_logging, spinner
from refseg_ros.cli.options import DeviceOption, PresetOption

_NARROWEST = 110  # columns of the table


def bench(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, and nothing else, to stdout.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Measure only answer, tracking, messages, candidates, size, expressions or "
            "cameras; repeat for several. Default: all."
        ),
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs per measurement.")] = 10,
    threads: Annotated[
        int, typer.Option(min=0, help="Threads; 0 means 2, or 1 on a single core.")
    ] = 0,
    node: Annotated[
        bool, typer.Option("--node", help="Also measure a node over real topics (needs ROS).")
    ] = False,
    preset: PresetOption = "tabletop",
    device: DeviceOption = "auto",
) -> None:
    """Measure observing, selecting, tracking and messages, by stage and by size."""
    set_up_logging(verbose=False)
    with one_line_errors():
        from refseg_lab.bench import BenchOptions, run_bench
        from refseg_lab.bench.printing import as_table
        from refseg_lab.evaluation.timing import THREADS, cores

        used = threads or min(THREADS, cores())
        options = BenchOptions(preset, device, used, runs, tuple(only or ()), node)
        with spinner("measures") as status:
            report = run_bench(
                options, lambda name: status.update(f"[bold]refseg[/bold] measures {name}…")
            )
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False, allow_nan=False))
    else:
        width = max(_NARROWEST, Console().width)
        Console(highlight=False, width=width).print(as_table(report))
