# SPDX-License-Identifier: Apache-2.0
"""Faults of the models: at work, and in their files."""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
import yaml
from faults.listing import fault
from faults.node_under_test import Maker, Stand, patience
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.action import ActionClient
from refseg_ros.action import SegmentExpression
from safetensors.torch import save_file

from refseg_ros.results import Status
from refseg_ros.weights import resolve

ENDS = "ends with 1 and one line that says why; nothing of the file is run"


def failing(stand: Stand, order: str, words: str) -> str:
    """Every observation fails; it is told, and over when the cause is."""
    stand.show(stand.good_image(stand.scene()))
    with stand.order(order):
        result = stand.ask("the mug")
        assert result.status == Status.ERROR
        assert words in result.reason, result.reason
        stand.wait_for_problem("the last answer failed")
    return f"`ERROR`: {result.reason}; the next command was answered"


@fault("the models raise an exception", "`ERROR` with its words; the next command is answered")
def exception(stand: Stand) -> str:
    return failing(stand, "raise", "the models fell over")


@fault("CUDA is out of memory (simulated)", "`ERROR`; memory is given back; then answers again")
def cuda_memory(stand: Stand) -> str:
    return failing(stand, "cuda", "CUDA out of memory")


@fault("the machine is out of memory (simulated)", "`ERROR`; then answers again", slow=True)
def no_memory(stand: Stand) -> str:
    return failing(stand, "memory", "MemoryError")


@fault("a back end that takes 3 s an image", "parameters, diagnostics and cancelling within 2 s")
def slow_models(stand: Stand) -> str:
    stand.show(stand.good_image(stand.scene()))
    client = ActionClient(stand.peer.node, SegmentExpression, "refseg/segment_expression")
    stand.peer.wait(client.server_is_ready, "the action server")
    with stand.order("slow"):
        image = stand.good_image(stand.scene())
        sent = client.send_goal_async(SegmentExpression.Goal(image=image, expression="the mug"))
        handle: Any = stand.peer.wait(sent.result, "the goal", patience())
        stand.peer.spin(0.3)
        parameter = max(stand.time_parameter() for _ in range(10))
        before = time.monotonic()
        stand.figures()
        figures = time.monotonic() - before
        before = time.monotonic()
        handle.cancel_goal_async()
        future = handle.get_result_async()
        stand.peer.wait(future.result, "the end of the goal", patience())
        cancelled = time.monotonic() - before
    client.destroy()
    stand.peer.spin(3.0)
    return (
        f"parameter calls within {1e3 * parameter:.0f} ms, diagnostics after {figures:.1f} s, a "
        f"goal was cancelled after {1e3 * cancelled:.0f} ms"
    )


@fault("the worker thread is ended (SystemExit)", "ends with 1 and says why", own=True, slow=True)
def worker_dies(maker: Maker) -> str:
    with maker.stand() as stand:
        stand.show(stand.good_image(stand.scene()))
        with stand.order("exit"):
            stand.peer.say("the mug")
            code = stand.node.process.wait(10)
    assert code == 1
    return "exit code 1 within 10 s, for a supervisor to start it again"


# ------------------------------------------------------------------------------- files


def preset(folder: Path, checkpoint: Path, architecture: str | None = None) -> Path:
    """The preset tabletop with another file of segment-anything."""
    path = resolve("bundled:").parents[1] / "presets" / "tabletop.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    values["name"] = "broken"
    values["proposals"]["checkpoint"] = str(checkpoint)
    if architecture is not None:
        values["proposals"]["architecture"] = architecture
    made = folder / f"{checkpoint.stem}.yaml"
    made.write_text(yaml.safe_dump(values), encoding="utf-8")
    return made


