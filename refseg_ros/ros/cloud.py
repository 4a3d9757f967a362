# SPDX-License-Identifier: Apache-2.0
"""Point clouds as messages."""

from __future__ import annotations

import sys
from array import array

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from refseg_ros.geometry import organised_cloud
from refseg_ros.ros.depth import Measured

_FLOAT_BYTES = 4
_NAMES = ("x", "y", "z", "rgb")


def to_cloud(
    mask: NDArray[np.bool_], measured: Measured, image: NDArray[np.uint8], header: Header
) -> PointCloud2:
    """Make the organised cloud of a masked thing: each point at its pixel, with its colour.

    Args:
        mask: (H, W) bool.
        measured: (H, W) float32 metres, the (3, 3) camera matrix and the lens.
        image: (H, W, 3) uint8 RGB.
        header: The image's header.

    Returns:
        Fields x, y, z in metres and rgb (0x00RRGGBB in the bits of a float32, as PCL and RViz
        read it); NaN outside the mask and where no depth is known.

    Raises:
        ValueError: Mask and depth differ in size.
    """
    height, width = mask.shape
    values = np.full((height, width, len(_NAMES)), np.nan, np.float32)
    values[..., :3] = organised_cloud(mask, *measured)
    red, green, blue = (image[..., channel].astype(np.uint32) for channel in range(3))
    packed = (red << 16) | (green << 8) | blue
    there = np.isfinite(values[..., 2])
    values[..., 3][there] = packed.view(np.float32)[there]
    message = PointCloud2(header=header, height=height, width=width, is_dense=False)
    message.fields = [
        PointField(name=name, offset=place * _FLOAT_BYTES, datatype=PointField.FLOAT32, count=1)
        for place, name in enumerate(_NAMES)
    ]
    message.is_bigendian = sys.byteorder == "big"
    message.point_step = len(_NAMES) * _FLOAT_BYTES
    message.row_step = message.point_step * width
    message.data = array("B", values.tobytes())
    return message
