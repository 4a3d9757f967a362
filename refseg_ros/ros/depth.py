# SPDX-License-Identifier: Apache-2.0
"""Finds the depth image that was taken together with a colour image."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refseg_ros.errors import ImageError
from refseg_ros.geometry import Lens
from refseg_ros.ros.calibration import Calibration, calibration_of, same_frame
from refseg_ros.ros.conversions import depth_from_image

Measured = tuple[NDArray[np.float32], NDArray[np.float64], Lens | None]
"""(H, W) metres, 0 where unknown; the (3, 3) camera matrix; the lens of an unrectified image."""

_KEPT = 8
_COMING = 0.15  # seconds for which a depth image is waited for that comes after its colour image
_STREAMING = 1.0  # seconds since the last one after which none is


def nanoseconds(header: Any) -> int:
    """A header's stamp in nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


class DepthStore:
    """Keeps the depth image nearest in time to a pinned image, and the last few besides.

    Observing takes longer than a camera takes for a few frames: without the pin the right depth
    image would be gone when it is wanted. A view that is known again is answered at once, and its
    depth image may come just after the colour image: it is waited for. Any thread may call, but
    the one that :meth:`put` is called from must not :meth:`read`.

    Args:
        rectified: Whether the images are rectified, whatever distortion camera_info holds.
    """

    def __init__(self, rectified: bool = False) -> None:
        self._rectified = rectified
        self._lock = threading.Condition()
        self._last_time = -math.inf
        self._recent: deque[Any] = deque(maxlen=_KEPT)
        self._pinned_stamp: int | None = None
        self._pinned: Any | None = None
        self._info: Any | None = None

    def put_info(self, info: Any) -> None:
        """Keep the newest camera_info."""
        with self._lock:
            self._info = info

    def put(self, message: Any) -> None:
        """Keep a depth image."""
        with self._lock:
            self._recent.append(message)
            self._last_time = time.monotonic()
            self._consider(message)
            self._lock.notify_all()

    def forget(self) -> None:
        """Drop the depth images, which are of another time; the calibration stays."""
        with self._lock:
            self._recent.clear()
            self._pinned_stamp = self._pinned = None
            self._last_time = -math.inf

    def pin(self, header: Any) -> None:
        """Hold on to the depth image of the image with this header, come or yet to come."""
        with self._lock:
            stamp = nanoseconds(header)
            if stamp != self._pinned_stamp:
                self._pinned_stamp, self._pinned = stamp, None
            # Also with the same stamp: drivers that set none send new pixels under it.
            for message in self._recent:
                self._consider(message)

    def _consider(self, message: Any) -> None:
        if self._pinned_stamp is None:
            return
        stamp = nanoseconds(message.header)
        held = self._pinned
        if held is None or abs(stamp - self._pinned_stamp) <= abs(
            nanoseconds(held.header) - self._pinned_stamp
        ):
            self._pinned = message

    def _nearest(self, stamp: int) -> Any | None:
        if stamp == self._pinned_stamp or not self._recent:
            return self._pinned
        # Of several with one stamp the newest.
        recent = reversed(self._recent)
        return min(recent, key=lambda item: abs(nanoseconds(item.header) - stamp))

    def _is_decided(self, stamp: int, slop: float) -> bool:
        """Whether there is a depth image of a moment, or none that will still come."""
        nearest = self._nearest(stamp)
        if nearest is None or time.monotonic() - self._last_time > _STREAMING:
            return True
        apart = nanoseconds(nearest.header) - stamp
        return abs(apart) <= slop * 1e9 or nanoseconds(self._recent[-1].header) > stamp

    def intrinsics(
        self, size: tuple[int, int], header: Any
    ) -> tuple[NDArray[np.float64] | None, str]:
        """The camera matrix of an image.

        Args:
            size: Height and width of the image in pixels.
            header: That of the image.

        Returns:
            (3, 3) float64 or None, and why there is none.
        """
        found, problem = self._calibration(size, header)
        return (None, problem) if found is None else (found.matrix, "")

    def _calibration(self, size: tuple[int, int], header: Any) -> tuple[Calibration | None, str]:
        with self._lock:
            info = self._info
        if info is None:
            return None, "there is no camera_info"
        if not same_frame(info.header, header):
            return None, (
                f"camera_info is of the frame {info.header.frame_id}, the image of "
                f"{header.frame_id}; it must be the colour camera's own"
            )
        return calibration_of(info, size, self._rectified)

    def read(self, size: tuple[int, int], header: Any, slop: float) -> tuple[Measured | None, str]:
        """The depth image of an image, and the camera matrix.

        Args:
            size: Height and width of the image in pixels.
            header: That of the image. Of one that is not pinned the last few depth images count.
            slop: Largest difference of stamps in seconds.

        Returns:
            What was measured, or None; and what is wrong with the depth input: empty if nothing
            is, or if there is no such input at all.
        """
        stamp = nanoseconds(header)
        with self._lock:
            self._lock.wait_for(lambda: self._is_decided(stamp, slop), _COMING)
            message, informed = self._nearest(stamp), self._info is not None
        if message is None:
            return None, ""
        if abs(nanoseconds(message.header) - stamp) > slop * 1e9:
            return None, f"no depth image within {slop:g} s of the image"
        if not informed:
            return None, "depth images come, but no camera_info"
        camera, problem = self._calibration(size, header)
        if camera is None:
            return None, problem
        if not same_frame(message.header, header):
            return None, (
                f"depth is in the frame {message.header.frame_id}, the image in "
                f"{header.frame_id}; register depth to the colour camera"
            )
        height, width = size
        # Before its pixels are read: it may be as large as it likes.
        if (message.height, message.width) != size:
            return None, (
                f"depth is {message.width}x{message.height}, the image {width}x{height}; "
                "register depth to the colour camera"
            )
        try:
            depth = depth_from_image(message)
        except ImageError as error:
            return None, f"depth image: {error}"
        return (depth, camera.matrix, camera.lens), ""
