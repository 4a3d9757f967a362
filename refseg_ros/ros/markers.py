# SPDX-License-Identifier: Apache-2.0
"""What RViz draws of the target: its box, its axes and what it was called."""

from __future__ import annotations

from typing import Final

import numpy as np
from geometry_msgs.msg import Point, Vector3
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from refseg_ros.geometry import Pose
from refseg_ros.results import Status
from refseg_ros.ros.messages import StampedAnswer
from refseg_ros.ros.space import to_pose

_TEXT_HEIGHT: Final = 0.025  # metres, as all lengths here
_LINE: Final = 0.004
_POINT: Final = 0.02
_SMALLEST_SIDE: Final = 0.005
_LONGER: Final = 0.6  # length of an axis, in sides of the box: it sticks out a little
_UP: Final = np.array([0.0, -1.0, 0.0])  # of an optical frame
_COLOURS: Final = {Status.SELECTED: (0.1, 0.8, 0.2), Status.AMBIGUOUS: (1.0, 0.7, 0.0)}
_AXES: Final = ((1.0, 0.2, 0.2), (0.2, 1.0, 0.2), (0.3, 0.4, 1.0))


def to_markers(answer: StampedAnswer) -> MarkerArray:
    """Draw a target in the frame of its image, or remove what was drawn if none has a place.

    Without a pose only the point is marked. What an earlier answer drew is removed.
    """
    header, selection, place = answer.header, answer.selection, answer.place
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    if place.point is None:
        return MarkerArray(markers=markers)
    colour = _COLOURS[selection.status]
    text = f"{selection.expression} ({selection.score:.2f})"
    above = place.point + (_POINT + _TEXT_HEIGHT) * _UP
    if place.pose is None:
        markers.append(_dot(header, place.point, colour))
    else:
        up = place.pose.rotation[:, 2]
        above = place.pose.centre + (place.pose.size[2] / 2 + _TEXT_HEIGHT) * up
        markers += [_box(header, place.pose, colour), _axes(header, place.pose)]
    markers.append(_label(header, above, text))
    for number, marker in enumerate(markers):
        marker.ns, marker.id = "target", number
    return MarkerArray(markers=markers)


def _box(header: Header, pose: Pose, colour: tuple[float, float, float]) -> Marker:
    x, y, z = (max(float(side), _SMALLEST_SIDE) for side in pose.size)
    scale = Vector3(x=x, y=y, z=z)
    return Marker(
        header=header, type=Marker.CUBE, pose=to_pose(pose), scale=scale, color=_rgb(colour, 0.4)
    )


def _axes(header: Header, pose: Pose) -> Marker:
    """Lines from the middle along x (red), y (green) and z (blue)."""
    lines = Marker(header=header, type=Marker.LINE_LIST, scale=Vector3(x=_LINE))
    lines.pose.orientation.w = 1.0
    for axis, colour in enumerate(_AXES):
        reach = _LONGER * max(float(pose.size[axis]), _SMALLEST_SIDE)
        ends = (pose.centre, pose.centre + reach * pose.rotation[:, axis])
        lines.points += [_point(end) for end in ends]
        lines.colors += [_rgb(colour)] * 2
    return lines


def _dot(header: Header, at: NDArray[np.float64], colour: tuple[float, float, float]) -> Marker:
    scale = Vector3(x=_POINT, y=_POINT, z=_POINT)
    dot = Marker(header=header, type=Marker.SPHERE, scale=scale, color=_rgb(colour, 0.8))
    dot.pose.position = _point(at)
    return dot


def _label(header: Header, at: NDArray[np.float64], text: str) -> Marker:
    label = Marker(
        header=header,
        type=Marker.TEXT_VIEW_FACING,
        scale=Vector3(x=_TEXT_HEIGHT, z=_TEXT_HEIGHT),  # RViz 2 reads x as a space's width
        color=_rgb((1.0, 1.0, 1.0)),
        text=text,
    )
    label.pose.position = _point(at)
    return label


def _point(at: NDArray[np.float64]) -> Point:
    x, y, z = (float(value) for value in at)
    return Point(x=x, y=y, z=z)


def _rgb(colour: tuple[float, float, float], opacity: float = 1.0) -> ColorRGBA:
    red, green, blue = colour
    return ColorRGBA(r=red, g=green, b=blue, a=opacity)
