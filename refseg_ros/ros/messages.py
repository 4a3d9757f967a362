# SPDX-License-Identifier: Apache-2.0
"""From answers to messages; conversions.py does the pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, PoseStamped, Vector3
from numpy.typing import NDArray
from std_msgs.msg import Header

from refseg_ros.msg import Candidate as CandidateMsg
from refseg_ros.msg import Segmentation
from refseg_ros.results import Candidate, Selection, Status
from refseg_ros.ros.conversions import to_roi
from refseg_ros.ros.space import Place

if TYPE_CHECKING:
    from refseg_ros.scene import Scene

_NOWHERE = Place()


@dataclass(frozen=True)
class StampedAnswer:
    """What is published for one command.

    Attributes:
        header: That of the image that was segmented; empty if there was none.
        selection: The outcome; its mask has no pixels if no image could be read.
        scene: The observed image; None if there is none.
        reused: Whether the scene was observed for an earlier command.
        place: Where the thing is, as far as a depth image tells.
        image: (H, W, 3) uint8 RGB that is drawn on; None where nothing of it is published.
        method: Preset and method by which it was answered; empty if no image was looked at.
        tracked: Confidence in a target that was followed here from an earlier image; None
            otherwise.
        is_final: Whether no better answer about this image follows.
    """

    header: Header
    selection: Selection
    scene: Scene | None = None
    reused: bool = False
    place: Place = _NOWHERE
    image: NDArray[np.uint8] | None = None
    method: str = ""
    tracked: float | None = None
    is_final: bool = True

    @classmethod
    def without_image(
        cls, command: str, status: Status, reason: str, header: Header | None = None
    ) -> StampedAnswer:
        """An answer for which no image could be looked at."""
        return cls(header or Header(), Selection.none(command, status, reason, (0, 0)))


def to_segmentation(answer: StampedAnswer) -> Segmentation:
    """Make the message ``refseg_ros/Segmentation`` of an answer."""
    selection, scene = answer.selection, answer.scene
    stages = {} if scene is None else dict(scene.seconds)
    observed = stages.pop("total", 0.0)
    return Segmentation(
        header=answer.header,
        command=selection.expression,
        is_final=answer.is_final,
        tracked=answer.tracked is not None,
        tracking_confidence=math.nan if answer.tracked is None else answer.tracked,
        method=answer.method,
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
        **_space(answer.place),
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


def to_status(
    name: str, hardware: str, problems: Sequence[str], values: Mapping[str, object]
) -> DiagnosticStatus:
    """Make a diagnostic status: WARN with the problems if there are any, else OK.

    Args:
        name: The component's name.
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


def _space(place: Place) -> dict[str, Any]:
    """The fields of ``refseg_ros/Segmentation`` that tell where the target is."""
    point = [math.nan] * 3 if place.point is None else [float(part) for part in place.point]
    size = [math.nan] * 3 if place.pose is None else [float(side) for side in place.pose.size]
    return {
        "distance": place.distance,
        "point": Point(x=point[0], y=point[1], z=point[2]),
        "has_pose": place.target is not None,
        "pose": place.target or PoseStamped(),
        "size": Vector3(x=size[0], y=size[1], z=size[2]),
        "height": math.nan if place.pose is None else float(place.pose.height),
        "space_problem": place.problem,
    }
