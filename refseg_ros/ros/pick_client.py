# SPDX-License-Identifier: Apache-2.0
"""The node ``refseg_pick``: a simulated camera and arm that pick what commands mean.

It owns the simulation, publishes what its camera sees, sends commands to the segmenter and closes
the gripper on what the segmenter's topics say. The simulator's truth only judges the outcome.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.markup import escape
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header, String

from refseg_ros.errors import RefsegError
from refseg_ros.evaluation import mask_iou
from refseg_ros.geometry import organised_cloud, rotation_from_quaternion
from refseg_ros.image_io import write_image
from refseg_ros.picking.cell import PickingCell
from refseg_ros.picking.film import Film
from refseg_ros.picking.grasps import Box
from refseg_ros.picking.picking import Attempt, judge, pick
from refseg_ros.picking.trials import (
    SHARE_NEEDED,
    Outcome,
    by_category,
    choose,
    open_scenes,
    save,
    summary,
    table,
)
from refseg_ros.results import Selection, Status
from refseg_ros.ros import qos
from refseg_ros.ros.background import Spinning
from refseg_ros.ros.camera_node import FRAME_ID, to_info
from refseg_ros.ros.conversions import to_image
from refseg_ros.ros.listening import AnswerListener, Heard, stamp_ns
from refseg_ros.ros.parameters import Parameters, Rule
from refseg_ros.ros.viewer_node import SEGMENTER
from refseg_ros.simulation import Frame
from refseg_ros.simulation.expressions import Referral
from refseg_ros.simulation.opengl import RendererUnavailable
from refseg_ros.viewer.overlay import draw_overlay

PARAMETERS = (
    Rule("seed", 0, "Seed of the first scene.", low=0, high=2**31 - 1),
    Rule("scenes", 4, "Scenes in which things are picked.", low=1, high=1000),
    Rule("out", "out/pick", "Folder for pictures and results; it must exist."),
    Rule("film", True, "Whether the first pick is filmed."),
    Rule("rate", 5.0, "Pictures that the camera publishes in a second.", low=0.5, high=30.0),
    Rule("answer_timeout", 180.0, "Seconds to wait for an answer.", low=1.0, high=3600.0),
)
"""Parameters of the node ``refseg_pick``."""

_NODE_TIMEOUT = 120.0  # seconds until the segmenter must be there
_CLOUD_TIMEOUT = 5.0  # seconds after an answer until its cloud must have come
_KEPT = 8  # clouds


class Interrupted(Exception):
    """A signal asked for the end."""


@dataclass(frozen=True)
class Reply:
    """What came back for a command.

    Attributes:
        heard: Result and mask.
        cloud: (H, W, 3) float32 metres from `~/target_cloud`; None without a target.
        box: Of the target in the camera's optical frame; None where the node has none.
        seconds: From sending the command to the answer.
    """

    heard: Heard
    cloud: NDArray[np.float32] | None
    box: Box | None
    seconds: float


class PickClient(Node):
    """The camera and the ear; the arm is moved by `run_trials`.

    Args:
        stop: Set when the process was asked to end.
    """

    def __init__(self, stop: threading.Event) -> None:
        super().__init__("refseg_pick")
        self.settings = Parameters(self, PARAMETERS)
        self._stop = stop
        self._news = threading.Condition()
        self._frame: Frame | None = None
        self._sent: set[int] = set()  # stamps of the present scene
        self._answers: list[Heard] = []
        self._clouds: list[tuple[int, NDArray[np.float32]]] = []
        self._image = self.create_publisher(Image, "image", qos.CAMERA)
        self._depth = self.create_publisher(Image, "depth", qos.CAMERA)
        self._info = self.create_publisher(CameraInfo, "camera_info", qos.CAMERA)
        self._command = self.create_publisher(String, "command", qos.COMMAND)
        cloud = f"{SEGMENTER}/target_cloud"
        self.create_subscription(PointCloud2, cloud, self._on_cloud, qos.RESULT)
        self._listener = AnswerListener(self, SEGMENTER, self._on_answer)
        self.create_timer(1.0 / self.settings["rate"], self._on_frame)

    def show(self, frame: Frame | None) -> None:
        """Publishes a frame from now on, again and again; None: nothing, while the arm moves."""
        with self._news:
            self._frame = frame
            if frame is not None:
                self._sent.clear()

    def resume(self, frame: Frame) -> None:
        """Publishes the frame of the present scene again."""
        with self._news:
            self._frame = frame

    def _on_frame(self) -> None:
        with self._news:
            frame = self._frame
            if frame is None:
                return
            header = Header(stamp=self.get_clock().now().to_msg(), frame_id=FRAME_ID)
            self._sent.add(stamp_ns(header))
        self._info.publish(to_info(frame, header))
        self._depth.publish(to_image(frame.depth, "32FC1", header))
        self._image.publish(to_image(frame.rgb, "rgb8", header))

    def _on_cloud(self, message: PointCloud2) -> None:
        with self._news:
            self._clouds = [*self._clouds[1 - _KEPT :], (stamp_ns(message.header), points_of(message))]
            self._news.notify_all()

    def _on_answer(self, heard: Heard) -> None:
        with self._news:
            self._answers.append(heard)
            self._news.notify_all()

    def wait(self, ready: Callable[[], Any], seconds: float, what: str) -> Any:
        """Waits until ``ready`` gives something.

        Raises:
            RefsegError: It does not in time.
            Interrupted: A signal came.
        """
        deadline = time.monotonic() + seconds
        with self._news:
            while not (found := ready()):
                if self._stop.is_set():
                    raise Interrupted
                if time.monotonic() > deadline:
                    raise RefsegError(f"{what} within {seconds:.0f} s")
                self._news.wait(0.1)
            return found

    def wait_for_segmenter(self) -> None:
        """Waits until somebody listens to commands."""
        name = self._command.topic_name
        self.wait(lambda: self.count_subscribers(name), _NODE_TIMEOUT, "no segmenter came up")

    def ask(self, command: str) -> Reply:
        """Sends a command and waits for what is published about a frame of the present scene.

        Raises:
            RefsegError: It does not come in time.
        """
        began = time.monotonic()
        heard = self._answer_to(command)
        while heard.stamp not in self._sent:  # the node had not yet seen a frame of this scene
            heard = self._answer_to(command)
        seconds = time.monotonic() - began
        cloud = None
        if heard.selection.status.has_target:

            def arrived() -> list[NDArray[np.float32]]:
                return [points for stamp, points in self._clouds if stamp == heard.stamp]

            missing = f"{SEGMENTER}/target_cloud said nothing for {command!r}"
            cloud = self.wait(arrived, _CLOUD_TIMEOUT, missing)[-1]
        return Reply(heard, cloud, box_of(heard.message), seconds)

    def _answer_to(self, command: str) -> Heard:
        with self._news:
            self._answers.clear()
            self._clouds.clear()
        self._command.publish(String(data=command))

        def answered() -> Heard | None:
            return next((heard for heard in self._answers if _is_final(heard, command)), None)

        seconds = self.settings["answer_timeout"]
        found: Heard = self.wait(answered, seconds, f"no answer to {command!r}")
        return found


def _is_final(heard: Heard, command: str) -> bool:
    message = heard.message
    return bool(message.command == command and message.is_final and not message.tracked)


def points_of(message: PointCloud2) -> NDArray[np.float32]:
    """The points of a cloud that has x, y and z as 32-bit floats.

    Returns:
        (H, W, 3) float32 metres, NaN where there is none.

    Raises:
        RefsegError: A field is missing.
    """
    offsets = {item.name: int(item.offset) for item in message.fields if item.datatype == 7}
    if not {"x", "y", "z"} <= set(offsets):
        raise RefsegError(f"cloud: expected float32 x, y and z, got {sorted(offsets)}")
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.row_step)
    cells = rows[:, : message.width * message.point_step]
    cells = cells.reshape(message.height, message.width, message.point_step)
    order = ">f4" if message.is_bigendian else "<f4"
    parts = [np.ascontiguousarray(cells[..., offsets[n] : offsets[n] + 4]) for n in "xyz"]
    return np.concatenate([part.view(order) for part in parts], -1).astype(np.float32)


def box_of(message: Any) -> Box | None:
    """The target's box of a refseg_ros/Segmentation, or None where it has none."""
    if not message.has_pose:
        return None
    place, turn, size = message.pose.pose.position, message.pose.pose.orientation, message.size
    return Box(
        np.array([place.x, place.y, place.z]),
        rotation_from_quaternion(turn.x, turn.y, turn.z, turn.w),
        np.array([size.x, size.y, size.z]),
    )


