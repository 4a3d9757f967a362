# SPDX-License-Identifier: Apache-2.0
"""Picking what a sentence means: grasps from a cloud, and a simulated arm that tries them."""

from __future__ import annotations

from refseg_lab.picking.clouds import solid, to_arm
from refseg_lab.picking.grasps import GRIPPER, Box, Grasp, Gripper, plan_grasps

__all__ = ["GRIPPER", "Box", "Grasp", "Gripper", "plan_grasps", "solid", "to_arm"]
