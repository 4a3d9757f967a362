# SPDX-License-Identifier: Apache-2.0
"""The node with another method than the preset's: it answers by it and says so."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.msg", reason="the messages are not built")

from ros_peer import Peer, end, ros_domain, start

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros.methods.catalogue import METHODS
from refseg_ros.results import Status

_QUICK = ("ref_diff", "ref_diff_free")


@pytest.mark.parametrize(
    "method",
    [name if name in _QUICK else pytest.param(name, marks=pytest.mark.slow) for name in METHODS],
)
def test_the_node_answers_by_a_method_and_says_so(method: str, tmp_path: Path) -> None:
    scene = bundled_scenes()[0]
    with ros_domain() as environment:
        parameters = ("image_reliability:=reliable", "image_timeout:=0.0", f"method:={method}")
        node = start("segmenter_node", environment, tmp_path / "node.log", *parameters)
        peer = Peer()
        try:
            peer.wait_until_connected()
            peer.wait(lambda: peer.figures()["model"] != "loading", "the models", 120)
            assert f"tabletop with {method} on" in peer.figures()["model"]
            received = int(peer.figures()["frames received"])
            peer.send(peer.image(scene.frame.rgb))
            peer.wait(lambda: int(peer.figures()["frames received"]) > received, "the frame")
            result, mask = peer.ask(scene.referrals[0].expression)
            assert Status(result.status).has_target, result.reason
            assert result.method == f"tabletop with {method}"
            assert mask is not None
            assert result.area == sum(value == 255 for value in mask.data)
        finally:
            peer.close()
            if node.process.poll() is None:
                end(node, signal.SIGKILL)
