# SPDX-License-Identifier: Apache-2.0
"""The node ``refseg``: images and commands in, the mask of the one thing meant out.

The executor's thread takes messages, calls and parameters and never waits; the worker's
(answering.py) runs the models on the newest of what came; the tracker's (following.py) follows
what was found. A managed node: configuring loads the models, activating lets images and commands
in.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State
from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node

from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import ConfigError, RefsegError, installed_by
from refseg_ros.loading import LOADING
from refseg_ros.methods.catalogue import with_method
from refseg_ros.ros import qos
from refseg_ros.ros.answering import Answering
from refseg_ros.ros.calibration import is_rectified
from refseg_ros.ros.calls import Calls
from refseg_ros.ros.commands import Commands
from refseg_ros.ros.depth import DepthStore
from refseg_ros.ros.detections import Detections, detection_array
from refseg_ros.ros.following import Follower
from refseg_ros.ros.frames import (
    FRAME_PARAMETERS,
    Connection,
    ReferenceFrame,
    Tf2Transforms,
    Transforms,
)
from refseg_ros.ros.graph import name_problems
from refseg_ros.ros.health import Health, shown
from refseg_ros.ros.inputs import Inputs
from refseg_ros.ros.managed import (
    reported,
    state_of,
    survive_wrong_transitions,
    unconfigure,
)
from refseg_ros.ros.messages import to_status
from refseg_ros.ros.outputs import Outputs
from refseg_ros.ros.parameters import Parameters
from refseg_ros.ros.process import run
from refseg_ros.ros.reporting import figures
from refseg_ros.ros.segmenter_parameters import SEGMENTER_PARAMETERS
from refseg_ros.ros.sharing import FairLock
from refseg_ros.ros.space import Places
from refseg_ros.ros.worker import Inbox

if TYPE_CHECKING:
    from refseg_ros.segmenter import Segmenter

NAME = "refseg"

_PACKAGES = "torch open_clip_torch segment-anything transformers"
_ENDING_SECONDS = 0.5
# Jumps of the clock after which what was seen is of another time.
_FORWARD, _BACKWARD = Duration(seconds=10.0), Duration(nanoseconds=-1)
_SUCCESS, _FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


def load_segmenter(config: SegmenterConfig, device: str) -> Segmenter:
    """Load the models of a configuration; imports torch, which takes seconds.

    Raises:
        ConfigError: A library is not installed.
        WeightsError: A checkpoint is missing or cannot be read.
    """
    # Read when torch loads. Threads that wait for one another in a busy loop make an observation
    # ten times slower as soon as a camera or planner wants the same cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with LOADING, installed_by("models", _PACKAGES):
        from refseg_ros.backbones.device import Device
        from refseg_ros.segmenter import Segmenter

        return Segmenter.from_config(config, Device.from_name(device))


class SegmenterNode(LifecycleNode):
    """Segments what commands mean in the newest image.

    Args:
        load: Makes the segmenter of a configuration and a device; runs in the worker.
        transforms: Makes what knows how frames of the robot lie to the camera's.
        turn: Held while the models observe and answer; shared by nodes that share them.
        options: Keyword arguments of ``rclpy.node.Node``, such as ``parameter_overrides``.

    Attributes:
        exit_code: Set when the process must end: no models (with ``autostart``), or shut down.

    Raises:
        ConfigError: A parameter's start value is not allowed.
    """

    def __init__(
        self,
        load: Callable[[SegmenterConfig, str], Segmenter] = load_segmenter,
        transforms: Callable[[Node], Transforms] = Tf2Transforms,
        turn: FairLock | None = None,
        **options: Any,
    ) -> None:
        super().__init__(NAME, **options)
        survive_wrong_transitions(self)
        self.exit_code: int | None = None
        self._load = load
        self._turn = turn or FairLock()
        self._health = Health()
        self._values = Parameters(self, SEGMENTER_PARAMETERS, self._on_parameter)
        geometry, topic = self._values["image_geometry"], self.resolve_topic_name("image")
        self._depth = DepthStore(is_rectified(geometry, topic))
        self._connection = Connection(lambda: transforms(self), self._values)
        self._frame = ReferenceFrame()
        self._places = Places(self._depth, self._values, self._connection)
        self._outputs = Outputs(self, self._tell, self._places.measured)
        self._follower = Follower(
            self._places, self._outputs, self._values, self._health, self.get_logger()
        )
        self._inbox = Inbox()
        self._commands = Commands(self._values, self._outputs, self._follower, lambda: self._inbox)
        self._inputs = Inputs(self, self._values, self._commands.hear, self._tell)
        self._detections = Detections(self._values["detections"], self._on_frame)
        self._answering = self._new_answering(self._inbox)
        self._workers: list[threading.Thread] = []
        self._load_failure = self._activation_failure = ""
        self._calls = Calls(self, self._values, self._open_inbox, self._is_loading, self._tell)
        with qos.checked("/diagnostics", "publisher"):
            self._diagnostics = self.create_publisher(
                DiagnosticArray,
                "/diagnostics",
                qos.own(qos.RESULT),
                qos_overriding_options=qos.overridable(),
            )
        # Not the ROS clock: a paused simulation must not silence the diagnostics.
        self.create_timer(1.0, self._on_tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
        threshold = JumpThreshold(min_forward=_FORWARD, min_backward=_BACKWARD)
        clock = self.get_clock()
        self._jumps = clock.create_jump_callback(threshold, post_callback=self._on_jump)
        if self._values["autostart"]:
            self._configuration()  # raises where configuring would only say that it failed
            self.trigger_configure()
            self.trigger_activate()

    # ------------------------------------------------------------------ life cycle

    @reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to load the models; /diagnostics tells when they are there."""
        try:
            config = self._configuration()
        except ConfigError as error:
            self._fail(f"cannot be configured: {error}")
            return _FAILURE
        self._load_failure = self._activation_failure = self._health.failure = ""
        self._connection.open(self._connection.wanted())
        self._inbox = Inbox()
        self._answering = self._new_answering(self._inbox)
        worker = threading.Thread(
            target=self._work, args=(self._answering, self._inbox, config), name="models"
        )
        worker.daemon = True
        # One that still loads what was cleaned up cannot be interrupted; it ends by itself.
        self._workers = [*(item for item in self._workers if item.is_alive()), worker]
        worker.start()
        return _SUCCESS

    @reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let images, commands and calls in; all of it, or nothing."""
        self._activation_failure = self._health.failure = ""
        try:
            for name in ("mode", "image_timeout"):
                self._on_parameter(name, self._values[name])
            self._inputs.open(self._inbox, self._depth, self._detections)
        except Exception as error:  # such as a value of qos_overrides that is not allowed
            self._inputs.close()
            self._activation_failure = f"cannot be activated: {error}"
            self._fail(self._activation_failure)
            return _FAILURE
        self._inbox.active = True
        if self._values["command"].strip():
            self._commands.ask(self._values["command"], patient=True)
        return _SUCCESS

    @reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Hear and say nothing; the models stay loaded, and the command is over."""
        self._let_go()
        self._inbox.put_command("")
        return _SUCCESS

    @reported
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the models, as soon as they are done with what they are at."""
        self._let_go()
        self._inbox.stop()
        self._answering = self._new_answering(self._inbox)
        return _SUCCESS

    @reported
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Be unconfigured, whatever a change of state left behind."""
        return self.on_cleanup(state)

    @reported
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the process."""
        self._let_go()
        self._inbox.stop()
        self.exit_code = 0
        return _SUCCESS

    def _let_go(self) -> None:
        """Hear nothing any more, tell those who wait, and forget what was seen."""
        self._inputs.close()
        self._follower.stop()
        waiting = self._inbox.drain()
        self._inbox.active = False
        self._calls.refuse()
        if waiting:
            self._commands.drop(waiting, "the node was deactivated before its turn came")
        self._forget()

    def _fail(self, text: str) -> None:
        """Tell what keeps the node from working; with ``autostart`` it is the end."""
        self._health.failed(text)
        if not self._values["autostart"]:
            self.get_logger().error(text)
            return
        self.get_logger().fatal(text)
        self.exit_code = 1
        if self.executor is not None:
            self.executor.wake()

    def close(self) -> bool:
        """End worker and tracker; False if a model is still at work."""
        self._inbox.stop()
        idle = self._follower.close()
        deadline = time.monotonic() + _ENDING_SECONDS
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        return idle and not any(worker.is_alive() for worker in self._workers)

    def destroy_node(self) -> None:
        """As in rclpy, the action server and the life cycle included."""
        self._calls.close()
        self._jumps.unregister()
        super().destroy_node()
        # rclpy forgets it, which keeps the participant and its shared memory alive.
        self._state_machine.destroy_when_not_in_use()

    def _configuration(self) -> SegmenterConfig:
        preset = SegmenterConfig.from_preset(self._values["preset"])
        config = with_method(preset, self._values["method"])
        if self._detections.in_use:
            detection_array()
        elif not (
            config.proposals.checkpoint
            or config.proposals.detector
            or self._values["mode"] == "on_service"  # calls may bring masks
        ):
            raise ConfigError(
                f"detections: the preset {config.name} finds no masks, and 'off' brings none; set "
                "it to boxes or masks, or mode to on_service if calls bring masks"
            )
        return config

    def _new_answering(self, inbox: Inbox) -> Answering:
        return Answering(
            inbox,
            self._depth,
            self._detections,
            self._connection,
            self._frame,
            self._places,
            self._follower,
            self._outputs,
            self._values,
            self._health,
            self._inputs.silence,
            self.get_logger(),
        )

    def _work(self, answering: Answering, inbox: Inbox, config: SegmenterConfig) -> None:
        """Body of the worker thread."""
        try:
            answering.run(lambda: self._load(config, self._values["device"]), self._turn)
        except BaseException as error:  # whatever ends this thread, the node must not go mute
            if inbox.stopped:
                return
            text = str(error) if isinstance(error, RefsegError) else traceback.format_exc()
            # First of all: an activation that comes meanwhile clears what failed before it.
            self._load_failure = shown(f"the models cannot be loaded: {text}")
            self._fail(f"the models cannot be loaded: {text}")

    # -------------------------------------------------------------------- messages

    def _on_parameter(self, name: str, value: Any) -> None:
        if name == "mode":
            self._inbox.set_continuous(value == "continuous")
            if value == "on_service" and (self._answering.command or self._inbox.pending):
                self._commands.ask("")
        elif name == "track" and not value:
            self._follower.stop()
        elif name == "image_timeout":
            self._inbox.set_oldest(value)
        elif name in FRAME_PARAMETERS:
            self._connection.open([value])

    def _forget(self) -> None:
        """Answer about nothing that was seen so far: it is of another time."""
        self._inbox.forget_frame()
        self._answering.forget()
        self._depth.forget()
        self._detections.forget()

    def _on_jump(self, jump: TimeJump) -> None:
        """The clock jumped, as a simulation that begins anew or a recording that is repeated."""
        self._forget()
        self._connection.forget()

    def _on_frame(self, message: Any) -> None:
        """An image, with what was found in it if that comes from elsewhere."""
        # Before the inbox, so that a picture that is answered about is none that came after.
        self._follower.put(message)
        self._inbox.put_frame(message)

    def _open_inbox(self) -> Inbox | None:
        return self._inbox if self._inbox.active else None

    def _is_loading(self) -> bool:
        return self._answering.segmenter is None

    # ---------------------------------------------------------------------- health

    def _tell(self, text: str) -> None:
        """Report a passing trouble in the log and, for a while, in /diagnostics."""
        self._health.trouble(text)
        self.get_logger().warning(text, throttle_duration_sec=10.0)

    def _on_tick(self) -> None:
        """Once a second: calls that waited too long, and the diagnostics."""
        self._calls.expire()
        if self._load_failure and not self._values["autostart"]:
            unconfigure(self)  # without models
        problems = self._problems()
        failure = self._load_failure or self._activation_failure
        if not failure and self._health.failure:
            failure = f"the last answer failed: {self._health.failure}"
        status = to_status(
            f"{self.get_fully_qualified_name()}: segmentation",
            self._values["device"],
            [failure, *problems] if failure else problems,
            figures(self._answering, self._inbox, self._follower, self._health, self._values),
        )
        if failure:
            status.level = DiagnosticStatus.ERROR
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def _problems(self) -> list[str]:
        state = state_of(self)
        name = self.get_fully_qualified_name()
        problems = name_problems(self)
        if state == State.PRIMARY_STATE_UNCONFIGURED:
            return [f"unconfigured: ros2 lifecycle set {name} configure", *problems]
        problems += ["loading the models"] if self._is_loading() else []
        if state != State.PRIMARY_STATE_ACTIVE:
            return [*problems, f"inactive: ros2 lifecycle set {name} activate"]
        problems += self._inputs.review()
        limit = self._values["image_timeout"]
        if limit and self._inbox.silence > limit:
            text = self._inputs.silence() + self._inputs.hint()
            problems.append(text)
            if self._inbox.pending or self._values["mode"] == "continuous":
                self.get_logger().warning(text, throttle_duration_sec=10.0)
        # That of the answer is old news once it is followed.
        placed = self._follower if self._follower.following else self._answering
        stated = (placed.depth_problem, self._frame.problem)
        return [*problems, *self._health.troubles(), *(text for text in stated if text)]


def main(args: Sequence[str] | None = None) -> None:
    """Run the node in this process until a signal; exits with 0, or 1 without models."""
    run(NAME, SegmenterNode, args)


if __name__ == "__main__":
    main()
