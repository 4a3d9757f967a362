# SPDX-License-Identifier: Apache-2.0
"""Shapes of toys, fruit, tools and other small things, made in code (no assets)."""

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
    loft,
    outline,
    place,
    rectangle,
    tube,
)


def ball() -> Parts:
    """A ball with a pale band around it."""
    radius = 0.045
    sphere = place(ellipsoid((radius, radius, radius), 16, 32), (0, 0, radius))
    band = lathe(
        [
            (0.043, -0.006),
            (0.0451, -0.006),
            (0.0457, 0),
            (0.0451, 0.006),
            (0.043, 0.006),
            (0.043, -0.006),
        ],
        40,
    )
    return sphere, place(band, (0, 0, radius), axis="x", degrees=55)


def cube() -> Parts:
    """A plain cube with bevelled edges."""
    return block((0.072, 0.072, 0.072), bevel=0.005), None


def cone() -> Parts:
    """A traffic cone: square foot, pale band."""
    main = combine(
        block((0.092, 0.092, 0.01), bevel=0.003),
        lathe([(0, 0.008), (0.036, 0.008), (0.008, 0.112), (0, 0.112)]),
    )
    band = lathe(
        [(0.024, 0.046), (0.0268, 0.046), (0.0196, 0.072), (0.017, 0.072), (0.024, 0.046)]
    )
    return main, band


def pyramid() -> Parts:
    """A stepped pyramid on a square ground."""
    steps = [
        block((0.106 - 0.026 * k, 0.106 - 0.026 * k, 0.02), (0, 0, 0.02 * k)) for k in range(4)
    ]
    return combine(*steps), None


def _bow(radius: float, start: float, stop: float, count: int, z: float) -> NDArray[np.float64]:
    """(count, 3) arc lying flat at height z, about its own middle."""
    angles = np.radians(np.linspace(start, stop, count))
    points = np.stack([radius * np.cos(angles), radius * np.sin(angles), np.full(count, z)], -1)
    points[:, :2] -= (points[:, :2].max(0) + points[:, :2].min(0)) / 2
    return points


def banana() -> Parts:
    """A curved fruit with dark tips, lying flat."""
    count = 21
    path = _bow(0.068, 15, 165, count, 0.02)
    along = np.linspace(-1, 1, count)
    radii = 0.006 + 0.0135 * np.clip(1 - np.abs(along) ** 3, 0, 1) ** 0.8
    stem = path[-1] + (path[-1] - path[-2]) * np.array([[-0.3], [0.6], [1.3]])
    tip = path[0] + (path[0] - path[1]) * np.array([[-0.3], [0.3], [0.5]])
    dark = combine(tube(stem, (0.0068, 0.006, 0.005), 8), tube(tip, (0.0066, 0.006, 0.003), 8))
    return tube(path, radii, 10), dark


def pear() -> Parts:
    """A pear with a stem and a leaf."""
    main = lathe(
        [
            (0, 0),
            (0.018, 0.001),
            (0.034, 0.012),
            (0.04, 0.03),
            (0.036, 0.048),
            (0.025, 0.066),
            (0.0185, 0.08),
            (0.0165, 0.09),
            (0.01, 0.099),
            (0, 0.101),
        ]
    )
    stalk = np.array([(0, 0, 0.095), (0.001, 0, 0.108), (0.006, 0, 0.12)])
    leaf = place(ellipsoid((0.018, 0.009, 0.002), 6, 12), (0.018, 0, 0.113), axis="y", degrees=-20)
    return main, combine(tube(stalk, (0.0035, 0.003, 0.003), 8), leaf)


def star() -> Parts:
    """A five-pointed star lying flat, raised towards the middle."""
    angles = [math.radians(90 + 36 * k) for k in range(10)]
    points = [
        (
            (0.068 if k % 2 == 0 else 0.03) * math.cos(a),
            (0.068 if k % 2 == 0 else 0.03) * math.sin(a),
        )
        for k, a in enumerate(angles)
    ]
    return loft([outline(points, 0.0), outline(points, 0.014)], lift=0.016), None


def heart() -> Parts:
    """A heart lying flat."""
    points = []
    for t in np.linspace(0, 2 * math.pi, 40, endpoint=False):
        x = 16 * math.sin(t) ** 3
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((-x * 0.0036, y * 0.0036))
    inner = [(x * 0.86, y * 0.86) for x, y in points]
    return loft([outline(points, 0.0), outline(points, 0.02), outline(inner, 0.028)]), None


