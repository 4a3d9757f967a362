# SPDX-License-Identifier: Apache-2.0
"""From answers to messages; conversions.py does the pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, Pose, PoseStamped, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from refseg_ros.geometry import Target
from refseg_ros.msg import Candidate as CandidateMsg
from refseg_ros.msg import Segmentation
from refseg_ros.results import Candidate, Selection, Status
from refseg_ros.ros.conversions import to_roi

if TYPE_CHECKING:
    from refseg_ros.scene import Scene

_TEXT_HEIGHT = 0.025
_SMALLEST_BOX = 0.005
_COLOURS = {Status.SELECTED: (0.1, 0.8, 0.2), Status.AMBIGUOUS: (1.0, 0.7, 0.0)}


@dataclass(frozen=True)
class Answer:
    """What is published for one command.

    Attributes:
        header: That of the image that was segmented; empty if there was none.
        selection: The outcome; its mask has no pixels if no image could be read.
        scene: The observed image; None if there is none.
        reused: Whether the scene was observed for an earlier command.
        target: Where the thing is, when a depth image tells.
    """

    header: Header
    selection: Selection
    scene: Scene | None = None
    reused: bool = False
    target: Target | None = None

    @classmethod
    def without_image(
        cls, command: str, status: Status, reason: str, header: Header | None = None
    ) -> Answer:
        """An answer for which no image could be looked at."""
        return cls(header or Header(), Selection.none(command, status, reason, (0, 0)))


def to_segmentation(answer: Answer) -> Segmentation:
    """Make the message ``refseg_ros/Segmentation`` of an answer."""
    selection, scene = answer.selection, answer.scene
    stages = {} if scene is None else dict(scene.seconds)
    observed = stages.pop("total", 0.0)
    return Segmentation(
        header=answer.header,
        command=selection.expression,
        method="" if scene is None else scene.segmenter.config.name,
        status=int(selection.status),
        reason=selection.reason,
        warnings=list(selection.warnings),
        question=selection.question,
        options=list(selection.options),
        tied_ids=[index + 1 for index in selection.tied],
        target_id=0 if selection.index is None else selection.index + 1,
        target_ids=[index + 1 for index in selection.indices],
        score=float(selection.score),
        margin=float(selection.margin),
        roi=to_roi(selection.box),
        area=int(selection.mask.sum()),
        distance=math.nan if answer.target is None else answer.target.distance,
        candidates=[to_candidate(item) for item in selection.candidates],
        reused_observation=answer.reused,
        observe_ms=0.0 if answer.reused else 1e3 * observed,
        select_ms=1e3 * selection.seconds.get("total", 0.0),
        stage_names=list(stages),
        stage_ms=[1e3 * seconds for seconds in stages.values()],
    )


def to_candidate(candidate: Candidate) -> CandidateMsg:
    """Make the message ``refseg_ros/Candidate``."""
    return CandidateMsg(
        id=candidate.index + 1,
        score=float(candidate.score),
        caption=candidate.caption,
        roi=to_roi(candidate.box),
        area=candidate.area,
        eligible=candidate.eligible,
        term_names=list(candidate.terms),
        term_values=[float(value) for value in candidate.terms.values()],
    )


def to_pose(target: Target, header: Header) -> PoseStamped:
    """Make a pose at the target's median point, with the axes of the optical frame."""
    return PoseStamped(header=header, pose=_pose(target))


def to_markers(answer: Answer) -> MarkerArray:
    """Make a box and a label around the target, or what removes them if there is none."""
    target, selection = answer.target, answer.selection
    if target is None:
        return MarkerArray(markers=[Marker(header=answer.header, action=Marker.DELETEALL)])
    red, green, blue = _COLOURS[selection.status]
    sides = [max(float(side), _SMALLEST_BOX) for side in target.extent]
    box = Marker(
        header=answer.header,
        ns="target",
        id=0,
        type=Marker.CUBE,
        pose=_pose(target),
        scale=Vector3(x=sides[0], y=sides[1], z=sides[2]),
        color=ColorRGBA(r=red, g=green, b=blue, a=0.4),
    )
    label = Marker(
        header=answer.header,
        ns="target",
        id=1,
        type=Marker.TEXT_VIEW_FACING,
        pose=_pose(target),
        scale=Vector3(z=_TEXT_HEIGHT),
        color=ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0),
        text=f"{selection.expression} ({selection.score:.2f})",
    )
    # Above the box: y points down in an optical frame.
    label.pose.position.y -= sides[1] / 2 + _TEXT_HEIGHT
    return MarkerArray(markers=[box, label])


def to_status(
    name: str, hardware: str, problems: Sequence[str], values: Mapping[str, object]
) -> DiagnosticStatus:
    """Make a diagnostic status: WARN with the problems if there are any, else OK.

    Args:
        name: Of the component.
        hardware: What it runs on.
        problems: One sentence each.
        values: Shown as they print.
    """
    return DiagnosticStatus(
        level=DiagnosticStatus.WARN if problems else DiagnosticStatus.OK,
        name=name,
        hardware_id=hardware,
        message="; ".join(problems) or "running",
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )


def _pose(target: Target) -> Pose:
    pose = Pose()
    x, y, z = (float(value) for value in target.position)
    pose.position = Point(x=x, y=y, z=z)
    pose.orientation.w = 1.0
    return pose
