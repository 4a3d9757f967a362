# SPDX-License-Identifier: Apache-2.0
"""The examples run as they are, on the bundled models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT

EXAMPLES = ROOT / "examples"
LONGEST = 40


def run(name: str, *arguments: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """What an example prints; it must end well."""
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    found = {**(env or os.environ), "PYTHONPATH": path}
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


def test_one_sentence(tmp_path: Path) -> None:
    assert "SELECTED" in run("one_sentence.py", cwd=tmp_path)
    assert (tmp_path / "answer.png").stat().st_size > 10_000
    said = run("one_sentence.py", "the elephant", "b.png", "answer.png", cwd=tmp_path)
    assert "NOT_FOUND" in said
    assert (tmp_path / "b.png").exists()


def test_ask_back(tmp_path: Path) -> None:
    lines = run("ask_back.py", cwd=tmp_path).splitlines()
    assert lines[0] == "the teapot: AMBIGUOUS"
    assert "asks: Two teapots" in lines[1]
    assert all("SELECTED" in line for line in lines[2:])
    boxes = [line.split("box ")[1] for line in lines[2:]]
    assert len(set(boxes)) == 2


def test_depth_to_pose(tmp_path: Path) -> None:
    said = run("depth_to_pose.py", cwd=tmp_path)
    assert "SELECTED" in said
    assert "centre [" in said


def test_own_detector(tmp_path: Path) -> None:
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
    assert "SELECTED" in own_detector("the leftmost cup", tmp_path)
    assert "nothing in view is named 'elephant'" in own_detector("the elephant", tmp_path)


def own_detector(sentence: str, model: Path) -> str:
    """What the example prints, also where torchvision does not fit torch."""
    photo = ROOT / "refseg_lab" / "simulation" / "slice" / "rgb" / "000005.jpg"
    script = model / "mended.py"
    script.write_text(
        "from refseg_ros.backbones import torchvision_compat\n"
        "torchvision_compat.ensure()\n"
        "import runpy\n"
        f"runpy.run_path({str(EXAMPLES / 'own_detector.py')!r}, run_name='__main__')\n",
        encoding="utf-8",
    )
    return run(str(script), str(photo), sentence, str(model), cwd=model)


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

    said = run(name, "--ros-args", "-r", f"__ns:={NAMESPACE}", cwd=tmp_path, env=segmenter)
    assert "success True" in said
    assert words in said
