# SPDX-License-Identifier: Apache-2.0
"""``refseg weights``: published checkpoints, listed, fetched, checked and found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from refseg_ros.cli.console import ExitCode, one_line_errors

if TYPE_CHECKING:
    from refseg_ros.weights.catalogue import File, Published
    from refseg_ros.weights.fetching import Advance

weights_app = typer.Typer(
    help="Published checkpoints: list, download, verify, path.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
Names = Annotated[
    list[str], typer.Argument(help="Presets or checkpoints (see `refseg weights list`).")
]


@weights_app.callback()
def _options() -> None:
    """Published checkpoints: list, download, verify, path."""


@weights_app.command("list")
def list_weights() -> None:
    """List the checkpoints with sizes, licences, and the presets that use them."""
    from rich.table import Table

    from refseg_ros.weights import CATALOGUE, cache_folder
    from refseg_ros.weights.needs import users

    head = ("checkpoint", "here", "GB", "M params", "GB in memory", "SHA-256", "licence")
    table = Table(*head, "presets", "page", box=None, header_style="bold")
    with one_line_errors():
        cache = cache_folder()
        for item in CATALOGUE:
            sums = sum(bool(file.sha256) for file in item.files)
            missing = len(item.missing(cache))
            here = "yes" if not missing else "no" if missing == len(item.files) else "in part"
            table.add_row(
                item.name,
                here,
                f"{item.size:g}",
                f"{item.parameters:g}",
                f"{item.memory:g}",
                f"{sums} of {len(item.files)}",
                escape(item.licence) + (" (gated)" if item.gated else ""),
                " ".join(users(item)),
                item.source,
            )
    # A pipe has no width: a cut name could not be used.
    console = Console() if Console().is_terminal else Console(width=240)
    console.print(table)


@weights_app.command("download")
def download_weights(
    names: Names,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Files to download at once.")] = 4,
) -> None:
    """Download checkpoints to the cache; resume interrupted downloads."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from refseg_ros.weights import cache_folder
    from refseg_ros.weights.downloading import download as fetch
    from refseg_ros.weights.needs import chosen

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with one_line_errors():
        items = chosen(names)
        with Progress(*columns, TransferSpeedColumn(), console=Console(stderr=True)) as bars:

            def bar(item: Published, file: File) -> Advance:
                task = bars.add_task(escape(file.path or item.name), total=file.size)
                return lambda done, size: bars.update(
                    task, completed=done, total=size or file.size
                )

            fetched = fetch(items, cache_folder(), advance=bar, workers=workers)
    for path in fetched:
        typer.echo(f"wrote {path}")
    if not fetched:
        typer.echo(f"nothing to download for {', '.join(names)}: all is there")


@weights_app.command("verify")
def verify_weights(names: Names) -> None:
    """Check files against their published checksums; needs no network."""
    from refseg_ros.weights import cache_folder
    from refseg_ros.weights.downloading import verify as check
    from refseg_ros.weights.needs import chosen

    with one_line_errors():
        faults = []
        for item in chosen(names):
            found = check(item, cache_folder())
            typer.echo(f"{item.name}: {'as published' if not found else 'not verified'}")
            faults += found
    for fault in faults:
        typer.echo(fault, err=True)
    raise typer.Exit(ExitCode.ERROR if faults else 0)


@weights_app.command()
def path(
    name: Annotated[
        str, typer.Argument(help="Name as in a preset: mobile_sam.pt, bundled:clip, …")
    ],
) -> None:
    """Print the path of weights."""
    from refseg_ros.weights import resolve

    with one_line_errors():
        found: Path = resolve(name)
    typer.echo(str(found))
