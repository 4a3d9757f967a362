# SPDX-License-Identifier: Apache-2.0
"""``refseg eval``: benchmarks, one command each."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from refseg_ros.console import one_line_errors, set_up_logging

eval_app = typer.Typer(
    help="Measure a preset on a benchmark.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_EXAMPLES = """
[bold]Examples[/bold]

  refseg eval tabletop

  refseg eval tabletop --split all --json figures.json --pictures out/pictures

  refseg eval tabletop --split test --scenes 50 --preset my.yaml
"""


class SplitChoice(str, enum.Enum):
    """Splits of RefTabletop by name; ``all`` is the three test splits."""

    VAL = "val"
    SLICE = "slice"
    TEST = "test"
    TEST_COMPOSE = "test_compose"
    TEST_SHIFT = "test_shift"
    ALL = "all"


@eval_app.callback()
def _options() -> None:
    """Measure a preset on a benchmark."""


@eval_app.command(epilog=_EXAMPLES)
def tabletop(
    split: Annotated[
        list[SplitChoice] | None,
        typer.Option(
            help="What to answer; repeat it for several. slice ships with the package, the "
            "others are rendered when they are missing. [default: slice]",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="A preset (see `refseg presets`) or a YAML file.")
    ] = "tabletop",
    scenes: Annotated[
        int | None, typer.Option(min=1, help="Only so many scenes of each split, the first ones.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the rendered splits. [default: tabletop in REFSEG_CACHE or "
            "~/.cache/refseg_ros]",
            show_default=False,
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write every figure and every answer to this file."),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(help="Write a page with the best, worst and random answers to this folder."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes, each with one thread. [default: one a core]",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    seed: Annotated[
        int, typer.Option(min=0, help="Of the bootstrap and of the random pictures.")
    ] = 0,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what is done.")] = False,
) -> None:
    """RefTabletop: rendered table scenes with expressions of thirteen phenomena."""
    from refseg_ros.evaluation.tabletop import TabletopOptions, evaluate
    from refseg_ros.evaluation.timing import cores

    set_up_logging(verbose)
    options = TabletopOptions(
        splits=_splits(split or [SplitChoice.SLICE]),
        preset=preset,
        scenes=scenes,
        data=data,
        json_file=json_file,
        pictures=pictures,
        workers=workers or cores(),
        device=device,
        seed=seed,
    )
    with one_line_errors():
        evaluate(options)


def _splits(chosen: list[SplitChoice]) -> tuple[str, ...]:
    """Names in the order of the enumeration, each once."""
    wanted = set(chosen)
    if SplitChoice.ALL in wanted:
        wanted |= {SplitChoice.TEST, SplitChoice.TEST_COMPOSE, SplitChoice.TEST_SHIFT}
    return tuple(item.value for item in SplitChoice if item in wanted - {SplitChoice.ALL})
