# SPDX-License-Identifier: Apache-2.0
"""Following a selected thing from picture to picture, between the few that are observed."""

from __future__ import annotations

from refseg_ros.tracking.config import TrackingConfig
from refseg_ros.tracking.tracker import State, Tracked, Tracker

__all__ = ["State", "Tracked", "Tracker", "TrackingConfig"]
