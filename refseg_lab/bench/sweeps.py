# SPDX-License-Identifier: Apache-2.0
"""How the seconds grow with candidates, pixels, sentences and cameras."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from functools import partial
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_lab.bench.recording import BenchRow
from refseg_lab.bench.stages import WARM_UP, Table, timed
from refseg_ros.config.uses import uses_captions
from refseg_ros.results import Proposals
from refseg_ros.segmenter import Segmenter

Seconds = defaultdict[Hashable, list[float]]
Value = TypeVar("Value")

CANDIDATES: Final = (5, 10, 20, 50, 100, 200)
SIZES: Final = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
EXPRESSIONS: Final = (1, 2, 5, 10, 20)
CAMERAS: Final = (1, 2, 4)


class Tiles:
    """Proposes this many discs side by side, whatever the picture shows."""

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


def sweep_candidates(table: Table, runs: int) -> Iterator[BenchRow]:
    """Observing without proposing, and selecting, by the number of candidates."""
    networks, config = table.networks, table.config
    captioner = networks.captioner(config.captions) if uses_captions(config) else None
    clip = networks.clip(config.clip)
    looks: Seconds = defaultdict(list)
    answers: Seconds = defaultdict(list)
    for number, count in _turns(runs, CANDIDATES):
        segmenter = Segmenter(config, networks.device, Tiles(count), clip, captioner)
        clip.forget()
        scene = segmenter.observe(table.picture(number))
        first, *others = [
            timed(partial(scene.select, text), networks.device)[0]
            for text in table.sentences(number, 3)
        ]
        looks[count].append(scene.seconds["total"] - scene.seconds["proposals"])
        answers[count] += others or [first]
    for count in CANDIDATES:
        warm = len(answers[count]) // len(looks[count]) * WARM_UP
        name = f"{count} candidates"
        yield BenchRow("candidates", f"{name}: crops and captions", tuple(looks[count][WARM_UP:]))
        yield BenchRow(
            "candidates", f"{name}: select, a new sentence", tuple(answers[count][warm:])
        )


def sweep_sizes(table: Table, runs: int) -> Iterator[BenchRow]:
    """Observing by the size of the picture."""
    segmenter = table.segmenter
    seconds: Seconds = defaultdict(list)
    found: defaultdict[Hashable, list[int]] = defaultdict(list)
    for number, size in _turns(runs, SIZES):
        image = cv2.resize(table.picture(number), size, interpolation=cv2.INTER_LINEAR)
        segmenter.clip.forget()
        look = partial(segmenter.observe, np.asarray(image, np.uint8))
        taken, scene = timed(look, segmenter.device)
        seconds[size].append(taken)
        found[size].append(len(scene.proposals))
    for size in SIZES:
        note = f"{np.mean(found[size][WARM_UP:]):.1f} candidates"
        times = tuple(seconds[size][WARM_UP:])
        yield BenchRow("size", f"{size[0]}×{size[1]}: observe", times, note)


def sweep_expressions(table: Table, runs: int) -> Iterator[BenchRow]:
    """One picture and several sentences about it, from the picture to the last answer."""
    segmenter = table.segmenter

    def answer(number: int, count: int) -> None:
        scene = segmenter.observe(table.picture(number))
        said = table.sentences(number, count)
        for place in range(count):
            scene.select(said[place % len(said)])

    seconds: Seconds = defaultdict(list)
    for number, count in _turns(runs, EXPRESSIONS):
        segmenter.clip.forget()
        seconds[count].append(timed(partial(answer, number, count), segmenter.device)[0])
    for count in EXPRESSIONS:
        yield BenchRow("expressions", f"{count} on one picture", tuple(seconds[count][WARM_UP:]))


def sweep_cameras(table: Table, runs: int) -> Iterator[BenchRow]:
    """A new picture of each of several cameras observed by one segmenter, one after the other."""
    segmenter = table.segmenter

    def look(images: list[NDArray[np.uint8]]) -> None:
        for image in images:
            segmenter.observe(image)

    seconds: Seconds = defaultdict(list)
    for number, count in _turns(runs, CAMERAS):
        images = [table.picture(number * count + camera) for camera in range(count)]
        segmenter.clip.forget()
        seconds[count].append(timed(partial(look, images), segmenter.device)[0])
    for count in CAMERAS:
        name = f"{count} cameras: a picture of each"
        yield BenchRow("cameras", name, tuple(seconds[count][WARM_UP:]))


def _turns(runs: int, values: Sequence[Value]) -> Iterator[tuple[int, Value]]:
    """Alternates pictures and values, so that other load on the machine affects all alike."""
    for number in range(WARM_UP + runs):
        for value in values:
            yield number, value
