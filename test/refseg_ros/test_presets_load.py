# SPDX-License-Identifier: Apache-2.0
"""Every preset from files under the published names, kinds and tensor names, made small."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_networks
import torch
from safetensors.torch import load_file, save_file

from refseg_ros import Segmenter
from refseg_ros.backbones import torchvision_compat
from refseg_ros.errors import WeightsError
from refseg_ros.weights import find

torchvision_compat.ensure()
import open_clip  # noqa: E402
import segment_anything  # noqa: E402
import transformers  # noqa: E402

PRESETS = ("paper", "paper_rn50", "fast", "edge", "gdino", "sam3", "best")
KINDS = ("mobile_sam", "sam2_video", "edgetam_video", "grounding-dino", "sam3_video")
CLIPS = {
    "clip_vit_b_32_openai": "ViT-B-32-quickgelu",
    "clip_rn50_openai": "RN50-quickgelu",
    "clip_vit_l_14_336_openai": "ViT-L-14-336-quickgelu",
}
_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
_VIT = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}
_RESNET = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<pad>", "</s>", "<unk>", "<image>", "a", "red", "mug"]
    table = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    table.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=table, **names)


def _captioners(cache: Path) -> None:
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    eyes = {**size, "intermediate_size": 16, "image_size": 16, "patch_size": 8}
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
    opt = {"model_type": "opt", "vocab_size": 7, "ffn_dim": 16, "word_embed_proj_dim": 16}
    former = {**size, "intermediate_size": 16, "encoder_hidden_size": 16, "vocab_size": 7}
    blip2 = transformers.Blip2Config(
        vision_config=eyes,
        qformer_config=former,
        text_config={**opt, **size, **ends, "max_position_embeddings": 64},
        num_query_tokens=2,
        image_token_index=3,
    )
    reader = {**size, **ends, "vocab_size": 7, "encoder_hidden_size": 16, "intermediate_size": 16}
    blip = transformers.BlipConfig(
        vision_config=eyes, text_config={**reader, "sep_token_id": 1}, projection_dim=16
    )
    pixels = BlipImageProcessorPil(size={"height": 16, "width": 16})
    torch.manual_seed(0)
    folder = cache / "blip2-opt-2.7b"
    # In several files with an index, as it is published.
    model = transformers.Blip2ForConditionalGeneration(blip2)
    model.save_pretrained(folder, max_shard_size="20KB")
    transformers.Blip2Processor(pixels, _tokenizer(), num_query_tokens=2).save_pretrained(folder)
    folder = cache / "blip-image-captioning-base"
    transformers.BlipForConditionalGeneration(blip).save_pretrained(folder)
    transformers.BlipProcessor(pixels, _tokenizer()).save_pretrained(folder)


def _clips(cache: Path, patch: pytest.MonkeyPatch) -> None:
    for folder, name in CLIPS.items():
        vision = _RESNET if name.startswith("RN") else _VIT
        config = {"embed_dim": 16, "quick_gelu": True, "vision_cfg": vision, "text_cfg": _TEXT}
        patch.setitem(open_clip.factory._MODEL_CONFIGS, name, config)
        (cache / folder).mkdir()
        model = open_clip.create_model(name, pretrained=None)
        state = {key: value.contiguous() for key, value in model.state_dict().items()}
        save_file(state, cache / folder / "open_clip_model.safetensors")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A filled cache; the published architectures are small meanwhile."""
    folder = tmp_path_factory.mktemp("cache")
    with (
        pytest.MonkeyPatch.context() as patch,
        tiny_networks.checkpoints(folder / "made", KINDS) as made,
    ):
        patch.setenv("REFSEG_CACHE", str(folder))
        patch.setitem(segment_anything.sam_model_registry, "vit_h", tiny_networks.tiny_vit)
        state = tiny_networks.random(tiny_networks.tiny_vit()).state_dict()
        torch.save(state, folder / "sam_vit_h_4b8939.pth")
        (folder / "mobile_sam.pt").symlink_to(made["mobile_sam"])
        for name in ("sam2.1-hiera-tiny", "sam2.1-hiera-large"):
            (folder / name).symlink_to(made["sam2_video"])
        (folder / "edgetam").symlink_to(made["edgetam_video"])
        (folder / "grounding-dino-tiny").symlink_to(made["grounding-dino"])
        (folder / "sam3").symlink_to(made["sam3_video"])
        _clips(folder, patch)
        _captioners(folder)
        yield folder


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_loads_from_its_published_files_and_answers(preset: str, cache: Path) -> None:
    segmenter = Segmenter.from_preset(preset, "cpu")
    assert segmenter.has_captions == (preset not in ("edge", "gdino", "sam3"))
    scene = segmenter.observe(tiny_networks.photo(60, 80))
    answer = scene.select("the red mug on the left")
    assert answer.mask.shape == (60, 80)
    assert np.isfinite(answer.score)


@pytest.mark.parametrize("name", sorted(CLIPS))
def test_a_clip_file_with_another_tensor_is_refused(name: str, cache: Path) -> None:
    path = cache / name / "open_clip_model.safetensors"
    whole = path.read_bytes()
    preset = {"clip_rn50_openai": "paper_rn50", "clip_vit_l_14_336_openai": "best"}.get(
        name, "edge"
    )
    state = load_file(path)
    try:
        for change in ({"visual.extra": torch.zeros(1)}, {}):
            broken = {**state, **change}
            if not change:
                broken.pop("token_embedding.weight")
            save_file(broken, path)
            with pytest.raises(WeightsError, match=r"visual\.extra|token_embedding"):
                Segmenter.from_preset(preset, "cpu")
    finally:
        path.write_bytes(whole)


def test_blip_2_without_one_of_its_files_is_refused(cache: Path) -> None:
    folder = cache / "blip2-opt-2.7b"
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    shards = sorted(set(index["weight_map"].values()))
    assert len(shards) > 1
    away = folder / shards[-1]
    away.rename(folder / "away")
    try:
        with pytest.raises(WeightsError, match="captioner"):
            Segmenter.from_preset("paper", "cpu")
    finally:
        (folder / "away").rename(away)


def test_an_empty_cache_says_what_to_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFSEG_CACHE", str(tmp_path))
    for preset in PRESETS:
        with pytest.raises(WeightsError, match="refseg weights download") as error:
            Segmenter.from_preset(preset, "cpu")
        assert any(find(word) for word in str(error.value).replace("`", " ").split())
