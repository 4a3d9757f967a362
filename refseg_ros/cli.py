# SPDX-License-Identifier: Apache-2.0
"""The ``refseg`` command. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from refseg_ros import __version__
from refseg_ros.cli_eval import eval_app
from refseg_ros.console import ExitCode, one_line_errors, set_up_logging, spinner
from refseg_ros.errors import RefsegError

if TYPE_CHECKING:
    from refseg_ros.results import Selection


_EXAMPLES = """
[bold]Examples[/bold]

  refseg segment photo.jpg "the red mug on the left" -o answer.png

  refseg segment photo.jpg "the book behind the mug" --explain

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


@app.command(epilog=_EXAMPLES + _EXIT_CODES)
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
        bool, typer.Option("--explain", help="Print every candidate with its scores.")
    ] = False,
    ask: Annotated[
        bool,
        typer.Option("--ask", help="At a terminal: ask back when unsure, and read the answer."),
    ] = False,
    preset: Annotated[
        str, typer.Option(help="A preset (see `refseg presets`) or a YAML file.")
    ] = "tabletop",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what is done.")] = False,
) -> None:
    """Find the one thing meant in a photo."""
    set_up_logging(verbose)
    if as_json and explain:
        raise typer.BadParameter("--json holds the candidates already; leave out --explain")
    if as_json and ask:
        raise typer.BadParameter("--json prints one answer; leave out --ask")
    _check_expression(expression)
    with one_line_errors():
        selection = _segment(image, expression, output, mask, preset, device, ask)
    if as_json:
        typer.echo(json.dumps(_as_json(selection, image), ensure_ascii=False, allow_nan=False))
    elif explain:
        typer.echo(selection.explain())
    else:
        _print_answer(selection, [path for path in (output, mask) if path])
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
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    out: Annotated[Path, typer.Option(help="Folder for logs, pictures and results.")] = Path(
        "out/demo"
    ),
) -> None:
    """Run a simulated camera, the segmenter and the viewer as ROS 2 nodes."""
    from refseg_ros.demo import DemoOptions, run_demo

    options = DemoOptions(
        headless=headless, port=port, seed=seed, preset=preset, device=device, out=out
    )
    with one_line_errors():
        code = run_demo(options)
    raise typer.Exit(code)


def _check_expression(expression: str) -> None:
    if not expression.strip():
        raise typer.BadParameter("the expression is empty: say what is meant")


def _segment(
    image: Path,
    expression: str,
    output: Path | None,
    mask: Path | None,
    preset: str,
    device: str,
    ask: bool,
) -> Selection:
    """Reads, segments and writes; every check that needs no model comes first."""
    import numpy as np

    from refseg_ros.image_io import check_writable, read_image, write_image

    pixels = read_image(image)
    for target in (output, mask):
        if target is None:
            continue
        if target.resolve() == image.resolve():
            raise RefsegError(f"{target}: would overwrite the input; choose another name")
        check_writable(target)
    if output and mask and output.resolve() == mask.resolve():
        raise RefsegError(f"{output}: --output and --mask name the same file")
    with spinner("starting") as status:
        from refseg_ros.dialogue import Conversation
        from refseg_ros.segmenter import Segmenter

        status.update("loading models")
        segmenter = Segmenter.from_preset(preset, device=device)
        status.update(f"looking at {escape(image.name)} ({segmenter.description})")
        scene = segmenter.observe(pixels)
        status.update("choosing")
        conversation = Conversation()
        selection = conversation.ask(scene, expression)
    if ask and selection.status.name == "AMBIGUOUS" and _at_terminal():
        while selection.status.name != "SELECTED" and (reply := _follow_up(selection)):
            selection = conversation.ask(scene, reply)
    if mask:
        write_image(mask, selection.mask.astype(np.uint8) * 255)
    if output:
        from refseg_ros.viewer.overlay import draw_overlay

        write_image(output, draw_overlay(pixels, selection))
    return selection


def _at_terminal() -> bool:
    """Whether a person can answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _follow_up(selection: Selection) -> str:
    """What a person says to an unsure answer; "" to leave it at that."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[yellow]?[/]  {escape(selection.question or selection.reason)}")
    try:
        return input("> ").strip()
    except EOFError:
        return ""


def _exit_code(selection: Selection) -> ExitCode:
    codes = {
        "SELECTED": ExitCode.SELECTED,
        "AMBIGUOUS": ExitCode.AMBIGUOUS,
        "NOT_FOUND": ExitCode.NOT_FOUND,
        "LOST": ExitCode.NOT_FOUND,
    }
    return codes.get(selection.status.name, ExitCode.ERROR)


def _print_answer(selection: Selection, written: list[Path]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    colours = {"SELECTED": "green", "AMBIGUOUS": "yellow"}
    name = selection.status.name
    console.print(f"[bold {colours.get(name, 'red')}]{name}[/]  {escape(selection.reason)}")
    if selection.question:
        console.print(f"[yellow]?[/]  {escape(selection.question)}")
    for warning in selection.warnings:
        console.print(f"[yellow]warning[/]  {escape(warning)}")
    if selection.status.has_target:
        box = " ".join(f"{value:.0f}" for value in selection.box)
        console.print(
            f"score {selection.score:.3f}   margin {selection.margin:.3f}   "
            f"box {box} (x0 y0 x1 y1)   {int(selection.mask.sum())} pixels"
        )
    for path in written:
        console.print(f"wrote {escape(str(path))}")


def _as_json(selection: Selection, image: Path) -> dict[str, Any]:
    """The answer as plain values; numbers that JSON has no word for become null."""
    return {
        "image": str(image),
        "size": {"height": selection.mask.shape[0], "width": selection.mask.shape[1]},
        "expression": selection.expression,
        "status": selection.status.name,
        "reason": selection.reason,
        "warnings": list(selection.warnings),
        "question": selection.question,
        "options": list(selection.options),
        "tied": [index + 1 for index in selection.tied],
        "score": _finite(selection.score),
        "margin": _finite(selection.margin),
        "box": [_finite(value) for value in selection.box],
        "area": int(selection.mask.sum()),
        "target": None if selection.index is None else selection.index + 1,
        "targets": [index + 1 for index in selection.indices],
        "candidates": [
            {
                "id": candidate.index + 1,
                "score": _finite(candidate.score),
                "terms": {name: _finite(value) for name, value in candidate.terms.items()},
                "eligible": candidate.eligible,
                "box": [_finite(value) for value in candidate.box],
                "area": int(candidate.area),
                "caption": candidate.caption,
            }
            for candidate in selection.candidates
        ],
        "seconds": {name: _finite(value) for name, value in selection.seconds.items()},
    }


def _finite(value: float) -> float | None:
    """A plain number with six digits, or None."""
    return round(float(value), 6) if math.isfinite(value) else None


def main() -> None:
    """Entry point of the ``refseg`` command."""
    app()


if __name__ == "__main__":
    main()
