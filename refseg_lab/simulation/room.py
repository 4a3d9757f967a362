# SPDX-License-Identifier: Apache-2.0
"""The MuJoCo model in which every scene is shown: a room, lights and one slot per object."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.catalogue import CATEGORIES, SIZES, parts
from refseg_lab.simulation.scene import FINISHES, MAX_MATS, MAX_OBJECTS, LightSpec
from refseg_lab.simulation.textures import TEXTURE_SIZE

#: Clipping distances in metres.
NEAR_METRES, FAR_METRES = 0.05, 12.0
#: What the surfaces of a scene spec are called in the model.
SURFACES = ("table", "floor", "wall")
#: What the mats of a scene spec are called in the model, the lowest first.
MATS = tuple(f"mat{number}" for number in range(MAX_MATS))
#: Height of each mat above the one below it in metres.
MAT_METRES = 0.0004
#: The two meshes of an object.
KINDS = ("main", "accent")
#: Lights among which a soft key light is shared; the fill light follows them.
KEY_LIGHTS = 3
#: Height of the floor and y of the wall behind in metres.
FLOOR_Z, WALL_DISTANCE = -0.72, 1.6

_TABLE_THICKNESS = 0.03
_SHADOW_MAP = 1536
_SAMPLES = 4
# specular, shininess
_FINISH_LOOK = {
    "matte": (0.05, 0.1),
    "satin": (0.25, 0.35),
    "glossy": (0.6, 0.75),
    "metallic": (1.0, 0.45),
}
_KEY_SPECULAR, _FILL_SPECULAR = 0.5, 0.1


def compile_room(mujoco: Any, width: int, height: int) -> Any:
    """Compiles the model with every mesh in every size.

    Args:
        mujoco: the imported module.
        width: width of the pictures in pixels.
        height: height of the pictures in pixels.
    """
    spec = empty_room(mujoco, width, height)
    _add_slots(mujoco, spec, _add_meshes(mujoco, spec))
    for name in MATS:
        _add_surface(mujoco, spec, name, uniform=False)
        spec.worldbody.add_geom(
            name=name,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[1, 1, 1],
            rgba=[1, 1, 1, 0],
            material=name,
            contype=0,
            conaffinity=0,
        )
    return spec.compile()


def empty_room(mujoco: Any, width: int, height: int) -> Any:
    """The uncompiled model (an `MjSpec`) of table, floor, wall, lights and a camera.

    Args:
        mujoco: the imported module.
        width: width of the pictures in pixels.
        height: height of the pictures in pixels.
    """
    spec = mujoco.MjSpec()
    spec.stat.extent = 1.0
    spec.stat.center = [0.0, 0.0, 0.0]
    spec.visual.map.znear, spec.visual.map.zfar = NEAR_METRES, FAR_METRES
    spec.visual.map.shadowclip = 1.0
    spec.visual.quality.shadowsize = _SHADOW_MAP
    spec.visual.quality.offsamples = _SAMPLES
    global_ = spec.visual.global_
    global_.offwidth, global_.offheight = width, height
    _add_materials(mujoco, spec)
    _add_room(mujoco, spec)
    _add_lights(mujoco, spec)
    spec.worldbody.add_camera(name="camera")
    return spec


def mesh_name(category: str, size: str, kind: str) -> str:
    """Name in the model of one of the `KINDS` of meshes of a category in a size."""
    return f"{category}-{size}-{kind}"


def _add_surface(mujoco: Any, spec: Any, name: str, uniform: bool) -> None:
    """Adds a texture and a material of one name."""
    spec.add_texture(
        name=name,
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        width=TEXTURE_SIZE,
        height=TEXTURE_SIZE,
        nchannel=3,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
    )
    material = spec.add_material(name=name, texuniform=uniform, specular=0.1, shininess=0.2)
    textures = list(material.textures)
    textures[int(mujoco.mjtTextureRole.mjTEXROLE_RGB)] = name
    material.textures = textures


def _add_materials(mujoco: Any, spec: Any) -> None:
    for name in SURFACES:
        _add_surface(mujoco, spec, name, uniform=True)
    for name in FINISHES:
        specular, shininess = _FINISH_LOOK[name]
        spec.add_material(name=name, specular=specular, shininess=shininess)


def _add_room(mujoco: Any, spec: Any) -> None:
    """Adds table, floor and wall."""
    still = {"contype": 0, "conaffinity": 0}
    world = spec.worldbody
    box, plane = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_PLANE
    world.add_geom(
        name="table",
        type=box,
        size=[1, 1, _TABLE_THICKNESS / 2],
        pos=[0, 0, -_TABLE_THICKNESS / 2],
        material="table",
        **still,
    )
    world.add_geom(
        name="floor", type=plane, size=[6, 6, 1], pos=[0, 0, FLOOR_Z], material="floor", **still
    )
    world.add_geom(
        name="wall",
        type=plane,
        size=[6, 3, 1],
        pos=[0, WALL_DISTANCE, 0],
        quat=[0.70710678, 0.70710678, 0, 0],
        material="wall",
        **still,
    )


def _add_lights(mujoco: Any, spec: Any) -> None:
    directional = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
    for index in range(KEY_LIGHTS):
        spec.worldbody.add_light(
            name=f"key{index}", type=directional, castshadow=True, dir=[0, 0, -1]
        )
    spec.worldbody.add_light(name="fill", type=directional, castshadow=False, dir=[0, 0, -1])


def _add_meshes(mujoco: Any, spec: Any) -> str:
    """Adds every mesh; returns the name of one of them."""
    label = ""
    for category in CATEGORIES:
        for size, scale in SIZES.items():
            for kind, mesh in zip(KINDS, parts(category), strict=True):
                if mesh is not None:
                    label = mesh_name(category, size, kind)
                    spec.add_mesh(
                        name=label,
                        uservert=(mesh.vertices * scale).ravel().tolist(),
                        userface=mesh.faces.ravel().tolist(),
                        inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
                    )
    return label


def _add_slots(mujoco: Any, spec: Any, mesh: str) -> None:
    for slot in range(MAX_OBJECTS):
        for kind in KINDS:
            spec.worldbody.add_geom(
                name=f"{kind}{slot}",
                type=mujoco.mjtGeom.mjGEOM_MESH,
                meshname=mesh,
                contype=0,
                conaffinity=0,
            )


def apply_light(model: Any, data: Any, light: LightSpec) -> None:
    """Writes the illumination of a scene into the model.

    A soft key light is several lights that share its intensity: one along its direction, the
    others spread evenly over a cone about it, so that their shadows overlap to a soft edge.
    """
    directions = key_directions(light)
    for index in range(KEY_LIGHTS):
        used = index < len(directions)
        model.light_active[index] = used
        if used:
            # A directional light throws its shadow map from its position.
            data.light_xpos[index] = -1.5 * directions[index]
            data.light_xdir[index] = directions[index]
            model.light_diffuse[index] = np.asarray(light.key) / len(directions)
            model.light_specular[index] = _KEY_SPECULAR / len(directions)
    fill = np.asarray(light.direction, np.float64) * (-1.0, -1.0, 1.0)
    data.light_xpos[KEY_LIGHTS], data.light_xdir[KEY_LIGHTS] = -1.5 * fill, fill
    model.light_diffuse[KEY_LIGHTS] = light.fill
    model.light_specular[KEY_LIGHTS] = _FILL_SPECULAR
    model.light_ambient[:] = 0.0
    head = model.vis.headlight
    head.ambient, head.diffuse, head.specular = light.ambient, (0.0,) * 3, (0.0,) * 3


def key_directions(light: LightSpec) -> NDArray[np.float64]:
    """(1, 3) direction of a hard key light, (KEY_LIGHTS, 3) unit vectors of a soft one."""
    middle = np.asarray(light.direction, np.float64)
    middle = middle / np.linalg.norm(middle)
    if light.softness <= 0.0:
        return middle[None]
    aside = np.cross(middle, (1.0, 0.0, 0.0) if abs(middle[0]) < 0.7 else (0.0, 1.0, 0.0))
    aside /= np.linalg.norm(aside)
    across = np.cross(middle, aside)
    angles = np.arange(KEY_LIGHTS - 1) * (2.0 * math.pi / (KEY_LIGHTS - 1))
    ring = np.cos(angles)[:, None] * aside + np.sin(angles)[:, None] * across
    spread = middle * math.cos(light.softness) + ring * math.sin(light.softness)
    return np.concatenate([middle[None], spread])
