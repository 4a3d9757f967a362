# SPDX-License-Identifier: Apache-2.0
"""Quality of service of every topic, in one place."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

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


def sensor_input(reliability: str) -> QoSProfile:
    """Frames of a camera: only the newest counts.

    Args:
        reliability: A key of :data:`RELIABILITIES`.
    """
    return _profile(RELIABILITIES[reliability], depth=1)


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
    """Let parameters ``qos_overrides.TOPIC…`` change history, depth and reliability."""
    return QoSOverridingOptions.with_default_policies()
