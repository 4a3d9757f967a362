# SPDX-License-Identifier: Apache-2.0
"""The trainings: scenes, the loop, figures worked out by hand, every script on a tiny data set."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from square_scenes import BLUE_MUG, RED_BOWL, RED_MUG, square, write_scenes
from torch import nn

from refseg_lab.training import (
    common,
    evaluate,
    export,
    metrics,
    train_captioner,
    train_clip,
    train_sam,
    vocabulary,
)
from refseg_lab.training.common import Image, Scenes, Training
from refseg_ros import weights
from refseg_ros.errors import ConfigError, WeightsError
from refseg_ros.proposals.familiarity import FAMILIAR
from refseg_ros.results import Proposals


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_scenes(folder / "train")
    write_scenes(folder / "val", 1)
    return folder


@pytest.fixture(scope="module")
def scenes(data: Path) -> Scenes:
    return Scenes.open(data / "train")


# scenes


def test_scenes_list_what_is_large_enough(scenes: Scenes) -> None:
    assert len(scenes) == 2
    assert [(t.instance, t.category, t.colour) for t in scenes.things[1]] == [
        (1, *RED_MUG),
        (2, *BLUE_MUG),
        (3, *RED_BOWL),
    ]
    assert len(scenes.all_things()) == 6
    assert scenes.mask(scenes.things[0][1]).sum() == 900


def test_missing_scenes_are_told_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"simulation\.dataset --out"):
        Scenes.open(tmp_path)


def test_half_a_data_set_is_refused(tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "half")
    np.save(folder / "images.npy", np.zeros((1, 120, 160, 3), np.uint8))
    with pytest.raises(ConfigError, match="not whole"):
        Scenes.open(folder)


# the loop


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a second each time it is read: a step takes one second."""
    seconds = itertools.count()
    clock = types.SimpleNamespace(monotonic=lambda: float(next(seconds)))
    monkeypatch.setattr(common, "time", clock)


def make_options(out: Path, **changes: object) -> argparse.Namespace:
    values = {"out": out, "steps": 60, "lr": 0.1, "batch": 1, "seed": 0, "threads": 1}
    return argparse.Namespace(**{**values, **changes})


def descend(model: nn.Module, options: argparse.Namespace) -> Training:
    training = Training({"model": model}, options, dict, weight_decay=0, warm_up=1)
    for _ in training:
        training.descend((model(torch.ones(1, 4)) ** 2).mean())
    return training


@pytest.mark.usefixtures("ticking")
def test_a_training_goes_down_and_continues(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    before = model(torch.ones(1, 4)).abs().item()
    first = descend(model, make_options(tmp_path))
    assert (first.step, first.used) == (60, 60.0)
    assert model(torch.ones(1, 4)).abs().item() < 0.1 * before
    state = torch.load(tmp_path / "ck.pt", weights_only=True)
    assert state.keys() == {"model", "opt", "step", "used"}
    other = nn.Linear(4, 1)
    spent = descend(other, make_options(tmp_path))
    assert (spent.step, spent.used) == (60, 60.0)
    torch.testing.assert_close(other.state_dict(), model.state_dict())
    more = descend(other, make_options(tmp_path, steps=120))
    assert more.step == 120
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.usefixtures("ticking")
def test_the_log_has_curves_and_forgets_what_was_not_saved(tmp_path: Path) -> None:
    def descend_to(steps: int) -> list[dict[str, float]]:
        model = nn.Linear(4, 1)
        training = Training(
            {"model": model},
            make_options(tmp_path, steps=steps),
            lambda: {"mIoU": 0.75},
            weight_decay=0,
            warm_up=1,
        )
        for _ in training:
            training.descend((model(torch.ones(1, 4)) ** 2).mean())
        return [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]

    first = descend_to(60)
    assert first[-1] == {"step": 60, "minutes": 1.0, "mIoU": 0.75}
    losses = [line["loss"] for line in first if "loss" in line]
    assert losses
    late, cut = json.dumps({"step": 61, "minutes": 1.02, "loss": 9.0}) + "\n", '{"step": 6'
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write(late + cut)
    second = descend_to(120)
    assert second[: len(first)] == first
    assert second[-1]["step"] == 120
    assert 9.0 not in [line.get("loss") for line in second]
    (tmp_path / "ck.pt").unlink()
    assert descend_to(60)[0]["step"] < 60


@pytest.mark.usefixtures("ticking")
def test_measuring_leaves_the_mode_of_the_network(tmp_path: Path) -> None:
    model = nn.Dropout()
    seen = []
    training = Training(
        {"model": nn.Sequential(model, nn.Linear(4, 1))},
        make_options(tmp_path),
        lambda: {"training": float(seen.append(model.training) is None)},
        weight_decay=0,
        warm_up=1,
    )
    for _ in training:
        assert model.training
        training.step += 60
    assert seen == [False]
    assert model.training


@pytest.mark.usefixtures("ticking")
@pytest.mark.parametrize("damage", ["other", "cut", "empty", "list"])
def test_a_useless_checkpoint_is_named(damage: str, tmp_path: Path) -> None:
    descend(nn.Linear(4, 1), make_options(tmp_path))
    path = tmp_path / "ck.pt"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:500])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "list":
        torch.save([1], path)
    with pytest.raises(WeightsError, match=r"ck\.pt"):
        descend(nn.Linear(5 if damage == "other" else 4, 1), make_options(tmp_path))


