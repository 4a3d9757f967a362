# SPDX-License-Identifier: Apache-2.0
"""Faults of what cameras send."""

from __future__ import annotations

import math
from array import array
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from faults.listing import fault
from faults.node_under_test import HANG, Stand
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from refseg_ros.results import Status
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import to_image

REFUSED = "`ERROR` with the reason; the next good image is answered"
SMALL = np.full((48, 64, 3), 90, np.uint8)


def refused(stand: Stand, image: Any, words: str) -> str:
    """An image that must be refused with a reason."""
    stand.show(image)
    result = stand.ask("the mug")
    assert result.status == Status.ERROR, result.reason
    assert words in result.reason, result.reason
    assert result.header == image.header
    assert words in stand.wait_for_problem("the last answer failed")
    return f"`ERROR`: {result.reason}"


def lying(stand: Stand, **changes: Any) -> Image:
    image = stand.peer.image(SMALL)
    for name, value in changes.items():
        setattr(image, name, value)
    return image


@fault("image message with a step smaller than a row", REFUSED)
def small_step(stand: Stand) -> str:
    return refused(stand, lying(stand, step=3), "too few")


@fault("image message cut off in the middle of its data", REFUSED, slow=True)
def cut_off(stand: Stand) -> str:
    return refused(stand, lying(stand, data=array("B", bytes(1000))), "1000 bytes")


@fault("image message of 64×48 with data of a larger one", REFUSED, slow=True)
def too_much_data(stand: Stand) -> str:
    return refused(stand, lying(stand, data=array("B", bytes(100_000))), "100000 bytes")


@fault("image message that says 4,000,000,000×4,000,000,000 and holds 9 kB", REFUSED)
def huge_claim(stand: Stand) -> str:
    size = 4_000_000_000
    return refused(stand, lying(stand, width=size, height=size, step=size), "megapixels")


@fault("encodings that are not read: bayer, 16 bits, 10,000 letters", REFUSED, slow=True)
def unknown_encoding(stand: Stand) -> str:
    said = refused(stand, lying(stand, encoding="bayer_rggb8"), "image_proc")
    refused(stand, lying(stand, encoding="rgb16"), "rgb8")
    refused(stand, lying(stand, encoding="x" * 10_000), "...")
    return said


@fault("image of 0×0", REFUSED, slow=True)
def no_pixels(stand: Stand) -> str:
    return refused(stand, lying(stand, width=0, height=0, step=0, data=array("B")), "no pixels")


@fault("image of 1×1, of 1×2000, all black, all noise", "an answer, never `SELECTED`", slow=True)
def nothing_to_see(stand: Stand) -> str:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3))
    names = set()
    for pixels in (np.zeros((1, 1, 3)), np.zeros((1, 2000, 3)), np.zeros((480, 640, 3)), noise):
        stand.show(stand.peer.image(pixels.astype(np.uint8)))
        for text in ("the red mug", "the thing on the left", "the thing not left of the cup"):
            result = stand.ask(text, 2 * HANG)
            assert result.status in (Status.NOT_FOUND, Status.AMBIGUOUS), result
            names.add(Status(result.status).name)
    return f"answered {' and '.join(f'`{name}`' for name in sorted(names))}"


@fault("image of 8K (7680×4320, 100 MB)", "`ERROR` that names `max_megapixels`; good ones go on")
def eight_k(stand: Stand) -> str:
    return refused(stand, stand.peer.image(np.zeros((4320, 7680, 3), np.uint8)), "max_megapixels")


@fault(
    "bytes that are no message at all on the image topic",
    "the next good image is answered",
    slow=True,
)
def no_message(stand: Stand) -> str:
    for data in (b"\x00\x01\x00\x00", b"\x00\x01\x00\x00" + b"\xff" * 64, b"\xff" * 1000):
        stand.peer._images.publish(data)
    stand.peer.spin(0.5)
    stand.check_alive()
    return "dropped, and the node went on"


