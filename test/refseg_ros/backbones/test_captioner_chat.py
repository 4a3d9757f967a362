# SPDX-License-Identifier: Apache-2.0
"""Any image-text-to-text network as captioner: a small one of a real class, random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_chat import write_chat

from refseg_ros.backbones.captioner import Captioner
from refseg_ros.backbones.device import Device
from refseg_ros.config.methods import JudgeConfig
from refseg_ros.errors import ConfigError, WeightsError
from refseg_ros.networks import Networks

CPU = torch.device("cpu")
IMAGES = [np.full((20, 30, 3), value, np.uint8) for value in (0, 90, 250)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chat(tmp_path_factory.mktemp("chat"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_images_are_described_in_batches_as_one_by_one(folder: Path, dtype: torch.dtype) -> None:
    captioner = Captioner.load(
        folder, device=CPU, max_new_tokens=3, num_beams=1, batch_size=2, dtype=dtype
    )
    assert captioner.chats
    found = captioner.caption(IMAGES)
    assert found == [captioner.caption([image])[0] for image in IMAGES]
    assert all(len(text.split()) <= 3 for text in found)
    assert not any("User" in text or "<" in text for text in found)


def test_a_short_answer_is_short(folder: Path) -> None:
    captioner = Captioner.load(folder, device=CPU, num_beams=1)
    assert len(captioner.reply(IMAGES[:1], "which mug", max_new_tokens=1)[0].split()) <= 1


def test_a_folder_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds a 'idefics3' model; .* a chat template"):
        Captioner.load(write_chat(tmp_path, template=None), device=CPU)


def test_only_what_answers_questions_is_a_judge(folder: Path) -> None:
    networks = Networks(Device.from_name("cpu"))
    assert networks.judge(JudgeConfig(model=str(folder))).chats
    with pytest.raises(ConfigError, match=r"judge\.model: bundled:captioner answers no questions"):
        networks.judge(JudgeConfig(model="bundled:captioner"))
