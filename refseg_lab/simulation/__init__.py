# SPDX-License-Identifier: Apache-2.0
"""Simulated tabletop scenes: random scenes, renderer, ground truth and referring expressions."""

from __future__ import annotations

from refseg_lab.simulation.renderer import Frame, RendererUnavailable, TabletopRenderer
from refseg_lab.simulation.sampling import sample_scene
from refseg_lab.simulation.scene import (
    CameraSpec,
    LightSpec,
    ObjectSpec,
    SceneSpec,
    SensorSpec,
    SurfaceSpec,
)

__all__ = [
    "CameraSpec",
    "Frame",
    "LightSpec",
    "ObjectSpec",
    "RendererUnavailable",
    "SceneSpec",
    "SensorSpec",
    "SurfaceSpec",
    "TabletopRenderer",
    "sample_scene",
]
