# SPDX-License-Identifier: Apache-2.0
"""Off-screen rendering of tabletop scenes: colour and depth by MuJoCo, instances by ourselves.

One model with every mesh in every size is compiled once; a scene only rewrites which mesh each
slot shows, poses, colours, lights and textures, so a new scene costs no more than a new picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.canvas import Canvas
from refseg_lab.simulation.catalogue import CATEGORIES, SIZES
from refseg_lab.simulation.coating import coated
from refseg_lab.simulation.lighting import lit
from refseg_lab.simulation.opengl import RendererUnavailable, import_mujoco
from refseg_lab.simulation.rasteriser import Visibility, rasterise
from refseg_lab.simulation.reshaping import MeshStore
from refseg_lab.simulation.room import (
    KINDS,
    MAT_METRES,
    MATS,
    SURFACES,
    compile_room,
    mesh_name,
)
from refseg_lab.simulation.scene import (
    FINISHES,
    MAX_OBJECTS,
    MatSpec,
    SceneSpec,
    SurfaceSpec,
)
from refseg_lab.simulation.sensor import decode_jpeg, encode_jpeg, expose
from refseg_lab.simulation.shaping import shaped_parts
from refseg_lab.simulation.textures import paint

__all__ = ["Frame", "RendererUnavailable", "TabletopRenderer"]

_MAX_SIDE = 2048


@dataclass(frozen=True)
class Frame:
    """One rendered view.

    Attributes:
        rgb: (H, W, 3) uint8.
        depth: (H, W) float32, metres along the optical axis.
        instances: (H, W) uint8; 0 is background, k is `spec.objects[k - 1]`.
        intrinsics: (3, 3) float64 camera matrix K in pixels.
        camera_pose: (4, 4) float64 pose of the optical frame in the world.
        full_areas: pixels of each object inside the picture if nothing hid it.
        jpeg: the sensor's own compressed picture, which decodes to `rgb`; empty if
            the sensor does not compress.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    instances: NDArray[np.uint8]
    intrinsics: NDArray[np.float64]
    camera_pose: NDArray[np.float64]
    full_areas: tuple[int, ...] = ()
    jpeg: bytes = b""

    def areas(self, count: int) -> tuple[int, ...]:
        """Visible pixels of each of the first count objects."""
        return tuple(np.bincount(self.instances.ravel(), minlength=count + 1)[1:].tolist())


