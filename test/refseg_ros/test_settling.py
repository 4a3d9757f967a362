# SPDX-License-Identifier: Apache-2.0
"""Captions that are made when they are needed: the answers of all captions, with fewer of them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hand_made import Blocks, Captioner, Clip, segmenter
from numpy.typing import NDArray
from torch.nn import functional

from refseg_ros.config import SegmenterConfig
from refseg_ros.config.uses import captions_as_needed
from refseg_ros.dialogue import Conversation
from refseg_ros.results import Proposals, Status
from refseg_ros.segmenter import Segmenter
from refseg_ros.settling import AT_ONCE, SURE_SCORE

SENTENCES = (
    "the red mug", "the mug", "the leftmost mug", "the mug on the right", "the biggest red thing",
    "the mug left of the blue book", "the mug on the table", "the book that is not red",
    "the second mug from the left", "the two mugs", "the red mugs", "the mug nearest to the book",
    "the leftmost thing", "the lamp in the tray", "the mug in the middle", "any mug",
    "the smallest book", "the mug that is not on the table", "a red mug or a blue book",
)  # fmt: skip
CAPTIONS = (
    "a red mug", "a blue mug", "a blue book", "a table", "a red book on a table", "a green tray",
    "a lamp", "", "something red",
)  # fmt: skip


def vector(text: str, size: int = 6) -> NDArray[np.float32]:
    """A direction for a text, the same each time."""
    rng = np.random.default_rng(zlib.crc32(text.encode()))
    return rng.normal(size=size).astype(np.float32)


class Looks(Clip):
    """Every text and every crop has a direction of its own."""

    def __init__(self, seed: int, scale: float) -> None:
        super().__init__()
        self.seed, self.logit_scale = seed, scale

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        made = [vector(f"{self.seed} {number}") for number in range(len(images))]
        return functional.normalize(torch.tensor(np.stack(made)), dim=-1)

    def encode_texts(self, texts: Sequence[str], unit: bool = True) -> torch.Tensor:
        if not texts:
            return torch.zeros(0, 6)
        made = np.stack([vector(f"{self.seed} {text}") for text in texts])
        return functional.normalize(torch.tensor(made), dim=-1)


class Says(Captioner):
    """What crops are called has nothing to do with them, but is the same each time."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def caption(self, images: Sequence[NDArray[np.uint8]]) -> list[str]:
        self.calls.append(len(images))
        numbers = [zlib.crc32(image.tobytes()) + self.seed for image in images]
        return [CAPTIONS[number % len(CAPTIONS)] for number in numbers]


