# SPDX-License-Identifier: Apache-2.0
"""Publishes answers; what nobody subscribes to is not made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from refseg_ros.msg import Segmentation
from refseg_ros.ros import qos
from refseg_ros.ros.cloud import to_cloud
from refseg_ros.ros.conversions import label_image, to_image, to_mask
from refseg_ros.ros.depth import Measured
from refseg_ros.ros.keyframes import Observation
from refseg_ros.ros.markers import to_markers
from refseg_ros.ros.messages import StampedAnswer, to_segmentation
from refseg_ros.ros.standard import StandardOutputs
from refseg_ros.viewer.overlay import draw_overlay


class Outputs:
    """The publishers of the segmenter node.

    Args:
        node: Whose private topics they are.
        tell: Hears of subscribers that ask for more than is offered.
        measured: Tells the depth of an image of a size and a header; None without.

    Raises:
        ConfigError: A value of ``qos_overrides`` is not allowed.
    """

    def __init__(
        self,
        node: Node,
        tell: Callable[[str], None],
        measured: Callable[[tuple[int, int], Header], Measured | None],
    ) -> None:
        def publisher(kind: Any, name: str, profile: QoSProfile = qos.RESULT) -> Publisher:
            topic = node.resolve_topic_name(f"~/{name}")
            with qos.checked(topic, "publisher"):
                return node.create_publisher(
                    kind,
                    f"~/{name}",
                    qos.own(profile),
                    event_callbacks=qos.told_of_subscribers(topic, tell),
                    qos_overriding_options=qos.overridable(),
                )

        self._mask = publisher(Image, "mask")
        self._labels = publisher(Image, "label_image")
        self._overlay = publisher(Image, "overlay")
        self._markers = publisher(MarkerArray, "markers")
        self._target = publisher(PoseStamped, "target")
        self._cloud = publisher(PointCloud2, "target_cloud")
        self._result = publisher(Segmentation, "result", qos.ANSWER)
        self._standard = StandardOutputs(publisher, measured)

    def publish(self, answer: StampedAnswer) -> None:
        """Publish an answer: the images first, so that whoever gets the result has them."""
        header, selection, scene = answer.header, answer.selection, answer.scene
        if selection.mask.size:
            self._mask.publish(to_mask(selection.mask, header))
            self._standard.publish_mask(selection.mask, header)
        if scene is not None:
            chosen_from = selection.proposals or scene.proposals
            self._publish_labels(chosen_from.masks, header)
            self._standard.publish_found(scene, selection, header)
        if answer.image is not None:
            self._publish_drawn(answer, answer.image)
        if answer.place.target is not None:
            self._target.publish(answer.place.target)
        if self._markers.get_subscription_count():
            self._markers.publish(to_markers(answer))
        self.publish_result(answer)

    def _publish_drawn(self, answer: StampedAnswer, image: NDArray[np.uint8]) -> None:
        """What is made of the colour image, for those who listen."""
        header, selection, measured = answer.header, answer.selection, answer.place.measured
        if self._overlay.get_subscription_count():
            pixels = draw_overlay(image, selection, show_candidates=True)
            self._overlay.publish(to_image(pixels, "rgb8", header))
        if measured is not None and self._cloud.get_subscription_count():
            self._cloud.publish(to_cloud(selection.mask, measured, image, header))

    def publish_result(self, answer: StampedAnswer) -> None:
        """Publish the message alone: for what says nothing of the target in force."""
        self._result.publish(to_segmentation(answer))

    def publish_candidates(self, observation: Observation) -> None:
        """Publish what was seen while nothing is asked."""
        scene, header = observation.scene, observation.frame.header
        self._publish_labels(scene.proposals.masks, header)
        self._standard.publish_found(scene, None, header)

    def _publish_labels(self, masks: np.ndarray[Any, np.dtype[np.bool_]], header: Any) -> None:
        if self._labels.get_subscription_count():
            self._labels.publish(to_image(label_image(masks), "16UC1", header))