class WithDepth:
    """A stand whose good image has depth and calibration."""

    def __init__(self, stand: Stand) -> None:
        self.stand, self.scene = stand, stand.scene()
        node = stand.peer.node
        self._depth = node.create_publisher(Image, "depth", qos.CAMERA)
        self._info = node.create_publisher(CameraInfo, "camera_info", qos.CAMERA)
        for publisher in (self._depth, self._info):
            stand.peer.wait(publisher.get_subscription_count, "the depth input")

    def answer(self, depth: Image | None = None, again: bool = False, **info: Any) -> Any:
        """Send depth, calibration and image, the last one if wanted; the mask must be right."""
        peer, scene = self.stand.peer, self.scene
        image = self.stand.good_image(scene)
        if again:
            image.data = self._shown.data
        self._shown = image
        message = depth or to_image(scene.frame.depth, "32FC1", image.header)
        message.header = image.header
        calibration = CameraInfo(header=image.header, height=480, width=640)
        calibration.k = [float(value) for value in scene.frame.intrinsics.ravel()]
        for name, value in info.items():
            setattr(calibration, name, value)
        self._info.publish(calibration)
        self._depth.publish(message)
        peer.spin(0.3)
        self.stand.show(image)
        result = self.stand.ask(scene.referrals[0].expression, 2 * HANG)
        assert result.status == Status.SELECTED, result.reason
        truth = np.isin(scene.frame.instances, self.stand.numbers(scene.referrals[0]))
        self.stand.check_mask(result, truth)
        return result

    def close(self) -> None:
        for publisher in (self._depth, self._info):
            self.stand.peer.node.destroy_publisher(publisher)


@fault(
    "depth that is NaN, infinite, negative or 0 everywhere",
    "the mask, without a distance",
    slow=True,
)
def bad_depth(stand: Stand) -> str:
    inputs = WithDepth(stand)
    for value in (math.nan, math.inf, -1.0, 0.0):
        depth = to_image(
            np.full((480, 640), value, np.float32), "32FC1", stand.peer.image(SMALL).header
        )
        result = inputs.answer(depth)
        assert math.isnan(result.distance)
        inputs.scene = stand.scene()
    said = stand.wait_for_problem("no valid depth")
    inputs.close()
    return f"the mask; /diagnostics: {said}"


@fault(
    "depth of another size, of another encoding, cut off", "the mask, and what is wrong", slow=True
)
def lying_depth(stand: Stand) -> str:
    inputs, header = WithDepth(stand), stand.peer.image(SMALL).header
    cut = to_image(np.ones((480, 640), np.float32), "32FC1", header)
    cut.data = cut.data[:100]
    said = []
    for depth, words in (
        (to_image(np.ones((48, 64), np.float32), "32FC1", header), "register depth"),
        (to_image(np.ones((480, 640), np.uint8), "8UC1", header), "16UC1"),
        (cut, "100 bytes"),
    ):
        assert math.isnan(inputs.answer(depth).distance)
        said.append(stand.wait_for_problem(words))
        inputs.scene = stand.scene()
    inputs.close()
    return f"the mask; /diagnostics: {said[0]}"


@fault("camera_info of another size, all zeros, NaN", "the mask, and what is wrong", slow=True)
def lying_info(stand: Stand) -> str:
    inputs = WithDepth(stand)
    said = []
    for info, words in (
        ({"width": 320, "height": 240}, "camera_info is for 320x240"),
        ({"k": [0.0] * 9}, "no calibration"),
        ({"k": [math.nan] * 9}, "no calibration"),
    ):
        assert math.isnan(inputs.answer(**info).distance)
        said.append(stand.wait_for_problem(words))
        inputs.scene = stand.scene()
    assert inputs.answer().distance > 0
    inputs.close()
    return f"the mask; /diagnostics: {said[0]}; the distance is back with the calibration"


