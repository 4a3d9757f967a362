# SPDX-License-Identifier: Apache-2.0
"""Trains the small segment-anything network, and its seed head, on windows of scenes.

The published loss (focal and dice) does not learn objects of one per cent of the pixels in
reasonable time. This one is cross-entropy, with the object's pixels weighted more at first, plus
dice and an affinity of the embedding that is dropped after training.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from refseg_lab.training.common import Scenes, Training, begin, command, parser
from refseg_lab.training.metrics import click_figures, proposal_figures
from refseg_lab.training.views import FRAME, WINDOW, Prompt, View, random_view
from refseg_ros.backbones import sam_decoding
from refseg_ros.backbones.conv_pyramid import STRIDE
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.sam import build_small_sam
from refseg_ros.backbones.sam_decoding import FINER, corners, cut, decode
from refseg_ros.config import SegmenterConfig
from refseg_ros.proposals.seeds import SeedProposer

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

_CHANNELS = 64
ARCHITECTURE = {
    "img_size": FRAME,
    "stem": 40,
    "widths": [72, 112, 144],
    "prompt_dim": _CHANNELS,
    "mlp_dim": 256,
    "num_heads": 2,
    "norm": "batch",
    "seeds": True,
}
"""Arguments of :func:`refseg_ros.backbones.sam.build_small_sam`; exported as ``config.json``."""

_PROMPTS = 5
_AFFINITY_CELLS = 160
_FRAMES_FROM = 0.85
"""Share of the steps after which whole frames replace windows."""
_FRAME_HEIGHT = FRAME * 3 // 4
_WINDOWS_A_FRAME = 4
_WHOLE = 0.2  # of the steps on frames
_PROMPTS_OF_WHOLE = 3


def build_sam() -> Sam:
    """The untrained network, with finer positional codes than those of a large one."""
    sam = build_small_sam(**ARCHITECTURE)  # type: ignore[arg-type]
    sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix *= 1.6
    return sam


class Batch(NamedTuple):
    """Views of one size, prompted in one way, and the cells along a side that a prompt sees."""

    views: list[View]
    window: int


def random_batch(scenes: Scenes, rng: np.random.Generator, count: int, spent: float) -> Batch:
    """Random views.

    In whole frames most prompts see a window, and some see the whole frame, as with
    segment-anything's own predictor.

    Args:
        scenes: Where they are taken from.
        rng: Source of chance.
        count: How many windows, or a quarter as many frames.
        spent: The share of the training that is over.
    """
    kind = Prompt(int(rng.choice(3, p=(0.62, 0.26, 0.12))))
    size, prompts, window = WINDOW, _PROMPTS, sam_decoding.WINDOW
    if spent >= _FRAMES_FROM:
        size, prompts = (_FRAME_HEIGHT, FRAME), 2 * _PROMPTS
        count = max(1, count // _WINDOWS_A_FRAME)
        if rng.random() < _WHOLE:
            prompts, window = _PROMPTS_OF_WHOLE, FRAME // STRIDE
    views = [random_view(scenes, rng, size=size, prompts=prompts, kind=kind) for _ in range(count)]
    return Batch(views, window)


def embed(sam: Sam, views: list[View]) -> tuple[Tensor, Tensor]:
    """Embeddings (B, C, h / 8, w / 8) and logits of the seeds (B, 2, h / 4, w / 4) of views."""
    pixels = (torch.stack([view.pixels for view in views]) - sam.pixel_mean) / sam.pixel_std
    with torch.autocast("cpu", torch.bfloat16):
        embedded = sam.image_encoder(pixels.to(memory_format=torch.channels_last))
        seeds = sam.image_encoder.seeds(embedded)
    return embedded.float(), seeds.float()


def answer(sam: Sam, embedded: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """The masks of all prompts of views, each in its window.

    Args:
        sam: The network.
        embedded: (B, C, h, w) their embeddings.
        batch: What they are of.

    Returns:
        (N, 4, H, W) logits, (N, 4) predicted IoUs, and (N, H, W) the true coverage.
    """
    views = batch.views
    counts = torch.tensor([len(view.points) for view in views])
    which = torch.repeat_interleave(torch.arange(len(views)), counts)
    origins = torch.tensor([view.origin for view in views])[which]
    points, labels = (torch.cat([getattr(v, n) for v in views]) for n in ("points", "labels"))
    real = (labels >= 0)[..., None]
    middles = (points * real).sum(1) / real.sum(1)
    shape = (embedded.shape[2], embedded.shape[3])
    first, size = corners((middles / STRIDE).long(), shape, batch.window)
    codes = sam.prompt_encoder.get_dense_pe()
    none = torch.zeros(len(which), dtype=torch.int64)
    tokens = _prompt_tokens(sam, points + origins[:, None], labels)
    with torch.autocast("cpu", torch.bfloat16):
        masks, quality = decode(
            sam,
            cut(embedded, which, first, size),
            cut(codes, none, first + origins // STRIDE, size),
            tokens,
        )
    truth = torch.cat([view.masks for view in views])[:, None]
    fine = (size[0] * FINER, size[1] * FINER)
    truth = cut(truth, torch.arange(len(which)), first * FINER, fine)[:, 0]
    return masks.float(), quality.float(), truth


def _prompt_tokens(sam: Sam, points: Tensor, labels: Tensor) -> Tensor:
    """(N, T, C) sparse embeddings of prompts of one kind; half precision would blur places."""
    if (labels[:, 0] == 2).all():
        boxes = points.flatten(1)
        tokens: Tensor = sam.prompt_encoder(points=None, boxes=boxes, masks=None)[0]
        return tokens
    used = 1 if (labels[:, 1] < 0).all() else 2
    given = (points[:, :used], labels[:, :used])
    tokens = sam.prompt_encoder(points=given, boxes=None, masks=None)[0]
    return tokens


def mask_loss(logits: Tensor, quality: Tensor, truth: Tensor, balance: float) -> Tensor:
    """Loss of the masks of prompts.

    Of the three masks for unclear prompts the best is learnt, with a little for the others so
    that none dies; the mask for clear prompts and the predicted IoUs are learnt always. Errors
    count in proportion to the thing's area, as they do in IoU.

    Args:
        logits: (P, 4, H, W).
        quality: (P, 4) predicted IoUs.
        truth: (P, H, W) coverage in [0, 1].
        balance: From 0, all pixels count alike, to 1: the thing's count as much as all others.
    """
    target = truth[:, None]
    inside = truth.sum((1, 2)).clamp(min=64)[:, None]
    outside = truth[0].numel() - inside
    heavier = (outside / inside).clamp(1, 25) ** balance
    blurred = functional.avg_pool2d(target, 5, 1, 2, count_include_pad=False)
    weight = (1 + (heavier[..., None, None] - 1) * target) * (1 + 2 * (blurred - target).abs())
    entropy = functional.binary_cross_entropy_with_logits(
        logits, target.expand_as(logits), reduction="none"
    )
    entropy = (entropy * weight).sum((2, 3)) / (2 * heavier * inside)
    share = logits.sigmoid()
    overlap = 2 * (share * target).sum((2, 3)) + 1
    dice = 1 - overlap / (share.sum((2, 3)) + target.sum((2, 3)) + 1)
    each = entropy + dice
    best = each[:, 1:].min(1).values.mean()
    alive = each[:, 0].mean() + 0.05 * each[:, 1:].mean()
    return 0.5 * best + alive + 2 * ((quality - _ious(logits.detach(), target)) ** 2).mean()


def _ious(logits: Tensor, target: Tensor) -> Tensor:
    """(P, 4) IoUs of the masks at logit 0 with the truth at half coverage."""
    found, true = logits > 0, target > 0.5
    union = (found | true).sum((2, 3)).clamp(min=1)
    return (found & true).sum((2, 3)) / union


def seed_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy of showing a thing, and the error of the share of depth where one is.

    Args:
        logits: (B, 2, H, W).
        truth: (B, 2, H, W) in [0, 1], see :class:`refseg_lab.training.views.View`.
    """
    covered, depth = truth[:, 0], truth[:, 1]
    shows = functional.binary_cross_entropy_with_logits(logits[:, 0], covered)
    error = (logits[:, 1].sigmoid() - depth).abs() * covered
    return 2 * shows + error.sum() / covered.sum().clamp(min=1)


