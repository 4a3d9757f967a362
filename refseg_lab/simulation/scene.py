# SPDX-License-Identifier: Apache-2.0
"""Descriptions of tabletop scenes: what a renderer needs to know, and their JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.catalogue import CATEGORIES, COLOURS, SIZES, Rgb
from refseg_lab.simulation.variety import (
    AmbienceSpec,
    CoatSpec,
    ShapeSpec,
    Vector,
    ambience_of,
    tuples,
)

#: Table-top, floor and wall patterns that `refseg_lab.simulation.textures` can paint.
PATTERNS = ("plain", "wood", "marble", "check", "stripes", "speckle", "tiles", "cloth")
#: Patterns that only the shifted test scenes have.
SHIFT_PATTERNS = ("gingham", "terrazzo")
#: Patterns that only the wild training scenes have.
WILD_PATTERNS = ("spots", "chevron", "diamonds", "markers", "waves", "grid", "blotches")
_ALL_PATTERNS = (*PATTERNS, *SHIFT_PATTERNS, *WILD_PATTERNS)
#: Surface finishes of objects, from dull to shiny.
FINISHES = ("matte", "satin", "glossy", "metallic")
#: What may carry the camera: an arm's wrist close to the table, or a mast.
MOUNTS = ("wrist", "mast")
#: Most objects a scene may hold.
MAX_OBJECTS = 12
#: Most mats a scene may have.
MAX_MATS = 4


@dataclass(frozen=True)
class ObjectSpec:
    """One object: on the table, on another object or in one.

    Attributes:
        category: a key of `catalogue.CATEGORIES`.
        colour: a key of `catalogue.COLOURS`.
        size: a key of `catalogue.SIZES`.
        position: (x, y) on the table in metres.
        yaw: turn about the vertical in radians.
        rgb: the colour as painted, base colour with jitter, 0..1.
        finish: one of `FINISHES`.
        height: height of its base above the table top in metres.
        support: index in `SceneSpec.objects` of what carries it; -1 for the table.
        contained: whether it lies in its support (a bowl, a tray) rather than on it.
        shape: how it differs from the mesh of its category; None where it does not.
        coat: a second colour on it; None where there is none.
        accent: RGB of its accent part; None for that of its category.
    """

    category: str
    colour: str
    size: str
    position: tuple[float, float]
    yaw: float
    rgb: Rgb
    finish: str = "satin"
    height: float = 0.0
    support: int = -1
    contained: bool = False
    shape: ShapeSpec | None = None
    coat: CoatSpec | None = None
    accent: Rgb | None = None

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("category", self.category, CATEGORIES),
            ("colour", self.colour, COLOURS),
            ("size", self.size, SIZES),
            ("finish", self.finish, FINISHES),
        ):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        if self.height < 0.0:
            raise ValueError(f"height must be >= 0 metres, got {self.height}")
        if self.contained and self.support < 0:
            raise ValueError("contained needs a support, got -1")

    @property
    def name(self) -> str:
        """Colour and category, e.g. "red mug"."""
        return f"{self.colour} {self.category}"

    def pose(self) -> NDArray[np.float64]:
        """(4, 4) pose of the object's frame in the world: its base, z up, turned by yaw."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        pose = np.eye(4)
        pose[:2, :2] = (cos, -sin), (sin, cos)
        pose[:3, 3] = (*self.position, self.height)
        return pose


