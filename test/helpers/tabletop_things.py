# SPDX-License-Identifier: Apache-2.0
"""Hand-made things of a table scene, for tests of what is said of them."""

from __future__ import annotations

from typing import Any

from refseg_lab.simulation.measurements import YES, Thing

HALF = 0.02  # half the side of a thing, in the picture and on the table alike


def thing(
    category: str = "mug", colour: str = "red", x: float = 0.5, y: float = 0.5, **more: Any
) -> Thing:
    """A thing seen at (x, y) whose place on the table is (x, 1 - drop), so that up is away."""
    drop = 0.75 * y
    values: dict[str, Any] = {
        "scale": 1.0,
        "shown": YES,
        "whole": True,
        "box": (x - HALF, drop - HALF, x + HALF, drop + HALF),
        "ahead": 1.0 - drop,
        "aside": x,
        "tall": 0.1,
        "length": 0.15,
        "volume": 0.08,
        "support": -1,
        "contained": False,
        **more,
    }
    values.setdefault("distance", values["ahead"])
    values.setdefault("near", values["ahead"] - HALF)
    values.setdefault("far", values["ahead"] + HALF)
    a, d = values["aside"], values["ahead"]
    corners = (
        (a - HALF, d - HALF),
        (a + HALF, d - HALF),
        (a + HALF, d + HALF),
        (a - HALF, d + HALF),
    )
    values.setdefault("corners", corners)
    return Thing(category=category, colour=colour, x=x, y=y, drop=drop, **values)
