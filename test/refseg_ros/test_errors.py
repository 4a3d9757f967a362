# SPDX-License-Identifier: Apache-2.0
"""What is not installed is told in one line that names the command."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace

import pytest

from refseg_ros.errors import ConfigError, installed_by


def test_what_is_missing_and_the_command_are_named() -> None:
    words = "^viewer: no_such_package is not installed; pip install nicegui$"
    with pytest.raises(ConfigError, match=words), installed_by("viewer", "nicegui"):
        import no_such_package  # noqa: F401


def test_a_fault_of_our_own_stays_one() -> None:
    with pytest.raises(ModuleNotFoundError), installed_by("viewer", "nicegui"):
        import refseg_ros.no_such_module  # noqa: F401


def test_the_nodes_name_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rclpy")
    from refseg_ros.config import SegmenterConfig
    from refseg_ros.ros.segmenter_node import load_segmenter
    from refseg_ros.ros.viewer_node import serve

    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConfigError, match="viewer: uvicorn is not installed; pip install nicegui"):
        serve(SimpleNamespace(), threading.Event())  # type: ignore[arg-type]
    for name in ("refseg_ros.backbones.device", "refseg_ros.segmenter"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigError, match="models: torch is not installed; pip install torch"):
        load_segmenter(SegmenterConfig.from_preset("tabletop"), "cpu")
