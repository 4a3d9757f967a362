# SPDX-License-Identifier: Apache-2.0
"""Windows that are cut once, crops that are made of them, and the captioner's teacher."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from square_scenes import square, write_scenes

from refseg_lab.training import augment, bank, crops, teacher, train_clip, vocabulary
from refseg_lab.training.bank import Bank
from refseg_lab.training.common import Scenes
from refseg_lab.training.vocabulary import Kind, Meaning
from refseg_ros.errors import WeightsError
from refseg_ros.methods.crops import blur, region_images
from refseg_ros.results import Proposals

SIDE = bank.SIDE


@pytest.fixture
def stored(tmp_path: Path) -> Bank:
    folder = write_scenes(tmp_path / "scenes", 12)
    return bank.open_bank(folder, Scenes.open(folder))


def drawn(colour: tuple[int, int, int] = (200, 40, 30)) -> tuple[np.ndarray, np.ndarray]:
    """A picture of a block on a slope of grey, smooth as all pictures, and its mask."""
    mask = np.zeros((120, 160), np.bool_)
    mask[40:80, 50:110] = True
    mask[40:60, 50:70] = False
    image = np.repeat(np.linspace(60, 180, 160)[None, :, None], 120, 0).repeat(3, 2)
    image[mask] = colour
    return image.astype(np.uint8), mask


# windows


def test_a_bank_holds_every_object_and_some_of_the_rest(stored: Bank) -> None:
    kinds = stored.rows[:, 0]
    assert (kinds == Kind.OBJECT).sum() == 3 * 12
    assert (kinds == Kind.BACKGROUND).sum() > 0
    assert (kinds == Kind.TWO).sum() > 0
    named = {(vocabulary.CATEGORIES[c], vocabulary.COLOURS[k]) for c, k in stored.pairs()}
    assert named == {("mug", "red"), ("mug", "blue"), ("bowl", "red")}
    assert set(stored.captions) == {"two mugs and a red bowl on a table"}
    assert stored.pictures.shape == (12, SIDE, SIDE, 3)
    for index in stored.of_kind[Kind.OBJECT]:
        covered = (stored.windows[index, ..., 3] > 127).mean()
        assert covered == pytest.approx(1 / 1.3**2, rel=0.1)
        assert stored.rows[index, 3] == pytest.approx(30 * 1.3 / SIDE, rel=0.05)
        # The mug of 60 is red, that of 120 blue, the bowl of 180 red, all in red light.
        grey = {60: (0, 0), 120: (0, 2), 180: (2, 0)}
        assert grey[int(stored.windows[index, 48, 48, 0])] == stored.meaning(int(index))[1:]


def test_a_bank_is_made_once_and_anew_for_other_scenes(tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "scenes", 2)
    scenes = Scenes.open(folder)
    bank.open_bank(folder, scenes)
    (made,) = folder.glob("crops-*")
    before = (made / "rows.npy").stat().st_mtime_ns
    bank.open_bank(folder, scenes)
    assert (made / "rows.npy").stat().st_mtime_ns == before
    listing = folder / "scenes.jsonl"
    lines = [json.loads(line) for line in listing.read_text(encoding="utf-8").splitlines()]
    lines[0]["spec"]["objects"][0]["colour"] = "green"
    listing.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    other = bank.open_bank(folder, Scenes.open(folder))
    assert len(list(folder.glob("crops-*"))) == 2
    assert (0, vocabulary.COLOURS.index("green")) in other.pairs()


def test_small_objects_are_left_out(tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "scenes", 1)
    scenes = Scenes.open(folder)
    # 160 x 120 is a sixteenth of 640 x 480, so 900 pixels are many and 12.5 the least.
    assert bank.least_window_area(scenes) == pytest.approx(200 / 16)


def test_a_kind_that_no_window_has_is_drawn_from_all(tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "scenes", 1)
    stored = bank.open_bank(folder, Scenes.open(folder))
    assert set(stored.of_kind[Kind.PART]) == set(range(len(stored)))


# crops of windows


@pytest.mark.parametrize("background", ["black", "blur"])
def test_a_crop_is_the_one_that_the_segmenter_makes(background: augment.Background) -> None:
    image, mask = drawn()
    window, behind, _ = bank.window(image, bank.reduced_blur(image), mask)
    learnt = augment.sample(window, behind, window[..., 3] > 127, background, 64)
    proposals = Proposals(mask[None], np.ones(1, np.float32))
    (used,) = region_images(image, proposals, 75 if background == "blur" else 0)
    resized = crops.fit(used, 64).astype(int)
    apart = np.abs(learnt.astype(int) - resized).max(2)
    # Edges may lie a pixel aside; elsewhere the two are alike.
    assert np.mean(apart > 12) < 0.12
    assert np.median(apart) <= 3


def test_mirroring_and_turning_turn_the_mask_too() -> None:
    image, mask = drawn()
    window, behind, _ = bank.window(image, bank.reduced_blur(image), mask)
    plain = augment.sample(window, behind, window[..., 3] > 127, "black", 64)
    mirrored = augment.sample(window, behind, window[..., 3] > 127, "black", 64, mirrored=True)
    assert np.mean(np.abs(plain[:, ::-1].astype(int) - mirrored) > 12) < 0.06
    turned = augment.sample(window, behind, window[..., 3] > 127, "black", 64, angle=90.0)
    # A quarter turn makes the wide block a tall one that fills the crop from top to bottom.
    seen = turned.any(2)
    assert seen[0].any()
    assert seen[-1].any()
    assert not seen[:, 0].any()
    assert not seen[:, -1].any()


@example(8906, 0.203125)
@given(st.integers(0, 2**32), st.floats(0.2, 4.0))
def test_faulty_masks_stay_near_the_mask(seed: int, scale: float) -> None:
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[15:75, 20:80] = True
    faulty = augment.faulty(mask, scale, np.random.default_rng(seed))
    reach = max(1, round(2.5 / scale))  # as far as an edge lies out, or a coarse cell's half
    assert 0.4 * mask.sum() < faulty.sum() <= (60 + 2 * reach) ** 2
    assert (faulty & mask).sum() > 0.7 * faulty.sum() or scale < 0.5


def test_masks_are_spread_cut_and_coarsened() -> None:
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[30:60, 30:60] = True
    grown, rng = augment.spread(mask, 1.0), np.random.default_rng(0)
    assert grown.sum() == 30 * 30 + 4 * 30  # the corners of a cross stay
    assert augment.spread(mask, -1.0).sum() == 28 * 28
    tiny = np.zeros_like(mask)
    tiny[20:29, 20:29] = True
    assert (augment.spread(tiny, -1.0) == tiny).all()
    assert augment.cut(tiny, 0.3, rng) is None
    for share in (0.2, 0.5, 0.9):
        part = augment.cut(mask, share, rng)
        assert part is not None
        assert (mask | ~part).all()
        assert part.sum() == pytest.approx(share * mask.sum(), abs=40)
    assert augment.coarsen(mask, 5.0, rng).sum() == pytest.approx(900, rel=0.3)


def test_random_crops_say_what_they_show(stored: Bank) -> None:
    rng, kinds = np.random.default_rng(0), set()
    for _ in range(150):
        index = stored.draw(Kind.OBJECT, rng)
        image, shown = augment.random_crop(stored, index, "black", 64, rng)
        kinds.add((shown.kind, shown.colour < 0))
        assert image.shape == (64, 64, 3)
        assert image.any()
        whole = stored.meaning(index)
        assert shown.category == whole.category
        assert shown.colour in (-1, whole.colour)
    assert kinds == {(Kind.OBJECT, False), (Kind.OBJECT, True), (Kind.PART, False)}
    index = stored.draw(Kind.TWO, rng)
    assert augment.random_crop(stored, index, "full", 64, rng)[1].kind == Kind.TWO


def test_other_hues_keep_light_and_shape() -> None:
    image, _ = drawn()
    rng = np.random.default_rng(0)
    for _ in range(20):
        other = augment.other_hues(image, rng)
        assert (other.max(2) == image.max(2)).all()  # value, as of HSV
        red = other[70, 80].astype(int)
        assert red[0] - red[1:].max() < 100  # of 160 before


def test_black_stays_black_and_light_varies() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[8:24, 8:24] = 120
    varied = augment.vary([image] * 20, np.random.default_rng(0))
    assert varied.shape == (20, 32, 32, 3)
    assert varied.dtype == np.float32
    assert varied.min() >= 0
    assert varied.max() <= 255
    assert (varied[:, :8] == 0).all()
    inside = varied[:, 12:20, 12:20].mean((1, 2, 3))
    assert inside.min() > 75
    assert inside.std() > 5


# masks of no object


@given(st.integers(0, 2**32), st.integers(0, 90), st.integers(0, 130))
def test_masks_of_no_object_are_what_they_are_called(seed: int, top: int, left: int) -> None:
    rng = np.random.default_rng(seed)
    mask, neighbour = square(top, left, 30), square(60, 100, 15)
    instances = np.where(mask, 1, np.where(neighbour, 2, 0)).astype(np.uint8)
    beside = crops.background_mask(mask, instances, rng)
    if beside is not None:
        assert beside.sum() >= 120
        assert (instances[beside] == 0).all()
    both = crops.joined_mask(mask, 1, instances, rng)
    if both is not None:
        assert (both == (mask | (instances == 2))).all()


def test_bounds_are_tight_and_stay_inside() -> None:
    assert crops.bounds(square(20, 30, 10)) == (20, 30, 30, 40)
    assert crops.bounds(square(2, 30, 10), 5) == (0, 17, 25, 45)


def test_the_reduced_blur_is_the_segmenters() -> None:
    image, _ = drawn()
    near = bank.reduced_blur(image).astype(int)
    middles = blur(image, 75).reshape(30, 4, 40, 4, 3).mean((1, 3))
    assert np.abs(near - middles).max() <= 6


# the teacher


def test_a_teacher_teaches_the_pupil_and_learns_nothing() -> None:
    torch.manual_seed(0)
    visual = train_clip.build_clip(300).visual
    made = teacher.Teacher(visual, 16)
    assert set(made.state_dict()) == {
        f"head_{name}.{part}" for name in ("early", "late") for part in ("weight", "bias")
    }
    pixels = torch.randn(2, 3, 64, 64)
    tokens = torch.randn(2, 65, 16, requires_grad=True)
    loss = made.train()(pixels, tokens, tokens)
    assert not visual.training
    loss.backward()
    assert tokens.grad is not None
    assert (tokens.grad[:, 0] == 0).all()  # the class token is no place
    assert (tokens.grad[:, 1:] != 0).any(-1).all()
    assert all(parameter.grad is None for parameter in visual.parameters())
    # A pupil that fits the teacher's maps has nothing left to learn.
    optimiser = torch.optim.Adam(made.parameters(), lr=0.02)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = made(pixels, tokens, tokens)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_a_teacher_that_was_not_trained_is_named(tmp_path: Path) -> None:
    train_clip.write_merges(tmp_path / train_clip.MERGES)
    with pytest.raises(WeightsError, match=r"ck\.pt does not exist; train first"):
        teacher.Teacher.load(tmp_path, 16)


def test_meanings_of_windows_are_plain_numbers(stored: Bank) -> None:
    assert isinstance(stored.meaning(0), Meaning)
    assert all(type(value) is int for value in stored.meaning(0))
