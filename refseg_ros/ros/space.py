# SPDX-License-Identifier: Apache-2.0
"""Where the target is in space, in the camera's frame or in one of the robot's."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field, replace

import numpy as np
from geometry_msgs.msg import Pose as PoseMsg
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from std_msgs.msg import Header

from refseg_ros.errors import ImageError
from refseg_ros.geometry import NO_DEPTH, Pose, locate, pose_of
from refseg_ros.ros.depth import DepthStore, Measured
from refseg_ros.ros.frames import Connection, FrameError, ImageFrames
from refseg_ros.ros.parameters import Parameters

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a masked thing of one image is.

    Attributes:
        point: (3,) median visible point in metres, in the camera's optical frame; None if unknown.
        pose: Its upright box in the same frame; None if unknown.
        target: The pose as it is published, in the frame that was asked for; None if unknown.
        measured: What it was found in, for clouds; None without depth.
        problem: Why something of this is not known; empty if nothing is wrong, or there is no
            depth input at all.
    """

    point: NDArray[np.float64] | None = None
    pose: Pose | None = None
    target: PoseStamped | None = None
    measured: Measured | None = field(default=None, repr=False)
    problem: str = ""

    @property
    def distance(self) -> float:
        """Metres from the camera to :attr:`point`; NaN if unknown."""
        return math.nan if self.point is None else float(np.linalg.norm(self.point))


def place_of(mask: NDArray[np.bool_], measured: Measured | None, problem: str) -> Place:
    """Find a masked thing in a depth image.

    Args:
        mask: (H, W) bool, somewhere true.
        measured: The depth image of the same view and the camera that took it; None without.
        problem: Why there are none.

    Returns:
        The place; its ``target`` is still to be made.
    """
    if measured is None:
        return Place(problem=problem)
    depth, matrix, lens = measured
    seen = locate(mask, depth, matrix, lens)
    if seen is None:
        return Place(measured=measured, problem="the target has no valid depth")
    pose, reason = pose_of(mask, depth, matrix, lens=lens)
    if reason.startswith(NO_DEPTH):
        return Place(measured=measured, problem=reason)
    problem = "" if pose else f"the target has no pose: {reason}"
    return Place(seen.position, pose, None, measured, problem)


class Places:
    """Finds where things are, in the frame that poses are published in; any thread may ask.

    Args:
        depth: Depth images of the pictures.
        values: Parameters of the node.
        connection: How frames of the robot lie.
    """

    def __init__(self, depth: DepthStore, values: Parameters, connection: Connection) -> None:
        self._depth, self._values, self._connection = depth, values, connection
        self._failure = ""  # the last one that was logged

    def of(
        self, mask: NDArray[np.bool_], header: Header, frames: ImageFrames | None = None
    ) -> Place:
        """Where a masked thing is.

        Args:
            mask: (H, W) bool, somewhere true.
            header: Its image's header.
            frames: How frames lay at its moment, if that was looked up before.
        """
        size = (mask.shape[0], mask.shape[1])
        try:
            place = place_of(mask, *self._depth.read(size, header, self._values["depth_slop"]))
            if place.pose is None:
                return place
            return self._in_frame(place, place.pose, header, frames or self._connection.at(header))
        except Exception as error:  # whatever it is, it takes nothing from the mask
            if repr(error) != self._failure:
                _LOGGER.exception("a target cannot be located")
            self._failure = repr(error)
            return Place(problem=f"the target cannot be located: {error!r}")

    def measured(self, size: tuple[int, int], header: Header) -> Measured | None:
        """The depth of an image of a size, height and width in pixels; None without."""
        return self._depth.read(size, header, self._values["depth_slop"])[0]

    def _in_frame(self, place: Place, pose: Pose, header: Header, frames: ImageFrames) -> Place:
        """A place with its pose in the frame that is asked for, or with what is wrong."""
        name = self._values["target_frame"]
        turn, shift, frame = np.eye(3), np.zeros(3), header.frame_id
        if name and name != frame:
            try:
                turn, shift = frames.transform(name)
            except (FrameError, ImageError) as error:
                return replace(place, problem=f"target_frame {name}: {error}")
            frame = name
        pose = replace(pose, centre=turn @ pose.centre + shift, rotation=turn @ pose.rotation)
        own = Header(stamp=header.stamp, frame_id=frame)
        return replace(place, target=PoseStamped(header=own, pose=to_pose(pose)))


def to_pose(pose: Pose) -> PoseMsg:
    """Make a message of centre and axes."""
    message = PoseMsg()
    position, turn = message.position, message.orientation
    position.x, position.y, position.z = (float(value) for value in pose.centre)
    turn.x, turn.y, turn.z, turn.w = pose.quaternion
    return message
