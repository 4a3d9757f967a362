# SPDX-License-Identifier: Apache-2.0
"""The target is followed from picture to picture, beside observations that take their time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.msg", reason="the messages are not built")

from hand_made import Blocks, segmenter
from ros_bench import Bench
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from refseg_ros.results import Proposals, Status
from refseg_ros.ros import qos
from refseg_ros.ros.backlog import Backlog, Picture
from refseg_ros.ros.conversions import to_image

pytestmark = pytest.mark.usefixtures("ros")

BLUE = ("blue", (150, 10, 180, 34))
SLOW = 0.4


class Seen(Blocks):
    """A proposer that sees the blocks of any picture, as fast as it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Event()
        self.pause = 0.0

    def propose(self, image: Any) -> Proposals:
        self.waiting.set()
        assert self.gate.wait(20)
        time.sleep(self.pause)
        self.observed += 1
        masks = []
        for channel in range(3):
            count, labels = cv2.connectedComponents((image[..., channel] > 100).astype(np.uint8))
            masks += [labels == number for number in range(1, count)]
        found = np.stack(masks) if masks else np.zeros((0, *image.shape[:2]), bool)
        return Proposals(found, np.ones(len(masks), np.float32))


def red(x: int, y: int = 40) -> tuple[str, tuple[int, int, int, int]]:
    return "red", (x, y, x + 30, y + 24)


