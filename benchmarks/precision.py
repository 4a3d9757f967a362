# SPDX-License-Identifier: Apache-2.0
"""What half precision is worth on this device, network by network, and what it changes.

By default the networks of the preset ``fast`` are built in their published sizes with random
weights, without a download, and timed in float32 and in bfloat16, in turns. With ``--choices`` the
bundled networks are put into bfloat16, one by one and together, and asked every sentence of the
bundled slice of RefTabletop: how many answers are those of float32.

Run: ``python benchmarks/precision.py [--choices] [--runs 3] [--threads 2] [--device cpu]``
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from refseg_lab.bench.stages import timed
from refseg_lab.evaluation.timing import machine
from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros import Segmenter
from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.mobile_sam import build_mobile_sam
from refseg_ros.config import SegmenterConfig
from refseg_ros.networks import Networks
from refseg_ros.results import Selection
from refseg_ros.tracking.outline import overlap

Work = tuple[str, torch.nn.Module, Callable[[torch.dtype], Any]]
NETWORKS = ("proposals", "clip", "captions")
SAME, OUTLINE = 0.99, 0.5
"""IoU from which a mask is the same, and from which it is another outline of the same thing."""


def works(on: torch.device) -> Iterator[Work]:
    """What each network of ``fast`` has to do for a picture: name, network, work in a type."""
    torchvision_compat.ensure()
    import open_clip
    import transformers

    torch.manual_seed(0)

    def pixels(count: int, side: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.randn(count, 3, side, side, device=on).to(dtype)

    sam = build_mobile_sam().image_encoder.eval().to(on, memory_format=torch.channels_last)  # type: ignore[call-overload]
    yield "MobileSAM's encoder", sam, lambda dtype: sam(pixels(1, 1024, dtype))
    backbone = {
        "model_type": "timm_wrapper",
        "architecture": "repvit_m1",
        "num_classes": 2,
        "model_args": {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    }
    vision = {"model_type": "edgetam_vision_model", "backbone_config": backbone}
    made: Any = transformers.EdgeTamVideoModel(
        transformers.EdgeTamVideoConfig(vision_config=vision)
    )
    edgetam = made.vision_encoder.backbone.eval().to(on)
    yield "EdgeTAM's encoder", edgetam, lambda dtype: edgetam(pixels(1, 1024, dtype))
    vision = {"backbone_config": {"model_type": "sam2_hiera_det_model"}}
    made = transformers.Sam2VideoModel(transformers.Sam2VideoConfig(vision_config=vision))
    tiny = made.vision_encoder.backbone.eval().to(on)
    yield "SAM 2.1 tiny's encoder", tiny, lambda dtype: tiny(pixels(1, 1024, dtype))
    clip: Any = open_clip.create_model("ViT-B-32-quickgelu", pretrained=None, device=on).eval()
    yield "CLIP ViT-B/32, 16 crops", clip, lambda dtype: clip.encode_image(pixels(16, 224, dtype))
    tokens = open_clip.get_tokenizer("ViT-B-32-quickgelu")(["the red mug on the left"]).to(on)
    yield "CLIP ViT-B/32, a sentence", clip, lambda dtype: clip.encode_text(tokens)
    blip: Any = transformers.BlipForConditionalGeneration(transformers.BlipConfig()).eval().to(on)
    yield (
        "BLIP base, a crop",
        blip.vision_model,
        lambda dtype: blip.vision_model(pixels(1, 384, dtype)),
    )
    # Random captions never end, and those of crops have about ten tokens.
    options = {"max_new_tokens": 10, "num_beams": 1, "do_sample": False}
    yield (
        "BLIP base, 4 captions",
        blip,
        lambda dtype: blip.generate(pixel_values=pixels(4, 384, dtype), **options),
    )


def speeds(device: Device, runs: int, console: Console) -> None:
    """Print the table of seconds."""
    table = Table("", "float32 ms", "bfloat16 ms", "×", box=None)
    for name, network, work in works(device.torch_device):
        best = {}
        for dtype in (torch.float32, torch.bfloat16):
            network.to(dtype)
            with torch.inference_mode():
                work(dtype)
                taken = [timed(partial(work, dtype), device)[0] for _ in range(runs)]
            best[dtype] = min(taken)
        network.to(torch.float32)
        single, half = best.values()
        table.add_row(name, f"{1e3 * single:.0f}", f"{1e3 * half:.0f}", f"{single / half:.1f}")
    console.print(table)


def choices(device: Device, console: Console, scenes: int) -> None:
    """Print how many answers of the bundled networks stay."""
    plain = SegmenterConfig.from_preset("tabletop")
    cases = [(name,) for name in NETWORKS] + [NETWORKS]
    networks = Networks(device)
    first = Segmenter.from_config(_in("float32", plain, NETWORKS), device, networks)
    others = [
        Segmenter.from_config(_in("bfloat16", plain, case), device, networks) for case in cases
    ]
    counts = [Counter[str]() for _ in cases]
    for item in bundled_scenes()[:scenes]:
        scene = first.observe(item.frame.rgb)
        answers = [scene.select(referral.expression) for referral in item.referrals]
        for other, count in zip(others, counts, strict=True):
            halved = other.observe(item.frame.rgb)
            for referral, answer in zip(item.referrals, answers, strict=True):
                count[kept(answer, halved.select(referral.expression))] += 1
    kinds = ("same", "other outline", "other choice", "refused")
    table = Table("in bfloat16", "sentences", *kinds, "the same thing", box=None)
    for case, count in zip(cases, counts, strict=True):
        total = sum(count.values())
        chosen = (count["same"] + count["other outline"]) / total
        figures = (str(count[kind]) for kind in kinds)
        table.add_row(" + ".join(case), str(total), *figures, f"{chosen:.1%}")
    console.print(table)


def _in(precision: str, config: SegmenterConfig, names: tuple[str, ...]) -> SegmenterConfig:
    parts: dict[str, Any] = {
        name: replace(getattr(config, name), precision=precision) for name in names
    }
    return replace(config, **parts)


def kept(before: Selection, after: Selection) -> str:
    """How an answer relates to that of float32."""
    if not before.mask.any() and not after.mask.any():
        return "same"
    if not before.mask.any() or not after.mask.any():
        return "refused"
    shared = overlap(before.mask, after.mask)
    return "same" if shared >= SAME else "other outline" if shared >= OUTLINE else "other choice"


def main(arguments: list[str] | None = None) -> None:
    """The command ``python benchmarks/precision.py``."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--choices", action="store_true")
    made.add_argument("--runs", type=int, default=3)
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--device", default="cpu")
    made.add_argument("--scenes", type=int, default=40, help="of those that come along")
    options = made.parse_args(arguments)
    torch.set_num_threads(options.threads)
    device, console = Device.from_name(options.device), Console(highlight=False, width=110)
    started = time.perf_counter()
    if options.choices:
        choices(device, console, options.scenes)
    else:
        speeds(device, options.runs, console)
    native = "its own" if not device.emulates(torch.bfloat16) else "emulated"
    console.print(
        f"{device}, bfloat16 {native}; {machine()}; {options.threads} threads; torch "
        f"{torch.__version__}; {np.round(time.perf_counter() - started):.0f} s in all"
    )


if __name__ == "__main__":
    main()
