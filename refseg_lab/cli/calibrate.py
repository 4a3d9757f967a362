# SPDX-License-Identifier: Apache-2.0
"""``refseg calibrate``: thresholds and scores of a preset, fitted to your own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from refseg_ros.cli.console import one_line_errors, set_up_logging, spinner
from refseg_ros.cli.options import DeviceOption, MethodOption, PresetOption, VerboseOption
from refseg_ros.errors import RefsegError


def calibrate(
    pictures: Annotated[
        Path,
        typer.Argument(
            help="Folder with pictures and a CSV file of the columns image, sentence and where: "
            "'x y', 'x0 y0 x1 y1' or 'absent'."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Preset to write, a .yaml file.")],
    false_accepts: Annotated[
        float,
        typer.Option(min=0.01, max=0.5, help="Share of absent things that may be answered."),
    ] = 0.1,
    preset: PresetOption = "fast",
    method: MethodOption = "",
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> None:
    """Fit a preset's refusal, questions and scores to sentences about your own pictures."""
    set_up_logging(verbose)
    if output.suffix not in (".yaml", ".yml"):
        raise typer.BadParameter(f"--output: {output} must end in .yaml")
    with one_line_errors(), spinner("reading sentences") as status:
        from refseg_lab.calibration.sentences import read_labelled_sentences

        sentences = read_labelled_sentences(pictures)
        if not output.parent.is_dir():
            raise RefsegError(f"--output: the folder {output.parent} does not exist")

        from refseg_lab.calibration.fitting import ROUNDS, LabelledPictures, fit_decision
        from refseg_lab.calibration.report import as_tables, preset_text
        from refseg_lab.evaluation.tabletop_source import write_text
        from refseg_ros.segmenter import Segmenter

        status.update("loading models")
        segmenter = Segmenter.from_preset(preset, device, method)
        count = len({item.image for item in sentences})
        observed = LabelledPictures(
            segmenter,
            sentences,
            lambda done: status.update(f"looked at {done} of {count} pictures"),
        )
        found = fit_decision(
            observed,
            segmenter.config,
            false_accepts,
            progress=lambda done: status.update(f"asked {done} of {ROUNDS} times"),
        )
        folder = pictures if pictures.is_dir() else pictures.parent
        write_text("--output", output, preset_text(found, folder, output))
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{found.present} sentences about things that are there, {found.absent} about absent "
        f"ones, {found.pictures} pictures"
    )
    for table in as_tables(found, false_accepts):
        console.print(table)
    if found.uncovered:
        console.print(
            f"[yellow]warning[/]  no proposal shows {found.uncovered} of the things that are "
            "there; no threshold helps those"
        )
    console.print(f"wrote {escape(str(output))}; use it as `--preset {escape(str(output))}`")
