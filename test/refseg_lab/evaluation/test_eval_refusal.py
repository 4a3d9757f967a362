# SPDX-License-Identifier: Apache-2.0
"""The threshold of refusals moves: points, the best of them, and what is said about choosing."""

from __future__ import annotations

import math

import pytest
from rich.console import Console
from test_eval_comparing import answer, scenes

from refseg_lab.evaluation.records import FALSE_ACCEPT, REFUSED, SceneResult
from refseg_lab.evaluation.refusal import OFFSETS, Curve, curve, curve_configs, print_curve
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import RefsegError

PRESET = SegmenterConfig.from_preset("tabletop")
CONFIGS = curve_configs(PRESET)


def refusing(accepted: int, rejected: int) -> list[SceneResult]:
    """So many of 10 absent objects accepted, and of 20 present ones refused."""
    absent = [answer("absent", FALSE_ACCEPT if n < accepted else "") for n in range(10)]
    present = [answer("colour", REFUSED if n < rejected else "") for n in range(20)]
    return scenes(absent + present)


def made(*counts: tuple[int, int]) -> Curve:
    chosen = CONFIGS[-len(counts) :]
    return curve(PRESET, chosen, [refusing(*pair) for pair in counts])


def test_the_threshold_moves_about_that_of_the_preset() -> None:
    thresholds = [config.decision.min_match for config in CONFIGS]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] == -math.inf
    assert PRESET in CONFIGS
    assert len(thresholds) == len(OFFSETS)
    paper = SegmenterConfig.from_preset("tabletop_paper")
    with pytest.raises(RefsegError, match="tabletop_paper has no threshold to move"):
        curve_configs(paper)


def test_the_best_point_has_few_false_rejects_and_then_the_fewest_false_accepts() -> None:
    found = made((10, 0), (3, 1), (1, 1), (0, 2))
    assert [(point.accepts, point.rejects) for point in found.points] == [
        *((1.0, 0.0), (0.3, 0.05), (0.1, 0.05), (0.0, 0.1))
    ]
    assert found.best is found.points[2]
    assert found.points[2].figures["pr50"].value == 0.95
    assert found.as_json()["best"] == found.points[2].min_match
    # None with so few: the least sum. Equal ones: the middle one.
    assert made((5, 4), (0, 10), (3, 3)).best.rejects == 0.15
    flat = made((2, 0), (1, 1), (1, 1), (1, 1), (1, 9))
    assert flat.best is flat.points[2]


def test_a_threshold_that_refuses_nothing_is_null_in_json() -> None:
    all_points = curve(PRESET, CONFIGS, [refusing(1, 0)] * len(CONFIGS))
    values = all_points.as_json()
    assert values["points"][0]["min_match"] is None
    assert values["own"] == PRESET.decision.min_match


@pytest.mark.parametrize("split", ["test", "val"])
def test_choosing_on_a_test_split_is_called_cheating(split: str) -> None:
    console = Console(width=80)
    with console.capture() as capture:
        print_curve(console, split, made((2, 0), (1, 1)))
    out = " ".join(capture.get().split())
    assert ("cheating" in out) == (split == "test")
    assert "20.0 (20–20)" in out
    assert "best here" in out


def test_the_preset_is_marked_in_the_curve() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        print_curve(console, "val", curve(PRESET, CONFIGS, [refusing(1, 0)] * len(CONFIGS)))
    marked = [line for line in capture.get().splitlines() if "preset" in line]
    assert len(marked) == 1
    assert f"{PRESET.decision.min_match:.2f}" in marked[0]
