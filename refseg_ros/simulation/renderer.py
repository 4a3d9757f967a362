# SPDX-License-Identifier: Apache-2.0
"""Off-screen rendering of tabletop scenes with MuJoCo: colour, depth and instances.

One model with every mesh in every size is compiled once; a scene only rewrites which mesh each
slot shows, poses, colours, lights and textures, so a new scene costs no more than a new picture.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refseg_ros.simulation.catalogue import CATEGORIES, SIZES, parts
from refseg_ros.simulation.scene import FINISHES, MAX_OBJECTS, SceneSpec, SurfaceSpec
from refseg_ros.simulation.textures import TEXTURE_SIZE, paint

_LOGGER = logging.getLogger(__name__)

_FLOOR_Z = -0.72
_WALL_DISTANCE = 1.6
_TABLE_THICKNESS = 0.03
_NEAR_METRES, _FAR_METRES = 0.05, 12.0
_MAX_SIDE = 2048
_SURFACES = ("table", "floor", "wall")
# specular, shininess
_FINISH_LOOK = {"matte": (0.05, 0.1), "satin": (0.25, 0.35), "glossy": (0.6, 0.75)}


class RendererUnavailable(RuntimeError):
    """MuJoCo or an OpenGL back end for it is missing; the message says what to install."""


@dataclass(frozen=True)
class Frame:
    """One rendered view.

    Attributes:
        rgb: (H, W, 3) uint8.
        depth: (H, W) float32, metres along the optical axis.
        instances: (H, W) uint8; 0 is background, k is `spec.objects[k - 1]`.
        intrinsics: (3, 3) float64 camera matrix K in pixels.
        camera_pose: (4, 4) float64 pose of the optical frame in the world.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    instances: NDArray[np.uint8]
    intrinsics: NDArray[np.float64]
    camera_pose: NDArray[np.float64]

    def areas(self, count: int) -> tuple[int, ...]:
        """Visible pixels of each of the first count objects."""
        return tuple(np.bincount(self.instances.ravel(), minlength=count + 1)[1:].tolist())


