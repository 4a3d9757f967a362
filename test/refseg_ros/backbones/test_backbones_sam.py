# SPDX-License-Identifier: Apache-2.0
"""Loading segment-anything networks and files of tensors: round trips, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.sam import build_small_sam, load_sam, read_state_dict
from refseg_ros.errors import WeightsError

torchvision_compat.ensure()

CPU = torch.device("cpu")
SMALL = {
    "img_size": 64,
    "stem": 8,
    "widths": [8, 16, 16],
    "prompt_dim": 32,
    "mlp_dim": 16,
    "num_heads": 2,
}
"""A network of segment-anything that builds in milliseconds."""


class Payload:
    """Creates a file when unpickled: what a hostile checkpoint would do, and worse."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def small_json(tmp_path: Path) -> str:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(SMALL), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_small_sam_comes_back_as_it_was_saved(
    suffix: str, tmp_path: Path, small_json: str
) -> None:
    torch.manual_seed(3)
    before = build_small_sam(**SMALL)  # type: ignore[arg-type]
    path = tmp_path / f"sam{suffix}"
    if suffix == ".pth":
        torch.save(before.state_dict(), path)
    else:
        save_file(before.state_dict(), path)
    after = load_sam(small_json, path, CPU)
    assert not after.training
    assert after.state_dict().keys() == before.state_dict().keys()
    for name, value in after.state_dict().items():
        assert torch.equal(value, before.state_dict()[name]), name


def test_half_precision_files_load_as_float32(tmp_path: Path, small_json: str) -> None:
    state = {k: v.half() for k, v in build_small_sam(**SMALL).state_dict().items()}  # type: ignore[arg-type]
    save_file(state, tmp_path / "half.safetensors")
    sam = load_sam(small_json, tmp_path / "half.safetensors", CPU)
    assert {value.dtype for value in sam.state_dict().values()} == {torch.float32}


def test_a_small_sam_answers_points_through_the_published_predictor(
    tmp_path: Path, small_json: str
) -> None:
    from segment_anything import SamPredictor

    save_file(build_small_sam(**SMALL).state_dict(), tmp_path / "s.safetensors")  # type: ignore[arg-type]
    predictor = SamPredictor(load_sam(small_json, tmp_path / "s.safetensors", CPU))
    predictor.set_image(np.zeros((30, 50, 3), np.uint8))
    masks, quality, logits = predictor.predict(np.array([[20.0, 10.0]]), np.array([1]))
    assert masks.shape == (3, 30, 50)
    assert masks.dtype == np.bool_
    assert quality.shape == (3,)
    assert logits.shape == (3, 32, 32)  # 4 to each of the embedding's 64 / 8 cells
    assert np.isfinite(logits).all()


def test_the_published_architecture_has_the_published_tensors() -> None:
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        state = sam_model_registry["vit_b"](checkpoint=None).state_dict()
    # Facts of sam_vit_b_01ec64.pth: 12 blocks of width 768 at 16 pixels a patch of 1024.
    assert state["image_encoder.pos_embed"].shape == (1, 64, 64, 768)
    assert state["image_encoder.blocks.11.attn.qkv.weight"].shape == (2304, 768)
    assert state["mask_decoder.iou_token.weight"].shape == (1, 256)
    # Only the encoder is ours: the rest of the small network has the same tensors by name.
    small = build_small_sam(**SMALL).state_dict()  # type: ignore[arg-type]
    others = {name for name in state if not name.startswith("image_encoder.")}
    assert {name for name in small if not name.startswith("image_encoder.")} == others


def test_weights_of_another_architecture_are_refused(tmp_path: Path, small_json: str) -> None:
    wider = build_small_sam(**{**SMALL, "widths": [8, 16, 24]})  # type: ignore[arg-type]
    save_file(wider.state_dict(), tmp_path / "wider.safetensors")
    with pytest.raises(WeightsError, match=r"wider\.safetensors does not hold weights of"):
        load_sam(small_json, tmp_path / "wider.safetensors", CPU)


def test_a_missing_tensor_is_named(tmp_path: Path, small_json: str) -> None:
    state = build_small_sam(**SMALL).state_dict()  # type: ignore[arg-type]
    del state["mask_decoder.iou_token.weight"]
    save_file(state, tmp_path / "less.safetensors")
    with pytest.raises(WeightsError, match=r"mask_decoder\.iou_token\.weight"):
        load_sam(small_json, tmp_path / "less.safetensors", CPU)


@pytest.mark.parametrize(
    "change",
    [
        {"num_heads": 3},
        {"num_heads": 0},
        {"img_size": 250},
        {"img_size": 0},
        {"img_size": "64"},
        {"widths": [10, 16, 16]},
        {"widths": []},
        {"stem": -8},
        {"unknown": 1},
    ],
)
def test_impossible_architectures_are_refused(change: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps({**SMALL, **change}), encoding="utf-8")
    with pytest.raises(WeightsError, match=r"odd\.json cannot be used"):
        load_sam(str(path), tmp_path / "never_read.safetensors", CPU)


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_files_that_describe_no_architecture_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(WeightsError, match=r"odd\.json"):
        load_sam(str(path), tmp_path / "never_read.safetensors", CPU)


def test_an_unknown_architecture_is_told_what_there_is() -> None:
    with pytest.raises(WeightsError, match="vit_b, vit_l, vit_h"):
        load_sam("vit_z", Path("never_read.pth"), CPU)


# files of tensors


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_missing_empty_and_truncated_files_are_named(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    with pytest.raises(WeightsError, match=rf"weights\{suffix} does not exist"):
        read_state_dict(path)
    path.touch()
    with pytest.raises(WeightsError, match=rf"weights\{suffix}.*damaged"):
        read_state_dict(path)
    tensors = {"a": torch.arange(1000.0)}
    if suffix == ".pth":
        torch.save(tensors, path)
    else:
        save_file(tensors, path)
    assert torch.equal(read_state_dict(path)["a"], tensors["a"])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match=rf"weights\{suffix}.*damaged"):
        read_state_dict(path)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    path, trace = tmp_path / "hostile.pth", tmp_path / "trace"
    torch.save({"a": torch.zeros(1), "b": Payload(trace)}, path)
    with pytest.raises(WeightsError, match=r"hostile\.pth.*could run"):
        read_state_dict(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists(), "the payload does nothing: this test proves nothing"


def test_a_file_that_holds_no_table_is_refused(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="not a table of tensors"):
        read_state_dict(tmp_path / "list.pth")
