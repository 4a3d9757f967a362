# SPDX-License-Identifier: Apache-2.0
"""Whose left and right are meant: looks up how a frame of the robot lies to the camera's."""

from __future__ import annotations

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
    """Where rotations between frames come from."""

    def rotation(self, target: str, header: Any) -> NDArray[np.float64]:
        """(3, 3) that turns vectors of the header's frame into the target's, at its stamp.

        Raises:
            FrameError: It is not known.
        """
        ...


class Tf2Transforms:
    """Rotations from /tf and /tf_static, by tf2_ros.

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
        try:
            found = self._buffer.lookup_transform(
                target,
                header.frame_id,
                Time.from_msg(header.stamp),
                Duration(seconds=WAIT_SECONDS),
            )
        except self._failure as error:
            raise FrameError(str(error)) from error
        turn = found.transform.rotation
        return rotation_from_quaternion(turn.x, turn.y, turn.z, turn.w)


class ReferenceFrame:
    """The frame that left and right are meant in, for one thread.

    Args:
        connect: Makes what has rotations between frames, or raises :class:`FrameError`; called
            when a frame is first wanted, for listening to /tf costs a robot's node time.

    Attributes:
        problem: Why the last wanted viewpoint is not to be had; empty if it is or none is wanted.
    """

    def __init__(self, connect: Callable[[], Transforms]) -> None:
        self._connect = connect
        self._transforms: Transforms | None = None
        self.problem = ""

    @classmethod
    def of_node(cls, node: Node) -> ReferenceFrame:
        """By tf2_ros where that is installed."""
        return cls(lambda: Tf2Transforms(node))

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
            if self._transforms is None:
                self._transforms = self._connect()
            if not header.frame_id:
                raise FrameError("the image's header names no frame")
            intrinsics, missing = depth.intrinsics(size)
            if intrinsics is None:
                raise FrameError(missing)
            found = Viewpoint(name, self._transforms.rotation(name, header))
            found.check_table(size, intrinsics)
        except (FrameError, ImageError) as error:
            self.problem = f"reference_frame {name}: {error}"
            return None, None
        return found, intrinsics
