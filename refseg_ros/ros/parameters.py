# SPDX-License-Identifier: Apache-2.0
"""The parameters of the nodes: one table each for declaration, checks, YAML and documents."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from refseg_ros.errors import ConfigError
from refseg_ros.methods import METHODS
from refseg_ros.ros.qos import RELIABILITIES
from refseg_ros.simulation.sequences import KINDS

Value = str | int | float  # bool is an int


@dataclass(frozen=True)
class Rule:
    """One parameter.

    Attributes:
        name: As declared.
        default: Its type is the parameter's type.
        description: One or two sentences, with the unit.
        choices: The allowed values; empty if it is not a choice.
        low: Smallest allowed number.
        high: Largest allowed number.
        dynamic: Whether it may be set while the node runs.
    """

    name: str
    default: Value
    description: str
    choices: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    dynamic: bool = False

    @property
    def allowed(self) -> str:
        """The allowed values in words; empty if any will do."""
        if self.choices:
            return " | ".join(self.choices)
        if isinstance(self.default, bool):
            return "true | false"
        if math.isinf(self.low) and math.isinf(self.high):
            return ""
        return f"{self.low:.10g} to {self.high:.10g}"

    @property
    def default_text(self) -> str:
        """The default as YAML writes it."""
        if isinstance(self.default, str):
            return f'"{self.default}"'
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)

    def check(self, value: Value) -> None:
        """Refuse a value that is not allowed.

        Raises:
            ConfigError: Names the parameter, the value and what is allowed.
        """
        if self.choices and value not in self.choices:
            raise ConfigError(f"{self.name}: {value!r} is not one of {', '.join(self.choices)}")
        # Negated, so that NaN is refused.
        if not isinstance(value, str) and not self.low <= value <= self.high:
            raise ConfigError(f"{self.name}: {value!r} is out of range, allowed is {self.allowed}")

    def descriptor(self) -> ParameterDescriptor:
        """What ``ros2 param describe`` shows."""
        descriptor = ParameterDescriptor(
            description=self.description,
            read_only=not self.dynamic,
            additional_constraints=self.allowed if self.choices else "",
        )
        if isinstance(self.default, float) and self.allowed:
            limits = FloatingPointRange(from_value=self.low, to_value=self.high)
            descriptor.floating_point_range = [limits]
        elif type(self.default) is int and self.allowed:
            integers = IntegerRange(from_value=int(self.low), to_value=int(self.high), step=1)
            descriptor.integer_range = [integers]
        return descriptor


SEGMENTER = (
    Rule(
        "preset",
        "tabletop",
        "Models and settings: tabletop (bundled), paper, or the path of a .yaml file.",
    ),
    Rule(
        "method",
        "",
        f"How candidates are matched: {', '.join(METHODS)}; empty is the preset's own way.",
    ),
    Rule("device", "auto", "Where the models run: auto, cpu, cuda or cuda:N."),
    Rule(
        "mode",
        "on_command",
        "When to look: on_command looks when something is asked; continuous also whenever the "
        "view has changed, and answers the last command again; on_service only for calls of the "
        "service and the action: a command by topic is answered with ERROR.",
        choices=("on_command", "continuous", "on_service"),
        dynamic=True,
    ),
    Rule(
        "track",
        False,
        "Whether the target of an answer is followed: mask and result of every image that can be "
        "kept up with, until it is cleared or another command is answered; takes most of a CPU "
        "core.",
        dynamic=True,
    ),
    Rule(
        "anytime",
        False,
        "Whether a command on a new view is answered twice: at once from how candidates look and "
        "lie (is_final false), and with their captions as soon as those are made.",
        dynamic=True,
    ),
    Rule("command", "", "A command to begin with; empty is none. Later ones come by topic."),
    Rule(
        "autostart",
        True,
        "Whether the node configures and activates itself. With false it waits for a manager or "
        "`ros2 lifecycle set`, and says so in /diagnostics.",
    ),
    Rule(
        "image_transport",
        "raw",
        "Type of the image topic: raw is sensor_msgs/Image, compressed is CompressedImage.",
        choices=("raw", "compressed"),
    ),
    Rule(
        "image_reliability",
        "best_effort",
        "Reliability of the image, depth and camera_info subscriptions. best_effort goes with "
        "every camera but can lose large images; reliable needs a reliable publisher.",
        choices=tuple(RELIABILITIES),
    ),
    Rule(
        "image_timeout",
        10.0,
        "Seconds after which the newest image is too old to answer about, and after which a "
        "command that waits for one is answered with ERROR; 0 takes an image of any age.",
        low=0.0,
        high=3600.0,
        dynamic=True,
    ),
    Rule(
        "max_megapixels",
        16.0,
        "Images with more million pixels are refused with ERROR; memory and time grow with them.",
        low=0.01,
        high=1000.0,
        dynamic=True,
    ),
    Rule(
        "keyframe_change",
        6.0,
        "Change of view in grey levels (0 to 255): a frame is observed anew if the mean of any "
        "cell of a 32x24 grid differs by more from the observed frame.",
        low=0.0,
        high=255.0,
        dynamic=True,
    ),
    Rule(
        "keyframe_period",
        0.0,
        "In continuous mode, seconds after which an unchanged view is observed again; 0 is never.",
        low=0.0,
        high=86400.0,
        dynamic=True,
    ),
    Rule(
        "depth_slop",
        0.05,
        "Largest difference in seconds between the stamps of an image and its depth image.",
        low=0.0,
        high=10.0,
        dynamic=True,
    ),
    Rule(
        "reference_frame",
        "",
        "tf frame whose left, right, front and back commands mean, such as base_link (x forward, "
        "y left, z up from the table); needs camera_info and tf2_ros. Empty: the camera's.",
        dynamic=True,
    ),
    Rule(
        "target_frame",
        "",
        "tf frame of the poses on ~/target and in results, such as base_link; needs tf2_ros. "
        "Empty: the camera's optical frame.",
        dynamic=True,
    ),
    Rule(
        "service_timeout",
        60.0,
        "Seconds after which a call of ~/segment that was not answered is told so.",
        low=0.1,
        high=3600.0,
        dynamic=True,
    ),
)
"""Parameters of the node ``refseg``."""

CAMERA = (
    Rule("width", 640, "Width of the images in pixels.", low=16, high=2048),
    Rule("height", 480, "Height of the images in pixels.", low=16, high=2048),
    Rule("rate", 5.0, "Images a second.", low=0.1, high=60.0, dynamic=True),
    Rule(
        "scene", 0, "Number of the scene at the start; ~/scene changes it.", low=0, high=2**31 - 1
    ),
    Rule(
        "motion",
        "still",
        "What the camera does: still, or sway slowly from side to side.",
        choices=("still", "sway"),
        dynamic=True,
    ),
    Rule(
        "film",
        "none",
        "A film in place of a scene, played forth and back; scene is its number. camera: only the "
        "camera moves; moving: a thing too; occlusion: something is moved before a thing; exit: "
        "the camera turns away and back; alike: a thing is moved past one like it.",
        choices=("none", *KINDS),
    ),
    Rule(
        "noise",
        0.0,
        "Standard deviation of the sensor noise in grey levels (0 to 255).",
        low=0.0,
        high=64.0,
        dynamic=True,
    ),
)
"""Parameters of the node ``tabletop_camera``."""

VIEWER = (
    Rule("host", "127.0.0.1", "Address to listen on; 0.0.0.0 lets the whole network command."),
    Rule(
        "port",
        8080,
        "TCP port of the page; if it is taken, the next free one is used and logged.",
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

TABLES: Mapping[str, tuple[Rule, ...]] = {
    "refseg": SEGMENTER,
    "tabletop_camera": CAMERA,
    "refseg_viewer": VIEWER,
}
"""Node name to its table."""


class Parameters:
    """The declared and checked parameters of a node.

    Args:
        node: The node to declare them on.
        table: What to declare.
        on_change: Called with name and value of each change that was accepted.

    Raises:
        ConfigError: A start value is not allowed.
    """

    def __init__(
        self,
        node: Node,
        table: Iterable[Rule],
        on_change: Callable[[str, Any], None] = lambda name, value: None,
    ) -> None:
        self._node = node
        self._on_change = on_change
        self._rules = {rule.name: rule for rule in table}
        for rule in self._rules.values():
            node.declare_parameter(rule.name, rule.default, rule.descriptor())
            rule.check(self[rule.name])
        node.add_on_set_parameters_callback(self._on_set)

    def __getitem__(self, name: str) -> Any:
        """The value in force; any thread may ask."""
        return self._node.get_parameter(name).value

    def _on_set(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            for change in changes:
                if change.name in self._rules:
                    self._rules[change.name].check(change.value)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        for change in changes:
            if change.name in self._rules:
                self._on_change(change.name, change.value)
        return SetParametersResult(successful=True)


def yaml_text() -> str:
    """The text of ``config/refseg.yaml``: every parameter, its default and what it means."""
    lines = [
        "# Parameters of the nodes with their defaults, as refseg_ros/ros/parameters.py declares",
        "# them. Those marked (live) may be changed while the node runs.",
    ]
    for node, table in TABLES.items():
        lines += [f"/**/{node}:", "  ros__parameters:"]
        for rule in table:
            live = " (live)" if rule.dynamic else ""
            allowed = f" [{rule.allowed}]" if rule.allowed else ""
            text = f"{rule.description}{allowed}{live}"
            lines += [f"    # {line}" for line in textwrap.wrap(text, 90)]
            lines.append(f"    {rule.name}: {rule.default_text}")
    return "\n".join(lines) + "\n"


def markdown_text(table: Iterable[Rule]) -> str:
    """A table of parameters as the README shows it."""
    lines = ["| name | default | allowed | live | what |", "|---|---|---|---|---|"]
    for rule in table:
        allowed = rule.allowed.replace("|", "\\|") or "any"
        live = "yes" if rule.dynamic else "no"
        lines.append(
            f"| `{rule.name}` | {rule.default_text} | {allowed} | {live} | {rule.description} |"
        )
    return "\n".join(lines) + "\n"
