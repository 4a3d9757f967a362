# SPDX-License-Identifier: Apache-2.0
"""Loading CLIP and captioners: what comes out, and what is said of damaged folders."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from refseg_ros import weights
from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.captioner import Captioner
from refseg_ros.backbones.clip import MERGES, ClipEncoder
from refseg_ros.errors import WeightsError

CPU = torch.device("cpu")


def bundled(name: str, tmp_path: Path) -> Path:
    """A copy of a bundled folder, to be damaged."""
    copy = tmp_path / name
    shutil.copytree(weights.resolve(f"bundled:{name}"), copy)
    return copy


def cut(path: Path) -> None:
    """Lose the second half of a file, as a broken download does."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


@pytest.fixture(scope="module")
def clip() -> ClipEncoder:
    return ClipEncoder.load(weights.resolve("bundled:clip"), device=CPU)


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    return Captioner.load(weights.resolve("bundled:captioner"), device=CPU, num_beams=1)


# torchvision


def test_torchvision_can_be_imported_once_ensured() -> None:
    assert torchvision_compat.ensure() in ("native", "patched")
    assert torchvision_compat.ensure() is torchvision_compat.ensure()
    from torchvision.ops import batched_nms, nms

    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]])
    scores = torch.tensor([0.5, 0.9, 0.7])
    # The first two share 90 of 100 pixels; the third is elsewhere.
    assert nms(boxes, scores, 0.8).tolist() == [1, 2]
    assert batched_nms(boxes, scores, torch.tensor([0, 1, 0]), 0.8).tolist() == [1, 2, 0]


@pytest.mark.parametrize(("threshold", "kept"), [(0.49, [0]), (0.51, [0, 1])])
def test_nms_compares_overlap_over_union(threshold: float, kept: list[int]) -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 2]])  # IoU 8 / 16
    assert torchvision_compat.nms(boxes, torch.tensor([1.0, 0.5]), threshold).tolist() == kept


def test_nms_of_nothing_is_nothing() -> None:
    kept = torchvision_compat.nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert kept.shape == (0,)
    assert kept.dtype == torch.int64


def test_what_needs_torchvision_imports_in_a_fresh_process() -> None:
    code = (
        "from refseg_ros.backbones import torchvision_compat as t; t.ensure()\n"
        "import open_clip, segment_anything\n"
        "from transformers import BlipForConditionalGeneration"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


# CLIP


def test_clip_features_are_unit_vectors(clip: ClipEncoder) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in [(64, 64), (1, 1), (90, 20)]]
    seen, said = clip.encode_images(images), clip.encode_texts(["a red mug", "the blue ball"])
    assert seen.shape == (3, clip.dimension)
    assert said.shape == (2, clip.dimension)
    for features in (seen, said):
        assert features.dtype == torch.float32
        torch.testing.assert_close(features.norm(dim=1), torch.ones(len(features)))
    assert clip.logit_scale > 1


def test_clip_of_nothing_is_nothing(clip: ClipEncoder) -> None:
    assert clip.encode_images([]).shape == (0, clip.dimension)
    assert clip.encode_texts([]).shape == (0, clip.dimension)


def test_clip_features_do_not_depend_on_the_batch(clip: ClipEncoder) -> None:
    images = [np.full((20, 20, 3), value, np.uint8) for value in range(0, 140, 2)]
    assert len(images) > 64  # more than one batch
    alone = clip.encode_images(images[66:67])
    torch.testing.assert_close(clip.encode_images(images)[66:67], alone, atol=1e-5, rtol=0)


def test_clip_knows_colours_and_words(clip: ClipEncoder) -> None:
    names = {"red": (200, 20, 20), "green": (20, 160, 40), "blue": (30, 60, 200)}
    disc = np.square(np.indices((60, 60)) - 29.5).sum(0) < 27**2
    images = [np.where(disc[..., None], rgb, 0).astype(np.uint8) for rgb in names.values()]
    table = clip.encode_images(images) @ clip.encode_texts([f"the {n} ball" for n in names]).T
    assert table.argmax(1).tolist() == [0, 1, 2]


@given(st.text(st.characters(codec=None), max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_text_upsets_clip(clip: ClipEncoder, text: str) -> None:
    features = clip.encode_texts([text])
    assert features.shape == (1, clip.dimension)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00",
        "\ud800",
        "<end_of_text><start_of_text>",
        "a" * 50_000,
        "mug " * 10_000,
        "🦆" * 99,
    ],
    ids=["empty", "nul", "surrogate", "special", "long word", "long text", "emoji"],
)
def test_hostile_text_gives_a_feature(clip: ClipEncoder, text: str) -> None:
    assert float(clip.encode_texts([text]).norm()) == pytest.approx(1, abs=1e-5)


def test_clip_says_which_words_it_has_never_seen(clip: ClipEncoder) -> None:
    assert clip.unknown_words(["red", "Mug", "mugs", "zebra", "banana", "ZEBRA", "sphinx"]) == (
        "zebra",
        "sphinx",
    )
    assert clip.unknown_words(["", "..."]) == ("", "...")
    assert clip.unknown_words([]) == ()