def book() -> Parts:
    """A closed book: coloured covers and spine, pale pages."""
    x, y, z = 0.105, 0.145, 0.034
    covers = combine(
        block((x, y, 0.005)),
        block((x, y, 0.005), (0, 0, z - 0.005)),
        block((0.006, y, z), (-x / 2 + 0.001, 0, 0)),
    )
    label = block((0.056, 0.03, 0.001), (0.006, 0.03, z - 0.0002))
    pages = block((x - 0.008, y - 0.01, z - 0.008), (-0.001, 0, 0.004))
    return covers, combine(pages, label)


def duck() -> Parts:
    """A toy duck with an orange bill."""
    body = place(ellipsoid((0.05, 0.037, 0.031), 12, 24), (0, 0, 0.031))
    breast = place(ellipsoid((0.028, 0.03, 0.03), 10, 20), (0.022, 0, 0.036))
    head = place(ellipsoid((0.027, 0.0255, 0.0265), 12, 24), (0.03, 0, 0.081))
    tail_path = np.array([(-0.03, 0, 0.036), (-0.052, 0, 0.05), (-0.066, 0, 0.068)])
    tail = place(tube(tail_path, (0.022, 0.013, 0.003), 12), scale=(1, 1.2, 1))
    wings = [
        place(ellipsoid((0.028, 0.008, 0.017), 8, 16), (-0.008, side * 0.034, 0.04))
        for side in (-1, 1)
    ]
    bill = place(ellipsoid((0.02, 0.015, 0.0065), 8, 16), (0.06, 0, 0.077))
    return combine(body, breast, head, tail, *wings), bill


def ring() -> Parts:
    """A thick ring lying flat."""
    count = 36
    angles = np.arange(count) * (2 * math.pi / count)
    path = np.stack([0.046 * np.cos(angles), 0.046 * np.sin(angles), np.full(count, 0.0145)], -1)
    return tube(path, np.full(count, 0.0145), 14, closed=True), None


def brick() -> Parts:
    """A toy building brick with two rows of four studs."""
    studs = [
        place(cylinder(0.0092, 0.0, 0.013, 16), (0.0265 * (k - 1.5), 0.0265 * (row - 0.5), 0.038))
        for k in range(4)
        for row in range(2)
    ]
    return combine(block((0.106, 0.053, 0.039), bevel=0.002), *studs), None


