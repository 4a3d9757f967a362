# SPDX-License-Identifier: Apache-2.0
"""Trains the small BLIP to name one thing in a crop, and up to four things of a scene."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.captioner import Captioner
from training import words
from training.common import Scenes, Thing, Training, begin, command, parser
from training.crops import background_mask, crop, fit, grow, shrink, vary
from training.metrics import caption_figures

SIDE = 128


def build_processor() -> Any:
    """BLIP's processor with a vocabulary of whole words."""
    torchvision_compat.ensure()
    from transformers import BertTokenizer, BlipProcessor
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    tokenizer = BertTokenizer(
        vocab=words.caption_vocabulary(), do_lower_case=True, bos_token="[DEC]"
    )
    images = BlipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    return BlipProcessor(image_processor=images, tokenizer=tokenizer)


def build_captioner() -> Any:
    """The untrained ``BlipForConditionalGeneration``."""
    torchvision_compat.ensure()
    from transformers import BlipConfig, BlipForConditionalGeneration

    ids = words.caption_vocabulary()
    vision = {
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": 16,
        "hidden_act": "gelu",
    }
    text = {
        "vocab_size": len(ids),
        "hidden_size": 128,
        "encoder_hidden_size": 128,
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


def random_example(
    scenes: Scenes, things: tuple[Thing, ...], rng: np.random.Generator
) -> tuple[np.ndarray, str]:
    """A whole image (three in ten) or a crop on a blurred background, with its caption."""
    if rng.random() < 0.3:
        row = int(rng.integers(len(scenes)))
        seen = sorted(
            ((item.area, item.category, item.colour) for item in scenes.things[row]), reverse=True
        )
        text = words.describe_scene([(category, colour) for _, category, colour in seen])
        return vary(fit(scenes.images[row], SIDE), rng, turn=False), text
    thing = words.pick(rng, things)
    mask, text = scenes.mask(thing), words.describe(thing.category, thing.colour)
    chance = rng.random()
    if chance < 0.07:
        elsewhere = background_mask(mask, np.asarray(scenes.instances[thing.scene]), rng)
        if elsewhere is not None:
            mask, text = elsewhere, words.EMPTY_TABLE
    elif chance < 0.3:
        mask = grow(mask)
    elif chance < 0.45:
        mask = shrink(mask)
    return vary(crop(scenes.images[thing.scene], mask, "blur", SIDE), rng), text


def caption_loss(model: Any, processor: Any, pixels: Tensor, texts: list[str]) -> Tensor:
    """Cross-entropy of the next word, smoothed by 0.05.

    Args:
        model: The captioner.
        processor: Its processor.
        pixels: (N, 3, 128, 128) float32, normalised.
        texts: N captions.
    """
    encoded = processor.tokenizer(texts, padding=True, return_tensors="pt")
    ids = encoded["input_ids"].clone()
    ids[:, 0] = model.config.text_config.bos_token_id
    with torch.autocast("cpu", torch.bfloat16):
        seen = model.vision_model(pixel_values=pixels).last_hidden_state
        logits = model.text_decoder(
            input_ids=ids, attention_mask=encoded["attention_mask"], encoder_hidden_states=seen
        ).logits.float()
    following = ids.masked_fill(encoded["attention_mask"] == 0, -100)[:, 1:]
    return functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), following.flatten(), ignore_index=-100, label_smoothing=0.05
    )


def to_pixels(processor: Any, images: list[np.ndarray]) -> Tensor:
    """N images (s, s, 3) in 0 to 255 to (N, 3, s, s) float32, normalised as BLIP does."""
    mean, std = processor.image_processor.image_mean, processor.image_processor.image_std
    normal = (np.stack(images) / 255 - np.asarray(mean)) / np.asarray(std)
    return torch.from_numpy(normal.astype(np.float32)).permute(0, 3, 1, 2)


def train(options: argparse.Namespace) -> None:
    """Train until the budget is spent."""
    scenes, held_out = begin(options)
    model, processor = build_captioner(), build_processor()
    things = scenes.all_things()
    captioner = Captioner(
        model, processor, device=torch.device("cpu"), num_beams=1, batch_size=options.batch
    )
    training = Training(
        {"model": model},
        options,
        lambda: caption_figures(captioner, held_out, 40),
        weight_decay=0.02,
        warm_up=150,
    )
    model.train()
    for rng in training:
        examples = (random_example(scenes, things, rng) for _ in range(options.batch))
        images, texts = zip(*examples, strict=True)
        pixels = to_pixels(processor, list(images))
        training.descend(caption_loss(model, processor, pixels, list(texts)))


def main(arguments: list[str] | None = None) -> None:
    """The command ``python -m training.train_captioner``."""
    made = parser(__doc__ or "", "captioner", minutes=45, batch=48, lr=1e-3)
    options = made.parse_args(arguments)
    command(lambda: train(options))


if __name__ == "__main__":
    main()