class Camera:
    """Sends pictures of blocks and waits for what is said of them."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.peer = bench, bench.peer

    def send(self, *blocks: tuple[str, tuple[int, int, int, int]]) -> Image:
        inbox = self.bench.node._inbox
        before = inbox.received
        image = self.peer.send(self.peer.image(Blocks(*blocks).image))
        self.peer.wait(lambda: inbox.received > before, "the picture")
        return image

    def follow(self, *blocks: tuple[str, tuple[int, int, int, int]]) -> Any:
        """What is said of a picture as soon as it is followed on."""
        image = self.send(*blocks)
        return self.result(lambda item: item.tracked and item.header == image.header)

    def result(self, fits: Callable[[Any], bool]) -> Any:
        results = self.peer.heard["result"]
        return self.peer.wait(lambda: [item for item in results if fits(item)], "a result")[-1]


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def camera(ros: None, seen: Seen) -> Iterator[Camera]:
    bench = Bench(lambda preset, device: segmenter(seen, "tabletop"), track=True)
    yield Camera(bench)
    seen.gate.set()
    bench.close()


def where(result: Any) -> list[int]:
    roi = result.roi
    return [roi.x_offset, roi.y_offset, roi.x_offset + roi.width, roi.y_offset + roi.height]


def test_every_picture_after_the_answer_is_followed(camera: Camera, seen: Seen) -> None:
    camera.send(red(20), BLUE)
    answer, _ = camera.peer.ask("the red block")
    assert not answer.tracked
    assert np.isnan(answer.tracking_confidence)
    for x in range(23, 35, 3):
        result = camera.follow(red(x), BLUE)
        assert (result.command, result.status) == ("the red block", Status.SELECTED)
        assert result.reason.startswith("followed from an earlier image: ")
        assert where(result) == pytest.approx([x, 40, x + 30, 64], abs=1.5)
        assert 0.6 < result.tracking_confidence <= 1.0
        assert (result.target_id, list(result.candidates)) == (0, [])
        assert (result.score, result.method) == (answer.score, answer.method)
        assert result.is_final
        masks = camera.peer.heard["mask"]
        mask = camera.peer.wait(
            lambda masks=masks, header=result.header: [m for m in masks if m.header == header],
            "its mask",
        )[-1]
        assert np.count_nonzero(mask.data) == result.area
    assert seen.observed == 1
    figures = camera.peer.figures()
    assert figures["tracking"].startswith("following (")
    assert figures["frames tracked"] == "4"
    for stage in ("track", "image to tracked result"):
        assert len(figures[f"{stage} ms (p50, p95)"].split(", ")) == 2


def test_what_is_lost_is_said_and_found_again(camera: Camera, seen: Seen) -> None:
    camera.send(red(20), BLUE)
    camera.peer.ask("the red block")
    assert camera.follow(BLUE).status == Status.AMBIGUOUS
    result = camera.follow(BLUE)
    assert (result.status, result.area, result.tracking_confidence) == (Status.LOST, 0, 0.0)
    assert result.command == "the red block"
    assert camera.peer.wait(
        lambda: "lost" in camera.peer.figures()["tracking"], "that it is told in /diagnostics"
    )
    states = []
    for _ in range(40):
        result = camera.follow(red(100, 60), BLUE)
        states.append(result.status)
        if states[-1] == Status.SELECTED:
            break
        camera.peer.spin(0.05)
    assert states[0] == Status.LOST
    assert states[-1] == Status.SELECTED
    assert where(result) == pytest.approx([100, 60, 130, 84], abs=1.5)
    assert seen.observed > 1


def test_following_does_not_wait_for_an_observation(camera: Camera, seen: Seen) -> None:
    camera.send(red(20), BLUE)
    camera.peer.ask("the red block")
    camera.follow(BLUE)  # in doubt, so that it asks
    seen.gate.clear()
    seen.waiting.clear()
    camera.follow(red(20), BLUE)
    results = [camera.follow(red(x), BLUE) for x in range(20, 32, 3)]
    assert [item.header.stamp.sec for item in results] == [4, 5, 6, 7]
    seen.gate.set()


def test_what_moved_while_the_command_was_answered_is_caught_up_with(
    camera: Camera, seen: Seen
) -> None:
    seen.gate.clear()
    camera.send(red(20))
    camera.peer.say("the red block")
    camera.peer.wait(seen.waiting.is_set, "the observation")
    for x in range(32, 140, 12):
        image = camera.send(red(x))
        camera.peer.spin(0.1)
    seen.gate.set()
    result = camera.result(lambda item: item.tracked and item.header == image.header)
    assert result.status == Status.SELECTED
    assert where(result) == pytest.approx([128, 40, 158, 64], abs=1.5)


def test_a_new_command_is_followed_and_the_old_one_is_not(camera: Camera) -> None:
    camera.send(red(20), BLUE)
    camera.peer.ask("the red block")
    camera.follow(red(24), BLUE)
    camera.peer.ask("the blue block")
    for x in (28, 32):
        result = camera.follow(red(x), BLUE)
        assert result.command == "the blue block"
        assert where(result)[0] == pytest.approx(150, abs=1.5)
    commands = [item.command for item in camera.peer.heard["result"]]
    assert "the red block" not in commands[commands.index("the blue block") :]


def test_the_next_command_leans_on_where_the_target_is_by_now(camera: Camera) -> None:
    still = red(150, 70)
    camera.send(red(20), still)
    answer, _ = camera.peer.ask("the red block on the left")
    assert answer.status == Status.SELECTED
    for x in range(24, 110, 4):
        camera.follow(red(x), still)
    other, _ = camera.peer.ask("the other one")
    assert other.status == Status.SELECTED, other.reason
    assert where(other) == pytest.approx([150, 70, 180, 94], abs=1.5)


@pytest.mark.parametrize("way", ["clear", "parameter", "mode", "not found", "deactivated"])
def test_following_ends(camera: Camera, way: str) -> None:
    camera.send(red(20), BLUE)
    camera.peer.ask("the red block")
    camera.follow(red(24), BLUE)
    if way == "parameter":
        camera.bench.set("track", False)
    elif way == "mode":
        camera.bench.set("mode", "on_service")
        camera.result(lambda item: item.status == Status.IDLE)
    elif way == "deactivated":
        camera.bench.node.trigger_deactivate()
        camera.bench.node.trigger_activate()
        camera.peer.wait_until_connected()
    elif way == "clear":
        assert camera.peer.ask("")[0].status == Status.IDLE
    else:
        assert camera.peer.ask("the red block not on the left")[0].status != Status.SELECTED
    camera.peer.heard["result"].clear()
    for x in (28, 32):
        camera.send(red(x), BLUE)
    camera.peer.spin(0.2)
    assert [item for item in camera.peer.heard["result"] if item.tracked] == []
    assert camera.bench.node._follower.state == "nothing is followed"


def test_an_unsure_answer_does_not_become_sure_by_being_followed(camera: Camera) -> None:
    camera.send(red(20), red(120))
    answer, _ = camera.peer.ask("the red block")
    assert answer.status == Status.AMBIGUOUS
    result = camera.follow(red(23), red(120))
    assert (result.status, result.question) == (Status.AMBIGUOUS, answer.question)
    assert list(result.options) == list(answer.options)


def test_of_several_things_the_first_is_followed_and_that_is_said(camera: Camera) -> None:
    camera.send(red(20), red(120))
    answer, _ = camera.peer.ask("the two red blocks")
    assert len(answer.target_ids) == 2
    result = camera.follow(red(20), red(120))
    assert "of 2 things only the first is followed" in result.warnings
    assert result.area == 30 * 24


def test_a_picture_that_cannot_be_followed_on_is_a_loss(camera: Camera) -> None:
    camera.send(red(20))
    camera.peer.ask("the red block")
    other = camera.peer.send(camera.peer.image(np.zeros((50, 60, 3), np.uint8)))
    result = camera.result(lambda item: item.header == other.header)
    assert (result.status, result.area, result.tracked) == (Status.LOST, 0, True)
    assert "expected (100, 200, 3)" in result.reason
    assert result.reason in camera.peer.figures()["message"]
    assert camera.follow(red(23)).status == Status.SELECTED


def test_the_place_in_space_is_followed_too(camera: Camera) -> None:
    node = camera.peer.node
    depth = node.create_publisher(Image, "depth", qos.CAMERA)
    info = node.create_publisher(CameraInfo, "camera_info", qos.CAMERA)
    camera.peer.wait(
        lambda: depth.get_subscription_count() and info.get_subscription_count(), "depth"
    )
    info.publish(CameraInfo(height=100, width=200, k=[100.0, 0, 100, 0, 100, 50, 0, 0, 1]))
    camera.send(red(20))
    assert np.isnan(camera.peer.ask("the red block")[0].distance)
    image = camera.peer.image(Blocks(red(23)).image)
    store = camera.bench.node._depth
    depth.publish(to_image(np.full((100, 200), 0.8, np.float32), "32FC1", image.header))
    camera.peer.wait(lambda: store._recent and store._info, "the depth image")
    camera.peer.send(image)
    result = camera.result(lambda item: item.header == image.header)
    assert result.tracked
    assert result.point.z == pytest.approx(0.8)
    assert result.point.x == pytest.approx((37.5 - 100) / 100 * 0.8, abs=0.02)


def test_compressed_images_are_followed(ros: None, seen: Seen) -> None:
    def packed(number: int, x: int) -> CompressedImage:
        data = cv2.imencode(".png", Blocks(red(x)).image[..., ::-1])[1]
        image = CompressedImage(format="png", data=data.tobytes())
        image.header.stamp.sec = number
        return image

    bench = Bench(
        lambda preset, device: segmenter(seen, "tabletop"),
        CompressedImage,
        track=True,
        image_transport="compressed",
    )
    try:
        bench.peer.send(packed(1, 20))
        assert bench.peer.ask("the red block")[0].status == Status.SELECTED
        bench.peer.send(packed(2, 24))
        results = bench.peer.heard["result"]
        bench.peer.wait(lambda: [item for item in results if item.tracked], "a tracked result")
        assert where(results[-1]) == pytest.approx([24, 40, 54, 64], abs=1.5)
    finally:
        bench.close()


@pytest.mark.parametrize("track", [True, False])
def test_results_are_no_older_than_the_work_and_a_frame(
    camera: Camera, seen: Seen, track: bool
) -> None:
    """A camera of 20 Hz and a back end that takes eight pictures."""
    seen.pause = SLOW
    period = 0.05
    camera.bench.set("track", track)
    camera.bench.set("mode", "continuous")
    peer, sent, ages = camera.peer, {}, []
    x, ends = 20, time.monotonic() + 3.0
    peer.say("the red block")
    heard = peer.heard["result"]
    while time.monotonic() < ends:
        x += 1
        image = peer.send(peer.image(Blocks(red(x), BLUE).image))
        sent[image.header.stamp.sec] = time.monotonic()
        until = sent[image.header.stamp.sec] + period
        while (left := until - time.monotonic()) > 0:
            peer._executor.spin_once(timeout_sec=left)
            now = time.monotonic()
            ages += [(item.tracked, now - sent[item.header.stamp.sec]) for item in heard]
            heard.clear()
    tracked = [age for was, age in ages if was]
    answered = [age for was, age in ages if not was]
    assert bool(tracked) == track
    assert answered
    # One observation under way when the picture came, and its own.
    assert max(answered) < 2 * SLOW + period + 0.25
    if track:
        assert len(tracked) > 20
        assert np.median(tracked) < 0.15
        assert max(tracked) < SLOW
        assert int(peer.figures()["frames not tracked"]) >= 0


def test_on_service_only_calls_are_answered(camera: Camera, seen: Seen) -> None:
    camera.bench.set("mode", "on_service")
    camera.send(red(20))
    camera.peer.heard["result"].clear()
    camera.peer.say("the red block")
    result = camera.result(lambda item: item.command == "the red block")
    assert result.status == Status.ERROR
    assert "mode is on_service" in result.reason
    assert seen.observed == 0
    response = camera.peer.call("the red block")
    assert response.success
    assert response.result.status == Status.SELECTED
    camera.send(red(24))
    camera.peer.spin(0.2)
    assert [item.status for item in camera.peer.heard["result"]] == [Status.ERROR]
    assert camera.peer.figures()["mode"] == "on_service"


class Message:
    def __init__(self, size: int) -> None:
        self.data = bytes(size)


def test_the_backlog_keeps_pictures_apart_the_older_the_fewer() -> None:
    backlog = Backlog()
    for number in range(1000):
        backlog.put(Picture(Message(10), number / 30))
    newest = backlog.newest(0.0)
    assert newest is not None
    assert newest.time == 999 / 30
    assert backlog.newest(newest.time) is None
    times = np.array([picture.time for picture in backlog._kept])
    assert len(times) == 24
    gaps = np.diff(times)
    assert gaps.min() >= 0.1 - 0.04
    assert newest.time - 20 <= times[0] < newest.time - 10
    assert gaps[-8:].max() <= 0.5 < gaps[:8].max() <= 4
    # Four a second of what is missed, evenly in time.
    assert len(backlog.between(newest.time - 1.0, 8)) == 3
    missed = [picture.time for picture in backlog.between(newest.time - 8.0, 8)]
    assert missed == sorted(set(missed))
    assert newest.time - 8.0 < missed[0] < missed[-1] < newest.time
    assert backlog.between(newest.time - 0.05, 8) == []


def test_the_backlog_takes_little_memory() -> None:
    backlog = Backlog()
    for number in range(10):
        backlog.put(Picture(Message(10_000_000), 10.0 + number))
    assert len(backlog._kept) == 6
    assert backlog.newest(0.0) == backlog._kept[-1]
    backlog.put(Picture(Message(100_000_000), 30.0))
    assert len(backlog._kept) == 1
