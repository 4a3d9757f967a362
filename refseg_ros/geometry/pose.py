# SPDX-License-Identifier: Apache-2.0
"""Where a thing stands and how large it is: the upright box that what is seen of it fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_ros.geometry.lens import Lens
from refseg_ros.geometry.plane import ON_PLANE, Matrix, Plane, Vector, find_plane, ring_around
from refseg_ros.geometry.points import MIN_POINTS, deproject, known

NO_DEPTH: Final = "no depth on the target"
"""How the reason begins why a thing has no pose, if it has no position either."""
MIN_SHARE: Final = 0.25
"""Share of the pixels within a mask's rim that must have a depth to be trusted.

Of 210 rendered things under a sensor's noise, their masks up to 6 pixels too wide, all had 0.66 or
more; without depth on the thing itself none had more than 0.09."""
FARTHEST: Final = 100.0
"""Metres beyond which a depth is none of a camera's."""
STEEP: Final = 8.0
"""Step of the depth between neighbours, in sizes of a pixel, from which a pixel lies on a rim."""
SQUARE: Final = 0.9
"""Width over length from which a footprint has no longer side."""
_NOISE: Final = 0.006  # metres between neighbours that a sensor may add
_BEYOND: Final = 1e6  # metres, farther than any depth
_ISLAND: Final = 0.05  # share of the largest patch below which a patch is no part of the thing
_FOOT: Final = 0.005  # metres above its base below which a mask may show the table beside it
_BESIDE: Final = 0.02  # metres around a thing where what carries it is looked for
_TOP: Final = 0.15  # share of the height that is its top
_FLAT: Final = 0.0025
"""Metres above what carries it below which most of a thing cannot be told from that.

Of the things above the thinnest, a spoon, had 0.004; seen through, none more than 0.0003."""
_RIM: Final = 0.1  # width of the rim that a mask may have wrong, in sides of a square as large
_TRIM: Final = (0.5, 99.5)  # percentiles between which extents are taken
_DEEPER: Final = 0.004  # metres behind what is seen from which a point is hidden


@dataclass(frozen=True)
class Pose:
    """The upright box of one thing, in the camera's optical frame.

    The box stands on what carries the thing and has the smallest footprint around all that is
    seen of it, and around that turned half about the axis of its top where this would be hidden
    behind the thing itself: cans, boxes and bowls look the same from behind.

    Attributes:
        centre: (3,) float64 middle of the box in metres.
        rotation: (3, 3) float64, its columns are the box's axes: x along the longer side of the
            footprint, pointing to the viewer's right; z along the plane's normal, up. Where the
            sides differ by less than a tenth (:data:`SQUARE`), x is the side that points more to
            the right.
        size: (3,) float64 length, width and height in metres.
        height: Metres from the plane up to the top; more than ``size[2]`` if something carries it.
        points: Number of pixels used.
        spread: (3,) float64 standard deviation of their points along the axes, in metres.
    """

    centre: Vector
    rotation: Matrix
    size: Vector
    height: float
    points: int
    spread: Vector

    @property
    def quaternion(self) -> tuple[float, float, float, float]:
        """The rotation as x, y, z, w of unit length, w not negative."""
        vector = np.zeros(4)
        turn = cv2.Rodrigues(self.rotation)[0].ravel()
        angle = float(np.linalg.norm(turn))
        vector[3] = np.cos(angle / 2)
        if angle > 0:
            vector[:3] = turn / angle * np.sin(angle / 2)
        x, y, z, w = (float(part) for part in vector)
        return x, y, z, w


