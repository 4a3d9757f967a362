# SPDX-License-Identifier: Apache-2.0
"""Prompts at seeds: where they fall, windows, drawing, and images of any kind."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refseg_ros.backbones.conv_pyramid import ConvPyramid
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.sam import build_small_sam
from refseg_ros.backbones.sam_decoding import corners, cut, decode
from refseg_ros.config import ProposalConfig
from refseg_ros.errors import ConfigError
from refseg_ros.proposals.factory import make_proposer
from refseg_ros.proposals.refine import refined
from refseg_ros.proposals.sam import SamProposer
from refseg_ros.proposals.seeds import SeedProposer, enlarged

CPU = Device.from_name("cpu")
SMALL = {
    "img_size": 128,
    "stem": 8,
    "widths": [8, 16, 16],
    "prompt_dim": 32,
    "mlp_dim": 16,
    "num_heads": 2,
    "norm": "batch",
}
CONFIG = ProposalConfig(
    prompts="seeds",
    max_seeds=9,
    pred_iou_thresh=0.0,
    stability_score_thresh=0.0,
    stability_score_offset=0.0,
    min_area=1,
    duplicate_iou=0.9,
)


def small_sam(*, seeds: bool = True) -> torch.nn.Module:
    """An untrained network that takes all it sees for things and its masks for good."""
    torch.manual_seed(0)
    sam = build_small_sam(**SMALL, seeds=seeds)  # type: ignore[arg-type]
    with torch.no_grad():
        sam.mask_decoder.iou_prediction_head.layers[-1].bias += 2
        if seeds:
            sam.image_encoder.seeds.out.bias += 1
    return sam.eval()


@pytest.fixture(scope="module")
def proposer() -> SeedProposer:
    return SeedProposer(small_sam(), CONFIG, CPU)  # type: ignore[arg-type]


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


# windows


def test_windows_keep_the_click_near_their_middle_and_stay_inside() -> None:
    cells = torch.tensor([[0, 0], [40, 30], [63, 47]])
    first, size = corners(cells, (48, 64))
    assert size == (32, 32)
    assert first.tolist() == [[0, 0], [24, 14], [32, 16]]
    first, size = corners(cells.clamp(max=7), (8, 64))
    assert size == (8, 32)
    assert first[:, 1].tolist() == [0, 0, 0]


def test_cut_takes_the_window_of_each_row() -> None:
    maps = torch.arange(2 * 6 * 6).reshape(2, 1, 6, 6)
    windows = cut(maps, torch.tensor([1, 0]), torch.tensor([[2, 1], [0, 4]]), (2, 3))
    assert windows[0, 0].tolist() == [[44, 45, 46], [50, 51, 52]]
    assert windows[1, 0].tolist() == [[24, 25, 26], [30, 31, 32]]


def test_windows_as_large_as_the_image_answer_as_the_published_decoder() -> None:
    sam = small_sam()
    with torch.inference_mode():
        embedding = sam.image_encoder(torch.randn(1, 3, 128, 128))
        codes = sam.prompt_encoder.get_dense_pe()
        points = (torch.tensor([[[20.0, 30.0]], [[90.0, 64.0]]]), torch.ones(2, 1))
        sparse, dense = sam.prompt_encoder(points=points, boxes=None, masks=None)
        masks, quality = sam.mask_decoder.predict_masks(
            image_embeddings=embedding,
            image_pe=codes,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )
        both = (embedding.expand(2, -1, -1, -1), codes.expand(2, -1, -1, -1))
        ours = decode(sam, *both, sparse)
    torch.testing.assert_close(ours, (masks, quality))


# prompts


def test_seeds_are_the_summits_where_things_are_seen(proposer: SeedProposer) -> None:
    shows = np.full((32, 32), 0.1, np.float32)
    depth = np.zeros((32, 32), np.float32)
    shows[4:12, 4:12] = shows[20:28, 10:18] = 0.9
    depth[4:12, 4:12] = 0.4
    depth[7, 8], depth[23, 15], depth[30, 30] = 0.8, 0.9, 1.0
    seeds = proposer._peaks(shows, depth).tolist()
    # Cells of 4 pixels, the highest first; where nothing is seen the greatest depth is no seed.
    assert seeds[:2] == [[62, 94], [34, 30]]
    assert [122, 122] not in seeds
    assert len(seeds) <= CONFIG.max_seeds


def test_rivals_are_the_nearest_seeds_that_are_near_enough() -> None:
    # The input's side is 128 pixels, and a fifth of it is 25.6.
    seeds = np.array([[10, 10], [30, 10], [10, 35], [10, 12], [90, 90]], np.float32)
    config = replace(CONFIG, seed_rivals=2)
    pairs = SeedProposer(small_sam(), config, CPU)._rivals(seeds)  # type: ignore[arg-type]
    assert pairs.tolist() == [
        [[10, 10], [10, 12]],
        [[10, 10], [30, 10]],
        [[30, 10], [10, 10]],
        [[30, 10], [10, 12]],
        [[10, 35], [10, 12]],
        [[10, 35], [10, 10]],
        [[10, 12], [10, 10]],
        [[10, 12], [30, 10]],
    ]
    none = SeedProposer(small_sam(), CONFIG, CPU)  # type: ignore[arg-type]
    assert none._rivals(seeds).shape == (0, 2, 2)
    assert none._rivals(seeds[:0]).shape == (0, 2, 2)


def test_a_negative_click_changes_the_mask(proposer: SeedProposer) -> None:
    with torch.inference_mode():
        encoded = proposer._encode(noise(96, 128))
        points = np.array([[[40, 40], [60, 40]]], np.float32)
        alone = proposer._answers(encoded, points[:, :1])
        told = proposer._answers(encoded, points)
    assert alone.logits.shape[1:] == told.logits.shape[1:]
    assert not np.array_equal(alone.logits[:1], told.logits[:1])


def test_no_seed_no_proposal(proposer: SeedProposer) -> None:
    blind = SeedProposer(small_sam(), replace(CONFIG, seed_thresh=1.0), CPU)  # type: ignore[arg-type]
    image = noise(48, 64)
    assert len(blind.propose(image)) == 0
    assert len(proposer.propose(image)) > 0


def test_a_network_without_seed_head_is_refused() -> None:
    for sam in (small_sam(seeds=False),):
        with pytest.raises(ConfigError, match=r"proposals\.prompts: 'seeds'.*use 'grid'"):
            make_proposer(sam, CONFIG, CPU)  # type: ignore[arg-type]
        grid = make_proposer(sam, ProposalConfig(), CPU)  # type: ignore[arg-type]
        assert isinstance(grid, SamProposer)


def test_the_seed_head_leaves_the_encoder_as_it_is() -> None:
    torch.manual_seed(1)
    with_head = ConvPyramid(64, 8, [8, 16, 16], 32, "batch", seeds=True).eval()
    without = ConvPyramid(64, 8, [8, 16, 16], 32, "batch").eval()
    state = {k: v for k, v in with_head.state_dict().items() if not k.startswith("seeds.")}
    without.load_state_dict(state)
    pixels = torch.randn(1, 3, 64, 96)
    embedding = with_head(pixels)
    assert torch.equal(embedding, without(pixels))
    assert embedding.shape == (1, 32, 8, 12)
    assert with_head.seeds is not None
    assert with_head.seeds(embedding).shape == (1, 2, 16, 24)


# images


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (90, 1), (7, 400), (96, 128), (200, 150)])
@pytest.mark.parametrize("refine", [False, True])
def test_images_of_any_size(size: tuple[int, int], refine: bool) -> None:
    proposer = SeedProposer(small_sam(), replace(CONFIG, refine=refine), CPU)  # type: ignore[arg-type]
    for image in (
        noise(*size),
        np.zeros((*size, 3), np.uint8),
        np.full((*size, 3), 255, np.uint8),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = proposer.propose(image)
        assert found.masks.shape[1:] == size
        assert found.masks.any((1, 2)).all()
        assert np.isfinite(found.quality).all()


def test_the_same_image_has_the_same_proposals(proposer: SeedProposer) -> None:
    image = noise(96, 128)
    one, other = proposer.propose(image), proposer.propose(image)
    assert (one.masks == other.masks).all()
    assert (one.quality == other.quality).all()


def test_half_precision_gives_proposals_too(monkeypatch: pytest.MonkeyPatch) -> None:
    half = Device(torch.device("cpu"), torch.bfloat16)
    found = SeedProposer(small_sam(), CONFIG, half).propose(noise(96, 128))  # type: ignore[arg-type]
    assert found.quality.dtype == np.float32
    assert len(found) > 0


# drawing


def test_a_mask_is_drawn_where_it_is() -> None:
    logits = np.full((24, 32), -10.0, np.float32)
    logits[4:8, 10:20] = 10
    part, drawn = enlarged(logits, (0.25, 0.25), (96, 128))
    mask = np.zeros((96, 128), bool)
    mask[part] = drawn > 0
    expected = np.zeros((96, 128), bool)
    expected[16:32, 40:80] = True
    assert (mask ^ expected).sum() <= 4  # corners are cut by interpolation
    assert mask[16:32, 42:78].all()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**16))
def test_drawing_at_one_to_one_changes_nothing(height: int, width: int, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    logits[height // 2, width // 2] = 1
    part, drawn = enlarged(logits, (1.0, 1.0), (height, width))
    mask = np.zeros((height, width), bool)
    mask[part] = drawn > 0
    assert (mask == (logits > 0)).all()


def test_an_outline_goes_to_the_edge_of_the_colour() -> None:
    truth = np.zeros((60, 60), bool)
    truth[20:40, 20:40] = True
    image = np.where(truth[..., None], [200, 40, 40], [90, 120, 130]).astype(np.uint8)
    rough = np.roll(truth, (2, 2), (0, 1)).astype(np.float32)
    logits = cv2.GaussianBlur(rough, (0, 0), 2) * 4 - 2
    before = (logits > 0) ^ truth
    after = (refined(image, logits) > 0) ^ truth
    assert after.sum() < 0.5 * before.sum()


def test_no_edge_no_change() -> None:
    image = np.full((40, 40, 3), 128, np.uint8)
    logits = np.full((40, 40), -3.0, np.float32)
    logits[10:30, 10:30] = 3
    assert ((refined(image, logits) > 0) == (logits > 0)).all()


def test_what_lies_in_the_padding_alone_has_no_outline(
    proposer: SeedProposer, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, click = noise(60, 80), np.array([[40, 30]], np.float32)
    assert len(proposer.outlines(image, click, 64))
    answers = proposer._answers

    def outside(encoded: Any, points: np.ndarray) -> Any:
        found = answers(encoded, points)
        return replace(found, logits=np.full_like(found.logits, -1.0))

    monkeypatch.setattr(proposer, "_answers", outside)
    assert proposer.outlines(image, click, 64).masks.shape == (0, 60, 80)
