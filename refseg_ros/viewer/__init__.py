# SPDX-License-Identifier: Apache-2.0
"""What people look at: the overlay picture and the live page."""

from __future__ import annotations

from refseg_ros.viewer.overlay import draw_candidates, draw_overlay

__all__ = ["draw_candidates", "draw_overlay"]
