# SPDX-License-Identifier: Apache-2.0
"""When a frame shows a new view: what decides between observing again and reusing a scene."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_ros.ros.frames import ImageFrames

if TYPE_CHECKING:
    from refseg_ros.results import Proposals
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
class SeenFrame:
    """A frame whose pixels were read.

    Attributes:
        header: That of its message.
        image: (H, W, 3) uint8 RGB.
        frames: How frames of the robot lay at its moment.
    """

    header: Any
    image: NDArray[np.uint8] = field(repr=False)
    frames: ImageFrames = field(repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True)
class Observation:
    """An observed view, and the newest frame that showed it.

    Attributes:
        frame: That frame.
        scene: Ready to be asked.
        cells: The thumbnail of the image that was observed.
        time: ``time.monotonic()`` when it was observed.
        viewpoint: Whose left and right are meant in the scene; None for the camera's.
        has_depth: Whether the scene is measured by a depth image.
    """

    frame: SeenFrame
    scene: Scene
    cells: NDArray[np.float32] = field(repr=False)
    time: float
    viewpoint: Viewpoint | None = None
    has_depth: bool = False

    def same_view(self, other: Observation | None) -> bool:
        """Whether another one is of the same view, seen from the same side."""
        if other is None:
            return False
        return self.time == other.time and self.viewpoint is other.viewpoint


class KeyframeObserver:
    """Observes what is new and remembers the last scene; for one thread.

    Args:
        segmenter: What observes.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self.last: Observation | None = None

    def recall(self, frame: SeenFrame, threshold: float, period: float) -> Observation | None:
        """The last observation, if a frame shows what it shows; that frame is its newest then.

        Args:
            frame: What is to be known again.
            threshold: Change in grey levels above which an image is new.
            period: Seconds after which an unchanged view is new too; 0 is never.
        """
        last = self.last
        if last is None or last.frame.size != frame.size:
            return None
        if period and time.monotonic() - last.time >= period:
            return None
        if change(last.cells, thumbnail(frame.image)) > threshold:
            return None
        self.last = replace(last, frame=frame)
        return self.last

    def observe(
        self, frame: SeenFrame, captions: bool = True, proposals: Proposals | None = None
    ) -> Observation:
        """Observe a frame and remember it; after a failure nothing is remembered.

        Args:
            frame: What is new.
            captions: Whether they are made now, or by :meth:`complete`.
            proposals: Masks from elsewhere; None for those that the segmenter finds.

        Raises:
            ImageError: The segmenter does not take the image.
        """
        self.last = None
        options: dict[str, Any] = {} if captions else {"captions": False}
        options |= {} if proposals is None else {"proposals": proposals}
        scene = self._segmenter.observe(frame.image, **options)
        self.last = Observation(frame, scene, thumbnail(frame.image), time.monotonic())
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
        has_depth = depth is not None
        self.last = replace(self.last, scene=scene, viewpoint=viewpoint, has_depth=has_depth)
        return self.last
