#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What changed light, tone, sharpness and format do to the answers of the preset `tabletop`.

Each row changes the pictures of a split in one way and asks the same sentences. It counts answers
with IoU >= 0.5 (`Pr@50`), absent things that are refused, and lies: answers that are called
SELECTED and are wrong, of all that are called SELECTED. Where pictures are turned, only sentences
are asked that stay true. Intervals of 95 % by a bootstrap over scenes.

    python benchmarks/robustness.py                                  # the 40 bundled scenes
    python benchmarks/robustness.py --split test --scenes 100 --weights bundled build/weights

`--weights` names folders of models as `refseg_lab.training.export` writes them, with a preset
`tabletop.yaml` if there is one. What a folder lacks is the bundled one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from refseg_lab.evaluation import mask_iou
from refseg_lab.evaluation.bootstrap import Figure, Resampler
from refseg_lab.evaluation.measure import RIGHT_IOU
from refseg_lab.simulation.benchmark import TabletopScene, bundled_slice, make_split, open_split
from refseg_lab.simulation.sensor import decode_jpeg, encode_jpeg
from refseg_lab.training.light import filmic
from refseg_ros import Segmenter
from refseg_ros.backbones.device import Device
from refseg_ros.config import SegmenterConfig
from refseg_ros.results import Proposals, Selection, Status

Image = NDArray[np.uint8]
Change = Callable[[Image, np.random.Generator], Image]

BUNDLED = "bundled"
TURNED = ("category", "colour", "absent")
"""Phenomena whose sentences stay true when the picture is turned."""


def light(gain: float | Sequence[float]) -> Change:
    """Light times a factor, or one for each channel, in grey levels."""
    return lambda image, rng: levels(image.astype(np.float32) * np.asarray(gain, np.float32))


def levels(values: NDArray[np.float32]) -> Image:
    """Grey levels, cut off at black and white."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def haze(share: float) -> Change:
    """White light mixed in."""
    return lambda image, rng: levels((1 - share) * image.astype(np.float32) + share * 255)


def blur(deviation: float) -> Change:
    """Out of focus, by this many pixels."""
    return lambda image, rng: np.asarray(cv2.GaussianBlur(image, (0, 0), deviation), np.uint8)


def film(image: Image, rng: np.random.Generator) -> Image:
    """A film's tone curve on linear light, with a stop more exposure."""
    linear = 2 * (image.astype(np.float32) / 255) ** 2.2
    return levels(255 * filmic(linear) ** np.float32(1 / 2.2))


def noise(image: Image, rng: np.random.Generator) -> Image:
    """Grain of 16 grey levels."""
    return levels(image + 16 * rng.standard_normal(image.shape, np.float32))


def ramp(image: Image, rng: np.random.Generator) -> Image:
    """A lamp at the left, of warm light, and a dark right."""
    across = np.linspace(np.log(1.6), np.log(0.35), image.shape[1], dtype=np.float32)
    warmth = np.array((0.12, 0, -0.12), np.float32) * np.linspace(1, -1, image.shape[1])[:, None]
    return levels(image * np.exp(across[:, None] + warmth).astype(np.float32))


def vignette(image: Image, rng: np.random.Generator) -> Image:
    """Corners at a third of the light of the middle."""
    height, width = image.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return levels((image * (1 - 0.33 * (x * x + y * y))[..., None]).astype(np.float32))


def smaller(times: float) -> Change:
    """Fewer pixels each way."""

    def resized(image: Image, rng: np.random.Generator) -> Image:
        size = (round(image.shape[1] / times), round(image.shape[0] / times))
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

    return resized


def portrait(image: Image, rng: np.random.Generator) -> Image:
    """Bands of grey above and below, to three by four."""
    band = round((image.shape[1] * 4 / 3 - image.shape[0]) / 2)
    return np.pad(image, ((band, band), (0, 0), (0, 0)), constant_values=96)


