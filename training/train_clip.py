# SPDX-License-Identifier: Apache-2.0
"""Trains the small open_clip network on crops and texts, several texts being true of a crop.

A crop can be a thing, bare table, a part of a thing or two things, so that the segmenter's false
proposals have a text of their own. Texts with one word swapped are hard negatives.
"""

from __future__ import annotations

import argparse
import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.clip import MERGES, ClipEncoder
from training import words
from training.common import Mask, Scenes, Thing, Training, begin, command, parser
from training.crops import (
    Background,
    background_mask,
    coarsen,
    crop,
    grow,
    joined_mask,
    part_mask,
    shrink,
    vary,
)
from training.metrics import retrieval_figures
from training.words import Kind, Meaning

SIDE = 64
CONTEXT = 16
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)

_SWAPPED = 44


def write_merges(path: Path) -> None:
    """Write the byte-pair merges of the vocabulary, the same bytes each time."""
    pairs = (" ".join(pair) for pair in words.train_merges(words.clip_words()))
    text = "\n".join(["#version: refseg_ros tabletop", *pairs])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as file:
        file.write(text.encode())


def build_tokenizer(merges: Path) -> Any:
    """open_clip's tokenizer with our merges: texts to (M, 16) int64 ids."""
    torchvision_compat.ensure()
    import open_clip

    return open_clip.tokenizer.SimpleTokenizer(bpe_path=str(merges), context_length=CONTEXT)


def model_config(vocabulary: int) -> dict[str, Any]:
    """open_clip's description of the network: a ResNet at 64 px and a text transformer."""
    return {
        "embed_dim": 128,
        "vision_cfg": {
            "layers": [1, 1, 1, 1],
            "width": 20,
            "image_size": SIDE,
            "patch_size": None,
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": vocabulary,
            "width": 128,
            "heads": 4,
            "layers": 3,
        },
    }


def build_clip(vocabulary: int) -> Any:
    """The untrained network."""
    torchvision_compat.ensure()
    import open_clip

    return open_clip.model.CLIP(**model_config(vocabulary))


def random_crop(
    scenes: Scenes, things: tuple[Thing, ...], rng: np.random.Generator
) -> tuple[np.ndarray, Meaning]:
    """A crop of a thing or of what a proposal may hold in its stead, and what it shows."""
    thing = words.pick(rng, things)
    chance = rng.random()
    background: Background = "black"
    if rng.random() >= 0.78:
        background = "blur" if rng.random() < 0.7 else "full"
    mask, kind = _random_mask(scenes, thing, chance, rng)
    varied = vary(crop(scenes.images[thing.scene], mask, background, SIDE), rng, cutout=True)
    category, colour = words.CATEGORIES.index(thing.category), words.COLOURS.index(thing.colour)
    return varied, Meaning(kind, category, colour)


def _random_mask(
    scenes: Scenes, thing: Thing, chance: float, rng: np.random.Generator
) -> tuple[Mask, Kind]:
    """One in seven is no whole thing; the others have the faults of a small network's masks."""
    mask, instances = scenes.mask(thing), np.asarray(scenes.instances[thing.scene])
    other, kind = None, Kind.OBJECT
    if chance < 0.07:
        other, kind = background_mask(mask, instances, rng), Kind.BACKGROUND
    elif chance < 0.11:
        other, kind = part_mask(mask, rng), Kind.PART
    elif chance < 0.14:
        other, kind = joined_mask(mask, thing.instance, instances, rng), Kind.TWO
    if other is not None:
        return other, kind
    fault = rng.random()
    if fault < 0.25:
        mask = grow(mask, words.pick(rng, (3, 5)))
    elif fault < 0.45:
        mask = shrink(mask)
    elif fault < 0.6:
        mask = coarsen(mask, rng)
    return mask, Kind.OBJECT


