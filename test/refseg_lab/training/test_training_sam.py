# SPDX-License-Identifier: Apache-2.0
"""What the training of segment-anything shows the network, and its losses, worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from square_scenes import write_scenes

from refseg_lab.training import train_sam, views
from refseg_lab.training.common import Scenes
from refseg_lab.training.optimiser import MuonAndAdamW
from refseg_lab.training.views import Prompt


@pytest.fixture
def scenes(tmp_path: Path) -> Scenes:
    return Scenes.open(write_scenes(tmp_path / "scenes"))


def view_of(scenes: Scenes, kind: Prompt, seed: int) -> views.View:
    rng = np.random.default_rng(seed)
    return views.random_view(scenes, rng, size=views.WINDOW, prompts=6, kind=kind)


@pytest.mark.parametrize("seed", range(4))
def test_a_window_has_the_shapes_it_says(seed: int, scenes: Scenes) -> None:
    view = view_of(scenes, Prompt.CLICK, seed)
    assert view.pixels.shape == (3, 192, 256)
    assert view.masks.shape == (6, 96, 128)
    assert view.seeds.shape == (2, 48, 64)
    assert view.cells.shape == (24, 32)
    x, y = view.origin
    assert x % 8 == y % 8 == 0
    assert 0 <= x <= 512 - 256
    assert 0 <= y <= 512 - 192


@pytest.mark.parametrize("kind", [Prompt.CLICK, Prompt.CLICKS])
@pytest.mark.parametrize("seed", range(4))
def test_clicks_lie_on_what_they_mean(seed: int, kind: Prompt, scenes: Scenes) -> None:
    view = view_of(scenes, kind, seed)
    for points, labels, mask in zip(view.points, view.labels, view.masks, strict=True):
        assert labels[0] == 1
        for (x, y), label in zip(points.int().tolist(), labels.tolist(), strict=True):
            if label >= 0 and mask.any():
                assert (mask[y // 2, x // 2] > 0) == (label == 1) or mask[y // 2, x // 2] < 1
    assert any(mask.any() for mask in view.masks)


def test_a_click_beside_all_things_has_no_mask(scenes: Scenes) -> None:
    beside = 0
    for seed in range(20):
        view = view_of(scenes, Prompt.CLICK, seed)
        if not view.masks[-1].any():
            x, y = view.points[-1, 0].int().tolist()
            assert view.cells[y // 8, x // 8] == 0 or view.seeds[0, y // 4, x // 4] < 1
            beside += 1
        assert all(mask.any() for mask in view.masks[:-1])
    assert 0 < beside < 20


def test_boxes_are_about_their_things(scenes: Scenes) -> None:
    view = view_of(scenes, Prompt.BOX, 0)
    for points, labels, mask in zip(view.points, view.labels, view.masks, strict=True):
        assert labels.tolist() == [2, 3]
        rows, columns = torch.nonzero(mask, as_tuple=True)
        wide = 2 * (columns.max() - columns.min() + 1)
        box = torch.cat([points[0], points[1]])
        tight = 2 * torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert (box - tight).abs().max() < 0.25 * wide + 2


def test_seeds_are_deepest_in_the_middle(scenes: Scenes) -> None:
    rng = np.random.default_rng(0)
    view = views.random_view(scenes, rng, size=(384, 512), prompts=3, kind=Prompt.CLICK)
    covered, depth = view.seeds
    assert depth[covered == 0].max() == 0
    assert depth.max() > 0.85
    inner = (covered == 1).float()[None, None]
    core = -torch.nn.functional.max_pool2d(-inner, 5, 1, 2)[0, 0] == 1
    rim = (covered > 0) & ~core
    assert depth[core].mean() > depth[rim].mean() + 0.2


def test_relighting_keeps_shape_and_range() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    changed = [views.relight_view(image, rng) for _ in range(20)]
    assert all(item.shape == image.shape and item.dtype == np.uint8 for item in changed)
    assert len({item.tobytes() for item in changed}) == 20
    # Gains are within 0.78 * 0.93 and 1.22 * 1.07, the shift within 12, noise within 9.
    smooth = np.full((8, 8, 3), 100, np.uint8)
    for _ in range(50):
        level = views.relight_view(smooth, rng)
        assert level.min() >= 50
        assert level.max() <= 153


def test_the_mask_loss_rewards_truth() -> None:
    truth = torch.zeros(2, 96, 128)
    truth[0, 10:30, 10:30] = 1
    truth[1, 50:90, 50:90] = 1
    logits = (truth[:, None].expand(2, 4, 96, 128) * 2 - 1) * 20
    for balance in (0.0, 1.0):
        right = train_sam.mask_loss(logits, torch.ones(2, 4), truth, balance)
        assert right.item() == pytest.approx(0, abs=1e-3)
        assert train_sam.mask_loss(-logits, torch.zeros(2, 4), truth, balance).item() > 10
        # Boasting costs: four predicted IoUs that are wrong by 1, squared, twice.
        boast = train_sam.mask_loss(logits, torch.zeros(2, 4), truth, balance)
        assert boast.item() - right.item() == pytest.approx(2)


def test_missed_pixels_of_a_small_thing_cost_more_when_balanced() -> None:
    truth = torch.zeros(1, 96, 128)
    truth[0, 10:20, 10:20] = 1
    logits = (truth[:, None].expand(1, 4, 96, 128) * 2 - 1) * 5
    missed, added = logits.clone(), logits.clone()
    missed[..., 10:13, 10:20] = -5
    added[..., 40:43, 10:20] = 5
    quality = torch.ones(1, 4)

    def cost(changed: torch.Tensor, balance: float) -> float:
        return train_sam.mask_loss(changed, quality, truth, balance).item()

    assert cost(missed, 1.0) - cost(added, 1.0) > 2 * (cost(missed, 0.0) - cost(added, 0.0))


def test_one_good_mask_of_three_is_nearly_enough() -> None:
    truth = torch.zeros(1, 96, 128)
    truth[0, 10:30, 10:30] = 1
    good = (truth * 2 - 1) * 20
    quality = torch.tensor([[1.0, 0, 0, 1]])
    one = train_sam.mask_loss(torch.stack([good, -good, -good, good], 1), quality, truth, 1.0)
    none = train_sam.mask_loss(torch.stack([good, -good, -good, -good], 1), quality, truth, 1.0)
    assert one < 0.1 * none


def test_an_empty_truth_wants_an_empty_mask() -> None:
    truth, quality = torch.zeros(1, 96, 128), torch.zeros(1, 4)
    empty, full = torch.full((1, 4, 96, 128), -20.0), torch.full((1, 4, 96, 128), 20.0)
    assert train_sam.mask_loss(empty, quality, truth, 1.0).item() == pytest.approx(0, abs=1e-3)
    assert train_sam.mask_loss(full, quality, truth, 1.0).item() > 1


def test_the_seed_loss_is_worked_out_by_hand() -> None:
    truth = torch.zeros(1, 2, 4, 4)
    truth[0, 0, :2], truth[0, 1, :2] = 1, 0.5
    logits = torch.zeros(1, 2, 4, 4)
    # Cross-entropy of a coin: log 2, twice; the depth of one half is right.
    assert train_sam.seed_loss(logits, truth).item() == pytest.approx(2 * math.log(2))
    logits[:, 1] = 20
    assert train_sam.seed_loss(logits, truth).item() == pytest.approx(2 * math.log(2) + 0.5)


def test_the_affinity_loss_tells_things_apart() -> None:
    cells = torch.zeros(1, 24, 32, dtype=torch.int64)
    cells[:, :, 16:] = 1
    features = torch.zeros(1, 16, 24, 32)
    alike = train_sam.affinity_loss(features, cells).item()
    features[:, 0, :, 16:] = 3.0
    apart = train_sam.affinity_loss(features, cells).item()
    # Alike: logit 3. Apart: 3 for the same and 3 - 9 for others, softplus(-3) and softplus(-6).
    assert math.log1p(math.exp(-6)) < apart <= math.log1p(math.exp(-3)) + 1e-6
    assert alike > 10 * apart


def test_batches_are_windows_first_and_frames_in_the_end(scenes: Scenes) -> None:
    rng = np.random.default_rng(0)
    windows = train_sam.random_batch(scenes, rng, 8, 0.0)
    assert [view.pixels.shape for view in windows.views] == [(3, 192, 256)] * 8
    frames = [train_sam.random_batch(scenes, rng, 8, 1.0) for _ in range(20)]
    for batch in frames:
        assert [view.pixels.shape for view in batch.views] == [(3, 384, 512)] * 2
    assert {batch.window for batch in frames} == {32, 64}


@pytest.mark.parametrize("spent", [0.0, 1.0])
def test_a_step_moves_all_weights_but_the_unused(spent: float, scenes: Scenes) -> None:
    torch.manual_seed(0)
    sam = train_sam.build_sam()
    rng = np.random.default_rng(0)
    views_ = [
        views.random_view(scenes, rng, size=views.WINDOW, prompts=2, kind=kind)
        for kind in (Prompt.CLICK,)
    ]
    embedded, seeds = train_sam.embed(sam, views_)
    logits, quality, truth = train_sam.answer(sam, embedded, train_sam.Batch(views_, 32))
    assert logits.shape == (2, 4, *truth.shape[1:])
    narrow = train_sam.answer(sam, embedded, train_sam.Batch(views_, 16))
    assert [part.shape[-1] for part in narrow] == [64, 4, 64]
    assert truth.shape == (2, 96, 128)
    loss = train_sam.mask_loss(logits, quality, truth, 1 - spent)
    loss = loss + train_sam.seed_loss(seeds, torch.stack([view.seeds for view in views_]))
    torch.autograd.backward(loss)
    still = {name for name, value in sam.named_parameters() if value.grad is None}
    # A bias of the cells' keys adds the same to all scores, which a softmax does not see.
    blind = "token_to_image.k_proj.bias"
    used = [name for name in still if not name.startswith("prompt_encoder.")]
    assert all(name.endswith(blind) for name in used), used


@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
def test_muon_turns_filters_as_it_turns_rows(form: torch.memory_format) -> None:
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(16, 24, 3).to(memory_format=form)
    linear = torch.nn.Linear(16 * 9, 24)
    linear.weight.data = convolution.weight.detach().permute(0, 2, 3, 1).flatten(1).clone()
    before = linear.weight.detach().clone()
    linear.bias.data = convolution.bias.detach().clone()  # type: ignore[union-attr]
    pixels = torch.randn(64, 16, 3, 3)
    for module, given in (
        (convolution, pixels),
        (linear, pixels.permute(0, 2, 3, 1).flatten(1)),
    ):
        optimiser = MuonAndAdamW([module], lr=0.1, weight_decay=0.0)
        for _ in range(3):
            torch.autograd.backward(module(given).flatten(1).square().mean())
            optimiser.step()
            optimiser.zero_grad()
            assert module.weight.grad is None
    turned = convolution.weight.detach().permute(0, 2, 3, 1).flatten(1)
    steps = torch.stack([turned - before, linear.weight.detach() - before]).flatten(1)
    # Half precision within the optimiser leaves them a little different.
    assert torch.cosine_similarity(steps[0], steps[1], dim=0) > 0.9
    assert steps.norm() > 0.1


def test_things_that_touch_are_found() -> None:
    instances = np.zeros((5, 8), np.uint8)
    instances[1:3, 1:3] = 1
    instances[3, 1:3] = 2  # below it
    instances[1, 5] = 3  # alone
    instances[4, 4], instances[3, 3] = 4, 5  # 5 lies right of 2; 4 touches at a corner only
    assert views.touching(instances) == {1, 2, 5}


def test_second_clicks_beside_a_thing_lie_on_its_neighbour_more_often_than_not() -> None:
    small = np.zeros((60, 80), np.uint8)
    small[10:40, 10:40], small[15:35, 40:60] = 1, 2
    depth, _ = views._depths(small)
    rng = np.random.default_rng(0)
    hits = {1: 0, 0: 0}
    for _ in range(300):
        points, labels = views._prompt(small, depth, 1, Prompt.CLICKS, rng)
        (x, y), label = points[1], int(labels[1])
        on = int(small[int(y), int(x)])
        assert (on == 1) == (label == 1)
        hits[0] += label == 0 and on == 2
        hits[1] += label == 0
    assert 0.6 < hits[0] / hits[1] < 0.95
