# SPDX-License-Identifier: Apache-2.0
"""``refseg eval``: benchmarks, one command each."""

from __future__ import annotations

import enum
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refseg_lab.cli.language import add_language
from refseg_lab.cli.refer import add_commands
from refseg_ros.cli.console import one_line_errors, set_up_logging
from refseg_ros.cli.options import DeviceOption, MethodOption, PresetOption, VerboseOption

if TYPE_CHECKING:
    from refseg_lab.evaluation.tabletop_source import TabletopOptions

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

  refseg eval ablation --split test --markdown ablation.md

  refseg eval ablation my_rows.yaml

  refseg eval methods tas global_local robust
"""


class SplitChoice(str, enum.Enum):
    """Splits of RefTabletop by name; ``all`` is the three test splits of 400 scenes."""

    VAL = "val"
    SLICE = "slice"
    TEST = "test"
    TEST_COMPOSE = "test_compose"
    TEST_SHIFT = "test_shift"
    TEST_WILD = "test_wild"
    ALL = "all"


@eval_app.callback()
def _options() -> None:
    """Measure a preset on a benchmark."""


SplitOption = Annotated[
    list[SplitChoice] | None,
    typer.Option(
        help="Split to measure; repeat for several. slice ships with the package, the others "
        "are rendered if they are missing. [default: slice]",
        show_default=False,
    ),
]
DepthOption = Annotated[
    bool, typer.Option("--depth", help="Also give the segmenter the depth images.")
]
ScenesOption = Annotated[
    int | None, typer.Option(min=1, help="Scenes per split, from the first; default: all.")
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the rendered splits. [default: tabletop in REFSEG_CACHE or "
        "~/.cache/refseg_ros]",
        show_default=False,
    ),
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write every figure and every answer to this file.")
]
MarkdownOption = Annotated[
    Path | None, typer.Option(help="Write the tables in Markdown to this file.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="Processes, each with one thread. [default: one per core]", show_default=False
    ),
]
SeedOption = Annotated[
    int, typer.Option(min=0, help="Seed for the bootstrap and the random pictures.")
]
RowsArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE",
        help="YAML file with the rows; default: the bundled ones, from SAM+CLIP to the preset "
        "tabletop.",
        show_default=False,
    ),
]


@eval_app.command(epilog=_EXAMPLES)
def tabletop(
    context: typer.Context,
    rows: Annotated[Path | None, typer.Argument(metavar="FILE", hidden=True)] = None,
    split: SplitOption = None,
    preset: PresetOption = "tabletop",
    method: MethodOption = "",
    ablation: Annotated[
        bool, typer.Option("--ablation", help="`refseg eval ablation`.", hidden=True)
    ] = False,
    curve: Annotated[
        bool,
        typer.Option(
            "--curve", help="Also show false accepts and rejects as the threshold moves."
        ),
    ] = False,
    depth: DepthOption = False,
    scenes: ScenesOption = None,
    data: DataOption = None,
    json_file: JsonOption = None,
    pictures: Annotated[
        Path | None,
        typer.Option(help="Write a page with the best, worst and random answers to this folder."),
    ] = None,
    markdown: Annotated[Path | None, typer.Option(hidden=True)] = None,
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    verbose: VerboseOption = False,
) -> None:
    """RefTabletop: rendered table scenes with expressions of thirteen phenomena."""
    names = [name.strip() for name in method.split(",")] if method else []
    _check_use(context, ablation, len(names) > 1)
    from refseg_lab.evaluation.tabletop import evaluate_tabletop

    set_up_logging(verbose)
    options = _options_of(
        split, preset, scenes, data, json_file, markdown, depth, workers, device, seed
    )
    with one_line_errors():
        if ablation:
            _older_spelling("refseg eval ablation")
            _evaluate_rows(options, rows)
        elif len(names) > 1:
            _older_spelling("refseg eval methods")
            _evaluate_methods(options, names)
        else:
            evaluate_tabletop(
                replace(options, method="".join(names), pictures=pictures, curve=curve)
            )


@eval_app.command()
def ablation(
    rows: RowsArgument = None,
    split: SplitOption = None,
    depth: DepthOption = False,
    scenes: ScenesOption = None,
    data: DataOption = None,
    json_file: JsonOption = None,
    markdown: MarkdownOption = None,
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    verbose: VerboseOption = False,
) -> None:
    """Compare configurations on RefTabletop, each one step from the previous."""
    set_up_logging(verbose)
    options = _options_of(
        split, "tabletop", scenes, data, json_file, markdown, depth, workers, device, seed
    )
    with one_line_errors():
        _evaluate_rows(options, rows)


@eval_app.command()
def methods(
    names: Annotated[
        list[str], typer.Argument(metavar="METHOD...", help="Two or more of `refseg methods`.")
    ],
    split: SplitOption = None,
    preset: PresetOption = "tabletop",
    depth: DepthOption = False,
    scenes: ScenesOption = None,
    data: DataOption = None,
    json_file: JsonOption = None,
    markdown: MarkdownOption = None,
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    verbose: VerboseOption = False,
) -> None:
    """Compare methods on RefTabletop, on the networks of one preset."""
    if len(names) < 2:
        raise typer.BadParameter(f"{names[0]}: name two methods or more to set them side by side")
    set_up_logging(verbose)
    options = _options_of(
        split, preset, scenes, data, json_file, markdown, depth, workers, device, seed
    )
    with one_line_errors():
        _evaluate_methods(options, names)


def _options_of(
    split: list[SplitChoice] | None,
    preset: str,
    scenes: int | None,
    data: Path | None,
    json_file: Path | None,
    markdown: Path | None,
    depth: bool,
    workers: int | None,
    device: str,
    seed: int,
) -> TabletopOptions:
    """What the three commands have in common."""
    from refseg_lab.evaluation.tabletop_source import TabletopOptions
    from refseg_lab.evaluation.timing import cores

    return TabletopOptions(
        splits=_splits(split or [SplitChoice.SLICE]),
        preset=preset,
        scenes=scenes,
        data=data,
        json_file=json_file,
        markdown=markdown,
        depth=depth,
        workers=workers or cores(),
        device=device,
        seed=seed,
    )


def _evaluate_rows(options: TabletopOptions, rows: Path | None) -> None:
    from refseg_lab.evaluation.ablation import read_ablation
    from refseg_lab.evaluation.tabletop_ablation import evaluate_ablation

    evaluate_ablation(options, read_ablation(rows))


def _evaluate_methods(options: TabletopOptions, names: list[str]) -> None:
    from refseg_lab.evaluation.ablation import compare_methods
    from refseg_lab.evaluation.tabletop_ablation import evaluate_ablation

    evaluate_ablation(options, compare_methods(options.preset, names))


def _older_spelling(command: str) -> None:
    """Name the command that does the same; the older spelling goes with the next release."""
    typer.echo(f"refseg: this is now `{command}`; the older spelling still works", err=True)


add_commands(eval_app)
add_language(eval_app)


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
