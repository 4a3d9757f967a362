# SPDX-License-Identifier: Apache-2.0
"""The presets' networks in their published sizes: built without memory, counted, loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from refseg_ros.backbones import mobile_sam, torchvision_compat
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.sam import load_sam
from refseg_ros.config import SegmenterConfig, preset_names
from refseg_ros.errors import WeightsError
from refseg_ros.weights import CATALOGUE, find
from refseg_ros.weights.needs import names_of, needed

torchvision_compat.ensure()
import open_clip  # noqa: E402
import segment_anything  # noqa: E402
import transformers  # noqa: E402

OPT = {
    "hidden_size": 2560,
    "ffn_dim": 10240,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "word_embed_proj_dim": 2560,
    "vocab_size": 50304,
}
"""Of facebook/opt-2.7b, as the page of BLIP-2 has it."""
HIERA = {"model_type": "sam2_hiera_det_model"}
LARGE = {
    "hidden_size": 144,
    "blocks_per_stage": [2, 6, 36, 4],
    "embed_dim_per_stage": [144, 288, 576, 1152],
    "num_attention_heads_per_stage": [2, 4, 8, 16],
    "window_size_per_stage": [8, 4, 16, 8],
    "global_attention_blocks": [23, 33, 43],
    "window_positional_embedding_background_size": [7, 7],
}


def _sam(kind: str) -> Any:
    return segment_anything.sam_model_registry[kind](checkpoint=None)


def _clip(name: str) -> Any:
    return open_clip.create_model(name, pretrained=None, device=torch.get_default_device())


def _blip2() -> Any:
    config = transformers.Blip2Config(text_config={"model_type": "opt", **OPT})
    return transformers.Blip2ForConditionalGeneration(config)


def _sam2(**backbone: Any) -> Any:
    vision: dict[str, Any] = {"backbone_config": {**HIERA, **backbone}}
    if backbone:
        vision["backbone_channel_list"] = backbone["embed_dim_per_stage"][::-1]
    return transformers.Sam2VideoModel(transformers.Sam2VideoConfig(vision_config=vision))


def _edgetam() -> Any:
    backbone = {
        "model_type": "timm_wrapper",
        "architecture": "repvit_m1",
        "num_classes": 2,
        "model_args": {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    }
    vision = {"model_type": "edgetam_vision_model", "backbone_config": backbone}
    return transformers.EdgeTamVideoModel(transformers.EdgeTamVideoConfig(vision_config=vision))


def _grounding_dino() -> Any:
    backbone = {"model_type": "swin", "out_indices": [2, 3, 4]}
    config = transformers.GroundingDinoConfig(backbone_config=backbone)
    return transformers.GroundingDinoForObjectDetection(config)


PUBLISHED: dict[str, tuple[float, Callable[[], Any]]] = {
    "sam_vit_h_4b8939.pth": (641.09, lambda: _sam("vit_h")),
    "sam_vit_l_0b3195.pth": (312.34, lambda: _sam("vit_l")),
    "sam_vit_b_01ec64.pth": (93.74, lambda: _sam("vit_b")),
    "mobile_sam.pt": (9.79, mobile_sam.build_mobile_sam),
    "sam2.1-hiera-tiny": (38.96, _sam2),
    "sam2.1-hiera-large": (224.4, lambda: _sam2(**LARGE)),
    "edgetam": (13.91, _edgetam),
    "grounding-dino-tiny": (172.25, _grounding_dino),
    "sam3": (859.92, lambda: transformers.Sam3VideoModel(transformers.Sam3VideoConfig())),
    "clip_vit_b_32_openai": (151.28, lambda: _clip("ViT-B-32-quickgelu")),
    "clip_vit_b_16_openai": (149.62, lambda: _clip("ViT-B-16-quickgelu")),
    "clip_rn50_openai": (102.01, lambda: _clip("RN50-quickgelu")),
    "clip_vit_l_14_336_openai": (427.94, lambda: _clip("ViT-L-14-336-quickgelu")),
    "blip2-opt-2.7b": (3744.8, _blip2),
    "blip-image-captioning-base": (
        223.97,  # the output layer is the input embedding, counted once
        lambda: transformers.BlipForConditionalGeneration(transformers.BlipConfig()),
    ),
}
"""Millions of parameters as published, and the network."""


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_networks_have_as_many_parameters_as_published(name: str) -> None:
    millions, build = PUBLISHED[name]
    with torch.device("meta"):
        model = build()
    counted = sum(value.numel() for value in model.parameters()) / 1e6
    assert counted == pytest.approx(millions, abs=0.06)
    listed = find(name)
    assert listed is not None
    assert listed.parameters == pytest.approx(counted, abs=0.06)


def test_the_networks_of_every_preset_are_counted() -> None:
    for preset in preset_names():
        config = SegmenterConfig.from_preset(preset)
        for item in needed(config):
            assert item.name in {*PUBLISHED, "stable-diffusion-v1-5"}, preset
            for name in names_of(config):
                if find(name) is item and "/" in name:
                    assert name.partition("/")[2] in {file.path for file in item.files}
        bundled = all(name.startswith("bundled:") for name in names_of(config))
        assert bundled == (not needed(config)), preset
    assert {item.name for item in needed(SegmenterConfig.from_preset("paper"))} == {
        "sam_vit_h_4b8939.pth",
        "clip_vit_b_32_openai",
        "blip2-opt-2.7b",
    }
    assert {item.name for item in CATALOGUE} - set(PUBLISHED) == {"stable-diffusion-v1-5"}


def _blip2_names() -> set[str]:
    """Tensors in the files of Salesforce/blip2-opt-2.7b, by the structure of its networks."""

    def pairs(stem: str, *names: str) -> list[str]:
        return [f"{stem}{name}.{kind}" for name in names for kind in ("weight", "bias")]

    eye, former, text = "vision_model.", "qformer.", "language_model.model.decoder."
    names = ["query_tokens", *pairs("", "language_projection"), *pairs(former, "layernorm")]
    names += [f"{eye}embeddings.class_embedding", f"{eye}embeddings.position_embedding"]
    names += pairs(eye, "embeddings.patch_embedding", "post_layernorm")
    for row in range(39):
        parts = ("self_attn.qkv", "self_attn.projection", "layer_norm1", "layer_norm2")
        names += pairs(f"{eye}encoder.layers.{row}.", *parts, "mlp.fc1", "mlp.fc2")
    for row in range(12):
        layer = f"{former}encoder.layer.{row}."
        for kind in ("attention", "crossattention")[: 1 if row % 2 else 2]:
            inner = [f"attention.{name}" for name in ("query", "key", "value")]
            names += pairs(f"{layer}{kind}.", *inner, "output.dense", "output.LayerNorm")
        names += pairs(layer, "intermediate_query.dense")
        names += pairs(layer, "output_query.dense", "output_query.LayerNorm")
    names += [f"{text}embed_tokens.weight", f"{text}embed_positions.weight"]
    names += ["language_model.lm_head.weight", *pairs(text, "final_layer_norm")]
    for row in range(32):
        parts = tuple(f"self_attn.{name}_proj" for name in ("k", "v", "q", "out"))
        more = ("self_attn_layer_norm", "fc1", "fc2", "final_layer_norm")
        names += pairs(f"{text}layers.{row}.", *parts, *more)
    return set(names)


def test_blip2_has_the_tensors_of_the_published_files() -> None:
    with torch.device("meta"):
        assert set(_blip2().state_dict()) == _blip2_names()


@pytest.mark.slow
def test_sam_vit_b_loads_strictly_in_its_own_size(tmp_path: Path) -> None:
    path = tmp_path / "sam_vit_b_01ec64.pth"
    state = _sam("vit_b").state_dict()
    torch.save(state, path)
    sam = load_sam("auto", path, torch.device("cpu"))
    loaded = sam.state_dict()
    assert set(loaded) == set(state)
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    for change in ({"extra": torch.zeros(1)}, None):
        broken = {**state, **change} if change else dict(list(state.items())[:-1])
        torch.save(broken, path)
        with pytest.raises(WeightsError, match="does not hold weights of vit_b"):
            load_sam("auto", path, torch.device("cpu"))


@pytest.mark.slow
def test_clip_vit_b_32_loads_strictly_in_its_own_size(tmp_path: Path) -> None:
    path = tmp_path / "open_clip_model.safetensors"
    model = _clip("ViT-B-32-quickgelu")
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, path)
    encoder = ClipEncoder.load("ViT-B-32-quickgelu", path, device=torch.device("cpu"))
    assert encoder.dimension == 512
    with torch.inference_mode():
        expected = model.eval().encode_text(open_clip.tokenize(["a mug"]))
    assert torch.equal(encoder.encode_texts(["a mug"], unit=False), expected)
    state.pop("visual.proj")
    save_file(state, path)
    with pytest.raises(WeightsError, match=r"visual\.proj"):
        ClipEncoder.load("ViT-B-32-quickgelu", path, device=torch.device("cpu"))
