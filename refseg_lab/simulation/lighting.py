# SPDX-License-Identifier: Apache-2.0
"""More light on a drawn picture: coloured lamps, light from all round, shade where things touch.

What the picture was drawn with stays; each pixel is multiplied by the added light that falls on
its point with its normal, over the light on the middle of the table. Points and normals of things
come from their exact depth; those of table, floor and wall from their planes.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.placement import footprint_corners
from refseg_lab.simulation.rasteriser import DEPTH_STEPS, Visibility
from refseg_lab.simulation.room import FLOOR_Z, WALL_DISTANCE
from refseg_lab.simulation.scene import ObjectSpec, SceneSpec
from refseg_lab.simulation.shaping import extent
from refseg_lab.simulation.variety import AmbienceSpec, LampSpec

#: Least and greatest brightness that the added light gives, as a factor.
BRIGHTNESS = (0.6, 1.7)
#: Least and greatest ratio of a channel to the mean of all, so that colours keep their names.
TINT = (0.87, 1.15)

_COARSE = 6  # the background's light is smooth: it is worked out once for so many pixels
_WRAP = 0.25  # a lamp is no point, so that it reaches round a thing
_SMOOTH = 5  # pixels over which normals are averaged
_SHADOW_METRES = 0.014
_GLOSS = {"matte": 0.0, "satin": 0.12, "glossy": 0.4, "metallic": 0.5}

Floats = NDArray[np.float32]


def lit(
    spec: SceneSpec, ambience: AmbienceSpec, visibility: Visibility, rgb: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """A picture in more light.

    Args:
        spec: the scene.
        ambience: the light.
        visibility: what the scene's camera sees.
        rgb: (H, W, 3) uint8.
    """
    light = _background(spec, ambience, rgb.shape[1], rgb.shape[0])
    shine = np.zeros((1, 3), np.float32)
    rows, columns = np.nonzero(visibility.instances)
    if len(rows):
        points, normals = seen_surface(spec, visibility)
        things = visibility.instances[rows, columns]
        light[rows, columns] = _on_things(spec, ambience, things, points, normals)
        shine = _shine(spec, ambience, things, points, normals)
    picture = rgb * light
    if len(rows):
        picture[rows, columns] += shine
    return np.clip(np.rint(picture), 0.0, 255.0).astype(np.uint8)


def seen_surface(spec: SceneSpec, visibility: Visibility) -> tuple[Floats, Floats]:
    """Points and normals, (N, 3) in the world, of the pixels that show things, row by row."""
    shown, pose = visibility.instances, spec.camera.pose()
    height, width = shown.shape
    rows, columns = np.nonzero(shown)
    (focal_x, _, middle_x), (_, focal_y, middle_y), _ = spec.camera.intrinsics(width, height)
    inverse = np.pad(visibility.steps, 1).ravel().astype(np.float32) / np.float32(DEPTH_STEPS)
    labels = np.pad(shown, 1).ravel()
    places = (rows + 1) * (width + 2) + columns + 1
    own = inverse[places]
    # Inverse depth is linear in the picture over a plane, and its slopes are its normal.
    slope_x, slope_y = (_slope(inverse, labels, places, step) for step in (1, width + 2))
    u, v = (columns - middle_x).astype(np.float32), (rows - middle_y).astype(np.float32)
    facing = own - slope_x * u - slope_y * v
    normals = _unit(-np.stack([focal_x * slope_x, focal_y * slope_y, facing], -1))
    spread = np.zeros((height, width, 3), np.float32)
    spread[rows, columns] = normals
    smooth = cv2.blur(spread, (_SMOOTH, _SMOOTH))[rows, columns]
    turn = pose[:3, :3].T.astype(np.float32)
    rays = np.stack([u / focal_x, v / focal_y, np.ones(len(u))], -1).astype(np.float32)
    points = (rays / own[:, None]) @ turn + pose[:3, 3].astype(np.float32)
    return np.asarray(points, np.float32), _unit(smooth @ turn)


def _slope(
    inverse: Floats, labels: NDArray[np.uint8], places: NDArray[np.int64], step: int
) -> Floats:
    """The change of inverse depth from pixel to pixel, of both sides the one without a jump."""
    own, label = inverse[places], labels[places]
    after, before = inverse[places + step] - own, own - inverse[places - step]
    after[labels[places + step] != label] = np.inf
    before[labels[places - step] != label] = np.inf
    slope = np.where(np.abs(after) < np.abs(before), after, before)
    return np.where(np.isfinite(slope), slope, 0.0).astype(np.float32)


def _unit(vectors: Floats) -> Floats:
    lengths = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))
    return np.asarray(vectors / np.maximum(lengths, 1e-12)[..., None], np.float32)


def _all_round(ambience: AmbienceSpec, normals: Floats) -> Floats:
    """(N, 3) light from sky and ground."""
    sky, ground, axis = (
        np.asarray(part, np.float32) for part in (ambience.sky, ambience.ground, ambience.axis)
    )
    up = 0.5 + 0.5 * (normals @ axis)
    return np.asarray(ground + (sky - ground) * up[:, None], np.float32)


def _from_lamp(lamp: LampSpec, points: Floats, normals: Floats) -> tuple[Floats, Floats]:
    """(N,) light of a lamp against that on the middle of the table, and (N, 3) ways to it."""
    place = np.asarray(lamp.position, np.float32)
    ways = place - points
    squares = np.einsum("ij,ij->i", ways, ways)
    ways /= np.sqrt(squares)[:, None]
    level = np.maximum(0.0, (np.einsum("ij,ij->i", normals, ways) + _WRAP) / (1.0 + _WRAP))
    return np.asarray(level * (place @ place) / squares, np.float32), ways


def _middle(ambience: AmbienceSpec) -> float:
    """Brightness on the middle of the table."""
    point, normal = np.zeros((1, 3), np.float32), np.array([[0, 0, 1]], np.float32)
    light = _all_round(ambience, normal)[0]
    for lamp in ambience.lamps:
        light = light + _from_lamp(lamp, point, normal)[0] * np.asarray(lamp.rgb, np.float32)
    return float(light.mean())


def _limited(light: Floats, ambience: AmbienceSpec) -> Floats:
    """(N, 3) light as factors within `BRIGHTNESS` and `TINT`."""
    light = light * np.float32(ambience.exposure / _middle(ambience))
    level = light.mean(axis=1, keepdims=True)
    tint = np.clip(light / np.maximum(level, 1e-6), *TINT)
    return np.asarray(np.clip(level, *BRIGHTNESS) * tint, np.float32)


def _background(spec: SceneSpec, ambience: AmbienceSpec, width: int, height: int) -> Floats:
    """(H, W, 3) factors of the light on table, floor and wall."""
    rows, columns = (max(2, side // _COARSE) for side in (height, width))
    points, normals, on_table = _planes(spec, width, height, rows, columns)
    light = _all_round(ambience, normals)
    for lamp in ambience.lamps:
        level, _ = _from_lamp(lamp, points, normals)
        level[on_table] *= 1.0 - 0.75 * _shadow(spec, lamp, points[on_table])
        light += level[:, None] * np.asarray(lamp.rgb, np.float32)
    light = _limited(light, ambience)
    light[on_table] *= 1.0 - ambience.occlusion * _contact(spec, points[on_table])[:, None]
    fine = cv2.resize(light.reshape(rows, columns, 3), (width, height))
    return np.asarray(fine, np.float32)


def _planes(
    spec: SceneSpec, width: int, height: int, rows: int, columns: int
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """What a coarse picture without things shows: (N, 3) points, normals, and which on table."""
    pose, intrinsics = spec.camera.pose(), spec.camera.intrinsics(width, height)
    v, u = np.mgrid[:rows, :columns].reshape(2, -1)
    pixels = np.stack(
        [(u + 0.5) * width / columns - 0.5, (v + 0.5) * height / rows - 0.5, np.ones(u.size)], -1
    )
    rays = pixels @ np.linalg.inv(intrinsics).T @ pose[:3, :3].T
    eye = pose[:3, 3]
    down, back = np.minimum(rays[:, 2], -1e-6), np.maximum(rays[:, 1], 1e-6)
    table = eye + rays * (-eye[2] / down)[:, None]
    on_table = (np.abs(table[:, :2]) <= spec.table_size).all(axis=1)
    to_floor, to_wall = (FLOOR_Z - eye[2]) / down, (WALL_DISTANCE - eye[1]) / back
    on_wall = ~on_table & (to_wall < to_floor)
    far = np.minimum(to_floor, to_wall)
    points = np.where(on_table[:, None], table, eye + rays * far[:, None])
    normals = np.where(on_wall[:, None], (0.0, -1.0, 0.0), (0.0, 0.0, 1.0))
    return points.astype(np.float32), normals.astype(np.float32), on_table


def _standing(spec: SceneSpec) -> list[ObjectSpec]:
    return [item for item in spec.objects if item.support < 0]


def _contact(spec: SceneSpec, points: Floats) -> Floats:
    """(N,) share of the surroundings that things hide from points on the table, 0..1."""
    open_ = np.ones(len(points), np.float32)
    for item in _standing(spec):
        middle, half = _footprint(item)
        cos, sin = np.cos(item.yaw), np.sin(item.yaw)
        x, y = (points[:, :2] - middle).T
        own = np.abs(np.stack([cos * x + sin * y, cos * y - sin * x], -1))
        # Things are mostly rounder than their rectangles.
        beyond = np.maximum(own - 0.75 * half, 0.0)
        distance = np.hypot(beyond[:, 0], beyond[:, 1])
        reach = 0.012 + 0.3 * extent(item)[2]
        open_ *= 1.0 - np.exp(-distance / reach).astype(np.float32)
    return 1.0 - open_


def _shadow(spec: SceneSpec, lamp: LampSpec, points: Floats) -> Floats:
    """(N,) share of a lamp that things hide from points on the table, 0..1: soft capsules."""
    place, free = np.asarray(lamp.position), np.ones(len(points), np.float32)
    for item in _standing(spec):
        middle, half = _footprint(item)
        tall = extent(item)[2]
        radius = 0.7 * float(half.min())
        reach = (middle - place[:2]) * (tall / max(0.1, place[2] - tall))
        along = (points[:, :2] - middle) @ reach / max(1e-9, float(reach @ reach))
        nearest = middle + np.clip(along, 0.0, 1.0)[:, None] * reach
        inside = radius - np.hypot(*(points[:, :2] - nearest).T)
        free *= (0.5 - 0.5 * np.tanh(inside / (2.0 * _SHADOW_METRES))).astype(np.float32)
    return 1.0 - free


def _footprint(item: ObjectSpec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle and half lengths of what a thing covers of the table."""
    width, length, _ = extent(item)
    return footprint_corners(item).mean(axis=0), np.array([width, length]) / 2.0


