# SPDX-License-Identifier: Apache-2.0
"""What the segmenter node subscribes to, and what it says when nothing comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from refseg_ros.ros import qos
from refseg_ros.ros.depth import DepthStore, nanoseconds
from refseg_ros.ros.detections import Detections, detection_array
from refseg_ros.ros.graph import is_latched, publisher_problems, type_name
from refseg_ros.ros.parameters import Parameters
from refseg_ros.ros.worker import Inbox

_LOSS_HINT = (
    "; if they do send, the network layer loses the large images: set the parameter "
    "image_reliability to reliable, or load the Fast DDS profile fastdds.xml"
)
_MOST_SHOWN = 5  # topics in a hint
_DEPTH_QUEUE = 5
_AHEAD_SECONDS = 1.0  # that a stamp may be ahead of the clock


class Inputs:
    """The subscriptions of the segmenter node; they exist while it is active.

    Args:
        node: What subscribes.
        values: Its parameters.
        on_command: Gets what is said.
        tell: Hears of passing troubles: publishers that do not fit, and stamps that jump.
    """

    def __init__(
        self,
        node: Node,
        values: Parameters,
        on_command: Callable[[String], None],
        tell: Callable[[str], None],
    ) -> None:
        self._node, self._values = node, values
        self._on_command, self._tell = on_command, tell
        self._topic = node.resolve_topic_name("image")
        self._kind = CompressedImage if values["image_transport"] == "compressed" else Image
        self._kinds = {
            "image": self._kind,
            "depth": Image,
            "camera_info": CameraInfo,
            "command": String,
        }
        self._hears_latched = False
        self._subscriptions: list[Any] = []
        self._inbox = Inbox()
        self._detections = Detections("off", self._inbox.put_frame)
        self._last_stamp = 0

    def open(self, inbox: Inbox, depth: DepthStore, detections: Detections) -> None:
        """Subscribe.

        Args:
            inbox: Hears of silence.
            depth: Gets the depth images and calibrations.
            detections: Gets the images, and what was found in them if it is in use.

        Raises:
            ConfigError: A value of ``qos_overrides`` is not allowed; :meth:`close` what is open.
        """
        self._inbox, self._last_stamp, self._detections = inbox, 0, detections
        reliability = self._values["image_reliability"]
        sensor = qos.sensor_input(reliability)
        # One that is overtaken would be missed by the image that it belongs to.
        paired = qos.sensor_input(reliability, depth=_DEPTH_QUEUE)
        self._put_info = depth.put_info
        found: list[tuple[str, Callable[[Any], None], Any]] = []
        if detections.in_use:
            self._kinds |= {"detections": detection_array(), "detection_labels": Image}
            found = [
                ("detections", detections.put_found, paired),
                ("detection_labels", detections.put_labels, paired),
            ]
        for topic, callback, profile in (
            *found,
            ("image", self._on_image, sensor),
            ("depth", depth.put, paired),
            ("camera_info", depth.put_info, sensor),
            ("command", self._on_command, qos.COMMAND),
        ):
            name = self._node.resolve_topic_name(topic)
            with qos.checked(name, "subscription"):
                made = self._node.create_subscription(
                    self._kinds[topic],
                    topic,
                    callback,
                    qos.own(profile),
                    event_callbacks=qos.told_of_publishers(name, self._tell),
                    qos_overriding_options=qos.overridable(),
                )
            self._subscriptions.append(made)

    def review(self) -> list[str]:
        """Look at who publishes; to be called once a second while they are open.

        Returns:
            What cannot go well, in sentences.
        """
        resolve = self._node.resolve_topic_name
        if not self._hears_latched and is_latched(self._node, resolve("camera_info")):
            # One that would always ask for this would get nothing from all other cameras.
            made = self._node.create_subscription(
                CameraInfo, "camera_info", self._put_info, qos.LATCHED
            )
            self._subscriptions.append(made)
            self._hears_latched = True
        return [
            problem
            for topic, kind in self._kinds.items()
            for problem in publisher_problems(
                self._node, resolve(topic), kind, None if topic == "command" else 1
            )
        ]

    def close(self) -> None:
        """Hear nothing any more."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self._hears_latched = False

    def silence(self) -> str:
        """That no image comes, and how many could send some; any thread may ask."""
        count = self._node.count_publishers(self._topic)
        seconds = self._inbox.silence
        if self._last_stamp and self._detections.in_use:
            name = self._node.resolve_topic_name("detections")
            return f"no detections on {name} of an image on {self._topic} for {seconds:.0f} s"
        return f"no image on {self._topic} for {seconds:.0f} s, publishers: {count}"

    def hint(self) -> str:
        """What may be the cause of the silence, and what to do."""
        publishers = self._node.get_publishers_info_by_topic(self._topic)
        wanted = type_name(self._kind)
        others = {item.topic_type for item in publishers} - {wanted}
        if others:
            return f"; they send {', '.join(sorted(others))}, not {wanted}: see image_transport"
        if publishers:
            return _LOSS_HINT
        topics = [
            name for name, types in self._node.get_topic_names_and_types() if wanted in types
        ]
        there = sorted(set(topics) - {self._topic} - set(self._own()))[:_MOST_SHOWN]
        return f"; images are sent on: {', '.join(there)}" if there else ""

    def _own(self) -> list[str]:
        names = ("~/mask", "~/label_image", "~/overlay", "depth")
        return [self._node.resolve_topic_name(name) for name in names]

    def _on_image(self, message: Any) -> None:
        stamp = nanoseconds(message.header)
        if stamp < self._last_stamp:
            back = (self._last_stamp - stamp) / 1e9
            self._tell(f"the stamps of {self._topic} went back by {back:.3g} s")
        ahead = (stamp - self._node.get_clock().now().nanoseconds) / 1e9
        if ahead > _AHEAD_SECONDS:
            self._tell(
                f"the stamps of {self._topic} are ahead of this node's clock; check the clocks "
                "and use_sim_time"
            )
        self._last_stamp = stamp
        self._detections.put_image(message)
