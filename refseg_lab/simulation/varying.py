# SPDX-License-Identifier: Apache-2.0
"""Makes a sampled scene wild: bent and coated things, mats, added light."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable
from dataclasses import replace

from refseg_lab.simulation.catalogue import CATEGORIES, COLOURS, Rgb
from refseg_lab.simulation.chance import Chance
from refseg_lab.simulation.placement import jittered
from refseg_lab.simulation.scene import MAX_MATS, MatSpec, ObjectSpec, SceneSpec, SurfaceSpec
from refseg_lab.simulation.shaping import extent, sample_shape
from refseg_lab.simulation.variety import COATS, AmbienceSpec, CoatSpec, LampSpec, ShapeSpec

# A picture with coats is drawn twice, so they come together: in some scenes on most things.
_COATED_SCENES, _COATED_THINGS = 0.5, 0.8
_MATS = 0.6
_COLOURED_LAMP = 0.2
_PLAIN, _OTHER = 0.35, 0.3  # shares of the accents in the thing's own colour and in any other
_NEEDED = ("book", "car")  # without their pages and wheels they would be boxes


def varied(
    chance: Chance, spec: SceneSpec, surface: Callable[[tuple[float, float]], SurfaceSpec]
) -> SceneSpec:
    """The scene with shapes, coats, mats and an ambience.

    Args:
        chance: source of chance.
        spec: a plain scene.
        surface: makes a surface, given the range of its tiles per metre.
    """
    objects = _shaped(chance, spec.objects)
    if chance.happens(_COATED_SCENES):
        objects = tuple(
            replace(item, coat=_sample_coat(chance, item))
            if chance.happens(_COATED_THINGS)
            else item
            for item in objects
        )
    count = chance.between(1, MAX_MATS) if chance.happens(_MATS) else 0
    mats = tuple(_sample_mat(chance, spec, surface) for _ in range(count))
    # What is larger lies lower.
    mats = tuple(sorted(mats, key=lambda mat: -mat.half[0] * mat.half[1]))
    return replace(spec, objects=objects, mats=mats, ambience=_sample_ambience(chance))


def _shaped(chance: Chance, objects: tuple[ObjectSpec, ...]) -> tuple[ObjectSpec, ...]:
    """The objects with a shape for each category and size; what is carried is lifted along."""
    carriers = {item.support for item in objects}
    laden = {(item.category, item.size) for index, item in enumerate(objects) if index in carriers}
    shapes: dict[tuple[str, str], ShapeSpec] = {}
    for kind in dict.fromkeys((item.category, item.size) for item in objects):
        shapes[kind] = sample_shape(chance, kind[0], kind in laden)
    made: list[ObjectSpec] = []
    for item in objects:
        height = item.height
        if item.support >= 0:
            carrier = objects[item.support]
            height = round(height * shapes[carrier.category, carrier.size].scale[2], 5)
        rgb, shape = _shifted(chance, item.rgb), shapes[item.category, item.size]
        accent = _sample_accent(chance, item.category, rgb)
        made.append(replace(item, height=height, shape=shape, rgb=rgb, accent=accent))
    return tuple(made)


def _sample_accent(chance: Chance, category: str, rgb: Rgb) -> Rgb | None:
    """The colour of the accent part: a ball without its band is a ball as well."""
    usual, kind = CATEGORIES[category].accent, chance.unit()
    if usual is None:
        return None
    if kind < _PLAIN and category not in _NEEDED:
        return rgb
    other = kind > 1.0 - _OTHER and category not in _NEEDED
    return _shifted(chance, jittered(chance, chance.pick(tuple(COLOURS))) if other else usual)


def _shifted(chance: Chance, rgb: Rgb) -> Rgb:
    """A colour a little farther from its base than `jittered` takes it."""
    hue, saturation, value = colorsys.rgb_to_hsv(*rgb)
    hue = (hue + chance.uniform(-0.008, 0.008)) % 1.0
    saturation = min(1.0, saturation * chance.uniform(0.93, 1.06))
    value = min(1.0, value * chance.uniform(0.9, 1.1))
    red, green, blue = (round(part, 4) for part in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue


def _sample_coat(chance: Chance, item: ObjectSpec) -> CoatSpec:
    others = [name for name in COLOURS if name != item.colour]
    pale = [name for name in ("white", "black") if name != item.colour]
    colour = chance.pick(pale if chance.happens(0.45) else others)
    girth = max(extent(item)[:2])
    return CoatSpec(
        pattern=chance.pick(COATS),
        colour=colour,
        rgb=jittered(chance, colour),
        period=max(0.008, chance.uniform(0.12, 0.5) * girth),
        turn=chance.uniform(-math.pi, math.pi),
        share=chance.uniform(0.12, 0.32),
        seed=chance.integer(1 << 31),
    )


def _sample_mat(
    chance: Chance, spec: SceneSpec, surface: Callable[[tuple[float, float]], SurfaceSpec]
) -> MatSpec:
    """A placemat or a board, or something small like a card or a coaster."""
    large = chance.happens(0.45)
    length = chance.uniform(0.12, 0.3) if large else chance.uniform(0.02, 0.09)
    half = length, round(length * chance.uniform(0.45, 1.0), 5)
    reach = math.hypot(*half)
    free = [max(0.0, min(0.35, side - reach)) for side in spec.table_size]
    return MatSpec(
        surface=surface((1.0, 1.0)),
        position=(chance.uniform(-free[0], free[0]), chance.uniform(-free[1], free[1])),
        yaw=chance.uniform(-math.pi, math.pi),
        half=half,
        round=chance.happens(0.3),
    )


def _sample_ambience(chance: Chance) -> AmbienceSpec:
    lamps = tuple(_sample_lamp(chance) for _ in range(chance.between(1, 3)))
    tilt, azimuth = chance.uniform(0.0, 1.2), chance.uniform(-math.pi, math.pi)
    return AmbienceSpec(
        lamps=lamps,
        sky=_tinted(chance, chance.uniform(0.35, 1.0), 0.25),
        ground=_tinted(chance, chance.uniform(0.1, 0.45), 0.35),
        axis=(
            round(math.sin(tilt) * math.cos(azimuth), 5),
            round(math.sin(tilt) * math.sin(azimuth), 5),
            round(math.cos(tilt), 5),
        ),
        occlusion=chance.uniform(0.0, 0.6),
        exposure=chance.uniform(0.85, 1.35),
    )


def _sample_lamp(chance: Chance) -> LampSpec:
    tilt, azimuth = chance.uniform(0.15, 1.2), chance.uniform(-math.pi, math.pi)
    distance = chance.uniform(0.7, 2.0)
    coloured = chance.happens(_COLOURED_LAMP)
    return LampSpec(
        position=(
            round(distance * math.sin(tilt) * math.cos(azimuth), 5),
            round(distance * math.sin(tilt) * math.sin(azimuth), 5),
            round(distance * math.cos(tilt), 5),
        ),
        rgb=_tinted(chance, chance.uniform(0.2, 0.9), 0.8 if coloured else 0.2),
        sharpness=chance.uniform(12.0, 160.0),
    )


def _tinted(chance: Chance, level: float, saturation: float) -> Rgb:
    """Light of a brightness, up to so saturated."""
    rgb = colorsys.hsv_to_rgb(chance.uniform(0.0, 1.0), chance.uniform(0.0, saturation), 1.0)
    red, green, blue = (round(level * part, 4) for part in rgb)
    return red, green, blue
