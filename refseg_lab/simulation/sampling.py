# SPDX-License-Identifier: Apache-2.0
"""Random tabletop scenes, each a function of one integer seed on any machine.

The objects are placed by `refseg_lab.simulation.placement`; here come camera, light, surfaces and
what the camera's sensor does to the picture.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass

from refseg_lab.simulation.catalogue import Rgb
from refseg_lab.simulation.chance import Chance
from refseg_lab.simulation.placement import place_objects
from refseg_lab.simulation.scene import (
    MAX_OBJECTS,
    PATTERNS,
    SHIFT_PATTERNS,
    WILD_PATTERNS,
    CameraSpec,
    LightSpec,
    SceneSpec,
    SensorSpec,
    SurfaceSpec,
)
from refseg_lab.simulation.varying import varied

_WOODS: tuple[Rgb, ...] = (
    (0.72, 0.54, 0.36),
    (0.58, 0.40, 0.25),
    (0.80, 0.68, 0.50),
    (0.45, 0.31, 0.21),
    (0.66, 0.60, 0.52),
)
_LEAST_OBJECTS = 3


@dataclass(frozen=True)
class Profile:
    """What a kind of scenes is drawn from; ranges are (low, high).

    Attributes:
        patterns: patterns of table, floor and wall.
        saturation: highest saturation of the surfaces' colours.
        elevations: camera elevations in degrees; one range is drawn, the first is the wrist's.
        distances: camera distances in metres, for each range of elevations.
        tilt: angle of the key light from the vertical in degrees.
        key: brightness of the key light.
        ambient: brightness of the ambient light.
        warmth: highest warmth of the light.
        forced: what is put into each scene: "" nothing, "pairs" colours that their category never
            has in training, "held_out" categories never seen in training.
        repeat: tiles of the table's pattern per metre.
        two_coloured: share of the surfaces whose second colour has nothing to do with the first.
        varied: whether things are bent and coated, mats lie about and lamps add their light; see
            `refseg_lab.simulation.varying`.
    """

    patterns: tuple[str, ...] = PATTERNS
    saturation: float = 0.28
    elevations: tuple[tuple[float, float], ...] = ((42, 80), (26, 60))
    distances: tuple[tuple[float, float], ...] = ((0.38, 0.62), (0.62, 1.0))
    tilt: tuple[float, float] = (12, 50)
    key: tuple[float, float] = (0.42, 0.68)
    ambient: tuple[float, float] = (0.30, 0.48)
    warmth: float = 0.07
    forced: str = ""
    repeat: tuple[float, float] = (0.8, 2.2)
    two_coloured: float = 0.0
    varied: bool = False


#: Kinds of scenes: as in training, with unseen pairs of colour and category, with unseen tables,
#: light, camera heights and categories, and for training that is to hold elsewhere.
PROFILES = {
    "train": Profile(),
    "compose": Profile(forced="pairs"),
    "shift": Profile(
        patterns=SHIFT_PATTERNS,
        saturation=0.5,
        elevations=((18, 25), (62, 84)),
        distances=((0.55, 0.75), (0.95, 1.2)),
        tilt=(52, 64),
        key=(0.6, 0.78),
        ambient=(0.22, 0.3),
        warmth=0.15,
        forced="held_out",
    ),
    "wild": Profile(
        patterns=(*PATTERNS, *WILD_PATTERNS),
        saturation=0.6,
        tilt=(8, 50),
        key=(0.36, 0.66),
        ambient=(0.34, 0.56),
        warmth=0.09,
        repeat=(0.8, 6.0),
        two_coloured=0.35,
        varied=True,
    ),
}


def sample_scene(seed: int, profile: str = "train") -> SceneSpec:
    """Samples a scene.

    Categories come from a reduced pool, so that scenes often hold several of a kind.

    Args:
        seed: any integer >= 0; equal seeds and profiles give equal scenes.
        profile: a key of `PROFILES`.

    Raises:
        ValueError: if the seed is negative or the profile unknown.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    chance, kind = Chance(seed), PROFILES[profile]
    count = chance.between(_LEAST_OBJECTS, MAX_OBJECTS)
    while True:
        camera = _sample_camera(chance, kind)
        objects = place_objects(chance, camera, count, kind.forced)
        if len(objects) >= _LEAST_OBJECTS:
            break
    spec = SceneSpec(
        seed=seed,
        objects=objects,
        camera=camera,
        light=_sample_light(chance, kind),
        table=_sample_surface(chance, kind, kind.repeat),
        floor=_sample_surface(chance, kind, (0.4, 1.2)),
        wall=_sample_surface(chance, kind, (0.4, 1.2)),
        table_size=(chance.uniform(0.6, 1.1), chance.uniform(0.5, 0.9)),
        sensor=_sample_sensor(chance),
    )
    if not kind.varied:
        return spec
    return varied(chance, spec, lambda repeat: _sample_surface(chance, kind, repeat))