@fault(
    "depth and calibration of another frame, depth in millimetres as 32FC1, depth behind the "
    "table, a camera matrix that no camera has",
    "the mask without a position, and what is wrong",
    slow=True,
)
def depth_of_another_camera(stand: Stand) -> str:
    inputs, header = WithDepth(stand), stand.peer.image(SMALL).header
    said = []
    for factor, info, words in (
        (1.0, {"header": Header(frame_id="infra_frame")}, "of the frame infra_frame"),
        (1000.0, {}, "send metres in 32FC1"),
        (20.0, {}, "behind what it stands on"),
        (1.0, {"k": [5e2, 0.0, -1e6, 0.0, 5e2, 240.0, 0.0, 0.0, 1.0]}, "centre -1e+06"),
    ):
        metres, item = inputs.scene.frame.depth.copy(), inputs.scene.referrals[0]
        there = np.isin(inputs.scene.frame.instances, stand.numbers(item))
        metres[there if factor == 20.0 else ...] *= factor
        result = inputs.answer(to_image(metres, "32FC1", header), **info)
        assert math.isnan(result.distance)
        assert words in result.space_problem, result.space_problem
        said.append(result.space_problem)
        inputs.scene = stand.scene()
    inputs.close()
    return f"the mask; {said[2]}; {said[3]}"


@fault(
    "stamps an hour ahead of the clock",
    "the right answer with that stamp, and a warning",
    slow=True,
)
def future_stamps(stand: Stand) -> str:
    scene = stand.scene()
    image = stand.good_image(scene)
    image.header.stamp.sec = stand.peer.node.get_clock().now().seconds_nanoseconds()[0] + 3600
    stand.show(image)
    result = stand.ask(scene.referrals[0].expression)
    assert (result.status, result.header) == (Status.SELECTED, image.header)
    return f"answered; /diagnostics: {stand.wait_for_problem('ahead of')}"


@fault("stamps that go backwards", "the right answer with that stamp, and a warning", slow=True)
def backward_stamps(stand: Stand) -> str:
    stand.show(stand.peer.image(SMALL))
    scene = stand.scene()
    image = stand.good_image(scene)
    image.header.stamp.sec = 1
    stand.show(image)
    result = stand.ask(scene.referrals[0].expression)
    assert (result.status, result.header) == (Status.SELECTED, image.header)
    return f"answered; /diagnostics: {stand.wait_for_problem('went back')}"


@fault("simulated clock that stops and is reset to 0", "answers and diagnostics go on", slow=True)
def clock_reset(stand: Stand) -> str:
    clock = stand.peer.node.create_publisher(Clock, "/clock", qos.RESULT)
    assert stand.set("use_sim_time", True) == ""
    for second in (1000, 1001, 0, 5):
        clock.publish(Clock(clock=Time(sec=second)))
        stand.peer.spin(0.2)
        passed = stand.check_works()
    assert stand.set("use_sim_time", False) == ""
    stand.peer.node.destroy_publisher(clock)
    return f"answered after {passed:.1f} s with the clock at 5 s"


@fault(
    "a view that does not change, asked about again, and again after a deactivation",
    "stamp and distance of the newest frame; observed anew after the deactivation",
    slow=True,
)
def unchanged_view(stand: Stand) -> str:
    inputs = WithDepth(stand)
    first = inputs.answer()
    nearer = to_image(inputs.scene.frame.depth * 0.5, "32FC1", first.header)
    again = inputs.answer(nearer, again=True)
    assert again.reused_observation
    assert again.header.stamp.sec > first.header.stamp.sec
    assert abs(again.distance - first.distance / 2) < 0.01, (first.distance, again.distance)
    for number in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
        request = ChangeState.Request(transition=Transition(id=number))
        assert stand.call(ChangeState, "change_state", request).success
    stand.peer.wait_until_connected()
    later = inputs.answer(again=True)
    assert not later.reused_observation
    inputs.close()
    return (
        f"first {first.distance:.2f} m, then with the depth image halved {again.distance:.2f} m "
        "and the newer stamp; observed anew after the deactivation"
    )
