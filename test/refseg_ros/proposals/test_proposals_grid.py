# SPDX-License-Identifier: Apache-2.0
"""The generator over a grid of points, on logits and networks whose answers are worked out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.letterbox import Encoded, Frame
from refseg_ros.config import ProposalConfig
from refseg_ros.proposals.grid import (
    GridProposer,
    boxes,
    grid,
    mended,
    stability,
    trusted,
    without_flecks,
)

CPU = Device.from_name("cpu")
CONFIG = ProposalConfig(
    points_per_side=2,
    pred_iou_thresh=0.5,
    stability_score_thresh=0.5,
    fill_area=0,
    min_area=1,
    overlap=1.0,
)


# frames


def test_a_padded_frame_keeps_proportions() -> None:
    # 500 pixels become 1024: 33 become 67.6, rounded.
    frame = Frame((33, 500), 1024, padded=True)
    assert frame.filled == (68, 1024)
    point = frame.points(torch.tensor([[250.0, 33.0]]))
    torch.testing.assert_close(point, torch.tensor([[512.0, 68.0]]))
    # Of 256 cells, 4 pixels each, 17 rows show the image.
    assert frame.shown(torch.zeros(2, 256, 256)).shape == (2, 17, 256)
    assert Frame((1, 5000), 1024, padded=True).filled == (1, 1024)


def test_a_squashed_frame_fills_the_square() -> None:
    frame = Frame((30, 60), 90, padded=False)
    assert frame.filled == (90, 90)
    point = frame.points(torch.tensor([[10.0, 10.0]]))
    torch.testing.assert_close(point, torch.tensor([[15.0, 30.0]]))
    assert frame.shown(torch.zeros(1, 9, 9)).shape == (1, 9, 9)


def test_an_image_lies_at_the_top_left_and_zeros_after_it() -> None:
    image = np.full((2, 4, 3), 200, np.uint8)
    frame = Frame((2, 4), 8, padded=True)
    padded = frame.pad(frame.pixels(image))
    assert padded.shape == (1, 3, 8, 8)
    assert (padded[:, :, :4] == 200).all()
    assert (padded[:, :, 4:] == 0).all()


def test_masks_are_enlarged_without_the_padding() -> None:
    # Two of the four rows show the image; cells are 2 pixels of the input and 1 of the image.
    frame = Frame((2, 4), 8, padded=True)
    logits = torch.tensor([[[1.0, 1, -1, -1], [1, 1, -1, -1], [9, 9, 9, 9], [9, 9, 9, 9]]])
    drawn = frame.enlarged(logits)
    assert drawn.shape == (1, 2, 4)
    # The row of padding below weighs on the last one: that is how SAM enlarges.
    assert (drawn[0, 0] > 0).tolist() == [True, True, False, False]
    # Eight columns of four cells: their middles lie at -0.25, 0.25, 0.75 … cells.
    torch.testing.assert_close(
        Frame((4, 8), 4, padded=False).enlarged(logits)[0, 0],
        torch.tensor([1.0, 1, 1, 0.5, -0.5, -1, -1, -1]),
    )


# measures


def test_points_are_the_middles_of_cells_row_by_row() -> None:
    # 2 by 2 cells of 20 by 10 pixels.
    assert grid(2, (20, 40)).tolist() == [[10, 5], [30, 5], [10, 15], [30, 15]]


def test_stability_is_the_share_of_cells_that_are_sure() -> None:
    # Over 1: two cells. Over -1: those, 0.5 and -0.5; -1 itself is not.
    logits = torch.tensor([[[2.0, 1.5, 0.5], [-0.5, -1.0, -2.0]], [[-3.0] * 3] * 2])
    assert stability(logits, 1.0).tolist() == [0.5, 0.0]
    assert stability(logits, 0.0).tolist() == [1.0, 0.0]


def test_masks_must_be_good_and_steady_and_not_empty() -> None:
    steady, shaky, empty = [[3.0, 3.0]], [[3.0, -0.5]], [[-3.0, -3.0]]
    logits = torch.tensor([steady, shaky, empty, steady])
    quality = torch.tensor([0.9, 0.9, 0.9, 0.5])
    # Predicted IoUs must be above the threshold, stabilities may be equal to it.
    config = dataclasses.replace(CONFIG, stability_score_thresh=0.6)
    assert trusted(logits, quality, config).tolist() == [0]
    assert trusted(logits, quality, CONFIG).tolist() == [0, 1]
    config = dataclasses.replace(CONFIG, pred_iou_thresh=0.0, stability_score_thresh=0.0)
    assert trusted(logits, quality - 2, config).tolist() == [0, 1, 3]


def test_boxes_end_after_the_last_cell() -> None:
    masks = torch.zeros(2, 4, 6, dtype=torch.bool)
    masks[0, 1:3, 2:5] = True
    masks[1, 3, 0] = masks[1, 0, 5] = True
    assert boxes(masks).tolist() == [[2, 1, 5, 3], [0, 0, 6, 4]]
    assert boxes(masks[:0]).shape == (0, 4)


# mending


def test_holes_and_islands_are_mended() -> None:
    mask = np.zeros((1, 8, 8), bool)
    mask[0, :6, :6] = True
    mask[0, 2, 2] = False  # a hole of one pixel
    mask[0, 7, 7] = True  # an island of one
    whole, quality = mended(mask, np.ones(1, np.float32), 2, 0.7)
    assert whole[0, 2, 2]
    assert not whole[0, 7, 7]
    assert whole.sum() == 36
    untouched, _ = mended(mask, quality, 0, 0.7)
    np.testing.assert_array_equal(untouched, mask)


def test_of_two_masks_that_mending_made_alike_the_intact_one_stays() -> None:
    masks = np.zeros((2, 8, 8), bool)
    masks[:, :4, :4] = True
    masks[0, 7, 7] = True
    whole, quality = mended(masks, np.array([0.9, 0.8], np.float32), 2, 0.7)
    assert quality.tolist() == [pytest.approx(0.8)]
    assert whole.sum() == 16


# the whole


class Blocks:
    """Answers a point with the cell of a board it lies on, and with all of the board.

    The input is 8 by 8 pixels, masks are 4 by 4 cells. The first mask is the quarter of the
    point, as good as ``quality`` has it for that quarter; the second is everything, with 0.6.
    """

    def __init__(self, quality: tuple[float, float, float, float], padded: bool = False) -> None:
        self.quality = quality
        self.padded = padded
        self.batches: list[int] = []
        self.half: list[bool] = []
        self.encoded = 0

    def encode(self, image: NDArray[np.uint8]) -> Encoded:
        self.encoded += 1
        self.half.append(torch.is_autocast_enabled("cpu"))
        return Encoded(None, Frame((image.shape[0], image.shape[1]), 8, self.padded))

    def decode(
        self, encoded: Encoded, points: torch.Tensor, least: float = 0.0
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.batches.append(len(points))
        self.half.append(torch.is_autocast_enabled("cpu"))
        logits = torch.full((len(points), 2, 4, 4), -5.0)
        quality = torch.full((len(points), 2), 0.6)
        logits[:, 1] = 5.0
        for index, (x, y) in enumerate((points // 4).long().tolist()):
            logits[index, 0, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2] = 5.0
            quality[index, 0] = self.quality[2 * y + x]
        good = quality > least
        return logits[good], quality[good]


def test_a_board_is_proposed_by_quality() -> None:
    network = Blocks((0.9, 0.7, 0.4, 0.8))
    found = GridProposer(network, CONFIG, CPU).propose(np.zeros((8, 8, 3), np.uint8))
    # Of the four copies of the whole board one stays, and the quarter with 0.4 is not trusted.
    assert found.quality.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6])
    assert found.boxes.tolist() == [[0, 0, 4, 4], [4, 4, 8, 8], [4, 0, 8, 4], [0, 0, 8, 8]]
    assert found.areas.tolist() == [16, 16, 16, 64]
    assert network.encoded == 1


@pytest.mark.parametrize("size", [1, 3, 4, 64])
def test_points_are_asked_in_batches(size: int) -> None:
    network = Blocks((0.9, 0.7, 0.4, 0.8))
    config = dataclasses.replace(CONFIG, points_per_batch=size)
    found = GridProposer(network, config, CPU).propose(np.zeros((8, 8, 3), np.uint8))
    assert found.quality.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6])
    assert sum(network.batches) == 4
    assert max(network.batches) == min(size, 4)


def test_of_boxes_that_overlap_the_better_predicted_one_stays() -> None:
    # A quarter's box has an IoU of 0.25 with the board's, which is worse than two of them.
    config = dataclasses.replace(CONFIG, box_nms_thresh=0.24)
    network = Blocks((0.9, 0.55, 0.4, 0.4))
    found = GridProposer(network, config, CPU).propose(np.zeros((8, 8, 3), np.uint8))
    assert found.quality.tolist() == pytest.approx([0.9, 0.55])


def test_in_a_padded_frame_points_and_masks_keep_to_the_image() -> None:
    # The image fills the upper half of the input: the second row of points lies at y = 3.
    network = Blocks((0.9, 0.8, 0.4, 0.4), padded=True)
    found = GridProposer(network, CONFIG, CPU).propose(np.zeros((40, 80, 3), np.uint8))
    assert found.quality.tolist() == pytest.approx([0.9, 0.8, 0.6])
    assert found.boxes[0].tolist() == [0, 0, 40, 40]
    assert found.areas[2] == 40 * 80


def test_what_lies_in_the_padding_does_not_count() -> None:
    class Leaking(Blocks):
        def decode(
            self, encoded: Encoded, points: torch.Tensor, least: float = 0.0
        ) -> tuple[torch.Tensor, torch.Tensor]:
            logits = torch.full((len(points), 2, 4, 4), -5.0)
            logits[:, 0, :2, :2] = 5.0  # steady in the image, and shaky in the padding
            logits[:, 0, 2:] = 0.5
            logits[:, 1, 2:] = 5.0  # nowhere else
            return logits.flatten(0, 1), torch.full((2 * len(points),), 0.9)

    network = Leaking((0.9, 0.9, 0.9, 0.9), padded=True)
    found = GridProposer(network, CONFIG, CPU).propose(np.zeros((40, 80, 3), np.uint8))
    assert found.boxes.tolist() == [[0, 0, 40, 40]]


def test_masks_may_be_sought_on_a_smaller_image_and_come_at_its_size() -> None:
    config = dataclasses.replace(CONFIG, max_side=8)
    found = GridProposer(Blocks((0.9, 0.9, 0.9, 0.9)), config, CPU).propose(
        np.zeros((16, 32, 3), np.uint8)
    )
    assert found.masks.shape[1:] == (16, 32)
    # Four pixels for each of the smaller image; at the inner corner 5/8 · 5/8 is less than half.
    assert sorted(found.areas.tolist()) == [127, 127, 127, 127, 512]


def test_a_network_that_trusts_nothing_proposes_nothing() -> None:
    config = dataclasses.replace(CONFIG, pred_iou_thresh=0.95)
    found = GridProposer(Blocks((0.9, 0.9, 0.9, 0.9)), config, CPU).propose(
        np.zeros((5, 7, 3), np.uint8)
    )
    assert found.masks.shape == (0, 5, 7)


def test_half_precision_is_for_the_encoder_alone() -> None:
    network = Blocks((0.9, 0.9, 0.9, 0.9))
    half = Device(torch.device("cpu"), torch.bfloat16)
    with half.precision():
        GridProposer(network, CONFIG, half).propose(np.zeros((8, 8, 3), np.uint8))
    assert network.half == [True, False]


@given(
    arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14))).filter(np.any),
    st.tuples(*[st.integers(0, 9)] * 4),
    st.integers(1, 30),
)
@example(np.array([[0, 0, 1, 0, 0], [1, 0, 0, 0, 0]], np.bool_), (2, 0, 0, 0), 2)
def test_masks_are_mended_as_by_segment_anything(
    small: NDArray[np.bool_], margins: tuple[int, int, int, int], area: int
) -> None:
    torchvision_compat.ensure()
    from segment_anything.utils.amg import remove_small_regions

    mask = np.pad(small, (margins[:2], margins[2:]))
    filled, holes = remove_small_regions(mask, area, mode="holes")
    expected, islands = remove_small_regions(filled, area, mode="islands")
    whole, changed = without_flecks(mask, area)
    assert np.array_equal(whole, expected)
    assert changed == (holes or islands)