def ends(maker: Maker, checkpoint: Path, words: str) -> str:
    """The node does not start with a file and says why."""
    path = preset(maker.folder, checkpoint)
    with maker.stand(f"preset:={path}", wait=False) as stand:
        code = stand.node.process.wait(60)
        lines = [line for line in stand.node.last_lines(200) if "FATAL" in line]
    assert code == 1
    assert len(lines) == 1, lines
    assert words in lines[0], lines[0]
    said = lines[0].split("]: ", 1)[1].replace(str(maker.folder), "…")
    return f"exit code 1: {said[:220]}"


@fault("a model file that is missing", ENDS, own=True, slow=True)
def missing_file(maker: Maker) -> str:
    return ends(maker, maker.folder / "nowhere.safetensors", "nowhere.safetensors")


@fault("a model file cut off in the middle", ENDS, own=True, slow=True)
def truncated_file(maker: Maker) -> str:
    whole = resolve("bundled:sam/model.safetensors").read_bytes()
    path = maker.folder / "truncated.safetensors"
    path.write_bytes(whole[: len(whole) // 2])
    return ends(maker, path, "truncated.safetensors")


@fault("a model file of another architecture", ENDS, own=True, slow=True)
def other_architecture(maker: Maker) -> str:
    path = maker.folder / "other.safetensors"
    save_file({"conv.weight": torch.zeros(3, 3)}, path)
    return ends(maker, path, "other.safetensors")


class Malicious:
    """Unpickled it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@fault("a model file that is a malicious pickle", ENDS, own=True, slow=True)
def malicious_file(maker: Maker) -> str:
    mark, path = maker.folder / "owned", maker.folder / "malicious.pth"
    torch.save({"model": Malicious(mark)}, path)
    said = ends(maker, path, "malicious.pth")
    path.write_bytes(pickle.dumps(Malicious(mark)))
    ends(maker, path, "malicious.pth")
    assert not mark.exists()
    return said


@fault(
    "a model file that is missing and comes later, with `autostart: false`",
    "unconfigured, with the reason in /diagnostics; configures once the file is there",
    own=True,
    slow=True,
)
def file_comes_later(maker: Maker) -> str:
    path = maker.folder / "later.safetensors"
    chosen = preset(maker.folder, path)
    with maker.stand(f"preset:={chosen}", "autostart:=false", wait=False) as stand:
        change(stand, Transition.TRANSITION_CONFIGURE)
        said = stand.wait_for_problem("later.safetensors", 60)
        stand.wait_for_problem("unconfigured")
        path.write_bytes(resolve("bundled:sam/model.safetensors").read_bytes())
        change(stand, Transition.TRANSITION_CONFIGURE)
        change(stand, Transition.TRANSITION_ACTIVATE)
        stand.peer.wait_until_connected()
        stand.wait_for_models()
        passed = stand.check_works()
    said = said.replace(str(maker.folder), "…")[:160]
    return f"/diagnostics: {said}; later answered after {passed:.1f} s"


def change(stand: Stand, number: int) -> None:
    request = ChangeState.Request(transition=Transition(id=number))
    changed = stand.call(ChangeState, "change_state", request, 20).success
    assert changed, f"transition {number} failed: {stand.node.last_lines(5)}"


@fault(
    "the disk is full while `refseg segment` saves its picture (a limit of 1 kB on files)",
    "exit code 1 and one line; no half a file stays",
    own=True,
    slow=True,
)
def full_disk(maker: Maker) -> str:
    from PIL import Image

    from refseg_lab.simulation.bundle import bundled_scenes

    source, target = maker.folder / "scene.png", maker.folder / "answer.png"
    Image.fromarray(bundled_scenes()[0].frame.rgb).save(source)
    done = subprocess.run(
        [sys.executable, "-m", "refseg_ros", "segment", source, "the banana", "-o", target],
        # Python writes cut byte code under such a limit, which it fails to read from then on.
        env={**maker.env, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)),
    )
    said = " ".join(done.stderr.split())
    assert done.returncode == 1, (done.returncode, said)
    assert "Traceback" not in said, said
    assert not target.exists(), f"{target.stat().st_size} bytes stay"
    return f"exit code 1: {said.replace(str(maker.folder), '…')[:160]}"
