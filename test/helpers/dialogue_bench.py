# SPDX-License-Identifier: Apache-2.0
"""Scenes of rectangles with true names, asked by the real pipeline over a bag-of-words encoder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from spatial_layouts import Box, around, layout

from refseg_ros import Conversation, Selection
from refseg_ros.config import DecisionConfig, ScoreConfig, SegmenterConfig, SpatialConfig
from refseg_ros.language import lemma
from refseg_ros.language.vocabulary import Vocabulary
from refseg_ros.methods.scoring import SceneFeatures
from refseg_ros.methods.tas import Tas
from refseg_ros.scene import Scene
from refseg_ros.weights import bundled_vocabulary

SCALE = 20.0
CONFIG = SegmenterConfig(
    name="bench",
    score=ScoreConfig(positive=0.0, negative=0.0, text="phrase", normalise="logits"),
    spatial=SpatialConfig(absolute="extreme", closeness=0.03, relations=True),
    decision=DecisionConfig(min_match=9.0, min_margin=0.1, min_truth=0.1, known_words=True),
)


class Words:
    """Encodes a text as the mean of its words, each a direction of its own."""

    logit_scale = SCALE

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}

    def encode_texts(self, texts: Sequence[str], unit: bool = True) -> torch.Tensor:
        encoded = torch.zeros(len(texts), 64)
        for row, text in zip(encoded, texts, strict=True):
            for word in text.split():
                if word not in ("a", "an", "the", "one"):
                    row[self._rows.setdefault(lemma(word), len(self._rows))] = 1.0
        return torch.nn.functional.normalize(encoded, dim=1)

    def unknown_words(self, words: Sequence[str]) -> tuple[str, ...]:
        return ()


def scene(
    names: Sequence[str],
    *boxes: Box,
    captioned: bool = True,
    words: Words | None = None,
    size: int = 100,
) -> Scene:
    """A scene of things with names ("red mug") that fill boxes of a square picture.

    Args:
        names: What each is, and looks like.
        boxes: Where each is.
        captioned: Whether the names are its captions.
        words: Shared by scenes between which things are to be found again.
        size: Of the picture.
    """
    proposals = layout(*boxes, size=size).proposals
    encoder = words or Words()
    articles = ["an" if name[0] in "aeiou" else "a" for name in names]
    said = [f"{article} {name}" for article, name in zip(articles, names, strict=True)]
    captions = tuple(said) if captioned else ("",) * len(names)
    features = SceneFeatures(
        regions=encoder.encode_texts(names),
        captions=captions,
        caption="",
        logit_scale=SCALE,
    )
    models: Any = SimpleNamespace(
        config=CONFIG,
        clip=encoder,
        matcher=Tas(CONFIG.score),
        vocabulary=Vocabulary.of(bundled_vocabulary()),
        device=SimpleNamespace(precision=nullcontext),
        judge=None,
        description="bench",
    )
    image = np.zeros((size, size, 3), np.uint8)
    return Scene(models, image, proposals, features, {"total": 0.0})


MUGS = scene(["red mug", "red mug", "blue book"], around(20, 50), around(70, 50), around(45, 20))
COLOURS = scene(
    ["red mug", "blue mug", "green mug"], around(20, 50), around(50, 50), around(80, 50)
)


def talk(where: Scene, *texts: str) -> Selection:
    """The answer to the last of some sentences."""
    conversation = Conversation()
    answers = [conversation.ask(where, text) for text in texts]
    assert all(answer.expression == text for answer, text in zip(answers, texts, strict=True))
    return answers[-1]
