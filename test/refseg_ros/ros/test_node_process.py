# SPDX-License-Identifier: Apache-2.0
"""The segmenter node as users run it: a process of its own, with the bundled models."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.msg", reason="the messages are not built")

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from ros_peer import FRAME_ID, Peer, end, ros_domain, start
from sensor_msgs.msg import Image

from refseg_lab.processes import Child
from refseg_lab.simulation.benchmark import TabletopScene
from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros.answer import STRANGE_PICTURE
from refseg_ros.results import Status


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with ros_domain() as env:
        yield env


@pytest.fixture(scope="module")
def segmenter(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Child]:
    # One model load for the whole file.
    log = tmp_path_factory.mktemp("log") / "segmenter.log"
    # However slow the machine is, an image that was shown is not too old.
    parameters = ("image_reliability:=reliable", "image_timeout:=0.0")
    node = start("segmenter_node", environment, log, *parameters)
    yield node
    if node.process.poll() is None:
        end(node, signal.SIGKILL)


@pytest.fixture(scope="module")
def peer(segmenter: Child) -> Iterator[Peer]:
    peer = Peer()
    peer.wait_until_connected()
    peer.wait(lambda: peer.figures()["model"] != "loading", "the models", 120)
    yield peer
    peer.close()


@pytest.fixture(scope="module")
def scene() -> TabletopScene:
    return bundled_scenes()[0]


def show(peer: Peer, image: Image) -> None:
    """Publish an image and wait until the node has it."""
    received = int(peer.figures()["frames received"])
    peer.send(image)
    peer.wait(lambda: int(peer.figures()["frames received"]) > received, "the frame's arrival")


def test_image_and_command_give_the_mask(peer: Peer, scene: TabletopScene) -> None:
    image = peer.image(scene.frame.rgb)
    show(peer, image)
    result, mask = peer.ask(scene.referrals[0].expression)
    assert result.header == image.header
    assert Status(result.status).has_target, result.reason
    assert not result.reused_observation
    assert result.observe_ms > 0
    assert dict(zip(result.stage_names, result.stage_ms, strict=True)).keys() >= {"proposals"}
    assert mask is not None
    assert mask.header == image.header
    assert mask.header.frame_id == FRAME_ID
    assert (mask.width, mask.height, mask.encoding) == (640, 480, "mono8")
    pixels = np.frombuffer(mask.data, np.uint8).reshape(480, 640)
    assert set(np.unique(pixels)) == {0, 255}
    assert result.area == (pixels == 255).sum()
    rows, columns = np.nonzero(pixels)
    roi = result.roi
    assert (roi.x_offset, roi.y_offset) == (columns.min(), rows.min())
    assert roi.width == columns.max() + 1 - columns.min()
    assert roi.height == rows.max() + 1 - rows.min()


def test_the_answer_is_explained_by_candidates_and_labels(
    peer: Peer, scene: TabletopScene
) -> None:
    show(peer, peer.image(scene.frame.rgb))
    result, mask = peer.ask(scene.referrals[0].expression)
    assert mask is not None
    labels = np.frombuffer(peer.heard["label_image"][-1].data, np.uint16).reshape(480, 640)
    ids = [item.id for item in result.candidates]
    assert sorted(ids) == list(range(1, len(ids) + 1))
    assert set(np.unique(labels)) <= {0, *ids}
    assert result.target_id in ids
    assert sum(item.score for item in result.candidates) == pytest.approx(1.0, abs=1e-3)
    for item in result.candidates:
        assert len(item.term_names) == len(item.term_values) > 0
        assert item.area > 0
    overlay = peer.heard["overlay"][-1]
    assert (overlay.encoding, overlay.width, overlay.height) == ("rgb8", 640, 480)
    assert bytes(overlay.data) != scene.frame.rgb.tobytes()


def test_a_second_command_on_the_same_view_is_quick(peer: Peer, scene: TabletopScene) -> None:
    first = peer.image(scene.frame.rgb)
    show(peer, first)
    peer.ask(scene.referrals[0].expression)
    # Sensor noise is no new view, and the answer says which image it is about.
    noisy = scene.frame.rgb.astype(np.int16) + np.random.default_rng(0).integers(
        -4, 5, (480, 640, 1)
    )
    show(peer, peer.image(np.clip(noisy, 0, 255).astype(np.uint8)))
    before = time.perf_counter()
    observed = peer.figures()["last observe ms"]
    seconds = []
    for referral in scene.referrals[1:4]:
        before = time.perf_counter()
        peer.heard["result"].clear()
        peer.say(referral.expression)
        peer.wait(lambda: peer.heard["result"], "a result")
        seconds.append(time.perf_counter() - before)
        result = peer.heard["result"][-1]
        assert result.reused_observation
        assert result.observe_ms == 0
        assert result.select_ms > 0
    assert peer.figures()["last observe ms"] == observed
    assert min(seconds) < float(observed) / 1000, seconds


def test_another_view_is_observed(peer: Peer) -> None:
    scenes = bundled_scenes()
    show(peer, peer.image(scenes[1].frame.rgb))
    first, _ = peer.ask(scenes[1].referrals[0].expression)
    second_image = peer.image(scenes[2].frame.rgb)
    show(peer, second_image)
    second, mask = peer.ask(scenes[1].referrals[0].expression)
    assert not first.reused_observation
    assert not second.reused_observation
    assert second.header == second_image.header
    assert mask is not None
    assert mask.header == second_image.header


def test_service_answers_about_its_image_and_leaves_the_stream_alone(peer: Peer) -> None:
    stream, other = bundled_scenes()[1:3]
    streamed = peer.image(stream.frame.rgb)
    show(peer, streamed)
    peer.ask(stream.referrals[0].expression)
    results = len(peer.heard["result"])
    image = peer.image(other.frame.rgb)
    response = peer.call(other.referrals[0].expression, image)
    assert response.success, response.message
    assert response.result.command == other.referrals[0].expression
    assert response.result.header == image.header == response.mask.header
    assert (response.mask.width, response.mask.height, response.mask.encoding) == (
        640,
        480,
        "mono8",
    )
    assert sum(response.mask.data) == 255 * response.result.area
    assert len(peer.heard["result"]) == results
    newest = peer.call(stream.referrals[1].expression)
    assert newest.success
    assert newest.result.reused_observation
    again, _ = peer.ask(stream.referrals[1].expression)
    assert again.reused_observation


def test_service_refuses_in_words(peer: Peer) -> None:
    image = peer.image(np.zeros((4, 4), np.uint16), "16UC1")
    response = peer.call("the mug", image)
    assert not response.success
    assert "16UC1" in response.message
    assert response.result.status == Status.ERROR
    assert response.result.header == image.header
    assert response.mask.height == 0


def test_an_unknown_thing_is_not_found(peer: Peer, scene: TabletopScene) -> None:
    show(peer, peer.image(scene.frame.rgb))
    result, mask = peer.ask("the elephant")
    assert result.status == Status.NOT_FOUND
    assert "elephant" in result.reason
    assert (result.target_id, result.area, result.score) == (0, 0, 0.0)
    assert np.isnan(result.distance)
    assert mask is not None
    assert not any(mask.data)


@pytest.mark.parametrize(
    "text", ["x" * 20_000, "??!", "the", "\u202e赤いマグ 🍎", "{0} %s ${HOME} \\"]
)
def test_any_text_gets_an_answer(peer: Peer, scene: TabletopScene, text: str) -> None:
    show(peer, peer.image(scene.frame.rgb))
    result, _ = peer.ask(text)
    assert result.status in list(Status)
    assert result.reason


@pytest.mark.parametrize("text", ["", " \t"])
def test_an_empty_command_clears(peer: Peer, scene: TabletopScene, text: str) -> None:
    show(peer, peer.image(scene.frame.rgb))
    peer.ask(scene.referrals[0].expression)
    result, mask = peer.ask(text)
    assert result.status == Status.IDLE
    assert mask is not None
    assert (mask.width, mask.height) == (640, 480)
    assert not any(mask.data)
    assert peer.figures()["command"] == ""


def test_all_encodings_show_the_same_view(peer: Peer, scene: TabletopScene) -> None:
    rgb = scene.frame.rgb[::4, ::4]
    show(peer, peer.image(rgb))
    peer.ask(scene.referrals[0].expression)
    for encoding, channels in (
        ("bgr8", [2, 1, 0]),
        ("rgba8", [0, 1, 2, 0]),
        ("bgra8", [2, 1, 0, 0]),
    ):
        same = peer.image(rgb[..., channels], encoding)
        show(peer, same)
        result, _ = peer.ask(scene.referrals[0].expression)
        assert result.reused_observation, encoding
        assert result.header == same.header
    grey = peer.image(rgb[..., 1], "mono8")
    show(peer, grey)
    result, mask = peer.ask(scene.referrals[0].expression)
    assert not result.reused_observation
    assert mask is not None
    assert (mask.header, mask.width, mask.height) == (grey.header, 160, 120)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoding": "bayer_rggb8"}, "image_proc"),
        ({"encoding": "32FC1"}, "rgb8"),
        ({"step": 3}, "too few"),
        ({"height": 500}, "bytes"),
        ({"height": 0, "width": 0}, "no pixels"),
    ],
)
def test_a_bad_image_is_an_error_that_says_why(
    peer: Peer, scene: TabletopScene, change: dict[str, object], words: str
) -> None:
    image = peer.image(scene.frame.rgb)
    for name, value in change.items():
        setattr(image, name, value)
    show(peer, image)
    result, mask = peer.ask("the mug", has_mask=False)
    assert result.status == Status.ERROR
    assert words in result.reason
    assert result.header == image.header
    assert mask is None
    show(peer, peer.image(scene.frame.rgb))
    result, _ = peer.ask(scene.referrals[0].expression)
    assert Status(result.status).has_target


@pytest.mark.parametrize("shape", [(1, 1), (480, 640)])
def test_images_without_anything_on_them(peer: Peer, shape: tuple[int, int]) -> None:
    show(peer, peer.image(np.zeros((*shape, 3), np.uint8)))
    result, mask = peer.ask("the red mug")
    assert result.status in list(Status)
    assert result.reason
    assert mask is not None
    assert (mask.height, mask.width) == shape


def set_parameter(peer: Peer, name: str, value: ParameterValue) -> str:
    """Set a parameter of the node as a tool does; returns why not, or ""."""
    client = peer.node.create_client(SetParameters, "refseg/set_parameters")
    peer.wait(client.service_is_ready, "the parameter service")
    request = SetParameters.Request(parameters=[Parameter(name=name, value=value)])
    future = client.call_async(request)
    answer = peer.wait(future.result, "the parameter's answer").results[0]
    return "" if answer.successful else str(answer.reason)


def text_value(text: str) -> ParameterValue:
    return ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=text)


def test_parameters_answer_while_the_models_run(peer: Peer) -> None:
    scene = bundled_scenes()[3]
    show(peer, peer.image(scene.frame.rgb))
    peer.heard["result"].clear()
    peer.say(scene.referrals[0].expression)
    peer.spin(0.1)
    assert "on_command, continuous" in set_parameter(peer, "mode", text_value("sometimes"))
    assert "read-only" in set_parameter(peer, "device", text_value("cuda"))
    assert not peer.heard["result"], "the models were done before the parameters were asked"
    peer.wait(lambda: peer.heard["result"], "the result")


def test_continuous_mode_answers_every_new_view(peer: Peer) -> None:
    first, second = bundled_scenes()[4:6]
    show(peer, peer.image(first.frame.rgb))
    peer.ask(first.referrals[0].expression)
    assert set_parameter(peer, "mode", text_value("continuous")) == ""
    try:
        peer.heard["result"].clear()
        image = peer.image(second.frame.rgb)
        peer.send(image)
        result = peer.wait(lambda: peer.heard["result"], "an answer about the new view")[-1]
        assert result.header == image.header
        assert result.command == first.referrals[0].expression
        peer.heard["result"].clear()
        peer.send(peer.image(second.frame.rgb))
        peer.spin(0.5)
        assert peer.heard["result"] == []  # the same view
    finally:
        assert set_parameter(peer, "mode", text_value("on_command")) == ""


def test_diagnostics(peer: Peer, scene: TabletopScene) -> None:
    show(peer, peer.image(scene.frame.rgb))
    figures = peer.figures()
    # A grey picture of an earlier test is unlike the tables that the models know.
    assert figures["level"] == 0 or figures["message"] == STRANGE_PICTURE, figures["message"]
    assert figures["model"].startswith("tabletop on ")
    assert figures["mode"] == "on_command"
    assert int(figures["frames received"]) > 0


def test_sigint_ends_it_with_zero(peer: Peer, segmenter: Child) -> None:
    """The last test of the file: an observation is under way when the signal comes."""
    scene = bundled_scenes()[6]
    show(peer, peer.image(scene.frame.rgb))
    peer.say(scene.referrals[0].expression)
    peer.spin(0.1)
    code, errors = end(segmenter)
    assert code == 0, errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_loading_ends_it_with_zero(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    node = start("segmenter_node", environment, tmp_path / "log")
    deadline = time.monotonic() + 60
    # Diagnostics come once a second: on a fast machine the models are ready by then.
    while not any("loading the models" in line for line in node.last_lines()):
        assert time.monotonic() < deadline, node.last_lines()
        time.sleep(0.01)
    code, errors = end(node, number)
    assert code == 0, errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ("preset:=nope", "tabletop"),
        ("preset:=paper", "sam_vit_h_4b8939.pth"),
        ("mode:=never", "on_command, continuous"),
        ("device:=tpu", "cuda"),
        ("keyframe_change:=fast", "keyframe_change"),
    ],
)
def test_a_node_that_cannot_run_says_why_in_one_line(
    environment: dict[str, str], tmp_path: Path, parameter: str, words: str
) -> None:
    node = start("segmenter_node", environment, tmp_path / "log", parameter)
    assert node.process.wait(60) == 1
    errors = (tmp_path / "log").read_text(encoding="utf-8")
    lines = [line for line in errors.splitlines() if "FATAL" in line]
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in errors
