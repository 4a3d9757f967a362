# SPDX-License-Identifier: Apache-2.0
"""The examples run as they are, on the bundled models."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT

EXAMPLES = ROOT / "examples"
LONGEST = 40


Run = Callable[..., str]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs an example as Python would, in this process: most of its time would be imports."""
    monkeypatch.chdir(tmp_path)

    def ran(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return ran


def run_apart(name: str, *arguments: str, cwd: Path, env: Mapping[str, str]) -> str:
    """What an example prints in a process of its own; it must end well."""
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    found = {**env, "PYTHONPATH": path}
    done = subprocess.run(
        command, cwd=cwd, env=found, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_they_are_short() -> None:
    scripts = sorted(EXAMPLES.glob("*.py"))
    assert len(scripts) == 6
    for script in scripts:
        assert len(script.read_text(encoding="utf-8").splitlines()) < LONGEST, script.name


def test_one_sentence(run: Run, tmp_path: Path) -> None:
    assert "SELECTED" in run("one_sentence.py")
    assert (tmp_path / "answer.png").stat().st_size > 10_000
    said = run("one_sentence.py", "the elephant", "b.png", "answer.png")
    assert "NOT_FOUND" in said
    assert (tmp_path / "b.png").exists()


def test_ask_back(run: Run) -> None:
    lines = run("ask_back.py").splitlines()
    assert lines[0] == "the teapot: AMBIGUOUS"
    assert "asks: Two teapots" in lines[1]
    assert all("SELECTED" in line for line in lines[2:])
    boxes = [line.split("box ")[1] for line in lines[2:]]
    assert len(set(boxes)) == 2


def test_depth_to_pose(run: Run) -> None:
    said = run("depth_to_pose.py")
    assert "SELECTED" in said
    assert "centre [" in said


def test_own_detector(run: Run, tmp_path: Path) -> None:
    # Where torchvision does not fit torch, whoever imports it first must mend that.
    from refseg_ros.backbones import torchvision_compat

    torchvision_compat.ensure()
    import torch
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessor

    # Random weights, all but sure that everything is a cup, each at a place of its own.
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = YolosConfig(
        **size,
        intermediate_size=16,
        image_size=[64, 64],
        num_detection_tokens=3,
        id2label={0: "cup", 1: "laptop"},
        label2id={"cup": 0, "laptop": 1},
    )
    model = YolosForObjectDetection(config)
    model.vit.embeddings.detection_tokens.data = 9 * torch.randn(1, 3, 16)
    model.class_labels_classifier.layers[-1].bias.data = torch.tensor([30.0, 0.0, 0.0])
    model.bbox_predictor.layers[-1].weight.data *= 20
    model.save_pretrained(tmp_path)
    YolosImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path)
    photo = str(ROOT / "refseg_lab" / "simulation" / "slice" / "rgb" / "000005.jpg")
    folder = str(tmp_path)
    assert "SELECTED" in run("own_detector.py", photo, "the leftmost cup", folder)
    said = run("own_detector.py", photo, "the elephant", folder)
    assert "nothing in view is named 'elephant'" in said


def test_the_notebook() -> None:
    notebook = json.loads((EXAMPLES / "stages.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), "stages.ipynb", "exec"), names)
    assert names["selection"].status.name == "SELECTED"


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a running node with its models loaded."""
    pytest.importorskip("rclpy")
    pytest.importorskip("refseg_ros.msg", reason="the messages are not built")
    from ros_peer import Peer, end, ros_domain, start

    with ros_domain() as env:
        node = start("segmenter_node", env, tmp_path_factory.mktemp("log") / "segmenter.log")
        peer = Peer()
        try:
            peer.wait_until_connected()
            peer.wait(lambda: peer.figures()["model"] != "loading", "the models", 120)
            yield env
        finally:
            peer.close()
            end(node, signal.SIGKILL)


@pytest.mark.parametrize(
    ("name", "words"),
    [("service_client.py", "pixels"), ("action_client.py", "stage observing")],
)
def test_the_clients(segmenter: dict[str, str], tmp_path: Path, name: str, words: str) -> None:
    from ros_peer import NAMESPACE

    said = run_apart(name, "--ros-args", "-r", f"__ns:={NAMESPACE}", cwd=tmp_path, env=segmenter)
    assert "success True" in said
    assert words in said