def scattered(seed: int, count: int) -> Blocks:
    """Boxes of noise, some of them in one another."""
    rng = np.random.default_rng(seed)
    drawn = Blocks()
    drawn.image = rng.integers(0, 256, drawn.image.shape, np.uint8)
    masks = np.zeros((count, 100, 200), bool)
    for row, mask in enumerate(masks):
        x, y, w, h = rng.integers(0, 150), rng.integers(0, 60), *rng.integers(8, 50, 2)
        if row % 3 == 2:  # most of the one before
            mask[:] = masks[row - 1]
            mask[:, : x // 3] = False
            mask[:, -1] |= not mask.any()
        else:
            mask[y : y + h, x : x + w] = True
    drawn.proposals = Proposals(masks, np.linspace(1, 0.5, count).astype(np.float32))
    return drawn


def both(seed: int, count: int, positive: float = 0.3) -> tuple[Segmenter, Segmenter]:
    """A segmenter with captions when they are needed, and one with all."""
    blocks, made = scattered(seed, count), []
    for when in ("needed", "observed"):
        one = segmenter(blocks, "fast")
        config = replace(
            one.config,
            captions=replace(one.config.captions, when=when),
            score=replace(one.config.score, positive=positive),
        )
        language, captioner = one.language, Says(seed)
        clip = Looks(seed, 12.0)
        made.append(Segmenter(config, one.device, blocks, clip, captioner, language))  # type: ignore[arg-type]
    return made[0], made[1]


def asked(one: Segmenter) -> list[int]:
    return one._captioner.calls  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", range(8))
def test_answers_are_those_of_all_captions(seed: int) -> None:
    few, every = both(seed, 5 + seed % 9)
    image = few.proposer.image  # type: ignore[attr-defined]
    whole = every.observe(image)
    assert whole.awaiting is None
    for sentence in SENTENCES:
        scene = few.observe(image)  # nothing is known of earlier sentences
        answer, expected = scene.select(sentence), whole.select(sentence)
        assert answer.status is expected.status, (sentence, answer.reason, expected.reason)
        assert answer.indices == expected.indices, sentence
        assert answer.question == expected.question
        assert abs(expected.score - answer.score) <= SURE_SCORE + 1e-6
    assert sum(asked(few)) < len(SENTENCES) * (len(whole.proposals) + 1)


def test_what_is_known_is_kept_for_the_next_sentence() -> None:
    few, every = both(3, 12)
    image = few.proposer.image  # type: ignore[attr-defined]
    scene, whole = few.observe(image), every.observe(image)
    for _ in range(2):
        for sentence in SENTENCES:
            assert scene.select(sentence).indices == whole.select(sentence).indices
    once = sum(asked(few)) - 1  # the whole image, whose caption a score reads
    assert once <= len(scene.proposals)
    assert scene.captions == whole.captions
    assert sum(asked(few)) == 1 + len(scene.proposals)
    assert scene.so_far is scene.whole
    assert scene.so_far.features.awaited == ()


BLOCKS = (
    ("red", (5, 40, 25, 60)), ("blue", (40, 60, 60, 80)), ("green", (70, 10, 90, 30)),
    ("blue", (100, 50, 120, 70)), ("green", (130, 20, 150, 40)), ("blue", (160, 60, 180, 80)),
)  # fmt: skip


def test_a_clear_sentence_needs_one_caption_and_says_so() -> None:
    drawn = Blocks(*BLOCKS)  # type: ignore[arg-type]
    one = segmenter(drawn, "fast")
    assert captions_as_needed(one.config)
    scene = one.observe(drawn.image)
    assert asked(one) == [1]
    answer = scene.select("the red block")
    assert (answer.status, answer.index) == (Status.SELECTED, 0)
    assert asked(one) == [1, 1]
    assert answer.seconds["captions"] > 0
    best, *others = answer.candidates
    assert best.caption == "a red block"
    assert np.isfinite([best.terms["P"], *(item.terms["V"] for item in others)]).all()
    assert all(item.caption == "" and np.isnan(item.terms["P"]) for item in others)
    assert answer.to_dict()["candidates"][1]["terms"]["P"] is None
    assert "a red block" in answer.explain()


def test_captions_are_made_a_few_at_a_time_the_likeliest_first() -> None:
    drawn = Blocks(*BLOCKS)  # type: ignore[arg-type]
    one = segmenter(drawn, "fast")
    scene = one.observe(drawn.image)
    answer = scene.select("the blue block")  # three look the same
    assert answer.status is Status.AMBIGUOUS  # and a question names things by their captions
    assert asked(one) == [1, 1, AT_ONCE, len(BLOCKS) - AT_ONCE - 1]
    assert {item.index for item in answer.candidates[:3]} == {1, 3, 5}
    # Of the next sentence all is known.
    assert scene.select("the green block on the left").index == 2
    assert sum(asked(one)) == 1 + len(BLOCKS)


def test_a_scene_tells_what_is_made_so_far_and_all_when_asked() -> None:
    drawn = Blocks(*BLOCKS)  # type: ignore[arg-type]
    one = segmenter(drawn, "fast")
    scene = one.observe(drawn.image)
    assert scene.awaiting is not None
    scene.awaiting.make([2])
    assert scene.so_far.captions == ("", "", "a green block", "", "", "")
    assert scene.so_far is scene.so_far
    assert scene.so_far.features.awaited == (0, 1, 3, 4, 5)
    assert asked(one) == [1, 1]
    assert [item.head for item in scene.names if item] == ["block"] * 6
    assert asked(one) == [1, 1, 5]
    assert scene.captioned() is scene


def test_follow_ups_are_those_of_all_captions() -> None:
    few, every = both(5, 9)
    image = few.proposer.image  # type: ignore[attr-defined]
    scenes = [one.observe(image) for one in (few, every)]
    talks = Conversation(), Conversation()
    for text in ("the red mug", "the other one", "the left one", "the book", "the one next to it"):
        one, other = (talk.ask(scene, text) for talk, scene in zip(talks, scenes, strict=True))
        assert (one.status, one.indices) == (other.status, other.indices), text


def test_an_early_answer_is_completed_by_what_is_needed() -> None:
    drawn = Blocks(*BLOCKS)  # type: ignore[arg-type]
    one = segmenter(drawn, "fast")
    early = one.observe(drawn.image, captions=False)
    assert early.awaiting is None
    assert "P" not in early.select("the red block").candidates[0].terms
    late = early.captioned()
    assert late.awaiting is not None
    assert late.select("the red block").index == 0
    assert asked(one) == [1, 1]


def test_names_that_came_along_are_not_made_anew() -> None:
    drawn = Blocks(*BLOCKS)  # type: ignore[arg-type]
    one = segmenter(drawn, "fast")
    names = ("block", "", "", "", "", "")
    scene = one.observe(drawn.image, proposals=replace(drawn.proposals, names=names))
    assert scene.awaiting is not None
    assert scene.awaiting.rows == (1, 2, 3, 4, 5)
    assert scene.captions[0] == "block"


def test_what_is_not_bounded_by_p_takes_all_captions() -> None:
    config = SegmenterConfig.from_preset("fast")
    assert captions_as_needed(config)
    for other in (
        replace(config, score=replace(config.score, normalise="minmax")),
        replace(config, score=replace(config.score, distractors="regions")),
        replace(config, score=replace(config.score, text="phrase")),
        replace(config, score=replace(config.score, positive=0.0)),
        replace(config, decision=replace(config.decision, caption_match=2.0)),
        replace(config, captions=replace(config.captions, when="observed")),
    ):
        assert not captions_as_needed(other)
    for name in ("paper", "paper_rn50", "tabletop", "tabletop_paper"):
        assert not captions_as_needed(SegmenterConfig.from_preset(name))
