# SPDX-License-Identifier: Apache-2.0
"""The ``refseg`` command. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from refseg_ros import __version__
from refseg_ros.cli_bag import bag
from refseg_ros.cli_bench import bench
from refseg_ros.cli_eval import eval_app
from refseg_ros.cli_options import DeviceOption, MethodOption, PresetOption, VerboseOption
from refseg_ros.cli_segment import (
    Outputs,
    SegmentCommand,
    print_answer,
    print_explanation,
    print_written,
    run_segment,
)
from refseg_ros.cli_weights import weights_app
from refseg_ros.console import ExitCode, one_line_errors, set_up_logging

if TYPE_CHECKING:
    from refseg_ros.results import Selection


_EXAMPLES = """
[bold]Examples[/bold]

  refseg segment photo.jpg "the red mug on the left" -o answer.png

  refseg segment photo.jpg "the book behind the mug" --explain why.png

  refseg segment photo.jpg "the mug" --json | jq .box

  refseg demo

  refseg eval tabletop
"""
_EXIT_CODES = """
[bold]Exit codes[/bold]  0 one thing is meant · 1 error · 2 wrong usage · 3 not found · 4 ambiguous
"""

app = typer.Typer(
    name="refseg",
    help="Referring image segmentation: an image and a sentence in, the mask of the one thing "
    "meant out.",
    epilog=_EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(eval_app, name="eval")
app.add_typer(weights_app, name="weights")
app.command()(bag)
app.command()(bench)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"refseg {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Referring image segmentation: an image and a sentence in, the mask out."""


@app.command(cls=SegmentCommand, epilog=_EXAMPLES + _EXIT_CODES)
def segment(
    image: Annotated[Path, typer.Argument(help="Photo: PNG, JPEG, … any size.")],
    expression: Annotated[str, typer.Argument(help='What is meant: "the red mug on the left".')],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the picture with the mask over it here."),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option("--mask", "-m", help="Write the mask here: 8 bits, 255 is the thing meant."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole answer as JSON (stdout, alone).")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Print how it was decided: the candidates with each term. "
            "`--explain out.png` draws that as well.",
        ),
    ] = False,
    explain_to: Annotated[
        Path | None,
        typer.Option("--explain-to", help="`--explain out.png` in full.", hidden=True),
    ] = None,
    ask: Annotated[
        bool,
        typer.Option("--ask", help="At a terminal: ask back when unsure, and read the answer."),
    ] = False,
    preset: PresetOption = "tabletop",
    method: MethodOption = "",
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> None:
    """Find the one thing meant in a photo."""
    set_up_logging(verbose)
    if as_json and explain:
        raise typer.BadParameter("--json holds the explanation already; leave out --explain")
    if as_json and ask:
        raise typer.BadParameter("--json prints one answer; leave out --ask")
    _check_expression(expression)
    outputs = Outputs(output, mask, explain_to)
    with one_line_errors():
        selection = run_segment(image, expression, outputs, preset, device, ask, method)
    if as_json:
        answer = {"image": str(image), **selection.to_dict()}
        typer.echo(json.dumps(answer, ensure_ascii=False, allow_nan=False))
    else:
        if explain or explain_to:
            print_explanation(selection)
        else:
            print_answer(selection)
        print_written(outputs)
    raise typer.Exit(_exit_code(selection))


@app.command()
def presets() -> None:
    """List the presets: named settings of every stage."""
    from rich.table import Table

    from refseg_ros.config import SegmenterConfig, preset_names

    table = Table("preset", "what it is", box=None, header_style="bold")
    with one_line_errors():
        for name in preset_names():
            table.add_row(name, escape(SegmenterConfig.from_preset(name).description))
    Console().print(table)


@app.command()
def methods() -> None:
    """List the methods: ways of matching that any preset can be asked for."""
    from rich.table import Table

    from refseg_ros.methods import METHODS

    table = Table("method", "what it is", "published", box=None, header_style="bold")
    for name, method in METHODS.items():
        table.add_row(name, escape(method.what), escape(method.source))
    Console().print(table)


@app.command()
def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="No page: scripted commands, a table, pictures.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the page; the next free one if taken.")
    ] = 8080,
    seed: Annotated[
        int | None, typer.Option(min=0, help="First scene; default: the first held-out one.")
    ] = None,
    preset: Annotated[str, typer.Option(help="A preset or a YAML file.")] = "tabletop",
    device: DeviceOption = "auto",
    out: Annotated[Path, typer.Option(help="Folder for logs, pictures and results.")] = Path(
        "out/demo"
    ),
    pick: Annotated[
        bool,
        typer.Option("--pick", help="A simulated arm picks what commands mean; no page, a table."),
    ] = False,
    say: Annotated[
        str, typer.Option(help="With --pick: your own command, in the first scene alone.")
    ] = "",
    scenes: Annotated[
        int, typer.Option(min=1, max=1000, help="With --pick: in how many scenes.")
    ] = 4,
) -> None:
    """Run a simulated camera, the segmenter and the viewer as ROS 2 nodes."""
    from refseg_ros.demo import DemoOptions, run_demo

    if say and not pick:
        raise typer.BadParameter("--say tells the arm what to pick; add --pick")
    options = DemoOptions(
        headless=headless,
        port=port,
        seed=seed,
        preset=preset,
        device=device,
        out=out,
        pick=pick,
        say=say,
        scenes=scenes,
    )
    with one_line_errors():
        code = run_demo(options)
    raise typer.Exit(code)


def _check_expression(expression: str) -> None:
    if not expression.strip():
        raise typer.BadParameter("the expression is empty: say what is meant")


def _exit_code(selection: Selection) -> ExitCode:
    codes = {
        "SELECTED": ExitCode.SELECTED,
        "AMBIGUOUS": ExitCode.AMBIGUOUS,
        "NOT_FOUND": ExitCode.NOT_FOUND,
        "LOST": ExitCode.NOT_FOUND,
    }
    return codes.get(selection.status.name, ExitCode.ERROR)


def main() -> None:
    """Entry point of the ``refseg`` command."""
    app()


if __name__ == "__main__":
    main()