def car() -> Parts:
    """A toy car with dark wheels and windows."""
    body = place(
        loft(
            [
                rectangle(0.118, 0.054, 0, 0.008),
                rectangle(0.12, 0.056, 0.014, 0.01),
                rectangle(0.112, 0.05, 0.026, 0.01),
            ]
        ),
        (0, 0, 0.011),
    )
    shift = np.array([-0.008, 0.0, 0.0])
    glass = loft([rectangle(0.068, 0.046, 0.036) + shift, rectangle(0.05, 0.04, 0.053) + shift])
    roof = loft([rectangle(0.052, 0.042, 0.0525) + shift, rectangle(0.047, 0.037, 0.057) + shift])
    wheels = [
        place(
            cylinder(0.015, -0.006, 0.006, 18),
            (sx * 0.036, sy * 0.026, 0.015),
            axis="x",
            degrees=90,
        )
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    return combine(body, roof), combine(glass, *wheels)


def mushroom() -> Parts:
    """A toadstool: a wide flat cap with pale dots on a tall pale stem."""
    cap = lathe(
        [
            (0, 0.078),
            (0.03, 0.078),
            (0.056, 0.074),
            (0.062, 0.079),
            (0.058, 0.088),
            (0.042, 0.097),
            (0.022, 0.102),
            (0, 0.104),
        ]
    )
    stem = lathe([(0, 0), (0.027, 0), (0.02, 0.02), (0.017, 0.08), (0, 0.08)], 20)
    dots = [place(ellipsoid((0.01, 0.01, 0.004), 6, 12), (0, 0, 0.103))]
    for k in range(5):
        angle = math.radians(72 * k + 15)
        spot = ellipsoid((0.009, 0.009, 0.005), 6, 12)
        dots.append(place(spot, (0.04 * math.cos(angle), 0.04 * math.sin(angle), 0.0965)))
    return cap, combine(stem, *dots)


def hammer() -> Parts:
    """A hammer lying flat: coloured handle, metal head."""
    count = 8
    x = np.linspace(-0.1, 0.06, count)
    path = np.stack([x, np.zeros(count), np.full(count, 0.0135)], -1)
    radii = (0.0115, 0.013, 0.0125, 0.011, 0.0095, 0.009, 0.009, 0.009)
    head = combine(
        block((0.028, 0.05, 0.027), (0.066, 0.004, 0), bevel=0.003),
        place(cylinder(0.0155, -0.012, 0.012, 18), (0.066, -0.032, 0.0155), axis="x", degrees=90),
        loft(
            [
                outline([(0.053, 0.028), (0.079, 0.028), (0.069, 0.062), (0.063, 0.062)], 0.004),
                outline([(0.053, 0.028), (0.079, 0.028), (0.069, 0.062), (0.063, 0.062)], 0.022),
            ]
        ),
    )
    return tube(path, radii, 12), head


def bell() -> Parts:
    """A hand bell: a flared skirt, a dark band on its shoulder and an upright handle."""
    skirt = lathe(
        [
            (0, 0.01),
            (0.046, 0.01),
            (0.049, 0),
            (0.05, 0.004),
            (0.041, 0.018),
            (0.034, 0.036),
            (0.031, 0.054),
            (0.024, 0.066),
            (0.01, 0.071),
            (0, 0.071),
        ]
    )
    handle = lathe(
        [
            (0, 0.069),
            (0.007, 0.069),
            (0.0065, 0.082),
            (0.0115, 0.098),
            (0.012, 0.108),
            (0.008, 0.117),
            (0, 0.119),
        ],
        20,
    )
    return skirt, handle


def hourglass() -> Parts:
    """An hourglass: two round boards on three posts with a waisted glass between them."""
    boards = [cylinder(0.042, 0, 0.011, 32), cylinder(0.042, 0.105, 0.116, 32)]
    posts = [
        place(
            cylinder(0.0048, 0.01, 0.106, 12),
            (0.035 * math.cos(angle), 0.035 * math.sin(angle), 0),
        )
        for angle in (0.3, 0.3 + 2 * math.pi / 3, 0.3 + 4 * math.pi / 3)
    ]
    glass = lathe(
        [
            (0, 0.01),
            (0.025, 0.012),
            (0.027, 0.026),
            (0.019, 0.044),
            (0.0055, 0.058),
            (0.019, 0.072),
            (0.027, 0.09),
            (0.025, 0.104),
            (0, 0.106),
        ],
        24,
    )
    return combine(*boards, *posts), glass


def house() -> Parts:
    """A toy house with a gable roof over the eaves; door, windows and chimney take the accent."""
    x, y, eaves, ridge = 0.082, 0.066, 0.05, 0.088
    walls = loft([rectangle(x, y, 0), rectangle(x, y, eaves)])
    roof = loft(
        [rectangle(x + 0.016, y + 0.02, eaves - 0.004), rectangle(x + 0.016, 0.002, ridge)]
    )
    chimney = block((0.014, 0.014, 0.04), (0.022, 0.016, 0.055))
    door = [block((0.018, 0.002, 0.03), (0, side * y / 2, 0)) for side in (-1, 1)]
    panes = [
        block((0.015, 0.002, 0.014), (place_x, side * y / 2, 0.02))
        for place_x in (-0.026, 0.026)
        for side in (-1, 1)
    ]
    ends = [block((0.002, 0.018, 0.016), (side * x / 2, 0, 0.02)) for side in (-1, 1)]
    return combine(walls, roof), combine(chimney, *door, *panes, *ends)


def crown() -> Parts:
    """A crown: a hoop with eight points, a bead on each of them."""
    hoop = lathe(
        [
            (0.042, 0),
            (0.048, 0),
            (0.05, 0.004),
            (0.048, 0.03),
            (0.0455, 0.03),
            (0.042, 0),
        ],
        40,
    )
    points, beads = [], []
    for k in range(8):
        angle = 45.0 * k
        spike = loft([rectangle(0.003, 0.036, 0.027), rectangle(0.003, 0.004, 0.066)])
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        points.append(place(spike, (0.0465 * cos, 0.0465 * sin, 0), degrees=angle))
        bead = ellipsoid((0.006, 0.006, 0.006), 8, 12)
        beads.append(place(bead, (0.0465 * cos, 0.0465 * sin, 0.069)))
    return combine(hoop, *points), combine(*beads)
