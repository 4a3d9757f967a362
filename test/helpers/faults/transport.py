# SPDX-License-Identifier: Apache-2.0
"""Faults of other processes and of the node's own: killed, stopped, mute, restarted."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from checkout import ROOT
from faults.listing import fault
from faults.node_under_test import HANG, Maker, Stand, patience
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from ros_peer import NAMESPACE
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from refseg_lab.processes import Child, Children
from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros.results import Status
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import to_image

OTHER = Path(__file__).with_name("other.py")
SCRIPTS = ROOT / "scripts"


def wait_for_handler(number: int) -> None:
    """Wait until a process catches SIGTERM: before Python has started nothing can."""
    deadline = time.monotonic() + 20
    caught = 0
    while not caught >> (signal.SIGTERM - 1) & 1:
        assert time.monotonic() < deadline
        status = Path(f"/proc/{number}/status").read_text(encoding="utf-8")
        (line,) = [line for line in status.splitlines() if line.startswith("SigCgt")]
        caught = int(line.split()[1], 16)


@contextmanager
def other(stand: Stand, role: str) -> Iterator[Child]:
    """Another process on the graph, in a role of other.py."""
    log = stand.folder / f"{role}.log"
    child = Children().start(role, [sys.executable, str(OTHER), role, NAMESPACE], stand.env, log)
    try:
        yield child
    finally:
        if child.process.poll() is None:
            child.process.kill()
            child.process.wait()


@contextmanager
def no_publisher(stand: Stand) -> Iterator[None]:
    """Without the stand's own publisher of images, and with a short patience."""
    peer = stand.peer
    assert stand.set("image_timeout", 1.0) == ""
    peer.node.destroy_publisher(peer._images)
    try:
        yield
    finally:
        peer._images = peer.node.create_publisher(Image, "image", qos.CAMERA)
        peer.wait(peer._images.get_subscription_count, "the node")
        assert stand.set("image_timeout", 10.0) == ""


@fault(
    "the camera's process is killed in mid-stream",
    "no answer about its last image: `ERROR` after `image_timeout` that counts the publishers; "
    "answers when a camera is back",
    slow=True,
)
def killed_camera(stand: Stand) -> str:
    with no_publisher(stand), other(stand, "camera") as camera:
        stand.peer.wait(lambda: float(stand.figures()["frames per second"]) > 3, "the stream")
        assert stand.ask("the brick").status != Status.ERROR
        camera.process.kill()
        camera.process.wait()
        time.sleep(1.1)
        result = stand.ask("the pear", 1.0 + HANG)
        assert result.status == Status.ERROR
        assert "no image on" in result.reason
        assert stand.peer.heard["mask"][-1].header != result.header
        stand.wait_for_problem("publishers: 0", 30)
    return f"`ERROR`: {result.reason}"


@fault("images of another type on the image topic", "/diagnostics names both types")
def wrong_type(stand: Stand) -> str:
    with no_publisher(stand):
        publisher = stand.peer.node.create_publisher(CompressedImage, "image", qos.CAMERA)
        publisher.publish(CompressedImage(format="jpeg"))
        said = stand.wait_for_problem("see image_transport", 15)
        stand.peer.node.destroy_publisher(publisher)
    return f"/diagnostics: {said}"


@fault(
    "another node of the same name, another publisher of images, other types on `depth`, "
    "`camera_info` and `command`",
    "/diagnostics names each",
    slow=True,
)
def crowd(stand: Stand) -> str:
    with other(stand, "crowd"):
        said = stand.wait_for_problem("nodes are called", 20)
        for words in ("2 publishers", "/depth: ", "/camera_info: ", "/command: "):
            said = stand.wait_for_problem(words, 20)
    return f"/diagnostics: {said}"


@fault("a camera_info that was sent once, latched, before the node is active", "it is received")
def latched_calibration(stand: Stand) -> str:
    def change(number: int) -> None:
        request = ChangeState.Request(transition=Transition(id=number))
        assert stand.call(ChangeState, "change_state", request).success

    change(Transition.TRANSITION_DEACTIVATE)
    node = stand.peer.node
    info = node.create_publisher(CameraInfo, "camera_info", qos.LATCHED)
    depth = node.create_publisher(Image, "depth", qos.CAMERA)
    scene = stand.scene()
    calibration = CameraInfo(height=480, width=640)
    calibration.k = [float(value) for value in scene.frame.intrinsics.ravel()]
    info.publish(calibration)
    change(Transition.TRANSITION_ACTIVATE)
    stand.peer.wait_until_connected()
    stand.peer.wait(depth.get_subscription_count, "the depth input")
    stand.peer.wait(lambda: info.get_subscription_count() > 1, "the calibration's reader")
    image = stand.good_image(scene)
    depth.publish(to_image(scene.frame.depth, "32FC1", image.header))
    stand.peer.spin(0.3)
    stand.show(image)
    result = stand.ask(scene.referrals[0].expression, 2 * HANG)
    assert result.distance > 0, result.space_problem
    for publisher in (info, depth):
        node.destroy_publisher(publisher)
    return f"the target is {result.distance:.2f} m away"


