# SPDX-License-Identifier: Apache-2.0
"""The preset ``fast`` in its real size with random weights: first answer, captions, next sentence.

MobileSAM, CLIP ViT-B/32 and BLIP base are built without a download and asked about a random
picture. What random networks propose means nothing, so masks are searched for and then discs are
taken, ``--candidates`` of them. Random captions never end; they are cut after ten tokens, which
those of crops have. A row each: float32 with all captions made at once, as before; half precision
where the device has it, likewise; and that with captions made when they are needed. Beside the
time on the clock stands that of the processor, which other programs disturb less.

Run: ``python benchmarks/fast_size.py [--candidates 30] [--threads 2] [--ways before after]``
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from published_sizes import Searched, Words
from rich.console import Console
from rich.table import Table

from refseg_lab.evaluation.timing import machine
from refseg_ros import Segmenter
from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.blip_attention import fuse_attention
from refseg_ros.backbones.captioner import Captioner
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.mobile_sam import build_mobile_sam
from refseg_ros.backbones.precision import run_in
from refseg_ros.backbones.sam_network import SamNetwork
from refseg_ros.config import SegmenterConfig
from refseg_ros.proposals.grid import GridProposer

WAYS = {"before": ("gpu", "observed"), "half": ("auto", "observed"), "after": ("auto", "needed")}
"""Precision, and when captions are made."""
SENTENCES = ("the red mug on the left", "the book behind the cup")


def made(way: str, device: Device, candidates: int, small: bool) -> Segmenter:
    """The preset one way."""
    torchvision_compat.ensure()
    import open_clip
    import transformers

    torch.manual_seed(0)
    precision, when = WAYS[way]
    config = SegmenterConfig.from_preset("fast")
    config = replace(
        config,
        captions=replace(config.captions, when=when, max_new_tokens=10),
        score=replace(config.score, centre=False),  # its means would be made of random features
    )
    dtype, on = device.weights(precision), device.torch_device
    sam = build_mobile_sam().eval().to(on)
    layers = {"num_hidden_layers": 1} if small else {}
    blip: Any = transformers.BlipForConditionalGeneration(
        transformers.BlipConfig(vision_config=dict(layers), text_config=dict(layers))
    )
    blip.eval().to(on, dtype or device.dtype)
    if dtype is not None:
        run_in(sam.image_encoder, dtype)
        if dtype != torch.float32:
            fuse_attention(blip)
    clip: Any = open_clip.create_model("ViT-B-32-quickgelu", pretrained=None, device=on).eval()
    with torch.no_grad():
        clip.logit_scale.fill_(np.log(100.0))  # as published
    encoder = ClipEncoder(
        clip,
        open_clip.image_transform(224, is_train=False),
        open_clip.get_tokenizer("ViT-B-32-quickgelu"),
        on,
        dtype=dtype,
    )
    captioner = Captioner(
        blip, Words(384), device=on, num_beams=1, max_new_tokens=10, batch_size=16
    )
    search = GridProposer(SamNetwork(sam), config.proposals, device)
    return Segmenter(config, device, Searched(search.propose, candidates), encoder, captioner)


def measured(segmenter: Segmenter, image: Any) -> dict[str, tuple[float, float, str]]:
    """Seconds by the clock and of the processor, and what was made by then."""
    found: dict[str, tuple[float, float, str]] = {}
    began, spent = time.perf_counter(), time.process_time()

    def note(name: str, work: Callable[[], Any], anew: bool = False) -> Any:
        nonlocal began, spent
        if anew:
            began, spent = time.perf_counter(), time.process_time()
        result = work()
        taken = time.perf_counter() - began, time.process_time() - spent
        found[name] = (*taken, "")
        return result

    early = note("first answer from looks (anytime)", lambda: _early(segmenter, image))
    scene = note("the first sentence, final", lambda: _asked(early.captioned(), SENTENCES[0]))
    left = len(scene.awaiting.rows) if scene.awaiting else 0
    found["the first sentence, final"] = (*found["the first sentence, final"][:2], f"{left} left")
    whole = note("everything captioned", lambda: scene.whole)
    note("a second sentence", lambda: whole.select(SENTENCES[1]), anew=True)
    note("the first one again", lambda: whole.select(SENTENCES[0]), anew=True)
    for stage, seconds in whole.seconds.items():
        if stage in ("proposals", "clip"):
            found[f"  {stage}"] = (seconds, float("nan"), "")
    return found


def _early(segmenter: Segmenter, image: Any) -> Any:
    scene = segmenter.observe(image, captions=False)
    scene.select(SENTENCES[0])
    return scene


def _asked(scene: Any, sentence: str) -> Any:
    scene.select(sentence)
    return scene


def main(arguments: list[str] | None = None) -> None:
    """The command ``python benchmarks/fast_size.py``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--candidates", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--small", action="store_true", help="captioner of one layer, for tests")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    device, console = Device.from_name(options.device), Console(highlight=False, width=110)
    image = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    for way in options.ways:
        segmenter = made(way, device, options.candidates, options.small)
        table = Table(way, "clock s", "processor s", "captions", box=None)
        for name, (clock, processor, told) in measured(segmenter, image).items():
            table.add_row(name, f"{clock:.2f}", f"{processor:.2f}", told)
        console.print(table)
    console.print(
        f"1280×720, {options.candidates} candidates, {device}; {machine()}; {options.threads} "
        f"threads; torch {torch.__version__}; one run each"
    )


if __name__ == "__main__":
    main()
