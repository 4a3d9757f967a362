# SPDX-License-Identifier: Apache-2.0
"""What the node knows of its own state, and how it says so."""

from __future__ import annotations

import mmap
from types import ModuleType, SimpleNamespace

import pytest

from refseg_ros.ros import health
from refseg_ros.ros.health import Health, resident_megabytes, shown


def test_texts_from_outside_are_shown_bounded_and_visible() -> None:
    assert shown("the red mug") == "the red mug"
    assert shown("a\nb\x1b[2J\u202eg") == "a\\nb\\x1b[2J\\u202eg"
    assert shown("x" * 1000, most=5) == "xxxxx... (1000 characters)"


def test_percentiles_are_of_the_last_times() -> None:
    health = Health()
    health.took({"select": 9.0})
    assert health.latencies() == {"select ms (p50, p95)": "9000.0, 9000.0"}
    for number in range(1, 201):
        health.took({"select": number / 1000})
    assert health.latencies() == {"select ms (p50, p95)": "100.5, 190.0"}


def test_rates_are_over_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(health.time, "monotonic", lambda: clock[0])
    known = Health()
    shown_rates = []
    for second in range(10):
        clock[0] = 100.0 + second
        shown_rates.append(known.rates({"frames": 30 * min(second, 5)})["frames"])
    assert shown_rates == [
        "0.0",
        "30.0",
        "30.0",
        "30.0",
        "30.0",
        "30.0",
        "24.0",
        "18.0",
        "12.0",
        "6.0",
    ]
    assert known.rates({"frames": 0})["frames"] == "0.0"  # counted anew


def test_a_failure_is_over_when_something_works_and_is_remembered() -> None:
    health = Health()
    assert health.figures()["last error was"] == ""
    health.failed("out of\nmemory")
    assert (health.failure, health.last_error) == ("out of\\nmemory", "out of\\nmemory")
    health.succeeded()
    assert (health.failure, health.last_error) == ("", "out of\\nmemory")
    assert (health.answers, health.failures) == (1, 1)
    assert health.figures()["last error was"] == "0 s ago"


def test_troubles_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(health.time, "monotonic", lambda: clock[0])
    known = Health()
    known.trouble("incompatible")
    known.trouble("incompatible")
    assert known.troubles() == ["incompatible"]
    clock[0] += 31.0
    assert known.troubles() == []


def test_a_torch_that_another_thread_is_importing_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for half in (None, ModuleType("torch"), SimpleNamespace(cuda=ModuleType("torch.cuda"))):
        monkeypatch.setitem(health.sys.modules, "torch", half)
        assert health.gpu_megabytes() is None
        health.free_gpu_memory()


def test_memory_is_that_of_this_process() -> None:
    before = resident_megabytes()
    # Not from the heap, whose pages may be in use already.
    with mmap.mmap(-1, 64 * 2**20) as block:
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
        assert 50 < resident_megabytes() - before < 80
