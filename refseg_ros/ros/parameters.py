# SPDX-License-Identifier: Apache-2.0
"""Parameters of nodes: one table beside each node, for declaration and checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node
from rclpy.parameter import Parameter

from refseg_ros.errors import ConfigError

Value = str | int | float  # bool is an int


@dataclass(frozen=True)
class Rule:
    """One parameter.

    Attributes:
        name: The declared name.
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
            self._declare(rule)
            rule.check(self[rule.name])
        node.add_on_set_parameters_callback(self._on_set)
        if hasattr(node, "add_pre_set_parameters_callback"):  # not in ROS 2 Humble
            node.add_pre_set_parameters_callback(self._with_points)

    def __getitem__(self, name: str) -> Any:
        """The value in force; any thread may ask."""
        return self._node.get_parameter(name).value

    def _declare(self, rule: Rule) -> None:
        """Declare a parameter; a whole number in place of one with a point will do."""
        node = self._node
        try:
            node.declare_parameter(rule.name, rule.default, rule.descriptor())
        except InvalidParameterTypeException:
            if not isinstance(rule.default, float):
                raise
            loose = ParameterDescriptor(dynamic_typing=True)
            given = node.declare_parameter(rule.name, rule.default, loose).value
            node.undeclare_parameter(rule.name)
            if type(given) is not int:
                raise
            node.declare_parameter(rule.name, float(given), rule.descriptor(), True)

    def _with_points(self, changes: list[Parameter]) -> list[Parameter]:
        """Changes with whole numbers as numbers with a point, where those are wanted."""
        wanted = {name for name, rule in self._rules.items() if isinstance(rule.default, float)}
        return [
            Parameter(change.name, value=float(change.value))
            if change.name in wanted and type(change.value) is int
            else change
            for change in changes
        ]

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
