# SPDX-License-Identifier: Apache-2.0
"""What can stand on the simulated table: categories, colours and sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from refseg_lab.simulation import tableware, toys
from refseg_lab.simulation.primitives import Mesh, Parts

Rgb = tuple[float, float, float]

#: Base colour of each colour name, RGB in 0..1.
COLOURS: dict[str, Rgb] = {
    "red": (0.80, 0.06, 0.07),
    "green": (0.10, 0.55, 0.14),
    "blue": (0.08, 0.22, 0.80),
    "yellow": (0.95, 0.82, 0.08),
    "orange": (0.96, 0.43, 0.03),
    "purple": (0.50, 0.15, 0.74),
    "pink": (0.97, 0.48, 0.68),
    "brown": (0.40, 0.22, 0.10),
    "white": (0.93, 0.93, 0.91),
    "black": (0.07, 0.07, 0.08),
}

#: Scale factor of each size name.
SIZES: dict[str, float] = {"small": 0.8, "medium": 1.0, "large": 1.22}


@dataclass(frozen=True)
class Support:
    """Room on or in an object for others, at scale 1.

    Attributes:
        half_x: half of the room's length along x in metres.
        half_y: half of the room's length along y in metres.
        height: height of the floor of the room in metres.
        rim: height of the rim of a round hollow, or None where the room is flat.
        contains: whether things lie in it rather than on it.
        places: how many things it may carry.
    """

    half_x: float
    half_y: float
    height: float
    rim: float | None = None
    contains: bool = False
    places: int = 1

    def rest(self, radius: float) -> float:
        """Height at which a thing rests whose base has the given radius in metres."""
        if self.rim is None:
            return self.height
        share = min(1.0, radius / self.half_x)
        return self.rim - (self.rim - self.height) * math.sqrt(1.0 - share * share)


@dataclass(frozen=True)
class Category:
    """A kind of object.

    Attributes:
        name: head noun of its expressions.
        build: returns the coloured part and the accent part at scale 1.
        accent: RGB of the accent part; None where there is none.
        support: room that it offers to others; None where there is none.
        foot: radius at which it touches a hollow, as a share of its half width.
        held_out: whether only the shifted test scenes have it; no expression names it.
    """

    name: str
    build: Callable[[], Parts]
    accent: Rgb | None = None
    support: Support | None = None
    foot: float = 0.9
    held_out: bool = False


_CREAM: Rgb = (0.93, 0.90, 0.80)
_METAL: Rgb = (0.66, 0.68, 0.70)

CATEGORIES: dict[str, Category] = {
    category.name: category
    for category in (
        Category("mug", tableware.mug),
        Category("cup", tableware.cup, _CREAM),
        Category(
            "bowl",
            tableware.bowl,
            support=Support(0.062, 0.062, 0.009, rim=0.065, contains=True),
        ),
        Category("plate", tableware.plate, _CREAM, Support(0.056, 0.056, 0.005, places=2)),
        Category("bottle", tableware.bottle, _METAL),
        Category("can", tableware.can, _METAL),
        Category("ball", toys.ball, _CREAM, foot=0.3),
        Category("cube", toys.cube, support=Support(0.03, 0.03, 0.072)),
        Category("cone", toys.cone, _CREAM),
        Category("pyramid", toys.pyramid),
        Category("banana", toys.banana, (0.20, 0.13, 0.07)),
        Category("pear", toys.pear, (0.22, 0.36, 0.12), foot=0.55),
        Category("star", toys.star),
        Category("heart", toys.heart),
        Category("spoon", tableware.spoon),
        Category("book", toys.book, _CREAM, Support(0.046, 0.064, 0.0345, places=2)),
        Category("duck", toys.duck, (0.95, 0.48, 0.06)),
        Category("ring", toys.ring),
        Category(
            "tray",
            tableware.tray,
            support=Support(0.086, 0.056, 0.006, contains=True, places=3),
        ),
        Category("brick", toys.brick, support=Support(0.046, 0.021, 0.048)),
        Category("car", toys.car, (0.10, 0.11, 0.13)),
        Category("mushroom", toys.mushroom, _CREAM),
        Category("hammer", toys.hammer, _METAL),
        Category("teapot", tableware.teapot, _METAL),
        Category("bell", toys.bell, _METAL, held_out=True),
        Category("hourglass", toys.hourglass, _CREAM, held_out=True),
        Category("house", toys.house, _CREAM, held_out=True),
        Category("crown", toys.crown, _CREAM, held_out=True),
    )
}

#: Categories that are trained on and spoken of.
NAMED = tuple(name for name, category in CATEGORIES.items() if not category.held_out)
#: Categories that only the shifted test scenes have.
HELD_OUT = tuple(name for name, category in CATEGORIES.items() if category.held_out)
#: (colour, category) that only the composition test scenes have: one colour of each category.
HELD_OUT_PAIRS = frozenset(
    (tuple(COLOURS)[(7 * number + 3) % len(COLOURS)], name) for number, name in enumerate(NAMED)
)


@cache
def parts(name: str) -> tuple[Mesh, Mesh | None]:
    """The coloured mesh and the accent mesh of a category at scale 1 (cached).

    Raises:
        ValueError: if the category is unknown.
    """
    if name not in CATEGORIES:
        raise ValueError(f"category must be one of {', '.join(CATEGORIES)}, got {name!r}")
    return CATEGORIES[name].build()


@cache
def footprint(name: str) -> tuple[float, float, float, float]:
    """Bounds of a category on the table at scale 1: x low, y low, x high, y high in metres."""
    flat = np.concatenate([mesh.vertices[:, :2] for mesh in parts(name) if mesh is not None])
    low, high = flat.min(axis=0), flat.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


@cache
def height(name: str) -> float:
    """Height of a category at scale 1 in metres."""
    return max(float(mesh.vertices[:, 2].max()) for mesh in parts(name) if mesh is not None)
