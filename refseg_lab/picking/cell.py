# SPDX-License-Identifier: Apache-2.0
"""A table with an arm and a camera in a physics engine: what is rendered is what is touched.

The room, the lights, the meshes and the sensor are those of `TabletopRenderer`; the objects are
free bodies whose collision shapes are cut from the rendered meshes (`collision`).
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refseg_lab.picking.arm import BASE, JOINTS, MJCF, PARKED, PREFIX, Kinematics
from refseg_lab.picking.collision import convex_pieces
from refseg_lab.picking.grasps import GRIPPER
from refseg_lab.simulation.canvas import Canvas
from refseg_lab.simulation.catalogue import CATEGORIES, SIZES, parts
from refseg_lab.simulation.opengl import import_mujoco
from refseg_lab.simulation.renderer import Frame, as_sensed
from refseg_lab.simulation.room import (
    KINDS,
    SURFACES,
    empty_room,
)
from refseg_lab.simulation.scene import CameraSpec, ObjectSpec, SceneSpec
from refseg_lab.simulation.textures import TEXTURE_SIZE, paint

TIME_STEP: Final = 0.002
"""Seconds of a step of the physics."""

_SETTLE_SECONDS = 1.0
_DENSITY = 250.0  # of the objects, kg/m³
_FRICTION = (0.8, 0.01, 0.001)  # sliding in general, metres of turning and of rolling
_HULL_CORNERS = 150
_MAX_GEOMS = 1500
_COLLISION_GROUP = 3  # not drawn


class PickingCell:
    """One scene with the arm; use it as a context manager, from one thread.

    Args:
        spec: What stands on the table, and how the camera sees it.
        width: Width of the pictures in pixels.
        height: Height of the pictures in pixels.

    Attributes:
        spec: The scene as given.
        kinematics: Kinematics of the arm.
        after_step: Called after each step of the physics, for those who want to watch.

    Raises:
        RendererUnavailable: MuJoCo or an OpenGL back end is missing.
    """

    def __init__(self, spec: SceneSpec, width: int = 640, height: int = 480) -> None:
        self.spec, self.width, self.height = spec, width, height
        self._mj = import_mujoco()
        self._model = self._compile()
        self._data = self._mj.MjData(self._model)
        self._joints = [int(self._model.joint(PREFIX + name).qposadr[0]) for name in JOINTS]
        self._motors = [int(self._model.actuator(PREFIX + name).id) for name in JOINTS]
        self._grips = [int(self._model.actuator(PREFIX + name).id) for name in ("left", "right")]
        self._bodies = [int(self._model.body(f"object{k}").id) for k in range(len(spec.objects))]
        self.kinematics = Kinematics(self._mj, self._model)
        self.after_step: Callable[[], None] | None = None
        self._canvas = Canvas(self._mj, self._model, width, height, most=_MAX_GEOMS)
        self._start()

    def __enter__(self) -> PickingCell:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Frees the OpenGL context."""
        self._canvas.close()

    # ------------------------------------------------------------------ the model

    def _compile(self) -> Any:
        mj = self._mj
        model = empty_room(mj, self.width, self.height)
        model.option.timestep = TIME_STEP
        model.option.integrator = mj.mjtIntegrator.mjINT_IMPLICITFAST
        model.option.cone = mj.mjtCone.mjCONE_ELLIPTIC
        model.option.impratio = 10.0
        model.geom("table").size[:2] = self.spec.table_size
        for name in ("table", "floor"):
            geom = model.geom(name)
            geom.contype, geom.conaffinity, geom.condim, geom.friction = 1, 1, 6, _FRICTION
        for number, item in enumerate(self.spec.objects):
            self._add_object(model, number, item)
        arm = mj.MjSpec.from_string(MJCF)
        model.attach(arm, prefix=PREFIX, frame=model.worldbody.add_frame(pos=BASE))
        compiled = model.compile()
        for name in SURFACES:
            surface = getattr(self.spec, name)
            start = int(compiled.tex_adr[compiled.texture(name).id])
            compiled.tex_data[start : start + 3 * TEXTURE_SIZE**2] = paint(surface).ravel()
            compiled.mat_texrepeat[compiled.material(name).id] = surface.repeat
        compiled.cam_fovy[0] = np.degrees(self.spec.camera.fovy)
        return compiled

    def _add_object(self, model: Any, number: int, item: ObjectSpec) -> None:
        """Adds a free body: the meshes that are seen and the pieces that are touched."""
        mj, scale, pose = self._mj, SIZES[item.size], item.pose()
        half = item.yaw / 2
        body = model.worldbody.add_body(
            name=f"object{number}", pos=pose[:3, 3], quat=(np.cos(half), 0, 0, np.sin(half))
        )
        body.add_freejoint()
        for kind, mesh in zip(KINDS, parts(item.category), strict=True):
            if mesh is None:
                continue
            model.add_mesh(
                name=f"{kind}{number}",
                uservert=(mesh.vertices * scale).ravel().tolist(),
                userface=mesh.faces.ravel().tolist(),
                inertia=mj.mjtMeshInertia.mjMESH_INERTIA_SHELL,
            )
            accent = CATEGORIES[item.category].accent
            rgb = item.rgb if kind == "main" or accent is None else accent
            body.add_geom(
                name=f"{kind}{number}",
                type=mj.mjtGeom.mjGEOM_MESH,
                meshname=f"{kind}{number}",
                material=item.finish,
                rgba=[*rgb, 1.0],
                contype=0,
                conaffinity=0,
                mass=0.0,
            )
        for place, piece in enumerate(convex_pieces(item.category)):
            name = f"piece{number}-{place}"
            model.add_mesh(
                name=name, uservert=(piece * scale).ravel().tolist(), maxhullvert=_HULL_CORNERS
            )
            body.add_geom(
                type=mj.mjtGeom.mjGEOM_MESH,
                meshname=name,
                group=_COLLISION_GROUP,
                density=_DENSITY,
                condim=6,
                friction=_FRICTION,
            )

    # ------------------------------------------------------------------ motion

    def _start(self) -> None:
        self._data.qpos[self._joints] = PARKED
        self._data.ctrl[self._motors] = PARKED
        for name in ("left", "right"):
            place = int(self._model.joint(PREFIX + name).qposadr[0])
            self._data.qpos[place] = GRIPPER.opening / 2
        self._data.ctrl[self._grips] = GRIPPER.opening / 2
        self._mj.mj_forward(self._model, self._data)
        self.wait(_SETTLE_SECONDS)
        kind = int(self._mj.mjtState.mjSTATE_INTEGRATION)
        self._kept = np.empty(self._mj.mj_stateSize(self._model, kind))
        self._mj.mj_getState(self._model, self._data, self._kept, kind)

    def reset(self) -> None:
        """Puts everything back to where it stood when the scene had settled."""
        kind = int(self._mj.mjtState.mjSTATE_INTEGRATION)
        self._mj.mj_setState(self._model, self._data, self._kept, kind)
        self._mj.mj_forward(self._model, self._data)

    def wait(self, seconds: float) -> None:
        """Runs the physics for this many seconds."""
        for _ in range(round(seconds / TIME_STEP)):
            self._mj.mj_step(self._model, self._data)
            if self.after_step is not None:
                self.after_step()

    @property
    def angles(self) -> NDArray[np.float64]:
        """(6,) joint angles that were last asked for, in radians."""
        return np.array(self._data.ctrl[self._motors])

    def move(self, angles: NDArray[np.float64], speed: float = 1.2) -> None:
        """Moves the joints together, smoothly, to (6,) angles at most at a speed in radians/s."""
        start = self.angles
        seconds = max(0.05, 1.9 * float(np.abs(angles - start).max()) / speed)
        steps = round(seconds / TIME_STEP)
        for step in range(1, steps + 1):
            share = step / steps
            smooth = share**3 * (10 - 15 * share + 6 * share**2)
            self._data.ctrl[self._motors] = start + smooth * (angles - start)
            self.wait(TIME_STEP)

    def open_to(self, opening: float, seconds: float = 0.4) -> None:
        """Sets the wanted distance of the fingers in metres and lets them move."""
        begun = float(self._data.ctrl[self._grips[0]])
        steps = round(seconds / TIME_STEP)
        for step in range(1, steps + 1):
            share = step / steps
            self._data.ctrl[self._grips] = begun + share * (opening / 2 - begun)
            self.wait(TIME_STEP)

    @property
    def gap(self) -> float:
        """Metres between the fingers, as the gripper measures it."""
        places = [int(self._model.joint(PREFIX + name).qposadr[0]) for name in ("left", "right")]
        return float(self._data.qpos[places].sum())

    # ------------------------------------------------------------------ truth and pictures

    def places(self) -> NDArray[np.float64]:
        """(N, 3) origins of the objects in the world: the simulator's truth."""
        return np.array(self._data.xpos[self._bodies]).reshape(-1, 3)

    def frame(self) -> Frame:
        """What the camera sees now; the instances are those of the scene as it was described."""
        rgb = self.picture(self.spec.camera)
        return as_sensed(self.spec, rgb, self._canvas.depth())

    def picture(self, camera: CameraSpec) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 ideal picture from a camera."""
        self._look(camera)
        return self._canvas.colours()

    def shows_arm(self) -> bool:
        """Whether the camera sees any of the arm."""
        self._look(self.spec.camera)
        ids = np.unique(self._canvas.numbers())
        scene = self._canvas.scene
        names = {
            scene.geoms[k].segid + 1: scene.geoms[k].objid
            for k in range(scene.ngeom)
            if scene.geoms[k].objtype == int(self._mj.mjtObj.mjOBJ_GEOM)
        }
        shown = [names[number] for number in ids.tolist() if number in names]
        owners = [self._model.body(self._model.geom_bodyid[geom]).name for geom in shown]
        return any(name.startswith(PREFIX) for name in owners)

    def _look(self, camera: CameraSpec) -> None:
        """Sets the camera and the lights, which every step of the physics sets back."""
        self._canvas.make_current()
        self._canvas.look(self._data, camera, self.spec.light)
