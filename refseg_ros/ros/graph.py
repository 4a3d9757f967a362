# SPDX-License-Identifier: Apache-2.0
"""What others on the graph do that cannot go well: names twice, topics mixed, wrong types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy


def name_problems(node: Node) -> list[str]:
    """That another node has the same name, in a sentence."""
    own = (node.get_name(), node.get_namespace())
    count = node.get_node_names_and_namespaces().count(own)
    if count < 2:
        return []
    return [
        f"{count} nodes are called {node.get_fully_qualified_name()}: each hears every command, "
        "and a call reaches one of them; give each a namespace of its own"
    ]


def publisher_problems(node: Node, topic: str, kind: Any, most: int | None) -> list[str]:
    """What is wrong with the publishers of a topic, in sentences.

    Args:
        node: What subscribes to it.
        topic: Its full name.
        kind: The message type that is expected.
        most: Publishers that there may be; None is any number.
    """
    wanted = type_name(kind)
    publishers = node.get_publishers_info_by_topic(topic)
    problems = []
    if wrong := [item for item in publishers if item.topic_type != wanted]:
        types = ", ".join(sorted({item.topic_type for item in wrong}))
        problems.append(f"{topic}: {_names(wrong)} sends {types}, not {wanted}")
    fitting = [item for item in publishers if item.topic_type == wanted]
    if most is not None and len(fitting) > most:
        problems.append(
            f"{topic}: {len(fitting)} publishers ({_names(fitting)}) send what is taken for one "
            "stream; give each a topic of its own"
        )
    return problems


def is_latched(node: Node, topic: str) -> bool:
    """Whether a publisher of a topic keeps its last message for those who come later."""
    return any(
        item.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        and item.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        for item in node.get_publishers_info_by_topic(topic)
    )


def type_name(kind: Any) -> str:
    """A message type as ROS names it, such as ``sensor_msgs/msg/Image``."""
    return f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"


def _names(publishers: Iterable[Any]) -> str:
    """The nodes of some publishers."""
    names = {f"{item.node_namespace}/{item.node_name}".replace("//", "/") for item in publishers}
    return ", ".join(sorted(names))
