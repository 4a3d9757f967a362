# SPDX-License-Identifier: Apache-2.0
"""How frames of the robot lie to the camera's: by tf2, and whose left and right are meant."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from refseg_ros.errors import ImageError, RefsegError
from refseg_ros.geometry import rotation_from_quaternion
from refseg_ros.ros.depth import DepthStore
from refseg_ros.ros.parameters import Parameters
from refseg_ros.spatial.viewpoint import Viewpoint

WAIT_SECONDS = 0.3
"""How long a transform is waited for that comes later than the image."""

FRAME_PARAMETERS: Final = ("reference_frame", "target_frame")
"""Parameters of the node that name frames."""

Transform = tuple[NDArray[np.float64], NDArray[np.float64]]
"""(3, 3) that turns vectors of one frame into another's, and (3,) metres that are added then."""


class FrameError(RefsegError):
    """A transform is not to be had; the message says why."""


class Transforms(Protocol):
    """Where turns and places of frames come from."""

    def transform(self, target: str, header: Any, wait: float) -> Transform:
        """The transform from a header's frame into the target's, at its stamp.

        Args:
            target: Name of a frame.
            header: An image's header.
            wait: Seconds for which it may still come.

        Raises:
            FrameError: It is not known.
        """
        ...

    def forget(self) -> None:
        """Drop what is known of moving frames: the clock has jumped."""


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

    def transform(self, target: str, header: Any, wait: float) -> Transform:
        """See :meth:`Transforms.transform`."""
        stamp, patience = Time.from_msg(header.stamp), Duration(seconds=wait)
        try:
            found = self._buffer.lookup_transform(target, header.frame_id, stamp, patience)
        except self._failure as error:
            raise FrameError(str(error)) from error
        turn, shift = found.transform.rotation, found.transform.translation
        rotation = rotation_from_quaternion(turn.x, turn.y, turn.z, turn.w)
        return rotation, np.array([shift.x, shift.y, shift.z])

    def forget(self) -> None:
        """See :meth:`Transforms.forget`: tf2 takes nothing older than what it has."""
        self._buffer.clear()


class ImageFrames:
    """How frames lie to the camera's at the moment of one image; what was found is kept.

    tf2 keeps some seconds. What is looked up when the image is taken in hand is still there when
    the models have looked at it, which may take longer.

    Args:
        connect: Gives what has transforms between frames, or raises :class:`FrameError`.
        header: The image's header.
        wanted: Names of frames that are looked up now; "" is none. Any other is when it is asked
            for.
    """

    def __init__(
        self, connect: Callable[[], Transforms], header: Any, wanted: Iterable[str] = ()
    ) -> None:
        self._connect, self._header = connect, header
        self._found: dict[str, Transform] = {}
        for name in wanted:
            if name and name != header.frame_id:
                # One that is on its way is waited for when it is asked for.
                with suppress(FrameError, ImageError):
                    self._found[name] = self._look_up(name, wait=0.0)

    def transform(self, name: str) -> Transform:
        """The transform from the image's frame into another; any thread may ask.

        Raises:
            FrameError: It is not known, after :data:`WAIT_SECONDS` either.
            ImageError: It is no rotation.
        """
        if name not in self._found:
            self._found[name] = self._look_up(name, WAIT_SECONDS)
        return self._found[name]

    def _look_up(self, name: str, wait: float) -> Transform:
        transforms = self._connect()
        if not self._header.frame_id:
            raise FrameError("the image's header names no frame")
        return transforms.transform(name, self._header, wait)


class Connection:
    """Transforms that are listened to from when a frame is first wanted: that costs time.

    Args:
        connect: Makes them, or raises :class:`FrameError`.
        values: Parameters of the node, two of which name frames.
    """

    def __init__(self, connect: Callable[[], Transforms], values: Parameters) -> None:
        self._connect, self._values = connect, values
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

    def open(self, names: Iterable[str]) -> None:
        """Listen from now on if one of some frames is wanted; an image will tell if it fails."""
        if any(names):
            with suppress(FrameError):
                self()

    def wanted(self) -> tuple[str, ...]:
        """The frames that parameters name; "" where one names none."""
        return tuple(self._values[name] for name in FRAME_PARAMETERS)

    def at(self, header: Any) -> ImageFrames:
        """The frames at the moment of an image."""
        return ImageFrames(self, header, self.wanted())

    def forget(self) -> None:
        """Drop what is known of moving frames: the clock has jumped."""
        with self._lock:
            if self._made is not None:
                self._made.forget()


class ReferenceFrame:
    """The frame that left and right are meant in, for one thread.

    Attributes:
        problem: Why the last wanted viewpoint is not to be had; empty if it is or none is wanted.
    """

    def __init__(self) -> None:
        self.problem = ""

    def viewpoint(
        self,
        name: str,
        header: Any,
        frames: ImageFrames,
        size: tuple[int, int],
        depth: DepthStore,
    ) -> tuple[Viewpoint | None, NDArray[np.float64] | None]:
        """The viewpoint of a frame for an image, and the camera matrix; sets :attr:`problem`.

        Args:
            name: The frame's name; "" for the camera's own.
            header: The image's header.
            frames: How frames lie at its moment.
            size: Height and width of the image in pixels.
            depth: What has the camera's calibration.

        Returns:
            Twice None for the camera's own, and where there is a problem.
        """
        self.problem = ""
        if not name or name == header.frame_id:
            return None, None
        try:
            rotation, _ = frames.transform(name)
            intrinsics, missing = depth.intrinsics(size, header)
            if intrinsics is None:
                raise FrameError(missing)
            found = Viewpoint(name, rotation)
            found.check_table(size, intrinsics)
        except (FrameError, ImageError) as error:
            self.problem = f"reference_frame {name}: {error}"
            return None, None
        return found, intrinsics
