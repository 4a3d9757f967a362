# SPDX-License-Identifier: Apache-2.0
"""Short films of tabletop scenes in which one thing is to be followed, each drawn from a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from refseg_lab.simulation.chance import Chance
from refseg_lab.simulation.placement import footprint_corners, separated
from refseg_lab.simulation.rasteriser import Visibility, rasterise
from refseg_lab.simulation.sampling import sample_scene
from refseg_lab.simulation.scene import MAX_OBJECTS, CameraSpec, ObjectSpec, SceneSpec, SensorSpec

KINDS: Final = ("camera", "moving", "occlusion", "exit", "alike")
"""What happens: only the camera moves; the target moves too; something is moved before it; the
camera turns away and back; the target is moved past another thing that looks the same."""
_LEAST_AREA: Final = 900  # pixels of a picture of _SIZE that the target shows at first
_SIZE: Final = (320, 240)
_TRIES: Final = 200
_HEADINGS: Final = 8
_GAP: Final = 0.01  # metres between what moves and all else


@dataclass(frozen=True)
class Film:
    """What a camera sees one after the other.

    Attributes:
        kind: one of :data:`KINDS`.
        frames: one scene a picture; the objects of all are the same ones, in the same order.
        target: index of the object to follow, which the first frame shows clearly.
    """

    kind: str
    frames: tuple[SceneSpec, ...]
    target: int


def sample_film(seed: int, kind: str, length: int = 40) -> Film:
    """Samples a film of some seconds at 10 pictures a second.

    Args:
        seed: any integer >= 0; equal arguments give equal films.
        kind: one of :data:`KINDS`.
        length: pictures, at least 8.

    Raises:
        ValueError: if an argument is not as it must be.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if length < 8:
        raise ValueError(f"length must be at least 8 pictures, got {length}")
    chance = Chance(seed)
    for _ in range(_TRIES):
        spec = sample_scene(chance.integer(1 << 30))
        # One hard shadow and a clean sensor: a film costs half of what as many photographs do.
        light = replace(spec.light, softness=0.0)
        spec = replace(spec, light=light, sensor=SensorSpec(exposure=spec.sensor.exposure))
        if kind in ("occlusion", "alike"):
            spec = replace(spec, objects=spec.objects[: MAX_OBJECTS - 1])
        target = _target(chance, spec)
        heading = None if target is None else _heading(chance, spec, kind, target)
        if target is not None and heading is not None:
            return _filmed(chance, spec, kind, target, heading, length)
    raise ValueError(f"seed {seed} gives no scene with a clear target in {_TRIES} tries")


def _target(chance: Chance, spec: SceneSpec) -> int | None:
    """An object on the table that carries nothing, is clearly seen and like no other."""
    seen: Visibility = rasterise(spec, *_SIZE)
    loaded = {item.support for item in spec.objects}
    names = [item.name for item in spec.objects]
    edge = {*seen.instances[[0, -1]].ravel(), *seen.instances[:, [0, -1]].ravel()}
    fit = []
    for index, item in enumerate(spec.objects):
        area = int((seen.instances == index + 1).sum())
        whole = area >= max(_LEAST_AREA, 0.95 * seen.full_areas[index])
        on_table = item.support < 0 and index not in loaded
        if whole and on_table and index + 1 not in edge and names.count(item.name) == 1:
            fit.append(index)
    return chance.pick(fit) if fit else None


def _heading(chance: Chance, spec: SceneSpec, kind: str, target: int) -> float | None:
    """A way in radians along which what is moved meets nothing; None if none is found."""
    if kind not in ("moving", "alike"):
        return 0.0
    item = spec.objects[target]
    others = [
        footprint_corners(other)
        for index, other in enumerate(spec.objects)
        if index != target or kind == "alike"
    ]
    for _ in range(_HEADINGS):
        heading = chance.uniform(-math.pi, math.pi)
        places = [_moved(item, kind, heading, step / 8) for step in range(9)]
        if all(
            separated(footprint_corners(place), other, _GAP)
            for place in places
            for other in others
        ):
            return heading
    return None


