# SPDX-License-Identifier: Apache-2.0
"""Devices, architectures by name, small random captioners, and that nothing calls the network."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from refseg_ros import weights
from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.captioner import Captioner
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.greedy import greedy_tokens, is_plain
from refseg_ros.backbones.sam import load_sam
from refseg_ros.errors import ConfigError, WeightsError

torchvision_compat.ensure()

CPU = torch.device("cpu")
TINY_CLIP = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16},
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 16,
        "heads": 2,
        "layers": 1,
    },
}
IMAGE = np.zeros((40, 30, 3), np.uint8)


class Payload:
    """Creates a folder when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.path),)


# devices


def test_the_cpu_runs_in_single_precision() -> None:
    device = Device.from_name("cpu")
    assert device == Device(CPU, torch.float32)
    assert str(device) == "cpu (float32)"
    with device.precision():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_auto_takes_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Device.from_name("auto").torch_device == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    # Of two cards in one machine each has its own: a Turing one has bfloat16 by emulation.
    cards = {0: (7, 5), 1: (8, 6)}
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: cards[index])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Test GPU")
    assert str(Device.from_name("auto")) == "cuda:0 Test GPU (float16)"
    assert Device.from_name("cuda:1") == Device(torch.device("cuda:1"), torch.bfloat16)
    with pytest.raises(ConfigError, match=r"'cuda:2' is not there; torch sees 2 CUDA devices"):
        Device.from_name("cuda:2")


@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_a_gpu_that_is_not_there_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="torch sees 0 CUDA devices"):
        Device.from_name(name)


@pytest.mark.parametrize("name", ["", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:1.5", "cuda:²", "0"])
def test_other_devices_are_told_which_there_are(name: str) -> None:
    with pytest.raises(ConfigError, match="is not one of auto, cpu, cuda, cuda:N"):
        Device.from_name(name)


# CLIP by the name of its architecture


@pytest.fixture
def tiny_name(tmp_path: Path) -> str:
    """An architecture that open_clip knows by name, as it knows the published ones."""
    import open_clip

    path = tmp_path / "refseg-test-tiny.json"
    path.write_text(json.dumps(TINY_CLIP), encoding="utf-8")
    open_clip.add_model_config(path)
    return path.stem


def save_tiny(path: Path, **change: Any) -> dict[str, torch.Tensor]:
    import open_clip

    torch.manual_seed(5)
    state: dict[str, torch.Tensor] = open_clip.model.CLIP(**{**TINY_CLIP, **change}).state_dict()
    if path.suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    else:
        torch.save({"state_dict": {f"module.{name}": v for name, v in state.items()}}, path)
    return state


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_named_architecture_gets_the_weights_of_the_file(
    suffix: str, tiny_name: str, tmp_path: Path
) -> None:
    """A .pt is as open_clip's trainer writes it: under "state_dict", with a prefix."""
    state = save_tiny(tmp_path / f"w{suffix}")
    clip = ClipEncoder.load(tiny_name, tmp_path / f"w{suffix}", device=CPU)
    assert clip.dimension == 8
    assert clip.logit_scale == pytest.approx(float(state["logit_scale"].exp()))
    assert clip.encode_images([IMAGE]).shape == (1, 8)
    assert clip.unknown_words(["mug", "zebra", "xqzt"]) == ()
    first, again = (
        item.encode_texts(["a red mug"])
        for item in (clip, ClipEncoder.load(tiny_name, tmp_path / f"w{suffix}", device=CPU))
    )
    assert torch.equal(first, again)
    assert float(first.norm()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("damage", ["empty", "cut", "other architecture", "text"])
def test_a_bad_file_for_a_named_architecture_is_refused(
    damage: str, tiny_name: str, tmp_path: Path
) -> None:
    path = tmp_path / "w.pt"
    save_tiny(path, **({"embed_dim": 16} if damage == "other architecture" else {}))
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:2000])
    elif damage == "text":
        path.write_text("<html>404 Not Found</html>", encoding="utf-8")
    with pytest.raises(WeightsError, match="refseg-test-tiny"):
        ClipEncoder.load(tiny_name, path, device=CPU)


def test_code_in_a_clip_checkpoint_is_not_run(tiny_name: str, tmp_path: Path) -> None:
    path, trace = tmp_path / "hostile.pt", tmp_path / "trace"
    torch.save({"state_dict": {"logit_scale": Payload(trace)}}, path)
    with pytest.raises(WeightsError, match="refseg-test-tiny"):
        ClipEncoder.load(tiny_name, path, device=CPU)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists(), "the payload does nothing: this test proves nothing"


@pytest.mark.parametrize(
    "text",
    ["x\x07\x1b[2J\n" * 20_000, "🦆é中" * 25_000, "a-b" * 34_000],
    ids=["control", "unicode", "hyphens"],
)
def test_a_hundred_kilobytes_of_text_are_cut(text: str) -> None:
    assert len(text.encode()) >= 100_000
    clip = ClipEncoder.load(weights.resolve("bundled:clip"), device=CPU)
    assert float(clip.encode_texts([text]).norm()) == pytest.approx(1, abs=1e-5)


# captioners made by save_pretrained


def save_tiny_blip(folder: Path) -> None:
    import transformers
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "red", "mug"]
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BlipConfig(
        vision_config={**size, "intermediate_size": 16, "image_size": 16, "patch_size": 8},
        text_config={
            **size,
            "intermediate_size": 16,
            "encoder_hidden_size": 16,
            "vocab_size": len(words),
            "max_position_embeddings": 16,
            "pad_token_id": 0,
            "bos_token_id": 5,
            "eos_token_id": 3,
            "sep_token_id": 3,
        },
        projection_dim=8,
        image_text_hidden_size=8,
    )
    torch.manual_seed(0)
    transformers.BlipForConditionalGeneration(config).save_pretrained(folder)
    tokenizer = transformers.BertTokenizer(
        vocab={word: i for i, word in enumerate(words)}, bos_token="[DEC]"
    )
    pixels = BlipImageProcessorPil(size={"height": 16, "width": 16})
    transformers.BlipProcessor(image_processor=pixels, tokenizer=tokenizer).save_pretrained(folder)


