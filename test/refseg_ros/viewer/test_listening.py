# SPDX-License-Identifier: Apache-2.0
"""What the viewer and the demo's client hear of ROS, with real messages and no graph."""

from __future__ import annotations

import json
import socket
from typing import Any

import numpy as np
import pytest

from refseg_ros.results import Status, boxes_from_masks


def ros_message(command: str, stamp: int, mask: np.ndarray, status: int = 1) -> Any:
    from refseg_ros.msg import Candidate as CandidateMsg
    from refseg_ros.msg import Segmentation

    from refseg_ros.ros.conversions import to_roi

    message = Segmentation(command=command, status=status, reason="r", area=int(mask.sum()))
    message.warnings = ["an odd word"]
    message.question, message.options, message.tied_ids = "Which?", ["left", "right"], [2, 5]
    message.header.stamp.sec = stamp
    message.roi = to_roi(boxes_from_masks(mask[None])[0])
    message.target_id = 2
    message.target_ids = [2, 5]
    message.candidates = [CandidateMsg(id=2, term_names=["V", "P"], term_values=[1.0])]
    return message


@pytest.fixture
def listener() -> Any:
    pytest.importorskip("rclpy", reason="needs ROS 2")
    pytest.importorskip("refseg_ros.msg", reason="needs the messages: make interfaces")
    from refseg_ros.ros.listening import AnswerListener

    class SilentNode:
        def create_subscription(self, *arguments: Any) -> None: ...

        def create_timer(self, *arguments: Any) -> None: ...

    heard: list[Any] = []
    listener = AnswerListener(SilentNode(), "refseg", heard.append)  # type: ignore[arg-type]
    listener.heard = heard  # type: ignore[attr-defined]
    return listener


def mask_message(mask: np.ndarray, stamp: int) -> Any:
    from std_msgs.msg import Header

    from refseg_ros.ros.conversions import to_mask

    message = to_mask(mask, Header())
    message.header.stamp.sec = stamp
    return message


def test_two_answers_on_one_frame_get_their_own_masks(listener: Any) -> None:
    first, second = np.zeros((2, 6, 8), bool)
    first[1:3, 1:3], second[3:5, 4:6] = True, True  # same area, other places
    listener.take_mask(mask_message(first, 7))
    listener.take_result(ros_message("a", 7, first))
    listener.take_result(ros_message("b", 7, second))  # its mask comes late
    assert [h.selection.expression for h in listener.heard] == ["a"]
    listener.take_mask(mask_message(second, 7))
    assert (listener.heard[0].selection.mask == first).all()
    assert (listener.heard[1].selection.mask == second).all()
    assert listener.heard[1].stamp == 7_000_000_000
    assert listener.heard[1].selection.candidates[0].terms == {"V": 1.0}
    assert listener.heard[1].selection.warnings == ("an odd word",)
    asked = listener.heard[1].selection
    assert (asked.question, asked.options, asked.tied) == ("Which?", ("left", "right"), (1, 4))
    assert listener.heard[1].selection.indices == (1, 4)


def test_answers_without_a_target_wait_for_nothing(listener: Any) -> None:
    listener.take_result(ros_message("c", 7, np.zeros((6, 8), bool), status=3))
    listener.take_result(ros_message("d", 7, np.zeros((6, 8), bool), status=99))
    assert [h.selection.status for h in listener.heard] == [Status.NOT_FOUND, Status.ERROR]
    assert "99" in listener.heard[1].selection.reason


def test_a_mask_that_never_comes_is_not_waited_for_forever(
    listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import refseg_ros.ros.listening as module

    mask = np.ones((6, 8), bool)
    listener.take_result(ros_message("e", 7, mask))
    listener.flush()
    assert listener.heard == []
    monkeypatch.setattr(module, "_PATIENCE", -1.0)
    listener.flush()
    assert listener.heard[0].selection.mask.shape == (0, 0)


def test_damaged_images_are_ignored(listener: Any) -> None:
    message = mask_message(np.ones((6, 8), bool), 7)
    message.step = 3
    listener.take_mask(message)
    listener.take_labels(message)
    assert listener.heard == []


def test_label_images_are_read_with_padding_and_either_byte_order() -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2")
    from sensor_msgs.msg import Image

    from refseg_ros.ros.listening import labels_from_image

    numbers = np.array([[1, 256], [515, 0]], np.uint16)
    for big, order in ((0, "<u2"), (1, ">u2")):
        rows = np.zeros((2, 6), np.uint8)
        rows[:, :4] = numbers.astype(order).view(np.uint8).reshape(2, 4)
        message = Image(height=2, width=2, step=6, encoding="16UC1", is_bigendian=big)
        message.data = rows.tobytes()
        assert (labels_from_image(message) == numbers).all()


def test_scene_descriptions_become_suggestions_of_every_kind() -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2")
    from refseg_ros.ros.viewer_node import read_objects

    referrals = [
        {"expression": text, "id": 1, "kind": kind}
        for text, kind in (("a", "x"), ("b", "x"), ("c", "y"), ("a", "z"))
    ]
    text = json.dumps({"scene": 3, "objects": [], "referrals": referrals})
    assert read_objects(text) == (3, ("a", "c", "b"))
    for bad in ("", "{}", "[]", '{"scene": "x", "referrals": []}'):
        with pytest.raises(ValueError, match=r"."):
            read_objects(bad)


def test_next_free_port_is_taken_and_named() -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2")
    from refseg_ros.errors import ConfigError
    from refseg_ros.ros.viewer_node import listen

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server, address = listen("127.0.0.1", port)
        with server:
            real = server.getsockname()[1]
            assert real > port
            assert address == f"http://127.0.0.1:{real}/"
            socket.create_connection(("127.0.0.1", real), timeout=5).close()
    with pytest.raises(ConfigError, match=r"nowhere\.invalid"):
        listen("nowhere.invalid", 8080)
