# SPDX-License-Identifier: Apache-2.0
"""``refseg demo``: simulated camera, segmenter and viewer as ROS 2 nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from refseg_ros.cli.console import one_line_errors
from refseg_ros.cli.options import DeviceOption


def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="Scripted commands, a table, pictures; no page.")
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
        typer.Option("--pick", help="Let a simulated arm pick what commands mean; no page."),
    ] = False,
    say: Annotated[
        str, typer.Option(help="With --pick: your own command, in the first scene only.")
    ] = "",
    scenes: Annotated[
        int, typer.Option(min=1, max=1000, help="With --pick: number of scenes.")
    ] = 4,
) -> None:
    """Run a simulated camera, the segmenter and the viewer as ROS 2 nodes."""
    from refseg_lab.demo.launcher import DemoOptions, run_demo

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
