# SPDX-License-Identifier: Apache-2.0
"""How the node keeps up with a camera: results a second, how old they are, how well they fit.

A film (benchmarks/tracking.py tells of them) is sent at the rate of a camera, forth and back, to a
node process with track:=true on the same machine, with depth. One thing is asked for by name. Then
the same while another client calls ~/segment with images of its own without a break, so that an
observation is always under way.

Run: ``python benchmarks/node_tracking.py [--film moving] [--seed 3] [--rate 15] [--seconds 20]``
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from refseg_ros.msg import Segmentation
from refseg_ros.srv import Segment
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header, String

from refseg_lab.demo.launcher import free_domain
from refseg_lab.evaluation.timing import machine
from refseg_lab.processes import Children
from refseg_lab.ros.camera_node import to_info
from refseg_lab.simulation import Frame, TabletopRenderer
from refseg_lab.simulation.sequences import KINDS, sample_film
from refseg_ros.results import Status
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import to_image
from refseg_ros.tracking.outline import overlap

LENGTH = 40
_PROFILE = Path(__file__).parents[1] / "refseg_ros" / "ros" / "fastdds.xml"


def main() -> int:
    """Measure and print; the exit status is 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--film", default="moving", choices=KINDS)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--rate", type=float, default=15.0, help="pictures a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    options = parser.parse_args()
    film = sample_film(options.seed, options.film, LENGTH)
    with TabletopRenderer(640, 480) as renderer:
        frames = [renderer.render(spec) for spec in film.frames]
    name = film.frames[0].objects[film.target].name
    print(f"{machine()}; load {os.getloadavg()[0]:.1f}; {options.film} {options.seed}: the {name}")
    with serving() as camera:
        camera.frames, camera.target = frames, film.target + 1
        camera.play(3.0, options.rate)  # first calls allocate
        camera.say(f"the {name}")
        camera.play(5.0, options.rate)
        for title, busy in (("alone", False), ("beside observations", True)):
            camera.busy = busy
            camera.results.clear()
            camera.answered = 0
            camera.play(options.seconds, options.rate)
            camera.report(title, options.seconds)
    return 0


class Camera:
    """Sends pictures and notes what is said of them."""

    frames: list[Frame]
    target: int

    def __init__(self, node: Node) -> None:
        """Connect to the node."""
        self.node, self._executor = node, SingleThreadedExecutor()
        self._executor.add_node(node)
        self.results: list[tuple[float, Any]] = []
        self._masks: dict[int, Any] = {}
        self._truths: dict[int, Any] = {}
        self._figures: dict[str, str] = {}
        self._image = node.create_publisher(Image, "image", qos.CAMERA)
        self._depth = node.create_publisher(Image, "depth", qos.CAMERA)
        self._info = node.create_publisher(CameraInfo, "camera_info", qos.CAMERA)
        self._command = node.create_publisher(String, "command", qos.COMMAND)
        self._service = node.create_client(Segment, "refseg/segment", qos_profile=qos.SERVICE)
        node.create_subscription(Segmentation, "refseg/result", self._on_result, qos.ANSWER)
        node.create_subscription(Image, "refseg/mask", self._on_mask, qos.RESULT)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_status, qos.RESULT)
        self._sent = 0
        self.busy, self.answered, self._call = False, 0, None
        while not (self._service.service_is_ready() and self._image.get_subscription_count()):
            self._executor.spin_once(timeout_sec=0.1)
        while self._figures.get("model", "loading") == "loading":
            self._executor.spin_once(timeout_sec=0.1)

    def _on_result(self, message: Any) -> None:
        self.results.append((time.time(), message))

    def _on_mask(self, message: Any) -> None:
        self._masks[stamp_of(message)] = message

    def _on_status(self, message: Any) -> None:
        self._figures = {item.key: item.value for item in message.status[0].values}

    def say(self, text: str) -> None:
        """Send a command."""
        self._command.publish(String(data=text))

    def play(self, seconds: float, rate: float) -> None:
        """Send the film for a time."""
        due, ends = time.monotonic(), time.monotonic() + seconds
        while time.monotonic() < ends:
            self._send()
            due += 1.0 / rate
            self._keep_busy()
            while (left := due - time.monotonic()) > 0:
                self._executor.spin_once(timeout_sec=left)

    def _send(self) -> None:
        last = len(self.frames) - 1
        frame = self.frames[last - abs(self._sent % (2 * last) - last)]
        self._sent += 1
        header = Header(stamp=self.node.get_clock().now().to_msg(), frame_id="camera")
        self._info.publish(to_info(frame, header))
        self._depth.publish(to_image(frame.depth, "32FC1", header))
        image = to_image(frame.rgb, "rgb8", header)
        self._truths[stamp_of(image)] = frame.instances == self.target
        self._image.publish(image)

    def _keep_busy(self) -> None:
        if self._call is not None and self._call.done():
            self.answered += 1
            self._call = None
        if self.busy and self._call is None:
            image = to_image(self.frames[0].rgb, "rgb8", Header())
            self._call = self._service.call_async(Segment.Request(image=image, expression="it"))

    def report(self, title: str, seconds: float) -> None:
        """Print what was measured."""
        tracked = [(when, item) for when, item in self.results if item.tracked]
        ages = [1e3 * (when - 1e-9 * stamp_of(item)) for when, item in tracked]
        fits, posed = [], 0
        for _, item in tracked:
            mask, truth = self._masks.get(stamp_of(item)), self._truths.get(stamp_of(item))
            posed += item.has_pose
            if mask is not None and truth is not None and truth.any():
                pixels = np.frombuffer(mask.data, np.uint8).reshape(truth.shape) > 0
                fits.append(overlap(pixels, truth))
        lost = sum(item.status == Status.LOST for _, item in tracked)
        low, middle, high = np.percentile(ages, (5, 50, 95))
        print(
            f"{title:<20}{len(tracked) / seconds:5.1f} results/s  age {middle:.0f} ms "
            f"({low:.0f} to {high:.0f})  mean IoU {np.mean(fits):.3f}  with a pose "
            f"{posed / len(tracked):.0%}  lost {lost}  observed {self.answered / seconds:.1f}/s"
        )
        print(f"{'':<20}track ms (p50, p95): {self._figures['track ms (p50, p95)']}")


def stamp_of(message: Any) -> int:
    """Nanoseconds of a message's stamp."""
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


@contextmanager
def serving() -> Iterator[Camera]:
    """A node process with track:=true, and the camera before it."""
    domain, children = free_domain(), Children()
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        os.environ.setdefault(name, str(_PROFILE))
    command = [sys.executable, "-m", "refseg_ros.ros.segmenter_node", "--ros-args"]
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
        child = children.start("node", [*command, "-p", "track:=true"], env, Path(folder) / "log")
        rclpy.init(domain_id=domain)
        node = Node("benchmark")
        try:
            yield Camera(node)
        finally:
            node.destroy_node()
            rclpy.try_shutdown()
            child.process.terminate()
            child.process.wait()


if __name__ == "__main__":
    sys.exit(main())
