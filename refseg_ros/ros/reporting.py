# SPDX-License-Identifier: Apache-2.0
"""The figures of /diagnostics: what the parts of the segmenter node know of themselves."""

from __future__ import annotations

from refseg_ros.ros.answering import Answering
from refseg_ros.ros.following import Follower
from refseg_ros.ros.health import Health, shown
from refseg_ros.ros.parameters import Parameters
from refseg_ros.ros.worker import Inbox


def figures(
    answering: Answering, inbox: Inbox, follower: Follower, health: Health, values: Parameters
) -> dict[str, object]:
    """Name to figure, in the order in which they are shown; to be asked for once a second."""
    segmenter = answering.segmenter
    counts = {
        "frames per second": inbox.received,
        "answers per second": health.answers,
        "drops per second": inbox.dropped,
        "tracked per second": follower.updates,
    }
    return {
        "model": segmenter.description if segmenter else "loading",
        "mode": values["mode"],
        "command": shown(answering.command),
        "left and right of": values["reference_frame"] or "the camera",
        "frames received": inbox.received,
        "frames dropped": inbox.dropped,
        "tracking": follower.state,
        "frames tracked": follower.updates,
        "frames not tracked": follower.dropped,
        "observations too late": follower.late,
        **health.rates(counts),
        "seconds without an image": f"{inbox.silence:.1f}",
        "last observe ms": f"{1e3 * answering.observe_seconds:.0f}",
        "last select ms": f"{1e3 * answering.select_seconds:.0f}",
        **health.latencies(),
        **health.figures(),
    }
