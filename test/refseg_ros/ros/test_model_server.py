# SPDX-License-Identifier: Apache-2.0
"""Several cameras on one set of models, as users run it: one process, bundled models."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.msg", reason="the messages are not built")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from ros_peer import NAMESPACE, Peer, end, ros_domain, start

from refseg_lab.evaluation import mask_iou
from refseg_lab.processes import Child
from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros.errors import ConfigError
from refseg_ros.results import Status
from refseg_ros.ros.model_server import make_nodes

NAMES = (f"{NAMESPACE}/front", f"{NAMESPACE}/rear")


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with ros_domain() as env:
        yield env


@pytest.fixture
def server(environment: dict[str, str], tmp_path: Path) -> Iterator[Child]:
    parameters = ("image_reliability:=reliable", "image_timeout:=0.0")
    child = start("model_server", environment, tmp_path / "log", *parameters, namespaces=NAMES)
    yield child
    if child.process.poll() is None:
        end(child, signal.SIGKILL)


def test_two_cameras_are_answered_each_about_its_own_image(server: Child) -> None:
    peers = [Peer(namespace=name) for name in NAMES]
    scenes = [bundled_scenes()[number] for number in (0, 2)]
    for peer, scene in zip(peers, scenes, strict=True):
        peer.wait_until_connected()
        peer.wait(lambda peer=peer: peer.figures()["model"] != "loading", "the models", 120)
        peer.send(peer.image(scene.frame.rgb))
    for peer, scene in zip(peers, scenes, strict=True):
        peer.wait(lambda peer=peer: int(peer.figures()["frames received"]) > 0, "the frame")
        referral = scene.referrals[0]
        result, mask = peer.ask(referral.expression)
        assert Status(result.status).has_target, result.reason
        assert mask is not None
        seen = np.frombuffer(mask.data, np.uint8).reshape(480, 640) > 0
        truth = np.isin(scene.frame.instances, [target + 1 for target in referral.targets])
        assert mask_iou(seen, truth) > 0.7
    shut_down(peers[0])
    # The other camera goes on, and the process ends with the last one.
    result, _ = peers[1].ask(scenes[1].referrals[1].expression)
    assert Status(result.status).has_target
    assert server.process.poll() is None
    log = "\n".join(server.last_lines(1000))
    assert log.count("ready: ") == 2
    shut_down(peers[1])
    assert server.process.wait(10) == 0
    for peer in peers:
        peer.close()


def shut_down(peer: Peer) -> None:
    """End one node."""
    client = peer.node.create_client(ChangeState, "refseg/change_state")
    peer.wait(client.service_is_ready, "the life cycle")
    request = ChangeState.Request()
    request.transition.id = Transition.TRANSITION_ACTIVE_SHUTDOWN
    peer.wait(client.call_async(request).done, "the shutdown")


def test_two_nodes_of_one_name_are_refused(environment: dict[str, str]) -> None:
    nodes: list[Any] = []

    def load(config: Any, device: str) -> Any:
        raise OSError("no models here")

    with pytest.raises(ConfigError, match=r"namespaces: two nodes would be /same/refseg"):
        nodes.extend(make_nodes(["same", "/same"], load))
    assert all([node.close() for node in nodes])
    for node in nodes:
        node.destroy_node()


def test_wrong_namespaces_end_the_process_in_words(
    environment: dict[str, str], tmp_path: Path
) -> None:
    child = start("model_server", environment, tmp_path / "log", namespaces=["front door"])
    assert child.process.wait(60) == 1
    assert "front door" in "\n".join(child.last_lines(100))
