# SPDX-License-Identifier: Apache-2.0
"""Who says "left": the camera, as in a picture, or another frame that looks at the same table.

An operator at the robot's base and a camera on its wrist, turned about, do not mean the same side.
With a :class:`Viewpoint`, left, right, front and back are those of a frame of the robot; the
candidates are put on a plan of the table, a picture from above that has "forward" at its top.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from refseg_ros.errors import ImageError

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

OPTICAL: Final = ("_optical", "_optical_frame")
"""Ends of names of frames with x to the right, y down and z forward (REP-103)."""
_SKEWED: Final = 1e-3
"""How far a rotation's columns may be from unit length and right angles."""
_TURNED: Final = 0.008
"""Change of a rotation's parts from which a frame has turned: half a degree."""
_GRAZING: Final = 0.05
"""Sine of the angle below the horizon at which a ray is taken to end on the table, at least."""


@dataclass(frozen=True)
class Viewpoint:
    """A frame whose left, right, front and back are meant.

    Its axes are those of REP-103: x forward, y to the left, z up, away from the table; for a frame
    whose name ends in one of :data:`OPTICAL`, x to the right, y down and z forward.

    Args:
        frame: Name of the frame, not empty.
        rotation: (3, 3), turns a vector of the camera's optical frame into one of this frame: the
            rotation of a tf lookup from the camera's frame to this one.

    Raises:
        ImageError: The name is empty, or the matrix is no rotation.
    """

    frame: str
    rotation: Matrix

    def __post_init__(self) -> None:
        if not self.frame:
            raise ImageError("viewpoint: the frame has no name")
        matrix = np.asarray(self.rotation, np.float64)
        square = matrix.shape == (3, 3) and bool(np.isfinite(matrix).all())
        if not square or np.abs(matrix @ matrix.T - np.eye(3)).max() > _SKEWED:
            raise ImageError(f"viewpoint of {self.frame}: expected a (3, 3) rotation matrix")
        if np.linalg.det(matrix) < 0:
            raise ImageError(f"viewpoint of {self.frame}: expected a rotation, got a reflection")

    @property
    def _axes(self) -> tuple[Vector, Vector, Vector]:
        """Right, away and up, in the camera's optical frame."""
        x, y, z = np.asarray(self.rotation, np.float64)
        return (x, z, -y) if self.frame.endswith(OPTICAL) else (-y, x, z)

    @property
    def right(self) -> Vector:
        """(3,) unit vector to the right, in the camera's optical frame."""
        return self._axes[0]

    @property
    def away(self) -> Vector:
        """(3,) unit vector forward, in the camera's optical frame."""
        return self._axes[1]

    @property
    def up(self) -> Vector:
        """(3,) unit vector upward, in the camera's optical frame."""
        return self._axes[2]

    def agrees(self, other: Viewpoint | None) -> bool:
        """Whether another viewpoint is of the same frame, turned by less than half a degree."""
        if other is None or self.frame != other.frame:
            return False
        return bool(np.abs(np.asarray(self.rotation) - other.rotation).max() < _TURNED)

    def check_table(self, size: tuple[int, int], intrinsics: Matrix) -> None:
        """Refuse a frame in which the camera does not look down.

        Args:
            size: Height and width of the picture.
            intrinsics: (3, 3) camera matrix in pixels.

        Raises:
            ImageError: The middle of the picture shows the horizon or what lies above it.
        """
        middle = _rays(np.array([[size[1] / 2, size[0] / 2]]), intrinsics)[0]
        sine = float(middle @ self.up / np.linalg.norm(middle))
        if sine > -_GRAZING:
            raise ImageError(
                f"viewpoint of {self.frame}: the camera does not look down in this frame "
                f"({np.degrees(np.arcsin(sine)):+.0f} degrees), so that no table can be seen in it"
            )

    def on_plan(
        self,
        pixels: Matrix,
        size: tuple[int, int],
        intrinsics: Matrix,
        ground: Matrix | None = None,
        height: float = 1.0,
    ) -> Matrix:
        """Where things lie in a picture of the table from above, forward at its top.

        That picture has the size, the middle and the scale of the camera's, taken where the middle
        of the camera's meets the table, so that shares of the one are shares of the other.

        Args:
            pixels: (N, 2) x, y of what the things stand on; the rays through them are followed to
                a level table.
            size: Height and width of the picture in pixels.
            intrinsics: (3, 3) camera matrix in pixels.
            ground: (N, 2) metres from the camera to the right and away, if measured; it is used
                instead of the pixels.
            height: Metres from the table up to the camera, of ``ground``.

        Returns:
            (N, 2) x, y in pixels of that picture; what lies beyond its edges lies outside.
        """
        middle = np.array([[size[1] / 2, size[0] / 2]])
        reached = self._on_table(np.concatenate([middle, pixels]), intrinsics)
        # The ray's z is 1: so far along the optical axis is the table in the middle.
        ray = _rays(middle, intrinsics)[0]
        depth = 1.0 / max(-float(ray @ self.up), _GRAZING)
        pixel = depth / float(np.sqrt(intrinsics[0, 0] * intrinsics[1, 1]))
        places = reached[1:] if ground is None else ground / height
        offset = (places - reached[0]) / pixel
        plan: Matrix = middle + offset * (1.0, -1.0)
        return plan

    def _on_table(self, pixels: Matrix, intrinsics: Matrix) -> Matrix:
        """(N, 2) right and away from the camera, in heights of the camera above the table."""
        rays = _rays(pixels, intrinsics)
        unit = rays / np.linalg.norm(rays, axis=1, keepdims=True)
        down = np.maximum(-(unit @ self.up), _GRAZING)
        points = unit / down[:, None]
        return np.stack([points @ self.right, points @ self.away], 1)


def _rays(pixels: Matrix, intrinsics: Matrix) -> Matrix:
    """(N, 3) x, y, 1 through pixels."""
    focal = (intrinsics[0, 0], intrinsics[1, 1])
    centre = (intrinsics[0, 2], intrinsics[1, 2])
    return np.concatenate([(pixels - centre) / focal, np.ones((len(pixels), 1))], 1)