def pose_of(
    mask: NDArray[np.bool_],
    depth: NDArray[np.float32],
    intrinsics: Matrix,
    plane: Plane | None = None,
    lens: Lens | None = None,
) -> tuple[Pose | None, str]:
    """Position, orientation and size of a masked thing.

    Args:
        mask: (H, W) bool.
        depth: (H, W) float32 metres along the optical axis, registered to the picture; 0,
            negative, NaN and infinity are unknown.
        intrinsics: (3, 3) float64 camera matrix in pixels.
        plane: What the scene stands on; found around the mask without it.
        lens: Distortion of an image that is not rectified.

    Returns:
        The pose and "", or None and why there is none; that begins with :data:`NO_DEPTH` where
        the depth in the mask is not that of the thing.

    Raises:
        ValueError: Mask and depth differ in size.
    """
    ring = deproject(ring_around(mask), depth, intrinsics, lens)
    trusted = without_rim(mask, depth, intrinsics)
    points = deproject(trusted, depth, intrinsics, lens)
    if len(points) < MIN_POINTS:
        return None, (
            f"only {len(points)} of the mask's {int(mask.sum())} pixels have a reliable "
            f"depth; {MIN_POINTS} are needed"
        )
    inner = _within_rim(mask)
    share = float(trusted[inner].mean())
    if share < MIN_SHARE:
        return None, (
            f"{NO_DEPTH}: {share:.0%} of the pixels within its rim have a reliable one, "
            f"{MIN_SHARE:.0%} are needed"
        )
    if (far := float(np.median(points[:, 2]))) > FARTHEST:
        return None, f"{NO_DEPTH}: it would be {far:.4g} m away; send metres in 32FC1"
    plane = plane or find_plane(ring)
    if plane is None:
        return None, "the depth around the mask shows no plane that it could stand on"
    axes = _axes(plane)
    placed = points @ axes + (0.0, 0.0, plane.offset)
    base = _base(placed, ring @ axes + (0.0, 0.0, plane.offset))
    own = deproject(trusted & inner, depth, intrinsics, lens)
    above = float(np.median(plane.heights(own))) - base if len(own) >= MIN_POINTS else 0.0
    if above < -ON_PLANE:
        return None, f"{NO_DEPTH}: it would lie {-above:.3g} m behind what it stands on"
    if above < _FLAT:
        return None, (
            "its depth is the same as that of what it lies on: it is as flat as paper, or as "
            "clear as glass"
        )
    top = max(base, float(np.percentile(placed[:, 2], _TRIM[1])))
    body = placed[placed[:, 2] > base + min(_FOOT, 0.2 * (top - base))]
    if len(body) < MIN_POINTS:
        body = placed
    cap = top - _TOP * (top - base)
    behind = _hidden(body, cap, axes, plane, depth, trusted, intrinsics, lens)
    middle, turn, sides = _footprint(np.concatenate([body[:, :2], behind[:, :2]]))
    rotation = axes @ turn
    centre = axes @ (*middle, (base + top) / 2 - plane.offset)
    spread = (points @ rotation).std(0)
    size = np.array([*sides, top - base])
    return Pose(centre, rotation, size, top, len(points), spread), ""


def without_rim(
    mask: NDArray[np.bool_], depth: NDArray[np.float32], intrinsics: Matrix
) -> NDArray[np.bool_]:
    """The pixels of a mask that show the thing itself.

    Sensors mix the depths of two surfaces at a rim, and a mask may reach a little over it. Pixels
    at steps of the depth are left out, and small patches that steps part from the rest.

    Args:
        mask: (H, W) bool.
        depth: (H, W) float32 metres; 0, negative, NaN and infinity are unknown.
        intrinsics: (3, 3) float64 camera matrix in pixels.

    Returns:
        (H, W) bool, a part of the mask.

    Raises:
        ValueError: Mask and depth differ in size.
    """
    if mask.shape != depth.shape:
        raise ValueError(f"depth: expected the mask's size {mask.shape}, got {depth.shape}")
    kept = np.zeros_like(mask)
    window = _window(mask)
    depth = depth[window]
    inside = mask[window] & known(depth)
    if not inside.any():
        return kept
    around = np.ones((3, 3), np.uint8)
    farthest = cv2.dilate(np.where(inside, depth, 0.0).astype(np.float32), around)
    nearest = cv2.erode(np.where(inside, depth, _BEYOND).astype(np.float32), around)
    smooth = inside & (farthest - nearest <= _NOISE + farthest * STEEP / intrinsics[0, 0])
    _, labels, measures, _ = cv2.connectedComponentsWithStats(smooth.astype(np.uint8))
    areas = measures[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept[window] = smooth & (areas >= _ISLAND * areas.max())[labels]
    return kept


def _within_rim(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask that are not near its outline; all of one without such pixels."""
    kept = np.zeros_like(mask)
    window = _window(mask)
    side = 2 * max(1, round(_RIM * float(np.sqrt(mask.sum())))) + 1
    # With a border: the mask ends at that of its window.
    framed = cv2.copyMakeBorder(mask[window].astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    kept[window] = cv2.erode(framed, np.ones((side, side), np.uint8))[1:-1, 1:-1] > 0
    return kept if kept.any() else mask


def _window(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of a mask: a small part of most pictures. Nothing of an empty one."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return slice(0), slice(0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _axes(plane: Plane) -> Matrix:
    """Columns: on the plane to the viewer's right, away from the camera, and up."""
    right = np.array([1.0, 0.0, 0.0])
    if abs(plane.normal[0]) > 0.9:
        right = np.array([0.0, 1.0, 0.0])
    right = right - (right @ plane.normal) * plane.normal
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(plane.normal, right), plane.normal], 1)


