# SPDX-License-Identifier: Apache-2.0
"""Trains the small open_clip network on crops and texts; several texts may be true of a crop.

A crop can be a thing, bare table, a part of a thing or two things, so that the segmenter's false
proposals have a text of their own. Texts with one word swapped are hard negatives.
"""

from __future__ import annotations

import argparse
import gzip
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from refseg_lab.training import vocabulary
from refseg_lab.training.augment import Background, random_crop, seen_elsewhere
from refseg_lab.training.bank import Bank, open_bank
from refseg_lab.training.common import (
    Training,
    add_light,
    begin,
    begin_with,
    command,
    parser,
)
from refseg_lab.training.light import WIDE
from refseg_lab.training.metrics import retrieval_figures
from refseg_lab.training.vocabulary import Kind, Meaning
from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.clip import MERGES, ClipEncoder

SIDE = 64
CONTEXT = 16
WEIGHTS = "open_clip_model.safetensors"
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)

_SWAPPED = 44
_LEFT_OUT = -1e4
_KINDS = (0.87, 0.07, 0.0, 0.06)


def write_merges(path: Path) -> None:
    """Write the byte-pair merges of the vocabulary, the same bytes each time."""
    pairs = (" ".join(pair) for pair in vocabulary.train_merges(vocabulary.clip_words()))
    text = "\n".join(["#version: refseg_ros tabletop", *pairs])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as file:
        file.write(text.encode())


def clip_tokenizer(merges: Path) -> Any:
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


def random_crops(
    bank: Bank, count: int, rng: np.random.Generator, wide: float = WIDE
) -> tuple[NDArray[np.float32], list[Meaning]]:
    """Crops of things and of what a proposal may hold instead, and what they show.

    One in seven is bare table or two things; see also :func:`.augment.random_crop`.

    Args:
        bank: The windows.
        count: How many crops.
        rng: Source of chance.
        wide: Share of crops in other light.

    Returns:
        (count, 64, 64, 3) float32 in 0 to 255, and their meanings.
    """
    kinds = rng.choice(len(_KINDS), count, p=_KINDS)
    crops = []
    for kind in kinds:
        background: Background = "black"
        if rng.random() >= 0.78:
            background = "blur" if rng.random() < 0.7 else "full"
        crops.append(random_crop(bank, bank.draw(int(kind), rng), background, SIDE, rng))
    images, shown = zip(*crops, strict=True)
    return seen_elsewhere(images, shown, rng, wide)


def random_texts(
    shown: list[Meaning], pairs: Sequence[tuple[int, int]], rng: np.random.Generator
) -> tuple[list[str], list[Meaning]]:
    """A true text for each crop, hard negatives, and one for each kind that is no thing.

    A negative names only what some crop of the data shows: the text of a pair that no crop
    shows would be wrong of everything, and be learnt to mean nothing.

    Args:
        shown: What the crops show.
        pairs: Category and colour of all things of the data.
        rng: Source of chance.

    Returns:
        Texts, and what each says.
    """
    texts = [vocabulary.random_text(rng, meaning) for meaning in shown]
    for _ in range(_SWAPPED):
        texts.append(
            vocabulary.random_text(rng, swapped(vocabulary.one_of(rng, shown), pairs, rng))
        )
    for kind in (Kind.BACKGROUND, Kind.PART, Kind.TWO):
        texts.append(vocabulary.random_text(rng, Meaning(kind, -1, -1)))
    return [text for text, _ in texts], [said for _, said in texts]


def swapped(shown: Meaning, pairs: Sequence[tuple[int, int]], rng: np.random.Generator) -> Meaning:
    """Another thing of the data: of the same colour or of the same category, where it can be."""
    chance = rng.random() if shown.kind == Kind.OBJECT else 1.0
    near = [
        (category, colour)
        for category, colour in pairs
        if (chance < 0.6 and colour == shown.colour and category != shown.category)
        or (0.6 <= chance < 1 and category == shown.category and colour != shown.colour)
    ]
    return Meaning(int(Kind.OBJECT), *vocabulary.one_of(rng, near or pairs))


def clip_pixels(images: NDArray[np.float32]) -> Tensor:
    """(N, s, s, 3) in 0 to 255 to (N, 3, s, s) float32, normalised."""
    mean, std = (255 * np.asarray(value, np.float32) for value in (MEAN, STD))
    return torch.from_numpy((images - mean) / std).permute(0, 3, 1, 2)


def contrastive_loss(
    images: Tensor, texts: Tensor, scale: Tensor, true: Tensor, unclear: Tensor | None = None
) -> Tensor:
    """Cross-entropy both ways with the probability shared by all that is true.

    Args:
        images: (N, D) unit features.
        texts: (M, D) unit features.
        scale: Scalar by which cosines become logits.
        true: (N, M) bool; each row has a true entry, a column need not.
        unclear: (N, M) bool; pairs that are neither true nor false and are left out.
    """
    logits = scale * images @ texts.T
    if unclear is not None:
        logits = logits.masked_fill(unclear, _LEFT_OUT)
    positive = true.float()
    of_image = positive / positive.sum(1, keepdim=True).clamp(min=1)
    of_text = positive / positive.sum(0, keepdim=True).clamp(min=1)
    answered = true.any(0).float()
    image_loss = -(of_image * logits.log_softmax(1)).sum(1).mean()
    text_loss = -((of_text * logits.log_softmax(0)).sum(0) * answered).sum() / answered.sum()
    return 0.5 * image_loss + 0.5 * text_loss


def train_clip(options: argparse.Namespace) -> None:
    """Train to the last step."""
    scenes, held_out = begin(options)
    bank = open_bank(options.data / "train", scenes)
    write_merges(options.out / MERGES)
    tokenizer = clip_tokenizer(options.out / MERGES)
    model = build_clip(tokenizer.vocab_size)
    begin_with(model, options.begin, WEIGHTS)
    # Names keep their meaning, and with it all that was fitted to them: the image part follows.
    if options.begin is not None:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith("visual."))
    model.visual.to(memory_format=torch.channels_last)  # a seventh less time a convolution
    pairs = bank.pairs()

    def figures() -> Mapping[str, float]:
        return retrieval_figures(wrap(model, tokenizer), held_out, 100)

    training = Training({"model": model}, options, figures, weight_decay=0.05, warm_up=100)
    for rng in training:
        crops, shown = random_crops(bank, options.batch, rng, options.wide)
        texts, said = random_texts(shown, pairs, rng)
        with torch.autocast("cpu", torch.bfloat16):
            image_features = model.encode_image(clip_pixels(crops))
            text_features = model.encode_text(tokenizer(texts))
        scale = model.logit_scale.exp().clamp(max=100)
        loss = contrastive_loss(
            functional.normalize(image_features.float(), dim=-1),
            functional.normalize(text_features.float(), dim=-1),
            scale,
            torch.from_numpy(vocabulary.true_of(shown, said)),
            torch.from_numpy(vocabulary.unclear(shown, said)),
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
    """The command ``python -m refseg_lab.training.train_clip``."""
    made = parser(__doc__ or "", "clip", steps=2400, batch=96, lr=1.5e-3)
    add_light(made)
    options = made.parse_args(arguments)
    command(lambda: train_clip(options))


if __name__ == "__main__":
    main()
