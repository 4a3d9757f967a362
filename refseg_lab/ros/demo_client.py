# SPDX-License-Identifier: Apache-2.0
"""The node ``refseg_demo``: asks scripted commands of a running graph and judges the answers.

It talks to the camera and the segmenter by their topics alone, as any other node would.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rich.console import Console
from rich.markup import escape
from sensor_msgs.msg import Image
from std_msgs.msg import Int32, String

from refseg_lab.demo.script import (
    SCENES,
    CommandOutcome,
    DemoCommand,
    SceneFacts,
    answer_summary,
    answers_table,
    choose_commands,
    judge_answer,
    needed,
    save_answers,
)
from refseg_lab.ros.client import Interrupted, run_client
from refseg_lab.simulation.catalogue import CATEGORIES
from refseg_ros.errors import RefsegError
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import rgb_from_image
from refseg_ros.ros.listening import (
    AnswerListener,
    Heard,
    labels_from_image,
    stamp_ns,
    with_mask,
)
from refseg_ros.ros.parameters import Parameters, Rule
from refseg_ros.ros.viewer_node import CAMERA, SEGMENTER
from refseg_ros.viewer.frames import FrameLog
from refseg_ros.viewer.overlay import draw_overlay

PARAMETERS = (
    Rule("seed", 0, "Number of the first scene.", low=0, high=2**31 - 1 - SCENES),
    Rule("out", "out/demo", "Folder for pictures and results; it must exist."),
    Rule("scene_timeout", 60.0, "Seconds to wait for the camera.", low=1.0, high=3600.0),
    Rule("answer_timeout", 180.0, "Seconds to wait for an answer.", low=1.0, high=3600.0),
)
"""Parameters of the node ``refseg_demo``."""

_QUEUE = 10  # every frame counts here, not only the newest
_FRESH_FRAMES = 2  # of a new scene, before the first command


class DemoClient(Node):
    """Asks and listens.

    Args:
        stop: Set when the process was asked to end.
    """

    def __init__(self, stop: threading.Event) -> None:
        super().__init__("refseg_demo")
        self.settings = Parameters(self, PARAMETERS)
        self._stop = stop
        self._news = threading.Condition()
        self._facts: SceneFacts | None = None
        self._images, self._truth = FrameLog(), FrameLog()
        self._received = 0  # frames of the present scene, with ground truth
        self._answers: list[tuple[float, Heard]] = []
        self._scene = self.create_publisher(Int32, f"{CAMERA}/scene", qos.COMMAND)
        self._command = self.create_publisher(String, "command", qos.COMMAND)
        images = qos.sensor_input("reliable")
        images.depth = _QUEUE
        self.create_subscription(Image, "image", self._on_image, images)
        self.create_subscription(Image, f"{CAMERA}/instances", self._on_truth, images)
        self.create_subscription(String, f"{CAMERA}/objects", self._on_objects, qos.LATCHED)
        self._listener = AnswerListener(self, SEGMENTER, self._on_answer)

    def _on_image(self, message: Image) -> None:
        self._add(self._images, self._truth, message, rgb_from_image(message))

    def _on_truth(self, message: Image) -> None:
        self._add(self._truth, self._images, message, labels_from_image(message))

    def _add(self, log: FrameLog, other: FrameLog, message: Image, pixels: Any) -> None:
        stamp = stamp_ns(message.header)
        with self._news:
            log.add(stamp, pixels)
            self._received += other.find(stamp) is not None
            self._news.notify_all()

    def _on_objects(self, message: String) -> None:
        try:
            facts = SceneFacts.from_json(message.data)
        except ValueError as error:
            self.get_logger().warning(f"{CAMERA}/objects was ignored: {error}")
            return
        with self._news:
            if self._facts is None or self._facts.number != facts.number:
                self._images.clear()  # what was seen before is another scene
                self._truth.clear()
                self._received = 0
            self._facts = facts
            self._news.notify_all()

    def _on_answer(self, heard: Heard) -> None:
        with self._news:
            self._answers.append((time.monotonic(), heard))
            self._news.notify_all()

    def wait(self, ready: Callable[[], Any], seconds: float, what: str) -> Any:
        """Waits until ``ready`` gives something; it is asked whenever there is news."""
        deadline = time.monotonic() + seconds
        with self._news:
            while not (found := ready()):
                if self._stop.is_set():
                    raise Interrupted
                if time.monotonic() > deadline:
                    raise RefsegError(f"{what} within {seconds:.0f} s")
                self._news.wait(0.1)
            return found

    def go_to(self, scene: int) -> SceneFacts:
        """Switches the camera to a scene and waits for its frames.

        Raises:
            RefsegError: They do not come in time.
        """
        seconds = self.settings["scene_timeout"]
        self.wait(lambda: self._facts, seconds, f"{CAMERA}/objects said nothing")
        if self._facts is None or self._facts.number != scene:
            self._scene.publish(Int32(data=scene))

        def arrived() -> SceneFacts | None:
            shown = self._facts is not None and self._facts.number == scene
            return self._facts if shown and self._received > _FRESH_FRAMES else None

        facts: SceneFacts = self.wait(arrived, seconds, f"the camera did not show scene {scene}")
        return facts

    def ask(self, command: str) -> tuple[Heard, float]:
        """Sends a command and waits for the answer about a frame of the present scene.

        Returns:
            The answer, and milliseconds from sending to hearing.

        Raises:
            RefsegError: No answer comes in time.
        """
        with self._news:
            self._answers.clear()
        began = time.monotonic()
        self._command.publish(String(data=command))

        def answered() -> tuple[float, Heard] | None:
            return next((a for a in self._answers if a[1].selection.expression == command), None)

        seconds = self.settings["answer_timeout"]
        moment, heard = self.wait(answered, seconds, f"no answer to {command!r}")
        return heard, (moment - began) * 1e3

    def frame(self, stamp: int) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """The frame of a stamp and its ground truth.

        Raises:
            RefsegError: It was not received, or belongs to another scene.
        """
        with self._news:
            image, truth = self._images.find(stamp), self._truth.find(stamp)
        if image is None or truth is None:
            raise RefsegError(f"the answer is about a frame of stamp {stamp} ns, which was lost")
        return image, truth


def run_script(client: DemoClient, console: Console) -> int:
    """Asks everything, prints the table and writes the files.

    Returns:
        0 if enough commands succeeded, else 1.

    Raises:
        RefsegError: Camera or segmenter do not answer in time.
        Interrupted: A signal came.
    """
    outcomes: list[CommandOutcome] = []
    pictures: list[NDArray[np.uint8]] = []
    seed, out = client.settings["seed"], Path(client.settings["out"])
    client.wait(
        lambda: client.count_subscribers(client.resolve_topic_name("command")),
        client.settings["scene_timeout"],
        "no segmenter came up",
    )
    with Console(stderr=True).status("waiting for the camera and the models…") as status:
        for turn in range(SCENES):
            facts = client.go_to(seed + turn)
            for referral in choose_commands(facts, turn, list(CATEGORIES)):
                status.update(f"scene {facts.number}: {escape(referral.expression)}")
                outcome, picture = _try(client, facts, referral)
                outcomes.append(outcome)
                pictures.append(picture)
                if not console.is_terminal:
                    console.print(_line(outcome))
    console.print(answers_table(outcomes))
    for line in answer_summary(outcomes):
        console.print(line)
    save_answers(out, outcomes, pictures)
    console.print(f"pictures and results.json are in {escape(str(out))}")
    return 0 if sum(item.ok for item in outcomes) >= needed(len(outcomes)) else 1


def _line(outcome: CommandOutcome) -> str:
    mark = "ok " if outcome.ok else "-- "
    return f"{mark} {outcome.scene}  {escape(outcome.command)}: {outcome.status}"


def _try(
    client: DemoClient, facts: SceneFacts, referral: DemoCommand
) -> tuple[CommandOutcome, NDArray[np.uint8]]:
    heard, answer_ms = client.ask(referral.expression)
    image, truth = client.frame(heard.stamp)
    selection = with_mask(heard.selection, image.shape[:2])
    message = heard.message
    observed = 0.0 if message.reused_observation else float(message.observe_ms)
    times = (observed, float(message.select_ms), answer_ms)
    outcome = judge_answer(facts.number, referral, selection, truth, times)
    return outcome, draw_overlay(image, selection)


def main(args: Sequence[str] | None = None) -> None:
    """Run the script once."""
    run_client(DemoClient, run_script, 120, args)


if __name__ == "__main__":
    main()
