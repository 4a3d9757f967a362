# SPDX-License-Identifier: Apache-2.0
"""What docs/reliability.md says is tested is tested."""

from __future__ import annotations

import re

import pytest
from checkout import DOCS, TESTS

PAGE = (DOCS / "reliability.md").read_text(encoding="utf-8")
COMPLAINTS = re.findall(r"^\| (\d+) \|(.+)\|$", PAGE, flags=re.MULTILINE)


def test_each_of_28_complaints_has_a_line_and_what_shows_it() -> None:
    assert [int(number) for number, _ in COMPLAINTS] == list(range(1, 29))
    for number, line in COMPLAINTS:
        shown = line.split("|")[-1]
        assert re.search(r"::test_|faults? `|benchmarks/|does not apply", shown), number


def test_the_tests_that_it_names_exist() -> None:
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)
    assert len(named) > 20
    missing = [
        f"{file}::{name}"
        for file, name in named
        if f"def {name}(" not in next(TESTS.rglob(file)).read_text(encoding="utf-8")
    ]
    assert missing == []


def test_its_table_is_that_of_the_faults() -> None:
    pytest.importorskip("rclpy")
    pytest.importorskip("refseg_ros.action", reason="the messages are not built")
    from faults.running import FAULTS

    table = PAGE.split("<!-- faults -->\n")[1].split("<!-- /faults -->")[0]
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    assert [row[0].removeprefix("| ") for row in rows] == [fault.injected for fault in FAULTS]
    assert len(rows) >= 25
    assert "**does not hold**" not in table
    keys = {fault.key for fault in FAULTS}
    named = re.findall(r"\bfaults? ((?:`\w+`(?:, )?)+)", PAGE)
    assert {name for group in named for name in re.findall(r"`(\w+)`", group)} <= keys


def test_it_names_no_path_of_a_checkout() -> None:
    assert re.findall(r"/\S+/refseg_ros/\S+", PAGE.replace("…", "")) == []
