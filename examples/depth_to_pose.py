# SPDX-License-Identifier: Apache-2.0
"""Depth to pose, on a rendered scene: python examples/depth_to_pose.py "the red mug"."""

from __future__ import annotations

import sys

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros import Segmenter
from refseg_ros.geometry import pose_of

frame = bundled_scenes()[0].frame  # colours, metres and camera matrix of one view
scene = Segmenter.from_preset("tabletop").observe(frame.rgb, frame.depth, frame.intrinsics)
selection = scene.select(sys.argv[1])
print(selection.status.name, selection.reason)
if selection.status.has_target:
    pose, problem = pose_of(selection.mask, frame.depth, frame.intrinsics)
    print(problem or pose)
