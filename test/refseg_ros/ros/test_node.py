# SPDX-License-Identifier: Apache-2.0
"""The segmenter node around a hand-made segmenter: order, failures, time-outs and depth.

The models' part is in test_node_process.py; here their answers are known in advance.
"""

from __future__ import annotations

import threading
from array import array
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.msg", reason="the messages are not built")

from rclpy.parameter import Parameter
from ros_bench import BOX, GREY, Bench, LeftHalf, show
from ros_peer import NAMESPACE, Peer
from sensor_msgs.msg import CompressedImage

from refseg_ros.errors import WeightsError
from refseg_ros.results import Proposals, Selection, Status
from refseg_ros.ros.worker import MAX_CALLS

pytestmark = pytest.mark.usefixtures("ros")


def test_an_answer_is_complete(peer: Peer) -> None:
    image = show(peer, peer.image(GREY))
    result, mask = peer.ask("the box")
    assert mask is not None
    assert result.header == mask.header == image.header
    assert (result.status, result.target_id, result.area) == (Status.SELECTED, 2, 100)
    assert (result.score, result.margin) == (0.75, 0.5)
    roi = result.roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (10, 5, 10, 10)
    assert (result.observe_ms, result.select_ms) == (500.0, 1.0)
    assert (result.stage_names, list(result.stage_ms)) == (["proposals"], [250.0])
    assert [(item.id, item.eligible) for item in result.candidates] == [(2, True), (1, False)]
    assert result.candidates[0].term_names == ["V"]
    assert list(result.candidates[0].term_values) == [21.0]
    labels = peer.wait(lambda: peer.heard["label_image"], "the labels")[-1]
    expected = np.zeros((20, 30), np.uint16)
    expected[:, :15] = 1
    expected[BOX] = 2
    np.testing.assert_array_equal(np.frombuffer(labels.data, np.uint16).reshape(20, 30), expected)
    assert labels.header == image.header
    assert result.method == "hand-made"


def test_diagnostics_tell_rates_times_and_memory(peer: Peer) -> None:
    show(peer, peer.image(GREY))
    peer.ask("the box")
    figures = peer.figures()
    for stage in ("proposals", "observe", "select", "image to result"):
        median, high = map(float, figures[f"{stage} ms (p50, p95)"].split(", "))
        assert 0 <= median <= high
    for name in ("frames per second", "answers per second", "drops per second", "memory MB"):
        assert float(figures[name]) >= 0
    assert figures["GPU memory MB"] == "none"
    assert figures["model"] == "hand-made"


def test_a_command_waits_for_the_first_frame(peer: Peer, models: LeftHalf) -> None:
    peer.say("the box")
    peer.spin(0.3)
    assert peer.heard["result"] == []
    image = peer.send(peer.image(GREY))
    result = peer.wait(lambda: peer.heard["result"], "the result")[-1]
    assert (result.command, result.header) == ("the box", image.header)
    assert models.observed == 1


def test_the_newest_command_wins_and_none_is_lost(peer: Peer, models: LeftHalf) -> None:
    for text in ("one", "two", "the box"):
        peer.say(text)
    peer.wait(lambda: len(peer.heard["result"]) == 2, "two replaced commands")
    peer.send(peer.image(GREY))
    peer.wait(lambda: len(peer.heard["result"]) == 3, "the answer")
    answers = [(item.command, item.status) for item in peer.heard["result"]]
    assert answers == [
        ("one", Status.IDLE),
        ("two", Status.IDLE),
        ("the box", Status.SELECTED),
    ]
    assert "newer command" in peer.heard["result"][0].reason
    assert len(peer.wait(lambda: peer.heard["mask"], "the mask")) == 1


def test_a_command_that_comes_while_observing_is_the_one_answered(
    peer: Peer, models: LeftHalf
) -> None:
    show(peer, peer.image(GREY))
    models.gate.clear()
    peer.say("the left half")
    peer.wait(models.waiting.is_set, "the observation")
    peer.say("the box")
    peer.wait(lambda: peer.heard["result"], "the replaced command")
    models.gate.set()
    peer.wait(lambda: len(peer.heard["result"]) == 2, "the answer")
    assert [item.command for item in peer.heard["result"]] == ["the left half", "the box"]
    assert models.observed == 1


def test_clearing_while_observing_gives_no_mask(peer: Peer, models: LeftHalf) -> None:
    show(peer, peer.image(GREY))
    models.gate.clear()
    peer.say("the box")
    peer.wait(models.waiting.is_set, "the observation")
    peer.say("")
    peer.spin(0.2)
    models.gate.set()
    peer.wait(lambda: len(peer.heard["result"]) == 2, "the answer")
    assert [item.status for item in peer.heard["result"]] == [Status.IDLE, Status.IDLE]
    mask = peer.wait(lambda: peer.heard["mask"], "the mask")[-1]
    assert not any(mask.data)


