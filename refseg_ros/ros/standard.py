# SPDX-License-Identifier: Apache-2.0
"""What is found, in the types that other nodes know: vision_msgs, and a compressed mask."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from geometry_msgs.msg import Vector3
from numpy.typing import NDArray
from rclpy.publisher import Publisher
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from refseg_ros.results import Proposals, Selection
from refseg_ros.ros import qos
from refseg_ros.ros.depth import Measured
from refseg_ros.ros.space import place_of, to_pose

if TYPE_CHECKING:
    from refseg_ros.scene import Scene

Found = Sequence[tuple[int, float]]
"""Rows of proposals and their scores, the target's first."""


def found_in(scene: Scene, selection: Selection | None) -> tuple[Proposals, Found]:
    """What is to be told of a scene.

    Args:
        scene: That was asked, or only looked at.
        selection: The answer; None if nothing was asked.

    Returns:
        Proposals, and every row of them with its share of the score: the chosen ones first, then
        the best. Where nothing was asked, the score is their source's; of an answer that weighed
        none it is 0.
    """
    if selection is None:
        return scene.proposals, list(enumerate(scene.proposals.scores.tolist()))
    chosen_from = selection.proposals or scene.proposals
    if not selection.candidates:
        return chosen_from, [(row, 0.0) for row in range(len(chosen_from))]
    scores = {item.index: float(item.score) for item in selection.candidates}
    order = dict.fromkeys((*selection.indices, *scores))  # each once, in this order
    return chosen_from, [(row, scores.get(row, 0.0)) for row in order]


def class_names(scene: Scene, proposals: Proposals) -> list[str]:
    """What each proposal is: its source's name, or the noun of its caption; "" if neither."""
    nouns = [""] * len(proposals)
    if proposals.asked:
        scene = scene.holding(proposals)
    if proposals is scene.proposals:  # those that were drawn for a sentence bring their names
        nouns = ["" if thing is None else thing.head for thing in scene.so_far.names]
    return [name or noun for name, noun in zip(proposals.names or nouns, nouns, strict=True)]


def to_detections(
    kinds: Any, proposals: Proposals, found: Found, names: Sequence[str], header: Header
) -> Any:
    """Make a ``Detection2DArray``.

    Args:
        kinds: The module ``vision_msgs.msg``.
        proposals: Whose boxes they are.
        found: What :func:`found_in` tells.
        names: What :func:`class_names` tells.
        header: That of the image.
    """
    message = kinds.Detection2DArray(header=header)
    for row, score in found:
        x0, y0, x1, y1 = (float(side) for side in proposals.boxes[row])
        item = kinds.Detection2D(header=header, id=str(row + 1))
        item.bbox.center.position.x, item.bbox.center.position.y = (x0 + x1) / 2, (y0 + y1) / 2
        item.bbox.size_x, item.bbox.size_y = x1 - x0, y1 - y0
        item.results = [_hypothesis(kinds, names[row], score)]
        message.detections.append(item)
    return message


def to_detections_3d(
    kinds: Any,
    proposals: Proposals,
    found: Found,
    names: Sequence[str],
    header: Header,
    measured: Measured,
) -> Any:
    """Make a ``Detection3DArray`` of those that have a pose, in the image's frame.

    Args:
        kinds: The module ``vision_msgs.msg``.
        proposals: Whose masks they are.
        found: What :func:`found_in` tells.
        names: What :func:`class_names` tells.
        header: That of the image.
        measured: Its depth.
    """
    message = kinds.Detection3DArray(header=header)
    for row, score in found:
        pose = place_of(proposals.masks[row], measured, "").pose
        if pose is None:
            continue
        item = kinds.Detection3D(header=header, id=str(row + 1))
        length, width, height = (float(side) for side in pose.size)
        item.bbox.center, item.bbox.size = to_pose(pose), Vector3(x=length, y=width, z=height)
        item.results = [_hypothesis(kinds, names[row], score)]
        item.results[0].pose.pose = to_pose(pose)
        message.detections.append(item)
    return message


def to_label_info(kinds: Any, names: Sequence[str], header: Header) -> Any:
    """Make a ``LabelInfo``: what each value of a label image is."""
    classes = [
        kinds.VisionClass(class_id=row + 1, class_name=name) for row, name in enumerate(names)
    ]
    return kinds.LabelInfo(header=header, class_map=classes)


def to_compressed(mask: NDArray[np.bool_], header: Header) -> CompressedImage:
    """Make a PNG of an (H, W) bool mask: 255 inside, 0 outside."""
    _, data = cv2.imencode(".png", mask.astype(np.uint8) * np.uint8(255))
    # As image_transport names it.
    message = CompressedImage(header=header, format="mono8; png compressed ")
    message.data = array("B", data.tobytes())
    return message


def _hypothesis(kinds: Any, name: str, score: float) -> Any:
    result = kinds.ObjectHypothesisWithPose()
    result.hypothesis.class_id, result.hypothesis.score = name, score
    return result


class StandardOutputs:
    """Publishers of what others know; those of vision_msgs only where it is installed.

    Args:
        publisher: Makes one of a type, a name and a quality of service.
        measured: Tells the depth of an image of a size and a header; None without.
    """

    def __init__(
        self,
        publisher: Callable[..., Publisher],
        measured: Callable[[tuple[int, int], Header], Measured | None],
    ) -> None:
        self._measured = measured
        self._mask = publisher(CompressedImage, "mask/compressed")
        try:
            import vision_msgs.msg as kinds
        except ImportError:  # it comes with a ROS distribution, not from pip
            self._kinds: Any = None
            return
        self._kinds = kinds
        self._flat = publisher(kinds.Detection2DArray, "detections")
        self._solid = publisher(kinds.Detection3DArray, "detections_3d")
        self._info = publisher(kinds.LabelInfo, "label_info", qos.LATCHED)

    def publish_mask(self, mask: NDArray[np.bool_], header: Header) -> None:
        """Publish the mask as a PNG, if someone listens."""
        if self._mask.get_subscription_count():
            self._mask.publish(to_compressed(mask, header))

    def publish_found(self, scene: Scene, selection: Selection | None, header: Header) -> None:
        """Publish what was seen, and what its labels are; boxes for those who listen."""
        if self._kinds is None:
            return
        proposals, found = found_in(scene, selection)
        names = class_names(scene, proposals)
        self._info.publish(to_label_info(self._kinds, names, header))
        told = (self._kinds, proposals, found, names, header)
        if self._flat.get_subscription_count():
            self._flat.publish(to_detections(*told))
        if self._solid.get_subscription_count():
            measured = self._measured(proposals.masks.shape[1:], header)
            if measured is not None:
                self._solid.publish(to_detections_3d(*told, measured))
