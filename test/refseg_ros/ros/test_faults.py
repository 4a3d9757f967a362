# SPDX-License-Identifier: Apache-2.0
"""Faults that a running node must stand; all of them, with what came of it: ``make faults``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.action", reason="the messages are not built")

from faults.listing import FAULTS, Fault
from faults.node_under_test import Stand, domain
from faults.running import inject


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with domain() as env:
        stand = Stand(env, tmp_path_factory.mktemp("faults"))
        yield stand
        stand.close()


def listed(own: bool) -> list[object]:
    return [
        pytest.param(fault, id=fault.key, marks=[pytest.mark.slow] if fault.slow else [])
        for fault in FAULTS
        if fault.own is own
    ]


@pytest.mark.parametrize("fault", listed(own=False))
def test_a_node_stands(fault: Fault, stand: Stand) -> None:
    assert inject(fault, stand)