def _moved(item: ObjectSpec, kind: str, heading: float, time: float) -> ObjectSpec:
    """Where the target, or the copy of it, is at a time."""
    if kind == "moving":
        return _shifted(item, heading, 0.16 * _eased(time), 1.2 * time)
    # From one side of the target to the other, past it.
    return _shifted(item, heading, 0.2 - 0.32 * time, 0.0, aside=0.11)


def _filmed(
    chance: Chance, spec: SceneSpec, kind: str, target: int, heading: float, length: int
) -> Film:
    turn = math.radians(chance.uniform(8, 16)) * chance.pick((-1.0, 1.0))
    closer = chance.uniform(0.9, 1.1)
    away = chance.pick((-1.0, 1.0))
    if kind == "occlusion":
        spec = replace(spec, objects=(*spec.objects, _occluder(chance)))
    if kind == "alike":
        spec = replace(spec, objects=(*spec.objects, spec.objects[target]))
    frames = []
    for number in range(length):
        time = number / (length - 1)
        camera = replace(
            spec.camera.orbited(turn * _eased(time)),
            distance=spec.camera.distance * (1 + (closer - 1) * _eased(time)),
        )
        if kind == "exit":
            camera = _turned_away(camera, away * _bump(time, 0.3, 0.75))
        objects = list(spec.objects)
        if kind == "moving":
            objects[target] = _moved(objects[target], kind, heading, time)
        if kind == "occlusion":
            objects[-1] = _passing(objects[-1], objects[target], camera, time)
        if kind == "alike":
            objects[-1] = _moved(objects[target], kind, heading, time)
        frames.append(replace(spec, objects=tuple(objects), camera=camera))
    return Film(kind, tuple(frames), target)


def _eased(time: float) -> float:
    """From 0 to 1 without a jerk."""
    return 0.5 - 0.5 * math.cos(math.pi * time)


def _bump(time: float, start: float, stop: float) -> float:
    """From 0 up to 1 and back between two times; 1 over the middle half."""
    share = (time - start) / (stop - start)
    if not 0.0 < share < 1.0:
        return 0.0
    return _eased(min(1.0, 4 * min(share, 1 - share)))


def _turned_away(camera: CameraSpec, share: float) -> CameraSpec:
    """The camera moved aside with what it looks at, as an arm that turns to something else."""
    reach = 1.5 * camera.distance * math.tan(camera.fovy / 2) * 4 / 3 * share
    x, y, z = camera.target
    side = (-math.sin(camera.azimuth), math.cos(camera.azimuth))
    return replace(camera, target=(x + reach * side[0], y + reach * side[1], z))


def _shifted(
    item: ObjectSpec, heading: float, by: float, turn: float, aside: float = 0.0
) -> ObjectSpec:
    """An object moved along a heading by metres, and to its left, and turned by radians."""
    cos, sin = math.cos(heading), math.sin(heading)
    x, y = item.position
    place = (x + by * cos - aside * sin, y + by * sin + aside * cos)
    return replace(item, position=place, yaw=item.yaw + turn)


def _occluder(chance: Chance) -> ObjectSpec:
    category = chance.pick(("book", "tray", "plate", "teapot"))
    rgb = (chance.uniform(0.1, 0.9), chance.uniform(0.1, 0.9), chance.uniform(0.1, 0.9))
    return ObjectSpec(category, "brown", "large", (0.0, 0.0), chance.uniform(-3.0, 3.0), rgb)


def _passing(item: ObjectSpec, hidden: ObjectSpec, camera: CameraSpec, time: float) -> ObjectSpec:
    """The occluder carried through the line of sight from one side to the other, and held there.

    It waits before the target in the middle third of the film.
    """
    eye = camera.position
    share = 0.7  # of the way from the camera to the target
    middle = (hidden.position[0], hidden.position[1], 0.03)
    x, y, z = (float(e + share * (m - e)) for e, m in zip(eye, middle, strict=True))
    side = (-math.sin(camera.azimuth), math.cos(camera.azimuth))
    way = -0.35 + 0.35 * _eased(min(1.0, max(0.0, (time - 0.1) / 0.25)))
    way += 0.35 * _eased(min(1.0, max(0.0, (time - 0.6) / 0.25)))
    place = (x + way * side[0], y + way * side[1])
    return replace(item, position=place, height=max(0.0, z - 0.02))
