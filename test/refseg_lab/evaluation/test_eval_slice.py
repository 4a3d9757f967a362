# SPDX-License-Identifier: Apache-2.0
"""The bundled models on the first scenes of the bundled slice: figures that a broken one misses.

The bounds leave room for other processors' rounding and for a retraining's spread, and lie so
high that each part, when it is broken, falls below its own. What the models really reach is in
docs/model_card.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from refseg_lab.evaluation.records import Components
from refseg_lab.evaluation.runner import run_samples
from refseg_lab.evaluation.summary import Summary, summarise
from refseg_lab.evaluation.tabletop import components
from refseg_lab.evaluation.tabletop_source import TabletopSource
from refseg_ros import Segmenter
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.config import SegmenterConfig
from refseg_ros.results import Proposals

SCENES, BROKEN_SCENES = 8, 3

BOUNDS = {
    "well_covered": 0.91,
    "mean_best": 0.86,
    "crop_retrieval": 0.95,
    "caption_accuracy": 0.95,
    "pr50": 0.77,
    "miou": 0.72,
    "refused_right": 0.74,
}
"""Least value of each figure."""


def figures(summary: Summary) -> dict[str, float]:
    """The figures that have a bound and were measured, by name."""
    absent, total = summary.row("absent"), summary.total
    assert absent is not None
    assert total is not None
    every = {**summary.proposals, **summary.components, **total.figures, **absent.figures}
    return {name: every[name].value or 0.0 for name in BOUNDS if name in every}


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.from_preset("tabletop", device="cpu")


@pytest.fixture(scope="module")
def measured(segmenter: Segmenter) -> dict[str, float]:
    return measure(segmenter, SCENES, components)


def measure(segmenter: Segmenter, scenes: int, parts: Components | None) -> dict[str, float]:
    source = TabletopSource(scenes=scenes)
    return figures(summarise(run_samples(lambda: segmenter, source, components=parts)))


@pytest.mark.parametrize("name", BOUNDS)
def test_the_bundled_models_reach(measured: dict[str, float], name: str) -> None:
    assert measured[name] >= BOUNDS[name]


class Shifted:
    """A proposer whose masks lie half a picture beside the things."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._proposer = segmenter._proposer

    def propose(self, image: NDArray[np.uint8]) -> Proposals:
        found = self._proposer.propose(image)
        return Proposals(np.roll(found.masks, image.shape[1] // 2, axis=2), found.quality)


class Scrambled:
    """A CLIP whose image features are those of another network: their axes are permuted."""

    def __init__(self, clip: ClipEncoder) -> None:
        self._clip = clip
        self.logit_scale = clip.logit_scale
        self.encode_texts = clip.encode_texts

    def encode_images(self, images: list[NDArray[np.uint8]]) -> torch.Tensor:
        return self._clip.encode_images(images).roll(7, dims=-1)


class Repeating:
    """A captioner that says the same of everything."""

    def caption(self, images: list[NDArray[np.uint8]]) -> list[str]:
        return ["a red mug"] * len(images)


def made(
    segmenter: Segmenter,
    *,
    config: SegmenterConfig | None = None,
    proposer: object = None,
    clip: object = None,
    captioner: object = None,
) -> Segmenter:
    """The segmenter with some of its parts replaced."""
    return Segmenter(
        config or segmenter.config,
        segmenter.device,
        proposer or segmenter._proposer,  # type: ignore[arg-type]
        clip or segmenter.clip,  # type: ignore[arg-type]
        captioner or segmenter._captioner,  # type: ignore[arg-type]
    )


def never_refuses(segmenter: Segmenter) -> Segmenter:
    decision = dataclasses.replace(
        segmenter.config.decision, min_match=-np.inf, min_truth=0.0, known_words=False
    )
    return made(segmenter, config=dataclasses.replace(segmenter.config, decision=decision))


BROKEN: dict[str, tuple[Callable[[Segmenter], Segmenter], tuple[str, ...]]] = {
    "proposals": (
        lambda whole: made(whole, proposer=Shifted(whole)),
        ("well_covered", "mean_best", "pr50", "miou"),
    ),
    "matching": (
        lambda whole: made(whole, clip=Scrambled(whole.clip)),
        ("crop_retrieval", "pr50", "miou"),
    ),
    "captions": (lambda whole: made(whole, captioner=Repeating()), ("caption_accuracy",)),
    "refusal": (never_refuses, ("refused_right",)),
}
"""How each part is broken, and the figures that must show it."""


@pytest.mark.parametrize("part", BROKEN)
def test_a_broken_part_misses_its_bounds(segmenter: Segmenter, part: str) -> None:
    breaks, names = BROKEN[part]
    apart = bool({"crop_retrieval", "caption_accuracy"} & set(names))
    got = measure(breaks(segmenter), BROKEN_SCENES, components if apart else None)
    assert set(names) <= set(got)
    assert {name: got[name] for name in names if got[name] >= BOUNDS[name]} == {}


def test_every_bound_is_missed_by_some_broken_part() -> None:
    assert {name for _, names in BROKEN.values() for name in names} == set(BOUNDS)
