# SPDX-License-Identifier: Apache-2.0
"""What a varied scene has beyond a plain one: shapes, coats and more light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Vector = tuple[float, float, float]

#: What a second colour can form on a thing.
COATS = ("stripes", "bands", "checks", "dots", "zigzag", "rim", "dipped", "half", "label", "wear")


@dataclass(frozen=True)
class ShapeSpec:
    """How the mesh of a thing is bent out of its category's; the defaults do nothing.

    Attributes:
        scale: factors of x, y and z.
        taper: growth of its girth from bottom to top, as a share.
        bulge: growth of its girth at half height; below 0 a waist.
        twist: turn of the top against the bottom in radians.
        lean: sideways shift of the top along x, as a share of the height.
        bend: sideways shift of the ends along y, as a share of half the length.
    """

    scale: Vector = (1.0, 1.0, 1.0)
    taper: float = 0.0
    bulge: float = 0.0
    twist: float = 0.0
    lean: float = 0.0
    bend: float = 0.0

    def __post_init__(self) -> None:
        if not all(0.25 <= factor <= 4.0 for factor in self.scale):
            raise ValueError(f"scale must lie in 0.25..4, got {self.scale}")
        for name in ("taper", "bulge", "twist", "lean", "bend"):
            if not abs(getattr(self, name)) <= 1.0:
                raise ValueError(f"{name} must lie in -1..1, got {getattr(self, name)}")


@dataclass(frozen=True)
class CoatSpec:
    """A second colour on the coloured part of a thing.

    Attributes:
        pattern: one of `COATS`.
        colour: name of the second colour.
        rgb: the second colour as painted, 0..1.
        period: distance of a repeated pattern in metres.
        turn: direction or place of the pattern about the vertical in radians.
        share: about what share of the surface it takes, 0..0.33.
        seed: seed of an irregular pattern.
    """

    pattern: str
    colour: str
    rgb: Vector
    period: float = 0.03
    turn: float = 0.0
    share: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        if self.pattern not in COATS:
            raise ValueError(f"pattern must be one of {', '.join(COATS)}, got {self.pattern!r}")
        if not self.period > 0.0:
            raise ValueError(f"period must be positive metres, got {self.period}")
        if not 0.0 <= self.share <= 0.33:
            raise ValueError(f"share must lie in 0..0.33, got {self.share}")


@dataclass(frozen=True)
class LampSpec:
    """A lamp over the table.

    Attributes:
        position: where it hangs in metres.
        rgb: its light at the middle of the table.
        sharpness: exponent of the highlights that it makes.
    """

    position: Vector
    rgb: Vector
    sharpness: float

    def __post_init__(self) -> None:
        if not self.position[2] >= 0.2:
            raise ValueError(f"position must be at least 0.2 m high, got {self.position}")


@dataclass(frozen=True)
class AmbienceSpec:
    """Light added to what the picture was drawn with.

    Attributes:
        lamps: lamps over the table.
        sky: light from the side of `axis`.
        ground: light from the other side.
        axis: unit vector.
        occlusion: how much darker it is where things touch the table, 0..0.8.
        exposure: brightness of the middle of the table, as a factor.
    """

    lamps: tuple[LampSpec, ...]
    sky: Vector
    ground: Vector
    axis: Vector
    occlusion: float = 0.0
    exposure: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.occlusion <= 0.8:
            raise ValueError(f"occlusion must lie in 0..0.8, got {self.occlusion}")
        if not self.exposure > 0.0:
            raise ValueError(f"exposure must be positive, got {self.exposure}")


def tuples(entry: dict[str, Any]) -> dict[str, Any]:
    """JSON lists as the tuples that frozen specs hold."""
    return {
        key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
    }


def ambience_of(entry: dict[str, Any]) -> AmbienceSpec:
    """An ambience from what its JSON holds."""
    lamps = tuple(LampSpec(**tuples(lamp)) for lamp in entry["lamps"])
    return AmbienceSpec(**{**tuples(entry), "lamps": lamps})