def test_the_rate_rises_and_falls() -> None:
    assert common.learning_rate(1.0, 0, 100, 0.0) == pytest.approx(0.01)
    assert common.learning_rate(1.0, 99, 100, 0.0) == pytest.approx(1.0)
    assert common.learning_rate(2.0, 500, 100, 0.5) == pytest.approx(2 * (0.49 + 0.02))
    assert common.learning_rate(1.0, 500, 100, 1.0) == pytest.approx(0.02)


@pytest.mark.parametrize(
    "change", [{"batch": 0}, {"lr": math.nan}, {"steps": 0}, {"lr": -1.0}, {"seed": -1}]
)
def test_impossible_options_are_named(change: dict[str, float], data: Path) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        common.begin(make_options(data, data=data, **change))


# figures


class Oracle:
    """A CLIP that sees category and colour in the red channel of the squares drawn above."""

    def __init__(self, blind: bool) -> None:
        self.blind = blind
        self.meanings = {60: RED_MUG, 120: BLUE_MUG, 180: RED_BOWL}

    def feature(self, category: str | None, colour: str | None) -> torch.Tensor:
        row = torch.zeros(34)
        for index, known in enumerate((*vocabulary.CATEGORIES, *vocabulary.COLOURS)):
            row[index] = float(known in (category, colour))
        return row

    def encode_images(self, images: list[Image]) -> torch.Tensor:
        if self.blind:
            return torch.ones(len(images), 34)
        return torch.stack([self.feature(*self.meanings[int(i[15, 15, 0])]) for i in images])

    def encode_texts(self, texts: list[str], unit: bool = True) -> torch.Tensor:
        pairs = []
        for text in texts:
            known = text.split()[1:]
            category = next((word for word in known if word in vocabulary.CATEGORIES), None)
            colour = next((word for word in known if word in vocabulary.COLOURS), None)
            pairs.append(self.feature(category, colour))
        return torch.stack(pairs)


def test_retrieval_by_an_oracle_and_by_chance(scenes: Scenes) -> None:
    seeing = metrics.retrieval_figures(Oracle(blind=False), scenes, 2)  # type: ignore[arg-type]
    assert set(seeing.values()) == {1.0}
    blind = metrics.retrieval_figures(Oracle(blind=True), scenes, 2)  # type: ignore[arg-type]
    # It always takes the first: the red mug of three things and two categories, mug of 24, red.
    assert blind == pytest.approx(
        {
            "in scene, colour + category": 1 / 3,
            "in scene, category": 1 / 2,
            "category of 24": 2 / 3,
            "colour of 10": 2 / 3,
        }
    )


