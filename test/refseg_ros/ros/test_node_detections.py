# SPDX-License-Identifier: Apache-2.0
"""The node on a detector's names and masks, from another process' ``Detection2DArray``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.msg", reason="the messages are not built")

from refseg_ros.msg import Segmentation
from ros_bench import Bench, LeftHalf, show
from ros_peer import Peer, end, ros_domain, start
from sensor_msgs.msg import CompressedImage, Image

from refseg_ros.errors import ConfigError
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import label_image, to_image

THINGS = {"cup": (10, 40, 30, 60), "cup ": (60, 42, 80, 62), "wine glass": (90, 30, 105, 62)}
NAMES = [name.strip() for name in THINGS]


class Detector:
    """Finds the same things in every image, and says so under its stamp."""

    def __init__(self, peer: Peer) -> None:
        messages = pytest.importorskip("vision_msgs.msg")
        self._kinds = messages
        make = peer.node.create_publisher
        self._found = make(messages.Detection2DArray, "detections", qos.CAMERA)
        self._labels = make(Image, "detection_labels", qos.CAMERA)
        both = (self._found, self._labels)
        peer.wait(lambda: all(item.get_subscription_count() for item in both), "the node")

    def send(self, header: Any, *, with_labels: bool = False) -> None:
        array = self._kinds.Detection2DArray(header=header)
        for name, (x0, y0, x1, y1) in THINGS.items():
            item = self._kinds.Detection2D(header=header)
            item.bbox.center.position.x, item.bbox.center.position.y = (x0 + x1) / 2, (y0 + y1) / 2
            item.bbox.size_x, item.bbox.size_y = float(x1 - x0), float(y1 - y0)
            guess = self._kinds.ObjectHypothesisWithPose()
            guess.hypothesis.class_id, guess.hypothesis.score = name.strip(), 0.9
            item.results.append(guess)
            array.detections.append(item)
        self._found.publish(array)
        if with_labels:
            masks = np.zeros((len(THINGS), 100, 200), np.bool_)
            for mask, (x0, y0, x1, y1) in zip(masks, THINGS.values(), strict=True):
                mask[y0 : (y0 + y1) // 2, x0:x1] = True
            self._labels.publish(to_image(label_image(masks), "16UC1", header))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[..., Peer]]:
    """Starts the node of the preset `given` as a process of its own."""
    pytest.importorskip("vision_msgs.msg", reason="it comes with a ROS distribution")
    with ros_domain() as env:
        ended: list[Callable[[], Any]] = []

        def run(source: str) -> Peer:
            values = ("preset:=given", f"detections:={source}")
            node = start("segmenter_node", env, tmp_path / "node.log", *values)
            peer = Peer()
            ended.extend([peer.close, lambda: end(node)])
            peer.wait_until_connected()
            peer.wait(lambda: peer.figures()["model"] != "loading", "the models", 120)
            return peer

        yield run
        for step in ended:
            step()


def ask(peer: Peer, text: str) -> Segmentation:
    return peer.ask(text, has_mask=False)[0]


@pytest.mark.parametrize(("source", "lowest"), [("boxes", 60), ("masks", 50)])
def test_another_process_finds_and_the_node_understands(
    running: Callable[..., Peer], source: str, lowest: int
) -> None:
    peer = running(source)
    detector = Detector(peer)
    image = peer.send(peer.image(np.zeros((100, 200, 3), np.uint8)))
    detector.send(image.header, with_labels=source == "masks")
    result = ask(peer, "the left cup")
    assert (result.status, result.target_id) == (Segmentation.SELECTED, 1)
    assert result.header == image.header
    assert (result.roi.x_offset, result.roi.y_offset + result.roi.height) == (10, lowest)
    assert ask(peer, "the cup").question == "Two cups: the left or the right one?"
    assert ask(peer, "the right one").target_id == 2
    assert ask(peer, "the cup next to the glass").target_id == 2
    refused = ask(peer, "the elephant")
    assert refused.status == Segmentation.NOT_FOUND
    assert refused.reason == "nothing in view is named 'elephant'"
    # A picture without detections is not answered about; the call says what is missing.
    call = peer.call("the glass", peer.image(np.zeros((100, 200, 3), np.uint8)))
    assert not call.success
    assert "no detections came with the stamp of this image" in call.message


def test_calls_may_bring_what_was_found(tmp_path: Path) -> None:
    with ros_domain() as env:
        values = ("preset:=given", "mode:=on_service")
        node = start("segmenter_node", env, tmp_path / "node.log", *values)
        peer = Peer()
        try:
            peer.wait(peer.service.service_is_ready, "the node")
            image = peer.image(np.zeros((100, 200, 3), np.uint8))
            labels = np.zeros((100, 200), np.uint8)
            for number, (x0, y0, x1, y1) in enumerate(THINGS.values(), 1):
                labels[y0:y1, x0:x1] = number
            found = {"labels": to_image(labels, "mono8", image.header), "names": NAMES}
            left = peer.call("the left cup", image, **found)
            assert (left.success, left.result.target_id) == (True, 1), left.message
            assert np.flatnonzero(left.mask.data).size == 400
            asked = peer.call("the cup", image, **found, conversation="me")
            assert asked.result.question == "Two cups: the left or the right one?"
            told = peer.call("the right one", image, **found, conversation="me")
            assert told.result.target_id == 2
            alone = peer.call("the cup", image)
            assert not alone.success
            assert "proposals" in alone.message
        finally:
            peer.close()
            end(node)


@pytest.mark.usefixtures("ros")
def test_without_vision_msgs_the_node_says_so(models: LeftHalf, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "vision_msgs.msg", None)
    with pytest.raises(ConfigError, match="detections: vision_msgs is not installed"):
        Bench(lambda config, device: models, detections="boxes")


@pytest.mark.usefixtures("ros")
def test_the_preset_given_needs_a_detector(models: LeftHalf) -> None:
    with pytest.raises(ConfigError, match="the preset given finds no masks, and 'off' brings"):
        Bench(lambda config, device: models, preset="given")


@pytest.mark.usefixtures("ros")
def test_what_is_found_is_told_in_standard_types(bench: Bench) -> None:
    kinds = pytest.importorskip("vision_msgs.msg", reason="it comes with a ROS distribution")
    peer = bench.peer
    peer.listen(kinds.Detection2DArray, "refseg/detections", "detections")
    peer.wait(lambda: bench.node.count_subscribers("~/detections"), "the subscription")
    image = show(peer, peer.image(np.zeros((20, 30, 3), np.uint8)))
    assert peer.ask("the box")[0].target_id == 2
    found = peer.wait(lambda: peer.heard["detections"], "detections")[-1]
    assert found.header == image.header
    assert [item.id for item in found.detections] == ["2", "1"]
    assert [item.results[0].hypothesis.class_id for item in found.detections] == ["", "half"]
    # Latched: for those who come late too.
    late: list[Any] = []
    peer.node.create_subscription(kinds.LabelInfo, "refseg/label_info", late.append, qos.LATCHED)
    (info,) = peer.wait(lambda: late, "the label info")
    assert [item.class_name for item in info.class_map] == ["half", ""]


@pytest.mark.usefixtures("ros")
def test_the_mask_comes_compressed_for_those_who_listen(bench: Bench) -> None:
    peer = bench.peer
    peer.listen(CompressedImage, "refseg/mask/compressed", "png")
    peer.wait(lambda: bench.node.count_subscribers("~/mask/compressed"), "the subscription")
    show(peer, peer.image(np.zeros((20, 30, 3), np.uint8)))
    mask = peer.ask("the box")[1]
    (png,) = peer.wait(lambda: peer.heard["png"], "the compressed mask")
    assert png.header == mask.header
    pixels = cv2.imdecode(np.frombuffer(png.data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels.tobytes() == bytes(mask.data)
