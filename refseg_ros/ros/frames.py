# SPDX-License-Identifier: Apache-2.0
"""How frames of the robot lie to the camera's: by tf2, and whose left and right are meant."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from refseg_ros.errors import ImageError, RefsegError
from refseg_ros.geometry import rotation_from_quaternion
from refseg_ros.ros.depth import DepthStore
from refseg_ros.spatial.viewpoint import Viewpoint

WAIT_SECONDS = 0.3
"""How long a transform is waited for that comes later than the image."""


class FrameError(RefsegError):
    """A transform is not to be had; the message says why."""


class Transforms(Protocol):
    """Where turns and places of frames come from."""

    def rotation(self, target: str, header: Any) -> NDArray[np.float64]:
        """(3, 3) that turns vectors of the header's frame into the target's, at its stamp.

        Raises:
            FrameError: It is not known.
        """
        ...

    def transform(
        self, target: str, header: Any
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The same with (3,) what is added after the turn, in metres.

        Raises:
            FrameError: It is not known.
        """
        ...


class Tf2Transforms:
    """Transforms from /tf and /tf_static, by tf2_ros; any thread may ask.

    Args:
        node: What subscribes.

    Raises:
        FrameError: tf2_ros is not installed: it comes with a ROS distribution, not from pip.
    """

    def __init__(self, node: Node) -> None:
        try:
            import tf2_ros
        except ImportError as error:
            raise FrameError(f"tf2_ros is not installed ({error})") from error
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        self._failure = tf2_ros.TransformException

    def rotation(self, target: str, header: Any) -> NDArray[np.float64]:
        """See :meth:`Transforms.rotation`; waits for it up to :data:`WAIT_SECONDS`."""
        return self.transform(target, header)[0]

    def transform(
        self, target: str, header: Any
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See :meth:`Transforms.transform`; waits as long."""
        try:
            found = self._buffer.lookup_transform(
                target,
                header.frame_id,
                Time.from_msg(header.stamp),
                Duration(seconds=WAIT_SECONDS),
            )
        except self._failure as error:
            raise FrameError(str(error)) from error
        turn, shift = found.transform.rotation, found.transform.translation
        rotation = rotation_from_quaternion(turn.x, turn.y, turn.z, turn.w)
        return rotation, np.array([shift.x, shift.y, shift.z])


class Connection:
    """Transforms that are listened to from when a frame is first wanted: that costs time.

    Args:
        connect: Makes them, or raises :class:`FrameError`.
    """

    def __init__(self, connect: Callable[[], Transforms]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._made: Transforms | None = None

    def __call__(self) -> Transforms:
        """The transforms; any thread may ask.

        Raises:
            FrameError: They are not to be had.
        """
        with self._lock:
            if self._made is None:
                self._made = self._connect()
            return self._made


class ReferenceFrame:
    """The frame that left and right are meant in, for one thread.

    Args:
        connect: Gives what has transforms between frames, or raises :class:`FrameError`.

    Attributes:
        problem: Why the last wanted viewpoint is not to be had; empty if it is or none is wanted.
    """

    def __init__(self, connect: Callable[[], Transforms]) -> None:
        self._connect = connect
        self.problem = ""

    def viewpoint(
        self,
        name: str,
        header: Any,
        size: tuple[int, int],
        depth: DepthStore,
    ) -> tuple[Viewpoint | None, NDArray[np.float64] | None]:
        """The viewpoint of a frame for an image, and the camera matrix; sets :attr:`problem`.

        Args:
            name: Of the frame; "" for the camera's own.
            header: Of the image.
            size: Height and width of the image in pixels.
            depth: What has the camera's calibration.

        Returns:
            Twice None for the camera's own, and where there is a problem.
        """
        self.problem = ""
        if not name or name == header.frame_id:
            return None, None
        try:
            transforms = self._connect()
            if not header.frame_id:
                raise FrameError("the image's header names no frame")
            intrinsics, missing = depth.intrinsics(size)
            if intrinsics is None:
                raise FrameError(missing)
            found = Viewpoint(name, transforms.rotation(name, header))
            found.check_table(size, intrinsics)
        except (FrameError, ImageError) as error:
            self.problem = f"reference_frame {name}: {error}"
            return None, None
        return found, intrinsics