def test_a_random_blip_says_words_that_it_has(tmp_path: Path) -> None:
    save_tiny_blip(tmp_path)
    captioner = Captioner.load(tmp_path, device=CPU, max_new_tokens=4, num_beams=2, batch_size=2)
    captions = captioner.caption([IMAGE, np.zeros((1, 1, 3), np.uint8), IMAGE])
    assert len(captions) == 3
    assert captions[0] == captions[2]
    assert {word for caption in captions for word in caption.split()} <= {"red", "mug"}


def test_greedy_captions_are_those_of_generate(tmp_path: Path) -> None:
    save_tiny_blip(tmp_path)
    captioner = Captioner.load(tmp_path, device=CPU, num_beams=1)
    model, lengths = captioner._model, set()
    for seed in range(12):
        torch.manual_seed(seed)
        with torch.inference_mode():
            for value in model.parameters():
                value.normal_(std=0.4)
            pixels = torch.randn(5, 3, 16, 16)
            for most in (1, 4, 12):
                expected = model.generate(
                    pixel_values=pixels, max_new_tokens=most, num_beams=1, do_sample=False
                )
                found = greedy_tokens(model, pixels, most)
                assert found.tolist() == expected.tolist()
                lengths |= {int((row != 0).sum()) for row in found}
    assert len(lengths) > 3  # some end early, each for itself


def test_bundled_captions_are_those_of_generate() -> None:
    captioner = Captioner.load(weights.resolve("bundled:captioner"), device=CPU, num_beams=1)
    assert captioner._greedy
    chance = np.random.default_rng(0)
    crops = [chance.integers(0, 256, (20 + 5 * k, 30, 3)).astype(np.uint8) for k in range(9)]
    for crop in crops:
        crop[5:, 5:25] = chance.integers(0, 256, 3)
    found = captioner.caption(crops)
    captioner._greedy = False
    assert captioner.caption(crops) == found


@pytest.mark.parametrize(
    ("option", "plain"),
    [("repetition_penalty", False), ("no_repeat_ngram_size", False), ("max_length", True)],
)
def test_what_changes_a_choice_is_left_to_generate(
    tmp_path: Path, option: str, plain: bool
) -> None:
    save_tiny_blip(tmp_path)
    captioner = Captioner.load(tmp_path, device=CPU, num_beams=1)
    setattr(captioner._model.text_decoder.generation_config, option, 3)
    assert is_plain(captioner._model) == plain
    assert not Captioner.load(tmp_path, device=CPU, num_beams=2)._greedy


def test_pickled_captioners_are_not_opened(tmp_path: Path) -> None:
    """Only safetensors: the pickle that older folders hold is left alone."""
    save_tiny_blip(tmp_path)
    trace = tmp_path / "trace"
    (tmp_path / "model.safetensors").unlink()
    torch.save({"a": Payload(trace)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        Captioner.load(tmp_path, device=CPU)
    assert not trace.exists()


def test_code_beside_a_captioner_is_not_run(tmp_path: Path) -> None:
    """A configuration may name Python files in its folder; they stay unread."""
    save_tiny_blip(tmp_path)
    trace = tmp_path / "trace"
    (tmp_path / "evil.py").write_text(
        f"import os\nos.mkdir({str(trace)!r})\nclass Evil:\n    pass\n", encoding="utf-8"
    )
    for name in ("config.json", "processor_config.json", "tokenizer_config.json"):
        values = json.loads((tmp_path / name).read_text(encoding="utf-8"))
        values["auto_map"] = {"AutoProcessor": "evil.Evil", "AutoModel": "evil.Evil"}
        (tmp_path / name).write_text(json.dumps(values), encoding="utf-8")
    with contextlib.suppress(WeightsError):
        Captioner.load(tmp_path, device=CPU)
    assert not trace.exists()


# no network


def test_loading_calls_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"a connection was opened: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(AssertionError, match="a connection was opened"):
        socket.create_connection(("127.0.0.1", 9))
    folder = weights.resolve("bundled:sam")
    load_sam(str(folder / "config.json"), folder / "model.safetensors", CPU)
    clip = ClipEncoder.load(weights.resolve("bundled:clip"), device=CPU)
    assert clip.encode_images([IMAGE]).shape == clip.encode_texts(["a mug"]).shape
    captioner = Captioner.load(weights.resolve("bundled:captioner"), device=CPU, num_beams=1)
    assert len(captioner.caption([IMAGE])) == 1