def _on_things(
    spec: SceneSpec,
    ambience: AmbienceSpec,
    things: NDArray[np.uint8],
    points: Floats,
    normals: Floats,
) -> Floats:
    """(N, 3) factors of the light on things."""
    light = _all_round(ambience, normals)
    for lamp in ambience.lamps:
        light += _from_lamp(lamp, points, normals)[0][:, None] * np.asarray(lamp.rgb, np.float32)
    base, tall = (
        np.array([0.0, *values], np.float32)[things]
        for values in zip(*((item.height, extent(item)[2]) for item in spec.objects), strict=True)
    )
    sideways = np.clip(1.0 - normals[:, 2], 0.0, 1.0)
    near = np.exp(-(points[:, 2] - base) / np.maximum(0.25 * tall, 0.004))
    dark = 1.0 - 0.7 * ambience.occlusion * sideways * np.minimum(near, 1.0)
    return np.asarray(_limited(light, ambience) * dark[:, None], np.float32)


def _shine(
    spec: SceneSpec,
    ambience: AmbienceSpec,
    things: NDArray[np.uint8],
    points: Floats,
    normals: Floats,
) -> Floats:
    """(N, 3) grey levels of the lamps' highlights."""
    gloss = np.array([0.0, *(_GLOSS[item.finish] for item in spec.objects)], np.float32)[things]
    views = _unit(spec.camera.position.astype(np.float32) - points)
    shine = np.zeros_like(points)
    for lamp in ambience.lamps:
        _, ways = _from_lamp(lamp, points, normals)
        between = np.einsum("ij,ij->i", normals, _unit(views + ways))
        level = np.maximum(between, 0.0) ** lamp.sharpness * gloss
        shine += level[:, None] * np.asarray(lamp.rgb, np.float32)
    return np.asarray(255.0 * shine, np.float32)
