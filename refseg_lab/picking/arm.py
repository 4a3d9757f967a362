# SPDX-License-Identifier: Apache-2.0
"""A six-axis arm with a parallel gripper, made of primitives, and its inverse kinematics."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refseg_lab.picking.grasps import GRIPPER

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

#: Where the arm stands on the table, metres.
BASE: Final = (-0.6, 0.0, 0.0)
JOINTS: Final = ("turn", "shoulder", "elbow", "roll", "wrist", "flange")
#: Joint angles in radians at which the arm waits, folded back, out of the camera's way.
PARKED: Final = (math.pi / 2, -0.9, 2.0, 0.0, 0.9, 0.0)
#: Prefix of everything of the arm in a model.
PREFIX: Final = "arm/"

_STEPS = 150
_DAMPING = 0.03
_NEAR_METRES, _NEAR_RADIANS = 1e-4, 1e-3
_LONGEST_STEP = 0.25  # radians

_HALF = GRIPPER.opening / 2
_FINGER = f"{GRIPPER.width / 2} {GRIPPER.thickness / 2} {GRIPPER.length / 2}"
_TOUCHES = 'contype="2" conaffinity="1" condim="4" friction="1.0 0.01 0.001" solref="0.006 1"'

MJCF: Final = f"""
<mujoco model="arm">
 <compiler angle="radian"/>
 <asset>
  <material name="shell" rgba="0.93 0.93 0.91 1" specular="0.5" shininess="0.6"/>
  <material name="joint" rgba="0.20 0.42 0.62 1" specular="0.5" shininess="0.6"/>
  <material name="dark" rgba="0.15 0.16 0.18 1" specular="0.4" shininess="0.4"/>
 </asset>
 <default>
  <geom contype="0" conaffinity="0" material="shell" density="300"/>
  <joint damping="8" armature="0.2"/>
  <position kp="3000" kv="160"/>
 </default>
 <worldbody>
  <body name="base">
   <geom type="cylinder" size="0.085 0.012" pos="0 0 0.012" material="dark"/>
   <geom type="cylinder" size="0.062 0.10" pos="0 0 0.12"/>
   <body name="turret" pos="0 0 0.22" gravcomp="1">
    <joint name="turn" axis="0 0 1" range="-3.1 3.1"/>
    <geom type="cylinder" size="0.064 0.012" material="joint"/>
    <geom type="capsule" size="0.058" fromto="0 0 0.02 0 0 0.08"/>
    <geom type="cylinder" size="0.056 0.085" pos="0 0 0.08" euler="1.5708 0 0" material="joint"/>
    <body name="upper" pos="0 0 0.08" gravcomp="1">
     <joint name="shoulder" axis="0 1 0" range="-2.2 2.2"/>
     <geom type="capsule" size="0.046" fromto="0 0 0 0 0 0.47"/>
     <geom type="cylinder" size="0.050 0.070" pos="0 0 0.47" euler="1.5708 0 0" material="joint"/>
     <body name="fore" pos="0 0 0.47" gravcomp="1">
      <joint name="elbow" axis="0 1 0" range="-0.2 2.8"/>
      <geom type="capsule" size="0.040" fromto="0 0 0 0 0 0.20"/>
      <body name="fore_end" pos="0 0 0.23" gravcomp="1">
       <joint name="roll" axis="0 0 1" range="-2.9 2.9"/>
       <geom type="cylinder" size="0.041 0.008" material="joint"/>
       <geom type="capsule" size="0.036" fromto="0 0 0.02 0 0 0.21"/>
       <geom type="cylinder" size="0.039 0.052" pos="0 0 0.21" euler="1.5708 0 0"
             material="joint"/>
       <body name="hand_base" pos="0 0 0.21" gravcomp="1">
        <joint name="wrist" axis="0 1 0" range="-2.2 2.4"/>
        <geom type="capsule" size="0.033" fromto="0 0 0 0 0 0.05"/>
        <body name="hand" pos="0 0 0.07" gravcomp="1">
         <joint name="flange" axis="0 0 1" range="-3.1 3.1"/>
         <geom type="cylinder" size="0.036 0.010" material="joint"/>
         <geom name="palm" type="box" size="0.020 {_HALF + GRIPPER.thickness} 0.013"
               pos="0 0 0.023" material="dark" {_TOUCHES}/>
         <site name="tip" pos="0 0 {0.036 + GRIPPER.length}" size="0.004" group="4"/>
         <body name="left" pos="0 0 {0.036 + GRIPPER.length / 2}" gravcomp="1">
          <joint name="left" type="slide" axis="0 1 0" range="0 {_HALF}" damping="20"
                 armature="0.05"/>
          <geom name="left" type="box" size="{_FINGER}" pos="0 {GRIPPER.thickness / 2} 0"
                material="joint" {_TOUCHES}/>
         </body>
         <body name="right" pos="0 0 {0.036 + GRIPPER.length / 2}" gravcomp="1">
          <joint name="right" type="slide" axis="0 -1 0" range="0 {_HALF}" damping="20"
                 armature="0.05"/>
          <geom name="right" type="box" size="{_FINGER}" pos="0 -{GRIPPER.thickness / 2} 0"
                material="joint" {_TOUCHES}/>
         </body>
        </body>
       </body>
      </body>
     </body>
    </body>
   </body>
  </body>
 </worldbody>
 <equality>
  <joint joint1="left" joint2="right" solref="0.005 1"/>
 </equality>
 <actuator>
  {"".join(f'<position name="{name}" joint="{name}"/>' for name in JOINTS)}
  <position name="left" joint="left" kp="2500" kv="60" forcerange="-20 20"/>
  <position name="right" joint="right" kp="2500" kv="60" forcerange="-20 20"/>
 </actuator>
