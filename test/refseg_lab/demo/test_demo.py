# SPDX-License-Identifier: Apache-2.0
"""The demo without ROS: its processes live and die together, and its script judges fairly."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refseg_lab import processes
from refseg_lab.demo import launcher as demo
from refseg_lab.demo import script as demo_script
from refseg_lab.demo.launcher import (
    DemoOptions,
    check_requirements,
    free_domain,
    node_commands,
    run_demo,
)
from refseg_lab.demo.script import (
    CommandOutcome,
    DemoCommand,
    SceneFacts,
    choose_commands,
    judge_answer,
    needed,
)
from refseg_lab.processes import Children, StopRequest
from refseg_ros.errors import RefsegError
from refseg_ros.results import Selection, Status, boxes_from_masks

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time\n"
    "for n in (signal.SIGINT, signal.SIGTERM): signal.signal(n, signal.SIG_IGN)\n"
    "print('up', flush=True); time.sleep(60)",
]


def wait_for_text(path: Path, text: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < deadline, f"{path} never said {text!r}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def children() -> Iterator[Children]:
    children = Children()
    yield children
    children.stop()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for each signal's effect a fraction of a second only."""
    steps = tuple((number, 0.3) for number, _ in processes._STOP_STEPS)
    monkeypatch.setattr(processes, "_STOP_STEPS", steps)


def test_stop_sends_sigint_first(children: Children, tmp_path: Path) -> None:
    child = children.start("sleeper", SLEEP, os.environ, tmp_path / "log")
    wait_for_text(tmp_path / "log", "up")
    children.stop()
    assert child.process.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in "\n".join(child.last_lines())
    assert children.running == []


def test_stop_ends_what_ignores_signals(children: Children, tmp_path: Path, hasty: None) -> None:
    child = children.start("stubborn", STUBBORN, os.environ, tmp_path / "log")
    wait_for_text(tmp_path / "log", "up")
    children.stop()
    assert child.process.returncode == -signal.SIGKILL
    assert child.describe_end() == "stubborn was ended by signal SIGKILL"


def test_no_child_outlives_a_killed_parent(tmp_path: Path) -> None:
    log = tmp_path / "log"
    parent_code = (
        "import os, sys, time; from pathlib import Path\n"
        "from refseg_lab.processes import Children\n"
        f"child = Children().start('c', {STUBBORN!r}, os.environ, Path({str(log)!r}))\n"
        "print(child.process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    wait_for_text(log, "up")
    assert is_alive(pid)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 5
    while is_alive(pid):
        assert time.monotonic() < deadline, "the child lives on"
        time.sleep(0.02)


def test_signals_are_noted_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest().listening() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked.wait(2)
        assert stop.number == signal.SIGTERM
        assert not stop.hurry.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.hurry.wait(2)
    assert signal.getsignal(signal.SIGTERM) is before


def fake_nodes(monkeypatch: pytest.MonkeyPatch, **commands: list[str]) -> None:
    """Plain programs in the nodes' places."""
    monkeypatch.setattr(demo, "node_commands", lambda options: commands)
    monkeypatch.setattr(demo, "check_requirements", lambda modules: None)


def press_ctrl_c(path: Path, text: str) -> None:
    def press() -> None:
        wait_for_text(path, text)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()


def test_page_is_announced_and_ctrl_c_is_a_clean_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    viewer = [*SLEEP[:2], SLEEP[2].replace("up", "viewer at http://127.0.0.1:8099/")]
    fake_nodes(monkeypatch, camera=SLEEP, viewer=viewer)
    press_ctrl_c(tmp_path / "logs" / "viewer.log", "viewer at")
    assert run_demo(DemoOptions(out=tmp_path)) == 0
    assert "http://127.0.0.1:8099/" in capfd.readouterr().err


def test_a_dead_child_stops_the_demo_and_its_log_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = [sys.executable, "-c", "import sys; sys.exit('the [lens] is dirty')"]
    fake_nodes(monkeypatch, camera=broken, viewer=SLEEP)
    with pytest.raises(RefsegError, match="camera ended with exit code 1"):
        run_demo(DemoOptions(out=tmp_path))
    assert "the [lens] is dirty" in capfd.readouterr().err


@pytest.mark.parametrize("code", [0, 1])
def test_headless_returns_the_code_of_the_client(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int
) -> None:
    client = [sys.executable, "-c", f"raise SystemExit({code})"]
    fake_nodes(monkeypatch, camera=SLEEP, client=client)
    assert run_demo(DemoOptions(headless=True, out=tmp_path)) == code


def test_headless_interrupted_is_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_nodes(monkeypatch, camera=SLEEP, client=SLEEP)
    press_ctrl_c(tmp_path / "logs" / "camera.log", "up")
    assert run_demo(DemoOptions(headless=True, out=tmp_path)) == 130


def test_missing_modules_are_named_with_the_way_out() -> None:
    with pytest.raises(RefsegError, match=r"no_such_module.*make setup"):
        check_requirements({"json": "fine", "no_such_module.deep": "nothing"})


def test_text_parameters_are_quoted(tmp_path: Path) -> None:
    commands = node_commands(DemoOptions(headless=True, preset="it's 5", seed=7, out=tmp_path))
    assert list(commands) == ["camera", "segmenter", "client"]
    assert "preset:='it''s 5'" in commands["segmenter"]
    assert "scene:=7" in commands["camera"]
    assert "port:=9000" in node_commands(DemoOptions(port=9000))["viewer"]


def test_picking_has_an_arm_in_the_places_of_camera_and_page(tmp_path: Path) -> None:
    options = DemoOptions(
        pick=True, say="the mug: left", seed=7, scenes=2, film=False, out=tmp_path
    )
    commands = node_commands(options)
    assert list(commands) == ["segmenter", "client"]
    client = commands["client"]
    assert "refseg_lab.ros.picking_node" in client
    assert {"say:='the mug: left'", "seed:=7", "scenes:=2", "film:=false"} <= set(client)


def test_environment_keeps_what_the_user_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "42")
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "/mine.xml")
    env = demo.child_environment(tmp_path)
    assert env["ROS_DOMAIN_ID"] == "42"
    assert env["FASTDDS_DEFAULT_PROFILES_FILE"] == "/mine.xml"
    assert Path(env["FASTRTPS_DEFAULT_PROFILES_FILE"]).is_file()
    assert env["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"


def test_a_used_domain_is_avoided() -> None:
    first = free_domain()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", 7400 + 250 * first))
        assert free_domain() != first


def facts(*kinds: str, categories: tuple[str, ...] = ("mug", "book")) -> SceneFacts:
    data = {
        "scene": 5,
        "objects": [{"id": i + 1, "category": c} for i, c in enumerate(categories)],
        "referrals": [
            {"expression": f"the {kind} {i}", "id": i + 1, "kind": kind}
            for i, kind in enumerate(kinds)
        ],
    }
    return SceneFacts.from_json(json.dumps(data))


def test_kinds_take_turns_and_step_in() -> None:
    scene = facts("category", "category", "category", "colour", "relation")
    said = [r.expression for r in choose_commands(scene, 0, ["mug", "cup"])]
    # Turn 0 asks for category, colour, position; there is no position, so relation steps in.
    assert said == ["the category 1", "the colour 3", "the relation 4", "the purple elephant"]
    # Turn 1 asks for relation, containment (category steps in), category; then what is missing.
    said = [r.expression for r in choose_commands(scene, 1, ["mug", "cup", "bowl"])]
    assert said == ["the relation 4", "the category 1", "the category 2", "the cup"]
    assert choose_commands(facts(), 2, ["mug"]) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"scene": 1, "objects": [3]}'])