def run_trials(client: PickClient, console: Console) -> int:
    """Asks and picks in every scene, prints and writes what came of it.

    Returns:
        0 if enough commands succeeded, else 1.

    Raises:
        RefsegError: The segmenter does not answer in time.
        RendererUnavailable: The simulation cannot start.
        Interrupted: A signal came.
    """
    outcomes: list[Outcome] = []
    out, film = Path(client.settings["out"]), bool(client.settings["film"])
    scenes = islice(open_scenes(client.settings["seed"]), client.settings["scenes"])
    with Console(stderr=True).status("waiting for the simulation and the models…") as status:
        client.wait_for_segmenter()
        for turn, (cell, frame) in enumerate(scenes):
            client.show(frame)
            for referral in choose(cell.spec, frame, turn):
                status.update(f"scene {cell.spec.seed}: {escape(referral.expression)}")
                client.resume(frame)
                trial = _Trial(client, cell, frame, referral)
                outcome = trial.run(Film(cell, referral.expression) if film else None)
                film = film and not (outcome.ok and outcome.moved)
                trial.save(out, len(outcomes))
                outcomes.append(outcome)
                console.print(_line(outcome))
            client.show(None)
    console.print(table(outcomes))
    for line in summary(outcomes):
        console.print(line)
    (out / "by_category.md").write_text(by_category(outcomes) + "\n", encoding="utf-8")
    save(out / "results.json", outcomes)
    console.print(f"pictures and results.json are in {escape(str(out))}")
    good = sum(item.ok for item in outcomes)
    return 0 if good >= SHARE_NEEDED * len(outcomes) else 1


