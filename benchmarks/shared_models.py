# SPDX-License-Identifier: Apache-2.0
"""What several cameras cost: a node each, or one ``model_server`` for all of them.

For each way: memory of all processes (proportional set size: a page that k processes share counts
1/k for each) after every camera had an answer, the time until all are ready, and how long all
answers take when every camera shows a new view and asks at once. Bundled models, 640×480.

Run: ``python benchmarks/shared_models.py [--cameras 3] [--rounds 10]``
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from refseg_ros.msg import Segmentation
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from refseg_lab.demo.launcher import free_domain
from refseg_lab.evaluation.timing import machine
from refseg_lab.processes import Children
from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import to_image

_PROFILE = Path(__file__).parents[1] / "refseg_ros" / "ros" / "fastdds.xml"
_PARAMETERS = ["-p", "image_reliability:=reliable", "-p", "image_timeout:=0.0"]


class Camera:
    """Publishes images and commands of one camera and hears its answers."""

    def __init__(self, node: Node, name: str) -> None:
        """Connect to the camera's segmenter."""
        self.results: list[Any] = []
        self._images = node.create_publisher(Image, f"{name}/image", qos.CAMERA)
        self._commands = node.create_publisher(String, f"{name}/command", qos.COMMAND)
        node.create_subscription(
            Segmentation, f"{name}/refseg/result", self.results.append, qos.ANSWER
        )
        self._sent = 0

    def connected(self) -> bool:
        """Whether the segmenter hears this camera."""
        return bool(
            self._images.get_subscription_count() and self._commands.get_subscription_count()
        )

    def ask(self) -> None:
        """Show a view that was not seen before, and ask."""
        self._sent += 1
        pixels = bundled_scenes()[0].frame.rgb.copy()
        pixels[:20, :20] = 80 * (self._sent % 4)
        self.results.clear()
        header = Header(frame_id="camera")
        header.stamp.sec = self._sent
        self._images.publish(to_image(pixels, "rgb8", header))
        self._commands.publish(String(data="the banana"))

    def answered(self) -> bool:
        """Whether the answer about the last image is there."""
        return any(result.header.stamp.sec == self._sent for result in self.results)


@contextmanager
def processes(commands: Sequence[Sequence[str]]) -> Iterator[list[int]]:
    """Run commands on a private domain; yields their process numbers."""
    os.environ["ROS_DOMAIN_ID"] = str(free_domain())
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(_PROFILE)
    rclpy.init()
    children = Children()
    with tempfile.TemporaryDirectory() as folder:
        try:
            yield [
                children.start(
                    f"{k}", list(command), dict(os.environ), Path(folder) / f"{k}"
                ).process.pid
                for k, command in enumerate(commands)
            ]
        finally:
            children.stop()
            rclpy.try_shutdown()


def proportional_set(number: int) -> float:
    """Memory of a process in megabytes, what it shares divided by who shares it."""
    lines = Path(f"/proc/{number}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("Pss:"))) / 1024


def measure(commands: Sequence[Sequence[str]], names: Sequence[str], rounds: int) -> str:
    """A row: memory, readiness and the time of a round of answers."""
    begun = time.monotonic()
    with processes(commands) as numbers:
        node = Node("benchmark")
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        cameras = [Camera(node, name) for name in names]

        def wait(condition: Callable[[], Any], seconds: float = 300.0) -> float:
            start = time.monotonic()
            while not condition():
                if time.monotonic() - start > seconds:
                    raise SystemExit("a node does not answer")
                executor.spin_once(timeout_sec=0.02)
            return time.monotonic() - start

        def round_of_answers() -> float:
            for camera in cameras:
                camera.ask()
            return wait(lambda: all(camera.answered() for camera in cameras))

        wait(lambda: all(camera.connected() for camera in cameras))
        round_of_answers()
        ready = time.monotonic() - begun
        times = sorted(round_of_answers() for _ in range(rounds))
        memory = sum(map(proportional_set, numbers))
    return (
        f"| {memory:.0f} MB | {ready:.1f} s | {1e3 * statistics.median(times):.0f} ms "
        f"({1e3 * times[0]:.0f} to {1e3 * times[-1]:.0f}) |"
    )


def main() -> None:
    """The command ``python benchmarks/shared_models.py``."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--cameras", type=int, default=3)
    made.add_argument("--rounds", type=int, default=10)
    options = made.parse_args()
    load = os.getloadavg()[0]
    names = [f"/camera{k}" for k in range(options.cameras)]
    module = [sys.executable, "-m"]
    alone = [*module, "refseg_ros.ros.segmenter_node", "--ros-args", *_PARAMETERS]
    apart = [[*alone, "-r", f"__ns:={name}"] for name in names]
    shared = [[*module, "refseg_ros.ros.model_server", *names, "--ros-args", *_PARAMETERS]]
    print(f"| {options.cameras} cameras | memory | all answer after | a round of answers |")
    print("|---|---|---|---|")
    print("| a process each", measure(apart, names, options.rounds))
    print("| one `model_server`", measure(shared, names, options.rounds))
    print(f"\n{machine()}; load {load:.1f} before")


if __name__ == "__main__":
    main()