@dataclass(frozen=True)
class Row:
    """A way to change pictures.

    Attributes:
        name: What the table calls it.
        change: Changes the picture.
        geometry: Changes a mask as the picture's shape is changed; None where it is not.
        asked: Phenomena whose sentences are asked; all where empty.
    """

    name: str
    change: Change
    geometry: Callable[[NDArray[np.bool_]], NDArray[np.bool_]] | None = None
    asked: tuple[str, ...] = ()


def reshaped(change: Change) -> Callable[[NDArray[np.bool_]], NDArray[np.bool_]]:
    """What a change of a picture's shape makes of a mask."""

    def mask(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        picture = np.repeat(inside[..., None].astype(np.uint8) * 255, 3, 2)
        return np.asarray(change(picture, np.random.default_rng(0))[..., 0] > 127)

    return mask


def _shaped(name: str, change: Change, asked: tuple[str, ...] = ()) -> Row:
    def masked(image: Image, rng: np.random.Generator) -> Image:
        return change(image, rng)

    def bands(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        band = round((inside.shape[1] * 4 / 3 - inside.shape[0]) / 2)
        return np.pad(inside, ((band, band), (0, 0)))

    return Row(name, masked, bands if change is portrait else reshaped(change), asked)


ROWS = (
    Row("as rendered", lambda image, rng: image),
    Row("light ×0.5", light(0.5)),
    Row("light ×0.25", light(0.25)),
    Row("light ×0.1", light(0.1)),
    Row("light ×1.6", light(1.6)),
    Row("warm cast", light((1.25, 1.0, 0.7))),
    Row("cold cast", light((0.75, 1.0, 1.25))),
    Row("film curve", film),
    Row("lamp at one side", ramp),
    Row("vignette", vignette),
    Row("haze 0.25", haze(0.25)),
    Row("haze 0.5", haze(0.5)),
    Row("blur 2 px", blur(2.0)),
    Row("noise 16", noise),
    Row("JPEG 15", lambda image, rng: decode_jpeg(encode_jpeg(image, 15))),
    _shaped("320 × 240", smaller(2.0)),
    _shaped("portrait", portrait),
    _shaped("upside down", lambda image, rng: np.ascontiguousarray(image[::-1, ::-1]), TURNED),
    Row("upright, the same sentences", lambda image, rng: image, None, TURNED),
)
"""The rows of the table."""


@dataclass(frozen=True)
class Counts:
    """What one scene adds to a row.

    Attributes:
        present: Sentences whose target is there.
        right: Those answered with IoU >= 0.5.
        absent: Sentences whose target is not there.
        refused: Those answered NOT_FOUND.
        selected: Answers that are called SELECTED.
        lies: Those that are wrong.
    """

    present: int = 0
    right: int = 0
    absent: int = 0
    refused: int = 0
    selected: int = 0
    lies: int = 0

    def with_answer(self, selection: Selection, truth: NDArray[np.bool_]) -> Counts:
        """With one more answer; where ``truth`` is empty nothing is there."""
        there = bool(truth.any())
        right = there and mask_iou(selection.mask, truth) >= RIGHT_IOU
        sure = selection.status is Status.SELECTED
        return Counts(
            self.present + there,
            self.right + right,
            self.absent + (not there),
            self.refused + (not there and selection.status is Status.NOT_FOUND),
            self.selected + sure,
            self.lies + (sure and not right),
        )


def segmenter_with(folder: str) -> Segmenter:
    """The preset with the models of a folder where it has them; thresholds count as fitted."""
    config = SegmenterConfig.from_preset("tabletop")
    preset = Path(folder) / "tabletop.yaml"
    if folder != BUNDLED and preset.is_file():
        config = SegmenterConfig.from_preset(str(preset))
    if folder != BUNDLED:
        if (Path(folder) / "clip").is_dir():
            clip = replace(config.clip, model=str(Path(folder).resolve() / "clip"))
            config = replace(config, clip=clip)
        if (Path(folder) / "captioner").is_dir():
            model = str(Path(folder).resolve() / "captioner")
            config = replace(config, captions=replace(config.captions, model=model))
        decision = replace(config.decision, fitted_with=config.networks)
        config = replace(config, decision=decision)
    return Segmenter.from_config(config, Device.from_name("cpu"))


def counted(
    row: Row, scene: TabletopScene, segmenters: Mapping[str, Segmenter]
) -> Iterator[tuple[str, Counts]]:
    """What each segmenter answers on a scene that is changed as a row says."""
    rng = np.random.default_rng(scene.spec.seed)
    image = row.change(np.array(scene.frame.rgb), rng)
    found: dict[object, Proposals] = {}
    for name, segmenter in segmenters.items():
        same = (segmenter.config.proposals, segmenter.config.levels)
        observed = segmenter.observe(image, proposals=found.get(same))
        found[same] = observed.proposals
        counts = Counts()
        for referral in scene.referrals:
            if row.asked and referral.phenomenon not in row.asked:
                continue
            truth = np.isin(scene.frame.instances, [item + 1 for item in referral.targets])
            truth = row.geometry(truth) if row.geometry else truth
            counts = counts.with_answer(observed.select(referral.expression), truth)
        yield name, counts


def shown(figure: Figure) -> str:
    """A share in percent with its interval."""
    if figure.value is None or figure.low is None or figure.high is None:
        return "–"
    return f"{100 * figure.value:.1f} ({100 * figure.low:.0f}–{100 * figure.high:.0f})"


def figures(counts: Sequence[Counts]) -> dict[str, Figure]:
    """Shares over scenes, with intervals."""
    draws = Resampler(len(counts))

    def share(above: str, below: str) -> Figure:
        return draws.ratio(
            [getattr(item, above) for item in counts], [getattr(item, below) for item in counts]
        )

    return {
        "Pr@50": share("right", "present"),
        "absent refused": share("refused", "absent"),
        "lies": share("lies", "selected"),
    }


def answered(
    scenes: Iterable[TabletopScene], rows: Sequence[Row], segmenters: Mapping[str, Segmenter]
) -> dict[str, dict[str, list[Counts]]]:
    """Counts by row and segmenter, scene by scene."""
    found: dict[str, dict[str, list[Counts]]] = {
        row.name: {name: [] for name in segmenters} for row in rows
    }
    for number, scene in enumerate(scenes, start=1):
        for row in rows:
            for name, counts in counted(row, scene, segmenters):
                found[row.name][name].append(counts)
        print(f"\r{number} scenes", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def shown_table(found: Mapping[str, Mapping[str, Sequence[Counts]]]) -> str:
    """What :func:`answered` counted, as a table in Markdown."""
    lines = [
        "| pictures | models | n | Pr@50 | absent refused | lies |",
        "|---|---|---:|---|---|---|",
    ]
    for row, results in found.items():
        for name, counts in results.items():
            asked = f"{sum(item.present for item in counts)} + {sum(c.absent for c in counts)}"
            cells = " | ".join(shown(figure) for figure in figures(counts).values())
            lines.append(f"| {row} | {name} | {asked} | {cells} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--split", default="slice", help="split of RefTabletop")
    made.add_argument("--scenes", type=int, default=40, help="scenes, from the first")
    made.add_argument("--data", type=Path, default=Path("build/robustness"), help="its folder")
    made.add_argument("--weights", nargs="+", default=[BUNDLED], help="folders of models")
    made.add_argument("--rows", nargs="+", help="names of rows; default: all")
    made.add_argument("--json", type=Path, help="where to write the counts")
    options = made.parse_args(arguments)
    rows = [row for row in ROWS if not options.rows or row.name in options.rows]
    torch.set_num_threads(1)
    split = bundled_slice()
    if options.split != "slice":
        folder = options.data / options.split
        make_split(options.split, folder, options.scenes)
        split = open_split(folder)
    segmenters = {name: segmenter_with(name) for name in options.weights}
    found = answered(split[: options.scenes], rows, segmenters)
    print(shown_table(found))
    if options.json:
        plain = {
            row: {name: [vars(item) for item in counts] for name, counts in results.items()}
            for row, results in found.items()
        }
        options.json.write_text(json.dumps(plain), encoding="utf-8")


if __name__ == "__main__":
    main()
