# SPDX-License-Identifier: Apache-2.0
"""The recipe of a small OWLv2: what its places are to answer, and a run that is continued."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from square_scenes import write_scenes

from refseg_lab.training import train_concepts
from refseg_lab.training.common import Scenes
from refseg_lab.training.vocabulary import CATEGORIES
from refseg_ros.backbones.owl import OwlBoxes


def test_a_place_answers_for_what_its_middle_shows(tmp_path: Path) -> None:
    scenes = Scenes.open(write_scenes(tmp_path / "train"))
    batch = train_concepts.random_scenes(
        scenes, train_concepts.owl_processor(), np.random.default_rng(0), 4
    )
    side = train_concepts.SIDE
    grid = side // train_concepts.PATCH
    assert batch.pixels.shape == (4, 3, side, side)
    assert batch.kinds.shape == (4, grid**2)
    shown = batch.kinds >= 0
    assert shown.any(1).all()
    known = {CATEGORIES.index(item.category) for item in scenes.all_things()}
    assert set(batch.kinds[shown].tolist()) == known
    # The middle of a place lies in the box of the thing that it shows.
    rows, columns = np.divmod(np.arange(grid**2), grid)
    middles = torch.from_numpy(np.stack([columns, rows], 1) + 0.5).float() / grid
    middles = middles.expand(4, -1, -1)[shown]
    low, high = batch.boxes[shown].split(2, -1)
    assert ((low <= middles + 0.01) & (middles <= high + 0.01)).all()


def test_boxes_that_agree_cost_nothing() -> None:
    box = torch.tensor([[0.1, 0.1, 0.5, 0.5]])
    apart = torch.tensor([[0.6, 0.6, 0.8, 0.8]])
    loss = train_concepts._iou_loss
    assert loss(box, box, hull=True).item() == pytest.approx(0)
    assert loss(box, apart).item() == pytest.approx(1)
    # (0.49 - 0.2) / 0.49 of the hull is neither.
    assert loss(box, apart, hull=True).item() == pytest.approx(1 + 0.29 / 0.49, abs=1e-5)


def test_a_run_is_continued_and_written_for_the_robot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = torch.get_num_threads()
    for name in ("train", "val"):
        write_scenes(tmp_path / "data" / name)
    monkeypatch.setattr(train_concepts, "MEASURED", 1)
    out, folder = tmp_path / "out", tmp_path / "owl"
    options = [f"--data={tmp_path / 'data'}", f"--out={out}", "--batch=2"]
    train_concepts.main([*options, "--steps=1"])
    train_concepts.main([*options, "--steps=2", f"--write={folder}"])
    torch.set_num_threads(threads)
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "recall" in line] == [1, 2]
    assert (folder / "model.safetensors").stat().st_size <= 12e6
    boxes = OwlBoxes.load(folder, torch.device("cpu"))
    found = boxes.concept_boxes(boxes.see(np.zeros((60, 80, 3), np.uint8)), ["mug", "bowl"], 0.0)
    assert len(found) == 2
