# SPDX-License-Identifier: Apache-2.0
"""Candidates by name: SAM 3 against its own library, and what becomes of its answers."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import tiny_networks
import torch
from numpy.typing import NDArray
from tiny_networks import photo, transformers

from refseg_ros.backbones.device import Device
from refseg_ros.backbones.sam3 import Sam3Concepts, load_concepts
from refseg_ros.backbones.sam_family import FamilyNetwork, load_family
from refseg_ros.config import ProposalConfig
from refseg_ros.errors import ConfigError, WeightsError
from refseg_ros.networks import Networks
from refseg_ros.proposals.concepts import PhraseProposer, apart
from refseg_ros.results import Proposals

CPU = Device.from_name("cpu")
CONFIG = ProposalConfig(
    phrases=("mug", "book"),
    points_per_side=2,
    pred_iou_thresh=0.0,
    stability_score_thresh=0.0,
    fill_area=0,
    min_area=1,
    overlap=1.0,
)


# SAM 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("networks")
    with tiny_networks.checkpoints(root, ["sam3_video", "sam3_tracker"]) as found:
        yield found["sam3_video"]


@pytest.fixture(scope="module")
def points(folder: Path) -> FamilyNetwork:
    return load_family(folder, torch.device("cpu"))


@pytest.fixture(scope="module")
def concepts(folder: Path, points: FamilyNetwork) -> Sam3Concepts:
    return load_concepts(folder, points)


def test_phrases_are_answered_as_through_the_librarys_own_processor(
    concepts: Sam3Concepts, folder: Path
) -> None:
    image, thresh = photo(40, 70), 0.2
    side = tiny_networks.SAM3_SIDE
    processor = transformers.Sam3Processor(
        transformers.Sam3ImageProcessor(size={"height": side, "width": side}),
        transformers.AutoTokenizer.from_pretrained(folder),
    )
    counts = []
    with torch.inference_mode():
        answers = concepts.concept_masks(concepts.see(image), ["mug", "red book"], thresh)
        for phrase, answer in zip(["mug", "red book"], answers, strict=True):
            inputs = processor(images=image, text=phrase, return_tensors="pt")
            sizes = inputs.pop("original_sizes").tolist()
            (expected,) = processor.image_processor.post_process_instance_segmentation(
                concepts._model(**inputs), threshold=thresh, target_sizes=sizes
            )
            seen = expected["masks"].bool().any((1, 2))
            masks = expected["masks"][seen].bool().numpy()
            assert answer.masks.shape == masks.shape
            np.testing.assert_allclose(answer.quality, expected["scores"][seen], atol=0.02)
            assert (answer.masks == masks).mean() > 0.98
            counts.append(len(answer))
    assert min(counts) >= 1


def test_both_halves_see_through_one_backbone(
    concepts: Sam3Concepts, points: FamilyNetwork
) -> None:
    assert concepts._model.vision_encoder.backbone is points.model.vision_encoder.backbone
    assert concepts._model.vision_encoder.neck is not points.model.vision_encoder.neck


def test_a_phrase_must_fit_the_text_encoder(concepts: Sam3Concepts, folder: Path) -> None:
    # The tokenizer spells; begin and end take 2 of 32 tokens.
    concepts.check_phrases(["m" * 30])
    with pytest.raises(ConfigError, match=r"'m{31}' is 33 tokens long; SAM 3 reads up to 32"):
        concepts.check_phrases(["mug", "m" * 31])
    config = dataclasses.replace(CONFIG, checkpoint=str(folder), phrases=("m" * 31,))
    with pytest.raises(ConfigError, match="33 tokens"):
        Networks(CPU).proposer(config)


def test_phrases_bring_candidates_and_without_any_there_is_the_grid(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    networks = Networks(CPU)
    config = dataclasses.replace(CONFIG, checkpoint=str(folder))
    plain = networks.proposer(dataclasses.replace(config, phrases=())).propose(photo(40, 70))
    assert len(plain) >= 1
    named = networks.proposer(dataclasses.replace(config, phrase_thresh=0.0))
    found = named.propose(photo(40, 70))
    assert len(found) >= 1
    assert not caplog.records
    assert found.quality.tolist() != plain.quality.tolist()
    with caplog.at_level(logging.WARNING):
        never = networks.proposer(dataclasses.replace(config, phrase_thresh=1.0))
        fallen = never.propose(photo(40, 70))
    assert "no mug, book in view: proposing whatever is there" in caplog.text
    np.testing.assert_array_equal(fallen.masks, plain.masks)


def test_a_network_that_takes_no_phrases_says_so(folder: Path) -> None:
    tracker = folder.parent / "sam3_tracker"
    config = dataclasses.replace(CONFIG, checkpoint=str(tracker))
    with pytest.raises(ConfigError, match=r"phrases.*'sam3_tracker' network.*sam3_video"):
        Networks(CPU).proposer(config)


def test_a_folder_without_its_tokenizer_is_refused(
    folder: Path, points: FamilyNetwork, tmp_path: Path
) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(WeightsError, match="tokenizer"):
        load_concepts(tmp_path, points)


# what becomes of the answers


def _proposals(*boxes: tuple[int, int, int, int], quality: Sequence[float]) -> Proposals:
    masks = np.zeros((len(boxes), 10, 10), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    return Proposals(masks, np.array(quality, np.float32))


def test_of_instances_that_overlap_the_better_scored_one_stays() -> None:
    # The second shares 3 of its 10 pixels with the first, the third 4 of 10 with the second.
    found = _proposals((0, 0, 5, 4), (2, 3, 7, 5), (6, 3, 8, 8), quality=[0.7, 0.9, 0.8])
    # (0,0)-(5,4) and (2,3)-(7,5): row 3, columns 2 to 4.
    assert apart(found, 0.3).quality.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert apart(found, 0.2).quality.tolist() == pytest.approx([0.9, 0.8])
    assert apart(found, 0.19).quality.tolist() == pytest.approx([0.9])
    assert len(apart(Proposals.empty(10, 10), 0.3)) == 0


@dataclasses.dataclass
class Vocabulary:
    """Sees what it is told, by name."""

    known: dict[str, Proposals]
    asked: list[tuple[tuple[str, ...], float]] = dataclasses.field(default_factory=list)

    def check_phrases(self, phrases: Sequence[str]) -> None:
        assert all(len(phrase) < 20 for phrase in phrases)

    def see(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return image

    def concept_masks(
        self, image: NDArray[np.uint8], phrases: Sequence[str], thresh: float
    ) -> tuple[Proposals, ...]:
        self.asked.append((tuple(phrases), thresh))
        size = (image.shape[0], image.shape[1])
        return tuple(self.known.get(phrase, Proposals.empty(*size)) for phrase in phrases)


class Nothing:
    def propose(self, image: NDArray[np.uint8]) -> Proposals:
        return Proposals.empty(image.shape[0], image.shape[1])


IMAGE = np.zeros((10, 10, 3), np.uint8)


def test_overlap_counts_within_a_phrase_and_between_phrases_the_pruning_does() -> None:
    bowl, ball = (0, 0, 8, 8), (2, 2, 4, 4)
    known = {
        "bowl": _proposals(bowl, ball, quality=[0.9, 0.8]),
        "ball": _proposals(ball, quality=[0.7]),
    }
    config = dataclasses.replace(CONFIG, phrases=("bowl", "ball"), duplicate_iou=0.8)
    words = Vocabulary(known)
    found = PhraseProposer(words, Nothing(), config, CPU).propose(IMAGE)
    # The ball in the bowl is no bowl, but a ball.
    assert found.quality.tolist() == pytest.approx([0.9, 0.7])
    assert found.areas.tolist() == [64, 4]
    assert words.asked == [(("bowl", "ball"), 0.5)]
    larger = dataclasses.replace(config, duplicate_iou=1.0, overlap=0.4)
    found = PhraseProposer(words, Nothing(), larger, CPU).propose(IMAGE)
    assert found.areas.tolist() == [64]


def test_one_thing_of_two_names_is_one_candidate() -> None:
    mug = (0, 0, 5, 5)
    known = {"mug": _proposals(mug, quality=[0.6]), "cup": _proposals(mug, quality=[0.9])}
    config = dataclasses.replace(CONFIG, phrases=("mug", "cup"), duplicate_iou=0.8)
    found = PhraseProposer(Vocabulary(known), Nothing(), config, CPU).propose(IMAGE)
    assert found.quality.tolist() == pytest.approx([0.9])
    assert found.names == ("cup",)
    assert found.scores.tolist() == pytest.approx([0.9])


def test_what_pruning_leaves_nothing_of_is_not_seen(caplog: pytest.LogCaptureFixture) -> None:
    known = {"mug": _proposals((0, 0, 2, 2), quality=[0.9])}
    config = dataclasses.replace(CONFIG, min_area=5)
    found = PhraseProposer(Vocabulary(known), Nothing(), config, CPU).propose(IMAGE)
    assert len(found) == 0
    assert "no mug, book in view" in caplog.text
