# SPDX-License-Identifier: Apache-2.0
"""Trains the small BLIP to name one thing in a crop, and up to four things of a scene."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from refseg_lab.training import vocabulary
from refseg_lab.training.augment import random_crop, seen_elsewhere
from refseg_lab.training.bank import Bank, open_bank
from refseg_lab.training.common import (
    RUNS,
    Training,
    add_light,
    begin,
    begin_with,
    command,
    parser,
)
from refseg_lab.training.crops import fit
from refseg_lab.training.light import WIDE
from refseg_lab.training.metrics import caption_figures
from refseg_lab.training.teacher import Teacher
from refseg_lab.training.vocabulary import Kind, Meaning
from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.captioner import Captioner

SIDE = 64
PATCH = 8
WIDTH = 128

_SWAPPED = 0.25
_WHOLE = 0.06
_TAUGHT = 0.7  # share of the time; then it goes its own way
_THINGS = (Kind.OBJECT, Kind.PART)
_NOTHING = Meaning(-1, -1, -1)


def build_processor() -> Any:
    """BLIP's processor with a vocabulary of whole words."""
    torchvision_compat.ensure()
    from transformers import BertTokenizer, BlipProcessor
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    tokenizer = BertTokenizer(
        vocab=vocabulary.caption_vocabulary(), do_lower_case=True, bos_token="[DEC]"
    )
    images = BlipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    return BlipProcessor(image_processor=images, tokenizer=tokenizer)


def build_captioner() -> Any:
    """The untrained ``BlipForConditionalGeneration``."""
    torchvision_compat.ensure()
    from transformers import BlipConfig, BlipForConditionalGeneration

    ids = vocabulary.caption_vocabulary()
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": PATCH,
        "hidden_act": "gelu",
    }
    text = {
        "vocab_size": len(ids),
        "hidden_size": 128,
        "encoder_hidden_size": WIDTH,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 40,
        "pad_token_id": ids["[PAD]"],
        "bos_token_id": ids["[DEC]"],
        "eos_token_id": ids["[SEP]"],
        "sep_token_id": ids["[SEP]"],
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    config = BlipConfig(
        vision_config=vision, text_config=text, projection_dim=64, image_text_hidden_size=64
    )
    return BlipForConditionalGeneration(config)


def random_examples(
    bank: Bank, count: int, rng: np.random.Generator, wide: float = WIDE
) -> tuple[NDArray[np.float32], list[str], list[Meaning]]:
    """Crops on a blurred background, one in twenty bare table, and a few whole pictures.

    Args:
        bank: The windows.
        count: How many examples.
        rng: Source of chance.
        wide: Share of crops in other light.

    Returns:
        (count, s, s, 3) float32 in 0 to 255, their captions, and what they show; whole pictures
        last.
    """
    whole = rng.binomial(count, _WHOLE)
    images, drawn, texts = [], [], []
    for _ in range(count - whole):
        kind = Kind.BACKGROUND if rng.random() < 0.05 else Kind.OBJECT
        image, meaning = random_crop(bank, bank.draw(kind, rng), "blur", SIDE, rng)
        images.append(image)
        drawn.append(meaning)
    for _ in range(whole):
        row = int(rng.integers(len(bank.captions)))
        images.append(fit(bank.pictures[row], SIDE))
        texts.append(bank.captions[row])
        drawn.append(_NOTHING)
    pixels, shown = seen_elsewhere(images, drawn, rng, wide)
    crops = [caption_of(meaning, rng) for meaning in shown[: count - whole]]
    return pixels, [*crops, *texts], shown


def caption_of(shown: Meaning, rng: np.random.Generator) -> str:
    """The caption of a crop; parts are named like the whole, unknown colours at random."""
    if shown.kind == Kind.BACKGROUND:
        return vocabulary.EMPTY_TABLE
    colour = (
        vocabulary.COLOURS[shown.colour]
        if shown.colour >= 0
        else vocabulary.one_of(rng, vocabulary.COLOURS)
    )
    return vocabulary.thing_caption(vocabulary.CATEGORIES[shown.category], colour)


def caption_loss(
    model: Any, ids: Tensor, seen: Tensor, shown: Sequence[Meaning], rng: np.random.Generator
) -> Tensor:
    """Cross-entropy of the next word, smoothed by 0.05.

    Args:
        model: The captioner.
        ids: (N, L) int64 tokens, padded with those of id 0.
        seen: (N, T, D) float, what the image part makes of the images.
        shown: What each image shows; where the colour is unknown it need not be said.
        rng: Source of chance with which one in four colours that the network reads is another
            than the one that it had to write, so that no colour tells the category after it.
    """
    colours = torch.tensor(model_ids(vocabulary.COLOURS))
    chance = torch.from_numpy(rng.random(ids.shape))
    other = colours[torch.from_numpy(rng.integers(len(colours), size=ids.shape))]
    read = torch.where(torch.isin(ids, colours) & (chance < _SWAPPED), other, ids)
    logits = model.text_decoder(
        input_ids=read, attention_mask=(ids > 0).long(), encoder_hidden_states=seen
    ).logits.float()
    following = ids.masked_fill(ids == 0, -100)[:, 1:]
    unknown = [meaning.kind == Kind.OBJECT and meaning.colour < 0 for meaning in shown]
    following[torch.tensor(unknown), :2] = -100  # article and colour
    return functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), following.flatten(), ignore_index=-100, label_smoothing=0.05
    )


