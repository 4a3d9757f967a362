# SPDX-License-Identifier: Apache-2.0
"""Random tabletop scenes, each a function of one integer seed."""

from __future__ import annotations

import colorsys
import math

import numpy as np
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

from refseg_ros.simulation.catalogue import CATEGORIES, COLOURS, SIZES, Rgb, footprint
from refseg_ros.simulation.scene import (
    FINISHES,
    MAX_OBJECTS,
    PATTERNS,
    CameraSpec,
    LightSpec,
    ObjectSpec,
    SceneSpec,
    SurfaceSpec,
)

_ASPECT = 4.0 / 3.0
_GAP_METRES = 0.012
_REACH_METRES = 0.40
_WOODS: tuple[Rgb, ...] = (
    (0.72, 0.54, 0.36),
    (0.58, 0.40, 0.25),
    (0.80, 0.68, 0.50),
    (0.45, 0.31, 0.21),
    (0.66, 0.60, 0.52),
)


def sample_scene(seed: int, min_objects: int = 3, max_objects: int = 9) -> SceneSpec:
    """Samples a scene.

    Categories come from a reduced pool, so that scenes often hold several of a kind.

    Args:
        seed: any integer >= 0; equal seeds give equal scenes.
        min_objects: fewest objects wanted.
        max_objects: most objects wanted; fewer are placed where the view is full.

    Raises:
        ValueError: if the seed is negative or the numbers of objects are out of range.
    """
    if seed < 0:
        raise ValueError(f"seed must be >= 0, got {seed}")
    if not 1 <= min_objects <= max_objects <= MAX_OBJECTS:
        raise ValueError(
            f"1 <= min_objects <= max_objects <= {MAX_OBJECTS} is needed, "
            f"got {min_objects} and {max_objects}"
        )
    rng = Generator(PCG64(seed))
    count = int(rng.integers(min_objects, max_objects + 1))
    while True:
        camera = _sample_camera(rng)
        objects = _sample_objects(rng, camera, count)
        if len(objects) >= min_objects:
            break
    return SceneSpec(
        seed=seed,
        objects=objects,
        camera=camera,
        light=_sample_light(rng),
        table=_sample_surface(rng, (0.8, 2.2)),
        floor=_sample_surface(rng, (0.4, 1.2)),
        wall=_sample_surface(rng, (0.4, 1.2)),
        table_size=(_between(rng, 0.6, 1.1), _between(rng, 0.5, 0.9)),
    )


def _between(rng: Generator, low: float, high: float) -> float:
    return round(float(rng.uniform(low, high)), 5)


def _sample_camera(rng: Generator) -> CameraSpec:
    return CameraSpec(
        target=(_between(rng, -0.04, 0.04), _between(rng, -0.04, 0.04), 0.03),
        azimuth=math.radians(_between(rng, -125, -55)),
        elevation=math.radians(_between(rng, 30, 66)),
        distance=_between(rng, 0.58, 0.86),
        fovy=math.radians(_between(rng, 38, 50)),
    )


def _sample_objects(rng: Generator, camera: CameraSpec, count: int) -> tuple[ObjectSpec, ...]:
    """Places up to count objects in view without overlap."""
    pool = rng.choice(list(CATEGORIES), size=int(rng.integers(2, 7)), replace=False)
    placed: list[tuple[ObjectSpec, NDArray[np.float64]]] = []
    for _ in range(count):
        category = str(rng.choice(pool))
        colour = str(rng.choice(list(COLOURS)))
        size = str(rng.choice(list(SIZES)))
        rgb, finish = jittered(rng, colour), str(rng.choice(FINISHES))
        for _ in range(40):
            position = _point_in_view(rng, camera)
            yaw = _between(rng, -math.pi, math.pi)
            candidate = ObjectSpec(category, colour, size, position, yaw, rgb, finish)
            corners = footprint_corners(candidate)
            if all(separated(corners, other, _GAP_METRES) for _, other in placed):
                placed.append((candidate, corners))
                break
    return tuple(item for item, _ in placed)


