# SPDX-License-Identifier: Apache-2.0
"""The pictures of trainings, from a log written by hand."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from refseg_lab.training import curves
from refseg_ros.errors import WeightsError

LINES = [
    {"step": 10, "minutes": 1.0, "loss": 4.0, "rate": 0.1},
    {"step": 20, "minutes": 2.0, "loss": 2.0, "rate": 0.1},
    {"step": 20, "minutes": 2.0, "mIoU": 0.5, "a < b": 1.25},
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "sam"
    folder.mkdir()
    text = "".join(json.dumps(line) + "\n" for line in LINES)
    (folder / "log.jsonl").write_text(text, encoding="utf-8")
    return folder


def test_curves_are_read_by_name(run: Path) -> None:
    assert curves.read_curves(run) == {
        "loss": [(1.0, 4.0), (2.0, 2.0)],
        "mIoU": [(2.0, 0.5)],
        "a < b": [(2.0, 1.25)],
    }


def test_the_picture_has_each_curve_where_it_belongs(run: Path) -> None:
    curves.main(["sam", "--runs", str(run.parent), "--out", str(run)])
    root = ElementTree.fromstring((run / "sam_curves.svg").read_text(encoding="utf-8"))
    lines = [item.get("points") for item in root.iter("{http://www.w3.org/2000/svg}polyline")]
    # Panels by name: figures, loss, shares. Half way and highest, then the end at half the height.
    middle, end = curves._MARGIN * 3 + curves._WIDE * 1.5, curves._MARGIN * 3 + curves._WIDE * 2
    top = curves._MARGIN
    assert lines[1] == f"{middle:.1f},{top:.1f} {end:.1f},{top + curves._HIGH / 2:.1f}"
    assert lines[2] == f"{curves._MARGIN * 5 + curves._WIDE * 3:.1f},{top + curves._HIGH / 2:.1f}"
    texts = [item.text for item in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a < b: 1.25" in texts
    assert "mIoU: 0.5" in texts


@pytest.mark.parametrize("text", [None, "{", '{"loss": 1}\n', "3\n"])
def test_what_is_no_log_is_refused(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "log.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(WeightsError, match=r"log\.jsonl holds no curves"):
        curves.read_curves(tmp_path)