@dataclass(frozen=True)
class CameraSpec:
    """A pinhole camera that looks at a point.

    Attributes:
        target: point looked at, metres, world frame (z up, table top at z = 0).
        azimuth: direction from the target to the camera, radians from world x.
        elevation: height angle of the camera above the table, radians, 0 < elevation < pi/2.
        distance: distance from the target in metres.
        fovy: vertical field of view in radians.
        roll: turn of the camera about its optical axis in radians, clockwise seen from behind
            it, so that what it sees turns counter-clockwise in the picture.
        mount: one of `MOUNTS`.
    """

    target: Vector
    azimuth: float
    elevation: float
    distance: float
    fovy: float
    roll: float = 0.0
    mount: str = "mast"

    def __post_init__(self) -> None:
        if not 0.0 < self.elevation < math.pi / 2:
            raise ValueError(f"elevation must lie in (0, pi/2) radians, got {self.elevation}")
        if not self.distance > 0.0:
            raise ValueError(f"distance must be positive metres, got {self.distance}")
        if not 0.0 < self.fovy < math.pi:
            raise ValueError(f"fovy must lie in (0, pi) radians, got {self.fovy}")
        if not -math.pi <= self.roll <= math.pi:
            raise ValueError(f"roll must lie in [-pi, pi] radians, got {self.roll}")
        if self.mount not in MOUNTS:
            raise ValueError(f"mount must be one of {', '.join(MOUNTS)}, got {self.mount!r}")

    @property
    def position(self) -> NDArray[np.float64]:
        """(3,) position in the world in metres."""
        flat = math.cos(self.elevation)
        outwards = np.array(
            [
                flat * math.cos(self.azimuth),
                flat * math.sin(self.azimuth),
                math.sin(self.elevation),
            ]
        )
        return np.asarray(self.target, dtype=np.float64) + self.distance * outwards

    def pose(self) -> NDArray[np.float64]:
        """(4, 4) pose of the optical frame (x right, y down, z forward) in the world."""
        forward = np.asarray(self.target, dtype=np.float64) - self.position
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        cos, sin = math.cos(self.roll), math.sin(self.roll)
        pose = np.eye(4)
        pose[:3, 0], pose[:3, 1] = cos * right + sin * down, cos * down - sin * right
        pose[:3, 2], pose[:3, 3] = forward, self.position
        return pose

    def intrinsics(self, width: int, height: int) -> NDArray[np.float64]:
        """(3, 3) matrix K in pixels; pixel (0, 0) has its centre at (0, 0)."""
        focal = height / 2.0 / math.tan(self.fovy / 2.0)
        centre = ((width - 1) / 2.0, (height - 1) / 2.0)
        return np.array([[focal, 0.0, centre[0]], [0.0, focal, centre[1]], [0.0, 0.0, 1.0]])

    def orbited(self, azimuth: float = 0.0, elevation: float = 0.0) -> CameraSpec:
        """The camera turned about its target by radians, elevation kept in 5..85 degrees."""
        tilt = min(max(self.elevation + elevation, math.radians(5)), math.radians(85))
        return replace(self, azimuth=self.azimuth + azimuth, elevation=tilt)

    def swayed(self, seconds: float) -> CameraSpec:
        """Where the camera is at a time in seconds if it sways slowly about this view."""
        return self.orbited(
            azimuth=math.radians(9.0) * math.sin(seconds * 2.0 * math.pi / 17.0),
            elevation=math.radians(3.0) * math.sin(seconds * 2.0 * math.pi / 11.0),
        )


@dataclass(frozen=True)
class LightSpec:
    """A key light that casts shadows, an opposite fill light and ambient light.

    Attributes:
        direction: the way the key light shines (unit vector, z < 0).
        key: RGB of the key light, 0..1.
        fill: RGB of the fill light, 0..1.
        ambient: RGB of the ambient light, 0..1.
        softness: angular radius of the key light in radians; 0 gives hard shadows.
    """

    direction: Vector
    key: Rgb
    fill: Rgb
    ambient: Rgb
    softness: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.softness <= 0.5:
            raise ValueError(f"softness must lie in 0..0.5 radians, got {self.softness}")


@dataclass(frozen=True)
class SurfaceSpec:
    """A patterned surface.

    Attributes:
        pattern: one of `PATTERNS`, `SHIFT_PATTERNS` or `WILD_PATTERNS`.
        first: RGB of the ground, 0..1.
        second: RGB of the figure, 0..1.
        seed: seed of the random pattern.
        repeat: tiles of the pattern per metre.
    """

    pattern: str
    first: Rgb
    second: Rgb
    seed: int
    repeat: float

    def __post_init__(self) -> None:
        if self.pattern not in _ALL_PATTERNS:
            allowed = ", ".join(_ALL_PATTERNS)
            raise ValueError(f"pattern must be one of {allowed}, got {self.pattern!r}")


@dataclass(frozen=True)
class MatSpec:
    """Something flat without a name on the table: a placemat, a board, a sheet, a coaster.

    Attributes:
        surface: its look; one tile of the pattern fills it `surface.repeat` times each way.
        position: (x, y) of its middle on the table in metres.
        yaw: turn about the vertical in radians.
        half: half of its length and of its width in metres.
        round: whether it is an ellipse rather than a rectangle.
    """

    surface: SurfaceSpec
    position: tuple[float, float]
    yaw: float
    half: tuple[float, float]
    round: bool = False

    def __post_init__(self) -> None:
        if not all(length > 0.0 for length in self.half):
            raise ValueError(f"half must be positive metres, got {self.half}")


