# SPDX-License-Identifier: Apache-2.0
"""Grounding DINO and its MM kin against their own library, and boxes drawn as masks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_networks
import torch
from tiny_networks import photo, transformers

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros.backbones import owl
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.grounding_dino import DinoBoxes
from refseg_ros.backbones.sam3 import load_concepts
from refseg_ros.config import ProposalConfig, SegmenterConfig
from refseg_ros.errors import ConfigError, WeightsError
from refseg_ros.networks import DINO, Networks, load_text_prompted
from refseg_ros.proposals.concepts import ConceptProposer
from refseg_ros.proposals.factory import box_prompted
from refseg_ros.results import boxes_from_masks
from refseg_ros.segmenter import Segmenter
from refseg_ros.stopwatch import Stopwatch

CPU = Device.from_name("cpu")
DETECTORS = ("grounding-dino", "mm-grounding-dino")
POINTS = ("sam", "sam_hq", "sam2", "edgetam", "sam3_tracker", "vit_b", "mobile_sam")
CONFIG = ProposalConfig(
    points_per_side=2,
    pred_iou_thresh=0.0,
    stability_score_thresh=0.0,
    phrase_thresh=0.0,
    phrase_overlap=1.0,
    absent_thresh=0.0,
    fill_area=0,
    min_area=1,
    duplicate_iou=0.99,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    root = tmp_path_factory.mktemp("networks")
    kinds = [*DETECTORS, *POINTS, "sam3", "sam3_lite_text", "sam3_video"]
    with tiny_networks.checkpoints(root, kinds) as found:
        yield found


# the networks


@pytest.mark.parametrize("kind", DETECTORS)
@pytest.mark.parametrize("size", [(40, 70), (90, 50)])
def test_boxes_are_those_of_the_librarys_own_pipeline(
    folders: dict[str, Path], kind: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owl, "OVERLAP", 1.0)  # the library leaves all of them
    image, folder = photo(*size), folders[kind]
    boxes = DinoBoxes.load(folder, torch.device("cpu"), DINO[kind])
    model = getattr(transformers, f"{DINO[kind]}ForObjectDetection").from_pretrained(folder)
    processor = transformers.AutoProcessor.from_pretrained(folder)
    seen = boxes.see(image)
    spread = []
    for phrase in ("mug", "red book", "mug"):
        ((places, scores),) = boxes.concept_boxes(seen, [phrase], 0.0)
        inputs = processor(images=image, text=[[phrase]], return_tensors="pt")
        with torch.inference_mode():
            outputs = model.eval()(**inputs)
        (expected,) = processor.post_process_grounded_object_detection(
            outputs, inputs["input_ids"], threshold=0.0, target_sizes=[size]
        )
        order = torch.argsort(-expected["scores"], stable=True)
        np.testing.assert_allclose(scores, expected["scores"][order], atol=1e-4)
        np.testing.assert_allclose(places, expected["boxes"][order], atol=1e-4 * max(size))
        spread.append(places)
    assert len(spread[0]) == 12
    assert np.abs(spread[0] - spread[1]).max() > 1e-3  # it reads what is asked
    np.testing.assert_array_equal(spread[0], spread[2])


@pytest.mark.parametrize("kind", DETECTORS)
def test_ten_phrases_see_the_image_once(
    folders: dict[str, Path], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = DinoBoxes.load(folders[kind], torch.device("cpu"), DINO[kind])
    encoder = boxes._backbone.network.conv_encoder
    seen: list[Any] = []
    encoder.register_forward_hook(lambda *_: seen.append(1))
    found = boxes.concept_boxes(boxes.see(photo(40, 70)), [f"mug {i}" for i in "abcdefghij"], 0.0)
    assert len(found) == 10
    assert len(seen) == 1


def test_a_phrase_must_fit_the_text_encoder(folders: dict[str, Path]) -> None:
    boxes = DinoBoxes.load(folders["grounding-dino"], torch.device("cpu"))
    boxes.check_phrases(["mug", "m" * 90])
    with pytest.raises(ConfigError, match="Grounding DINO reads up to 256"):
        boxes.check_phrases(["m " * 260])


@pytest.mark.parametrize("kind", ["sam3", "sam3_lite_text", "sam3_video"])
def test_sam_3_alone_answers_as_through_the_librarys_own_processor(
    folders: dict[str, Path], kind: str
) -> None:
    folder, image, thresh, side = folders[kind], photo(40, 70), 0.1, tiny_networks.SAM3_SIDE
    concepts = load_concepts(folder, device=torch.device("cpu"))
    processor = transformers.Sam3Processor(
        transformers.Sam3ImageProcessor(size={"height": side, "width": side}),
        transformers.AutoTokenizer.from_pretrained(folder),
    )
    counts = []
    with torch.inference_mode():
        seen = concepts.see(image)
        for phrase in ("mug", "red book"):
            (answer,) = concepts.concept_masks(seen, [phrase], thresh)
            inputs = processor(images=image, text=phrase, return_tensors="pt")
            sizes = inputs.pop("original_sizes").tolist()
            # On the same pixels: of two ways to scale them each is right.
            inputs["pixel_values"] = seen[1].pad(concepts._colours(seen[1].pixels(image)))
            outputs = concepts._model(**inputs)
            (expected,) = processor.image_processor.post_process_instance_segmentation(
                outputs, threshold=thresh, target_sizes=sizes
            )
            drawn = expected["masks"].bool().any((1, 2))
            np.testing.assert_allclose(answer.quality, expected["scores"][drawn], atol=1e-4)
            masks = expected["masks"][drawn].bool().numpy()
            assert (answer.masks == masks).mean() > 0.999
            sure = float(outputs.presence_logits.sigmoid())
            assert answer.asked == {phrase: pytest.approx(sure, abs=1e-4)}
            counts.append(len(answer))
    assert max(counts) >= 1


# boxes as masks


@pytest.mark.parametrize("kind", POINTS)
def test_boxes_are_drawn_as_through_each_networks_own_code(
    folders: dict[str, Path], kind: str
) -> None:
    networks = Networks(CPU)
    architecture = kind if kind == "vit_b" or kind == "mobile_sam" else "auto"
    config = dataclasses.replace(CONFIG, checkpoint=str(folders[kind]), architecture=architecture)
    network = box_prompted(networks._mask_network(config))
    image = photo(40, 70)
    boxes = torch.tensor([[5.0, 5.0, 30.0, 35.0], [20.0, 2.0, 66.0, 20.0], [0.0, 0.0, 8.0, 8.0]])
    with torch.inference_mode():
        encoded = network.encode(image)
        given = encoded.frame.points(boxes.reshape(-1, 2)).reshape(-1, 4)
        logits, quality = network.decode_boxes(encoded, given)
        if kind in ("vit_b", "mobile_sam"):
            sam = network._sam  # type: ignore[attr-defined]
            sparse, dense = sam.prompt_encoder(points=None, boxes=given, masks=None)
            expected, iou = sam.mask_decoder(
                image_embeddings=encoded.embeddings,
                image_pe=sam.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=False,
            )
            np.testing.assert_allclose(logits, expected[:, 0], atol=1e-4)
            np.testing.assert_allclose(quality, iou[:, 0], atol=1e-4)
        else:
            for row, box in enumerate(given):
                answer = network.model(  # type: ignore[attr-defined]
                    input_boxes=box[None, None], multimask_output=False, **encoded.embeddings
                )
                np.testing.assert_allclose(logits[row], answer.pred_masks[0, 0, 0], atol=1e-4)
                np.testing.assert_allclose(quality[row], answer.iou_scores[0, 0, 0], atol=1e-4)
    assert len(logits) == 3
    assert (logits[0] - logits[1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("detector", "points"),
    [
        ("grounding-dino", "sam2"),
        ("mm-grounding-dino", "edgetam"),
        ("grounding-dino", "mobile_sam"),
        ("grounding-dino", ""),
        ("sam3_video", "sam3_video"),
        ("sam3_video", ""),
        ("sam3_lite_text", ""),
    ],
)
def test_one_look_for_ten_sentences(
    folders: dict[str, Path], detector: str, points: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = SegmenterConfig.from_preset("given")
    proposals = dataclasses.replace(
        CONFIG,
        checkpoint=str(folders[points]) if points else "",
        architecture="mobile_sam" if points == "mobile_sam" else "auto",
        detector=str(folders[detector]),
        prompts="grid" if points else "none",
    )
    config = dataclasses.replace(given, proposals=proposals)
    segmenter = Segmenter.from_config(config, CPU)
    proposer = segmenter.proposer
    assert isinstance(proposer, ConceptProposer)
    looks = _counted(proposer)
    scene = segmenter.observe(photo(40, 70))
    for noun in "abcdefghij":
        scene.select(f"the {noun}{noun}{noun} left of the book")
    assert {name: len(calls) for name, calls in looks.items()} == dict.fromkeys(looks, 1)
    assert len(looks) == (1 if detector.startswith("sam3") or not points else 2)
    book = scene.asked(["book"])
    assert "book" in book.proposals.names
    assert set(book.proposals.asked) == {"book"}


def _counted(proposer: ConceptProposer) -> dict[str, list[int]]:
    """Calls of each vision encoder there is."""
    network: Any = proposer._concepts
    parts = {"detector": getattr(network, "_boxes", network)}
    if getattr(network, "_masks", None) is not None:
        parts["points"] = network._masks
    looks = {}
    for name, part in parts.items():
        if hasattr(part, "_backbone"):
            encoder = part._backbone.network
        elif hasattr(part, "_sam"):
            encoder = part._sam.image_encoder
        else:
            encoder = getattr(part, "_model", None) or part.model
            encoder = encoder.vision_encoder.backbone
            encoder = getattr(encoder, "network", encoder)
        looks[name] = list[int]()
        encoder.register_forward_hook(lambda *_, calls=looks[name]: calls.append(1))
    return looks


def test_the_bundled_network_draws_boxes_beside_its_seeds(folders: dict[str, Path]) -> None:
    tabletop = SegmenterConfig.from_preset("tabletop").proposals
    config = dataclasses.replace(
        tabletop, detector=str(folders["grounding-dino"]), phrase_thresh=0.0, absent_thresh=0.0
    )
    networks = Networks(CPU)
    frame = bundled_scenes()[0].frame
    numbers = [number for number in np.unique(frame.instances) if number > 0]
    truths = np.stack([frame.instances == number for number in numbers])
    truths = truths[truths.sum((1, 2)) > 150]
    network = box_prompted(networks._mask_network(tabletop))
    proposer = networks.proposer(config)
    assert isinstance(proposer, ConceptProposer)
    found, concepts = proposer.look(frame.rgb, Stopwatch())
    expected = networks.proposer(tabletop).propose(frame.rgb)
    np.testing.assert_array_equal(found.masks, expected.masks)
    assert found.strangeness == expected.strangeness
    ((asked, _),) = concepts.ask(["mug"], len)
    assert set(asked.names) <= {"mug"}
    with torch.inference_mode():
        encoded = network.encode(frame.rgb)
        boxes = torch.from_numpy(boxes_from_masks(truths)).reshape(-1, 2)
        logits, _ = network.decode_boxes(encoded, encoded.frame.points(boxes).reshape(-1, 4))
        masks = (encoded.frame.enlarged(logits) > 0).numpy()
    ious = [(one & two).sum() / (one | two).sum() for one, two in zip(masks, truths, strict=True)]
    assert np.median(ious) > 0.8


# what cannot be


def test_what_a_folder_lacks_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    whole = folders["grounding-dino"]
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    with pytest.raises(WeightsError, match=r"lacks preprocessor_config\.json, tokenizer\.json"):
        load_text_prompted(tmp_path, torch.device("cpu"))
    (tmp_path / "config.json").write_text('{"model_type": "detr"}', encoding="utf-8")
    with pytest.raises(WeightsError, match=r"'detr' network; proposals.detector is one of owlv2"):
        load_text_prompted(tmp_path, torch.device("cpu"))
    with pytest.raises(WeightsError, match=r"config\.json cannot be read"):
        load_text_prompted(tmp_path / "nothing", torch.device("cpu"))


def test_a_detector_that_draws_masks_takes_fixed_phrases_as_checkpoint(
    folders: dict[str, Path],
) -> None:
    config = dataclasses.replace(
        CONFIG, checkpoint="", detector=str(folders["sam3"]), phrases=("mug",)
    )
    with pytest.raises(ConfigError, match=r"draws masks of phrases by itself"):
        Networks(CPU).proposer(config)
