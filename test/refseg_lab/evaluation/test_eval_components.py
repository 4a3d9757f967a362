# SPDX-License-Identifier: Apache-2.0
"""Matching and captions by themselves, counted on squares whose colour is their meaning."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from refseg_lab.evaluation import components
from refseg_ros.methods.crops import region_images
from refseg_ros.results import Proposals

LOOKS = [("red", "mug"), ("blue", "mug"), ("red", "bowl"), ("red", "mug"), ("green", "bell")]


def scene(*areas: int) -> Any:
    """A scene in which object number i is a square of the value 40 i, of about so many pixels."""
    image = np.full((480, 640, 3), 9, np.uint8)
    instances = np.zeros((480, 640), np.uint8)
    for number, area in enumerate(areas, start=1):
        side = round(area**0.5)
        where = np.s_[100 : 100 + side, 100 * number : 100 * number + side]
        image[where], instances[where] = 40 * number, number
    objects = [types.SimpleNamespace(colour=c, category=k) for c, k in LOOKS[: len(areas)]]
    return types.SimpleNamespace(
        spec=types.SimpleNamespace(objects=objects),
        frame=types.SimpleNamespace(rgb=image, instances=instances),
    )


class Seeing:
    """Sees what every square is by its value; a text finds the first of those that it fits."""

    description = "seeing"
    has_captions = True

    def __init__(self, mistaken: tuple[int, ...] = ()) -> None:
        self.mistaken = mistaken
        self.clip = self

    def _seen(self, image: NDArray[np.uint8], proposals: Proposals) -> list[tuple[str, str]]:
        numbers = [int(crop.max()) // 40 for crop in region_images(image, proposals)]
        return [("black", "cup") if n in self.mistaken else LOOKS[n - 1] for n in numbers]

    def region_features(self, image: NDArray[np.uint8], proposals: Proposals) -> torch.Tensor:
        texts = [f"a {colour} {category}" for colour, category in self._seen(image, proposals)]
        return self.encode_texts(texts)

    def encode_texts(self, texts: list[str], unit: bool = True) -> torch.Tensor:
        known = ["a red mug", "a blue mug", "a red bowl", "a green bell", "a black cup"]
        return torch.tensor([[float(text == name) for name in known] for text in texts])

    def region_captions(self, image: NDArray[np.uint8], proposals: Proposals) -> tuple[str, ...]:
        return tuple(f"a {colour} {kind}" for colour, kind in self._seen(image, proposals))


def test_what_is_seen_is_found() -> None:
    scenes = [scene(900, 900, 900, 900, 900), scene(900, 400)]
    # Of five squares two look alike, and the bell has no name that could be asked for.
    assert components.crop_retrieval(Seeing(), scenes) == ([3, 2], [3, 2])
    assert components.caption_accuracy(Seeing(), scenes) == ([4, 2], [4, 2])


def test_what_is_mistaken_is_not() -> None:
    scenes = [scene(900, 900, 900, 900, 900)]
    assert components.caption_accuracy(Seeing((2, 5)), scenes) == ([3], [4])
    # "A blue mug" now finds nothing better than the first crop, a red mug.
    assert components.crop_retrieval(Seeing((2, 5)), scenes) == ([2], [3])
    # Of the two red mugs one is enough.
    assert components.crop_retrieval(Seeing((1,)), scenes) == ([3], [3])


def test_small_and_lone_objects_are_not_asked_for() -> None:
    assert components.crop_retrieval(Seeing(), [scene(900, 196)]) == ([0], [0])
    assert components.caption_accuracy(Seeing(), [scene(900, 196), scene(100)]) == ([1, 0], [1, 0])
    masks, looks = components.visible_objects(scene(900, 196, 225).frame.instances, LOOKS)
    assert masks.sum((1, 2)).tolist() == [900, 225]
    assert looks == [LOOKS[0], LOOKS[2]]


def test_a_segmenter_without_captions_is_refused() -> None:
    segmenter = Seeing()
    segmenter.has_captions = False
    with pytest.raises(ValueError, match="seeing has no captioner"):
        components.caption_accuracy(segmenter, [scene(900)])


@pytest.mark.parametrize(
    ("caption", "look", "right"),
    [
        ("a red mug", ("red", "mug"), True),
        ("A Red Mug.", ("red", "cup"), False),
        ("a violet dish, on a table", ("purple", "plate"), True),
        ("a red lego brick", ("red", "brick"), True),
        ("a reddish mug", ("red", "mug"), False),
        ("a red candle", ("red", "can"), False),
        ("mug", ("red", "mug"), False),
        ("", ("red", "mug"), False),
    ],
)
def test_a_caption_needs_both_words(caption: str, look: tuple[str, str], right: bool) -> None:
    assert components.names_rightly(caption, look) is right
