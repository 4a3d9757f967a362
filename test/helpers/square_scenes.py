# SPDX-License-Identifier: Apache-2.0
"""Scenes of coloured squares, in the format of the rendered ones, for tests of the trainings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RED_MUG, BLUE_MUG, RED_BOWL = ("mug", "red"), ("mug", "blue"), ("bowl", "red")


def write_scenes(folder: Path, count: int = 2) -> Path:
    """Scenes of three squares (30 pixels a side) on grey, and a fourth object almost hidden."""
    folder.mkdir(parents=True)
    images = np.full((count, 120, 160, 3), 128, np.uint8)
    instances = np.zeros((count, 120, 160), np.uint8)
    for number, left in enumerate((10, 60, 110), start=1):
        images[:, 40:70, left : left + 30] = (60 * number, 20, 10)
        instances[:, 40:70, left : left + 30] = number
    instances[:, :5, :5] = 4
    objects = [{"category": c, "colour": k} for c, k in (RED_MUG, BLUE_MUG, RED_BOWL, RED_BOWL)]
    line = json.dumps({"spec": {"objects": objects}, "areas": [900, 900, 900, 25]})
    np.save(folder / "images.npy", images)
    np.save(folder / "instances.npy", instances)
    (folder / "scenes.jsonl").write_text(f"{line}\n" * count, encoding="utf-8")
    return folder


def square(top: int, left: int, side: int) -> NDArray[np.bool_]:
    mask = np.zeros((120, 160), np.bool_)
    mask[top : top + side, left : left + side] = True
    return mask
