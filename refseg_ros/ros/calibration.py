# SPDX-License-Identifier: Apache-2.0
"""What camera_info says of the camera, checked before a position is made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refseg_ros.geometry import Lens

_SHORTEST, _LONGEST = 0.05, 100.0  # focal lengths, in longer sides of the image
_ASIDE: Final = 1.0  # longer sides by which the optical axis may miss the image
_MODELS: Final = {
    "plumb_bob": (4, 5),
    "rational_polynomial": (8, 12, 14),
    "equidistant": (4,),
    "fisheye": (4,),
}
"""Distortions that are read, and how many coefficients each has."""


@dataclass(frozen=True)
class Calibration:
    """A camera.

    Attributes:
        matrix: (3, 3) float64 in pixels.
        lens: Its distortion; None if the image has none.
    """

    matrix: NDArray[np.float64]
    lens: Lens | None = None


def calibration_of(
    info: Any, size: tuple[int, int], rectified: bool = False
) -> tuple[Calibration | None, str]:
    """The camera that took an image.

    Args:
        info: A CameraInfo message.
        size: Height and width of the image in pixels.
        rectified: Whether the image is rectified: then P holds, where it is set, and D does not.

    Returns:
        The camera and "", or None and what is wrong with camera_info.
    """
    height, width = size
    if (info.height, info.width) != size:
        return None, f"camera_info is for {info.width}x{info.height}, not {width}x{height}"
    distortion = tuple(float(value) for value in info.d)
    bent = any(distortion) and not rectified
    projection = np.array(info.p, np.float64).reshape(3, 4)[:, :3]
    matrix = np.array(info.k, np.float64).reshape(3, 3)
    if projection[0, 0] and not bent:
        matrix = projection
    if not matrix.any():
        return None, "camera_info holds no calibration (its K and P are zero)"
    focal, centre = matrix[[0, 1], [0, 1]], matrix[[0, 1], [2, 2]]
    longer, sides = max(size), np.array([width, height])
    fits = (focal > _SHORTEST * longer) & (focal < _LONGEST * longer)
    fits &= (centre > -_ASIDE * longer) & (centre < sides + _ASIDE * longer)
    if not (fits.all() and np.isfinite(matrix).all()):  # NaN is in no range
        return None, (
            f"camera_info holds no calibration of a camera: focal lengths {_listed(focal)}, "
            f"centre {_listed(centre)} pixels for an image of {width}x{height}"
        )
    if not bent:
        return Calibration(matrix), ""
    counts = _MODELS.get(info.distortion_model, ())
    if len(distortion) not in counts or not np.isfinite(distortion).all():
        return None, (
            f"camera_info has a distortion that is not read: {info.distortion_model[:40]!r} of "
            f"{len(distortion)} coefficients; rectify the image, for example with image_proc"
        )
    fisheye = info.distortion_model in ("equidistant", "fisheye")
    return Calibration(matrix, Lens(distortion, fisheye)), ""


def is_rectified(geometry: str, topic: str) -> bool:
    """Whether images are rectified, by the parameter ``image_geometry`` or their topic's name."""
    if geometry == "auto":
        return re.search(r"(^|[/_])rect(ified)?([/_]|$)", topic) is not None
    return geometry == "rectified"


def same_frame(one: Any, two: Any) -> bool:
    """Whether two headers name one frame, or one of them names none."""
    names = {header.frame_id.strip("/") for header in (one, two)} - {""}
    return len(names) < 2


def _listed(values: NDArray[np.float64]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