def _point_in_view(rng: Generator, camera: CameraSpec) -> tuple[float, float]:
    """A table point drawn evenly over the middle of the picture, within reach of the target."""
    pose, tangent = camera.pose(), math.tan(camera.fovy / 2.0)
    while True:
        u, v = rng.uniform(-0.8, 0.8), rng.uniform(-0.72, 0.8)
        ray = pose[:3, :3] @ np.array([u * tangent * _ASPECT, v * tangent, 1.0])
        if ray[2] >= -0.05:
            continue
        point = pose[:3, 3] - ray * (pose[2, 3] / ray[2])
        if math.hypot(point[0] - camera.target[0], point[1] - camera.target[1]) < _REACH_METRES:
            return round(float(point[0]), 5), round(float(point[1]), 5)


def footprint_corners(item: ObjectSpec) -> NDArray[np.float64]:
    """(4, 2) corners, in order, of the bounding rectangle of an object on the table."""
    x0, y0, x1, y1 = (value * SIZES[item.size] for value in footprint(item.category))
    cos, sin = math.cos(item.yaw), math.sin(item.yaw)
    turn = np.array([[cos, -sin], [sin, cos]])
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    return np.asarray(corners @ turn.T + item.position, dtype=np.float64)


def separated(a: NDArray[np.float64], b: NDArray[np.float64], gap: float) -> bool:
    """Whether an edge direction of either rectangle parts them by at least the gap.

    Args:
        a: (4, 2) corners in order.
        b: (4, 2) corners in order.
        gap: least distance along that direction in metres.
    """
    for corners in (a, b):
        for start, stop in ((0, 1), (1, 2)):
            axis = corners[stop] - corners[start]
            axis = axis / np.linalg.norm(axis)
            along_a, along_b = a @ axis, b @ axis
            if along_a.min() - along_b.max() >= gap or along_b.min() - along_a.max() >= gap:
                return True
    return False


def jittered(rng: Generator, colour: str) -> Rgb:
    """The base colour with a small change of hue, saturation and value."""
    hue, saturation, value = colorsys.rgb_to_hsv(*COLOURS[colour])
    hue = (hue + float(rng.uniform(-0.013, 0.013))) % 1.0
    saturation = min(1.0, saturation * float(rng.uniform(0.88, 1.06)))
    value = min(1.0, value * float(rng.uniform(0.88, 1.1)))
    r, g, b = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(r, 4), round(g, 4), round(b, 4)


def _sample_light(rng: Generator) -> LightSpec:
    azimuth, tilt = rng.uniform(-math.pi, math.pi), math.radians(rng.uniform(15, 48))
    direction = (
        round(math.sin(tilt) * math.cos(azimuth), 5),
        round(math.sin(tilt) * math.sin(azimuth), 5),
        round(-math.cos(tilt), 5),
    )
    warmth = float(rng.uniform(-0.06, 0.06))

    def tinted(level: float) -> Rgb:
        return (
            round(level * (1.0 + warmth), 4),
            round(level, 4),
            round(level * (1.0 - warmth), 4),
        )

    return LightSpec(
        direction=direction,
        key=tinted(float(rng.uniform(0.45, 0.66))),
        fill=tinted(float(rng.uniform(0.15, 0.28))),
        ambient=tinted(float(rng.uniform(0.34, 0.48))),
    )


def _sample_surface(rng: Generator, repeat: tuple[float, float]) -> SurfaceSpec:
    """A surface in muted colours, so that saturated things stand out as they do on real tables."""
    pattern = str(rng.choice(PATTERNS))
    if pattern == "wood":
        base = np.array(_WOODS[int(rng.integers(len(_WOODS)))]) * rng.uniform(0.85, 1.15)
        other = base * rng.uniform(0.62, 0.85)
    else:
        hue, saturation = float(rng.uniform()), float(rng.uniform(0.0, 0.28))
        base = np.array(colorsys.hsv_to_rgb(hue, saturation, float(rng.uniform(0.35, 0.9))))
        contrast = rng.uniform(0.12, 0.3) * (1.0 if base.mean() < 0.55 else -1.0)
        other = base + contrast
    first, second = np.clip(base, 0.05, 0.95).round(4), np.clip(other, 0.05, 0.95).round(4)
    return SurfaceSpec(
        pattern=pattern,
        first=(float(first[0]), float(first[1]), float(first[2])),
        second=(float(second[0]), float(second[1]), float(second[2])),
        seed=int(rng.integers(1 << 31)),
        repeat=_between(rng, *repeat),
    )
