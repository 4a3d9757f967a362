# SPDX-License-Identifier: Apache-2.0
"""Faults that end a node or keep it from starting: each has nodes of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.action", reason="the messages are not built")

from faults.listing import Fault
from faults.node_under_test import Maker, domain
from faults.running import inject_all  # noqa: F401  (fills the list)
from test_faults import listed


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with domain() as env:
        yield env


@pytest.mark.parametrize("fault", listed(own=True))
def test_a_node_ends_well(fault: Fault, environment: dict[str, str], tmp_path: Path) -> None:
    assert fault.run(Maker(environment, tmp_path))
