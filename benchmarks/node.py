# SPDX-License-Identifier: Apache-2.0
"""What the node adds to the models: its own time, its patience, how old its answers are, memory.

Four measurements of a node process at 640×480, from another process on the same machine, over
Fast DDS with the profile that ships with the package:

* overhead: an image of a new view is sent when the last answer is there; from sending it to
  having its mask, less ``observe_ms`` and ``select_ms`` of its result. The bundled models,
  continuous mode.
* parameter: how long a parameter call takes while the models run without a break, and while
  nothing does: the executor is blocked no longer than that.
* age: a back end that sleeps 0.3 s, a camera of 30 Hz; from the stamp to having the result, beside
  the interval between results (the pipeline's period) and one frame of the camera.
* memory: resident memory of the node over many frames, each of a new view, with the bundled models
  (what they have no time for is dropped) or with a back end that answers every frame at once.

The load of the machine is printed: above the number of cores something else was running.

Run: ``python benchmarks/node.py overhead|parameter|age|memory [--frames N] [--back-end quick]``
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from refseg_ros.msg import Segmentation
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from refseg_lab.demo.launcher import free_domain
from refseg_lab.evaluation.timing import machine
from refseg_lab.processes import Children
from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros.results import Proposals, Selection, Status
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import to_image
from refseg_ros.ros.process import run
from refseg_ros.ros.segmenter_node import SegmenterNode

SLOW_SECONDS = 0.3
RATE = 30.0  # of the camera whose images grow old
WARM_UP = 10
_PROFILE = Path(__file__).parents[1] / "refseg_ros" / "ros" / "fastdds.xml"


class Sleeping:
    """A segmenter that sleeps and finds the left half of an image."""

    description = "a back end that sleeps"

    def __init__(self, seconds: float) -> None:
        """Set how long an image takes."""
        self._seconds = seconds

    def observe(self, image: NDArray[np.uint8]) -> Any:
        """Sleep."""
        time.sleep(self._seconds)
        mask = np.zeros(image.shape[:2], np.bool_)
        mask[:, : image.shape[1] // 2] = True
        proposals = Proposals(mask[None], np.ones(1, np.float32))

        def select(text: str) -> Selection:
            box = proposals.boxes[0]
            seconds = {"total": 0.0}
            return Selection(text, Status.SELECTED, "made up", mask, box, 1.0, 1.0, 0, (), seconds)

        seconds = {"total": self._seconds}
        return SimpleNamespace(image=image, proposals=proposals, seconds=seconds, select=select)


class Client:
    """The other process: sends images and commands and notes when answers come."""

    def __init__(self) -> None:
        """Connect to the node."""
        self.node = Node("benchmark")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._images = self.node.create_publisher(Image, "image", qos.CAMERA)
        self._commands = self.node.create_publisher(String, "command", qos.COMMAND)
        self.results: list[tuple[float, Any]] = []
        self.masks: list[tuple[float, int]] = []
        self.node.create_subscription(Segmentation, "refseg/result", self._on_result, qos.ANSWER)
        self.node.create_subscription(Image, "refseg/mask", self._on_mask, qos.RESULT)
        self._service = self.node.create_client(GetParameters, "refseg/get_parameters")
        self._pixels = bundled_scenes()[0].frame.rgb
        self._sent = 0
        self.wait(
            lambda: (
                self._images.get_subscription_count()
                and self._commands.get_subscription_count()
                and self.node.count_publishers("refseg/result")
                and self._service.service_is_ready()
            )
        )

    def _on_result(self, message: Any) -> None:
        self.results.append((time.time(), message))

    def _on_mask(self, message: Any) -> None:
        self.masks.append((time.time(), message.header.stamp.nanosec))

    def wait(self, condition: Callable[[], Any], seconds: float = 120.0) -> None:
        """Spin until something holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise SystemExit("the node does not answer")
            self._executor.spin_once(timeout_sec=0.05)

    def spin(self, seconds: float) -> None:
        """Spin for a time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def say(self, text: str) -> None:
        """Send a command."""
        self._commands.publish(String(data=text))

    def send(self) -> tuple[float, int]:
        """Send a view that was not seen before; returns when, and the nanoseconds of its stamp."""
        self._sent += 1
        pixels = self._pixels.copy()
        pixels[:20, :20] = 80 * (self._sent % 4)
        pixels[:20, 20:40] = 80 * (self._sent // 4 % 4)
        now = time.time()
        header = Header(frame_id="camera")
        header.stamp.sec, header.stamp.nanosec = int(now), int(now % 1 * 1e9)
        self._images.publish(to_image(pixels, "rgb8", header))
        return now, header.stamp.nanosec

    def call(self) -> float:
        """Seconds that a parameter call takes."""
        before = time.perf_counter()
        future = self._service.call_async(GetParameters.Request(names=["mode"]))
        while not future.done():
            self._executor.spin_once(timeout_sec=1.0)
        return time.perf_counter() - before


@contextmanager
def node(back_end: str) -> Iterator[tuple[Client, int]]:
    """A node process in continuous mode, a client, and the process's number."""
    os.environ["ROS_DOMAIN_ID"] = str(free_domain())
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(_PROFILE)
    rclpy.init()
    children = Children()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "serve", "--back-end", back_end]
        log = Path(folder) / "node.log"
        child = children.start("node", command, dict(os.environ), log)
        try:
            client = Client()
            client.say("the banana")
            client.send()
            client.wait(lambda: client.results)
            yield client, child.process.pid
        finally:
            children.stop()
            rclpy.try_shutdown()