def _sample_camera(chance: Chance, kind: Profile) -> CameraSpec:
    wrist = chance.happens(0.4)
    which = 0 if wrist else 1
    return CameraSpec(
        target=(chance.uniform(-0.04, 0.04), chance.uniform(-0.04, 0.04), 0.03),
        azimuth=round(math.radians(chance.uniform(-125, -55)), 5),
        elevation=round(math.radians(chance.uniform(*kind.elevations[which])), 5),
        distance=chance.uniform(*kind.distances[which]),
        fovy=round(math.radians(chance.uniform(46, 60) if wrist else chance.uniform(36, 50)), 5),
        roll=round(math.radians(chance.uniform(-9, 9)), 5) if wrist else 0.0,
        mount="wrist" if wrist else "mast",
    )


def _sample_light(chance: Chance, kind: Profile) -> LightSpec:
    azimuth = chance.uniform(-math.pi, math.pi)
    tilt = math.radians(chance.uniform(*kind.tilt))
    warmth = chance.uniform(-kind.warmth, kind.warmth)

    def tinted(low: float, high: float) -> Rgb:
        level = chance.uniform(low, high)
        return (
            round(level * (1.0 + warmth), 4),
            round(level, 4),
            round(level * (1.0 - warmth), 4),
        )

    return LightSpec(
        direction=(
            round(math.sin(tilt) * math.cos(azimuth), 5),
            round(math.sin(tilt) * math.sin(azimuth), 5),
            round(-math.cos(tilt), 5),
        ),
        key=tinted(*kind.key),
        fill=tinted(0.14, 0.28),
        ambient=tinted(*kind.ambient),
        softness=chance.uniform(0.01, 0.06) if chance.happens(0.6) else 0.0,
    )


def _sample_surface(chance: Chance, kind: Profile, repeat: tuple[float, float]) -> SurfaceSpec:
    """A surface in muted colours, so that saturated things stand out as they do on real tables."""
    pattern = chance.pick(kind.patterns)
    if pattern == "wood":
        shade = chance.uniform(0.85, 1.15)
        first = [part * shade for part in chance.pick(_WOODS)]
        factor = chance.uniform(0.62, 0.85)
        second = [part * factor for part in first]
    else:
        hue, saturation = chance.uniform(0, 1), chance.uniform(0, kind.saturation)
        first = list(colorsys.hsv_to_rgb(hue, saturation, chance.uniform(0.3, 0.92)))
        contrast = chance.uniform(0.1, 0.32) * (1.0 if sum(first) < 1.65 else -1.0)
        second = [part + contrast for part in first]
        if kind.two_coloured and chance.happens(kind.two_coloured):
            second = list(
                colorsys.hsv_to_rgb(
                    chance.uniform(0, 1),
                    chance.uniform(0, kind.saturation),
                    chance.uniform(0.1, 1),
                )
            )
    return SurfaceSpec(
        pattern=pattern,
        first=_muted(first),
        second=_muted(second),
        seed=chance.integer(1 << 31),
        repeat=chance.uniform(*repeat),
    )


def _muted(rgb: list[float]) -> Rgb:
    red, green, blue = (round(min(0.95, max(0.05, part)), 4) for part in rgb)
    return red, green, blue


def _sample_sensor(chance: Chance) -> SensorSpec:
    """Mostly a good picture, now and then a dark, noisy or soft one."""
    return SensorSpec(
        exposure=chance.uniform(-0.5, 0.35),
        noise=round(7.0 * chance.unit() ** 2, 3),
        blur=round(1.1 * chance.unit() ** 2, 3),
        jpeg=chance.between(65, 96),
        seed=chance.integer(1 << 31),
    )
