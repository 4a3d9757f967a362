# SPDX-License-Identifier: Apache-2.0
"""A process that runs one node: what failing callbacks do to it."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("rclpy")

from ros_peer import ros_domain

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
