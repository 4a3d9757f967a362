# SPDX-License-Identifier: Apache-2.0
"""Half precision where it is real: what is converted, and what stays float32."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_clip import build_resnet, build_vit
from torch.nn import functional

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros import Segmenter
from refseg_ros.backbones.blip_attention import fuse_attention
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.clip_attending import attending_features
from refseg_ros.backbones.clip_dense import dense_features
from refseg_ros.backbones.clip_masked import masked_features
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.precision import in_dtype, multiplies_bfloat16, run_in
from refseg_ros.config import PRECISIONS, ClipConfig, SegmenterConfig, preset_names
from refseg_ros.networks import Networks

CPU = Device.from_name("cpu")
TURING = Device(torch.device("cuda", 0), torch.float16)
AMPERE = Device(torch.device("cuda", 1), torch.bfloat16)
HALF = torch.bfloat16

# devices


@pytest.mark.parametrize(
    ("told", "native"),
    [
        ("processor : 0\nflags\t\t: fpu avx512f avx512_bf16 sse\n", True),
        ("flags : fpu amx_bf16 amx_tile\n", True),
        ("flags : fpu avx2 avx512f\nbugs : avx512_bf16\n", False),
        ("Features : asimd bf16\n", False),
        ("", False),
    ],
)
def test_a_cpu_says_whether_it_multiplies_bfloat16(
    told: str, native: bool, tmp_path: Path
) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(told)
    assert multiplies_bfloat16(path) is native


def test_a_cpu_that_says_nothing_does_not(tmp_path: Path) -> None:
    assert not multiplies_bfloat16(tmp_path / "none")


@pytest.mark.parametrize("native", [True, False])
def test_auto_takes_what_a_device_has_itself(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refseg_ros.backbones.device.multiplies_bfloat16", lambda: native)
    assert CPU.weights("auto") == (HALF if native else torch.float32)
    assert (TURING.weights("auto"), AMPERE.weights("auto")) == (torch.float16, HALF)
    for device in (CPU, TURING, AMPERE):
        assert device.weights("gpu") is None
        for name in PRECISIONS[2:]:
            assert str(device.weights(name)) == f"torch.{name}"
    assert [device.emulates(HALF) for device in (CPU, TURING, AMPERE)] == [not native, True, False]
    assert CPU.emulates(torch.float16)
    assert not CPU.emulates(torch.float32)
    assert not TURING.emulates(torch.float16)


def test_only_published_networks_are_converted_by_default() -> None:
    # What was trained, fitted and published in float32 stays so on a CPU.
    expected = {
        "fast": {"proposals", "clip", "captions"},
        "best": {"proposals", "clip", "captions"},
        "gdino": {"proposals", "clip"},
        "edge": {"clip"},
        "sam3": {"clip"},
    }
    for name in preset_names():
        config = SegmenterConfig.from_preset(name)
        parts = ("proposals", "clip", "captions")
        kept = {part: getattr(config, part).precision for part in parts}
        halved = {part for part, precision in kept.items() if precision != "gpu"}
        assert halved == expected.get(name, set()), name
        assert {kept[part] for part in halved} <= {"auto"}


def test_what_is_emulated_is_said_aloud(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("refseg_ros.backbones.device.multiplies_bfloat16", lambda: False)
    config = ClipConfig("bundled:clip", "", "bfloat16")
    with caplog.at_level(logging.WARNING):
        Networks(CPU).clip(config)
    assert "clip.precision: bfloat16 is emulated on cpu (float32)" in caplog.text


# networks


def test_values_of_any_shape_are_converted_and_others_left() -> None:
    values: dict[str, Any] = {"a": [torch.ones(2), None], "b": (torch.ones(1, dtype=torch.int64),)}
    found = in_dtype({**values, "c": "mug"}, HALF)
    assert (found["a"][0].dtype, found["a"][1], found["c"]) == (HALF, None, "mug")
    assert found["b"][0].dtype == torch.int64


def test_a_network_is_converted_once_and_autocast_leaves_it_alone() -> None:
    layer = torch.nn.Linear(3, 2)
    seen: list[torch.dtype] = []
    run_in(layer, HALF)
    layer.register_forward_hook(lambda *given: seen.append(given[2].dtype))
    assert layer.weight.dtype == HALF
    assert layer(torch.ones(1, 3)).dtype == torch.float32
    exact = torch.nn.Linear(64, 64)
    given = torch.randn(4, 64)
    with torch.inference_mode():
        expected = exact(given)
        run_in(exact, torch.float32)
        with torch.autocast("cpu", HALF):
            assert torch.equal(exact(given), expected)


@pytest.fixture(scope="module")
def clips() -> tuple[ClipEncoder, ClipEncoder]:
    networks, plain = Networks(CPU), ClipConfig("bundled:clip", "")
    return networks.clip(plain), networks.clip(replace(plain, precision="bfloat16"))


def test_features_and_their_scale_stay_float32(clips: tuple[ClipEncoder, ClipEncoder]) -> None:
    single, half = clips
    # A scale of 100 would be 98.9 or 102 where its logarithm were rounded.
    assert single.logit_scale == half.logit_scale
    assert {value.dtype for value in half._model.parameters()} == {HALF}
    image = bundled_scenes()[0].frame.rgb
    masks = np.stack([bundled_scenes()[0].frame.instances == number for number in (1, 2)])
    pairs = [
        [encoder.encode_images([image]) for encoder in clips],
        [encoder.encode_texts(["a red mug", "the blue ball"]) for encoder in clips],
        [encoder.encode_dense(image, 64).flatten(0, 1) for encoder in clips],
        [encoder.encode_masked(image, masks, 1) for encoder in clips],
        [encoder.encode_attending(image, masks) for encoder in clips],
    ]
    for one, other in pairs:
        assert other.dtype == torch.float32
        assert functional.cosine_similarity(one, other).min() > 0.99
    for features in (pairs[0][1], pairs[1][1], pairs[2][1]):
        torch.testing.assert_close(features.norm(dim=1), torch.ones(len(features)))


@pytest.mark.parametrize("build", [lambda: build_vit(2), build_resnet])
def test_towers_of_either_kind_see_masks_in_half_precision(build: Any) -> None:
    visual = build().to(HALF)
    side = 64 if hasattr(visual, "attnpool") else 32
    image = torch.randn(1, 3, side, side).to(HALF)
    masks = torch.zeros(2, side, side)
    masks[0, : side // 2] = masks[1, side // 2 :] = 1
    with torch.inference_mode():
        for found in (
            masked_features(visual, image, masks, 1),
            attending_features(visual, image, masks),
            dense_features(visual, image, 32 if side == 64 else 8).flatten(0, 1),
        ):
            assert torch.isfinite(found).all()


def test_fused_attention_is_the_same_but_for_rounding() -> None:
    captioner = Networks(CPU).captioner(SegmenterConfig.from_preset("tabletop").captions)
    model = captioner._model
    side = model.config.vision_config.image_size
    pixels = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = model.vision_model(pixels).last_hidden_state
        assert fuse_attention(model) == model.config.vision_config.num_hidden_layers
        found = model.vision_model(pixels).last_hidden_state
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_the_same_things_are_chosen_with_all_networks_halved() -> None:
    config = SegmenterConfig.from_preset("tabletop")
    halved = replace(
        config,
        proposals=replace(config.proposals, precision="bfloat16"),
        clip=replace(config.clip, precision="bfloat16"),
        captions=replace(config.captions, precision="bfloat16"),
    )
    plain, other = (Segmenter.from_config(item, CPU) for item in (config, halved))
    assert plain.converted == {}
    said = "proposals in bfloat16, clip in bfloat16, captions in bfloat16"
    assert other.description.startswith(f"tabletop on cpu (float32), {said}, noun")
    item = bundled_scenes()[0]
    before, after = plain.observe(item.frame.rgb), other.observe(item.frame.rgb)
    same = []
    for referral in item.referrals[:40]:
        masks = [scene.select(referral.expression).mask for scene in (before, after)]
        shared, either = np.logical_and(*masks).sum(), np.logical_or(*masks).sum()
        same.append(not either or shared / either > 0.5)
    assert np.mean(same) >= 0.98
