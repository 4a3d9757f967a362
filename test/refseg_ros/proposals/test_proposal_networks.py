# SPDX-License-Identifier: Apache-2.0
"""What every network that finds masks must do, each loaded from the files in which it comes."""

from __future__ import annotations

import dataclasses
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_networks
import torch
from safetensors.torch import load, save_file
from tiny_networks import photo, segment_anything, transformers

from refseg_lab.simulation.benchmark import bundled_slice
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.sam import load_sam
from refseg_ros.backbones.sam_family import load_family
from refseg_ros.backbones.sam_network import SamNetwork
from refseg_ros.config import ProposalConfig, SegmenterConfig
from refseg_ros.errors import WeightsError
from refseg_ros.networks import Networks
from refseg_ros.proposals import Proposer
from refseg_ros.proposals.factory import make_proposer
from refseg_ros.proposals.grid import GridProposer
from refseg_ros.proposals.sam import SamProposer
from refseg_ros.weights import resolve

CPU = Device.from_name("cpu")
ALL = ProposalConfig(
    points_per_side=3,
    points_per_batch=4,
    pred_iou_thresh=0.0,
    stability_score_thresh=0.0,
    box_nms_thresh=1.0,
    fill_area=0,
    min_area=1,
    overlap=1.0,
)
"""Whatever an untrained network answers is kept."""