</mujoco>
"""
"""The arm: a base that turns, shoulder, elbow, forearm roll, wrist and flange; two coupled fingers
that close along the flange's y axis. Gravity of its own links is compensated, as arms do."""


class Kinematics:
    """Where the arm's joints must be for the gripper to be somewhere.

    Args:
        mujoco: The imported module.
        model: A compiled model that holds the arm under :data:`PREFIX`.
    """

    def __init__(self, mujoco: Any, model: Any) -> None:
        self._mj, self._model = mujoco, model
        self._data = mujoco.MjData(model)
        joints = [model.joint(PREFIX + name) for name in JOINTS]
        self._places = [int(joint.qposadr[0]) for joint in joints]
        self._columns = [int(joint.dofadr[0]) for joint in joints]
        self._low, self._high = np.array([joint.range for joint in joints]).T
        self._tip = int(model.site(PREFIX + "tip").id)

    def tip(self, angles: Vector) -> Matrix:
        """(4, 4) pose of the middle between the finger tips at (6,) joint angles in radians."""
        self._data.qpos[self._places] = angles
        self._mj.mj_kinematics(self._model, self._data)
        pose = np.eye(4)
        pose[:3, :3] = self._data.site_xmat[self._tip].reshape(3, 3)
        pose[:3, 3] = self._data.site_xpos[self._tip]
        return pose

    def solve(self, pose: Matrix, start: Vector | None = None) -> Vector | None:
        """Joint angles for a pose of the finger tips, by damped least squares.

        Args:
            pose: (4, 4) in the world: z the way the fingers point, y the way they close.
            start: (6,) angles near the wanted ones; those of a grasp from above without it.

        Returns:
            (6,) radians within the joints' ranges, or None if there are none.
        """
        angles = self._above(pose) if start is None else np.array(start, np.float64)
        rows = np.zeros((2, 3, self._model.nv))
        for _ in range(_STEPS):
            now = self.tip(angles)
            shift = pose[:3, 3] - now[:3, 3]
            turn = 0.5 * np.cross(now[:3, :3].T, pose[:3, :3].T).sum(0)
            if np.linalg.norm(shift) < _NEAR_METRES and np.linalg.norm(turn) < _NEAR_RADIANS:
                # The sine of a half turn is 0 as well.
                return angles if np.trace(now[:3, :3].T @ pose[:3, :3]) > 2.0 else None
            self._mj.mj_comPos(self._model, self._data)
            self._mj.mj_jacSite(self._model, self._data, rows[0], rows[1], self._tip)
            jacobian = rows.reshape(6, -1)[:, self._columns]
            damped = jacobian @ jacobian.T + _DAMPING**2 * np.eye(6)
            step = jacobian.T @ np.linalg.solve(damped, np.concatenate([shift, turn]))
            step *= min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), 1e-9))
            angles = np.clip(angles + step, self._low, self._high)
        return None

    def _above(self, pose: Matrix) -> Vector:
        """Angles from which a grasp from above is near."""
        x, y = pose[:2, 3] - BASE[:2]
        turn = math.atan2(y, x)
        # Pointing down, the flange turns the other way round than the base.
        closing = math.atan2(pose[1, 1], pose[0, 1])
        flange = math.remainder(turn + math.pi / 2 - closing, 2.0 * math.pi)
        return np.array([turn, 0.4, 1.6, 0.0, math.pi - 2.0, flange])
