# SPDX-License-Identifier: Apache-2.0
"""Trains the small segment-anything network on single clicks.

The loss departs from the published one (focal and dice), with which objects of one per cent of
the pixels are not learnt in reasonable time: cross-entropy with the object's pixels weighed up,
dice, and an affinity of the embedding that is dropped after training.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from refseg_ros.backbones.sam import build_small_sam
from training.common import (
    Image,
    Mask,
    Scenes,
    Training,
    begin,
    command,
    parser,
)
from training.metrics import click_figures, click_in

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

SIDE = 256
HEIGHT = 192
"""Rows of the square input that a 4:3 image fills; the rest is padding."""
ARCHITECTURE = {
    "img_size": SIDE,
    "stem": 40,
    "widths": [72, 112, 144],
    "prompt_dim": 64,
    "mlp_dim": 256,
    "num_heads": 2,
}
"""Arguments of :func:`refseg_ros.backbones.sam.build_small_sam`; exported as ``config.json``."""

_CLICKS = 10
_AFFINITY_CELLS = 192
_PADDING = 255  # instance number of cells below the image


class Clicks(NamedTuple):
    """An image with clicks in it.

    Attributes:
        pixels: (3, 192, 256) float32 RGB in 0 to 255.
        points: (P, 2) float32 x, y of each click in pixels.
        masks: (P, 128, 128) float32, the share of each cell that the clicked thing covers.
        cells: (32, 32) int64 instance under the middle of each embedding cell.
    """

    pixels: Tensor
    points: Tensor
    masks: Tensor
    cells: Tensor


def build_sam() -> Sam:
    """The untrained network, with finer positional codes than those of a large one."""
    sam = build_small_sam(**ARCHITECTURE)  # type: ignore[arg-type]
    sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix *= 1.6
    return sam


def random_clicks(scenes: Scenes, rng: np.random.Generator) -> Clicks:
    """A random part of a random scene with nine clicks on things and one beside them."""
    while True:
        row = int(rng.integers(len(scenes)))
        image, instances = _zoom(scenes.images[row], scenes.instances[row], rng)
        pixels = _light(cv2.resize(image, (SIDE, HEIGHT), interpolation=cv2.INTER_AREA), rng)
        small = cv2.resize(instances, (SIDE, HEIGHT), interpolation=cv2.INTER_NEAREST)
        present = [n for n in np.unique(small) if n and (small == n).sum() >= 60]
        if present:
            break
    chosen: list[int] = []
    while len(chosen) < _CLICKS - 1:
        chosen += list(rng.permutation(present))
    points, masks = [], []
    for number in [*chosen[: _CLICKS - 1], 0]:
        mask = np.asarray(small == number)
        mask = mask if mask.any() else np.asarray(small == present[0])
        points.append(click_in(mask, rng, central=0.3 if number else 0.0))
        masks.append(_coverage(mask))
    padded = np.full((SIDE, SIDE), _PADDING, np.int64)
    padded[:HEIGHT] = small
    return Clicks(
        torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1),
        torch.tensor(points, dtype=torch.float32),
        torch.from_numpy(np.stack(masks)),
        torch.from_numpy(padded[4::8, 4::8].copy()),
    )


def _zoom(image: Image, instances: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """A cut of half to all of the sides, flipped or not."""
    height, width = instances.shape
    share = 1.0 if rng.random() < 0.35 else rng.uniform(0.5, 1.0)
    rows, columns = int(height * share), int(width * share)
    top = int(rng.integers(0, height - rows + 1))
    left = int(rng.integers(0, width - columns + 1))
    cut = np.s_[top : top + rows, left : left + columns]
    image, instances = image[cut], instances[cut]
    if rng.random() < 0.5:
        image, instances = image[:, ::-1], instances[:, ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(instances)


def _light(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another exposure, colour cast, sharpness and noise, in 0 to 255."""
    lit = image * rng.uniform(0.75, 1.25) * rng.uniform(0.93, 1.07, 3) + rng.uniform(-12, 12)
    if rng.random() < 0.3:
        lit = np.asarray(cv2.GaussianBlur(lit, (3, 3), rng.uniform(0.3, 1.0)), np.float64)
    return np.clip(lit + rng.normal(0, rng.uniform(0, 7), lit.shape), 0, 255)


