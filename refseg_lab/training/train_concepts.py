# SPDX-License-Identifier: Apache-2.0
"""Trains a small OWLv2 on rendered scenes: boxes of the things that a noun names.

Every place of the image's grid that shows a thing answers for it: which nouns it may be called by,
and its box. No weights of it ship yet; ``--write`` makes the folder that ``proposals.detector``
takes.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from refseg_lab.training.common import Scenes, Training, add_light, begin, command, parser
from refseg_lab.training.light import WIDE, relight
from refseg_lab.training.vocabulary import CATEGORIES, NAMES
from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.owl import PROMPT, OwlBoxes, box_corners

SIDE, PATCH = 384, 16
TOKENS = 48
_TOWER = {"num_hidden_layers": 6, "num_attention_heads": 4}
_POSITIVE, _SHARPNESS = 0.75, 2.0  # focal loss (Lin et al., ICCV 2017), with things weighted more
MEASURED = 40
"""Held-out scenes that are measured."""


def build_owl() -> Any:
    """The untrained network: 10 MB."""
    torchvision_compat.ensure()
    import transformers

    vision = {**_TOWER, "hidden_size": 192, "intermediate_size": 384}
    text = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 96}
    config = transformers.Owlv2Config(
        vision_config={**vision, "image_size": SIDE, "patch_size": PATCH},
        text_config={
            **text,
            "intermediate_size": 192,
            "vocab_size": len(_letters()),
            "max_position_embeddings": TOKENS,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
        },
        projection_dim=96,  # the width of the text, as published
    )
    model = transformers.Owlv2ForObjectDetection(config)
    # Hardly any place shows what a noun names: it begins by saying so (Lin et al., section 3.3).
    torch.nn.init.constant_(model.class_head.logit_shift.bias, -4.0)
    return model


def owl_processor() -> Any:
    """What prepares its pictures, and a tokenizer that spells."""
    torchvision_compat.ensure()
    import transformers

    pixels = transformers.Owlv2ImageProcessor(size={"height": SIDE, "width": SIDE})
    words = transformers.CLIPTokenizer(
        vocab=_letters(), merges=[], pad_token="!", model_max_length=TOKENS
    )
    return transformers.Owlv2Processor(pixels, words)


def _letters() -> dict[str, int]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    ends = ["!", "<|startoftext|>", "<|endoftext|>"]
    return {
        word: number
        for number, word in enumerate([*ends, *letters, *(f"{letter}</w>" for letter in letters)])
    }


class SceneBatch(NamedTuple):
    """Scenes as the network is to see them.

    Attributes:
        pixels: (B, 3, S, S).
        kinds: (B, P) int64, which of :data:`CATEGORIES` each place shows; -1 for none.
        boxes: (B, P, 4) x0, y0, x1, y1 of the thing that it shows, as shares of the square.
    """

    pixels: Tensor
    kinds: Tensor
    boxes: Tensor


def random_scenes(
    scenes: Scenes, processor: Any, rng: np.random.Generator, count: int, wide: float = WIDE
) -> SceneBatch:
    """Random scenes, every other one mirrored, most in other light.

    Args:
        scenes: Where they come from.
        processor: What tells the mean and the deviation of pixels.
        rng: Source of chance.
        count: How many.
        wide: Share of them in other light, see :mod:`.light`.
    """
    rows = rng.integers(len(scenes), size=count)
    images, kinds, boxes = [], [], []
    for row in rows.tolist():
        step = -1 if rng.random() < 0.5 else 1
        image, instances = (part[row][:, ::step] for part in (scenes.images, scenes.instances))
        numbers = {item.instance: CATEGORIES.index(item.category) for item in scenes.things[row]}
        kind, box = _targets(np.asarray(instances), numbers)
        images.append(_in_square(np.ascontiguousarray(image)))
        kinds.append(kind)
        boxes.append(box)
    squares, _ = relight(np.stack(images), rng, wide)
    mean, deviation = processor.image_processor.image_mean, processor.image_processor.image_std
    pixels = torch.from_numpy(squares).permute(0, 3, 1, 2).float() / 255
    pixels = (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(deviation).view(3, 1, 1)
    return SceneBatch(pixels, torch.from_numpy(np.stack(kinds)), torch.from_numpy(np.stack(boxes)))


def _in_square(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(S, S, 3): what the processor makes of a picture, in a hundredth of its time."""
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    size = (round(width * scale), round(height * scale))
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    square[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return square


def _targets(
    instances: np.ndarray[Any, np.dtype[np.uint8]], numbers: Mapping[int, int]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What the middles of the places show, in the upper left of a square."""
    height, width = instances.shape
    side, grid = max(height, width), SIDE // PATCH
    middles = ((np.arange(grid) + 0.5) * side / grid).astype(np.int64)
    shown = np.zeros((grid, grid), np.int64)
    rows, columns = middles[middles < height], middles[middles < width]
    shown[: len(rows), : len(columns)] = instances[np.ix_(rows, columns)]
    kinds, boxes = np.full(grid * grid, -1), np.zeros((grid * grid, 4), np.float32)
    for number, kind in numbers.items():
        places = shown.ravel() == number
        if places.any():
            mask = instances == number
            xs, ys = (np.flatnonzero(mask.any(axis)) for axis in (0, 1))
            kinds[places] = kind
            ends = np.array([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1], np.float32)
            boxes[places] = ends / side
    return kinds, boxes


def loss_of(model: Any, batch: SceneBatch, words: Mapping[str, Tensor]) -> Tensor:
    """Focal loss of the nouns of all places, and L1 and GIoU of the boxes of those with a thing.

    Args:
        model: The network.
        batch: Scenes.
        words: Tokens of one noun for each of :data:`CATEGORIES`.
    """
    grid, _ = model.image_embedder(batch.pixels)
    asked = model.owlv2.get_text_features(words["input_ids"], words["attention_mask"])
    asked = functional.normalize(asked.pooler_output, dim=-1)
    features = grid.flatten(1, 2)
    logits, _ = model.class_predictor(features, asked.expand(len(features), -1, -1))
    things = batch.kinds >= 0
    count = max(1, int(things.sum()))
    true = functional.one_hot(batch.kinds.clamp(min=0), len(CATEGORIES)) * things[..., None]
    entropy = functional.binary_cross_entropy_with_logits(
        logits, true.to(logits.dtype), reduction="none"
    )
    missed = torch.where(true > 0, 1 - logits.sigmoid(), logits.sigmoid())
    weight = torch.where(true > 0, _POSITIVE, 1 - _POSITIVE) * missed**_SHARPNESS
    found = box_corners(model.box_predictor(features, grid)[things])
    wanted = batch.boxes[things]
    apart = (found - wanted).abs().sum() / count
    return (
        (weight * entropy).sum() / count
        + 2 * apart
        + _iou_loss(found, wanted, hull=True).sum() / count
    )


def _iou_loss(found: Tensor, wanted: Tensor, hull: bool = False) -> Tensor:
    """(N,) 1 - IoU of boxes, or 1 - GIoU (Rezatofighi et al., CVPR 2019) with their hull."""

    def area(low: Tensor, high: Tensor) -> Tensor:
        return (high - low).clamp(min=0).prod(-1)

    (one, two), (low, high) = found.split(2, -1), wanted.split(2, -1)
    shared = area(torch.maximum(one, low), torch.minimum(two, high))
    union = (area(one, two) + area(low, high) - shared).clamp(min=1e-6)
    loss = 1 - shared / union
    if not hull:
        return loss
    whole = area(torch.minimum(one, low), torch.maximum(two, high)).clamp(min=1e-6)
    return loss + (whole - union) / whole


def figures_of(model: Any, processor: Any, scenes: Scenes) -> Mapping[str, float]:
    """How many things their noun finds, and how many nouns of absent things find something."""
    boxes = OwlBoxes(model, processor)
    found, alarms = [], []
    for row in range(min(MEASURED, len(scenes))):
        answers = boxes.concept_boxes(
            boxes.see(np.array(scenes.images[row])), [NAMES[item][0] for item in CATEGORIES], 0.3
        )
        here = {item.category for item in scenes.things[row]}
        pairs = list(zip(CATEGORIES, answers, strict=True))
        alarms += [float(len(scores) > 0) for kind, (_, scores) in pairs if kind not in here]
        told = {kind: torch.from_numpy(places) for kind, (places, _) in pairs}
        for item in scenes.things[row]:
            ys, xs = np.nonzero(scenes.mask(item))
            true = torch.tensor([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]]).float()
            overlaps = 1 - _iou_loss(told[item.category], true)
            found.append(float(bool((overlaps >= 0.5).any())))
    return {"recall": float(np.mean(found)), "false alarms": float(np.mean(alarms))}


def train_concepts(options: argparse.Namespace) -> None:
    """Train, or continue to train; and write the folder if that is asked for."""
    scenes, held_out = begin(options)
    torch.manual_seed(options.seed)
    model, processor = build_owl(), owl_processor()
    model.set_attn_implementation("eager")  # half the time of a step: the fused one is slow here
    training = Training(
        {"model": model},
        options,
        lambda: figures_of(model, processor, held_out),
        weight_decay=0.05,
        warm_up=200,
        muon=True,
    )
    model.train()
    for rng in training:
        nouns = [str(rng.choice(NAMES[kind])) for kind in CATEGORIES]
        prompts = [[PROMPT.replace("{}", noun) for noun in nouns]]
        words = processor(text=prompts, return_tensors="pt")
        batch = random_scenes(scenes, processor, rng, options.batch, options.wide)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.half):
            loss = loss_of(model, batch, words)
        training.descend(loss.float())
    if options.write is not None:
        write(model, processor, options.write)


def write(model: Any, processor: Any, folder: Path) -> None:
    """Make the folder that ``proposals.detector`` takes."""
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)


def main(arguments: list[str] | None = None) -> None:
    """The command ``python -m refseg_lab.training.train_concepts``."""
    made = parser(__doc__ or "", "concepts", steps=20_000, batch=8, lr=5e-4)
    add_light(made)
    made.add_argument("--half", action="store_true", help="bfloat16, where a CPU has it")
    made.add_argument("--write", type=Path, default=None, help="folder for network and processor")
    options = made.parse_args(arguments)
    command(lambda: train_concepts(options))


if __name__ == "__main__":
    main()
