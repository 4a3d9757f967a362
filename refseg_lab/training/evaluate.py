# SPDX-License-Identifier: Apache-2.0
"""Measures the bundled models on held-out scenes and prints the table of the model card."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console

from refseg_lab.training.common import DATA, Scenes, command
from refseg_lab.training.export import BUNDLED
from refseg_lab.training.metrics import (
    caption_figures,
    click_figures,
    proposal_figures,
    retrieval_figures,
)
from refseg_ros.backbones.captioner import Captioner
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.sam import load_sam
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import ConfigError
from refseg_ros.proposals.factory import make_proposer

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

Measure = Callable[[Path, Scenes, int], dict[str, float]]


def _clicks(weights: Path, scenes: Scenes, count: int) -> dict[str, float]:
    return click_figures(_sam(weights), scenes, count)


def _proposals(weights: Path, scenes: Scenes, count: int) -> dict[str, float]:
    config = SegmenterConfig.from_preset("tabletop").proposals
    proposer = make_proposer(_sam(weights), config, Device.from_name("cpu"))
    return proposal_figures(proposer, scenes, count)


def _retrieval(weights: Path, scenes: Scenes, count: int) -> dict[str, float]:
    encoder = ClipEncoder.load(weights / "clip", device=torch.device("cpu"))
    return retrieval_figures(encoder, scenes, count)


def _captions(weights: Path, scenes: Scenes, count: int) -> dict[str, float]:
    captioner = Captioner.load(weights / "captioner", device=torch.device("cpu"), num_beams=1)
    return caption_figures(captioner, scenes, count)


def _sam(weights: Path) -> Sam:
    folder = weights / "sam"
    return load_sam(str(folder / "config.json"), folder / "model.safetensors", torch.device("cpu"))


BEGIN = "<!-- figures: begin -->"
END = "<!-- figures: end -->"

MEASURES: dict[str, tuple[str, Measure]] = {
    "clicks": ("SAM, one click on each object", _clicks),
    "proposals": ("SAM, best proposal for each object", _proposals),
    "retrieval": ("CLIP, true masks", _retrieval),
    "captions": ("captioner, true masks", _captions),
}


def weights_table(weights: Path, scenes: Scenes, count: int, names: list[str]) -> str:
    """Measure and write a table in Markdown.

    Args:
        weights: Folder with ``sam``, ``clip`` and ``captioner``.
        scenes: Held-out scenes.
        count: How many of them, from the first on.
        names: Keys of :data:`MEASURES`.

    Raises:
        WeightsError: A model is missing or damaged.
    """
    lines = ["| model | measure | value |", "|---|---|---|"]
    console = Console(stderr=True)
    for name in names:
        title, measure = MEASURES[name]
        with console.status(f"{title}: {count} scenes"):
            figures = measure(weights, scenes, count)
        lines += [f"| {title} | {item} | {value:.3f} |" for item, value in figures.items()]
    things = sum(len(item) for item in scenes.things[:count])
    lines += ["", f"{min(count, len(scenes))} scenes, {things} objects."]
    return "\n".join(lines)


def write_card(card: Path, measured: str) -> None:
    """Replace what stands between the two marks of a model card.

    Args:
        card: A Markdown file with the lines :data:`BEGIN` and :data:`END`.
        measured: The table from :func:`table`.

    Raises:
        ConfigError: The file is missing, or a mark is.
    """
    try:
        text = card.read_text(encoding="utf-8")
        before, rest = text.split(f"{BEGIN}\n", 1)
        _, after = rest.split(f"{END}\n", 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"card: {card} cannot be read or lacks {BEGIN} or {END}") from error
    card.write_text(f"{before}{BEGIN}\n\n{measured}\n\n{END}\n{after}", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """The command ``python -m refseg_lab.training.evaluate``."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("measures", nargs="*", help=f"any of {', '.join(MEASURES)}; default: all")
    made.add_argument("--data", type=Path, default=DATA / "val", help="folder of held-out scenes")
    made.add_argument("--scenes", type=int, default=200, help="number of scenes")
    made.add_argument("--weights", type=Path, default=BUNDLED, help="folder of the models")
    made.add_argument("--card", type=Path, help="model card whose table to replace")
    made.add_argument("--threads", type=int, default=1, help="torch threads")
    options = made.parse_args(arguments)
    unknown = [name for name in options.measures if name not in MEASURES]
    if unknown:
        made.error(f"no measure {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    if options.scenes < 1:
        made.error(f"--scenes: {options.scenes} is less than 1")
    torch.set_num_threads(options.threads)

    def run() -> None:
        names = options.measures or list(MEASURES)
        measured = weights_table(options.weights, Scenes.open(options.data), options.scenes, names)
        print(measured)
        if options.card:
            write_card(options.card, measured)

    command(run)


if __name__ == "__main__":
    main()
