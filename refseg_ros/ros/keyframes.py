# SPDX-License-Identifier: Apache-2.0
"""When a frame shows a new view: what decides between observing again and reusing a scene."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from refseg_ros.scene import Scene
    from refseg_ros.segmenter import Segmenter
    from refseg_ros.spatial.viewpoint import Viewpoint

GRID = (32, 24)
"""Columns and rows of the cells whose means are compared."""


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Cell means of an image, in which sensor noise averages out and moved things stay.

    Args:
        image: (H, W, 3) uint8.

    Returns:
        (h, w, 3) float32 grey levels; 24 by 32 cells, fewer if the image is smaller.
    """
    size = (min(GRID[0], image.shape[1]), min(GRID[1], image.shape[0]))
    cells = cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return cells.reshape(size[1], size[0], 3).astype(np.float32)


def change(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """Largest difference of any cell in grey levels; infinite if the sizes differ."""
    if before.shape != after.shape:
        return float("inf")
    return float(np.abs(before - after).max())


@dataclass(frozen=True)
class Observation:
    """An observed frame.

    Attributes:
        header: That of its message.
        scene: Ready to be asked.
        size: Height and width of the image in pixels.
        cells: Its thumbnail.
        time: ``time.monotonic()`` when it was observed.
        viewpoint: Whose left and right are meant in the scene; None for the camera's.
    """

    header: Any
    scene: Scene
    size: tuple[int, int]
    cells: NDArray[np.float32] = field(repr=False)
    time: float
    viewpoint: Viewpoint | None = None


class KeyframeObserver:
    """Observes what is new and remembers the last scene; for one thread.

    Args:
        segmenter: What observes.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self.last: Observation | None = None

    def recall(
        self, image: NDArray[np.uint8], threshold: float, period: float
    ) -> Observation | None:
        """The last observation, if an image shows what it shows.

        Args:
            image: (H, W, 3) uint8 RGB.
            threshold: Change in grey levels above which an image is new.
            period: Seconds after which an unchanged view is new too; 0 is never.
        """
        last = self.last
        if last is None or last.size != image.shape[:2]:
            return None
        if period and time.monotonic() - last.time >= period:
            return None
        return last if change(last.cells, thumbnail(image)) <= threshold else None

    def observe(self, image: NDArray[np.uint8], header: Any, captions: bool = True) -> Observation:
        """Observe an image and remember it; after a failure nothing is remembered.

        Args:
            image: (H, W, 3) uint8 RGB.
            header: That of its message.
            captions: Whether they are made now, or by :meth:`complete`.

        Raises:
            ImageError: The segmenter does not take the image.
        """
        self.last = None
        observe = self._segmenter.observe
        scene = observe(image) if captions else observe(image, captions=False)
        size = (image.shape[0], image.shape[1])
        self.last = Observation(header, scene, size, thumbnail(image), time.monotonic())
        return self.last

    def complete(self) -> Observation:
        """Make the captions of the last observation; after a failure nothing is remembered.

        Returns:
            The observation, which is the last one from now on.

        Raises:
            ValueError: Nothing was observed yet.
        """
        if self.last is None:
            raise ValueError("complete: nothing was observed yet")
        last, self.last = self.last, None
        self.last = replace(last, scene=last.scene.captioned())
        return self.last

    def measure(
        self,
        depth: NDArray[np.float32] | None,
        intrinsics: NDArray[np.float64] | None,
        viewpoint: Viewpoint | None = None,
    ) -> Observation:
        """Measure what the last observation shows.

        Args:
            depth: (H, W) float32 metres, as large as the image; 0 is unknown.
            intrinsics: (3, 3) float64 camera matrix in pixels.
            viewpoint: Whose left and right are meant; None for the camera's.

        Returns:
            The observation, which is the last one from now on.

        Raises:
            ValueError: Nothing was observed yet.
        """
        if self.last is None:
            raise ValueError("measure: nothing was observed yet")
        scene = self.last.scene.measured(depth, intrinsics, viewpoint)
        self.last = replace(self.last, scene=scene, viewpoint=viewpoint)
        return self.last
