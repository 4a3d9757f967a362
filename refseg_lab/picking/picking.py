# SPDX-License-Identifier: Apache-2.0
"""One pick: from the points and the box of a thing to a closed gripper in the air."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from refseg_lab.picking.cell import PickingCell
from refseg_lab.picking.clouds import solid, to_arm
from refseg_lab.picking.grasps import Box, Grasp, plan_grasps

Matrix = NDArray[np.float64]

LIFT: Final = 0.16
"""Metres by which the arm lifts what it has closed on."""
LIFTED: Final = 0.05
"""Metres by which a thing must have risen to count as picked."""
_ABOVE = 0.10  # metres above the grasp from where the fingers go straight down
_STEP = 0.02  # metres between the poses of a straight line
_HOLD_SECONDS = 1.0
_EMPTY = 0.001  # metres between fingers that hold nothing
_SLOW = 0.5  # radians/s near things


@dataclass(frozen=True)
class Attempt:
    """What the arm did.

    Attributes:
        grasp: Where it closed; None if it did not move.
        holding: Whether the fingers have something between them after the lift, by their own gap.
        reason: One sentence.
    """

    grasp: Grasp | None
    holding: bool
    reason: str


def pick(
    cell: PickingCell,
    cloud: NDArray[np.floating],
    box: Box,
    camera: Matrix,
    scene: NDArray[np.floating] | None = None,
) -> Attempt:
    """Plans a grasp and carries it out.

    Args:
        cell: Where the arm stands; only its arm is used here, none of its truth.
        cloud: (H, W, 3) points of the thing in the camera's optical frame, each at its pixel and
            NaN elsewhere, as `~/target_cloud`.
        box: Box of the thing in the optical frame, as in `~/target`.
        camera: (4, 4) pose of the optical frame in the arm's frame.
        scene: (H, W, 3) points of everything else in the optical frame, in the same way.
    """
    placed = Box(
        camera[:3, :3] @ box.centre + camera[:3, 3], camera[:3, :3] @ box.rotation, box.size
    )
    others = None if scene is None else to_arm(solid(scene), camera)
    grasps, reason = plan_grasps(to_arm(solid(cloud), camera), placed, others)
    if not grasps:
        return Attempt(None, False, reason)
    for grasp in grasps:
        way = _way_down(cell, grasp)
        if way is not None:
            return _carry_out(cell, grasp, way)
    return Attempt(None, False, "it is out of the arm's reach")


def _way_down(cell: PickingCell, grasp: Grasp) -> list[Matrix] | None:
    """Joint angles from above the grasp down to it; None where the arm cannot go."""
    heights = np.linspace(_ABOVE, 0.0, round(_ABOVE / _STEP) + 1)
    for turned in (1.0, -1.0):  # the fingers are alike
        way: list[Matrix] = []
        for height in heights:
            pose = grasp.pose(float(height))
            pose[:3, :2] *= turned
            angles = cell.kinematics.solve(pose, way[-1] if way else None)
            if angles is None:
                break
            way.append(angles)
        if len(way) == len(heights):
            return way
    return None


def _carry_out(cell: PickingCell, grasp: Grasp, way: list[Matrix]) -> Attempt:
    cell.open_to(grasp.opening)
    cell.move(way[0])
    for angles in way[1:]:
        cell.move(angles, _SLOW)
    cell.open_to(0.0, 0.8)
    cell.wait(0.2)
    angles = way[-1]
    for height in np.linspace(0.0, LIFT, round(LIFT / _STEP) + 1)[1:]:
        pose = grasp.pose(float(height))
        pose[:3, :2] *= np.sign(pose[:3, 1] @ cell.kinematics.tip(angles)[:3, 1])
        higher = cell.kinematics.solve(pose, angles)
        if higher is None:
            break
        angles = higher
        cell.move(angles, _SLOW)
    cell.wait(_HOLD_SECONDS)
    if cell.gap < _EMPTY:
        return Attempt(grasp, False, "the fingers closed on nothing")
    return Attempt(grasp, True, f"{1000 * cell.gap:.0f} mm between the fingers")


def judge_pick(before: Matrix, after: Matrix, meant: int) -> tuple[bool, str]:
    """Whether the thing meant was picked and nothing else, by the simulator's truth.

    Args:
        before: (N, 3) places of the objects before the attempt.
        after: (N, 3) places after it.
        meant: Index of the object meant; -1 if nothing is.

    Returns:
        The verdict and one sentence.
    """
    risen = after[:, 2] - before[:, 2]
    others = [k for k in np.flatnonzero(risen >= LIFTED / 2).tolist() if k != meant]
    if others:
        return False, f"object {others[0] + 1} was lifted"
    if meant < 0:
        return True, "nothing was lifted"
    if risen[meant] < LIFTED:
        return False, "it slipped or was missed"
    return True, f"lifted by {100 * risen[meant]:.0f} cm"
