# SPDX-License-Identifier: Apache-2.0
"""``refseg bag``: one expression on all images of a recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from refseg_ros.cli.console import one_line_errors, set_up_logging
from refseg_ros.cli.options import DeviceOption, MethodOption, PresetOption, VerboseOption

if TYPE_CHECKING:
    from refseg_ros.recordings.observed import Observer


def bag(
    recording: Annotated[
        Path, typer.Argument(help="ROS 2 recording: a folder, a .mcap or a .db3 file.")
    ],
    expression: Annotated[
        str, typer.Argument(help='The thing to find: "the red mug on the left".')
    ],
    image: Annotated[str, typer.Option(help="Image topic of the recording.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Recording to write: .mcap, .db3 or a folder.")
    ],
    preset: PresetOption = "tabletop",
    method: MethodOption = "",
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> None:
    """Segment every image of a recording; write masks, results and overlays with its stamp."""
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from refseg_ros.recordings import BagTask, segment_recording

    set_up_logging(verbose)
    if not expression.strip():
        raise typer.BadParameter("the expression is empty: say what is meant")
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    with one_line_errors():
        task = BagTask(recording, image, expression, output, preset, method)

        def load() -> Observer:
            from refseg_ros.segmenter import Segmenter

            return Segmenter.from_preset(preset, device, method)

        with Progress(*columns, console=Console(stderr=True)) as bars:
            line = bars.add_task(recording.name, total=None)
            count = segment_recording(
                task, load, lambda done, total: bars.update(line, completed=done, total=total)
            )
    typer.echo(f"wrote {output}: {count} images")
