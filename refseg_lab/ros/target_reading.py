# SPDX-License-Identifier: Apache-2.0
"""Reads what the segmenter says of a target in space: its cloud and its box."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField

from refseg_lab.picking.grasps import Box
from refseg_ros.errors import ImageError
from refseg_ros.geometry import rotation_from_quaternion

_AXES: Final = ("x", "y", "z")


def points_of(message: PointCloud2) -> NDArray[np.float32]:
    """The points of a cloud that has x, y and z as 32-bit floats.

    Returns:
        (H, W, 3) float32 metres, NaN where there is none.

    Raises:
        ImageError: A field is missing, or the length does not agree with the others.
    """
    floats = [item for item in message.fields if item.datatype == PointField.FLOAT32]
    offsets = {item.name: int(item.offset) for item in floats}
    height, width, step = message.height, message.width, message.point_step
    if not set(_AXES) <= set(offsets) or max(offsets.values()) + 4 > step:
        raise ImageError(f"cloud: expected float32 x, y and z in {step} bytes, got {offsets}")
    if message.row_step < width * step or len(message.data) != message.row_step * height:
        raise ImageError(
            f"cloud: {len(message.data)} bytes are not {height} rows of {message.row_step}"
        )
    rows = np.frombuffer(message.data, np.uint8).reshape(height, message.row_step)
    cells = rows[:, : width * step].reshape(height, width, step)
    order = ">f4" if message.is_bigendian else "<f4"
    parts = [np.ascontiguousarray(cells[..., offsets[n] : offsets[n] + 4]) for n in _AXES]
    return np.concatenate([part.view(order) for part in parts], -1).astype(np.float32)


def box_of(message: Any) -> Box | None:
    """The target's box of a refseg_ros/Segmentation, or None where it has none."""
    if not message.has_pose:
        return None
    place, turn, size = message.pose.pose.position, message.pose.pose.orientation, message.size
    return Box(
        np.array([place.x, place.y, place.z]),
        rotation_from_quaternion(turn.x, turn.y, turn.z, turn.w),
        np.array([size.x, size.y, size.z]),
    )