def _coverage(mask: Mask) -> np.ndarray:
    """(128, 128) float32: the share of each 2 x 2 cell of the padded mask that is true."""
    padded = np.zeros((SIDE, SIDE), np.float32)
    padded[:HEIGHT] = mask
    return np.asarray(padded.reshape(SIDE // 2, 2, SIDE // 2, 2).mean((1, 3)))


def embed(sam: Sam, batch: list[Clicks]) -> Tensor:
    """(B, 64, 32, 32) embeddings of a batch."""
    pixels = torch.stack([sam.preprocess(item.pixels) for item in batch])
    with torch.autocast("cpu", torch.bfloat16):
        embedded: Tensor = sam.image_encoder(pixels)
    return embedded.float()


def decode(sam: Sam, embedding: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """All four masks of each click.

    Args:
        sam: The network.
        embedding: (64, 32, 32) of one image.
        points: (P, 2) clicks in pixels of the input.

    Returns:
        (P, 4, 128, 128) logits, the first for clear prompts, and (P, 4) predicted IoUs.
    """
    labels = torch.ones(len(points), 1)
    sparse, dense = sam.prompt_encoder(points=(points[:, None], labels), boxes=None, masks=None)
    with torch.autocast("cpu", torch.bfloat16):
        masks, quality = sam.mask_decoder.predict_masks(
            image_embeddings=embedding[None],
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )
    return masks.float(), quality.float()


def mask_loss(logits: Tensor, quality: Tensor, truth: Tensor) -> Tensor:
    """Loss of the masks of one image.

    Of the three masks for unclear clicks the best is learnt, with a little for the others so
    that none dies; the mask for clear prompts and the predicted IoUs are learnt always.

    Args:
        logits: (P, 4, 128, 128).
        quality: (P, 4) predicted IoUs.
        truth: (P, 128, 128) coverage in [0, 1].
    """
    shown = torch.zeros(truth.shape[1:])
    shown[: HEIGHT // 2] = 1
    target = truth[:, None]
    inside = (truth * shown).sum((1, 2)).clamp(min=1)
    heavier = ((shown.sum() - inside) / inside).clamp(0.2, 25)[:, None, None, None]
    weight = (1 + (heavier - 1) * target) * shown
    entropy = functional.binary_cross_entropy_with_logits(
        logits, target.expand_as(logits), reduction="none"
    )
    entropy = (entropy * weight).sum((2, 3)) / weight.sum((2, 3))
    share = logits.sigmoid() * shown
    overlap = 2 * (share * target).sum((2, 3)) + 1
    dice = 1 - overlap / (share.sum((2, 3)) + target.sum((2, 3)) + 1)
    each = 2 * entropy + dice
    best = each[:, 1:].min(1).values.mean()
    alive = 0.5 * each[:, 0].mean() + 0.05 * each[:, 1:].mean()
    return best + alive + 2 * ((quality - _ious(logits, target, shown)) ** 2).mean()


def _ious(logits: Tensor, target: Tensor, shown: Tensor) -> Tensor:
    """(P, 4) IoUs of the masks at logit 0 with the truth at half coverage."""
    found, true = (logits > 0).float() * shown, (target > 0.5).float()
    union = ((found + true) > 0).float().sum((2, 3)).clamp(min=1)
    return (found * true).sum((2, 3)) / union


def affinity_loss(features: Tensor, cells: Tensor) -> Tensor:
    """Makes cells of the same thing alike and others not, on random pairs.

    Args:
        features: (B, C, 32, 32) projected embeddings.
        cells: (B, 32, 32) int64 instances; padding is left out.
    """
    total = torch.zeros(())
    half = _AFFINITY_CELLS // 2
    for row, labels in zip(features.flatten(2), cells.flatten(1), strict=True):
        shown = torch.nonzero(labels != _PADDING)[:, 0]
        things = shown[labels[shown] > 0]
        # Half of the cells lie on things where there are any: they cover little of a table.
        pools = (shown, things) if len(things) else (shown, shown)
        drawn = torch.cat([pool[torch.randint(len(pool), (half,))] for pool in pools])
        vectors = row[:, drawn].T
        same = (labels[drawn][:, None] == labels[drawn][None]).float()
        logits = 3 - torch.cdist(vectors, vectors) ** 2
        total = total + functional.binary_cross_entropy_with_logits(logits, same)
    return total / len(features)


def train(options: argparse.Namespace) -> None:
    """Train until the budget is spent."""
    scenes, held_out = begin(options)
    sam = build_sam()
    affinity = nn.Conv2d(64, 16, 1)
    training = Training(
        {"sam": sam, "aff": affinity},
        options,
        lambda: click_figures(sam, held_out, 60),
        weight_decay=0.02,
        warm_up=200,
    )
    for rng in training:
        batch = [random_clicks(scenes, rng) for _ in range(options.batch)]
        embedded = embed(sam, batch)
        masks = torch.zeros(())
        for item, embedding in zip(batch, embedded, strict=True):
            masks = masks + mask_loss(*decode(sam, embedding, item.points), item.masks)
        masks = masks / len(batch)
        alike = affinity_loss(affinity(embedded), torch.stack([item.cells for item in batch]))
        training.descend(masks + 0.5 * alike, masks.item(), f"affinity {alike.item():.3f}")


def main(arguments: list[str] | None = None) -> None:
    """The command ``python -m training.train_sam``."""
    options = parser(__doc__ or "", "sam", minutes=70, batch=6, lr=1.5e-3).parse_args(arguments)
    command(lambda: train(options))


if __name__ == "__main__":
    main()
