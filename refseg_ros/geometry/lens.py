# SPDX-License-Identifier: Apache-2.0
"""How a lens bends what it shows, by OpenCV's models; the camera matrix is told apart from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_UNDONE: Final = 0.5  # pixels by which a ray may miss the pixel that it was made of
_UNTIL: Final = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 0.01)


@dataclass(frozen=True)
class Lens:
    """The distortion of an image that is not rectified.

    Attributes:
        coefficients: The model's coefficients in OpenCV's order: k1, k2, p1, p2, k3 and further
            ones, or the four of a fisheye.
        is_fisheye: Whether they are of the equidistant model.
    """

    coefficients: tuple[float, ...]
    is_fisheye: bool = False

    def straightened(self, pixels: Matrix, intrinsics: Matrix) -> Matrix:
        """Where the rays of pixels pass at a depth of one.

        Args:
            pixels: (P, 2) columns and rows.
            intrinsics: (3, 3) camera matrix in pixels.

        Returns:
            (P, 2) float64 x and y; NaN for pixels that the model shows nothing at.
        """
        if not len(pixels):
            return np.zeros((0, 2))
        given, values = np.asarray(pixels, np.float64)[:, None], np.array(self.coefficients)
        if self.is_fisheye:
            found = cv2.fisheye.undistortPoints(given, intrinsics, values)
        else:
            own = np.eye(3)  # neither turned nor in pixels
            found = cv2.undistortPointsIter(given, intrinsics, values, own, own, _UNTIL)
        rays: Matrix = np.asarray(found, np.float64)[:, 0]
        again = self.bent(np.concatenate([rays, np.ones((len(rays), 1))], 1), intrinsics)
        rays[~(np.abs(again - pixels).max(1) < _UNDONE)] = np.nan  # infinite ones too
        return rays

    def bent(self, points: Matrix, intrinsics: Matrix) -> Matrix:
        """The pixels that show points.

        Args:
            points: (P, 3) in front of the camera.
            intrinsics: (3, 3) camera matrix in pixels.

        Returns:
            (P, 2) float64 columns and rows.
        """
        if not len(points):
            return np.zeros((0, 2))
        values, none = np.array(self.coefficients), np.zeros(3)
        project = cv2.fisheye.projectPoints if self.is_fisheye else cv2.projectPoints
        shown = project(np.asarray(points)[:, None], none, none, intrinsics, values)[0]
        return np.asarray(shown, np.float64).reshape(-1, 2)
