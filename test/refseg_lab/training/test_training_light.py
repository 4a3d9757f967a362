# SPDX-License-Identifier: Apache-2.0
"""Crops in other light: what stays, which colours are still told, and training further."""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from square_scenes import write_scenes
from torch import nn

from refseg_lab.simulation.catalogue import COLOURS
from refseg_lab.training import augment, common, export, light, train_clip
from refseg_lab.training.vocabulary import Kind, Meaning
from refseg_ros import weights
from refseg_ros.errors import ConfigError, WeightsError


def flat(colour: str, count: int, side: int = 16) -> np.ndarray:
    """Crops of one colour in the middle of black."""
    crops = np.zeros((count, side, side, 3), np.uint8)
    crops[:, 2:-2, 2:-2] = np.round(255 * np.array(COLOURS[colour])).astype(np.uint8)
    return crops


def test_black_around_a_thing_stays_black_and_the_thing_does_not_become_it() -> None:
    crops = flat("black", 40)
    made, _ = light.relight(crops, np.random.default_rng(0), 1.0)
    assert (made.any(3) == crops.any(3)).all()
    assert not (made == crops).all((1, 2, 3)).any()


def test_only_a_share_is_lit_anew() -> None:
    crops = flat("red", 400)
    made, kept = light.relight(crops, np.random.default_rng(0), 0.25)
    assert (made != crops).any((1, 2, 3)).mean() == pytest.approx(0.25, abs=0.05)
    assert kept[(made == crops).all((1, 2, 3))].all()
    same, kept = light.relight(crops, np.random.default_rng(0), 0.0)
    assert (same == crops).all()
    assert kept.all()


def test_the_ten_colours_look_like_themselves_in_plain_light() -> None:
    bases = np.array(list(COLOURS.values()), np.float32)
    for gain in (0.75, 1.0):
        named = [list(COLOURS)[row] for row in light.looks_like(bases * np.float32(gain))]
        dark = {"orange": "brown"} if gain * COLOURS["orange"][0] < 0.55 else {}
        assert named == [dark.get(name, name) for name in COLOURS]


