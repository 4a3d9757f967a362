# SPDX-License-Identifier: Apache-2.0
"""``refseg eval``: benchmarks, one command each."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from refseg_lab.cli.refer import add_commands
from refseg_ros.cli.console import one_line_errors, set_up_logging
from refseg_ros.cli.options import DeviceOption, PresetOption, VerboseOption

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

  refseg eval tabletop --split test --ablation --markdown ablation.md

  refseg eval tabletop --ablation my_rows.yaml
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
    context: typer.Context,
    rows: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="With --ablation: a YAML file of rows; without it the bundled ones, from "
            "SAM+CLIP to the preset tabletop.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        list[SplitChoice] | None,
        typer.Option(
            help="What to answer; repeat it for several. slice ships with the package, the "
            "others are rendered when they are missing. [default: slice]",
            show_default=False,
        ),
    ] = None,
    preset: PresetOption = "tabletop",
    method: Annotated[
        str,
        typer.Option(
            help="A method in place of the preset's own, or several with commas between, which "
            "are measured side by side (see `refseg methods`)."
        ),
    ] = "",
    ablation: Annotated[
        bool,
        typer.Option(
            "--ablation",
            help="Measure configurations side by side, each a step from the one before, in one "
            "run and one table.",
        ),
    ] = False,
    curve: Annotated[
        bool,
        typer.Option(
            "--curve", help="Also false accepts against false rejects as the threshold moves."
        ),
    ] = False,
    depth: Annotated[
        bool, typer.Option("--depth", help="Let the segmenter see the depth images as well.")
    ] = False,
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
    markdown: Annotated[
        Path | None,
        typer.Option(help="With --ablation: write the tables in Markdown to this file."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes, each with one thread. [default: one a core]",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = "auto",
    seed: Annotated[
        int, typer.Option(min=0, help="Of the bootstrap and of the random pictures.")
    ] = 0,
    verbose: VerboseOption = False,
) -> None:
    """RefTabletop: rendered table scenes with expressions of thirteen phenomena."""
    names = [name.strip() for name in method.split(",")] if method else []
    _check_use(context, ablation, len(names) > 1)
    from refseg_lab.evaluation.tabletop_source import TabletopOptions
    from refseg_lab.evaluation.timing import cores

    set_up_logging(verbose)
    options = TabletopOptions(
        splits=_splits(split or [SplitChoice.SLICE]),
        preset=preset,
        method=names[0] if len(names) == 1 else "",
        scenes=scenes,
        data=data,
        json_file=json_file,
        pictures=pictures,
        markdown=markdown,
        curve=curve,
        depth=depth,
        workers=workers or cores(),
        device=device,
        seed=seed,
    )
    with one_line_errors():
        if ablation:
            from refseg_lab.evaluation.ablation import read_ablation
            from refseg_lab.evaluation.tabletop_ablation import evaluate_ablation

            evaluate_ablation(options, read_ablation(rows))
        elif len(names) > 1:
            from refseg_lab.evaluation.ablation import compare_methods
            from refseg_lab.evaluation.tabletop_ablation import evaluate_ablation

            evaluate_ablation(options, compare_methods(preset, names))
        else:
            from refseg_lab.evaluation.tabletop import evaluate

            evaluate(options)


add_commands(eval_app)


def _check_use(context: typer.Context, ablation: bool, methods: bool) -> None:
    """Refuse options that would be ignored."""
    given = [name for name, value in context.params.items() if value not in (None, False)]
    explicit = context.get_parameter_source("preset")
    if ablation or methods:
        wrong: list[str] = [name for name in ("pictures", "curve") if name in given]
        if ablation and context.params["method"]:
            wrong.append("method")
        if ablation and explicit is not None and explicit.name == "COMMANDLINE":
            wrong.append("preset")
        for name in wrong:
            raise typer.BadParameter(
                f"--{name} belongs to one preset and --ablation measures several; leave one out"
                if ablation
                else f"--{name} belongs to one method and several are named; leave one out"
            )
    if ablation:
        return
    if "rows" in given:
        raise typer.BadParameter(f"{context.params['rows']}: a file of rows needs --ablation")
    if "markdown" in given and not methods:
        raise typer.BadParameter("--markdown needs --ablation or several methods")


def _splits(chosen: list[SplitChoice]) -> tuple[str, ...]:
    """Names in the order of the enumeration, each once."""
    wanted = set(chosen)
    if SplitChoice.ALL in wanted:
        wanted |= {SplitChoice.TEST, SplitChoice.TEST_COMPOSE, SplitChoice.TEST_SHIFT}
    return tuple(item.value for item in SplitChoice if item in wanted - {SplitChoice.ALL})
