# SPDX-License-Identifier: Apache-2.0
"""``refseg segment``: one photo, one sentence; files in, models, pictures and words out."""

from __future__ import annotations

import functools
import io
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperCommand

from refseg_ros.cli.console import ExitCode, one_line_errors, set_up_logging, spinner
from refseg_ros.cli.options import DeviceOption, MethodOption, PresetOption, VerboseOption
from refseg_ros.errors import RefsegError

if TYPE_CHECKING:
    from refseg_ros.results import Selection

EXAMPLES = """
[bold]Examples[/bold]

  refseg segment photo.jpg "the red mug on the left" -o answer.png

  refseg segment photo.jpg "the book behind the mug" --explain why.png

  refseg segment photo.jpg "the mug" --json | jq .box

  refseg demo

  refseg eval tabletop
"""
EXIT_CODES = """
[bold]Exit codes[/bold]  0 selected · 1 error · 2 wrong usage · 3 not found · 4 ambiguous
"""

_EXPLAIN, _EXPLAIN_TO = "--explain", "--explain-to"
_ROWS = 12


class SegmentCommand(TyperCommand):
    """A command whose ``--explain`` may be followed by the name of a picture.

    ``--explain out.png`` and ``--explain=out.png`` are read as ``--explain-to out.png``, as the
    options of typer either always take a value or never do. The word after ``--explain`` is its
    picture if the photo and the sentence are given besides; in ``--explain photo.jpg "the mug"``
    no picture is asked for.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of the command line, `--explain` and what follows it put right."""
        return super().parse_args(ctx, self._spelled_out(args))

    def _spelled_out(self, args: Sequence[str]) -> list[str]:
        words = list(args)
        for place in range(words.index("--") if "--" in words else len(words)):
            name, equals, value = words[place].partition("=")
            following = words[place + 1] if place + 1 < len(words) else ""
            if name == _EXPLAIN and equals:
                words[place] = f"{_EXPLAIN_TO}={value}"
            elif name == _EXPLAIN and following and not following.startswith("-"):
                others = words[: place + 1] + words[place + 2 :]
                if len(list(self._arguments(others))) >= 2:
                    words[place] = _EXPLAIN_TO
        return words

    def _arguments(self, words: Sequence[str]) -> Iterator[str]:
        """The words that are neither options nor their values."""
        valued = {
            name
            for item in self.params
            if item.param_type_name == "option" and not getattr(item, "is_flag", False)
            for name in item.opts
        }
        rest = iter(words)
        for word in rest:
            if word == "--":
                yield from rest
            elif word in valued:
                next(rest, None)
            elif not word.startswith("-") or word == "-":
                yield word


@dataclass(frozen=True)
class OutputPaths:
    """Where the pictures go; None for those that are not asked for.

    Attributes:
        overlay: The photo with the mask over it.
        mask: 8 bits, 255 is the thing meant.
        explanation: The picture of how the answer came about.
    """

    overlay: Path | None = None
    mask: Path | None = None
    explanation: Path | None = None

    @property
    def named(self) -> dict[str, Path]:
        """Those that are asked for, by their options."""
        paths = {"--output": self.overlay, "--mask": self.mask, _EXPLAIN: self.explanation}
        return {name: path for name, path in paths.items() if path is not None}

    def check(self, image: Path) -> None:
        """Make sure, before models are loaded, that all can be written.

        Raises:
            RefsegError: One is the input or another output, or it cannot be written.
        """
        from refseg_ros.image_io import check_writable

        for path in self.named.values():
            if _is_same_file(path, image):
                raise RefsegError(f"{path}: would overwrite the input; choose another name")
            check_writable(path)
        for (first, path), (second, other) in itertools.combinations(self.named.items(), 2):
            if _is_same_file(path, other):
                raise RefsegError(f"{path}: {first} and {second} name the same file")


