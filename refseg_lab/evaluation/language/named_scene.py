# SPDX-License-Identifier: Apache-2.0
"""A scene whose candidates are true regions, and look like their names and like nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_lab.evaluation.language.named_pictures import NamedPicture
from refseg_ros.backbones.device import Device
from refseg_ros.config import SegmenterConfig
from refseg_ros.language.chunks import kinds
from refseg_ros.language.nouns import head_noun
from refseg_ros.language.synonyms import GROUP_OF
from refseg_ros.language.tas.tools import LanguageTools
from refseg_ros.methods.scoring import SceneFeatures
from refseg_ros.methods.tas import Tas
from refseg_ros.results import Proposals
from refseg_ros.scene import Models, Scene

SURE: Final = 20.0
"""Logits of what has the name that was said; of all else 0."""
_PEOPLE: Final = frozenset(
    name for name, group in GROUP_OF.items() if group in ("man", "woman", "child", "boy", "girl")
)
"""Nouns that any "person" fits."""


def fits_names(text: str, names: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Whether what was said may be said of regions, by their names alone.

    Args:
        text: A noun phrase. Colours and the like are known of no region, and leave it open.
        names: What each of N regions is called.

    Returns:
        (N,) 1 where a name has the same head noun or a synonym of it, and for any person where a
        man, a child and so on is said; else 0. 1 for all if the text has no head noun.
    """
    head = head_noun(text)
    if not head:
        return np.ones(len(names))
    said = kinds(text) | {"person"} if head in _PEOPLE else kinds(text)
    return np.array(
        [any(said & kinds(name) or head == head_noun(name) for name in each) for each in names],
        np.float64,
    )


@dataclass(frozen=True)
class NameEncoder:
    """In the place of CLIP: a text's feature says of each region whether its name fits.

    Attributes:
        names: What each of N regions is called.
    """

    names: tuple[tuple[str, ...], ...]
    logit_scale: float = 1.0

    def encode_texts(self, texts: Sequence[str], unit: bool = True) -> torch.Tensor:
        """(len(texts), N) logits."""
        return torch.tensor(np.stack([SURE * fits_names(text, self.names) for text in texts]))

    def unknown_words(self, words: Sequence[str]) -> tuple[str, ...]:
        """None: any name will do."""
        return ()


@dataclass(frozen=True)
class NameModels:
    """In the place of loaded networks: everything by names."""

    config: SegmenterConfig
    clip: NameEncoder
    device: Device = field(default_factory=lambda: Device.from_name("cpu"))
    language: LanguageTools = field(default_factory=LanguageTools)
    vocabulary: None = None
    judge: None = None

    @cached_property
    def matcher(self) -> Tas:
        """The names alone: no captions, no distractors."""
        return Tas(self.config.score, self.language)

    def image_caption(self, image: NDArray[np.uint8]) -> str:
        """Nothing is said of the whole."""
        return ""


def by_names(config: SegmenterConfig) -> SegmenterConfig:
    """The same place and decision, with names in the place of what networks see."""
    score = replace(
        config.score, positive=0.0, negative=0.0, text="phrase", normalise="logits", templates=()
    )
    return replace(config, score=score)


def named_scene(picture: NamedPicture, config: SegmenterConfig, *, told: bool) -> Scene:
    """A scene of true regions.

    Args:
        picture: Its regions.
        config: Of the place and the decision.
        told: Whether captions tell the names. Boxes are no masks, and of what has one name
            the smaller would be taken for a part of the larger.
    """
    masks = picture.masks
    captions = tuple(f"a {names[0]}" if told and names else "" for names in picture.names)
    features = SceneFeatures(torch.eye(len(masks), dtype=torch.float64), captions, "", 1.0)
    models = cast(Models, NameModels(by_names(config), NameEncoder(picture.names)))
    image: Any = np.zeros((*picture.size, 3), np.uint8)
    return Scene(models, image, Proposals(masks, np.ones(len(masks), np.float32)), features, {})
