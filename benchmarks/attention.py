#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does a diffusion network look where the noun is? Its attention on true masks, against chance.

For each thing that its colour and name tell from all others of its picture, "the red mug" is read;
of the map of its noun are measured: the mean inside its true mask minus outside (0 where attention
knows nothing of the place), whether that is greatest among all things of the picture (chance: one
over their number), whether the highest point lies in the mask (chance: the mask's share), and how
well the best of the 19 masks that ref_diff_free cuts out of the map fits it.

    python benchmarks/attention.py --split val --scenes 60
    python benchmarks/attention.py --split test --picture attention.jpg

The second draws the first scenes instead: photo and map, side by side, by the noun of a sentence.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_lab.evaluation import mask_iou
from refseg_lab.evaluation.bootstrap import Resampler
from refseg_lab.simulation.benchmark import TabletopSplit
from refseg_lab.simulation.thing_names import NAMES
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.device import Device
from refseg_ros.config import SegmenterConfig
from refseg_ros.config.methods import DiffusionConfig, RefDiffConfig
from refseg_ros.explain.canvas import Canvas
from refseg_ros.image_io import write_image
from refseg_ros.methods.ref_diff import Pictured, root_end
from refseg_ros.methods.ref_diff_maps import cut_proposals, inside_minus_outside
from refseg_ros.networks import Networks
from refseg_ros.results import Proposals
from refseg_ros.viewer.overlay import draw_outline

SMALLEST = 200
"""Pixels below which a thing is not asked for."""


def things(
    folder: Path, count: int
) -> Iterator[tuple[NDArray[np.uint8], Proposals, list[tuple[int, str, str]]]]:
    """Pictures, true masks, and for each thing told by its name: row, sentence and noun."""
    for scene in list(TabletopSplit(folder))[:count]:
        objects, frame = scene.spec.objects, scene.frame
        areas = frame.areas(len(objects))
        rows = [row for row, area in enumerate(areas) if area >= SMALLEST]
        if len(rows) < 2:
            continue
        masks = np.stack([frame.instances == row + 1 for row in rows])
        names = [(objects[row].colour, NAMES[objects[row].category][0]) for row in rows]
        often = Counter((item.colour, NAMES[item.category][0]) for item in objects)
        asked = [
            (place, f"the {colour} {noun}", noun.split()[-1])
            for place, (colour, noun) in enumerate(names)
            if often[colour, noun] == 1
        ]
        yield frame.rgb, Proposals(masks, np.ones(len(rows), np.float32)), asked


def measure(
    networks: Networks,
    clip: ClipEncoder,
    config: DiffusionConfig,
    method: RefDiffConfig,
    folder: Path,
    count: int,
) -> NDArray[np.float64]:
    """A row a sentence: scene, score, is it first, chance, pointing, chance, best cut's IoU."""
    diffusion, rows = networks.diffusion(config), []
    for number, (image, proposals, asked) in enumerate(things(folder, count)):
        pictured = Pictured.observe(image, proposals, clip, diffusion, config, method)
        for row, sentence, noun in asked:
            values = pictured.attention(sentence, root_end(sentence, noun))
            scores = inside_minus_outside(values, proposals.masks)
            highest = np.unravel_index(values.argmax(), values.shape)
            rows.append((
                number, scores[row], scores.argmax() == row, 1 / len(scores),
                proposals.masks[row][highest], proposals.masks[row].mean(),
                max(mask_iou(cut, proposals.masks[row]) for cut in cut_proposals(values).masks),
            ))  # fmt: skip
    return np.array(rows, np.float64)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures of each configuration asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("build/tabletop"), help="of the splits")
    parser.add_argument("--split", default="val")
    parser.add_argument("--scenes", type=int, default=60, help="so many, the first ones")
    parser.add_argument("--preset", default="tabletop")
    parser.add_argument("--model", default="", help="another diffusion network")
    parser.add_argument("--procedure", default="paper", choices=("paper", "released"))
    for name in ("side", "start", "level"):
        parser.add_argument(f"--{name}", type=int, nargs="*", default=[], help="values to try")
    parser.add_argument("--picture", type=Path, help="draw four scenes to this file instead")
    options = parser.parse_args(arguments)
    preset = SegmenterConfig.from_preset(options.preset)
    base = preset.diffusion
    if options.model:
        base = replace(base, model=options.model)
    networks = Networks(Device.from_name("cpu"))
    clip = networks.clip(preset.clip)
    if options.picture:
        write_image(options.picture, picture(networks, clip, base, options.data / options.split))
        return 0
    method = RefDiffConfig(procedure=options.procedure, free=True)
    for side in options.side or [base.side]:
        for start in options.start or [base.start]:
            for level in options.level or [base.level]:
                config = replace(base, side=side, start=start, level=level)
                begun = time.process_time()
                rows = measure(
                    networks, clip, config, method, options.data / options.split, options.scenes
                )
                seconds = time.process_time() - begun
                print(
                    f"side {side}, start {start}, level {level}: {summary(rows)}, "
                    f"{1e3 * seconds / len(rows):.0f} ms a sentence"
                )
    return 0


def draw(pictured: Pictured, sentence: str, noun: str) -> NDArray[np.uint8]:
    """Photo, where the network looks the noun up, and what of it ref_diff_free would take."""
    values = pictured.attention(sentence, root_end(sentence, noun))
    found = cut_proposals(values)
    best = int(found.quality.argmax())
    heat = np.asarray(cv2.applyColorMap(np.uint8(255 * values), cv2.COLORMAP_INFERNO))[..., ::-1]
    photo = pictured.image
    outlined = photo.copy()
    draw_outline(outlined, found.masks[best], (255, 230, 0))
    mixed = np.asarray(0.35 * photo + 0.65 * heat, np.uint8)
    row = np.concatenate([photo, mixed, outlined], 1)
    row = np.asarray(cv2.resize(row, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    canvas = Canvas(row.shape[1], row.shape[0] + 30)
    canvas.text((8, 6), sentence, 16)
    canvas.paste(row, (0, 30))
    return canvas.array()


def picture(networks: Networks, clip: ClipEncoder, config: DiffusionConfig, folder: Path) -> Any:
    """Four scenes, a sentence each."""
    method, rows = RefDiffConfig(free=True), []
    diffusion = networks.diffusion(config)
    for image, proposals, asked in things(folder, 40):
        if len(rows) == 4 or not asked:
            continue
        pictured = Pictured.observe(image, proposals, clip, diffusion, config, method)
        _, sentence, noun = asked[len(rows) % len(asked)]
        rows.append(draw(pictured, sentence, noun))
    return np.concatenate(rows)


def summary(rows: NDArray[np.float64]) -> str:
    """Means over sentences, with the spread over scenes."""
    inside = [rows[rows[:, 0] == scene, 1] for scene in np.unique(rows[:, 0])]
    mean = Resampler(len(inside)).ratio([item.sum() for item in inside], list(map(len, inside)))
    first, chance, point, share, best = rows[:, 2:].mean(0)
    return (
        f"{len(rows)} sentences: inside minus outside {mean.value:.3f} ({mean.low:.3f} to "
        f"{mean.high:.3f}), first {first:.1%} (chance {chance:.1%}), highest point {point:.1%} "
        f"(chance {share:.1%}), best cut IoU {best:.3f}, {(rows[:, 6] >= 0.5).mean():.1%} of at "
        "least 0.5"
    )


if __name__ == "__main__":
    sys.exit(main())
