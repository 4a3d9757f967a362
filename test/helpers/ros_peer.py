# SPDX-License-Identifier: Apache-2.0
"""Another process's view of the segmenter: what the node tests send and hear."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from refseg_ros.msg import Segmentation
from refseg_ros.srv import Segment
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from refseg_lab.demo.launcher import free_domain
from refseg_lab.processes import Child, Children
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import to_image

FRAME_ID = "some_camera_optical_frame"
# Whoever else is on this machine may have hit on the same domain: nothing of theirs is heard.
NAMESPACE = f"/test_{os.getpid()}"
LAB = ("camera_node", "demo_client", "picking_node", "picture_node")
"""Nodes of the lab."""


@contextmanager
def ros_domain(args: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """rclpy on a private domain of this machine; yields the environment for other processes."""
    domain = free_domain()
    before = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE")
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    rclpy.init(args=list(args), domain_id=domain)
    try:
        yield {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    finally:
        rclpy.try_shutdown()
        # Nodes that nobody destroyed stay on the graph, where the next test file would see them.
        gc.collect()
        if before is None:
            del os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"]
        else:
            os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = before


def start(
    module: str,
    env: dict[str, str],
    log: Path,
    *parameters: str,
    namespaces: Sequence[str] = (),
) -> Child:
    """Start ``refseg_ros.ros.MODULE`` as a process that cannot outlive this one.

    Args:
        module: Name of the node's module.
        env: Its environment.
        log: File for its output.
        parameters: NAME:=VALUE each.
        namespaces: Arguments of the module; without any it runs in :data:`NAMESPACE`.
    """
    place = f"{'refseg_lab' if module in LAB else 'refseg_ros'}.ros.{module}"
    arguments = [part for item in parameters for part in ("-p", item)]
    command = [sys.executable, "-m", place, *namespaces, "--ros-args"]
    command += [*arguments, *(() if namespaces else ("-r", f"__ns:={NAMESPACE}"))]
    return Children().start(module, command, env, log)


def end(child: Child, number: int = signal.SIGINT, seconds: float = 20.0) -> tuple[int, str]:
    """Send a signal and wait; returns exit code and output."""
    child.process.send_signal(number)
    try:
        code = child.process.wait(seconds)
    except subprocess.TimeoutExpired:
        child.process.kill()
        raise AssertionError("\n".join(["the node did not end:", *child.last_lines()])) from None
    return code, "\n".join(child.last_lines(1000))


def spin_until(
    executor: SingleThreadedExecutor, condition: Callable[[], Any], what: str, seconds: float
) -> Any:
    """Spin until a condition gives something true, and return that."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        executor.spin_once(timeout_sec=0.05)
    return value


class Peer:
    """Publishes images and commands, and keeps everything that the segmenter says.

    Args:
        executor: Spun by `wait`; other nodes may be on it.
        kind: Message type of the images.
        namespace: Of the segmenter that it talks to.
    """

    def __init__(
        self,
        executor: SingleThreadedExecutor | None = None,
        kind: Any = Image,
        namespace: str = NAMESPACE,
    ) -> None:
        self.node = Node("peer", namespace=namespace)
        self._name = f"{namespace}/refseg"
        self._executor = executor or SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self.heard: dict[str, list[Any]] = {}
        self._images = self.node.create_publisher(kind, "image", qos.CAMERA)
        self._commands = self.node.create_publisher(String, "command", qos.COMMAND)
        for kind, name in (
            (Segmentation, "result"),
            (Image, "mask"),
            (Image, "label_image"),
            (Image, "overlay"),
        ):
            self.listen(kind, f"refseg/{name}", name)
        self.status: list[DiagnosticStatus] = []
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_status, qos.RESULT)
        self.service = self.node.create_client(Segment, "refseg/segment", qos_profile=qos.SERVICE)
        self._stamp = 0

    def close(self) -> None:
        """Leave the graph."""
        self.node.destroy_node()
        self._executor.shutdown(timeout_sec=0)

    def listen(self, kind: Any, topic: str, name: str) -> None:
        """Keep the messages of a topic under a name."""
        messages = self.heard.setdefault(name, [])
        profile = qos.ANSWER if kind is Segmentation else qos.RESULT
        self.node.create_subscription(kind, topic, messages.append, profile)

    def _on_status(self, message: DiagnosticArray) -> None:
        ours = f"{self._name}: "
        self.status += [status for status in message.status if status.name.startswith(ours)]

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
        """Spin until a condition gives something true, and return that."""
        return spin_until(self._executor, condition, what, seconds)

    def spin(self, seconds: float) -> None:
        """Spin for a time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def wait_until_connected(self) -> None:
        """Wait until the segmenter hears us and we hear it."""
        publishers = (self._images, self._commands)
        self.wait(
            lambda: (
                all(publisher.get_subscription_count() for publisher in publishers)
                and self.node.count_publishers("refseg/result")
                and self.service.service_is_ready()
            ),
            "the segmenter node",
        )

    def figures(self) -> dict[str, str]:
        """The newest diagnostics of the segmenter, after the next ones came."""
        self.status.clear()
        status = self.wait(lambda: self.status, "diagnostics")[-1]
        values = {item.key: item.value for item in status.values}
        return {**values, "message": status.message, "level": status.level[0]}

    def send(self, image: Any) -> Any:
        """Publish an image."""
        self._images.publish(image)
        return image

    def image(self, pixels: Any, encoding: str = "rgb8") -> Image:
        """Make an image message with a stamp of its own."""
        self._stamp += 1
        header = Header(frame_id=FRAME_ID)
        header.stamp.sec, header.stamp.nanosec = self._stamp, 42
        return to_image(np.asarray(pixels), encoding, header)

    def say(self, text: str) -> None:
        """Publish a command."""
        self._commands.publish(String(data=text))

    def ask(
        self, text: str, seconds: float = 60.0, has_mask: bool = True
    ) -> tuple[Segmentation, Image | None]:
        """Publish a command and wait for its result and mask."""
        results, masks = self.heard["result"], self.heard["mask"]
        results.clear()
        masks.clear()
        self.say(text)
        self.wait(lambda: results, f"a result for {text!r}", seconds)
        result = results[-1]
        assert result.command == text
        if not has_mask:
            self.spin(0.2)
            return result, masks[-1] if masks else None
        # Published before the result, but topics have no order when they arrive: that of an
        # earlier answer may come late.
        found = self.wait(
            lambda: [mask for mask in masks if mask.header == result.header],
            f"the mask for {text!r}",
        )
        return result, found[-1]

    def begin_call(self, text: str, image: Image | None = None, **fields: Any) -> Any:
        """Call the service; returns the future of its response."""
        request = Segment.Request(image=image or Image(), expression=text, **fields)
        return self.service.call_async(request)

    def call(
        self, text: str, image: Image | None = None, seconds: float = 60.0, **fields: Any
    ) -> Any:
        """Call the service and wait for its response."""
        future = self.begin_call(text, image, **fields)
        return self.wait(future.result, f"the service's answer to {text!r}", seconds)
