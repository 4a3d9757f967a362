# SPDX-License-Identifier: Apache-2.0
"""Image encoders as ONNX files: written, held against torch, refused when they are of others."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_networks
import torch
from numpy.typing import NDArray
from tiny_clip import build_vit
from typer.testing import CliRunner

from refseg_ros import networks as networks_module
from refseg_ros.backbones import exported
from refseg_ros.backbones.conv_pyramid import ConvPyramid
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.exported import ImageTower, gained, run_exported, write_onnx
from refseg_ros.cli.console import ExitCode
from refseg_ros.cli.main import app
from refseg_ros.config import SegmenterConfig, preset_names
from refseg_ros.errors import ConfigError, WeightsError
from refseg_ros.networks import Networks

CPU = Device.from_name("cpu")
Answer = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def small(folder: Path) -> ImageTower:
    torch.manual_seed(0)
    tower = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).eval()
    return ImageTower("visual", tower, folder, (2, 3, 8, 8), (0,))


def put(monkeypatch: pytest.MonkeyPatch, tower: ImageTower, answer: Answer) -> None:
    """An export whose runtime answers so."""

    class Session:
        def run(self, _: None, feed: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
            return [answer(feed["pixels"])]

    tower.path.write_bytes(b"onnx")
    tower.record.write_text(json.dumps({"weights": tower.checksum()}))
    monkeypatch.setattr(exported, "find_spec", lambda name: name)
    monkeypatch.setattr(exported, "_session", lambda path: Session())


def torch_answer(tower: ImageTower) -> Answer:
    usual = tower.module.forward

    def answer(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = usual(torch.from_numpy(pixels)).numpy()
        return found

    return answer


def test_an_export_lies_beside_its_weights(tmp_path: Path) -> None:
    file = tmp_path / "sam.pth"
    file.touch()
    tower = small(file)
    assert tower.path == tmp_path / "sam.pth.visual.onnx"
    assert tower.record == tmp_path / "sam.pth.visual.onnx.json"
    assert small(tmp_path).path == tmp_path / "visual.onnx"


def test_only_free_axes_are_longer() -> None:
    tower = ImageTower("a", torch.nn.Identity(), Path(), (1, 3, 32, 64), (2, 3))
    assert tower.picture().shape == (1, 3, 32, 64)
    assert tower.picture(2).shape == (1, 3, 64, 128)
    assert torch.equal(tower.picture(2), tower.picture(2))


def test_without_a_file_torch_answers(tmp_path: Path) -> None:
    assert not run_exported(small(tmp_path))


def test_an_export_stands_in_for_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tower = small(tmp_path)
    usual, asked = torch_answer(tower), []

    def answer(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        asked.append(pixels.shape)
        return usual(pixels) * np.float32(1 + 1e-5)

    put(monkeypatch, tower, answer)
    with caplog.at_level(logging.INFO):
        assert run_exported(tower)
    assert asked == [(4, 3, 8, 8)]  # not the batch that it was exported with
    assert "stands in for torch; it differs by 1.0e-05" in caplog.text
    pixels = torch.randn(5, 3, 8, 8)
    assert torch.equal(tower.module(pixels), torch.from_numpy(answer(pixels.numpy())))


def test_blip_is_answered_features_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pair(torch.nn.Conv2d):
        def forward(self, pixel_values: torch.Tensor) -> Any:
            return super().forward(pixel_values), None

    module = Pair(3, 4, 3).eval()
    tower = ImageTower("vision_model", module, tmp_path, (2, 3, 8, 8), (0,))
    usual = module.forward
    put(monkeypatch, tower, lambda pixels: usual(torch.from_numpy(pixels))[0].detach().numpy())
    pixels = torch.randn(1, 3, 8, 8)
    expected = module(pixel_values=pixels)[0]
    assert run_exported(tower)
    assert torch.equal(module(pixel_values=pixels)[0], expected)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda found: found * np.float32(1.01), "answers otherwise than torch, by 1.0e-02"),
        (lambda found: found[:2], "answers otherwise"),
        (lambda found: found * np.float32(np.nan), "answers otherwise"),
        (lambda found: 1 // 0, "cannot be run: integer division"),
    ],
    ids=["other", "fewer", "nan", "error"],
)
def test_what_answers_otherwise_is_refused(
    wrong: Callable[[Any], Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tower = small(tmp_path)
    usual = torch_answer(tower)
    put(monkeypatch, tower, lambda pixels: wrong(usual(pixels)))
    with pytest.raises(WeightsError, match=said) as error:
        run_exported(tower)
    assert "refseg export PRESET" in str(error.value)


@pytest.mark.parametrize("record", ['{"weights": "0"}', "{}", "[]", "{", None])
def test_an_export_of_other_weights_is_refused(
    record: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tower = small(tmp_path)
    put(monkeypatch, tower, torch_answer(tower))
    tower.record.unlink()
    if record is not None:
        tower.record.write_text(record)
    with pytest.raises(WeightsError, match=r"not of these weights.*export it anew.*or delete it"):
        run_exported(tower)


def test_one_changed_weight_makes_an_export_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tower = small(tmp_path)
    put(monkeypatch, tower, torch_answer(tower))
    with torch.no_grad():
        next(tower.module.parameters())[0, 0, 0, 0] += 1e-6
    with pytest.raises(WeightsError, match="not of these weights"):
        run_exported(tower)


def test_without_a_runtime_torch_answers_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tower = small(tmp_path)
    put(monkeypatch, tower, torch_answer(tower))
    monkeypatch.setattr(exported, "find_spec", lambda name: None)
    assert not run_exported(tower)
    assert "visual.onnx is not used: pip install 'refseg_ros[onnx]'" in caplog.text


def test_half_precision_is_left_to_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tower = small(tmp_path)
    put(monkeypatch, tower, torch_answer(tower))
    tower.module.to(torch.bfloat16)
    assert not run_exported(tower)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_exporting_says_what_to_install(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None if name == missing else Any)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=rf"{missing} is not installed; pip install.*\[onnx\]"):
        write_onnx(small(tmp_path))
    monkeypatch.setattr(Networks, "towers", lambda self, config: ([small(tmp_path)], ["clip x"]))
    found = CliRunner().invoke(app, ["export", "tabletop"])
    assert found.exit_code == ExitCode.ERROR
    assert "left out: clip x" in found.stderr
    assert "pip install 'refseg_ros[onnx]'" in found.stderr
    assert not list(tmp_path.iterdir())


def test_published_procedures_are_run_by_torch() -> None:
    for name in preset_names():
        config = SegmenterConfig.from_preset(name)
        if "paper" in name:
            parts = (config.proposals, config.clip, config.captions)
            assert not any(part.onnx for part in parts)


def test_each_image_tower_of_a_preset_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def recorded(tower: ImageTower) -> bool:
        asked.append(f"{tower.path.parent.name}/{tower.path.name}")
        return False

    monkeypatch.setattr(networks_module, "run_exported", recorded)
    loaded, config = Networks(CPU), SegmenterConfig.from_preset("tabletop")
    for wanted in (config, SegmenterConfig.from_preset("tabletop_paper"), config):
        loaded.proposer(wanted.proposals)
        loaded.clip(wanted.clip)
        loaded.captioner(wanted.captions)
    names = ["sam/model.safetensors.image_encoder.onnx", "clip/visual.onnx"]
    assert asked == [*names, "captioner/vision_model.onnx"]
    towers, left_out = loaded.towers(config)
    assert [f"{item.path.parent.name}/{item.path.name}" for item in towers] == asked
    assert not left_out


# With the runtime


def real(kind: str, folder: Path) -> ImageTower:
    """An image tower of the real class with random weights."""
    torch.manual_seed(0)
    if kind == "sam":
        module = tiny_networks.random(tiny_networks.tiny_vit().image_encoder)
        return ImageTower("image_encoder", module, folder, (1, 3, *2 * (tiny_networks.SIDE,)))
    if kind == "pyramid":
        module = tiny_networks.random(ConvPyramid(64, 8, (8, 16, 16), 32, seeds=True))
        return ImageTower("image_encoder", module, folder, (1, 3, 64, 96), (2, 3))
    if kind == "clip":
        return ImageTower("visual", build_vit(2), folder, (2, 3, 32, 32), (0,))
    from transformers import BlipVisionConfig, BlipVisionModel

    config = BlipVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    module = tiny_networks.random(BlipVisionModel(config))
    return ImageTower("vision_model", module, folder, (2, 3, 32, 32), (0,))


@pytest.mark.parametrize("kind", ["sam", "pyramid", "clip", "blip"])
@pytest.mark.filterwarnings("ignore")
def test_networks_are_exported_and_run(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    tower = real(kind, tmp_path)
    before = tower.checksum()
    write_onnx(tower)
    assert not any(part.training for part in tower.module.modules())
    assert tower.checksum() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        tower.path.name,
        tower.record.name,
    ]
    *_, difference = gained(tower, runs=1)
    assert difference < 1e-4
    pixels = tower.picture(3)
    with torch.inference_mode():
        expected = tower.module(pixels)
        assert run_exported(tower)
        found = tower.module(pixels)
    if not isinstance(expected, torch.Tensor):
        expected, found = expected[0], found[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))
    tower.path.write_bytes(tower.path.read_bytes()[:100])
    with pytest.raises(WeightsError, match="cannot be run"):
        exported.held_against_torch(tower)


@pytest.mark.filterwarnings("ignore")
def test_bundled_networks_are_exported_and_run(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    towers, _ = Networks(CPU).towers(SegmenterConfig.from_preset("tabletop"))
    assert len(towers) == 3
    for tower in towers:
        elsewhere = replace(tower, weights=tmp_path)
        write_onnx(elsewhere)
        assert gained(elsewhere, runs=1)[2] < 1e-4
