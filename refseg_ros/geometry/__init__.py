# SPDX-License-Identifier: Apache-2.0
"""Where a masked thing is, from a depth image of the same view.

Coordinates are metres in the camera's optical frame (REP-103: x right, y down, z forward).
"""

from __future__ import annotations

from refseg_ros.geometry.lens import Lens
from refseg_ros.geometry.plane import Plane, find_plane, ring_around
from refseg_ros.geometry.points import (
    MIN_POINTS,
    Target,
    deproject,
    locate,
    organised_cloud,
    rotation_from_quaternion,
)
from refseg_ros.geometry.pose import NO_DEPTH, Pose, pose_of

__all__ = [
    "MIN_POINTS",
    "NO_DEPTH",
    "Lens",
    "Plane",
    "Pose",
    "Target",
    "deproject",
    "find_plane",
    "locate",
    "organised_cloud",
    "pose_of",
    "ring_around",
    "rotation_from_quaternion",
]