def _is_same_file(one: Path, two: Path) -> bool:
    """Whether two names are of one file; a hard link is another name of it."""
    both = one.exists() and two.exists()
    return one.resolve() == two.resolve() or (both and one.samefile(two))


def run_segment(
    image: Path,
    expression: str,
    outputs: OutputPaths,
    preset: str,
    device: str,
    ask: bool = False,
    method: str = "",
) -> Selection:
    """Read, segment and write; every check that needs no model comes first.

    Args:
        image: The photo.
        expression: What is meant.
        outputs: What to write.
        preset: Name or YAML file.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        ask: At a terminal, read follow-ups to an AMBIGUOUS answer until it is settled.
        method: Name; "" is the preset's own.

    Raises:
        RefsegError: A file, a preset or a checkpoint is not as it must be; the message names it.
    """
    import numpy as np

    from refseg_ros.image_io import read_image, write_image

    pixels = read_image(image)
    outputs.check(image)
    with spinner("starting") as status:
        from refseg_ros.dialogue import Conversation
        from refseg_ros.segmenter import Segmenter

        status.update("loading models")
        segmenter = Segmenter.from_preset(preset, device, method)
        status.update(f"looking at {escape(image.name)} ({segmenter.description})")
        scene = segmenter.observe(pixels)
        status.update("choosing")
        conversation = Conversation()
        selection = conversation.ask(scene, expression)
    if ask and selection.status.name == "AMBIGUOUS" and _at_terminal():
        while selection.status.name != "SELECTED" and (reply := _follow_up(selection)):
            selection = conversation.ask(scene, reply)
    if outputs.mask:
        write_image(outputs.mask, selection.mask.astype(np.uint8) * 255)
    if outputs.overlay:
        from refseg_ros.viewer.overlay import draw_overlay

        write_image(outputs.overlay, draw_overlay(pixels, selection))
    if outputs.explanation:
        from refseg_ros.explain.picture import draw_explanation
        from refseg_ros.methods.crops import region_images

        see = functools.partial(region_images, crop=segmenter.config.score.crop)
        chosen_from = selection.proposals or scene.proposals
        picture = draw_explanation(pixels, chosen_from, selection, see=see)
        write_image(outputs.explanation, picture)
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


def print_explanation(selection: Selection) -> None:
    """Print the best candidates and how the choice came about, as wide as the terminal."""
    from refseg_ros.explain.as_text import NARROWEST, as_renderable

    if isinstance(sys.stdout, io.TextIOWrapper):
        # A minus sign that the terminal has no character for is no reason to fail.
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(as_renderable(selection, _ROWS))
    else:  # without the blanks that rich fills lines with
        typer.echo(selection.explain(max(console.width, NARROWEST), most=_ROWS))


def print_answer(selection: Selection) -> None:
    """Print the verdict, the warnings and the figures of the answer."""
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


def print_written(outputs: OutputPaths) -> None:
    """Print what was written where."""
    console = Console(highlight=False, soft_wrap=True)
    for path in outputs.named.values():
        console.print(f"wrote {escape(str(path))}")


def segment(
    image: Annotated[Path, typer.Argument(help="Photo (PNG, JPEG, …) of any size.")],
    expression: Annotated[
        str, typer.Argument(help='The thing to find: "the red mug on the left".')
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the photo with the mask drawn on it here."),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option("--mask", "-m", help="Write the mask here: 8 bits, 255 on the thing meant."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole answer as JSON, and nothing else.")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Print how the answer was chosen: the candidates and each term of their scores. "
            "`--explain out.png` draws that as well.",
        ),
    ] = False,
    explain_to: Annotated[
        Path | None,
        typer.Option("--explain-to", help="The long form of `--explain out.png`.", hidden=True),
    ] = None,
    ask: Annotated[
        bool,
        typer.Option("--ask", help="At a terminal: ask back when unsure, and read your reply."),
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
    outputs = OutputPaths(output, mask, explain_to)
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