def affinity_loss(features: Tensor, cells: Tensor) -> Tensor:
    """Makes cells of the same thing alike and others not, on random pairs.

    Args:
        features: (B, C, h, w) projected embeddings.
        cells: (B, h, w) int64 instances.
    """
    total = torch.zeros(())
    half = _AFFINITY_CELLS // 2
    for row, labels in zip(features.flatten(2), cells.flatten(1), strict=True):
        things = torch.nonzero(labels > 0)[:, 0]
        everywhere = torch.arange(len(labels))
        # Half of the cells lie on things where there are any: they cover little of a table.
        pools = (everywhere, things) if len(things) else (everywhere, everywhere)
        drawn = torch.cat([pool[torch.randint(len(pool), (half,))] for pool in pools])
        vectors = row[:, drawn].T
        same = (labels[drawn][:, None] == labels[drawn][None]).float()
        logits = 3 - torch.cdist(vectors, vectors) ** 2
        total = total + functional.binary_cross_entropy_with_logits(logits, same)
    return total / len(features)


def sam_figures(sam: Sam, held_out: Scenes) -> dict[str, float]:
    """What one click finds, and what the proposals of the bundled preset do, on a few scenes."""
    config = replace(SegmenterConfig.from_preset("tabletop").proposals, prompts="seeds")
    proposer = SeedProposer(sam, config, Device.from_name("cpu"))
    clicks = click_figures(sam, held_out, 15).items()
    proposals = proposal_figures(proposer, held_out, 40).items()
    return {f"click: {name}": value for name, value in clicks} | {
        f"proposals: {name}": value for name, value in proposals
    }


def train_sam(options: argparse.Namespace) -> None:
    """Train to the last step."""
    scenes, held_out = begin(options)
    sam = build_sam()
    sam.image_encoder.to(memory_format=torch.channels_last)
    affinity = nn.Conv2d(_CHANNELS, 16, 1)
    training = Training(
        {"sam": sam, "aff": affinity},
        options,
        lambda: sam_figures(sam, held_out),
        weight_decay=0.02,
        warm_up=100,
        muon=True,
    )
    for rng in training:
        batch = random_batch(scenes, rng, options.batch, training.spent)
        views = batch.views
        embedded, seeds = embed(sam, views)
        balance = max(0.0, 1 - training.spent / _FRAMES_FROM)
        masks = mask_loss(*answer(sam, embedded, batch), balance)
        alike = affinity_loss(affinity(embedded), torch.stack([view.cells for view in views]))
        found = seed_loss(seeds, torch.stack([view.seeds for view in views]))
        note = f"affinity {alike.item():.3f}, seeds {found.item():.3f}"
        training.descend(masks + 0.5 * alike + found, masks.item(), note)


def main(arguments: list[str] | None = None) -> None:
    """The command ``python -m refseg_lab.training.train_sam``."""
    options = parser(__doc__ or "", "sam", steps=7500, batch=8, lr=2e-3).parse_args(arguments)
    command(lambda: train_sam(options))


if __name__ == "__main__":
    main()
