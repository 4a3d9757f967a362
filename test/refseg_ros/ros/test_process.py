# SPDX-License-Identifier: Apache-2.0
"""A process that runs one node: what failing callbacks do to it, and what it leaves behind."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.action", reason="the messages are not built")

from checkout import ROOT
from faults.transport import wait_for_handler
from ros_peer import end, ros_domain, start

from refseg_lab.processes import Children

SCRIPTS = ROOT / "scripts"

NODE = """
import sys
from rclpy.node import Node
from refseg_ros.ros.process import run

class Failing(Node):
    exit_code = None

    def __init__(self):
        super().__init__("failing")
        self.turns = 0
        self.create_timer(0.02, self.fail)

    def fail(self):
        self.turns += 1
        if self.turns > int(sys.argv[1]):
            self.exit_code = 0
        raise ValueError("a mishap")

    def close(self):
        return True

run("failing", Failing, [])
"""


def ran(failures: int) -> subprocess.CompletedProcess[str]:
    with ros_domain() as env:
        return subprocess.run(
            [sys.executable, "-c", NODE, str(failures)],
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def test_a_callback_that_fails_is_logged_and_survived() -> None:
    done = ran(3)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("a callback failed") == 4
    assert "ValueError: a mishap" in done.stderr


def test_callbacks_that_fail_again_and_again_end_the_process() -> None:
    done = ran(1000)
    assert done.returncode == 1
    assert done.stderr.count("a callback failed") == 10
    assert "again and again" in done.stderr


def segments(number: int) -> set[Path]:
    """Shared memory of Fast DDS that a process has in use."""
    lines = Path(f"/proc/{number}/maps").read_text(encoding="utf-8").splitlines()
    names = {line.split()[-1] for line in lines if "/dev/shm/fastrtps_" in line}
    return {Path(name) for name in names if "fastrtps_port" not in name}


@pytest.mark.parametrize("parameter", ["autostart:=true", "autostart:=false", "preset:=nope"])
def test_no_shared_memory_is_left_behind(tmp_path: Path, parameter: str) -> None:
    # On a domain without others: what it has in use is its own, up to 140 MB.
    with ros_domain() as environment:
        node = start("segmenter_node", environment, tmp_path / "log", parameter)
        used: set[Path] = set()
        deadline = time.monotonic() + 60
        while not used and node.process.poll() is None:
            assert time.monotonic() < deadline, node.last_lines()
            used = segments(node.process.pid)
        if parameter == "autostart:=true":
            while not any("loading the models" in line for line in node.last_lines()):
                assert time.monotonic() < deadline, node.last_lines()
                time.sleep(0.01)
        if parameter != "preset:=nope":
            end(node)
        node.process.wait(20)
        assert used
        assert not [path for path in used if path.exists()]


NODES = ("segmenter_node", "model_server", "viewer_node", "camera_node")
FILES = {
    "missing": None,
    "cut short": "/**/refseg: [1,\n",
    "without a node": "ros__parameters:\n  preset: tabletop\n",
    "a number in place of parameters": "/**/refseg:\n  ros__parameters: 5\n",
}


def program(name: str, *arguments: str) -> list[str]:
    """The command line of an executable of the package."""
    given = ["front"] if name == "model_server" else []
    return [sys.executable, str(SCRIPTS / name), *given, "--ros-args", *arguments]


@pytest.mark.parametrize("kind", FILES)
def test_a_parameters_file_that_cannot_be_read_is_one_line(tmp_path: Path, kind: str) -> None:
    path, text = tmp_path / "wrong.yaml", FILES[kind]
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with ros_domain() as env:
        for name in NODES[:1] if text else NODES:
            done = subprocess.run(
                program(name, "--params-file", str(path)),
                env=env,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            said = done.stderr + done.stdout
            assert done.returncode == 1, said
            assert "Traceback" not in said
            (line,) = [line for line in said.splitlines() if "FATAL" in line]
            assert "wrong.yaml" in line
            assert "/src/" not in line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", NODES)
def test_a_signal_while_it_starts_ends_it_with_zero(number: signal.Signals, name: str) -> None:
    with ros_domain() as env:
        for delay in (0.0, 0.3, 1.0):
            process = subprocess.Popen(
                program(name),
                env=env,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            wait_for_handler(process.pid)
            time.sleep(delay)
            process.send_signal(number)
            said, _ = process.communicate(timeout=30)
            assert process.returncode == 0, (delay, said)
            assert "Traceback" not in said, (delay, said)
            assert "KeyboardInterrupt" not in said, (delay, said)


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_the_viewer_without_a_traceback(tmp_path: Path, times: int) -> None:
    pytest.importorskip("nicegui")
    with ros_domain() as env:
        command = program("viewer_node", "-p", "port:=8790")
        viewer = Children().start("viewer", command, env, tmp_path / "log")
        deadline = time.monotonic() + 60
        address = re.compile(r"viewer at http://127\.0\.0\.1:(\d+)/")
        while not (found := address.search(" ".join(viewer.last_lines()))):
            assert time.monotonic() < deadline, viewer.last_lines()
            time.sleep(0.1)
        with socket.create_connection(("127.0.0.1", int(found[1]))) as page:
            page.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            page.recv(100)
            for _ in range(times):
                viewer.process.send_signal(signal.SIGINT)
                time.sleep(0.05)
            assert viewer.process.wait(30) == 0
    said = "\n".join(viewer.last_lines(1000))
    assert "Traceback" not in said, said
