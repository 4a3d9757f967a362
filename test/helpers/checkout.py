# SPDX-License-Identifier: Apache-2.0
"""Where the files of this checkout lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "test"
HELPERS = TESTS / "helpers"
DOCS = ROOT / "docs"