def spoken_loss(
    model: Any,
    texts: Sequence[str],
    seen: Tensor,
    shown: Sequence[Meaning],
    rng: np.random.Generator,
) -> Tensor:
    """:func:`caption_loss` of crops and of whole pictures, each weighed by its number.

    The two go through the network apart: the captions of pictures are five times as long, and
    those of crops would be padded to their length.
    """
    crops = sum(meaning.kind >= 0 for meaning in shown)
    parts = [(0, crops), (crops, len(texts))]
    losses = [
        caption_loss(model, to_ids(texts[low:high]), seen[low:high], shown[low:high], rng)
        * ((high - low) / len(texts))
        for low, high in parts
        if low < high
    ]
    return torch.stack(losses).sum()


def class_loss(logits: Tensor, shown: Sequence[Meaning]) -> Tensor:
    """Cross-entropy of category and of colour, smoothed by 0.05, over the crops of things.

    Args:
        logits: (N, categories + colours) float32.
        shown: What each image shows; whole pictures and bare table are left out.
    """
    of_things = [row for row, meaning in enumerate(shown) if meaning.kind in _THINGS]
    if not of_things:
        return logits.sum() * 0
    truth = torch.tensor([shown[row][1:] for row in of_things])
    known = truth[:, 1] >= 0
    categories, colours = logits[of_things].tensor_split([len(vocabulary.CATEGORIES)], 1)
    return functional.cross_entropy(
        categories, truth[:, 0], label_smoothing=0.05
    ) + functional.cross_entropy(
        colours[known], truth[known, 1], label_smoothing=0.05, reduction="sum"
    ) / len(truth)


def model_ids(tokens: Sequence[str]) -> list[int]:
    """Ids of words of the captioner's vocabulary."""
    ids = vocabulary.caption_vocabulary()
    return [ids[token] for token in tokens]


def to_ids(texts: Sequence[str]) -> Tensor:
    """Captions to (N, L) int64: begin, words, end, and zeros behind."""
    rows = [model_ids(["[DEC]", *text.replace(",", " ,").split(), "[SEP]"]) for text in texts]
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])


def captioner_pixels(processor: Any, images: NDArray[np.float32]) -> Tensor:
    """(N, s, s, 3) in 0 to 255 to (N, 3, s, s) float32, normalised as BLIP does."""
    mean, std = processor.image_processor.image_mean, processor.image_processor.image_std
    mean, std = (255 * np.asarray(value, np.float32) for value in (mean, std))
    return torch.from_numpy((images - mean) / std).permute(0, 3, 1, 2)


def train_captioner(options: argparse.Namespace) -> None:
    """Train to the last step."""
    scenes, held_out = begin(options)
    bank = open_bank(options.data / "train", scenes)
    model, processor = build_captioner(), build_processor()
    begin_with(model, options.begin, "model.safetensors")
    # Names things outright from the same image features; dropped when the model is written.
    head = nn.Linear(WIDTH, len(vocabulary.CATEGORIES) + len(vocabulary.COLOURS))
    teacher = Teacher.load(options.teacher, WIDTH)
    captioner = Captioner(
        model, processor, device=torch.device("cpu"), num_beams=1, batch_size=options.batch
    )
    training = Training(
        {"model": model, "head": head, "teacher": teacher},
        options,
        lambda: caption_figures(captioner, held_out, 60),
        weight_decay=0.05,
        warm_up=150,
        muon=True,
    )
    model.train()
    for rng in training:
        images, texts, shown = random_examples(bank, options.batch, rng, options.wide)
        pixels = captioner_pixels(processor, images)
        with torch.autocast("cpu", torch.bfloat16):
            vision = model.vision_model(pixel_values=pixels, output_hidden_states=True)
            spoken = spoken_loss(model, texts, vision.last_hidden_state, shown, rng)
        named = class_loss(head(vision.last_hidden_state.float().mean(1)), shown)
        loss = spoken + 0.5 * named
        if training.spent < _TAUGHT:
            middle = vision.hidden_states[len(vision.hidden_states) // 2]
            loss = loss + teacher(pixels, middle, vision.last_hidden_state)
        training.descend(loss, shown=spoken.item())


def main(arguments: list[str] | None = None) -> None:
    """The command ``python -m refseg_lab.training.train_captioner``."""
    made = parser(__doc__ or "", "captioner", steps=4600, batch=64, lr=1.5e-3)
    made.add_argument("--teacher", type=Path, default=RUNS / "clip", help="a CLIP training")
    add_light(made)
    options = made.parse_args(arguments)
    command(lambda: train_captioner(options))


if __name__ == "__main__":
    main()
