# SPDX-License-Identifier: Apache-2.0
"""The stages of an answer, and a step of tracking."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_lab.bench.recording import BenchRow
from refseg_lab.evaluation.records import Sample
from refseg_lab.evaluation.tabletop_source import TabletopSource
from refseg_ros.backbones.device import Device
from refseg_ros.config import SegmenterConfig
from refseg_ros.networks import Networks
from refseg_ros.segmenter import Segmenter
from refseg_ros.tracking import Tracker

Image = NDArray[np.uint8]
Made = TypeVar("Made")

WARM_UP: Final = 2
"""Runs before those that count: first calls allocate and import."""
_STEP = 2  # pixels that a followed thing moves from picture to picture


@dataclass(frozen=True)
class Table:
    """What is measured, and what it is shown.

    Attributes:
        config: The segmenter's configuration.
        networks: The loaded networks.
        segmenter: With all of them.
        samples: Rendered pictures of 640 by 480 with sentences about them.
    """

    config: SegmenterConfig
    networks: Networks
    segmenter: Segmenter
    samples: Sequence[Sample]

    @classmethod
    def load(cls, config: SegmenterConfig, device: Device) -> Table:
        """Load networks and pictures.

        Raises:
            WeightsError: A checkpoint is missing.
        """
        networks = Networks(device)
        segmenter = Segmenter.from_config(config, device, networks)
        samples = [sample for sample in TabletopSource().open() if sample.questions]
        return cls(config, networks, segmenter, samples)

    def picture(self, number: int) -> Image:
        """A picture; after the last one it starts again with the first."""
        image: Image = self.samples[number % len(self.samples)].image
        return image

    def sentences(self, number: int, count: int) -> list[str]:
        """Sentences about a picture; fewer only if nothing more is said of it."""
        questions = self.samples[number % len(self.samples)].questions
        return [question.expression for question in questions][:count]


def timed(work: Callable[[], Made], device: Device) -> tuple[float, Made]:
    """Seconds that a call takes, including its work on the GPU, and its result."""
    began = time.perf_counter()
    made = work()
    if device.torch_device.type == "cuda":
        torch.cuda.synchronize(device.torch_device)
    return time.perf_counter() - began, made


def measure_answer(table: Table, runs: int) -> Iterator[BenchRow]:
    """First answers by stage, and further ones on a picture that was observed.

    Texts are forgotten before each picture: a robot that sees and hears the same for long is
    answered faster.
    """
    segmenter, device = table.segmenter, table.segmenter.device
    stages: defaultdict[str, list[float]] = defaultdict(list)
    for number in range(-WARM_UP, runs):
        segmenter.clip.forget()
        sentences = table.sentences(number + WARM_UP, 8)
        look = partial(segmenter.observe, table.picture(number + WARM_UP))
        looked, scene = timed(look, device)
        answers = [timed(partial(scene.select, text), device) for text in sentences]
        first, *others = [seconds for seconds, _ in answers]
        again, _ = timed(partial(scene.select, sentences[0]), device)
        if number < 0:
            continue
        stages["first answer (observe + select)"].append(looked + first)
        stages["observe"].append(looked)
        for name, seconds in scene.seconds.items():
            if name != "total":
                stages[f"observe: {name}"].append(seconds)
        for name, seconds in answers[0][1].seconds.items():
            if name != "total":
                stages[f"select: {name}"].append(seconds)
        stages["select, the first of a picture"].append(first)
        stages["select, a new sentence"] += others
        stages["select, a sentence heard before"].append(again)
    for name, values in stages.items():
        yield BenchRow("answer", name, tuple(values))


def measure_tracking(table: Table, runs: int) -> Iterator[BenchRow]:
    """A step of the tracker on pictures that move by a few pixels."""
    image = table.picture(0)
    scene = table.segmenter.observe(image)
    named = (scene.select(text) for text in table.sentences(0, 8))
    selection = next((item for item in named if item.index is not None), None)
    if selection is None:
        yield BenchRow("tracking", "a step", (), "nothing was found that could be followed")
        return
    tracker = Tracker()
    tracker.start(scene, selection)
    seconds, states = [], set()
    for number in range(1, runs + WARM_UP + 1):
        moved = np.ascontiguousarray(np.roll(image, _STEP * number, axis=1))
        began = time.perf_counter()
        states.add(tracker.update(moved).state.value)
        seconds.append(time.perf_counter() - began)
    yield BenchRow("tracking", "a step", tuple(seconds[WARM_UP:]), ", ".join(sorted(states)))