@pytest.mark.parametrize("colour", ["orange", "green"])
def test_a_colour_is_told_as_long_as_it_looks_like_it(
    colour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(light, "BALANCE", 0.0)
    monkeypatch.setattr(light, "VEIL", 0.0)
    made, kept = light.relight(flat(colour, 300), np.random.default_rng(1), 1.0)
    inside = made[:, 4:-4, 4:-4].reshape(300, -1, 3).mean(1) / 255
    seen = np.array([colorsys.rgb_to_hsv(*pixel) for pixel in inside])
    low, high = {"orange": (14, 42), "green": (68, 165)}[colour]
    inner = (seen[:, 0] * 360 > low + 1) & (seen[:, 0] * 360 < high - 1) & (seen[:, 1] > 0.42)
    outer = (seen[:, 0] * 360 < low - 1) | (seen[:, 0] * 360 > high + 1) | (seen[:, 1] < 0.38)
    if colour == "orange":  # a dark one is brown
        inner, outer = inner & (seen[:, 2] > 0.57), outer | (seen[:, 2] < 0.53)
    else:
        inner = inner & (seen[:, 2] > 0.12)
    assert kept[inner].all()
    assert not kept[outer].any()
    assert 0.4 < kept.mean() < 1


def test_white_stays_white_in_a_warm_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(light, "BALANCE", 0.3)
    made, kept = light.relight(flat("white", 300), np.random.default_rng(2), 1.0)
    middles = (made[:, 4:-4, 4:-4].reshape(300, -1, 3).mean(1) / 255).astype(np.float32)
    coloured = light.looks_like(middles) != list(COLOURS).index("white")
    assert coloured.mean() > 0.05
    assert kept[coloured].mean() > 0.9


def test_where_light_changes_a_colour_it_is_unknown() -> None:
    shown = [Meaning(int(Kind.OBJECT), 3, 4)] * 200
    pixels, told = augment.seen_elsewhere(
        list(flat("orange", 200)), shown, np.random.default_rng(0), 1.0
    )
    assert pixels.shape == (200, 16, 16, 3)
    assert {meaning.colour for meaning in told} == {-1, 4}
    assert {meaning[:2] for meaning in told} == {(Kind.OBJECT, 3)}
    _, same = augment.seen_elsewhere(
        list(flat("orange", 9)), shown[:9], np.random.default_rng(0), 0
    )
    assert same == shown[:9]


def test_clip_is_trained_further_and_keeps_how_it_reads(tmp_path: Path) -> None:
    write_scenes(tmp_path / "data" / "train")
    write_scenes(tmp_path / "data" / "val", 1)
    begun, out = weights.resolve("bundled:clip"), tmp_path / "run"
    threads = torch.get_num_threads()
    options = ["--data", str(tmp_path / "data"), "--out", str(out), "--batch", "4"]
    train_clip.main([*options, "--steps", "1", "--begin", str(begun), "--wide", "0.5"])
    torch.set_num_threads(threads)
    before = load_file(begun / train_clip.WEIGHTS)
    after = common.read_checkpoint(out)["model"]
    changed = {
        name for name, value in before.items() if not torch.equal(value.float(), after[name])
    }
    assert changed
    assert all(name.startswith("visual.") for name in changed)


def test_what_to_begin_with_must_be_that_network(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"begin: .* cannot be loaded"):
        common.begin_with(nn.Linear(2, 2), tmp_path, "model.safetensors")
    for tensors in ({"weight": torch.zeros(2, 2)}, {"weight": torch.zeros(3, 2)}):
        save_file(tensors, tmp_path / "model.safetensors")
        with pytest.raises(WeightsError, match="begin: "):
            common.begin_with(nn.Linear(2, 2), tmp_path, "model.safetensors")


def test_the_share_in_other_light_is_a_share(tmp_path: Path) -> None:
    made = common.parser("", "clip", steps=1, batch=1, lr=1.0)
    common.add_light(made)
    with pytest.raises(ConfigError, match=r"wide: 1\.5"):
        common.begin(made.parse_args(["--wide", "1.5", "--data", str(tmp_path)]))


def test_the_mean_of_weights_lies_between_both(tmp_path: Path) -> None:
    begun = {"w": torch.tensor([1.0, 2.0]).half(), "n": torch.tensor([7])}
    trained = {"w": torch.tensor([3.0, 2.0]).half(), "n": torch.tensor([9])}
    mean = export.averaged(begun, trained)
    assert mean["w"].tolist() == [2.0, 2.0]
    assert mean["w"].dtype == torch.float16
    assert mean["n"].tolist() == [9]
    with pytest.raises(WeightsError, match="another network"):
        export.averaged({"w": torch.zeros(3)}, trained)


def test_a_training_is_exported_with_what_it_began_with(tmp_path: Path) -> None:
    begun, out = weights.resolve("bundled:"), tmp_path / "out"
    train_clip.write_merges(tmp_path / "merges.gz")
    model = train_clip.build_clip(train_clip.clip_tokenizer(tmp_path / "merges.gz").vocab_size)
    (tmp_path / "clip").mkdir()
    state = {"model": model.state_dict(), "step": 1, "used": 0.0}
    torch.save(state, tmp_path / "clip" / common.CHECKPOINT)
    export.main(["clip", "--runs", str(tmp_path), "--out", str(out), "--average", str(begun)])
    name = "visual.conv1.weight"
    before = load_file(begun / "clip" / train_clip.WEIGHTS)[name].float()
    made = load_file(out / "clip" / train_clip.WEIGHTS)[name].float()
    assert torch.allclose(made, (before + state["model"][name].half().float()) / 2, atol=1e-3)
    with pytest.raises(SystemExit, match="holds no exported model"):
        export.main(["clip", "--runs", str(tmp_path), "--average", str(tmp_path / "none")])