def _line(outcome: Outcome) -> str:
    mark = "picked" if outcome.ok and outcome.moved else "right " if outcome.ok else "failed"
    return (
        f"{mark} {outcome.scene} {escape(outcome.command)}: {outcome.status} "
        f"({escape(outcome.what)}); {escape(outcome.why)}"
    )


class _Trial:
    """One command: asked, acted on and judged."""

    def __init__(
        self, client: PickClient, cell: PickingCell, frame: Frame, referral: Referral
    ) -> None:
        self._client, self._cell, self._frame = client, cell, frame
        self._referral = referral
        self._film: Film | None = None

    def run(self, film: Film | None) -> Outcome:
        """Ask, let the arm act and judge; a film is kept if the pick succeeds."""
        cell, command = self._cell, self._referral.expression
        self._reply = reply = self._client.ask(command)
        selection = reply.heard.selection
        self._picture = self._draw(selection)
        self._client.show(None)  # what the arm does is not seen by the camera of this demo
        cell.reset()
        before = cell.places()
        if film is not None:
            film.start(self._picture)
        attempt = self._act(reply)
        meant = self._referral.targets[0] if self._referral.targets else -1
        lifted, verdict = judge(before, cell.places(), meant)
        if film is not None:
            film.stop()
            self._film = film if lifted and attempt.holding else None
        self._client.resume(self._frame)
        overlap = np.nan
        if meant >= 0:
            mask = selection.mask
            overlap = mask_iou(mask, self._frame.instances == meant + 1) if mask.size else 0.0
        chosen = selection.status is Status.SELECTED
        return Outcome(
            scene=cell.spec.seed,
            command=command,
            phenomenon=self._referral.phenomenon,
            category=cell.spec.objects[meant].category if meant >= 0 else "",
            status=selection.status.name,
            iou=float(overlap),
            perceived=bool(chosen and overlap >= 0.5) if meant >= 0 else not chosen,
            moved=attempt.grasp is not None,
            ok=lifted,
            what=selection.reason,
            why=f"{attempt.reason}: {verdict}" if attempt.grasp else attempt.reason,
            seconds=reply.seconds,
        )

    def _act(self, reply: Reply) -> Attempt:
        status = reply.heard.selection.status
        if status is Status.AMBIGUOUS:
            question = reply.heard.message.question or "several things fit"
            return Attempt(None, False, f"no motion, it asks back: {question}")
        if status is not Status.SELECTED:
            return Attempt(None, False, "no motion, there is nothing to pick")
        if reply.cloud is None or reply.box is None:
            return Attempt(None, False, f"no motion: {reply.heard.message.space_problem}")
        frame = self._frame
        rest = organised_cloud(
            ~np.isfinite(reply.cloud).all(-1), frame.depth, frame.intrinsics
        )
        return pick(self._cell, reply.cloud, reply.box, frame.camera_pose, rest)

    def _draw(self, selection: Selection) -> NDArray[np.uint8]:
        if selection.mask.size:
            return draw_overlay(self._frame.rgb, selection)
        shape = self._frame.rgb.shape
        blank = Selection.none(
            selection.expression,
            selection.status,
            selection.reason,
            (shape[0], shape[1]),
            selection.candidates,
            selection.seconds,
            selection.margin,
        )
        return draw_overlay(self._frame.rgb, blank)

    def save(self, out: Path, number: int) -> None:
        """Write the answer's picture, and the film if there is one."""
        write_image(out / f"{number:02d}.png", self._picture)
        if self._film is not None:
            self._film.save(out / "pick.webp")


def main(args: Sequence[str] | None = None) -> None:
    """Run the trials once."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    try:
        with Spinning(PickClient(stop), stop) as client:
            code = run_trials(client, console)
    except Interrupted:
        code = 130
    except (RefsegError, RendererUnavailable, OSError) as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"[red]refseg demo:[/red] {escape(str(error))}"
        )
        code = 1
    finally:
        rclpy.try_shutdown()
    raise SystemExit(code)


if __name__ == "__main__":
    main()
