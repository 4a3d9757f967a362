# SPDX-License-Identifier: Apache-2.0
"""The released TAS step by step, on arrays whose answers are worked out beside them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hand_made import Blocks, Table, segmenter
from hypothesis import given, settings
from hypothesis import strategies as st

from refseg_ros.backbones.device import Device
from refseg_ros.config import ScoreConfig, SegmenterConfig
from refseg_ros.language import parse
from refseg_ros.language.tokens import plain
from refseg_ros.methods.crops import blur, pad_evenly, region_images
from refseg_ros.methods.scoring import SceneFeatures, shares
from refseg_ros.methods.tas import Captioned, Tas
from refseg_ros.proposals.prune import drop_contained, prune
from refseg_ros.proposals.sam import SamProposer
from refseg_ros.results import Proposals, Status

# --- crops ---------------------------------------------------------------------------------------

IMAGE = np.arange(1, 36, dtype=np.uint8).reshape(5, 7, 1).repeat(3, 2)
"""Row r, column c holds 7 r + c + 1."""


def _proposal(*pixels: tuple[slice | int, slice | int]) -> Proposals:
    mask = np.zeros((5, 7), bool)
    for where in pixels:
        mask[where] = True
    return Proposals(mask[None], np.ones(1, np.float32))


def test_a_released_crop_loses_the_last_row_and_column() -> None:
    # Columns 1 to 3 of rows 0 to 4, the corner at (1, 2) missing: SAM's box is x 1, y 0, w 2,
    # h 4. It is padded by (4 - 2) // 2 = 1 on the left and on the right.
    proposals = _proposal((slice(0, 5), slice(1, 4)))
    proposals.masks[0, 1, 2] = False
    (crop,) = region_images(IMAGE, proposals, crop="released")
    assert crop[..., 2].tolist() == [[0, 2, 3, 0], [0, 9, 0, 0], [0, 16, 17, 0], [0, 23, 24, 0]]
    (whole,) = region_images(IMAGE, proposals, crop="whole")
    assert whole.shape == (5, 5, 3)
    assert whole[4, :, 0].tolist() == [0, 30, 31, 32, 0]


def test_the_background_of_a_released_caption_crop_is_blurred_and_its_padding_black() -> None:
    # Row 2, columns 0 to 3, and (1, 1): box x 0, y 1, w 3, h 1; padding (3 - 1) // 2 = 1.
    proposals = _proposal((2, slice(0, 4)), (1, 1))
    (crop,) = region_images(IMAGE, proposals, blur_kernel=3, crop="released")
    behind = blur(IMAGE, 3)[1, :, 0].tolist()
    assert crop[..., 0].tolist() == [[0, 0, 0], [behind[0], 9, behind[2]], [0, 0, 0]]


def test_a_released_crop_is_one_short_of_a_square_where_sides_differ_by_an_odd_number() -> None:
    # 3 columns by 6 rows differ by 3: one pixel on both sides.
    assert pad_evenly(np.ones((6, 3, 3), np.uint8)).shape == (6, 5, 3)
    assert pad_evenly(np.ones((2, 5, 3), np.uint8))[:, 0, 0].tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("where", "expected"),
    [((3, 4), [[26]]), ((slice(0, 3), 6), [[7], [14]]), ((4, slice(1, 4)), [[30, 31]])],
)
def test_a_box_without_width_or_height_is_taken_one_pixel_wide(
    where: tuple[slice | int, slice | int], expected: list[list[int]]
) -> None:
    (crop,) = region_images(IMAGE, _proposal(where), crop="released")
    assert crop[..., 0].tolist() == expected


def test_an_unknown_crop_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of whole, released, squashed, got 'half'"):
        list(region_images(IMAGE, _proposal((0, 0)), crop="half"))


def test_the_blur_is_opencvs_of_75_pixels() -> None:
    # An edge at 150. sigma = 0.3 · ((75 - 1) / 2 - 1) + 0.8 = 11.6: 12 pixels in, 84 % of the
    # normal density's mass is white. 38 pixels out none is seen.
    image = np.zeros((1, 301, 3), np.uint8)
    image[0, 150:] = 255
    blurred = blur(image, 75)[0, :, 0]
    assert blurred[161] == pytest.approx(255 * 0.84, abs=2)
    assert blurred[138] == pytest.approx(255 * 0.16, abs=2)
    assert not blurred[:113].any()


# --- proposals -----------------------------------------------------------------------------------


def test_the_generator_is_set_as_released() -> None:
    config = SegmenterConfig.from_preset("paper").proposals
    # Of the network the generator asks the size of its input alone, when it is made.
    sam = SimpleNamespace(
        mask_decoder=torch.nn.Module(), image_encoder=SimpleNamespace(img_size=1024)
    )
    generator = SamProposer(sam, config, Device.from_name("cpu"))._generator  # type: ignore[arg-type]
    (grid,) = generator.point_grids
    # 8 by 8 points, the first in the middle of the first of 8 cells.
    assert grid.shape == (64, 2)
    assert grid[0].tolist() == [1 / 16, 1 / 16]
    assert (generator.pred_iou_thresh, generator.stability_score_thresh) == (0.7, 0.7)
    assert (generator.min_mask_region_area, generator.crop_n_layers) == (800, 0)
    assert (generator.points_per_batch, generator.stability_score_offset) == (64, 1.0)
    assert generator.box_nms_thresh == 0.7


# --- pruning -------------------------------------------------------------------------------------


def test_an_overlap_of_four_tenths_stays_and_more_goes() -> None:
    masks = np.zeros((2, 1, 20), bool)
    masks[0, 0, :5], masks[1, 0, 3:20] = True, True
    # 2 of the smaller one's 5 pixels.
    assert drop_contained(masks, 0.4).tolist() == [0, 1]
    masks[1, 0, 2] = True
    assert drop_contained(masks, 0.4).tolist() == [1]


def test_a_mask_of_2000_pixels_stays_and_one_of_1999_goes_before_it_can_remove() -> None:
    masks = np.zeros((3, 100, 100), bool)
    masks[0, :40, :50] = masks[1, 50:90, :50] = masks[2, 50:90, 50:] = True
    masks[1, 50, 0] = False
    config = SegmenterConfig.from_preset("paper").proposals
    kept = prune(
        Proposals(masks, np.ones(3, np.float32)),
        min_area=config.min_area,
        max_area=config.max_area,
        overlap=config.overlap,
        duplicate_iou=config.duplicate_iou,
    )
    assert kept.areas.tolist() == [2000, 2000]
    assert kept.boxes[1].tolist() == [50, 50, 100, 90]


# --- scores --------------------------------------------------------------------------------------


def _features(phrases: dict[str, list[float]] | list[tuple[str, list[float]]]) -> SceneFeatures:
    pairs = list(phrases.items()) if isinstance(phrases, dict) else phrases
    return SceneFeatures(
        regions=torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]),
        captions=("", "", ""),
        caption="",
        logit_scale=100.0,
        kept=Captioned(
            features=torch.tensor([[0.8, 0.6], [1.0, 0.0], [0.0, 1.0]]),
            phrases=tuple(name for name, _ in pairs),
            phrase_features=torch.tensor([vector for _, vector in pairs]).reshape(-1, 2),
        ),
    )


def test_the_scores_of_three_candidates() -> None:
    # V = 100 · (1, .6, 0); P = 100 · (.8, 1, 0). The distractors (0, 1) and, said twice, (1, 0)
    # give means of 100/3 · (0 + 1 + 1, .8 + .6 + .6, 1 + 0 + 0); "a mug" is the target.
    phrases = [("a bowl", [0.0, 1.0]), ("a book", [1.0, 0.0])]
    features = _features([*phrases, ("a mug", [1.0, 0.0]), ("a book", [1.0, 0.0])])
    encoder = Table({"the red mug": [1.0, 0.0]})
    table = Tas(ScoreConfig()).score(features, parse("the red mug"), encoder)
    np.testing.assert_allclose(table.terms["V"], [100, 60, 0], atol=1e-4)
    np.testing.assert_allclose(table.terms["P"], [80, 100, 0], atol=1e-4)
    negatives = np.array([200, 200, 100]) / 3
    np.testing.assert_allclose(table.terms["N"], negatives, atol=1e-4)
    expected = np.array([108, 70, 0]) - 0.7 * negatives
    np.testing.assert_allclose(table.total, expected, atol=1e-4)
    # 61.33, 23.33, -23.33: min-max leaves 1, 46.67 / 84.67 and 0.
    weights = np.exp([1.0, 46.6667 / 84.6667, 0.0])
    np.testing.assert_allclose(shares(table.total, "minmax"), weights / weights.sum(), atol=1e-5)


def test_the_whole_sentence_is_compared_in_lower_case() -> None:
    encoder = Table({"please pick up the red mug": [1.0, 0.0]})
    expression = parse("  Please pick up the\nRED mug ")
    table = Tas(ScoreConfig()).score(_features({}), expression, encoder)
    np.testing.assert_allclose(table.terms["V"], [100, 60, 0], atol=1e-4)


def test_without_a_distractor_n_is_zero() -> None:
    for phrases in ({}, {"a mug": [1.0, 0.0]}):
        encoder = Table({"the red mug": [1.0, 0.0]})
        table = Tas(ScoreConfig()).score(_features(phrases), parse("the red mug"), encoder)
        assert table.terms["N"].tolist() == [0, 0, 0]
        np.testing.assert_allclose(table.total, [108, 70, 0], atol=1e-4)


def test_one_candidate_and_equal_ones_have_weights() -> None:
    assert shares(np.array([7.0]), "minmax").tolist() == [1.0]
    assert shares(np.array([7.0, 7.0]), "minmax").tolist() == [0.5, 0.5]


# --- the whole -----------------------------------------------------------------------------------

# Medians of the centroids: row 45, column 95.
SCENE = (
    ("red", (10, 10, 40, 40)),
    ("blue", (80, 30, 110, 60)),
    ("red", (150, 60, 190, 90)),
)


@pytest.mark.parametrize(
    ("sentence", "index"),
    [
        ("red block", 0),
        ("red block on the right", 2),
        # "right" is a superlative here, and "red" a relation without words: both, so nothing.
        ("red block on right", 0),
        ("blue block", 1),
    ],
)
def test_the_paper_preset_from_image_to_mask(sentence: str, index: int) -> None:
    blocks = Blocks(*SCENE)
    selection = segmenter(blocks, "paper").observe(blocks.image).select(sentence)
    assert selection.status is Status.SELECTED
    assert selection.index == index
    np.testing.assert_array_equal(selection.mask, blocks.proposals.masks[index])


@pytest.mark.parametrize("sentence", ["him", "it", "the other one", "please", "?"])
def test_the_paper_preset_answers_whatever_is_said(sentence: str) -> None:
    blocks = Blocks(*SCENE)
    selection = segmenter(blocks, "paper").observe(blocks.image).select(sentence)
    assert selection.status is Status.SELECTED


def test_the_paper_preset_refuses_silence_and_an_empty_image() -> None:
    blocks = Blocks(*SCENE)
    selection = segmenter(blocks, "paper").observe(blocks.image).select("  ")
    assert selection.status is Status.ERROR
    nothing = Blocks()
    selection = segmenter(nothing, "paper").observe(nothing.image).select("him")
    assert selection.status is Status.NOT_FOUND


PAPER = segmenter(Blocks(*SCENE), "paper").observe(Blocks(*SCENE).image)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=300))
def test_any_text_is_answered_with_finite_scores(text: str) -> None:
    selection = PAPER.select(text)
    assert selection.status in (Status.SELECTED, Status.ERROR)
    assert selection.status.has_target == bool(plain(text))
    for candidate in selection.candidates:
        assert np.isfinite([candidate.score, *candidate.terms.values()]).all()


def test_the_paper_preset_takes_negatives_from_the_whole_images_caption() -> None:
    blocks = Blocks(*SCENE)
    scene = segmenter(blocks, "paper").observe(blocks.image)
    # Red covers the most: 900 and 1600 pixels.
    assert scene.features.caption == "a red block"
    assert isinstance(scene.features.kept, Captioned)
    assert scene.features.kept.phrases == ("a red block",)
    # Crops are SAM's boxes: 29 by 29 pixels, and 39 by 29 with 5 pixels above and below.
    assert scene.models.clip.shapes == [(29, 29, 3), (29, 29, 3), (39, 39, 3)]
