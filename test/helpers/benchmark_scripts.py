# SPDX-License-Identifier: Apache-2.0
"""The scripts of benchmarks/, which lie beside the package and not in it."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest
from checkout import ROOT

FOLDER = ROOT / "benchmarks"


def benchmark(name: str) -> Any:
    """A script as a module; skips where the benchmarks are not there, at any level of a test."""
    if not FOLDER.is_dir():
        pytest.skip("the benchmarks do not ship with the package", allow_module_level=True)
    sys.path.insert(0, str(FOLDER))  # they import one another
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))
