# SPDX-License-Identifier: Apache-2.0
"""What all texts and all crops of a CLIP have in common, taken out of what is compared.

The features of a CLIP lie in two narrow cones. So a sentence is near to, or far from, every crop,
and a crop to every sentence, by as much as right and wrong pairs differ; a threshold on the plain
cosine tells little. Centred features compare a crop with what a crop of nothing, and a text with
what any noun, is like: (crop − mean crop) · (text − mean text).
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from refseg_ros.weights import cache_folder

if TYPE_CHECKING:
    from refseg_ros.backbones.clip import ClipEncoder

logger = logging.getLogger(__name__)

_LISTED: Final = """
thing, object, item, something, stuff, part, piece, shape, surface, background, place, area,
person, man, woman, child, face, hand, animal, dog, cat, bird, horse, cow, fish, insect,
plant, tree, flower, leaf, grass, fruit, apple, banana, orange, vegetable, bread, cake, food,
cup, mug, bottle, glass, bowl, plate, pan, pot, knife, fork, spoon, box, bag, basket, bucket,
table, chair, sofa, bed, desk, shelf, lamp, door, window, wall, floor, mirror, curtain, clock,
book, paper, pen, toy, ball, phone, computer, screen, keyboard, camera, tool, hammer, scissors,
shirt, shoe, hat, jacket, towel, pillow, car, bus, truck, bicycle, boat, train, plane, wheel,
building, house, roof, road, sign, fence, rock, sky, water, mountain
"""
NOUNS: Final = tuple(" ".join(_LISTED.split()).split(", "))
"""Generic and common nouns."""
CROPS: Final = 96
"""Crops of nothing."""
_SIDE: Final = 64


@dataclass(frozen=True)
class Centre:
    """Means of an encoder's unit features.

    Attributes:
        texts: (D,) float32, of :data:`NOUNS`.
        crops: (D,) float32, of :func:`plain_crops`.
    """

    texts: torch.Tensor
    crops: torch.Tensor

    @classmethod
    def of(cls, encoder: ClipEncoder) -> Centre:
        """The means of an encoder: from the cache, or made (some seconds) and kept there.

        They lie under ``centres`` in :func:`refseg_ros.weights.cache_folder`, one file for each
        network and bank; where nothing can be written they are made again each time.
        """
        bank = hashlib.sha256(f"{NOUNS} {CROPS} {_SIDE} 1".encode()).hexdigest()[:8]
        path = cache_folder() / "centres" / f"{encoder.fingerprint}-{bank}.safetensors"
        try:
            kept = load_file(path)
            return cls(kept["texts"], kept["crops"])
        except (OSError, SafetensorError, KeyError):
            logger.info("makes %s", path)
        made = cls(
            encoder.encode_texts(list(NOUNS)).mean(0),
            encoder.encode_images(list(plain_crops())).mean(0),
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}")
            part.write_bytes(save({"texts": made.texts, "crops": made.crops}))
            part.replace(path)
        except OSError as error:
            logger.info("%s is not kept: %s", path, error)
        return made

    def shared(self, regions: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """What of the cosines is left when features are centred and what is not: the latter.

        Args:
            regions: (N, D) unit features of crops.
            texts: (D,) or (K, D) features of texts.

        Returns:
            (N,) or (K, N): cosine minus this is (crop − mean crop) · (text − mean text).
        """
        of_texts = texts @ self.crops
        return of_texts[..., None] + regions @ self.texts - self.crops @ self.texts


def plain_crops() -> Iterator[NDArray[np.uint8]]:
    """Crops of nothing: colours and textures of all scales, half of them in a blob on black.

    Yields:
        :data:`CROPS` times (64, 64, 3) uint8, the same each time.
    """
    rng = np.random.default_rng(0)

    def clouds(cells: int, channels: int) -> NDArray[np.float32]:
        small = rng.random((cells, cells, channels), np.float32)
        large = cv2.resize(small, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
        return np.asarray(large.reshape(_SIDE, _SIDE, channels))

    for number in range(CROPS):
        colour = rng.random(3, np.float32) * 200
        picture = colour + 120 * (clouds((1, 2, 4, 8, 16, 64)[number % 6], 3) - 0.5)
        if number % 2:
            picture = picture * (clouds(3, 1) > rng.uniform(0.3, 0.6))
        yield np.clip(picture, 0, 255).astype(np.uint8)