class TabletopRenderer:
    """Renders `SceneSpec`s off screen; use it as a context manager, from one thread.

    Args:
        width: width of the pictures in pixels, 16..2048.
        height: height of the pictures in pixels, 16..2048.
        depth: whether depth is wanted; without it the frames' depth is 0 everywhere.

    Raises:
        ValueError: if a side is out of range.
        RendererUnavailable: if MuJoCo or an OpenGL back end is missing.
    """

    def __init__(self, width: int = 640, height: int = 480, depth: bool = True) -> None:
        for name, side in (("width", width), ("height", height)):
            if not 16 <= side <= _MAX_SIDE:
                raise ValueError(f"{name} must lie in 16..{_MAX_SIDE} pixels, got {side}")
        self.width, self.height = width, height
        self._with_depth = depth
        self._mj = import_mujoco()
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
            self._canvas.close()

    def render(self, spec: SceneSpec) -> Frame:
        """Renders a scene as its sensor sees it.

        Raises:
            RuntimeError: if the renderer is closed.
        """
        if self._closed:
            raise RuntimeError("the renderer is closed; create a new TabletopRenderer")
        self._canvas.make_current()
        self._apply(spec)
        self._canvas.look(self._data, spec.camera, spec.light)
        rgb = self._canvas.colours()
        depth = self._canvas.depth() if self._with_depth else np.zeros(rgb.shape[:2], np.float32)
        visibility = rasterise(spec, self.width, self.height)
        if any(item.coat for item in spec.objects):
            for slot, item in enumerate(spec.objects):
                if item.coat:
                    self._model.geom_rgba[self._geom[f"main{slot}"], :3] = item.coat.rgb
            self._canvas.look(self._data, spec.camera, spec.light)
            rgb = coated(spec, visibility, rgb, self._canvas.colours())
        if spec.ambience:
            rgb = lit(spec, spec.ambience, visibility, rgb)
        return as_sensed(spec, rgb, depth, visibility)

    def _build(self) -> None:
        """Compiles the model and creates the drawing context."""
        mj = self._mj
        self._model = compile_room(mj, self.width, self.height)
        self._data = mj.MjData(self._model)
        mj.mj_forward(self._model, self._data)
        self._canvas = Canvas(mj, self._model, self.width, self.height, most=200)
        self._meshes = MeshStore(mj, self._model, self._canvas.context)
        self._index()

    def _index(self) -> None:
        """Looks up the numbers of everything that a scene rewrites."""
        model, obj = self._model, self._mj.mjtObj

        def numbers(kind: Any, names: Iterable[str]) -> dict[str, int]:
            return {name: int(self._mj.mj_name2id(model, int(kind), name)) for name in names}

        slots = [f"{kind}{slot}" for kind in KINDS for slot in range(MAX_OBJECTS)]
        self._geom = numbers(obj.mjOBJ_GEOM, (*SURFACES, *MATS, *slots))
        self._material = numbers(obj.mjOBJ_MATERIAL, (*SURFACES, *MATS, *FINISHES))
        self._texture = numbers(obj.mjOBJ_TEXTURE, (*SURFACES, *MATS))
        meshes = [mesh_name(*key) for key in product(CATEGORIES, SIZES, KINDS)]
        self._mesh = numbers(obj.mjOBJ_MESH, meshes)

    def _apply(self, spec: SceneSpec) -> None:
        """Writes a scene into the model."""
        for name in SURFACES:
            self._apply_surface(name, getattr(spec, name))
        self._model.geom_size[self._geom["table"], :2] = spec.table_size
        for level, name in enumerate(MATS):
            self._apply_mat(name, level, spec.mats[level] if level < len(spec.mats) else None)
        for slot in range(MAX_OBJECTS):
            self._apply_object(spec, slot)

    def _apply_surface(self, name: str, surface: SurfaceSpec) -> None:
        if self._painted.get(name) == surface:
            return
        model, texture = self._model, self._texture[name]
        pixels = paint(surface).ravel()
        start = int(model.tex_adr[texture])
        model.tex_data[start : start + pixels.size] = pixels
        self._mj.mjr_uploadTexture(model, self._canvas.context, texture)
        model.mat_texrepeat[self._material[name]] = surface.repeat
        self._painted[name] = surface

    def _apply_mat(self, name: str, level: int, mat: MatSpec | None) -> None:
        """Shows a mat on the table, each a little above the one before, or nothing."""
        model, data, geom = self._model, self._data, self._geom[name]
        model.geom_rgba[geom, 3] = 0.0 if mat is None else 1.0
        if mat is None:
            return
        self._apply_surface(name, mat.surface)
        kinds, thick = self._mj.mjtGeom, MAT_METRES * (level + 1)
        model.geom_type[geom] = int(kinds.mjGEOM_ELLIPSOID if mat.round else kinds.mjGEOM_BOX)
        # Half of an ellipsoid lies below the table top.
        model.geom_size[geom] = (*mat.half, thick if mat.round else thick / 2)
        data.geom_xpos[geom] = (*mat.position, 0.0 if mat.round else thick / 2)
        cos, sin = np.cos(mat.yaw), np.sin(mat.yaw)
        data.geom_xmat[geom] = (cos, -sin, 0, sin, cos, 0, 0, 0, 1)

    def _apply_object(self, spec: SceneSpec, slot: int) -> None:
        """Shows one object in a slot, or nothing."""
        model, data = self._model, self._data
        item = spec.objects[slot] if slot < len(spec.objects) else None
        shapes = (None, None) if item is None or item.shape is None else shaped_parts(item)
        for kind, shaped in zip(KINDS, shapes, strict=True):
            geom = self._geom[f"{kind}{slot}"]
            mesh = -1 if item is None else self._mesh[mesh_name(item.category, item.size, kind)]
            if item is None or mesh < 0:
                model.geom_rgba[geom, 3] = 0.0
                continue
            pose, local = item.pose(), self._meshes.turn(mesh)
            self._meshes.show(mesh, item.shape, shaped)
            model.geom_dataid[geom] = mesh
            data.geom_xpos[geom] = pose[:3, :3] @ model.mesh_pos[mesh] + pose[:3, 3]
            data.geom_xmat[geom] = (pose[:3, :3] @ local).ravel()
            accent = item.accent or CATEGORIES[item.category].accent
            rgb = item.rgb if kind == "main" or accent is None else accent
            model.geom_rgba[geom] = (*rgb, 1.0)
            model.geom_matid[geom] = self._material[item.finish]


def as_sensed(
    spec: SceneSpec,
    rgb: NDArray[np.uint8],
    depth: NDArray[np.float32],
    visibility: Visibility | None = None,
) -> Frame:
    """The frame that a scene's sensor makes of an ideal picture.

    Args:
        spec: The scene; its instances are those of the frame.
        rgb: (H, W, 3) uint8.
        depth: (H, W) float32 metres.
        visibility: what `rasterise` makes of the scene, where it is known.
    """
    height, width = depth.shape
    rgb = expose(rgb, spec.sensor)
    jpeg = encode_jpeg(rgb, spec.sensor.jpeg) if spec.sensor.jpeg > 0 else b""
    visibility = visibility or rasterise(spec, width, height)
    return Frame(
        rgb=decode_jpeg(jpeg) if jpeg else rgb,
        depth=depth,
        instances=visibility.instances,
        intrinsics=spec.camera.intrinsics(width, height),
        camera_pose=spec.camera.pose(),
        full_areas=visibility.full_areas,
        jpeg=jpeg,
    )