@fault(
    "no publisher on the image topic, but images elsewhere", "/diagnostics names where", slow=True
)
def wrong_topic(stand: Stand) -> str:
    with no_publisher(stand):
        publisher = stand.peer.node.create_publisher(Image, "camera/color/image_raw", qos.CAMERA)
        said = stand.wait_for_problem("camera/color/image_raw", 15)
        stand.peer.node.destroy_publisher(publisher)
    return f"/diagnostics: {said}"


@fault(
    "a reliable subscriber of all outputs that never reads (stopped process)",
    "no answer waits",
    slow=True,
)
def mute_subscriber(stand: Stand) -> str:
    with other(stand, "listener") as listener:
        mask = stand.peer.node
        stand.peer.wait(lambda: mask.count_subscribers("refseg/mask") > 1, "the listener")
        listener.process.send_signal(signal.SIGSTOP)
        before = float(stand.figures()["memory MB"])
        slowest = 0.0
        scene = stand.scene()
        image = stand.show(stand.good_image(scene))
        for number in range(100):
            stand.peer.send(image)  # or it is too old one day
            began = time.monotonic()
            result = stand.ask(scene.referrals[number % 2].expression)
            assert result.status == Status.SELECTED, result.reason
            slowest = max(slowest, time.monotonic() - began)
        grown = float(stand.figures()["memory MB"]) - before
        listener.process.send_signal(signal.SIGCONT)
    assert grown < 150, f"{grown} MB"
    return f"100 answers, the slowest after {slowest:.1f} s; memory grew by {grown:.0f} MB"


@fault(
    "compressed images: a PNG of 60,000×60,000 in 450 kB, a JPEG cut off, no image at all",
    "`ERROR` with the reason, no memory taken; the next good image is answered",
    own=True,
    slow=True,
)
def bad_compressed(maker: Maker) -> str:
    return compressed(maker)


def compressed(maker: Maker) -> str:
    import struct
    import zlib
    from array import array

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    )
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(60001)) for _ in range(6000)) + packer.flush()
    bomb += chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    with maker.stand("image_transport:=compressed", wait=False) as stand:
        peer = stand.peer
        peer.node.destroy_publisher(peer._images)
        peer._images = peer.node.create_publisher(CompressedImage, "image", qos.CAMERA)
        peer.wait_until_connected()
        stand.wait_for_models()
        before = float(stand.figures()["memory MB"])
        scene = stand.scene()
        good = scene.frame.jpeg if scene.frame.jpeg else b""
        said = []
        for data in (bomb, b"\xff\xd8\xff\xe0 no picture", good[:200], b""):
            stand.show(CompressedImage(format="jpeg", data=array("B", data)))
            result = stand.ask("the mug")
            assert result.status == Status.ERROR, result.reason
            said.append(result.reason)
        grown = float(stand.figures()["memory MB"]) - before
        assert grown < 100, f"{grown} MB"
        stand.show(CompressedImage(format="jpeg", data=array("B", good)))
        assert stand.ask(scene.referrals[0].expression).status == Status.SELECTED
    return f"`ERROR`: {said[0]}; memory grew by {grown:.0f} MB"


# --------------------------------------------------------------------- the node's own end

STAGES = ("loading", "idle", "observing")


def ended(
    maker: Maker, number: signal.Signals, twice: bool = False
) -> tuple[list[int], dict[str, float]]:
    """The exit codes after a signal at every stage, and the seconds to the end of each."""
    codes, seconds = [], {}
    for stage in STAGES:
        with maker.stand(wait=stage != "loading") as stand:
            if stage == "loading":
                deadline = time.monotonic() + 60
                while not any("loading the models" in line for line in stand.node.last_lines()):
                    assert time.monotonic() < deadline, stand.node.last_lines()
                    time.sleep(0.01)
            elif stage == "observing":
                stand.show(stand.good_image(stand.scene()))
                stand.orders.write_text("slow", encoding="utf-8")
                stand.peer.say("the mug")
                stand.peer.spin(0.3)
            began = time.monotonic()
            stand.node.process.send_signal(number)
            if twice:
                time.sleep(0.05)
                stand.node.process.send_signal(number)
            codes.append(stand.node.process.wait(20))
            seconds[stage] = time.monotonic() - began
            assert not any("Traceback" in line for line in stand.node.last_lines(1000))
    return codes, seconds


