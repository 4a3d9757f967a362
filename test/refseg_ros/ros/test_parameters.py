# SPDX-License-Identifier: Apache-2.0
"""The parameter tables, the YAML file, and what a node does with them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import yaml
from checkout import ROOT

pytest.importorskip("rclpy")

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from refseg_lab.ros.parameter_file import TABLES, yaml_text
from refseg_ros.errors import ConfigError
from refseg_ros.ros.parameters import Parameters, Rule
from refseg_ros.ros.segmenter_parameters import SEGMENTER_PARAMETERS

YAML = ROOT / "config" / "refseg.yaml"
RULES = [rule for table in TABLES.values() for rule in table]


@pytest.fixture(scope="module")
def context() -> Iterator[None]:
    rclpy.init(args=["--ros-args", "--params-file", str(YAML)])
    yield
    rclpy.shutdown()


@pytest.fixture
def node(context: None) -> Iterator[Node]:
    # In a namespace: the file must reach the node there too.
    node = Node("refseg", namespace="robot")
    yield node
    node.destroy_node()


def test_yaml_file_is_the_table() -> None:
    assert YAML.read_text(encoding="utf-8") == yaml_text(TABLES)
    shown = {
        name.removeprefix("/**/"): body["ros__parameters"]
        for name, body in yaml.safe_load(yaml_text(TABLES)).items()
    }
    assert shown == {
        name: {rule.name: rule.default for rule in table} for name, table in TABLES.items()
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_defaults_are_allowed_and_described(rule: Rule) -> None:
    rule.check(rule.default)
    assert rule.description.endswith(".")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("mode", "always", "on_command, continuous"),
        ("image_transport", "", "raw, compressed"),
        ("keyframe_change", 256.0, "0 to 255"),
        ("keyframe_change", math.nan, "0 to 255"),
        ("service_timeout", 0.0, "0.1 to 3600"),
    ],
)
def test_refusals_name_value_and_alternatives(name: str, value: str | float, words: str) -> None:
    rule = next(rule for rule in SEGMENTER_PARAMETERS if rule.name == name)
    with pytest.raises(ConfigError, match=words) as caught:
        rule.check(value)
    assert name in str(caught.value)


def test_declared_from_the_file_and_described(node: Node) -> None:
    values = Parameters(node, SEGMENTER_PARAMETERS)
    for rule in SEGMENTER_PARAMETERS:
        assert values[rule.name] == rule.default
        descriptor = node.describe_parameter(rule.name)
        assert descriptor.description == rule.description
        assert descriptor.read_only is not rule.dynamic


def test_only_good_changes_of_live_parameters_are_taken(node: Node) -> None:
    heard = []
    values = Parameters(
        node, SEGMENTER_PARAMETERS, lambda name, value: heard.append((name, value))
    )

    def change(name: str, value: str | float) -> str:
        result = node.set_parameters([Parameter(name, value=value)])[0]
        return "" if result.successful else str(result.reason)

    assert change("mode", "continuous") == ""
    assert "on_command, continuous" in change("mode", "off")
    assert "255" in change("keyframe_change", 300.0)
    assert "255" in change("keyframe_change", math.nan)
    assert "read-only" in change("preset", "paper")
    assert change("keyframe_change", 12.5) == ""
    assert (values["mode"], values["keyframe_change"]) == ("continuous", 12.5)
    assert heard == [("mode", "continuous"), ("keyframe_change", 12.5)]


def test_all_or_nothing(node: Node) -> None:
    heard = []
    values = Parameters(node, SEGMENTER_PARAMETERS, lambda name, value: heard.append(name))
    changes = [Parameter("mode", value="continuous"), Parameter("depth_slop", value=-1.0)]
    assert not node.set_parameters_atomically(changes).successful
    assert (values["mode"], heard) == ("on_command", [])


def test_a_whole_number_will_do_where_one_with_a_point_is_wanted(context: None) -> None:
    given = [Parameter("image_timeout", value=5), Parameter("max_megapixels", value="many")]
    node = Node("whole", parameter_overrides=given[:1])
    try:
        values = Parameters(node, SEGMENTER_PARAMETERS)
        assert (values["image_timeout"], type(values["image_timeout"])) == (5.0, float)
        assert node.describe_parameter("image_timeout").type == Parameter.Type.DOUBLE.value
        if hasattr(node, "add_pre_set_parameters_callback"):
            (result,) = node.set_parameters([Parameter("image_timeout", value=7)])
            assert result.successful, result.reason
            assert (values["image_timeout"], type(values["image_timeout"])) == (7.0, float)
        (result,) = node.set_parameters([Parameter("image_timeout", value=-1)])
        assert "3600" in result.reason
    finally:
        node.destroy_node()
    for wrong in (given[1:], [Parameter("image_timeout", value=4000)]):
        node = Node("wrong", parameter_overrides=wrong)
        try:
            with pytest.raises((ConfigError, ParameterException)):
                Parameters(node, SEGMENTER_PARAMETERS)
        finally:
            node.destroy_node()
