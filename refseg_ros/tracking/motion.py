# SPDX-License-Identifier: Apache-2.0
"""How a mask moves between two pictures: corners followed there and back, one similarity."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Points = NDArray[np.float32]
Mask = NDArray[np.bool_]

_WINDOW: Final = (21, 21)
_LEVELS: Final = 4
_APART: Final = 4.0  # least pixels between corners
_QUALITY: Final = 0.01
_OWN: Final = 4  # corners of the thing that must agree for its own motion to be believed
_ALL: Final = 10  # corners around that must agree for the camera's motion to be believed
_AGREE: Final = 2.0  # pixels
_EDGE: Final = 4  # pixels around a thing that belong to its pattern
_REACH: Final = 64  # pixels that a thing is looked for in each direction
_SAME: Final = 0.8  # correlation from which a pattern is found


def grey(image: NDArray[np.uint8]) -> Grey:
    """(H, W) uint8 of an (H, W, 3) RGB image."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def corner_points(image: Grey, where: Mask, most: int) -> Points:
    """(N, 2) float32 x, y of up to so many corners where a mask is true."""
    found = cv2.goodFeaturesToTrack(
        image, most, _QUALITY, _APART, mask=where.astype(np.uint8), useHarrisDetector=False
    )
    if found is None:
        return np.zeros((0, 2), np.float32)
    return np.asarray(found.reshape(-1, 2), np.float32)


def followed(
    before: Grey, after: Grey, points: Points, consistent: float
) -> tuple[Points, Points]:
    """Points that pyramidal Lucas-Kanade finds in the next picture and back (Bouguet, 2000).

    Args:
        before: (H, W) uint8.
        after: (H, W) uint8.
        points: (N, 2) float32 x, y.
        consistent: Pixels that a point may miss its start by on the way back
            (Kalal et al., 2010).

    Returns:
        (M, 2) those that came back, and where they went.
    """
    if not len(points):
        return points, points
    there, good, _ = cv2.calcOpticalFlowPyrLK(
        before, after, points, np.zeros_like(points), winSize=_WINDOW, maxLevel=_LEVELS
    )
    back, returned, _ = cv2.calcOpticalFlowPyrLK(
        after, before, there, np.zeros_like(points), winSize=_WINDOW, maxLevel=_LEVELS
    )
    missed = np.linalg.norm(back - points, axis=1)
    kept = (good.ravel() == 1) & (returned.ravel() == 1) & (missed <= consistent)
    return points[kept], there[kept]


def similarity(one: Points, other: Points, least: int) -> NDArray[np.float64] | None:
    """(2, 3) turn, scale and shift that most pairs agree on; None if fewer than ``least`` do."""
    if len(one) < least:
        return None
    cv2.setRNGSeed(0)  # RANSAC draws from OpenCV's own generator
    found, inliers = cv2.estimateAffinePartial2D(
        one, other, method=cv2.RANSAC, ransacReprojThreshold=_AGREE, maxIters=300
    )
    if found is None or int(inliers.sum()) < least:
        return None
    scale = float(np.hypot(found[0, 0], found[1, 0]))
    return np.asarray(found, np.float64) if 0.5 < scale < 2.0 else None


def shift(before: Grey, after: Grey, mask: Mask) -> NDArray[np.float64] | None:
    """(2, 3) shift under which the pattern about a mask is found best; None if it is not.

    Args:
        before: (H, W) uint8 picture in which the mask lies.
        after: (H, W) uint8 next picture.
        mask: (H, W) bool, somewhere true.
    """
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom = max(0, rows[0] - _EDGE), min(height, rows[-1] + 1 + _EDGE)
    left, right = max(0, columns[0] - _EDGE), min(width, columns[-1] + 1 + _EDGE)
    pattern = before[top:bottom, left:right]
    y, x = max(0, top - _REACH), max(0, left - _REACH)
    searched = after[y : bottom + _REACH, x : right + _REACH]
    if not pattern.std() or not searched.std():
        return None
    scores = cv2.matchTemplate(searched, pattern, cv2.TM_CCOEFF_NORMED)
    _, best, _, place = cv2.minMaxLoc(scores)
    if best < _SAME:
        return None
    return np.array([[1.0, 0.0, place[0] + x - left], [0.0, 1.0, place[1] + y - top]])


def motion(
    before: Grey, after: Grey, mask: Mask, most: int, consistent: float
) -> NDArray[np.float64] | None:
    """How a thing moves: its own corners tell; where too few do, its pattern; at last, the camera.

    A thing of one colour shows no corners but at its outline.

    Args:
        before: (H, W) uint8 picture in which the mask lies.
        after: (H, W) uint8 next picture.
        mask: (H, W) bool.
        most: Corners to follow, on the thing and around it.
        consistent: See :func:`followed`.

    Returns:
        (2, 3) similarity from pixels of the one to those of the other; None if nothing agrees.
    """
    own = followed(before, after, corner_points(before, _near(mask), most), consistent)
    found = similarity(*own, max(_OWN, len(own[0]) // 3))
    if found is None:
        found = shift(before, after, mask)
    if found is not None:
        return found
    return around(before, after, mask, most, consistent)


def around(
    before: Grey, after: Grey, mask: Mask, most: int, consistent: float
) -> NDArray[np.float64] | None:
    """How all but a mask moves; as :func:`motion`."""
    points = corner_points(before, ~_near(mask), most)
    return similarity(*followed(before, after, points, consistent), _ALL)


def _near(mask: Mask) -> Mask:
    near: Mask = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return near


def moved(mask: Mask, by: NDArray[np.float64]) -> Mask:
    """(H, W) bool: a mask under a similarity; what leaves the picture is gone."""
    height, width = mask.shape
    drawn = cv2.warpAffine(mask.astype(np.float32), by, (width, height), flags=cv2.INTER_LINEAR)
    result: Mask = drawn > 0.5
    return result