def politely(codes: list[int], seconds: dict[str, float]) -> str:
    """Whether a node ended with 0 and soon; what it did."""
    shown = ", ".join(f"{stage} {value:.1f} s" for stage, value in seconds.items())
    assert codes == [0, 0, 0], codes
    assert max(seconds.values()) < patience(), shown
    return f"exit codes {codes}; to the end: {shown}"


@fault("SIGINT while loading, idle and observing", "ends with 0 within 2 s", own=True, slow=True)
def interrupt(maker: Maker) -> str:
    return politely(*ended(maker, signal.SIGINT))


@fault("SIGTERM twice, at the same stages", "ends with 0 within 2 s", own=True, slow=True)
def terminate(maker: Maker) -> str:
    return politely(*ended(maker, signal.SIGTERM, twice=True))


@fault(
    "SIGINT and SIGTERM in the first second, from when the program runs",
    "ends with 0, no traceback",
    own=True,
    slow=True,
)
def early_signals(maker: Maker) -> str:
    node = SCRIPTS / "segmenter_node"
    delays = (0.0, 0.1, 0.2, 0.4, 0.8)
    for number in (signal.SIGINT, signal.SIGTERM):
        for delay in delays:
            log = maker.folder / f"{number.name}{delay}.log"
            child = Children().start("node", [sys.executable, str(node)], maker.env, log)
            wait_for_handler(child.process.pid)
            time.sleep(delay)
            child.process.send_signal(number)
            assert child.process.wait(20) == 0, (number, delay, child.last_lines(5))
            said = "\n".join(child.last_lines(1000))
            assert "Traceback" not in said, (number, delay, said)
    return (
        f"{2 * len(delays)} times exit code 0, {delays[0]:g} to {delays[-1]:g} s after its start"
    )


@fault(
    "a `--params-file` that is missing, cut short, of another form",
    "ends with 1 and one line that names it",
    own=True,
    slow=True,
)
def wrong_parameters_file(maker: Maker) -> str:
    path, said = maker.folder / "wrong.yaml", []
    for text in (None, "/**/refseg: [1,\n", "/**/refseg:\n  ros__parameters: 5\n"):
        if text is not None:
            path.write_text(text, encoding="utf-8")
        log = maker.folder / f"{len(said)}.log"
        command = [sys.executable, str(SCRIPTS / "segmenter_node"), "--ros-args"]
        command += ["--params-file", str(path)]
        child = Children().start("node", command, maker.env, log)
        assert child.process.wait(30) == 1
        lines = [line for line in child.last_lines(1000) if "FATAL" in line]
        assert len(lines) == 1, lines
        assert "wrong.yaml" in lines[0], lines[0]
        assert not any("Traceback" in line for line in child.last_lines(1000))
        said.append(lines[0].split("]: ", 1)[1].replace(str(maker.folder), "…"))
    return f"exit code 1: {said[0]}"


@fault(
    "SIGKILL while loading, idle and observing, and started again each time",
    "starts and answers; nothing of before is in the way",
    own=True,
    slow=True,
)
def kill(maker: Maker) -> str:
    codes, _ = ended(maker, signal.SIGKILL)
    assert codes == [-9, -9, -9]
    with maker.stand() as stand:
        passed = stand.check_works()
    return f"started again, it answered after {passed:.1f} s"


@fault(
    "killed and restarted while a command waits for an image (parameter `command`)",
    "answers it once, when the image comes",
    own=True,
    slow=True,
)
def restart_with_command(maker: Maker) -> str:
    scene = bundled_scenes()[0]
    text = scene.referrals[0].expression
    with maker.stand(f"command:={text}") as stand:
        stand.node.process.kill()
        stand.node.process.wait()
        stand.node = stand.start(f"command:={text}")
        stand.peer.wait(lambda: stand.node.last_lines(), "the new process", 30)
        stand.peer.wait_until_connected()
        stand.wait_for_models()
        results = stand.peer.heard["result"]
        assert results == [], results
        image = stand.peer.send(stand.good_image(scene))
        stand.peer.wait(lambda: results, "the answer", 10 * patience())
        stand.peer.spin(1.0)
        assert [(item.command, item.status) for item in results] == [(text, Status.SELECTED)]
        assert results[0].header == image.header, (results[0].header, image.header)
    return "one result, about that image"