def _base(placed: Matrix, ring: Matrix) -> float:
    """Height of what carries the thing: the level seen beside it, no higher than its lowest part.

    Args:
        placed: (P, 3) its points: right, away, height.
        ring: (Q, 3) those around it.
    """
    lowest = float(np.percentile(placed[:, 2], 2))
    low, high = np.percentile(placed[:, :2], _TRIM, axis=0)
    beside = ((ring[:, :2] > low - _BESIDE) & (ring[:, :2] < high + _BESIDE)).all(1)
    levels = ring[beside & (ring[:, 2] < lowest + _FOOT), 2]
    if len(levels) < MIN_POINTS:
        return 0.0
    level = float(np.median(levels))
    return level if level > ON_PLANE else 0.0


def _hidden(
    body: Matrix,
    above: float,
    axes: Matrix,
    plane: Plane,
    depth: NDArray[np.float32],
    trusted: NDArray[np.bool_],
    intrinsics: Matrix,
    lens: Lens | None,
) -> Matrix:
    """(Q, 3): points turned half about the axis of the top, where they would not be seen."""
    low, high = np.percentile(body[body[:, 2] >= above, :2], _TRIM, axis=0)
    turned = body.copy()
    turned[:, :2] = (low + high) - body[:, :2]
    seen = (turned - (0.0, 0.0, plane.offset)) @ axes.T
    front = seen[:, 2] > 0
    turned, seen = turned[front], seen[front]
    flat = (seen / seen[:, 2:]) @ intrinsics[:2].T
    places = np.rint(flat if lens is None else lens.bent(seen, intrinsics))
    inside = ((places >= 0) & (places < depth.shape[::-1])).all(1)
    turned, seen, pixels = turned[inside], seen[inside], places[inside].astype(np.int64)
    columns, rows = pixels.T
    hidden = trusted[rows, columns] & (seen[:, 2] > depth[rows, columns] + _DEEPER)
    return turned[hidden]


def _footprint(flat: Matrix) -> tuple[Vector, Matrix, Vector]:
    """Middle (2,), turn about the vertical (3, 3) and sides (2,) of the smallest rectangle."""
    origin = flat.mean(0)
    _, _, degrees = cv2.minAreaRect((flat - origin).astype(np.float32))
    angle = np.deg2rad(degrees)
    along = np.array([np.cos(angle), np.sin(angle)])
    sides = np.stack([along, (-along[1], along[0])])
    low, high = np.percentile((flat - origin) @ sides.T, _TRIM, axis=0)
    lengths = high - low
    middle = origin + sides.T @ ((low + high) / 2)
    first = int(lengths.argmax())
    if lengths.min() > SQUARE * lengths.max():
        first = int(np.abs(sides[:, 0]).argmax())
    x = sides[first]
    # To the right; straight away if neither way is to the right.
    if x[0] < -1e-9 or (abs(x[0]) <= 1e-9 and x[1] < 0):
        x = -x
    turn = np.array([[x[0], -x[1], 0.0], [x[1], x[0], 0.0], [0.0, 0.0, 1.0]])
    return middle, turn, lengths[[first, 1 - first]]
