# SPDX-License-Identifier: Apache-2.0
"""Shapes of tableware and containers, made in code (no assets)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.primitives import (
    Parts,
    block,
    combine,
    cylinder,
    ellipsoid,
    lathe,
    place,
    tube,
)


def _arc(
    radius: float, start: float, stop: float, count: int, squeeze: float = 1.0
) -> NDArray[np.float64]:
    """(count, 3) arc in the xz plane about the origin, angles in degrees from x."""
    angles = np.radians(np.linspace(start, stop, count))
    return np.stack(
        [radius * np.cos(angles), np.zeros(count), squeeze * radius * np.sin(angles)], -1
    )


def mug() -> Parts:
    """A straight mug with a large handle."""
    body = lathe(
        [
            (0, 0),
            (0.036, 0),
            (0.04, 0.004),
            (0.04, 0.088),
            (0.0355, 0.088),
            (0.0355, 0.01),
            (0, 0.01),
        ]
    )
    handle = place(
        tube(_arc(0.028, -100, 100, 15), np.full(15, 0.0068), sides=10), (0.0405, 0, 0.046)
    )
    return combine(body, handle), None


def cup() -> Parts:
    """A paper cup: tapered, rolled rim, a pale sleeve, no handle."""
    main = lathe(
        [
            (0, 0),
            (0.026, 0),
            (0.041, 0.092),
            (0.0445, 0.092),
            (0.0445, 0.098),
            (0.0385, 0.098),
            (0.024, 0.008),
            (0, 0.008),
        ]
    )
    sleeve = lathe(
        [(0.029, 0.028), (0.0318, 0.028), (0.0372, 0.06), (0.0345, 0.06), (0.029, 0.028)]
    )
    return main, sleeve


def bowl() -> Parts:
    """A deep open hemisphere on a foot."""
    angles = np.radians(np.linspace(-72, 0, 10))
    outer = [(0.068 * math.cos(a), 0.065 + 0.064 * math.sin(a)) for a in angles]
    inner = [(0.062 * math.cos(a), 0.065 + 0.057 * math.sin(a)) for a in angles[::-1]]
    return lathe([(0, 0), (0.023, 0), *outer, *inner, (0, inner[-1][1])]), None


def plate() -> Parts:
    """A flat plate with a sunken middle and a broad rim."""
    main = lathe(
        [
            (0, 0),
            (0.05, 0),
            (0.064, 0.008),
            (0.09, 0.015),
            (0.09, 0.0185),
            (0.064, 0.0125),
            (0.0575, 0.005),
            (0, 0.005),
        ],
        40,
    )
    ring = lathe(
        [(0.0845, 0.0165), (0.0865, 0.0165), (0.0865, 0.0189), (0.0835, 0.0182), (0.0845, 0.0165)],
        40,
    )
    return main, ring


def bottle() -> Parts:
    """A tall bottle with a neck and a cap."""
    main = lathe(
        [
            (0, 0),
            (0.028, 0),
            (0.031, 0.004),
            (0.031, 0.085),
            (0.028, 0.1),
            (0.019, 0.115),
            (0.012, 0.125),
            (0.011, 0.15),
            (0, 0.15),
        ]
    )
    return main, combine(cylinder(0.0145, 0.146, 0.166))


def can() -> Parts:
    """A drinks can: coloured wall, metal lid and base."""
    main = lathe([(0, 0.008), (0.034, 0.008), (0.034, 0.098), (0, 0.098)])
    lid = lathe(
        [
            (0, 0.09),
            (0.0335, 0.097),
            (0.0295, 0.108),
            (0.0275, 0.108),
            (0.0265, 0.103),
            (0, 0.103),
        ]
    )
    base = lathe([(0, 0), (0.027, 0), (0.0335, 0.009), (0, 0.009)])
    tab = block((0.02, 0.01, 0.003), (0.006, 0, 0.103))
    return main, combine(lid, base, tab)


def spoon() -> Parts:
    """A spoon lying flat with a hollow bowl."""
    angles = np.radians(np.linspace(-80, 0, 7))
    outer = [(0.03 * math.cos(a), 0.014 + 0.014 * math.sin(a)) for a in angles]
    inner = [(0.026 * math.cos(a), 0.014 + 0.0105 * math.sin(a)) for a in angles[::-1]]
    hollow = lathe([(0, 0), *outer, *inner, (0, inner[-1][1])], 24)
    hollow = place(hollow, (0.062, 0, 0), scale=(1.3, 0.92, 1))
    count = 9
    x = np.linspace(0.028, -0.1, count)
    z = 0.0115 + 0.006 * np.sin(np.linspace(0, math.pi, count))
    handle = tube(
        np.stack([x, np.zeros(count), z], -1), np.linspace(0.0058, 0.0078, count), sides=8
    )
    return combine(hollow, handle), None


def tray() -> Parts:
    """A rectangular tray: raised walls, two grips."""
    x, y, h, w = 0.19, 0.13, 0.026, 0.007
    walls = [
        block((x, w, h), (0, -y / 2, 0)),
        block((x, w, h), (0, y / 2, 0)),
        block((w, y + w, h), (-x / 2, 0, 0)),
        block((w, y + w, h), (x / 2, 0, 0)),
    ]
    grips = [
        tube(
            np.array(
                [
                    (s * x / 2, -0.03, 0.024),
                    (s * (x / 2 + 0.016), -0.024, 0.028),
                    (s * (x / 2 + 0.016), 0.024, 0.028),
                    (s * x / 2, 0.03, 0.024),
                ]
            ),
            np.full(4, 0.0048),
            8,
        )
        for s in (-1, 1)
    ]
    return combine(block((x, y, 0.006)), *walls, *grips), None


def teapot() -> Parts:
    """A round teapot with a spout, a handle and a lid."""
    body = lathe(
        [
            (0, 0),
            (0.03, 0),
            (0.048, 0.014),
            (0.054, 0.034),
            (0.049, 0.054),
            (0.034, 0.068),
            (0.024, 0.073),
            (0.01, 0.077),
            (0, 0.078),
        ]
    )
    spout_path = np.array(
        [(0.04, 0, 0.026), (0.06, 0, 0.034), (0.074, 0, 0.052), (0.088, 0, 0.068)]
    )
    spout = tube(spout_path, (0.015, 0.0125, 0.009, 0.008), 12)
    handle = place(tube(_arc(0.028, 80, 280, 15), np.full(15, 0.006), 10), (-0.048, 0, 0.038))
    knob = place(ellipsoid((0.011, 0.011, 0.01), 8, 16), (0, 0, 0.084))
    return combine(body, spout, handle), knob
