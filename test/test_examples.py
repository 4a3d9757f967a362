# SPDX-License-Identifier: Apache-2.0
"""The examples run as a newcomer would run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from refseg_lab.simulation.benchmark import SLICE_FOLDER

FOLDER = Path(__file__).parents[1] / "examples"
PHOTO = str(SLICE_FOLDER / "rgb" / "000000.jpg")
CASES = {
    "one_sentence.py": (PHOTO, "the leftmost thing", "{out}/answer.png"),
    "ask_back.py": (PHOTO, "the leftmost thing", "the other one"),
    "depth_to_pose.py": ("the leftmost thing",),
}


def test_every_example_is_run() -> None:
    if not FOLDER.is_dir():
        pytest.skip("the examples do not ship with the package")
    assert {path.name for path in FOLDER.glob("*.py")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_an_example_answers(name: str, tmp_path: Path) -> None:
    if not FOLDER.is_dir():
        pytest.skip("the examples do not ship with the package")
    words = [word.format(out=tmp_path) for word in CASES[name]]
    ran = subprocess.run(
        [sys.executable, str(FOLDER / name), *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=FOLDER.parent,
    )
    assert ran.returncode == 0, ran.stderr
    assert "SELECTED" in ran.stdout or "AMBIGUOUS" in ran.stdout
    if name == "one_sentence.py":
        assert (tmp_path / "answer.png").stat().st_size > 10_000
    if name == "depth_to_pose.py":
        assert "Pose(" in ran.stdout
