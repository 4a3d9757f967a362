# SPDX-License-Identifier: Apache-2.0
"""Second colours on things: stripes, checks, dots, rims, labels, wear.

A coat is a field over the thing's own coordinates; where it is high, the second colour shows.
Pictures in the first and in the second colours are blended, so that light, shadows and highlights
on both are those of the renderer.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.rasteriser import DEPTH_STEPS, Visibility
from refseg_lab.simulation.scene import ObjectSpec, SceneSpec
from refseg_lab.simulation.shaping import extent
from refseg_lab.simulation.variety import CoatSpec

#: Most of a thing's visible area that a second colour may take.
MOST = 0.3

_FLAT = 0.45  # height against width below which a thing is painted from above
_TURN = 2.0 * np.pi
_WAVES = 8

Floats = NDArray[np.float32]
Field = Callable[[CoatSpec, "_Place"], Floats]


def coated(
    spec: SceneSpec,
    visibility: Visibility,
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Blends two pictures of a scene by the coats of its things.

    Args:
        spec: the scene.
        visibility: what its camera sees.
        first: (H, W, 3) uint8 with things in their own colours.
        second: (H, W, 3) uint8 with coated things in their second colours.
    """
    share = coat_shares(spec, visibility)
    rows, columns = np.nonzero(share > 0)
    if not len(rows):
        return first
    blend, picture = share[rows, columns, None], first.copy()
    one, two = (image[rows, columns].astype(np.float32) for image in (first, second))
    picture[rows, columns] = np.rint(one + (two - one) * blend).astype(np.uint8)
    return picture


def coat_shares(spec: SceneSpec, visibility: Visibility) -> Floats:
    """(H, W) share of each pixel that shows a second colour, with a rim of one pixel around."""
    shown = visibility.instances
    share = np.zeros(shown.shape, np.float32)
    for index, item in enumerate(spec.objects):
        own = (shown == index + 1).astype(np.uint8)
        x, y, w, h = cv2.boundingRect(own)
        if item.coat is None or w * h < 9:
            continue
        # Two pixels of rim, as far as the picture goes.
        part = np.s_[max(0, y - 2) : y + h + 2, max(0, x - 2) : x + w + 2]
        mask = own[part]
        rows, columns = np.nonzero(mask)
        points = thing_points(
            spec, visibility, item, rows + part[0].start, columns + part[1].start
        )
        painted = np.zeros(mask.shape, np.float32)
        painted[rows, columns] = _painted(item, points)
        weight = mask.astype(np.float32)
        soft = cv2.blur(painted, (3, 3)) / np.maximum(cv2.blur(weight, (3, 3)), 1e-6)
        rim = cv2.dilate(mask, np.ones((3, 3), np.uint8)).astype(bool) & (shown[part] != index + 1)
        free = rim & (share[part] == 0)
        share[part][free] = soft[free]
        share[part][rows, columns] = soft[rows, columns]
    return share