@dataclass(frozen=True)
class SensorSpec:
    """What the camera does to the picture; the defaults do nothing.

    Attributes:
        exposure: stops, in -4..4.
        noise: standard deviation in grey levels.
        blur: standard deviation of the lens's Gaussian in pixels of a picture 640 wide.
        jpeg: quality of the stored picture, 1..100; 0 for none.
        seed: seed of the noise.
    """

    exposure: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    jpeg: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("exposure", self.exposure, -4.0, 4.0),
            ("noise", self.noise, 0.0, 64.0),
            ("blur", self.blur, 0.0, 32.0),
            ("jpeg", self.jpeg, 0, 100),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} must lie in {low}..{high}, got {value}")


@dataclass(frozen=True)
class SceneSpec:
    """A whole scene; the same spec always gives the same picture on the same GL driver.

    Attributes:
        seed: the seed it was sampled from.
        objects: what stands on the table; what carries another comes before it.
        camera: view point.
        light: illumination.
        table: look of the table top.
        floor: look of the floor.
        wall: look of the wall behind.
        table_size: half extents of the table top in x and y, metres.
        sensor: what the camera does to the picture.
        mats: what lies flat on the table, the lowest first.
        ambience: light added to `light`; None where there is none.
    """

    seed: int
    objects: tuple[ObjectSpec, ...]
    camera: CameraSpec
    light: LightSpec
    table: SurfaceSpec
    floor: SurfaceSpec
    wall: SurfaceSpec
    table_size: tuple[float, float]
    sensor: SensorSpec = SensorSpec()
    mats: tuple[MatSpec, ...] = ()
    ambience: AmbienceSpec | None = None

    def __post_init__(self) -> None:
        if len(self.mats) > MAX_MATS:
            raise ValueError(f"mats must hold at most {MAX_MATS} entries, got {len(self.mats)}")
        if len(self.objects) > MAX_OBJECTS:
            raise ValueError(
                f"objects must hold at most {MAX_OBJECTS} entries, got {len(self.objects)}"
            )
        for index, item in enumerate(self.objects):
            if not -1 <= item.support < index:
                raise ValueError(
                    f"support must be -1 or the index of an earlier object, got {item.support} "
                    f"for object {index}"
                )
        shapes: dict[tuple[str, str], ShapeSpec | None] = {}
        for item in self.objects:
            if shapes.setdefault((item.category, item.size), item.shape) != item.shape:
                raise ValueError(
                    f"objects of one category and size must share their shape, got two of "
                    f"{item.size} {item.category}"
                )

    def with_camera(self, camera: CameraSpec) -> SceneSpec:
        """The same scene seen by another camera."""
        return replace(self, camera=camera)

    def to_json(self) -> str:
        """One line of JSON that `from_json` reads back to an equal spec."""
        data = asdict(self)
        for entry, optional in (
            (data, ("mats", "ambience")),
            *((o, ("shape", "coat", "accent")) for o in data["objects"]),
        ):
            for name in optional:
                # What a plain scene lacks is not written, so that its text stays what it was.
                if not entry[name]:
                    del entry[name]
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> SceneSpec:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: if the text is not JSON, a field is missing or unknown, or a value is not
                allowed.
        """
        data = json.loads(text)
        try:
            unknown = sorted(set(data) - {field.name for field in fields(cls)})
            if unknown:
                raise ValueError(f"{unknown[0]!r} is no field of a SceneSpec")
            return cls(
                seed=int(data["seed"]),
                objects=tuple(_object(entry) for entry in data["objects"]),
                camera=CameraSpec(**tuples(data["camera"])),
                light=LightSpec(**tuples(data["light"])),
                table=SurfaceSpec(**tuples(data["table"])),
                floor=SurfaceSpec(**tuples(data["floor"])),
                wall=SurfaceSpec(**tuples(data["wall"])),
                table_size=(float(data["table_size"][0]), float(data["table_size"][1])),
                sensor=SensorSpec(**data["sensor"]),
                mats=tuple(_mat(entry) for entry in data.get("mats", ())),
                ambience=ambience_of(data["ambience"]) if data.get("ambience") else None,
            )
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"text is not the JSON of a SceneSpec: {error}") from error


def _object(entry: dict[str, Any]) -> ObjectSpec:
    kinds = {"shape": ShapeSpec, "coat": CoatSpec}
    made = {key: kind(**tuples(entry[key])) for key, kind in kinds.items() if entry.get(key)}
    return ObjectSpec(**{**tuples(entry), **made})


def _mat(entry: dict[str, Any]) -> MatSpec:
    return MatSpec(**{**tuples(entry), "surface": SurfaceSpec(**tuples(entry["surface"]))})