class TabletopRenderer:
    """Renders `SceneSpec`s off screen; use it as a context manager, from one thread.

    Args:
        width: of the pictures in pixels, 16..2048.
        height: of the pictures in pixels, 16..2048.

    Raises:
        ValueError: if a side is out of range.
        RendererUnavailable: if MuJoCo or an OpenGL back end is missing.
    """

    def __init__(self, width: int = 640, height: int = 480) -> None:
        for name, side in (("width", width), ("height", height)):
            if not 16 <= side <= _MAX_SIDE:
                raise ValueError(f"{name} must lie in 16..{_MAX_SIDE} pixels, got {side}")
        self.width, self.height = width, height
        self._mj = _import_mujoco()
        self._closed = False
        self._build()
        self._painted: dict[str, SurfaceSpec] = {}

    def __enter__(self) -> TabletopRenderer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Frees the OpenGL context; a closed renderer cannot render."""
        if not self._closed:
            self._closed = True
            self._context.free()
            self._gl.free()

    def render(self, spec: SceneSpec) -> Frame:
        """Renders a scene.

        Raises:
            RuntimeError: if the renderer is closed.
        """
        if self._closed:
            raise RuntimeError("the renderer is closed; create a new TabletopRenderer")
        mj = self._mj
        self._gl.make_current()
        self._apply(spec)
        mj.mjv_updateScene(
            self._model,
            self._data,
            self._option,
            None,
            self._camera,
            mj.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        rgb = np.empty((self.height, self.width, 3), np.uint8)
        mj.mjr_render(self._rect, self._scene, self._context)
        mj.mjr_readPixels(rgb, None, self._rect, self._context)
        instances, depth = self._render_geometry()
        return Frame(
            rgb=np.ascontiguousarray(rgb[::-1]),
            depth=depth,
            instances=instances,
            intrinsics=spec.camera.intrinsics(self.width, self.height),
            camera_pose=spec.camera.pose(),
        )

    def _render_geometry(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Instances and depth from one pass that paints each geom in the colour of its number."""
        mj, flags = self._mj, self._scene.flags
        codes = np.empty((self.height, self.width, 3), np.uint8)
        buffer = np.empty((self.height, self.width), np.float32)
        segment, by_id = int(mj.mjtRndFlag.mjRND_SEGMENT), int(mj.mjtRndFlag.mjRND_IDCOLOR)
        flags[segment] = flags[by_id] = 1
        try:
            mj.mjr_render(self._rect, self._scene, self._context)
            mj.mjr_readPixels(codes, buffer, self._rect, self._context)
        finally:
            flags[segment] = flags[by_id] = 0
        lookup = np.zeros(self._scene.ngeom + 2, np.uint8)
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.segid >= 0 and geom.objtype == int(mj.mjtObj.mjOBJ_GEOM):
                lookup[geom.segid + 1] = self._slot_of_geom[geom.objid]
        index = codes[..., 0].astype(np.int32) + (codes[..., 1].astype(np.int32) << 8)
        # The depth buffer runs from 1 at the near plane to 0 at the far plane (reversed z).
        near, far = _NEAR_METRES, _FAR_METRES
        depth = near * far / (near + buffer.astype(np.float64) * (far - near))
        return (
            np.ascontiguousarray(lookup[index][::-1]),
            np.ascontiguousarray(depth[::-1], dtype=np.float32),
        )

    def _build(self) -> None:
        """Compiles the model and creates the drawing context."""
        mj = self._mj
        spec = mj.MjSpec()
        spec.stat.extent = 1.0
        spec.stat.center = [0.0, 0.0, 0.0]
        spec.visual.map.znear, spec.visual.map.zfar = _NEAR_METRES, _FAR_METRES
        spec.visual.map.shadowclip = 0.9
        spec.visual.quality.shadowsize = 2048
        spec.visual.quality.offsamples = 4
        global_ = spec.visual.global_
        global_.offwidth, global_.offheight = self.width, self.height
        self._add_room(spec)
        first_mesh = None
        for name, scale in ((n, s) for n in CATEGORIES for s in SIZES.values()):
            for kind, mesh in zip(("main", "accent"), parts(name), strict=True):
                if mesh is not None:
                    label = _mesh_name(name, scale, kind)
                    spec.add_mesh(
                        name=label,
                        uservert=(mesh.vertices * scale).ravel().tolist(),
                        userface=mesh.faces.ravel().tolist(),
                        inertia=mj.mjtMeshInertia.mjMESH_INERTIA_SHELL,
                    )
                    first_mesh = first_mesh or label
        for slot in range(MAX_OBJECTS):
            for kind in ("main", "accent"):
                spec.worldbody.add_geom(
                    name=f"{kind}{slot}",
                    type=mj.mjtGeom.mjGEOM_MESH,
                    meshname=first_mesh,
                    contype=0,
                    conaffinity=0,
                )
        self._model = spec.compile()
        self._data = mj.MjData(self._model)
        mj.mj_forward(self._model, self._data)
        self._scene = mj.MjvScene(self._model, maxgeom=200)
        self._gl, self._context = _create_context(mj, self._model, self.width, self.height)
        mj.mjr_setBuffer(int(mj.mjtFramebuffer.mjFB_OFFSCREEN), self._context)
        self._context.readDepthMap = mj.mjtDepthMap.mjDEPTH_ZEROFAR
        self._rect = mj.MjrRect(0, 0, self.width, self.height)
        self._option = mj.MjvOption()
        self._camera = mj.MjvCamera()
        self._camera.type = mj.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = 0
        self._index()

    def _add_room(self, spec: Any) -> None:
        """Adds table, floor, wall, lights, camera and materials to the model."""
        mj = self._mj
        for name in _SURFACES:
            spec.add_texture(
                name=name,
                type=mj.mjtTexture.mjTEXTURE_2D,
                width=TEXTURE_SIZE,
                height=TEXTURE_SIZE,
                nchannel=3,
                builtin=mj.mjtBuiltin.mjBUILTIN_FLAT,
            )
            material = spec.add_material(name=name, texuniform=True, specular=0.1, shininess=0.2)
            textures = list(material.textures)
            textures[int(mj.mjtTextureRole.mjTEXROLE_RGB)] = name
            material.textures = textures
        for name in FINISHES:
            specular, shininess = _FINISH_LOOK[name]
            spec.add_material(name=name, specular=specular, shininess=shininess)
        still = {"contype": 0, "conaffinity": 0}
        world = spec.worldbody
        box, plane = mj.mjtGeom.mjGEOM_BOX, mj.mjtGeom.mjGEOM_PLANE
        world.add_geom(
            name="table",
            type=box,
            size=[1, 1, _TABLE_THICKNESS / 2],
            pos=[0, 0, -_TABLE_THICKNESS / 2],
            material="table",
            **still,
        )
        world.add_geom(
            name="floor",
            type=plane,
            size=[6, 6, 1],
            pos=[0, 0, _FLOOR_Z],
            material="floor",
            **still,
        )
        world.add_geom(
            name="wall",
            type=plane,
            size=[6, 3, 1],
            pos=[0, _WALL_DISTANCE, 0],
            quat=[0.70710678, 0.70710678, 0, 0],
            material="wall",
            **still,
        )
        directional = mj.mjtLightType.mjLIGHT_DIRECTIONAL
        world.add_light(name="key", type=directional, castshadow=True, dir=[0, 0, -1])
        world.add_light(name="fill", type=directional, castshadow=False, dir=[0, 0, -1])
        world.add_camera(name="camera")

    def _index(self) -> None:
        """Looks up the numbers of everything that a scene rewrites."""
        model, obj = self._model, self._mj.mjtObj

        def number(kind: Any, name: str) -> int:
            return int(self._mj.mj_name2id(model, int(kind), name))

        self._geom = {
            name: number(obj.mjOBJ_GEOM, name)
            for name in [*_SURFACES]
            + [f"{kind}{slot}" for kind in ("main", "accent") for slot in range(MAX_OBJECTS)]
        }
        self._material = {
            name: number(obj.mjOBJ_MATERIAL, name) for name in (*_SURFACES, *FINISHES)
        }
        self._texture = {name: number(obj.mjOBJ_TEXTURE, name) for name in _SURFACES}
        self._mesh = {
            (name, size, kind): number(obj.mjOBJ_MESH, _mesh_name(name, scale, kind))
            for name in CATEGORIES
            for size, scale in SIZES.items()
            for kind in ("main", "accent")
        }
        self._slot_of_geom = np.zeros(model.ngeom, np.uint8)
        for slot in range(MAX_OBJECTS):
            for kind in ("main", "accent"):
                self._slot_of_geom[self._geom[f"{kind}{slot}"]] = slot + 1

    def _apply(self, spec: SceneSpec) -> None:
        """Writes a scene into the model."""
        model, data = self._model, self._data
        for name in _SURFACES:
            self._apply_surface(name, getattr(spec, name))
        model.geom_size[self._geom["table"], :2] = spec.table_size
        for slot in range(MAX_OBJECTS):
            self._apply_object(spec, slot)
        pose = spec.camera.pose()
        data.cam_xpos[0] = pose[:3, 3]
        # MuJoCo cameras look along -z with y up; the optical frame has z forward and y down.
        data.cam_xmat[0] = (pose[:3, :3] * (1.0, -1.0, -1.0)).ravel()
        model.cam_fovy[0] = np.degrees(spec.camera.fovy)
        self._apply_light(spec)

    def _apply_surface(self, name: str, surface: SurfaceSpec) -> None:
        if self._painted.get(name) == surface:
            return
        model, texture = self._model, self._texture[name]
        pixels = paint(surface).ravel()
        start = int(model.tex_adr[texture])
        model.tex_data[start : start + pixels.size] = pixels
        self._mj.mjr_uploadTexture(model, self._context, texture)
        model.mat_texrepeat[self._material[name]] = surface.repeat
        self._painted[name] = surface

    def _apply_object(self, spec: SceneSpec, slot: int) -> None:
        """Shows one object in a slot, or nothing."""
        model, data = self._model, self._data
        item = spec.objects[slot] if slot < len(spec.objects) else None
        for kind in ("main", "accent"):
            geom = self._geom[f"{kind}{slot}"]
            mesh = -1 if item is None else self._mesh[item.category, item.size, kind]
            if item is None or mesh < 0:
                model.geom_rgba[geom, 3] = 0.0
                continue
            cos, sin = np.cos(item.yaw), np.sin(item.yaw)
            turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
            local = np.empty(9)
            self._mj.mju_quat2Mat(local, model.mesh_quat[mesh])
            model.geom_dataid[geom] = mesh
            data.geom_xpos[geom] = turn @ model.mesh_pos[mesh] + (*item.position, 0.0)
            data.geom_xmat[geom] = (turn @ local.reshape(3, 3)).ravel()
            accent = CATEGORIES[item.category].accent
            rgb = item.rgb if kind == "main" or accent is None else accent
            model.geom_rgba[geom] = (*rgb, 1.0)
            model.geom_matid[geom] = self._material[item.finish]

    def _apply_light(self, spec: SceneSpec) -> None:
        model, data, light = self._model, self._data, spec.light
        direction = np.asarray(light.direction, np.float64)
        fill = direction * (-1.0, -1.0, 1.0)
        # A directional light throws its shadow map from its position.
        data.light_xpos[0], data.light_xdir[0] = -1.5 * direction, direction
        data.light_xpos[1], data.light_xdir[1] = -1.5 * fill, fill
        model.light_diffuse[0], model.light_diffuse[1] = light.key, light.fill
        model.light_ambient[:] = 0.0
        model.light_specular[0], model.light_specular[1] = 0.5, 0.1
        head = model.vis.headlight
        head.ambient, head.diffuse, head.specular = light.ambient, (0.0,) * 3, (0.0,) * 3