def serve(back_end: str) -> None:
    """Be the node."""
    arguments = ["-p", "mode:=continuous", "-p", "image_reliability:=reliable"]
    arguments += ["-p", "image_timeout:=0.0"]  # one image at a time, however long it takes
    seconds = {"slow": SLOW_SECONDS, "quick": 0.0}.get(back_end)

    def make() -> SegmenterNode:
        if seconds is None:
            return SegmenterNode()
        return SegmenterNode(lambda config, device: Sleeping(seconds))  # type: ignore[arg-type,return-value]

    run("refseg", make, ["--ros-args", *arguments])


def overhead(count: int) -> None:
    """From sending an image to having its mask, less what the models took."""
    added, whole, pipeline = [], [], []
    with node("bundled") as (client, _):
        for _ in range(count + WARM_UP):
            client.results.clear()
            client.masks.clear()
            sent, stamp = client.send()
            client.wait(lambda: client.results and client.masks)
            result, mask = client.results[-1][1], client.masks[-1]
            if result.header.stamp.nanosec != stamp or mask[1] != stamp:
                raise SystemExit("an answer about another image")
            models = (result.observe_ms + result.select_ms) / 1e3
            whole.append(mask[0] - sent)
            pipeline.append(models)
            added.append(mask[0] - sent - models)
            client.spin(0.02)
    show("image in to mask out", whole[WARM_UP:])
    show("the models of it", pipeline[WARM_UP:])
    show("the node of it", added[WARM_UP:])


def parameter(count: int) -> None:
    """How long a parameter call takes."""
    with node("bundled") as (client, _):
        client.spin(1.0)
        idle = [client.call() for _ in range(count)]
        busy: list[float] = []
        while len(busy) < count:
            client.results.clear()
            client.send()
            while not client.results and len(busy) < count:
                busy.append(client.call())
                client.spin(0.01)
    show("parameter call, idle", idle)
    show("parameter call, models at work", busy)


def age(count: int) -> None:
    """How old a result is when it comes, beside the period and one frame."""
    with node("slow") as (client, _):
        client.results.clear()
        due = time.monotonic()
        while len(client.results) < count + 2:
            client.send()
            due += 1 / RATE
            client.spin(max(0.0, due - time.monotonic()))
        results = client.results[2:]
    times = [came for came, _ in results]
    ages = [came - stamp_of(message) for came, message in results]
    periods = [after - before for before, after in itertools.pairwise(times)]
    bound = statistics.median(periods) + 1 / RATE
    show("age of a result", ages)
    show("period of the pipeline", periods)
    within = sum(value <= bound for value in ages) / len(ages)
    print(
        f"period + one frame = {1e3 * bound:.0f} ms; {100 * within:.1f} % of the ages are within"
    )


def memory(count: int, back_end: str) -> None:
    """Resident memory over many frames."""
    with node(back_end) as (client, number):
        begun, rows, answers = time.monotonic(), [], 0
        for frame in range(1, count + 1):
            client.send()
            client.spin(0.004)
            answers += len(client.results)
            client.results.clear()
            client.masks.clear()
            if frame % (count // 10) == 0:
                rows.append((frame, resident(number)))
                print(f"  {frame:6d} frames  {rows[-1][1]:6.0f} MB", flush=True)
        seconds = time.monotonic() - begun
    grown = rows[-1][1] - rows[1][1]
    print(
        f"{count} frames in {seconds:.0f} s, {answers} answers; from frame {rows[1][0]} on the "
        f"memory grew by {grown:+.1f} MB"
    )


def resident(number: int) -> float:
    """Resident memory of a process in megabytes."""
    pages = int(Path(f"/proc/{number}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def stamp_of(message: Any) -> float:
    """A message's stamp in seconds."""
    return float(message.header.stamp.sec) + float(message.header.stamp.nanosec) / 1e9


def show(name: str, seconds: list[float]) -> None:
    """Print median, 5th and 95th percentile and greatest in milliseconds."""
    cuts = statistics.quantiles(seconds, n=20, method="inclusive")
    print(
        f"{name:32s} median {1e3 * cuts[9]:6.1f} ms, p5 {1e3 * cuts[0]:6.1f}, "
        f"p95 {1e3 * cuts[18]:6.1f}, greatest {1e3 * max(seconds):6.1f} ({len(seconds)} times)"
    )


def main() -> None:
    """The command ``python benchmarks/node.py``."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("what", choices=("overhead", "parameter", "age", "memory", "serve"))
    made.add_argument("--frames", type=int, help="or calls, or results, that are measured")
    made.add_argument("--back-end", choices=("bundled", "slow", "quick"), default="bundled")
    options = made.parse_args()
    if options.what == "serve":
        serve(options.back_end)
    load = os.getloadavg()[0]
    if options.what == "memory":
        memory(options.frames or 10_000, options.back_end)
    else:
        measure, count = {
            "overhead": (overhead, 100),
            "parameter": (parameter, 300),
            "age": (age, 100),
        }[options.what]
        measure(options.frames or count)
    print(f"{machine()}; load {load:.1f} before")


if __name__ == "__main__":
    main()