def test_captions_are_counted_by_hand(scenes: Scenes) -> None:
    class Parrot:
        def caption(self, images: list[Image]) -> list[str]:
            if len(images) == 1:
                return ["two mugs, a duck and a red ball on a table"]
            assert len(images) == 3
            return ["a red mug", "a red mug", "a blue bowl"]

    figures = metrics.caption_figures(Parrot(), scenes, 1)  # type: ignore[arg-type]
    assert figures == pytest.approx(
        {
            "colour and category": 1 / 3,
            "colour": 1 / 3,
            "category": 1.0,
            "scene nouns": 1 / 2,
            "scenes with no wrong noun": 0.0,
        }
    )


@pytest.mark.parametrize(("found", "expected"), [(0, 0.0), (1, 1 / 3), (3, 1.0)])
def test_proposals_are_measured_object_by_object(
    found: int, expected: float, scenes: Scenes
) -> None:
    masks = np.stack([scenes.mask(thing) for thing in scenes.things[0]])

    class Some:
        def propose(self, image: Image) -> Proposals:
            return Proposals(masks[:found], np.ones(found, np.float32))

    figures = metrics.proposal_figures(Some(), scenes, 1)
    assert figures["mIoU"] == pytest.approx(expected)
    assert figures["IoU > 0.75"] == pytest.approx(expected)
    assert figures["proposals per object"] == pytest.approx(found / 3)


def test_central_clicks_keep_from_the_edge() -> None:
    mask, rng = square(20, 30, 20), np.random.default_rng(0)
    for _ in range(50):
        x, y = metrics.click_in(mask, rng, central=1.0)
        assert 35 <= x < 45
        assert 25 <= y < 35


# every script


def test_scripts_train_continue_export_and_evaluate(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, out = tmp_path / "runs", tmp_path / "weights"
    scripts = (("sam", train_sam), ("clip", train_clip), ("captioner", train_captioner))
    for name, script in scripts:
        common_options = ["--data", str(data), "--out", str(runs / name), "--batch", "2"]
        if name == "captioner":
            common_options += ["--teacher", str(runs / "clip")]
        script.main([*common_options, "--steps", "1"])
        assert common.read_checkpoint(runs / name)["step"] == 1
        script.main([*common_options, "--steps", "2"])
        assert common.read_checkpoint(runs / name)["step"] == 2
    export.main([*(name for name, _ in scripts), "--runs", str(runs), "--out", str(out)])
    bundled = Path(str(weights.resolve("bundled:")))
    for folder in ("sam", "clip", "captioner"):
        assert {path.name for path in (out / folder).iterdir()} == {
            path.name for path in (bundled / folder).iterdir() if path.name != FAMILIAR
        }
    for config in ("sam/config.json", "clip/open_clip_config.json", "captioner/config.json"):
        ours = json.loads((bundled / config).read_text(encoding="utf-8"))
        made = json.loads((out / config).read_text(encoding="utf-8"))
        for values in (ours, made):
            values.pop("transformers_version", None)
            values.pop("dtype", None)
        assert made == ours
    for path in out.glob("*/*.safetensors"):
        tensors = load_file(path).values()
        assert {value.dtype for value in tensors if value.is_floating_point()} == {torch.float16}
    evaluate.main(["--data", str(data / "val"), "--weights", str(out), "--scenes", "1"])
    table = capsys.readouterr().out
    assert "| CLIP, true masks | in scene, colour + category | " in table
    assert table.rstrip().endswith("1 scenes, 3 objects.")


def test_the_card_gets_the_table_and_keeps_the_rest(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text(f"a\n{evaluate.BEGIN}\nold\n{evaluate.END}\nb\n", encoding="utf-8")
    evaluate.write_card(card, "new")
    evaluate.write_card(card, "newer")
    assert card.read_text(encoding="utf-8") == (
        f"a\n{evaluate.BEGIN}\n\nnewer\n\n{evaluate.END}\nb\n"
    )
    card.write_text(evaluate.BEGIN, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"card\.md cannot be read or lacks"):
        evaluate.write_card(card, "new")


def test_exporting_nothing_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        export.main(["clip", "--runs", str(tmp_path), "--out", str(tmp_path / "out")])
    assert "ck.pt does not exist; train first" in str(stopped.value)


def test_unknown_measures_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        evaluate.main(["miou"])
    assert "there are clicks, proposals, retrieval, captions" in capsys.readouterr().err
