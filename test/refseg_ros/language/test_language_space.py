# SPDX-License-Identifier: Apache-2.0
"""Language and space alone, with true masks and names, on validation scenes."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from benchmark_scripts import benchmark

from refseg_ros.language import parse


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    return benchmark("language_space")


def test_nearly_every_expression_is_answered(
    measure: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measure.main(["--scenes", "5", "--failures", "3"]) == 0
    line = next(row for row in capsys.readouterr().out.splitlines() if "non-plural" in row)
    hits, total = int(line.split()[1]), int(line.split()[3])
    assert total >= 40
    assert hits >= 0.95 * total, line


def test_a_true_look_knows_other_names(measure: ModuleType) -> None:
    objects = [item for _, found, *_ in measure.scenes("val", 1) for item in found]
    first = objects[0]
    look = measure.true_look(parse(f"the {first.colour} {first.category}").target, objects)
    same = [(item.category, item.colour) == (first.category, first.colour) for item in objects]
    assert look.fits.tolist() == [float(value) for value in same]
    assert look.shares.sum() == pytest.approx(1)
    assert int(np.argmax(look.shares)) == 0
    assert measure.HEADS["block"] == "cube"
    assert measure.COLOURS["violet"] == "purple"
