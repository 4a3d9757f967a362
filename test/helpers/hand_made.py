# SPDX-License-Identifier: Apache-2.0
"""Networks that are arithmetic: a segmenter of coloured blocks on black, and texts by a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from refseg_ros.backbones.clip import NoClip
from refseg_ros.backbones.device import Device
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import ConfigError
from refseg_ros.language.tas.tools import LanguageTools
from refseg_ros.proposals import Proposer
from refseg_ros.proposals.concepts import ConceptProposer
from refseg_ros.proposals.network import ConceptNetwork
from refseg_ros.results import Proposals
from refseg_ros.segmenter import Segmenter

Box = tuple[int, int, int, int]
COLOURS = ("red", "green", "blue")


class Blocks:
    """An image of blocks, and a proposer that finds them.

    Attributes:
        image: (100, 200, 3) uint8.
        proposals: One a block.
        observed: How often they were asked for.
    """

    def __init__(self, *blocks: tuple[str, Box]) -> None:
        """Draw blocks, each a colour and a half-open box x0, y0, x1, y1."""
        self.image = np.zeros((100, 200, 3), np.uint8)
        masks = np.zeros((len(blocks), 100, 200), bool)
        for mask, (colour, (x0, y0, x1, y1)) in zip(masks, blocks, strict=True):
            self.image[y0:y1, x0:x1, COLOURS.index(colour)] = 250
            mask[y0:y1, x0:x1] = True
        self.proposals = Proposals(masks, np.ones(len(blocks), np.float32))
        self.observed = 0

    def propose(self, image: NDArray[np.uint8]) -> Proposals:
        self.observed += 1
        return self.proposals


class Table:
    """A text encoder that looks its vectors up and remembers what it was asked for."""

    def __init__(self, vectors: dict[str, list[float]]) -> None:
        self.vectors = vectors
        self.asked: list[str] = []

    def encode_texts(self, texts: list[str], unit: bool = True) -> torch.Tensor:
        self.asked += texts
        return torch.tensor([self.vectors[text] for text in texts])

    def unknown_words(self, words: object) -> tuple[str, ...]:
        return ()


class Clip:
    """Features are the mean colour of a crop, and the colours that a text names; scale 10."""

    logit_scale = 10.0

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.texts: list[str] = []

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        self.shapes += [image.shape for image in images]
        means = [image.reshape(-1, 3).mean(0) for image in images]
        return functional.normalize(torch.tensor(np.array(means)).float().reshape(-1, 3), dim=-1)

    def encode_texts(self, texts: Sequence[str], unit: bool = True) -> torch.Tensor:
        self.texts += texts
        said = [[float(colour in text.split()) for colour in COLOURS] for text in texts]
        vectors = [one if any(one) else [1.0, 1.0, 1.0] for one in said]
        return functional.normalize(torch.tensor(vectors).reshape(-1, 3), dim=-1)

    def unknown_words(self, words: Sequence[str]) -> tuple[str, ...]:
        return ()


class Captioner:
    """Says the colour of a crop's brightest channel.

    Attributes:
        calls: Number of images of each call.
    """

    def __init__(self, noun: str = "block") -> None:
        self.calls: list[int] = []
        self._noun = noun

    def caption(self, images: Sequence[NDArray[np.uint8]]) -> list[str]:
        self.calls.append(len(images))
        means = [image.reshape(-1, 3).mean(0) for image in images]
        return [f"a {COLOURS[int(mean.argmax())]} {self._noun}" for mean in means]


def segmenter(
    blocks: Blocks,
    preset: str,
    *,
    noun: str = "block",
    language: LanguageTools | None = None,
) -> Segmenter:
    """The method of a preset on blocks, refusing nothing for its words or its logits."""
    config = SegmenterConfig.from_preset(preset)
    decision = replace(config.decision, known_words=False, min_match=-np.inf)
    # These features have nothing in common that could be taken out.
    config = replace(config, decision=decision, score=replace(config.score, centre=False))
    device = Device.from_name("cpu")
    return Segmenter(config, device, blocks, Clip(), Captioner(noun), language)  # type: ignore[arg-type]


class Still:
    """A proposer that finds the same in every image."""

    def __init__(self, found: Proposals) -> None:
        self.found = found

    def propose(self, image: NDArray[np.uint8]) -> Proposals:
        return self.found


class Words:
    """A text-prompted network that knows instances by noun, and remembers what it was asked.

    Attributes:
        seen: Images that it looked at.
        asked: Nouns in order.
    """

    def __init__(self, found: dict[str, Sequence[tuple[Box, float]]]) -> None:
        """Know instances of nouns, each a box and a score."""
        self._found = found
        self.seen, self.asked = 0, list[str]()

    def check_phrases(self, phrases: Sequence[str]) -> None:
        for phrase in phrases:
            if len(phrase) > 20:
                raise ConfigError(f"{phrase} is too long")

    def see(self, image: NDArray[np.uint8]) -> tuple[int, int]:
        self.seen += 1
        return image.shape[0], image.shape[1]

    def concept_masks(
        self, seen: tuple[int, int], phrases: Sequence[str], thresh: float
    ) -> tuple[Proposals, ...]:
        self.asked += phrases
        made = []
        for phrase in phrases:
            told = [item for item in self._found.get(phrase, ()) if item[1] > thresh]
            scores = np.array([score for _, score in told], np.float32)
            boxes = Proposals.from_boxes([box for box, _ in told], seen)
            presence = max((score for _, score in self._found.get(phrase, ())), default=0.0)
            made.append(replace(boxes, quality=scores, asked={phrase: presence}))
        return tuple(made)


def asking(blocks: Proposer, words: ConceptNetwork, preset: str = "edge") -> Segmenter:
    """A segmenter of blocks that asks a text-prompted network for the nouns of each sentence."""
    made = segmenter(blocks, preset)  # type: ignore[arg-type]
    config = replace(made.config.proposals, detector="words", min_area=1, duplicate_iou=0.8)
    score = replace(made.config.score, text="phrase")
    decision = replace(made.config.decision, namesakes=True)
    config = replace(made.config, proposals=config, score=score, decision=decision)
    proposer = ConceptProposer(words, blocks, config.proposals, made.device)
    clip = made.clip if preset != "given" else NoClip()
    return Segmenter(config, made.device, proposer, clip, None)
