# SPDX-License-Identifier: Apache-2.0
"""A detector that takes text names masks: OWLv2 against its own library, and what it is for."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_networks
import torch
from tiny_networks import VOCABULARY, photo, transformers

from refseg_ros.backbones import owl
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.owl import OwlBoxes
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import ConfigError, WeightsError
from refseg_ros.networks import Networks
from refseg_ros.proposals.concepts import with_names
from refseg_ros.results import Proposals
from refseg_ros.segmenter import Segmenter

CPU = Device.from_name("cpu")
PHRASES = ("mug", "red book", "cup")
SIDE = 48


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny OWLv2 with random weights, and its processor."""
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2}
    shape["num_attention_heads"] = 2
    # As published: "!" fills up, and no query begins with it.
    words = {"!": 0, **{word: number + 1 for word, number in VOCABULARY.items()}}
    text = {**shape, "vocab_size": len(words), "max_position_embeddings": 32}
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = transformers.Owlv2Config(
        text_config={**text, **ends},
        vision_config={**shape, "image_size": SIDE, "patch_size": 8},
        projection_dim=32,
    )
    model = tiny_networks.random(transformers.Owlv2ForObjectDetection(config))
    made = tmp_path_factory.mktemp("owl")
    model.save_pretrained(made)
    size = {"height": SIDE, "width": SIDE}
    tokenizer = transformers.CLIPTokenizer(
        vocab=words, merges=[], pad_token="!", model_max_length=32
    )
    pixels = transformers.Owlv2ImageProcessorPil(size=size)
    transformers.Owlv2Processor(pixels, tokenizer).save_pretrained(made)
    return made


@pytest.fixture(scope="module")
def boxes(folder: Path) -> OwlBoxes:
    return OwlBoxes.load(folder, torch.device("cpu"))


@pytest.mark.parametrize("size", [(40, 70), (90, 50)])
def test_boxes_are_those_of_the_librarys_own_pipeline(
    boxes: OwlBoxes, folder: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owl, "OVERLAP", 1.0)  # the library leaves all of them
    image = photo(*size)
    model = transformers.Owlv2ForObjectDetection.from_pretrained(folder).eval()
    processor = transformers.Owlv2Processor.from_pretrained(folder)
    found = boxes.concept_boxes(boxes.see(image), PHRASES, 0.0)
    for phrase, (places, scores) in zip(PHRASES, found, strict=True):
        inputs = processor(text=[[f"a photo of a {phrase}"]], images=image, return_tensors="pt")
        with torch.inference_mode():
            outputs = model(**inputs)
        (expected,) = processor.post_process_grounded_object_detection(
            outputs, threshold=0.0, target_sizes=[size]
        )
        order = torch.argsort(-expected["scores"], stable=True)
        np.testing.assert_allclose(scores, expected["scores"][order], atol=1e-4)
        np.testing.assert_allclose(places, expected["boxes"][order], atol=1e-4 * max(size))


def test_ten_phrases_see_the_image_once(boxes: OwlBoxes, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    embed = boxes._model.image_embedder
    monkeypatch.setattr(
        boxes._model, "image_embedder", lambda pixels: (seen.append(pixels), embed(pixels))[1]
    )
    found = boxes.concept_boxes(
        boxes.see(photo(40, 70)), [f"mug {letter}" for letter in "abcdefghij"], 0.0
    )
    assert len(found) == 10
    assert len(seen) == 1


def test_of_boxes_that_overlap_the_better_stays(boxes: OwlBoxes) -> None:
    ((places, scores),) = boxes.concept_boxes(boxes.see(photo(40, 70)), ["mug"], 0.0)
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    for first in range(len(places)):
        for other in range(first):
            low = np.maximum(places[first, :2], places[other, :2])
            high = np.minimum(places[first, 2:], places[other, 2:])
            shared = (high - low).clip(0).prod()
            areas = [(item[2:] - item[:2]).prod() for item in (places[first], places[other])]
            assert shared <= 0.501 * (sum(areas) - shared)


def test_what_cannot_be_read_is_refused(boxes: OwlBoxes, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="OWLv2 reads up to 32"):
        boxes.check_phrases(["mug", "m" * 40])
    with pytest.raises(WeightsError, match="cannot be loaded as OWLv2"):
        OwlBoxes.load(tmp_path, torch.device("cpu"))


def _box(*corners: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([corners[:4]], np.float32), np.array(corners[4:], np.float32)


def test_masks_take_the_names_of_boxes_about_them() -> None:
    masks = Proposals.from_boxes([[0, 0, 10, 10], [20, 0, 30, 10]], (40, 40))
    found = [
        _box(0, 0, 10, 9, 0.6),  # about the first
        _box(0, 1, 10, 10, 0.7),  # better
        _box(5, 20, 15.4, 30, 0.3),  # about none
        _box(50, 0, 60, 10, 0.9),  # outside of the image
        (np.zeros((0, 4), np.float32), np.zeros(0, np.float32)),
    ]
    named = with_names(masks, ("cup", "mug", "book", "ghost", "none"), found)
    assert named.names == ("mug", "", "book")
    assert named.scores.tolist() == pytest.approx([0.7, 1.0, 0.3])
    assert named.boxes.tolist() == [[0, 0, 10, 10], [20, 0, 30, 10], [5, 20, 15, 30]]
    assert named.quality.tolist() == pytest.approx([1.0, 1.0, 0.3])


def test_a_preset_of_a_detector_alone_answers_by_its_names(folder: Path) -> None:
    values = {"detector": str(folder), "phrases": ["mug", "book"], "phrase_thresh": 0.0}
    given = SegmenterConfig.from_preset("given")
    proposals = dataclasses.replace(
        given.proposals, **{**values, "phrases": tuple(values["phrases"])}
    )
    config = dataclasses.replace(given, proposals=proposals)
    networks = Networks(CPU)
    segmenter = Segmenter.from_config(config, CPU, networks)
    scene = segmenter.observe(photo(40, 70))
    assert {"mug", "book"} & set(scene.captions)
    noun = next(name for name in scene.captions if name)
    assert scene.select(f"the leftmost {noun}").status.has_target
    assert not scene.select("the elephant").status.has_target
    # Networks are loaded once.
    assert networks.proposer(proposals) is networks.proposer(proposals)
