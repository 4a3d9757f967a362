# SPDX-License-Identifier: Apache-2.0
"""The node ``refseg``: images and commands in, the mask of the one thing meant out.

Two threads: the executor's takes messages, calls and parameters and never waits; the worker's
(answering.py) runs the models on the newest of what came.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_policy_name_from_kind
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import RefsegError
from refseg_ros.methods import with_method
from refseg_ros.results import Status
from refseg_ros.ros import qos
from refseg_ros.ros.answering import Answering, to_response
from refseg_ros.ros.depth import DepthStore
from refseg_ros.ros.frames import ReferenceFrame
from refseg_ros.ros.messages import Answer, to_status
from refseg_ros.ros.outputs import Outputs
from refseg_ros.ros.parameters import SEGMENTER, Parameters
from refseg_ros.ros.process import run
from refseg_ros.ros.worker import Call, Inbox
from refseg_ros.srv import Segment

if TYPE_CHECKING:
    from refseg_ros.segmenter import Segmenter

NAME = "refseg"
NO_IMAGE_SECONDS = 5.0
"""Without an image for so long the node warns."""

_ENDING_SECONDS = 1.0
_LOSS_HINT = (
    "; if they do send, the network layer loses the large images: set the parameter "
    "image_reliability to reliable, or load the Fast DDS profile fastdds.xml"
)


def load_segmenter(config: SegmenterConfig, device: str) -> Segmenter:
    """Load the models of a configuration; imports torch, which takes seconds."""
    # Read when torch loads. Threads that wait for one another in a busy loop make an observation
    # ten times slower as soon as a camera or planner wants the same cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from refseg_ros.backbones.device import Device
    from refseg_ros.segmenter import Segmenter

    return Segmenter.from_config(config, Device.from_name(device))


class SegmenterNode(Node):
    """Segments what commands mean in the newest image.

    Args:
        load: Makes the segmenter of a configuration and a device; runs in the worker.
        frame: Makes what looks up whose left and right are meant.
        options: Keyword arguments of ``rclpy.node.Node``, such as ``parameter_overrides``.

    Attributes:
        exit_code: Set when the process must end, because there are no models.

    Raises:
        ConfigError: A parameter's start value is not allowed.
    """

    def __init__(
        self,
        load: Callable[[SegmenterConfig, str], Segmenter] = load_segmenter,
        frame: Callable[[Node], ReferenceFrame] = ReferenceFrame.of_node,
        **options: Any,
    ) -> None:
        super().__init__(NAME, **options)
        self.exit_code: int | None = None
        self._load = load
        self._inbox = Inbox()
        self._values = Parameters(self, SEGMENTER, self._on_parameter)
        # Wrong ones are refused here.
        preset = SegmenterConfig.from_preset(self._values["preset"])
        self._config = with_method(preset, self._values["method"])
        self._depth = DepthStore()
        self._outputs = Outputs(self)
        self._frame = frame(self)
        self._answering = Answering(
            self._inbox, self._depth, self._frame, self._outputs, self._values, self.get_logger()
        )
        self._calls: list[Call] = []
        self._on_parameter("mode", self._values["mode"])
        if self._values["command"].strip():
            self._inbox.put_command(self._values["command"])
        self._subscribe()
        # Reentrant: a call is waited for without holding up the next.
        self.create_service(
            Segment,
            "~/segment",
            self._on_segment,
            qos_profile=qos.SERVICE,
            callback_group=ReentrantCallbackGroup(),
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.RESULT)
        # Not the ROS clock: a paused simulation must not silence the diagnostics.
        self.create_timer(1.0, self._on_tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._worker = threading.Thread(target=self._work, name="models", daemon=True)
        self._worker.start()

    def close(self) -> bool:
        """End the worker; False if a model is still at work."""
        self._inbox.stop()
        self._worker.join(_ENDING_SECONDS)
        return not self._worker.is_alive()

    def _work(self) -> None:
        """Body of the worker thread."""
        try:
            self._answering.run(lambda: self._load(self._config, self._values["device"]))
        except Exception as error:
            if not self._inbox.stopped:
                text = str(error) if isinstance(error, RefsegError) else traceback.format_exc()
                self.get_logger().fatal(f"the models cannot be loaded: {text}")
                self.exit_code = 1
                self._wake()

    def _wake(self) -> None:
        """Let the executor notice at once what another thread did."""
        if self.executor is not None:
            self.executor.wake()

    def _subscribe(self) -> None:
        compressed = self._values["image_transport"] == "compressed"
        profile = qos.sensor_input(self._values["image_reliability"])
        self._images = self.create_subscription(
            CompressedImage if compressed else Image,
            "image",
            self._inbox.put_frame,
            profile,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
            qos_overriding_options=qos.overridable(),
        )
        for kind, topic, callback in (
            (Image, "depth", self._depth.put),
            (CameraInfo, "camera_info", self._depth.put_info),
        ):
            self.create_subscription(
                kind, topic, callback, profile, qos_overriding_options=qos.overridable()
            )
        self.create_subscription(String, "command", self._on_command, qos.COMMAND)

    def _on_parameter(self, name: str, value: Any) -> None:
        if name == "mode":
            self._inbox.set_continuous(value == "continuous")

    def _on_command(self, message: String) -> None:
        replaced = self._inbox.put_command(message.data)
        if replaced is not None:
            reason = "a newer command replaced it before its turn came"
            self._outputs.publish_result(Answer.without_image(replaced, Status.IDLE, reason))

    async def _on_segment(self, request: Any, response: Any) -> Segment.Response:
        call = Call(request, Future(), time.monotonic() + self._values["service_timeout"])
        if not self._inbox.put_call(call):
            return _refusal(request, "too many calls wait already; call again later")
        self._calls.append(call)
        call.future.add_done_callback(lambda _: self._wake())
        answer = await call.future
        self._calls.remove(call)
        return answer

    def _on_incompatible(self, event: Any) -> None:
        self.get_logger().warning(
            f"nothing comes from a publisher of {self._images.topic_name}, because it offers less "
            f"than is asked for ({qos_policy_name_from_kind(event.last_policy_kind)}); set the "
            "parameter image_reliability to best_effort"
        )

    def _on_tick(self) -> None:
        """Once a second: calls that waited too long, and the diagnostics."""
        now = time.monotonic()
        loading = self._answering.segmenter is None
        reason = "the models are still being loaded" if loading else "the models are too busy"
        for call in self._calls:
            if call.deadline < now:
                call.answer(_refusal(call.request, f"no answer in time: {reason}"))
        name = f"{self.get_fully_qualified_name()}: segmentation"
        status = to_status(name, self._values["device"], self._problems(), self._figures())
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def _problems(self) -> list[str]:
        answering = self._answering
        problems = [] if answering.segmenter else ["loading the models"]
        silence = self._inbox.silence
        if silence > NO_IMAGE_SECONDS:
            topic = self._images.topic_name
            count = self.count_publishers(topic)
            text = f"no image on {topic} for {silence:.0f} s, publishers: {count}"
            problems.append(text)
            if self._inbox.pending or self._values["mode"] == "continuous":
                hint = _LOSS_HINT if count else ""
                self.get_logger().warning(text + hint, throttle_duration_sec=10.0)
        return problems + [text for text in (answering.depth_problem, self._frame.problem) if text]

    def _figures(self) -> dict[str, object]:
        answering, segmenter = self._answering, self._answering.segmenter
        return {
            "model": segmenter.description if segmenter else "loading",
            "mode": self._values["mode"],
            "command": answering.command,
            "left and right of": self._values["reference_frame"] or "the camera",
            "frames received": self._inbox.received,
            "frames dropped": self._inbox.dropped,
            "seconds without an image": f"{self._inbox.silence:.1f}",
            "last observe ms": f"{1e3 * answering.observe_seconds:.0f}",
            "last select ms": f"{1e3 * answering.select_seconds:.0f}",
            "last error": answering.last_error,
        }


def _refusal(request: Any, reason: str) -> Segment.Response:
    return to_response(Answer.without_image(request.expression, Status.ERROR, reason))


def main(args: Sequence[str] | None = None) -> None:
    """Run the node in this process until a signal; exits with 0, or 1 without models."""
    run(NAME, SegmenterNode, args)


if __name__ == "__main__":
    main()