FOLDERS = tuple(name for name in tiny_networks.FOLDERS if name not in tiny_networks.TEXT_PROMPTED)
NETWORKS = (*tiny_networks.FILES, *FOLDERS)
PROPOSERS = (*NETWORKS, "seeds", "phrases")
OTHERS: dict[str, dict[str, Any]] = {
    "vit_b": {"architecture": "vit_b"},  # too narrow for its width to tell
    "seeds": {"prompts": "seeds", "seed_thresh": 0.0, "stability_score_offset": 0.0},
    "phrases": {"phrases": ("mug", "red book"), "phrase_thresh": 0.0, "phrase_overlap": 1.0},
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    with tiny_networks.checkpoints(tmp_path_factory.mktemp("networks"), NETWORKS) as found:
        yield {**found, "seeds": found["json"], "phrases": found["sam3_video"]}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise AssertionError(f"asked the network: {given}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def settings(name: str, places: dict[str, Path]) -> ProposalConfig:
    config = dataclasses.replace(ALL, checkpoint=str(places[name]), **OTHERS.get(name, {}))
    if name in ("json", "seeds"):
        description = str(places[name].parent / "small.json")
        return dataclasses.replace(config, architecture=description)
    return config


@pytest.fixture(scope="module")
def proposer(places: dict[str, Path]) -> Callable[[str], Proposer]:
    networks = Networks(CPU)
    return lambda name: networks.proposer(settings(name, places))


@pytest.mark.parametrize("name", PROPOSERS)
def test_images_of_any_size_have_proposals_at_their_own_size(
    name: str, proposer: Callable[[str], Proposer]
) -> None:
    images = [photo(480, 640), photo(33, 500), photo(1, 1), np.zeros((480, 640, 3), np.uint8)]
    counts = []
    for image in images:
        found = proposer(name).propose(image)
        counts.append(len(found))
        assert found.masks.shape == (len(found), *image.shape[:2])
        assert found.masks.dtype == np.bool_
        assert found.masks.any((1, 2)).all()
        assert (found.quality.shape, found.quality.dtype) == ((len(found),), np.float32)
        assert np.isfinite(found.quality).all()
        assert found.boxes.shape == (len(found), 4)
        for mask, (x0, y0, x1, y1) in zip(found.masks, found.boxes.astype(int), strict=True):
            assert mask[y0:y1, x0:x1].sum() == mask.sum()
    assert counts[0] >= 3
    assert counts[1] >= 1


@pytest.mark.parametrize("name", PROPOSERS)
def test_an_image_has_the_same_proposals_again(
    name: str, proposer: Callable[[str], Proposer], places: dict[str, Path]
) -> None:
    image = photo(60, 80)
    first = proposer(name).propose(image)
    proposer(name).propose(photo(80, 60))  # nothing of it is remembered
    again = proposer(name).propose(image)
    anew = Networks(CPU).proposer(settings(name, places)).propose(image)
    for other in (again, anew):
        np.testing.assert_array_equal(other.masks, first.masks)
        np.testing.assert_array_equal(other.quality, first.quality)


@pytest.mark.parametrize("name", NETWORKS)
def test_batches_do_not_change_proposals(name: str, places: dict[str, Path]) -> None:
    networks = Networks(CPU)
    config = settings(name, places)
    one, few, most = (
        networks.proposer(dataclasses.replace(config, points_per_batch=size)).propose(
            photo(60, 80)
        )
        for size in (1, 4, 9)
    )
    assert len(most) >= 3
    for other in (one, few):
        assert len(other) == len(most)
        np.testing.assert_allclose(np.sort(other.quality), np.sort(most.quality), atol=1e-4)
        assert abs(other.masks.mean() - most.masks.mean()) < 1e-3


@pytest.mark.parametrize("name", [*NETWORKS, "phrases"])
def test_half_precision_gives_valid_proposals(name: str, places: dict[str, Path]) -> None:
    half = Device(torch.device("cpu"), torch.bfloat16)
    found = Networks(half).proposer(settings(name, places)).propose(photo(60, 80))
    assert len(found) >= 1
    assert found.masks.shape[1:] == (60, 80)
    assert found.quality.dtype == np.float32
    assert np.isfinite(found.quality).all()


@pytest.mark.parametrize("name", PROPOSERS)
def test_a_converted_encoder_gives_valid_proposals(name: str, places: dict[str, Path]) -> None:
    config = dataclasses.replace(settings(name, places), precision="bfloat16")
    networks = Networks(CPU)
    found = networks.proposer(config).propose(photo(60, 80))
    assert len(found) >= 1
    assert found.masks.shape[1:] == (60, 80)
    assert np.isfinite(found.quality).all()
    network: Any = networks._mask_network(config)
    encoder = getattr(network, "image_encoder", None) or network.model.vision_encoder
    assert torch.bfloat16 in {value.dtype for value in encoder.parameters()}


def test_one_parameter_changes_the_network_and_all_else_stays(places: dict[str, Path]) -> None:
    networks = Networks(CPU)
    image = photo(60, 80)
    kinds = {}
    for name in ("mobile_sam", *FOLDERS):
        config = SegmenterConfig.from_mapping(
            {"proposals": {**_values(ALL), "checkpoint": str(places[name])}}
        )
        found = networks.proposer(config.proposals).propose(image)
        kinds[name] = found.quality
    assert len({tuple(np.sort(quality)) for quality in kinds.values()}) == len(kinds)


def _values(config: ProposalConfig) -> dict[str, Any]:
    return {key: value for key, value in vars(config).items() if key != "architecture"}


# points


def prepared(name: str) -> Any:
    """The library's own processor for a network."""
    side = tiny_networks.SAM3_SIDE if name.startswith("sam3") else tiny_networks.SIDE
    square = {"height": side, "width": side}
    if name in ("sam", "sam_hq"):
        images = transformers.SamImageProcessorPil(
            size={"longest_edge": side}, pad_size=square, mask_size={"longest_edge": side // 4}
        )
        kind = {"sam": "SamProcessor", "sam_hq": "SamHQProcessor"}[name]
        return getattr(transformers, kind)(images)
    if name.startswith("sam3"):
        return transformers.Sam3TrackerProcessor(transformers.Sam3ImageProcessor(size=square))
    return transformers.Sam2Processor(transformers.Sam2ImageProcessor(size=square))


@pytest.mark.parametrize("size", [(48, 80), (90, 40)])
@pytest.mark.parametrize("name", FOLDERS)
def test_a_point_is_answered_as_through_the_librarys_own_processor(
    name: str, size: tuple[int, int], places: dict[str, Path]
) -> None:
    network = load_family(places[name], torch.device("cpu"))
    image, place = photo(*size), (0.3 * size[1], 0.7 * size[0])
    processor = prepared(name)
    inputs = processor(images=image, input_points=[[[list(place)]]], return_tensors="pt")
    sizes = [inputs[key] for key in ("original_sizes", "reshaped_input_sizes") if key in inputs]
    seen: list[torch.Tensor] = []
    network.model.vision_encoder.register_forward_pre_hook(
        lambda module, given, named: seen.extend([*given, *named.values()][:1]), with_kwargs=True
    )
    with torch.inference_mode():
        encoded = network.encode(image)
        point = encoded.frame.points(torch.tensor([place]))
        logits, quality = network.decode(encoded, point)
        elsewhere, _ = network.decode(encoded, point / 2)
        expected = network.model(pixel_values=seen[0], input_points=inputs["input_points"])
        masks = processor.post_process_masks(expected.pred_masks, *sizes, binarize=False)[0][0]
        drawn = encoded.frame.enlarged(logits)
    torch.testing.assert_close(point, inputs["input_points"][0, 0].float())
    # The two ways to scale differ by two grey levels at most.
    torch.testing.assert_close(seen[0], inputs["pixel_values"], atol=0.04, rtol=0)
    torch.testing.assert_close(drawn, masks, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(quality, expected.iou_scores[0, 0], atol=1e-4, rtol=1e-4)
    assert (elsewhere - logits).abs().max() > 3e-3


@pytest.mark.parametrize("size", [(48, 80), (90, 40)])
@pytest.mark.parametrize("name", tiny_networks.FILES)
def test_a_point_is_answered_as_through_the_published_predictor(
    name: str, size: tuple[int, int], places: dict[str, Path]
) -> None:
    config = settings(name, places)
    sam = load_sam(config.architecture, places[name], torch.device("cpu"))
    image, place = photo(*size), (0.3 * size[1], 0.7 * size[0])
    predictor = segment_anything.SamPredictor(sam)
    predictor.set_image(image)
    masks, scores, _ = predictor.predict(np.array([place]), np.array([1]), return_logits=True)
    network = SamNetwork(sam)
    with torch.inference_mode():
        encoded = network.encode(image)
        logits, quality = network.decode(encoded, encoded.frame.points(torch.tensor([place])))
        drawn = encoded.frame.enlarged(logits)
        least = float(quality.median())
        best, better = network.decode(encoded, encoded.frame.points(torch.tensor([place])), least)
    np.testing.assert_allclose(drawn.numpy(), masks, atol=1e-3)
    np.testing.assert_allclose(quality.numpy(), scores, atol=1e-5)
    # Masks that are not good enough are not drawn; the others are the same ones.
    assert better.tolist() == quality[quality > least].tolist()
    torch.testing.assert_close(best, logits[quality > least])


def test_the_generator_finds_what_segment_anythings_finds(places: dict[str, Path]) -> None:
    config = dataclasses.replace(settings("vit_b", places), stability_score_offset=0.0)
    sam = load_sam("vit_b", places["vit_b"], torch.device("cpu"))
    image = photo(48, 64)
    theirs = SamProposer(sam, config, CPU).propose(image)
    for as_published in (False, True):
        ours = GridProposer(SamNetwork(sam), config, CPU, as_published).propose(image)
        assert len(ours) == len(theirs) >= 9
        np.testing.assert_allclose(ours.quality, theirs.quality, atol=1e-5)
        assert (ours.masks == theirs.masks).mean() > 0.999


def test_our_generator_finds_the_published_ones_masks_on_rendered_pictures() -> None:
    preset = SegmenterConfig.from_preset("tabletop_paper").proposals
    config = dataclasses.replace(preset, prompts="grid", generator="own", points_per_side=4)
    sam = load_sam(str(resolve(config.architecture)), resolve(config.checkpoint), CPU.torch_device)
    ours = make_proposer(sam, config, CPU)
    assert isinstance(ours, GridProposer)
    theirs = SamProposer(sam, config, CPU)
    found = 0
    for number in (0, 5):
        image = bundled_slice()[number].frame.rgb[::2, ::2].copy()
        one, other = ours.propose(image), theirs.propose(image)
        assert len(one) == len(other)
        np.testing.assert_allclose(one.quality, other.quality, atol=1e-4)
        # Rounding moves a pixel of an outline here and there.
        assert (one.masks != other.masks).sum() <= 1e-3 * other.masks.sum()
        found += len(one)
    assert found


# files


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_that_are_cut_short_or_of_other_tensors_are_refused(
    name: str, places: dict[str, Path], tmp_path: Path
) -> None:
    source = places[name] if places[name].is_dir() else places[name].parent
    shutil.copytree(source, tmp_path / "copy")
    weights = next(
        path
        for path in (tmp_path / "copy").iterdir()
        if path.suffix in (".pth", ".pt", ".safetensors")
    )
    checkpoint = weights.parent if places[name].is_dir() else weights
    config = dataclasses.replace(settings(name, places), checkpoint=str(checkpoint))

    def written(state: dict[str, torch.Tensor]) -> None:
        if weights.suffix == ".safetensors":
            save_file(state, weights, metadata={"format": "pt"})
        else:
            torch.save(state, weights)

    whole = weights.read_bytes()
    state = load(whole) if weights.suffix == ".safetensors" else torch.load(weights)
    lacking = next(key for key in state if key.endswith("mask_decoder.iou_token.weight"))
    Networks(CPU).proposer(config)
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="copy"):
        Networks(CPU).proposer(config)
    written({key: value for key, value in state.items() if key != lacking})
    with pytest.raises(WeightsError, match="iou_token"):
        Networks(CPU).proposer(config)
    written({**state, "nonsense": torch.zeros(1)})
    with pytest.raises(WeightsError, match="nonsense"):
        Networks(CPU).proposer(config)
    weights.unlink()
    with pytest.raises(WeightsError, match="copy"):
        Networks(CPU).proposer(config)