def thing_points(
    spec: SceneSpec,
    visibility: Visibility,
    item: ObjectSpec,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> Floats:
    """(N, 3) points in the thing's own frame, in metres, that pixels on it show."""
    height, width = visibility.instances.shape
    intrinsics = spec.camera.intrinsics(width, height)
    depth = DEPTH_STEPS / visibility.steps[rows, columns]
    x = (columns - intrinsics[0, 2]) / intrinsics[0, 0] * depth
    y = (rows - intrinsics[1, 2]) / intrinsics[1, 1] * depth
    to_thing = np.linalg.inv(item.pose()) @ spec.camera.pose()
    points = np.stack([x, y, depth], -1) @ to_thing[:3, :3].T + to_thing[:3, 3]
    return points.astype(np.float32)


class _Place:
    """Coordinates on a thing.

    Attributes:
        points: (N, 3) in the thing's frame in metres.
        side: (N,) metres towards the direction of the coat.
        size: lengths along x, y and z.
        flat: whether it lies flat.
        across: (N,) metres along the surface: around an upright thing, or across a flat one.
        along: (N,) metres up an upright thing, or along a flat one.
    """

    def __init__(self, item: ObjectSpec, coat: CoatSpec, points: Floats) -> None:
        self.size = extent(item)
        self.points = points
        self.flat = self.size[2] < _FLAT * max(self.size[:2])
        x, y = points[:, 0], points[:, 1]
        cos, sin = np.float32(np.cos(coat.turn)), np.float32(np.sin(coat.turn))
        self.side = cos * x + sin * y
        if self.flat:
            self.across, self.along = self.side, cos * y - sin * x
        else:
            radius = np.float32(max(0.01, (self.size[0] + self.size[1]) / 4.0))
            angle = np.arctan2(y, x) - np.float32(coat.turn)
            self.across = radius * ((angle + np.pi) % np.float32(_TURN) - np.float32(np.pi))
            self.along = points[:, 2]


def _painted(item: ObjectSpec, points: Floats) -> NDArray[np.bool_]:
    """Which points have the second colour: at most `MOST` of those that are seen."""
    coat = item.coat
    assert coat is not None
    field = _FIELDS[coat.pattern](coat, _Place(item, coat, points))
    free = int((1.0 - MOST) * (len(field) - 1))
    return np.asarray(field > max(0.0, float(np.partition(field, free)[free])))


def _wave(metres: Floats, period: float, share: float) -> Floats:
    """Positive on a share of each period."""
    return np.asarray(np.cos(metres * (_TURN / period)) - np.cos(np.pi * share), np.float32)


def _stripes(coat: CoatSpec, at: _Place) -> Floats:
    return _wave(at.across, coat.period, coat.share)


def _bands(coat: CoatSpec, at: _Place) -> Floats:
    radius = np.hypot(at.points[:, 0], at.points[:, 1]).astype(np.float32)
    return _wave(radius if at.flat else at.along, coat.period, coat.share)


def _checks(coat: CoatSpec, at: _Place) -> Floats:
    u, v = (np.sin(axis * (np.pi / coat.period)) for axis in (at.across, at.along))
    return np.asarray(u * v - np.float32(0.3 - coat.share / 2.0), np.float32)


def _dots(coat: CoatSpec, at: _Place) -> Floats:
    u, v = (np.cos(axis * (_TURN / coat.period)) for axis in (at.across, at.along))
    return np.asarray((u + v) / 2.0 - np.float32(0.75 - 1.4 * coat.share), np.float32)


def _zigzag(coat: CoatSpec, at: _Place) -> Floats:
    teeth = np.abs(at.across / np.float32(coat.period) % 1.0 - 0.5)
    return _wave(at.along + np.float32(coat.period) * teeth, coat.period, coat.share)


def _rim(coat: CoatSpec, at: _Place) -> Floats:
    if at.flat:
        a, b = (2.0 * at.points[:, k] / at.size[k] for k in range(2))
        return np.asarray(np.hypot(a, b) - (1.0 - 0.4 * coat.share), np.float32)
    return np.asarray(at.along / at.size[2] - (1.0 - coat.share), np.float32)


def _dipped(coat: CoatSpec, at: _Place) -> Floats:
    if at.flat:
        return _half(coat, at)
    return np.asarray(coat.share - at.along / at.size[2], np.float32)


def _half(coat: CoatSpec, at: _Place) -> Floats:
    reach = max(at.size[:2]) / 2.0
    return np.asarray(at.side / reach - (0.9 - 2.0 * coat.share), np.float32)


def _label(coat: CoatSpec, at: _Place) -> Floats:
    """A patch on one side, or on the top of a flat thing."""
    width = max(at.size[:2]) * (0.2 + coat.share)
    if at.flat:
        height, middle = width * 0.6, 0.0
    else:
        height, middle = at.size[2] * (0.14 + 0.4 * coat.share), at.size[2] * 0.45
    far = np.maximum(np.abs(at.across) / width, np.abs(at.along - middle) / height)
    return np.asarray(1.0 - far, np.float32)


def _wear(coat: CoatSpec, at: _Place) -> Floats:
    """Irregular patches: a sum of waves in random directions."""
    rng = np.random.Generator(np.random.PCG64(coat.seed))
    waves = rng.standard_normal((3, _WAVES)) * (3.0 / coat.period)
    phases = rng.uniform(0.0, _TURN, _WAVES)
    field = np.cos(at.points @ waves.astype(np.float32) + phases.astype(np.float32)).sum(1)
    return np.asarray(field / 2.0 - (1.6 - 4.0 * coat.share), np.float32)


_FIELDS: dict[str, Field] = {
    "stripes": _stripes,
    "bands": _bands,
    "checks": _checks,
    "dots": _dots,
    "zigzag": _zigzag,
    "rim": _rim,
    "dipped": _dipped,
    "half": _half,
    "label": _label,
    "wear": _wear,
}
