# SPDX-License-Identifier: Apache-2.0
"""A node process with real models, a peer, and scenes whose right answers are known."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from checkout import ROOT
from numpy.typing import NDArray
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.parameter import Parameter
from ros_peer import NAMESPACE, Peer, end, ros_domain
from sensor_msgs.msg import Image

from refseg_lab.evaluation.timing import cores
from refseg_lab.processes import Child, Children
from refseg_lab.simulation.benchmark import TabletopScene
from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros.results import Status

HERE = Path(__file__).parent
HANG = 2.0
"""Seconds after which a node that says nothing hangs, on a machine that has the time for it."""

GOOD_OVERLAP = 0.7
_SCENES = (0, 2)  # each with a first sentence that is answered right
_PROFILE = ROOT / "refseg_ros" / "ros" / "fastdds.xml"


@contextmanager
def domain() -> Iterator[dict[str, str]]:
    """rclpy on a private domain with room for large images; yields the environment to pass on."""
    os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(_PROFILE)
    with ros_domain() as env:
        yield {**env, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}


def patience(seconds: float = HANG) -> float:
    """Seconds on this machine now: as many times longer as there is more to do than cores."""
    return seconds * max(1.0, os.getloadavg()[0] / cores())


class Stand:
    """The node under test and all that is needed to tell whether it still works.

    Args:
        env: Environment of the node's process.
        folder: For logs and orders.
        parameters: NAME:=VALUE each.
        wait: Whether to wait for the models.
    """

    def __init__(
        self, env: dict[str, str], folder: Path, *parameters: str, wait: bool = True
    ) -> None:
        self.env, self.folder = env, folder
        self.orders = folder / "orders"
        self.orders.unlink(missing_ok=True)
        self.node = self.start(*parameters)
        self.peer = Peer()
        self._turn = self._marks = 0
        if wait:
            self.peer.wait_until_connected()
            self.wait_for_models()

    def start(self, *parameters: str) -> Child:
        """Start a node process."""
        number = len(list(self.folder.glob("node*.log")))
        arguments = [part for item in parameters for part in ("-p", item)]
        command = [sys.executable, str(HERE / "node.py"), "--ros-args"]
        command += ["-r", f"__ns:={NAMESPACE}", "-p", "image_reliability:=reliable", *arguments]
        env = {**self.env, "REFSEG_FAULT": str(self.orders)}
        return Children().start("node", command, env, self.folder / f"node{number}.log")

    def close(self) -> None:
        """Kill the node and forget the peer."""
        if self.node.process.poll() is None:
            end(self.node, signal.SIGKILL)
        self.peer.node.destroy_node()

    def wait_for_models(self) -> None:
        self.peer.wait(lambda: self.peer.figures()["model"] != "loading", "the models", 120)

    # -------------------------------------------------------------------- asking

    def scene(self) -> TabletopScene:
        """Another scene each time, so that the node has to look."""
        self._turn += 1
        return bundled_scenes()[_SCENES[self._turn % len(_SCENES)]]

    def show(self, image: Any) -> Any:
        """Publish an image and wait until the node has it."""
        before = int(self.figures()["frames received"])
        self.peer.send(image)
        self.peer.wait(
            lambda: int(self.figures()["frames received"]) > before, "the frame", patience(10)
        )
        return image

    def good_image(self, scene: TabletopScene) -> Image:
        """The scene with a new mark in its corner: a view that was never observed."""
        self._marks += 1
        pixels = scene.frame.rgb.copy()
        pixels[:20, :20] = 60 * (self._marks % 4)
        pixels[:20, 20:40] = 60 * (self._marks // 4 % 4)
        return self.peer.image(pixels)

    def ask(self, text: str, seconds: float = HANG) -> Any:
        """Publish a command; returns the first result for it.

        What it takes beyond the models' own time must be less than some seconds.
        """
        results = self.peer.heard["result"]
        results.clear()
        began = time.monotonic()
        self.peer.say(text)
        self.peer.wait(
            lambda: [item for item in results if item.command == text],
            "a result",
            10 * patience(seconds),
        )
        result = next(item for item in results if item.command == text)
        own = time.monotonic() - began - (result.observe_ms + result.select_ms) / 1e3
        assert own < patience(seconds), f"the answer took {own:.1f} s beyond the models' time"
        return result

    def figures(self) -> dict[str, str]:
        self.check_alive()
        return self.peer.figures()

    def wait_for_problem(self, words: str, seconds: float = 10.0) -> str:
        """The message of the diagnostics once it holds some words."""
        seen = [""]

        def found() -> bool:
            seen[0] = str(self.figures()["message"])
            return words in seen[0]

        deadline = time.monotonic() + patience(seconds)
        while not found():
            assert time.monotonic() < deadline, f"no {words!r} in the diagnostics: {seen[0]}"
        return seen[0]

    def check_alive(self) -> None:
        code = self.node.process.poll()
        assert code is None, f"the node ended with {code}: {self.node.last_lines(5)}"

    def check_works(self, seconds: float = HANG) -> float:
        """Show another scene and ask for a thing: the right mask must come; returns how soon."""
        scene = self.scene()
        referral = scene.referrals[0]
        image = self.show(self.good_image(scene))
        self.peer.heard["mask"].clear()
        before = time.monotonic()
        result = self.ask(referral.expression, seconds)
        passed = time.monotonic() - before
        assert result.status == Status.SELECTED, result.reason
        assert result.header == image.header, (result.header, image.header)
        self.check_mask(result, np.isin(scene.frame.instances, self.numbers(referral)))
        return passed

    @staticmethod
    def numbers(referral: Any) -> Sequence[int]:
        """The values of a referral's things in the instance image: 0 is the table."""
        return [target + 1 for target in referral.targets]

    def check_mask(self, result: Any, truth: NDArray[np.bool_]) -> None:
        masks = self.peer.heard["mask"]
        self.peer.wait(
            lambda: [m for m in masks if m.header == result.header], "the mask", patience()
        )
        message = next(item for item in reversed(masks) if item.header == result.header)
        mask = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width) > 0
        overlap = (mask & truth).sum() / (mask | truth).sum()
        assert overlap > GOOD_OVERLAP, f"a wrong mask is labelled right: overlap {overlap:.2f}"

    # ---------------------------------------------------------------- parameters

    def call(self, kind: Any, name: str, request: Any, seconds: float = HANG) -> Any:
        """Call a service of the node."""
        client = self.peer.node.create_client(kind, f"refseg/{name}")
        self.peer.wait(client.service_is_ready, name, 10)
        future = client.call_async(request)
        try:
            return self.peer.wait(future.result, f"the answer of {name}", patience(seconds))
        finally:
            self.peer.node.destroy_client(client)

    def set(self, name: str, value: Any) -> str:
        """Set a parameter; returns why not, or ""."""
        wanted = Parameter(name, value=value).to_parameter_msg()
        answer = self.call(
            SetParameters, "set_parameters", SetParameters.Request(parameters=[wanted])
        )
        return "" if answer.results[0].successful else str(answer.results[0].reason)

    def time_parameter(self) -> float:
        """Seconds that a parameter call takes."""
        before = time.monotonic()
        answer = self.call(GetParameters, "get_parameters", GetParameters.Request(names=["mode"]))
        assert isinstance(answer.values[0], ParameterValue)
        return time.monotonic() - before

    @contextmanager
    def order(self, text: str) -> Iterator[None]:
        """Let every observation fail in some way."""
        self.orders.write_text(text, encoding="utf-8")
        try:
            yield
        finally:
            self.orders.unlink()


class Maker:
    """Makes stands of their own for faults that end the node.

    Args:
        env: Environment of the nodes.
        folder: For logs and files; of this fault alone.
    """

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self.env, self.folder = env, folder

    @contextmanager
    def stand(self, *parameters: str, wait: bool = True) -> Iterator[Stand]:
        """A node process with a peer, killed at the end of the block."""
        stand = Stand(self.env, self.folder, *parameters, wait=wait)
        try:
            yield stand
        finally:
            stand.close()