def test_clip_cuts_what_is_too_long(clip: ClipEncoder) -> None:
    long, longer = clip.encode_texts(["mug " * 40, "mug " * 400])
    assert torch.equal(long, longer)


@pytest.mark.parametrize("name", ["open_clip_config.json", "open_clip_model.safetensors", MERGES])
def test_a_clip_folder_that_lacks_a_file_is_refused(name: str, tmp_path: Path) -> None:
    folder = bundled("clip", tmp_path)
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=name.replace(".", r"\.")):
        ClipEncoder.load(folder, device=CPU)


@pytest.mark.parametrize("name", ["open_clip_config.json", "open_clip_model.safetensors", MERGES])
def test_a_clip_folder_with_half_a_file_is_refused(name: str, tmp_path: Path) -> None:
    folder = bundled("clip", tmp_path)
    cut(folder / name)
    with pytest.raises(WeightsError, match="clip model"):
        ClipEncoder.load(folder, device=CPU)


def test_clip_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    folder = bundled("clip", tmp_path)
    path = folder / "open_clip_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["model_cfg"]["embed_dim"] //= 2
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(WeightsError, match="size mismatch"):
        ClipEncoder.load(folder, device=CPU)


def test_a_clip_name_needs_an_architecture_and_a_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no checkpoint was named"):
        ClipEncoder.load("ViT-B-32", device=CPU)
    with pytest.raises(WeightsError, match="neither a folder nor an architecture"):
        ClipEncoder.load("ViT-Z", tmp_path / "w.pt", device=CPU)
    with pytest.raises(WeightsError, match=r"w\.pt does not exist"):
        ClipEncoder.load("ViT-B-32", tmp_path / "w.pt", device=CPU)


# captions


def test_a_captioner_describes_images_of_any_size(captioner: Captioner) -> None:
    rng = np.random.default_rng(0)
    sizes = [(64, 64), (1, 1), (300, 20)] + [(32, 32)] * 15  # more than one batch
    images = [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in sizes]
    captions = captioner.caption(images)
    assert len(captions) == len(images)
    assert all(isinstance(caption, str) and "[" not in caption for caption in captions)
    assert captioner.caption(images) == captions


def test_captions_of_nothing_are_nothing(captioner: Captioner) -> None:
    assert captioner.caption([]) == []


def test_a_captioner_without_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nonesuch has no readable config\.json"):
        Captioner.load(tmp_path / "nonesuch", device=CPU)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_captioner_folder_that_lacks_a_file_is_refused(name: str, tmp_path: Path) -> None:
    folder = bundled("captioner", tmp_path)
    (folder / name).unlink()
    with pytest.raises(WeightsError, match="captioner"):
        Captioner.load(folder, device=CPU)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_captioner_folder_with_half_a_file_is_refused(name: str, tmp_path: Path) -> None:
    folder = bundled("captioner", tmp_path)
    cut(folder / name)
    with pytest.raises(WeightsError, match="captioner"):
        Captioner.load(folder, device=CPU)


def test_a_captioner_never_makes_up_weights(tmp_path: Path) -> None:
    folder = bundled("captioner", tmp_path)
    state = load_file(folder / "model.safetensors")
    gone = "vision_model.post_layernorm.weight"
    del state[gone]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=f"lack 1 tensors, such as {gone}"):
        Captioner.load(folder, device=CPU)


def test_another_kind_of_captioner_is_told_which_there_are(tmp_path: Path) -> None:
    folder = bundled("captioner", tmp_path)
    (folder / "config.json").write_text('{"model_type": "git"}', encoding="utf-8")
    with pytest.raises(WeightsError, match=r"'git'.*blip, blip-2"):
        Captioner.load(folder, device=CPU)


def test_blip_2_is_loaded_by_its_own_class(tmp_path: Path) -> None:
    """A whole BLIP-2 of random numbers, saved as published ones are."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<pad>", "</s>", "<unk>", "<image>", "a", "red", "mug"]
    table = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    table.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=table, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = transformers.OPTConfig(
        vocab_size=7,
        ffn_dim=16,
        word_embed_proj_dim=16,
        max_position_embeddings=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
        **size,
    )
    eyes = {**size, "intermediate_size": 16, "image_size": 16, "patch_size": 8}
    bridge = {**size, "intermediate_size": 16, "encoder_hidden_size": 16, "vocab_size": 7}
    config = transformers.Blip2Config(
        vision_config=eyes,
        qformer_config=bridge,
        text_config=text.to_dict(),
        num_query_tokens=2,
        image_token_index=3,
    )
    torch.manual_seed(0)
    transformers.Blip2ForConditionalGeneration(config).save_pretrained(tmp_path)
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    pixels = BlipImageProcessorPil(size={"height": 16, "width": 16})
    transformers.Blip2Processor(pixels, tokenizer, num_query_tokens=2).save_pretrained(tmp_path)
    captioner = Captioner.load(tmp_path, device=CPU, max_new_tokens=3, num_beams=2)
    captions = captioner.caption([np.zeros((20, 30, 3), np.uint8)] * 2)
    assert len(captions) == 2
    assert captions[0] == captions[1]
