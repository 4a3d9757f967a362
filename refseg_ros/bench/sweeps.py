# SPDX-License-Identifier: Apache-2.0
"""How the seconds grow with candidates, pixels, sentences and cameras."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_ros.bench.recording import Row
from refseg_ros.bench.stages import WARM_UP, Table, timed
from refseg_ros.networks import uses_captions
from refseg_ros.results import Proposals
from refseg_ros.segmenter import Segmenter

CANDIDATES: Final = (5, 10, 20, 50, 100, 200)
SIZES: Final = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
EXPRESSIONS: Final = (1, 2, 5, 10, 20)
CAMERAS: Final = (1, 2, 4)


class Tiles:
    """Proposes so many discs side by side, whatever the picture shows."""

    def __init__(self, count: int) -> None:
        """Set how many."""
        self._count = count

    def propose(self, image: NDArray[np.uint8]) -> Proposals:
        """The discs."""
        height, width = image.shape[:2]
        columns = int(np.ceil(np.sqrt(self._count * width / height)))
        rows = -(-self._count // columns)
        masks = np.zeros((self._count, height, width), np.uint8)
        for number, mask in enumerate(masks):
            x = int((number % columns + 0.5) * width / columns)
            y = int((number // columns + 0.5) * height / rows)
            radius = max(1, int(0.4 * min(width / columns, height / rows)))
            cv2.circle(mask, (x, y), radius, 1, -1)
        return Proposals(masks.astype(bool), np.linspace(1, 0.5, self._count, dtype=np.float32))


def sweep_candidates(table: Table, runs: int) -> Iterator[Row]:
    """Observing without proposing, and selecting, by the number of candidates."""
    networks, config = table.networks, table.config
    captioner = networks.captioner(config.captions) if uses_captions(config) else None
    for count in CANDIDATES:
        segmenter = Segmenter(
            config, networks.device, Tiles(count), networks.clip(config.clip), captioner
        )
        looks, answers = [], []
        for number in range(-WARM_UP, runs):
            segmenter.clip.forget()
            image = table.picture(number + WARM_UP)
            scene = segmenter.observe(image)
            first, *others = [
                timed(partial(scene.select, text), networks.device)[0]
                for text in table.sentences(number + WARM_UP, 3)
            ]
            if number >= 0:
                looks.append(scene.seconds["total"] - scene.seconds["proposals"])
                answers += others or [first]
        yield Row("candidates", f"{count} candidates: crops and captions", tuple(looks))
        yield Row("candidates", f"{count} candidates: select, a new sentence", tuple(answers))


def sweep_sizes(table: Table, runs: int) -> Iterator[Row]:
    """Observing by the size of the picture."""
    segmenter = table.segmenter
    for size in SIZES:
        seconds, found = [], []
        for number in range(-1, runs):
            image = cv2.resize(table.picture(number + 1), size, interpolation=cv2.INTER_LINEAR)
            segmenter.clip.forget()
            scene = segmenter.observe(np.asarray(image, np.uint8))
            if number >= 0:
                seconds.append(scene.seconds["total"])
                found.append(len(scene.proposals))
        note = f"{np.mean(found):.1f} candidates on average"
        yield Row("size", f"{size[0]}×{size[1]}: observe", tuple(seconds), note)


def sweep_expressions(table: Table, runs: int) -> Iterator[Row]:
    """One picture and several sentences about it, from the picture to the last answer."""
    segmenter = table.segmenter

    def answer(number: int, count: int) -> None:
        scene = segmenter.observe(table.picture(number))
        said = table.sentences(number, count)
        for place in range(count):
            scene.select(said[place % len(said)])

    for count in EXPRESSIONS:
        seconds = []
        for number in range(runs):
            segmenter.clip.forget()
            seconds.append(timed(partial(answer, number, count), segmenter.device)[0])
        yield Row("expressions", f"{count} on one picture", tuple(seconds))


def sweep_cameras(table: Table, runs: int) -> Iterator[Row]:
    """A new picture of each of several cameras observed by one segmenter, one after the other."""
    segmenter = table.segmenter

    def look(images: list[NDArray[np.uint8]]) -> None:
        for image in images:
            segmenter.observe(image)

    for count in CAMERAS:
        seconds = []
        for number in range(runs):
            images = [table.picture(number * count + camera) for camera in range(count)]
            segmenter.clip.forget()
            seconds.append(timed(partial(look, images), segmenter.device)[0])
        yield Row("cameras", f"{count} cameras: a picture of each", tuple(seconds))
