# SPDX-License-Identifier: Apache-2.0
"""What the trainings show the networks, and the losses, worked out by hand."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from square_scenes import BLUE_MUG, RED_BOWL, RED_MUG, square, write_scenes

from refseg_ros import weights
from refseg_ros.results import Proposals
from refseg_ros.simulation import catalogue
from training import (
    crops,
    train_captioner,
    train_clip,
    train_sam,
    words,
)
from training.common import Scenes
from training.words import Kind, Meaning


@pytest.fixture
def scenes(tmp_path: Path) -> Scenes:
    return Scenes.open(write_scenes(tmp_path / "scenes"))


# texts


def test_every_simulated_category_has_names() -> None:
    assert tuple(catalogue.CATEGORIES) == words.CATEGORIES
    assert tuple(catalogue.COLOURS) == words.COLOURS


def test_captions_of_things_and_scenes() -> None:
    assert words.describe("mug", "red") == "a red mug"
    assert words.describe("cup", "orange") == "an orange cup"
    assert words.describe_scene([]) == "an empty table"
    assert words.describe_scene([RED_MUG]) == "a red mug on a table"
    three = [RED_MUG, BLUE_MUG, RED_BOWL]
    assert words.describe_scene(three) == "a red mug, a blue mug and a red bowl on a table"
    assert words.describe_scene([RED_MUG] * 9).count("mug") == 4


def test_the_captioner_can_spell_all_captions() -> None:
    known = set(words.caption_vocabulary())
    for category in words.CATEGORIES:
        for colour in words.COLOURS:
            assert set(words.describe_scene([(category, colour)]).split()) <= known
    assert set(words.EMPTY_TABLE.split()) | {",", "and"} <= known


def test_merges_of_two_words_by_hand() -> None:
    # All pairs occur once except (a, b), so it comes first; then by the alphabet.
    assert words.train_merges(["abc", "abd"]) == [("a", "b"), ("ab", "c</w>"), ("ab", "d</w>")]
    assert words.train_merges(["a"]) == []


def test_every_known_word_is_one_token(tmp_path: Path) -> None:
    train_clip.write_merges(tmp_path / "bpe.txt.gz")
    tokenizer = train_clip.build_tokenizer(tmp_path / "bpe.txt.gz")
    assert {word: len(tokenizer.encode(word)) for word in words.clip_words()} == dict.fromkeys(
        words.clip_words(), 1
    )
    assert len(tokenizer.encode("gyroscope")) > 1


def test_the_bundled_vocabularies_are_those_of_the_scripts(tmp_path: Path) -> None:
    train_clip.write_merges(tmp_path / "bpe.txt.gz")
    with gzip.open(weights.resolve("bundled:clip") / "bpe.txt.gz") as ours:
        assert ours.read() == gzip.decompress((tmp_path / "bpe.txt.gz").read_bytes())
    assert weights.bundled_vocabulary() == set(words.head_words())
    tokenizer = json.loads(
        (weights.resolve("bundled:captioner") / "tokenizer.json").read_text(encoding="utf-8")
    )
    assert tokenizer["model"]["vocab"] == words.caption_vocabulary()


@given(st.integers(0, 2**32), st.integers(0, 23), st.integers(0, 9), st.sampled_from(Kind))
def test_random_texts_are_true_and_name_what_they_say(
    seed: int, category: int, colour: int, kind: Kind
) -> None:
    shown = Meaning(kind, category, colour)
    text, said = words.random_text(np.random.default_rng(seed), shown)
    assert words.true_of([shown], [said]).all()
    if said.category >= 0:
        assert any(name in text for name in words.NAMES[words.CATEGORIES[category]])
    if said.colour >= 0:
        name = words.COLOURS[colour]
        assert any(option in text for option in (name, *words.ALIASES.get(name, ())))
    if kind != Kind.OBJECT:
        assert said == (kind, -1, -1)


def test_what_is_true_of_what() -> None:
    shown = [Meaning(0, 3, 1), Meaning(0, 3, 2), Meaning(1, 3, 1)]
    said = [Meaning(0, 3, -1), Meaning(0, -1, 1), Meaning(0, 3, 2), Meaning(1, -1, -1)]
    expected = [[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]
    assert words.true_of(shown, said).astype(int).tolist() == expected


# crops


def test_bounds_are_tight_and_stay_inside() -> None:
    assert crops.bounds(square(20, 30, 10)) == (20, 30, 30, 40)
    assert crops.bounds(square(2, 30, 10), 5) == (0, 17, 25, 45)


def test_a_crop_has_the_background_asked_for() -> None:
    image = np.full((120, 160, 3), 90, np.uint8)
    mask = square(40, 50, 30)
    mask[40:55, 50:65] = False
    image[mask] = 200
    black = crops.crop(image, mask, "black", 30)
    assert black.shape == (30, 30, 3)
    assert (black[:15, :15] == 0).all()
    assert (black[15:] == 200).all()
    full = crops.crop(image, mask, "full", 30)
    assert (full[:15, :15] == 90).all()
    blurred = crops.crop(image, mask, "blur", 30)
    assert (blurred[15:] == 200).all()
    assert 90 < blurred[14, 14, 0] < 200  # what is beside the thing has bled in
    assert crops.crop(image, mask, "black", 64).shape == (64, 64, 3)


def test_a_blurred_crop_is_the_one_that_the_segmenter_makes() -> None:
    from refseg_ros.matching.crops import blur, region_images

    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    image = np.asarray(cv2.GaussianBlur(image, (9, 9), 0))
    mask = square(60, 70, 30)
    proposals = Proposals(mask[None], np.ones(1, np.float32))
    used = next(region_images(image, blur(image, 75), proposals))
    learnt = crops.crop(image, mask, "blur", 30)
    assert np.abs(used.astype(int) - learnt).max() <= 1


def test_cutouts_stay_black_around() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[8:24, 8:24] = 180
    for seed in range(20):
        varied = crops.vary(image, np.random.default_rng(seed), cutout=True, turn=False)
        assert varied.shape == image.shape
        assert varied.min() >= 0
        assert varied.max() <= 255
        assert (varied[:8] == 0).all()
        assert varied[12:20, 12:20].mean() > 60


def test_grown_and_shrunk_masks() -> None:
    assert (crops.grow(square(20, 20, 10)) == square(19, 19, 12)).all()
    assert (crops.grow(square(20, 20, 10), 5) == square(18, 18, 14)).all()
    assert (crops.shrink(square(20, 20, 10)) == square(21, 21, 8)).all()
    assert (crops.shrink(square(20, 20, 9)) == square(20, 20, 9)).all()  # 49 pixels would be left


@given(st.integers(0, 2**32), st.integers(0, 90), st.integers(0, 130))
def test_other_masks_are_what_they_are_called(seed: int, top: int, left: int) -> None:
    rng = np.random.default_rng(seed)
    mask, neighbour = square(top, left, 30), square(60, 100, 15)
    instances = np.where(mask, 1, np.where(neighbour, 2, 0)).astype(np.uint8)
    part = crops.part_mask(mask, rng)
    assert part is not None
    assert (mask | ~part).all()
    assert 0.2 < part.sum() / mask.sum() < 0.55
    beside = crops.background_mask(mask, instances, rng)
    if beside is not None:
        assert beside.sum() >= 120
        assert (instances[beside] == 0).all()
    both = crops.joined_mask(mask, 1, instances, rng)
    if both is not None:
        assert (both == (mask | (instances == 2))).all()
    assert crops.coarsen(mask, rng).sum() == pytest.approx(900, rel=0.25)


# segment-anything


def test_clicks_lie_on_what_they_mean(scenes: Scenes) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        clicks = train_sam.random_clicks(scenes, rng)
        assert clicks.pixels.shape == (3, 192, 256)
        assert clicks.points.shape == (10, 2)
        assert clicks.masks.shape == (10, 128, 128)
        assert not clicks.masks[:, 96:].any()
        assert (clicks.cells[24:] == 255).all()
        for (x, y), mask in zip(clicks.points.int().tolist(), clicks.masks, strict=True):
            assert mask[y // 2, x // 2] > 0


def test_the_mask_loss_rewards_truth_and_disregards_padding() -> None:
    truth = torch.zeros(2, 128, 128)
    truth[0, 10:30, 10:30] = 1
    truth[1, 50:90, 50:90] = 1
    logits = (truth[:, None].expand(2, 4, 128, 128) * 2 - 1) * 20
    right = train_sam.mask_loss(logits, torch.ones(2, 4), truth)
    assert right.item() == pytest.approx(0, abs=1e-3)
    assert train_sam.mask_loss(-logits, torch.zeros(2, 4), truth).item() > 10
    # Boasting costs: four predicted IoUs that are wrong by 1, squared, twice.
    boast = train_sam.mask_loss(logits, torch.zeros(2, 4), truth)
    assert boast.item() - right.item() == pytest.approx(2)
    padded = logits.clone()
    padded[:, :, 96:] = 20
    assert train_sam.mask_loss(padded, torch.ones(2, 4), truth).item() == pytest.approx(
        right.item()
    )


def test_one_good_mask_of_three_is_nearly_enough() -> None:
    truth = torch.zeros(1, 128, 128)
    truth[0, 10:30, 10:30] = 1
    good = (truth * 2 - 1) * 20
    quality = torch.tensor([[1.0, 0, 0, 1]])
    one = train_sam.mask_loss(torch.stack([good, -good, -good, good], 1), quality, truth)
    none = train_sam.mask_loss(torch.stack([good, -good, -good, -good], 1), quality, truth)
    assert one < 0.1 * none


def test_the_affinity_loss_tells_things_apart() -> None:
    cells = torch.zeros(1, 32, 32, dtype=torch.int64)
    cells[:, :, 16:] = 1
    features = torch.zeros(1, 16, 32, 32)
    alike = train_sam.affinity_loss(features, cells).item()
    features[:, 0, :, 16:] = 3.0
    apart = train_sam.affinity_loss(features, cells).item()
    # Alike: logit 3. Apart: 3 for the same and 3 - 9 for others, softplus(-3) and softplus(-6).
    assert math.log1p(math.exp(-6)) < apart <= math.log1p(math.exp(-3)) + 1e-6
    assert alike > 10 * apart


# CLIP and captions


def test_the_contrastive_loss_by_hand() -> None:
    images, scale = torch.eye(2), torch.tensor(4.0)
    one_each = torch.tensor([[True, False], [False, True]])
    loss = train_clip.contrastive_loss(images, torch.eye(2), scale, one_each)
    assert loss.item() == pytest.approx(math.log1p(math.exp(-4)), abs=1e-6)
    same = torch.tensor([[1.0, 0], [1, 0]])
    both = torch.ones(2, 2, dtype=torch.bool)
    loss = train_clip.contrastive_loss(same, same, scale, both)
    assert loss.item() == pytest.approx(math.log(2))


def test_a_text_that_is_true_of_nothing_only_repels() -> None:
    images, texts = torch.tensor([[1.0, 0.0]]), torch.eye(2)
    true = torch.tensor([[True, False]])
    loss = train_clip.contrastive_loss(images, texts, torch.tensor(4.0), true)
    # Among one image every text finds it at no cost; the image has two texts to choose from.
    assert loss.item() == pytest.approx(0.5 * math.log1p(math.exp(-4)), abs=1e-6)


def test_texts_of_a_batch_hold_a_true_one_for_each_crop() -> None:
    rng = np.random.default_rng(0)
    shown = [Meaning(Kind.OBJECT, 1, 2), Meaning(Kind.TWO, 3, 4), Meaning(Kind.BACKGROUND, 0, 0)]
    texts, said = train_clip.random_texts(shown, rng)
    true = words.true_of(shown, said)
    assert len(texts) == len(said) == 3 + 44 + 3
    assert true.diagonal().all()
    assert not true.all(1).any()


def test_captions_of_a_batch_fit_their_crops(scenes: Scenes) -> None:
    rng = np.random.default_rng(0)
    examples = [
        train_captioner.random_example(scenes, scenes.all_things(), rng) for _ in range(40)
    ]
    assert {image.shape for image, _ in examples} == {(128, 128, 3)}
    said = {text for _, text in examples}
    assert said <= {
        "a red mug",
        "a blue mug",
        "a red bowl",
        "an empty table",
        "a red mug, a blue mug and a red bowl on a table",
    }
    assert len(said) >= 4
