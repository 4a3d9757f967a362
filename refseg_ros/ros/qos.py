# SPDX-License-Identifier: Apache-2.0
"""Quality of service of every topic, in one place."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

from refseg_ros.errors import ConfigError

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

RELIABILITIES = {
    "best_effort": ReliabilityPolicy.BEST_EFFORT,
    "reliable": ReliabilityPolicy.RELIABLE,
}
"""Values of the parameter ``image_reliability``."""


def _profile(
    reliability: ReliabilityPolicy,
    depth: int,
    durability: DurabilityPolicy = DurabilityPolicy.VOLATILE,
) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        durability=durability,
    )


def sensor_input(reliability: str, depth: int = 1) -> QoSProfile:
    """Frames of a camera.

    Args:
        reliability: A key of :data:`RELIABILITIES`.
        depth: Messages that may wait; 1 where only the newest counts.
    """
    return _profile(RELIABILITIES[reliability], depth)


COMMAND = _profile(ReliabilityPolicy.RELIABLE, depth=200)
"""What people and programs say: deep enough that a burst is answered, command by command."""

ANSWER = _profile(ReliabilityPolicy.RELIABLE, depth=200)
"""The text of the segmenter's answers: as many may come at once as there were commands."""

RESULT = _profile(ReliabilityPolicy.RELIABLE, depth=10)
"""Images beside the answers; serves reliable and best-effort subscribers."""

SERVICE = _profile(ReliabilityPolicy.RELIABLE, depth=64)
"""Calls: deep enough that a burst is refused in words rather than lost."""

CAMERA = _profile(ReliabilityPolicy.RELIABLE, depth=2)
"""Images that the simulated camera sends; serves reliable and best-effort subscribers."""

LATCHED = _profile(ReliabilityPolicy.RELIABLE, 1, DurabilityPolicy.TRANSIENT_LOCAL)
"""Facts that a late subscriber gets too."""


def overridable() -> QoSOverridingOptions:
    """Let parameters ``qos_overrides.TOPIC…`` change history, depth and reliability.

    For an endpoint with a profile of its `own`.
    """
    return QoSOverridingOptions.with_default_policies()


@contextmanager
def checked(topic: str, end: str) -> Iterator[None]:
    """Around what makes an overridable endpoint: says which override rclpy does not take.

    Args:
        topic: The topic's name as people know it.
        end: ``publisher`` or ``subscription``.

    Raises:
        ConfigError: A value of ``qos_overrides`` is not allowed.
    """
    try:
        yield
    except Exception as error:  # rclpy has an exception for each thing that can be wrong
        text = " ".join(str(error).split())
        raise ConfigError(f"qos_overrides.{topic}.{end}: {text}") from error


def own(profile: QoSProfile) -> QoSProfile:
    """A copy of a profile: rclpy writes an endpoint's overrides into what it is given."""
    return copy.copy(profile)


def told_of_publishers(topic: str, tell: Callable[[str], None]) -> SubscriptionEventCallbacks:
    """Say of a subscription that a publisher offers less than it asks for.

    Args:
        topic: The topic's name as people know it.
        tell: Gets one sentence, on the executor's thread.
    """

    def incompatible(event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        tell(
            f"nothing comes from a publisher of {topic}, because it offers less than is asked for "
            f"({policy}); set {_remedy(topic)} to what it offers"
        )

    return SubscriptionEventCallbacks(incompatible_qos=incompatible)


def told_of_subscribers(topic: str, tell: Callable[[str], None]) -> PublisherEventCallbacks:
    """Say of a publisher that a subscriber asks for more than it offers; see above."""

    def incompatible(event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        tell(
            f"a subscriber of {topic} gets nothing, because it asks for more than is offered "
            f"({policy}); ask for less there, or set qos_overrides.{topic}.publisher"
        )

    return PublisherEventCallbacks(incompatible_qos=incompatible)


def _remedy(topic: str) -> str:
    if topic.rsplit("/", 1)[-1] == "command":
        return f"qos_overrides.{topic}.subscription"
    return "the parameter image_reliability"