def _mesh_name(category: str, scale: float, kind: str) -> str:
    return f"{category}-{scale}-{kind}"


def _headless() -> bool:
    """Whether a display is missing and the user has not chosen a back end."""
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.platform.startswith("linux") and not (display or os.environ.get("MUJOCO_GL"))


def _import_mujoco() -> Any:
    """Imports MuJoCo, with the back end that needs no display where there is none."""
    if _headless() and "mujoco" not in sys.modules:
        os.environ["MUJOCO_GL"] = "egl"
    try:
        import mujoco
    except ModuleNotFoundError as error:
        if error.name != "mujoco":
            raise _no_back_end(error) from error
        raise RendererUnavailable(
            "the simulation needs MuJoCo; install it with: pip install 'refseg_ros[sim]'"
        ) from error
    # MuJoCo opens its back end while it is imported, and that fails in as many ways.
    except Exception as error:
        raise _no_back_end(error) from error
    return mujoco


def _no_back_end(error: Exception) -> RendererUnavailable:
    return RendererUnavailable(
        f"no OpenGL back end could be started (MUJOCO_GL={os.environ.get('MUJOCO_GL', '')!r}: "
        f"{error}). On Debian and Ubuntu: sudo apt install libegl1 libegl-mesa0 "
        "libgl1-mesa-dri, then set MUJOCO_GL=egl"
    )


def _create_context(mujoco: Any, model: Any, width: int, height: int) -> tuple[Any, Any]:
    """The OpenGL context and MuJoCo's drawing context in it."""
    gl_context = None
    try:
        if _headless():
            # MuJoCo was imported before this module could choose; its own choice needs a display.
            from mujoco.egl import GLContext
        else:
            GLContext = mujoco.GLContext
        gl_context = GLContext(width, height)
        gl_context.make_current()
        return gl_context, mujoco.MjrContext(model, int(mujoco.mjtFontScale.mjFONTSCALE_100))
    except Exception as error:  # whatever the back ends' GL bindings raise
        if gl_context is not None:
            gl_context.free()
        raise _no_back_end(error) from error