def test_other_scene_descriptions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a scene description"):
        SceneFacts.from_json(text)


def answer(status: Status, columns: slice) -> Selection:
    mask = np.zeros((10, 10), bool)
    mask[:, columns] = status.has_target
    box = boxes_from_masks(mask[None])[0]
    return Selection("x", status, "r", mask, box, 0.5, 0.25, 0, (), {})


@pytest.mark.parametrize(
    ("object_id", "given", "expected_iou", "ok"),
    [
        (2, answer(Status.SELECTED, slice(0, 4)), 1.0, True),
        (2, answer(Status.AMBIGUOUS, slice(0, 8)), 0.5, True),
        (2, answer(Status.SELECTED, slice(2, 6)), 2 / 6, False),
        (2, answer(Status.NOT_FOUND, slice(0, 0)), 0.0, False),
        (0, answer(Status.NOT_FOUND, slice(0, 0)), math.nan, True),
        (0, answer(Status.SELECTED, slice(0, 4)), math.nan, False),
    ],
)
def test_judgement(object_id: int, given: Selection, expected_iou: float, ok: bool) -> None:
    truth = np.zeros((10, 10), np.uint16)
    truth[:, :4] = 2
    outcome = judge_answer(
        5, DemoCommand("x", object_id, "category"), given, truth, (800.0, 9.0, 12.0)
    )
    assert outcome.iou == pytest.approx(expected_iou, nan_ok=True)
    assert outcome.ok is ok
    json.dumps(outcome.__dict__)  # plain numbers only: they go into a file
    assert (outcome.observe_ms, outcome.select_ms, outcome.answer_ms) == (800.0, 9.0, 12.0)


@pytest.mark.parametrize(("count", "least"), [(12, 9), (22, 17), (1, 1)])
def test_needed_share(count: int, least: int) -> None:
    assert needed(count) == least


def test_files_are_written(tmp_path: Path) -> None:
    outcomes = [
        CommandOutcome(
            5, "the größte Tasse", "absent", "NOT_FOUND", math.nan, 0.0, 0.0, 9.0, 12.0, True
        ),
        CommandOutcome(5, "the mug", "category", "SELECTED", 0.25, 0.1, 800.0, 9.0, 900.0, False),
    ]
    tiles = [np.full((90, 120, 3), shade, np.uint8) for shade in (10, 200)]
    demo_script.save_answers(tmp_path, outcomes, tiles)
    report = json.loads((tmp_path / "results.json").read_text())
    assert (report["succeeded"], report["needed"]) == (1, 2)
    assert report["commands"][0]["iou"] is None
    assert report["commands"][0]["command"] == "the größte Tasse"
    sheet = np.array(Image.open(tmp_path / "contact_sheet.png"))
    assert sheet.shape == (270, 726, 3)
    assert (sheet[100, 100] == 10).all()
    assert (sheet[100, 500] == 200).all()
    assert (tmp_path / "01.png").is_file()
    assert "12 ms" in " ".join(demo_script.answer_summary(outcomes))
    assert demo_script.answers_table(outcomes).row_count == 2
