# SPDX-License-Identifier: Apache-2.0
"""The table of the data card: what it counts is what the stored splits hold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from checkout import ROOT

from refseg_lab.simulation.benchmark import bundled_slice
from refseg_lab.simulation.counts import (
    BEGIN,
    COUNTED,
    END,
    count_split,
    counts_table,
    main,
    told,
    write_table,
)
from refseg_lab.simulation.expressions import PHENOMENA
from refseg_ros.errors import ConfigError

CARD = ROOT / "docs" / "data_card.md"


@pytest.mark.parametrize("index", [0, 17, 39])
def test_expressions_follow_from_the_seed_without_a_picture(index: int) -> None:
    stored = bundled_slice()[index]
    spec, referrals = told(("slice", index))
    assert spec == stored.spec
    assert tuple(referrals) == stored.referrals


def test_counts_of_a_part_of_a_split() -> None:
    counts = count_split("slice", scenes=2)
    scenes = bundled_slice()[:2]
    assert counts["scenes"] == 2
    assert counts["objects"] == sum(len(scene.spec.objects) for scene in scenes)
    assert counts["expressions"] == sum(len(scene.referrals) for scene in scenes)
    assert sum(counts[name] for name in PHENOMENA) == counts["expressions"]
    assert counts["absent"] == sum(not r.targets for scene in scenes for r in scene.referrals)
    with pytest.raises(ConfigError, match="split must be one of"):
        count_split("nowhere")
    with pytest.raises(ConfigError, match=r"scenes must lie in 1\.\.40 for slice, got 0"):
        count_split("slice", scenes=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scenes", "0"], "scenes must lie in"),
        (["--scenes", "1", "--workers", "0"], "workers must be at least 1, got 0"),
        (["--card", "nowhere.md"], "card: nowhere.md cannot be read"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_the_table_replaces_what_stands_between_the_markers(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    table = counts_table({"slice": Counter(scenes=2, absent=3), "test": Counter(scenes=400)})
    write_table(card, table)
    lines = card.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "before"
    assert lines[-1] == "after"
    assert "old" not in lines
    assert "| scenes | 2 | 400 |" in lines
    assert "| `absent` | 3 | 0 |" in lines
    write_table(card, table)
    assert card.read_text(encoding="utf-8").splitlines() == lines
    card.write_text("none", encoding="utf-8")
    with pytest.raises(ConfigError, match="needs the lines"):
        write_table(card, table)


def test_the_data_card_counts_the_bundled_slice_as_it_is() -> None:
    text = CARD.read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.partition(BEGIN)[2].splitlines()]
    cells = {row[0].strip("`*"): row[1:] for row in rows if len(row) == 1 + len(COUNTED)}
    told_of = Counter(r.phenomenon for scene in bundled_slice() for r in scene.referrals)
    assert {name: int(cells[name][0]) for name in PHENOMENA} == {n: told_of[n] for n in PHENOMENA}
    assert [int(number) for number in cells["scenes"]] == [40, 400, 400, 400, 200]
