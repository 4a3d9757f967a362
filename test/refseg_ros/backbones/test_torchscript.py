# SPDX-License-Identifier: Apache-2.0
"""Tensors of TorchScript archives, as OpenAI publishes its CLIPs, read without their code."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.torchscript import is_torchscript, read_torchscript
from refseg_ros.errors import WeightsError

torchvision_compat.ensure()
import open_clip  # noqa: E402

NAME = "ViT-B-32"
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


class Archived(torch.nn.Module):
    """A CLIP with the sizes that OpenAI keeps beside its tensors."""

    def __init__(self, clip: Any) -> None:
        super().__init__()
        for name, child in clip.named_children():
            self.add_module(name, child)
        for name, value in clip.named_parameters(recurse=False):
            self.register_parameter(name, value)
        self.register_buffer("attn_mask", clip.attn_mask)
        for name, size in (("input_resolution", 32), ("context_length", 77), ("vocab_size", 99)):
            self.register_buffer(name, torch.tensor(size))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.visual(image)
        return found


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Any:
    configs = open_clip.factory._MODEL_CONFIGS
    monkeypatch.setitem(configs, NAME, CONFIG)
    monkeypatch.setitem(configs, f"{NAME}-quickgelu", {**CONFIG, "quick_gelu": True})
    torch.manual_seed(0)
    return open_clip.create_model(f"{NAME}-quickgelu", pretrained=None).eval()


@pytest.fixture
def archive(network: Any, tmp_path: Path) -> Path:
    path = tmp_path / "ViT-B-32.pt"
    torch.jit.trace(Archived(network).half().float(), torch.zeros(1, 3, 32, 32)).save(str(path))
    return path


def test_the_tensors_are_those_of_the_network(network: Any, archive: Path) -> None:
    assert is_torchscript(archive)
    found, expected = read_torchscript(archive), network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_the_published_archive_is_a_checkpoint_like_any_other(network: Any, archive: Path) -> None:
    cpu = torch.device("cpu")
    encoder = ClipEncoder.load(f"{NAME}-quickgelu", archive, device=cpu)
    tokens = open_clip.get_tokenizer(NAME)(["a red mug"])
    expected = torch.nn.functional.normalize(network.encode_text(tokens)[0], dim=0)
    assert torch.allclose(encoder.encode_texts(["a red mug"])[0], expected, atol=1e-5)
    with pytest.raises(WeightsError, match=r"QuickGELU; use clip\.model: ViT-B-32-quickgelu"):
        ClipEncoder.load(NAME, archive, device=cpu)


def test_the_folder_s_configuration_tells_the_activation(network: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(network.state_dict(), path)
    told = tmp_path / "open_clip_config.json"
    told.write_text('{"model_cfg": {"quick_gelu": true}}', "utf-8")
    ClipEncoder.load(f"{NAME}-quickgelu", path, device=torch.device("cpu"))
    with pytest.raises(WeightsError, match="was trained with QuickGELU"):
        ClipEncoder.load(NAME, path, device=torch.device("cpu"))
    told.write_text('{"model_cfg": {"quick_gelu": false}}', "utf-8")
    with pytest.raises(WeightsError, match=r"was trained with GELU; use clip\.model: ViT-B-32$"):
        ClipEncoder.load(f"{NAME}-quickgelu", path, device=torch.device("cpu"))


class Trap:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("touched"),)  # type: ignore[return-value]


def test_an_archive_that_would_run_something_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "trap.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/constants.pkl", b"")
        archive.writestr("a/data.pkl", pickle.dumps(Trap(), protocol=2))
    assert is_torchscript(path)
    with pytest.raises(WeightsError, match="rebuilds no tensor"):
        read_torchscript(path)
    assert not (tmp_path / "touched").exists()


def test_a_damaged_archive_is_named(archive: Path) -> None:
    short = archive.with_name("short.pt")
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(short, "w") as part:
        for item in whole.namelist():
            if not item.endswith("/data/0"):
                part.writestr(item, whole.read(item))
    with pytest.raises(WeightsError, match=r"short\.pt: its TorchScript archive cannot be read"):
        read_torchscript(short)
    assert not is_torchscript(archive.with_name("nowhere.pt"))
