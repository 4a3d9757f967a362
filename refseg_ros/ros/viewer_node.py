# SPDX-License-Identifier: Apache-2.0
"""The node ``refseg_viewer``: serves the live page and speaks ROS for it."""

from __future__ import annotations

import json
import logging
import signal
import socket
import threading
from collections.abc import Sequence
from types import FrameType

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.logging import get_logger
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Int32, String

from refseg_ros.errors import ConfigError, ImageError, RefsegError, installed_by
from refseg_ros.ros import qos
from refseg_ros.ros.background import Spinning
from refseg_ros.ros.conversions import rgb_from_image
from refseg_ros.ros.listening import AnswerListener, Heard, stamp_ns
from refseg_ros.ros.parameters import Parameters, Rule
from refseg_ros.ros.process import RosLogHandler, initialise
from refseg_ros.ros.qos import RELIABILITIES
from refseg_ros.viewer.model import ViewerModel

SEGMENTER = "refseg"
CAMERA = "tabletop_camera"
VIEWER_PARAMETERS = (
    Rule(
        "host", "127.0.0.1", "Address to listen on; 0.0.0.0 lets the whole network send commands."
    ),
    Rule(
        "allowed_hosts",
        "",
        "More host names for the page, comma-separated, such as the name that browsers see for "
        "a proxy. This machine's names and addresses are always allowed.",
    ),
    Rule(
        "port",
        8080,
        "TCP port of the page. If it is taken, the node uses the next free one and logs it.",
        low=1,
        high=65535,
    ),
    Rule(
        "image_reliability",
        "best_effort",
        "Reliability of the image subscription.",
        choices=tuple(RELIABILITIES),
    ),
)
"""Parameters of the node ``refseg_viewer``."""
_PORTS_TRIED = 50


class ViewerNode(Node):
    """Fills a model from ROS topics and publishes what the page asks for.

    Args:
        model: What the page shows.
    """

    def __init__(self, model: ViewerModel) -> None:
        super().__init__("refseg_viewer")
        self.model = model
        self.settings = Parameters(self, VIEWER_PARAMETERS)
        self._scene: int | None = None
        self._command = self.create_publisher(String, "command", qos.COMMAND)
        self._next = self.create_publisher(Int32, f"{CAMERA}/scene", qos.COMMAND)
        image_qos = qos.sensor_input(self.settings["image_reliability"])
        self.create_subscription(Image, "image", self._on_image, image_qos)
        self.create_subscription(String, f"{CAMERA}/objects", self._on_objects, qos.LATCHED)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.RESULT)
        self._listener = AnswerListener(self, SEGMENTER, self._on_answer)
        self.create_timer(1.0, self._look_around)

    def send(self, command: str) -> None:
        """Publishes a command as it is."""
        self._command.publish(String(data=command))

    def next_scene(self) -> None:
        """Asks the simulated camera for the scene after the present one."""
        if self._scene is not None:
            self._next.publish(Int32(data=(self._scene + 1) % 2**31))

    def _on_image(self, message: Image) -> None:
        try:
            image = rgb_from_image(message)
        except ImageError as error:
            self.get_logger().warning(f"an image was ignored: {error}", throttle_duration_sec=10)
            return
        self.model.add_frame(stamp_ns(message.header), image)

    def _on_answer(self, heard: Heard) -> None:
        message = heard.message
        observed = 0.0 if message.reused_observation else float(message.observe_ms)
        self.model.add_answer(
            heard.stamp,
            heard.selection,
            observed,
            float(message.select_ms),
            heard.labels,
            message.tracked,
        )

    def _on_objects(self, message: String) -> None:
        try:
            scene, expressions = read_objects(message.data)
        except ValueError as error:
            self.get_logger().warning(f"{CAMERA}/objects was ignored: {error}")
            return
        self._scene = scene
        self.model.set_scene(f"scene {scene}", expressions)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        mine = self.resolve_topic_name(SEGMENTER)
        for status in message.status:
            if status.name.split(":")[0] == mine:
                well = status.level == DiagnosticStatus.OK
                self.model.set_problem("" if well else status.message[:200])

    def _look_around(self) -> None:
        present = self.count_publishers(self.resolve_topic_name(f"{SEGMENTER}/result")) > 0
        self.model.set_segmenter(present)


def read_objects(text: str) -> tuple[int, tuple[str, ...]]:
    """The scene's number and expressions of the camera's ``~/objects``.

    Expressions of every kind come first, in turn.

    Raises:
        ValueError: It is not what the camera publishes.
    """
    try:
        data = json.loads(text)
        kinds: dict[str, list[str]] = {}
        for referral in data["referrals"]:
            kinds.setdefault(str(referral["kind"]), []).append(str(referral["expression"]))
        scene = int(data["scene"])
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"not a scene description ({error})") from error
    turns = max(map(len, kinds.values()), default=0)
    rows = [
        [texts[turn] for texts in kinds.values() if turn < len(texts)] for turn in range(turns)
    ]
    return scene, tuple(dict.fromkeys(text for row in rows for text in row))


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """Opens the first free port from ``port`` on.

    Returns:
        The listening socket and the address to open in a browser.

    Raises:
        ConfigError: The host is not one of this machine, or no port is free.
    """
    reason = ""
    for wanted in range(port, min(port + _PORTS_TRIED, 65536)):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = socket.socket(family, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((host, wanted))
            server.listen(128)
        except OSError as error:
            server.close()
            reason = str(error)
            continue
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(
            host, f"[{host}]" if ":" in host else host
        )
        return server, f"http://{shown}:{wanted}/"
    raise ConfigError(f"host {host!r}, port {port}: nothing to listen on there ({reason})")


def serve(node: ViewerNode, stop: threading.Event) -> None:
    """Runs the web server on this thread until a signal or ``stop``.

    Raises:
        ConfigError: NiceGUI is not installed, or there is nothing to listen on.
    """
    with installed_by("viewer", "nicegui"):
        import uvicorn

        from refseg_ros.viewer.page import Actions, create_app

    class PatientServer(uvicorn.Server):
        """Ends the same way however many signals come: hurried, its tasks end in tracebacks."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            self.should_exit = True

    host, names = node.settings["host"], str(node.settings["allowed_hosts"]).split(",")
    app = create_app(node.model, Actions(node.send, node.next_scene), [host, *filter(None, names)])
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    server = PatientServer(config)
    opened, address = listen(host, node.settings["port"])
    node.get_logger().info(f"viewer at {address}")

    def end() -> None:
        stop.wait()
        server.should_exit = True

    threading.Thread(target=end, name="end of the viewer", daemon=True).start()
    server.run(sockets=[opened])


def main(args: Sequence[str] | None = None) -> None:
    """Run the viewer until SIGINT or SIGTERM."""
    stop = threading.Event()
    # The web server puts its own handlers on top while it runs.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    library = logging.getLogger("refseg_ros")
    library.addHandler(RosLogHandler())
    library.setLevel(logging.INFO)
    code = 0
    try:
        initialise(args)
        spinning = Spinning(ViewerNode(ViewerModel()), stop)
        with spinning as node:
            if not stop.is_set():
                serve(node, stop)
            stop.set()
        code = int(spinning.failed)
    except RefsegError as error:
        get_logger("refseg_viewer").fatal(str(error))
        code = 1
    finally:
        rclpy.try_shutdown()
    raise SystemExit(code)


if __name__ == "__main__":
    main()
