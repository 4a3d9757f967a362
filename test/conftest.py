# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the node tests; ROS is imported when one is used, so that the rest runs without."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from ros_bench import Bench, LeftHalf
    from ros_peer import Peer


# The same verdict every time in `make test`; chance is for `make fuzz`.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("fuzz", derandomize=False, deadline=None, print_blob=True)
settings.load_profile("fuzz" if os.environ.get("REFSEG_FUZZ") else "same")

# Workers side by side share the cores: more threads than cores only wait for one another.
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))

LONGEST = (
    "test_package.py",
    "test_examples.py",
    "test_node_process.py",
    "test_proposal_networks.py",
    "test_faults.py",
    "test_methods.py",
    "test_dialogue_questions.py",
)
"""Files that take longest, so that no worker is left with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first; the rest stays in its order."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture(scope="module")
def ros() -> Iterator[None]:
    """ROS in this process, on a domain and in a namespace of its own."""
    from ros_peer import NAMESPACE, ros_domain

    with ros_domain(["--ros-args", "-r", f"__ns:={NAMESPACE}"]):
        yield


@pytest.fixture
def models() -> LeftHalf:
    """A hand-made segmenter whose answers are known in advance."""
    from ros_bench import LeftHalf

    return LeftHalf()


@pytest.fixture
def bench(ros: None, models: LeftHalf) -> Iterator[Bench]:
    """The segmenter node around ``models``, spinning beside a peer."""
    from ros_bench import Bench

    bench = Bench(lambda preset, device: models)
    yield bench
    models.gate.set()
    bench.close()


@pytest.fixture
def peer(bench: Bench) -> Peer:
    """The other side of the node's topics."""
    return bench.peer
