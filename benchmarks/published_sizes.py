# SPDX-License-Identifier: Apache-2.0
"""Seconds of the published networks on a GPU, with random weights: no checkpoint is needed.

SAM ViT-H, CLIP ViT-B/32 and BLIP-2 OPT-2.7b are built in their published sizes (18 GB in float32)
and run as the preset ``paper`` runs them, with our generator; the reference procedure
(:mod:`reference_procedure`) takes turns on the same networks: SAM and CLIP in float32 and the
captioner in half precision, as released. What random networks propose means nothing, so that
both search for masks and then go on with the same discs, ``--candidates`` of them. Random captions
never end: each is as long as allowed, which is the worst case.

Run: ``python benchmarks/published_sizes.py [--runs 10] [--candidates 30]`` on a machine with a
GPU of 24 GB or more; ``--sizes small --device cpu`` runs the same on toy networks anywhere.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from reference_procedure import Reference, generator_of
from rich.console import Console
from rich.table import Table

from refseg_lab.bench.stages import timed
from refseg_lab.bench.sweeps import Tiles
from refseg_lab.evaluation.timing import machine
from refseg_ros import Segmenter
from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.captioner import Captioner
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.sam_network import SamNetwork
from refseg_ros.config import SegmenterConfig
from refseg_ros.language.tas.tools import LanguageTools
from refseg_ros.proposals.grid import GridProposer
from refseg_ros.results import Proposals

Image = NDArray[np.uint8]

OPT = {
    "hidden_size": 2560,
    "ffn_dim": 10240,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "word_embed_proj_dim": 2560,
    "vocab_size": 50304,
}
"""The language part of BLIP-2 OPT-2.7b."""
_TOY = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
_TOY |= {"num_hidden_layers": 1}
SENTENCES = ("the red mug on the left", "the book", "the blue cup above the plate")


class Words:
    """A processor of pictures, and words in place of a vocabulary that is not at hand."""

    def __init__(self, side: int) -> None:
        """Make one for pictures of a side in pixels."""
        from transformers import BlipImageProcessorPil

        self._pictures = BlipImageProcessorPil(size={"height": side, "width": side})

    def __call__(self, images: Sequence[Any], return_tensors: str) -> Any:
        """Pictures as a network takes them."""
        return self._pictures(images=images, return_tensors=return_tensors)

    def batch_decode(self, tokens: torch.Tensor, skip_special_tokens: bool) -> list[str]:
        """Two words for each caption."""
        things = ("a red mug", "a blue book", "a table", "a green cup")
        return [things[int(row.sum()) % len(things)] for row in tokens]


class Searched:
    """Finds masks with a network, throws them away, and proposes discs."""

    def __init__(self, search: Callable[[Image], object], count: int) -> None:
        """Wrap what searches."""
        self._search, self._discs = search, Tiles(count)

    def propose(self, image: Image) -> Proposals:
        """The discs."""
        self._search(image)
        return self._discs.propose(image)

    def generate(self, image: Image) -> list[dict[str, Any]]:
        """The discs as segment-anything tells masks."""
        found = self.propose(image)
        boxes = found.boxes.astype(int)
        return [
            {"segmentation": mask, "bbox": [x0, y0, x1 - x0 - 1, y1 - y0 - 1]}
            for mask, (x0, y0, x1, y1) in zip(found.masks, boxes.tolist(), strict=True)
        ]


def networks(sizes: str, device: torch.device) -> tuple[Any, Any, Any, int]:
    """SAM, an open_clip model, BLIP-2 and the side of its pictures, with random weights."""
    torchvision_compat.ensure()
    import open_clip
    import segment_anything
    import transformers
    from segment_anything import modeling

    torch.manual_seed(0)
    if sizes == "published":
        with device:
            sam = segment_anything.sam_model_registry["vit_h"](checkpoint=None)
            blip = transformers.Blip2ForConditionalGeneration(
                transformers.Blip2Config(text_config={"model_type": "opt", **OPT})
            )
        clip = open_clip.create_model("ViT-B-32-quickgelu", pretrained=None, device=device)
        return sam.to(device).eval(), clip.eval(), blip.to(device).eval(), 224
    sam = modeling.Sam(
        modeling.ImageEncoderViT(
            img_size=64, embed_dim=32, depth=1, num_heads=2, out_chans=32, patch_size=16
        ),
        modeling.PromptEncoder(
            embed_dim=32, image_embedding_size=(4, 4), input_image_size=(64, 64), mask_in_chans=4
        ),
        modeling.MaskDecoder(
            transformer_dim=32, transformer=modeling.TwoWayTransformer(2, 32, 2, 32)
        ),
    )
    vision = {"image_size": 32, "patch_size": 16, "layers": 1, "width": 32, "head_width": 16}
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    clip = open_clip.CLIP(32, vision, text)
    opt = {"hidden_size": 16, "ffn_dim": 16, "word_embed_proj_dim": 16, "vocab_size": 99}
    opt |= {"num_attention_heads": 2, "num_hidden_layers": 1, "model_type": "opt"}
    blip = transformers.Blip2ForConditionalGeneration(
        transformers.Blip2Config(
            vision_config={**_TOY, "image_size": 32, "patch_size": 16},
            qformer_config={**_TOY, "encoder_hidden_size": 16, "vocab_size": 99},
            text_config=opt,
            num_query_tokens=4,
            image_token_index=98,
        )
    )
    return sam.to(device).eval(), clip.to(device).eval(), blip.to(device).eval(), 32


def reference_and_ours(
    sizes: str, device: Device, count: int
) -> tuple[Reference, Segmenter, Segmenter]:
    """The reference procedure, and our segmenters without captions and with them."""
    torchvision_compat.ensure()
    import open_clip

    sam, model, blip, side = networks(sizes, device.torch_device)
    config = SegmenterConfig.from_preset("paper")
    config = replace(config, proposals=replace(config.proposals, generator="own"))
    pixels = model.visual.image_size
    preprocess = open_clip.image_transform(
        pixels[0] if isinstance(pixels, tuple) else pixels, is_train=False
    )
    tokenizer = open_clip.get_tokenizer("ViT-B-32-quickgelu")
    on = device.torch_device
    clips = [
        ClipEncoder(model, preprocess, tokenizer, on, remembered=number) for number in (0, 2048)
    ]
    captioners = [
        Captioner(
            blip,
            Words(side),
            device=on,
            num_beams=config.captions.num_beams,
            max_new_tokens=config.captions.max_new_tokens,
            batch_size=size,
        )
        for size in (1, config.captions.batch_size)
    ]
    published = Searched(generator_of(sam, config.proposals).generate, count)
    own = Searched(GridProposer(SamNetwork(sam), config.proposals, device).propose, count)
    reference = Reference(
        published, clips[0], captioners[0], LanguageTools(), config.proposals.overlap, device
    )
    silent = replace(config, score=replace(config.score, positive=0.0, negative=0.0))
    return (
        reference,
        Segmenter(silent, device, own, clips[1], None),
        Segmenter(config, device, own, clips[1], captioners[1]),
    )


def main(arguments: list[str] | None = None) -> None:
    """The command ``python benchmarks/published_sizes.py``."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--sizes", choices=("published", "small"), default="published")
    made.add_argument("--device", default="cuda", help="cuda, cuda:1, … or cpu")
    made.add_argument("--candidates", type=int, default=30)
    made.add_argument("--runs", type=int, default=10)
    options = made.parse_args(arguments)
    device = Device.from_name(options.device)
    rng = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {}
    contenders = reference_and_ours(options.sizes, device, options.candidates)
    for number in range(-2, options.runs):
        image = rng.integers(0, 256, (480, 640, 3), np.uint8)
        found = measured(*contenders, image, SENTENCES[number % len(SENTENCES)], device)
        if number >= 0:
            for name, value in found.items():
                seconds.setdefault(name, []).append(value)
    table = Table("", "median ms", "least", "greatest", "reference ÷", box=None)
    whole = statistics.median(seconds["reference: first answer"])
    for name, values in seconds.items():
        middle = statistics.median(values)
        ratio = f"{whole / middle:.1f}" if name.startswith("first") else ""
        figures = (f"{1e3 * value:.1f}" for value in (middle, min(values), max(values)))
        table.add_row(name, *figures, ratio)
    console = Console(highlight=False, width=110)
    console.print(table)
    console.print(
        f"{options.sizes} sizes, random weights, {options.candidates} candidates, "
        f"{options.runs} runs, 640×480; {device}; {machine()}; torch {torch.__version__}"
    )
    if device.torch_device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device.torch_device) / 2**30
        console.print(f"greatest GPU memory {peak:.1f} GiB")


def measured(
    reference: Reference,
    silent: Segmenter,
    whole: Segmenter,
    image: Image,
    sentence: str,
    device: Device,
) -> dict[str, float]:
    """Seconds of one picture by each, in turn."""
    looked, seen = timed(partial(reference.observe, image), device)
    chosen, _ = timed(partial(reference.choose, seen, sentence), device)
    found = {"reference: first answer": looked + chosen}
    for name, segmenter in (("without P", silent), ("with P", whole)):
        segmenter.clip.forget()
        looked, scene = timed(partial(segmenter.observe, image), device)
        first, _ = timed(partial(scene.select, sentence), device)
        second, _ = timed(partial(scene.select, "the yellow cup below"), device)
        found[f"first answer {name}"] = looked + first
        found[f"second command {name}"] = second
        for stage, value in scene.seconds.items():
            if stage != "total":
                found[f"  {name}: {stage}"] = value
    return found


if __name__ == "__main__":
    main()