def random_texts(
    shown: list[Meaning], rng: np.random.Generator
) -> tuple[list[str], list[Meaning]]:
    """A true text for each crop, hard negatives, and one for each kind that is no thing.

    Returns:
        Texts, and what each says.
    """
    asked = list(shown)
    pairs = [words.random_text(rng, meaning) for meaning in shown]
    for _ in range(_SWAPPED):
        kind, category, colour = words.pick(rng, asked)
        if kind != Kind.OBJECT:
            category, colour = _any_category(rng), _any_colour(rng)
        elif rng.random() < 0.6:
            category = _any_category(rng)
        else:
            colour = _any_colour(rng)
        pairs.append(words.random_text(rng, Meaning(Kind.OBJECT, category, colour)))
    for kind in (Kind.BACKGROUND, Kind.PART, Kind.TWO):
        pairs.append(words.random_text(rng, Meaning(kind, -1, -1)))
    return [text for text, _ in pairs], [said for _, said in pairs]


def _any_category(rng: np.random.Generator) -> int:
    return int(rng.integers(len(words.CATEGORIES)))


def _any_colour(rng: np.random.Generator) -> int:
    return int(rng.integers(len(words.COLOURS)))


def to_pixels(images: list[np.ndarray]) -> Tensor:
    """N images (s, s, 3) in 0 to 255 to (N, 3, s, s) float32, normalised."""
    normal = (np.stack(images) / 255 - np.asarray(MEAN)) / np.asarray(STD)
    return torch.from_numpy(normal.astype(np.float32)).permute(0, 3, 1, 2)


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor, true: Tensor) -> Tensor:
    """Cross-entropy both ways with the probability shared by all that is true.

    Args:
        images: (N, D) unit features.
        texts: (M, D) unit features.
        scale: Scalar by which cosines become logits.
        true: (N, M) bool; each row has a true entry, a column need not.
    """
    logits = scale * images @ texts.T
    positive = true.float()
    of_image = positive / positive.sum(1, keepdim=True).clamp(min=1)
    of_text = positive / positive.sum(0, keepdim=True).clamp(min=1)
    answered = true.any(0).float()
    image_loss = -(of_image * logits.log_softmax(1)).sum(1).mean()
    text_loss = -((of_text * logits.log_softmax(0)).sum(0) * answered).sum() / answered.sum()
    return 0.5 * image_loss + 0.5 * text_loss


def train(options: argparse.Namespace) -> None:
    """Train until the budget is spent."""
    scenes, held_out = begin(options)
    write_merges(options.out / MERGES)
    tokenizer = build_tokenizer(options.out / MERGES)
    model = build_clip(tokenizer.vocab_size)
    things = scenes.all_things()

    def figures() -> dict[str, float]:
        return retrieval_figures(wrap(model, tokenizer), held_out, 100)

    training = Training({"model": model}, options, figures, weight_decay=0.05, warm_up=100)
    for rng in training:
        crops, shown = zip(
            *(random_crop(scenes, things, rng) for _ in range(options.batch)), strict=True
        )
        texts, said = random_texts(list(shown), rng)
        with torch.autocast("cpu", torch.bfloat16):
            image_features = model.encode_image(to_pixels(list(crops)))
            text_features = model.encode_text(tokenizer(texts))
        scale = model.logit_scale.exp().clamp(max=100)
        loss = contrastive_loss(
            functional.normalize(image_features.float(), dim=-1),
            functional.normalize(text_features.float(), dim=-1),
            scale,
            torch.from_numpy(words.true_of(shown, said)),
        )
        training.descend(loss, note=f"scale {scale.item():.1f}")
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))


def wrap(model: Any, tokenizer: Any) -> ClipEncoder:
    """The network as the segmenter uses it."""
    import open_clip

    preprocess = open_clip.transform.image_transform(SIDE, is_train=False, mean=MEAN, std=STD)
    return ClipEncoder(model, preprocess, tokenizer, torch.device("cpu"))


def main(arguments: list[str] | None = None) -> None:
    """The command ``python -m training.train_clip``."""
    options = parser(__doc__ or "", "clip", minutes=28, batch=96, lr=1.5e-3).parse_args(arguments)
    command(lambda: train(options))


if __name__ == "__main__":
    main()