def test_a_failure_of_the_models_is_told_and_survived(peer: Peer) -> None:
    image = show(peer, peer.image(GREY))
    result, mask = peer.ask("fail")
    assert (result.status, result.reason) == (Status.ERROR, "the models fell over")
    assert result.header == image.header
    assert mask is not None
    assert not any(mask.data)
    assert peer.figures()["last error"] == "the models fell over"
    result, _ = peer.ask("the box")
    assert result.status == Status.SELECTED
    response = peer.call("fail")
    assert (response.success, response.message) == (False, "the models fell over")


def test_every_command_of_a_burst_is_answered(peer: Peer) -> None:
    show(peer, peer.image(GREY))
    commands = [f"thing {number}" for number in range(100)]
    for text in commands:
        peer.say(text)
    results = peer.heard["result"]
    peer.wait(lambda: len(results) >= len(commands), "an answer to each", 10)
    assert sorted(item.command for item in results) == sorted(commands)
    peer.wait(lambda: results[-1].status == Status.SELECTED, "the newest")
    assert results[-1].command == commands[-1]


def test_a_failure_is_not_told_of_the_command_that_came_after(
    peer: Peer, models: LeftHalf, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, leave, select = threading.Event(), threading.Event(), models.select

    def slow(proposals: Proposals, text: str) -> Selection:
        entered.set()
        assert leave.wait(20)
        return select(proposals, text)

    monkeypatch.setattr(models, "select", slow)
    show(peer, peer.image(GREY))
    peer.say("fail")
    peer.wait(entered.is_set, "the selection")
    peer.say("the box")
    peer.spin(0.3)
    leave.set()
    peer.wait(lambda: len(peer.heard["result"]) == 2, "two answers", 5)
    answers = [(item.command, item.status) for item in peer.heard["result"]]
    assert answers == [("fail", Status.ERROR), ("the box", Status.SELECTED)]


@pytest.mark.parametrize("command", ["the box", "the left half"])
def test_after_a_bad_frame_the_same_view_is_answered_again(
    bench: Bench, peer: Peer, models: LeftHalf, command: str
) -> None:
    bench.node.set_parameters([Parameter("mode", value="continuous")])
    peer.send(peer.image(GREY))
    peer.wait(lambda: models.observed == 1, "the observation")
    peer.ask("the box")
    peer.heard["result"].clear()
    peer.send(peer.image(GREY[..., 0], "bayer_rggb8"))
    error = peer.wait(lambda: peer.heard["result"], "the error", 5)[-1]
    assert (error.command, error.status) == ("the box", Status.ERROR)
    if command != "the box":
        result, _ = peer.ask(command, has_mask=False)
        assert result.status == Status.ERROR
    peer.heard["result"].clear()
    peer.send(peer.image(GREY))
    result = peer.wait(lambda: peer.heard["result"], "the answer", 5)[-1]
    assert (result.command, result.status) == (command, Status.SELECTED)
    assert models.observed == 1


def test_continuous_mode_looks_before_it_is_asked(
    bench: Bench, peer: Peer, models: LeftHalf
) -> None:
    bench.node.set_parameters([Parameter("mode", value="continuous")])
    peer.send(peer.image(GREY))
    peer.wait(lambda: models.observed == 1, "the observation")
    peer.wait(lambda: peer.heard["label_image"], "the labels")
    assert peer.heard["result"] == []
    result, _ = peer.ask("the box")
    assert result.reused_observation
    # A call looks at the new view first: the stream still answers about it.
    models.gate.clear()
    image = peer.send(peer.image(GREY + 50))
    peer.wait(lambda: models.waiting.is_set(), "the observation")
    peer.heard["result"].clear()
    models.gate.set()
    again = peer.wait(lambda: peer.heard["result"], "the answer about the new view")[-1]
    assert (again.command, again.header) == ("the box", image.header)
    assert models.observed == 2


def test_an_unchanged_view_is_observed_again_after_the_period(
    bench: Bench, peer: Peer, models: LeftHalf
) -> None:
    bench.node.set_parameters([Parameter("mode", value="continuous")])
    bench.node.set_parameters([Parameter("keyframe_period", value=0.2)])
    for _ in range(4):
        peer.send(peer.image(GREY))
        peer.spin(0.15)
    assert 2 <= models.observed <= 3


def test_calls_that_wait_too_long_are_told(bench: Bench, peer: Peer, models: LeftHalf) -> None:
    bench.node.set_parameters([Parameter("service_timeout", value=0.3)])
    models.gate.clear()
    response = peer.call("the box", peer.image(GREY))
    assert not response.success
    assert "in time" in response.message
    assert response.result.status == Status.ERROR
    models.gate.set()
    bench.node.set_parameters([Parameter("service_timeout", value=20.0)])
    assert peer.call("the box", peer.image(GREY)).success


def test_too_many_calls_are_refused_not_lost(peer: Peer, models: LeftHalf) -> None:
    models.gate.clear()
    images = [peer.image(GREY) for _ in range(MAX_CALLS + 4)]
    pending = [peer.begin_call("the box", images[0])]
    # One is at work before the others come to wait.
    peer.wait(models.waiting.is_set, "the first call's turn")
    pending += [peer.begin_call("the box", image) for image in images[1:]]
    peer.wait(lambda: sum(item.done() for item in pending) >= 3, "refusals")
    models.gate.set()
    peer.wait(lambda: all(item.done() for item in pending), "all answers")
    responses = [item.result() for item in pending]
    assert [item.success for item in responses] == [True] * (MAX_CALLS + 1) + [False] * 3
    assert {item.message for item in responses if not item.success} == {
        "too many calls are waiting; call again later"
    }
    headers = [item.result.header.stamp for item in responses if item.success]
    assert headers == [image.header.stamp for image in images[: MAX_CALLS + 1]]


def test_a_call_without_any_image(peer: Peer) -> None:
    response = peer.call("the box")
    assert not response.success
    assert "no image" in response.message


@pytest.mark.parametrize("text", ["", " \t"])
def test_an_empty_expression_is_idle_as_the_service_says(
    peer: Peer, models: LeftHalf, text: str
) -> None:
    for image, size in ((None, (0, 0)), (peer.image(GREY), (20, 30))):
        response = peer.call(text, image)
        assert (response.success, response.result.status) == (True, Status.IDLE)
        assert (
            response.message
            == response.result.reason
            == "the command is empty: there is no target"
        )
        assert (response.mask.height, response.mask.width) == size
        assert not any(response.mask.data)
    broken = peer.image(GREY)
    broken.step = 1
    assert peer.call(text, broken).result.status == Status.ERROR
    assert models.observed == 0


def test_compressed_images(models: LeftHalf) -> None:
    bench = Bench(lambda preset, device: models, CompressedImage, image_transport="compressed")
    peer = bench.peer
    ok, data = cv2.imencode(".jpg", GREY)
    assert ok
    image = CompressedImage(format="jpeg", data=array("B", data.tobytes()))
    image.header.stamp.sec, image.header.frame_id = 7, "a_camera"
    show(peer, image)
    result, mask = peer.ask("the box")
    assert mask is not None
    assert result.header == mask.header == image.header
    assert (mask.width, mask.height, mask.encoding) == (30, 20, "mono8")
    show(peer, CompressedImage(format="jpeg", data=array("B", b"not a picture")))
    result, _ = peer.ask("the box", has_mask=False)
    assert result.status == Status.ERROR
    assert "JPEG or PNG" in result.reason
    bench.close()


def test_a_command_to_begin_with(models: LeftHalf) -> None:
    bench = Bench(lambda preset, device: models, command="the box", mode="continuous")
    peer = bench.peer
    image = peer.send(peer.image(GREY))
    result = peer.wait(lambda: peer.heard["result"], "the result")[-1]
    assert (result.command, result.header) == ("the box", image.header)
    bench.close()


def test_silence_is_reported(models: LeftHalf) -> None:
    bench = Bench(lambda preset, device: models, command="the box", image_timeout=0.5)
    figures = bench.peer.wait(
        lambda: next((f for f in [bench.peer.figures()] if "no image" in f["message"]), None),
        "the warning",
    )
    assert figures["level"] == 1
    assert f"no image on {NAMESPACE}/image for" in figures["message"]
    assert "publishers: 1" in figures["message"]
    bench.close()


def test_nothing_is_answered_about_an_image_that_is_too_old(
    models: LeftHalf,
) -> None:
    bench = Bench(lambda preset, device: models, image_timeout=0.3)
    peer = bench.peer
    show(peer, peer.image(GREY))
    peer.spin(0.5)
    result, mask = peer.ask("the box", has_mask=False)
    assert (result.status, mask) == (Status.ERROR, None)
    assert f"no image on {NAMESPACE}/image for" in result.reason
    assert "publishers: 1" in result.reason
    figures = peer.figures()
    assert (figures["level"], figures["failures"]) == (2, "1")
    response = peer.call("the box")
    assert (response.success, "no image on" in response.message) == (False, True)
    # In continuous mode the command is still in force.
    bench.node.set_parameters([Parameter("mode", value="continuous")])
    peer.heard["result"].clear()
    image = peer.send(peer.image(GREY))
    again = peer.wait(lambda: peer.heard["result"], "the answer", 5)[-1]
    assert (again.status, again.header) == (Status.SELECTED, image.header)
    assert peer.figures()["failures"] == "2"
    bench.close()


def test_a_command_whose_end_is_not_read_is_refused(peer: Peer) -> None:
    show(peer, peer.image(GREY))
    result, _ = peer.ask("the box " * 300)
    assert result.status == Status.ERROR
    assert result.reason == "command: 2400 characters; at most 2000 are read"


def test_images_beyond_the_limit_are_refused(bench: Bench, peer: Peer, models: LeftHalf) -> None:
    bench.node.set_parameters([Parameter("max_megapixels", value=0.01)])
    show(peer, peer.image(np.zeros((200, 200, 3), np.uint8)))
    result, _ = peer.ask("the box", has_mask=False)
    assert result.status == Status.ERROR
    assert "200x200 has 0.04 megapixels, at most 0.01 are read" in result.reason
    assert models.observed == 0


def test_missing_weights_end_the_process_with_one() -> None:
    def load(preset: str, device: str) -> Any:
        raise WeightsError("clip: no such file")

    bench = Bench(load)
    bench.peer.wait(lambda: bench.node.exit_code == 1, "the exit code")
    bench.close()
