# SPDX-License-Identifier: Apache-2.0
"""The ``refseg`` command. Everything heavy is imported by the command that needs it.

Other packages add commands by the entry-point group :data:`COMMANDS`: the lab adds ``eval``,
``bench`` and ``demo``, so that a robot without the lab has the rest.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from refseg_ros import __version__
from refseg_ros.cli.agent import mcp
from refseg_ros.cli.bag import bag
from refseg_ros.cli.console import one_line_errors
from refseg_ros.cli.export import export
from refseg_ros.cli.segment import EXAMPLES, EXIT_CODES, SegmentCommand, segment
from refseg_ros.cli.weights import weights_app

COMMANDS = "refseg.commands"
"""Entry points of further commands: the name, and a function or a ``typer.Typer``."""

app = typer.Typer(
    name="refseg",
    help="Referring image segmentation: give an image and a sentence, get the mask of the one "
    "thing meant.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=SegmentCommand, epilog=EXAMPLES + EXIT_CODES)(segment)
app.add_typer(weights_app, name="weights")
app.command()(bag)
app.command()(export)
if find_spec("mcp") is not None:  # the extra of that name
    app.command()(mcp)


def add_commands(target: typer.Typer) -> None:
    """Add the commands of other packages; one that cannot be loaded is named on stderr."""
    # A workspace over an environment that has the lab too names each command twice.
    found = {entry.name: entry for entry in entry_points(group=COMMANDS)}
    for name in sorted(found):
        entry = found[name]
        try:
            command = entry.load()
        except ImportError as error:
            typer.echo(f"refseg: the command {entry.name!r} is left out: {error}", err=True)
            continue
        if isinstance(command, typer.Typer):
            target.add_typer(command, name=entry.name)
        else:
            target.command(name=entry.name)(command)


add_commands(app)


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
    """Referring image segmentation: give an image and a sentence, get the mask."""


@app.command()
def presets() -> None:
    """List the presets: named settings of every stage."""
    from rich.table import Table

    from refseg_ros.config import SegmenterConfig, preset_names
    from refseg_ros.weights.needs import needed

    head = ("preset", "what it is", "GB", "GB in memory", "licences of the weights")
    table = Table(*head, box=None, header_style="bold")
    with one_line_errors():
        for name in preset_names():
            config = SegmenterConfig.from_preset(name)
            items = needed(config)
            sums = (sum(item.size for item in items), sum(item.memory for item in items))
            licences = dict.fromkeys(item.licence for item in items)
            figures = [f"{value:.1f}" if items else "" for value in sums]
            table.add_row(name, escape(config.description), *figures, escape(", ".join(licences)))
    Console().print(table)


@app.command()
def methods() -> None:
    """List the methods: ways to match candidates, for use with any preset."""
    from rich.table import Table

    from refseg_ros.methods.catalogue import METHODS

    table = Table("method", "what it is", "published", box=None, header_style="bold")
    for name, method in METHODS.items():
        table.add_row(name, escape(method.what), escape(method.source))
    Console().print(table)


def main() -> None:
    """Entry point of the ``refseg`` command."""
    app()


if __name__ == "__main__":
    main()
