# SPDX-License-Identifier: Apache-2.0
"""``refseg bench`` measures what it says, and says on what."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from refseg_lab.bench import GROUPS, BenchOptions, BenchReport, BenchRow
from refseg_lab.bench import messages as bench_messages
from refseg_lab.bench.node import _LINE
from refseg_lab.bench.printing import as_table
from refseg_lab.bench.sweeps import CANDIDATES, Tiles
from refseg_ros.backbones.device import Device
from refseg_ros.cli.main import app
from refseg_ros.errors import ConfigError


def test_the_command_prints_json_alone() -> None:
    done = CliRunner().invoke(app, ["bench", "--json", "--runs", "2", "--only", "answer"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["dtype"] == "float32"
    assert told["threads"] >= 1
    assert told["versions"]["torch"]
    assert told["peak_memory_mb"]["answer"] > 50
    rows = {row["name"]: row for row in told["rows"]}
    whole, observe = rows["first answer (observe + select)"], rows["observe"]
    first = rows["select, the first of a picture"]
    stages = [row for name, row in rows.items() if name.startswith("observe: ")]
    assert len(stages) == 4
    for run in range(2):
        parts = sum(row["all_ms"][run] for row in stages)
        assert parts <= observe["all_ms"][run] <= whole["all_ms"][run]
        added = observe["all_ms"][run] + first["all_ms"][run]
        assert whole["all_ms"][run] == pytest.approx(added, abs=0.01)


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(ConfigError, match="--only: no 'speed'; there are answer, tracking"):
        BenchOptions(groups=("answer", "speed"))


@pytest.mark.parametrize("count", CANDIDATES)
def test_discs_lie_side_by_side(count: int) -> None:
    found = Tiles(count).propose(np.zeros((480, 640, 3), np.uint8))
    assert len(found) == count
    assert found.masks.sum(0, dtype=int).max() == 1


def test_figures_are_quantiles_in_milliseconds() -> None:
    row = BenchRow("answer", "x", tuple(value / 1e3 for value in range(1, 102)))
    told = row.as_json()
    assert (told["median_ms"], told["p10_ms"], told["p95_ms"]) == (51, 11, 96)
    assert BenchRow("messages", "y", (), "not available").as_json()["median_ms"] is None


def test_a_table_shows_what_could_not_be_measured() -> None:
    report = BenchReport("tabletop", Device.from_name("cpu"), 1)
    report.rows = [
        BenchRow("answer", "observe", (0.123, 0.125)),
        BenchRow("messages", "in", (), "no ROS"),
    ]
    report.note_peak("answer")
    console = Console(width=110, record=True)
    console.print(as_table(report))
    shown = console.export_text()
    for words in ("124", "no ROS", "–", "peak memory", "tabletop on cpu (float32)", "threads: 1"):
        assert words in shown


def test_messages_that_are_not_there_are_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench_messages.importlib.util, "find_spec", lambda name: None)
    rows = list(bench_messages.measure_messages(None, 1))  # type: ignore[arg-type]
    assert [row.seconds for row in rows] == [(), (), ()]
    assert rows[0].note == "not available: no sensor_msgs and no std_msgs here"


def test_what_the_benchmark_of_the_node_prints_is_read() -> None:
    line = (
        "image in to mask out             median  170.2 ms, p5  150.0, p95  190.1, greatest "
        "200.0 (100 times)"
    )
    match = _LINE.match(line)
    assert match is not None
    assert (match["name"], match["median"]) == ("image in to mask out", "170.2")


def test_all_groups_can_be_asked_for_by_name() -> None:
    assert BenchOptions(groups=tuple(GROUPS)).groups == tuple(GROUPS)
