# SPDX-License-Identifier: Apache-2.0
"""Colours and depth of a MuJoCo model, drawn off screen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.opengl import create_context
from refseg_lab.simulation.room import FAR_METRES, NEAR_METRES, apply_light
from refseg_lab.simulation.scene import CameraSpec, LightSpec


class Canvas:
    """A drawing context; for one thread.

    Args:
        mujoco: the module.
        model: a compiled model whose first camera is the one to look through.
        width: width of the pictures in pixels.
        height: height of the pictures in pixels.
        most: highest number of geoms that can be drawn.

    Attributes:
        context: MuJoCo's rendering context.
        scene: what was last looked at, as MuJoCo draws it.

    Raises:
        RendererUnavailable: an OpenGL back end is missing.
    """

    def __init__(self, mujoco: Any, model: Any, width: int, height: int, most: int) -> None:
        self._mj, self._model, self._size = mujoco, model, (height, width)
        self.scene = mujoco.MjvScene(model, maxgeom=most)
        self._gl, self.context = create_context(mujoco, model, width, height)
        mujoco.mjr_setBuffer(int(mujoco.mjtFramebuffer.mjFB_OFFSCREEN), self.context)
        self.context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._rect = mujoco.MjrRect(0, 0, width, height)
        self._option = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = 0

    def close(self) -> None:
        """Frees the OpenGL context."""
        self.context.free()
        self._gl.free()

    def make_current(self) -> None:
        """Makes what is uploaded and drawn from now on go to this context."""
        self._gl.make_current()

    def look(self, data: Any, camera: CameraSpec, light: LightSpec) -> None:
        """Sets camera and lights, and collects what is to be drawn."""
        pose, mj = camera.pose(), self._mj
        data.cam_xpos[0] = pose[:3, 3]
        # MuJoCo cameras look along -z with y up; the optical frame has z forward and y down.
        data.cam_xmat[0] = (pose[:3, :3] * (1.0, -1.0, -1.0)).ravel()
        self._model.cam_fovy[0] = np.degrees(camera.fovy)
        apply_light(self._model, data, light)
        everything = mj.mjtCatBit.mjCAT_ALL
        mj.mjv_updateScene(
            self._model, data, self._option, None, self._camera, everything, self.scene
        )

    def colours(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 ideal picture of what was last looked at."""
        return np.ascontiguousarray(self._colours()[::-1])

    def numbers(self) -> NDArray[np.int64]:
        """(H * W,) 1 + the segment's number of each pixel in some order; 0 is nothing."""
        render = self._mj.mjtRndFlag
        switches = [int(render.mjRND_SEGMENT), int(render.mjRND_IDCOLOR)]
        self.scene.flags[switches] = 1
        try:
            rgb = self._colours()
        finally:
            self.scene.flags[switches] = 0
        numbers: NDArray[np.int64] = rgb.reshape(-1, 3).astype(np.int64) @ (1, 256, 65536)
        return numbers

    def depth(self) -> NDArray[np.float32]:
        """(H, W) float32 metres at the centres of the pixels.

        A pass without lights and without samples.
        """
        buffer = np.empty(self._size, np.float32)
        segment = int(self._mj.mjtRndFlag.mjRND_SEGMENT)
        self.scene.flags[segment] = 1
        try:
            self._mj.mjr_render(self._rect, self.scene, self.context)
            self._mj.mjr_readPixels(None, buffer, self._rect, self.context)
        finally:
            self.scene.flags[segment] = 0
        # The depth buffer runs from 1 at the near plane to 0 at the far plane (reversed z).
        scaled = NEAR_METRES + buffer[::-1].astype(np.float64) * (FAR_METRES - NEAR_METRES)
        return np.ascontiguousarray(NEAR_METRES * FAR_METRES / scaled, dtype=np.float32)

    def _colours(self) -> NDArray[np.uint8]:
        rgb = np.empty((*self._size, 3), np.uint8)
        self._mj.mjr_render(self._rect, self.scene, self.context)
        self._mj.mjr_readPixels(rgb, None, self._rect, self.context)
        return rgb
