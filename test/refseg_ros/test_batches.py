# SPDX-License-Identifier: Apache-2.0
"""Batches that shrink where there is no memory for them."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from refseg_ros import Segmenter
from refseg_ros.backbones.batches import Batches


class Small:
    """Doubles numbers, and has memory for three at a time."""

    def __init__(self, room: int = 3) -> None:
        self.room = room
        self.asked: list[int] = []

    def __call__(self, part: list[int]) -> list[int]:
        self.asked.append(len(part))
        if len(part) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory (faked)")
        return [2 * item for item in part]


def test_what_fits_is_done_in_batches() -> None:
    work, batches = Small(), Batches(3, "numbers")
    assert batches.run([1, 2, 3, 4], work) == [[2, 4, 6], [8]]
    assert batches.run([], work) == []
    assert (work.asked, batches.size) == ([3, 1], 3)


def test_a_batch_that_does_not_fit_is_halved_for_good_and_said_aloud(
    caplog: pytest.LogCaptureFixture,
) -> None:
    work, batches = Small(), Batches(8, "numbers")
    with caplog.at_level(logging.WARNING):
        parts = batches.run(list(range(9)), work)
    assert [item for part in parts for item in part] == [2 * item for item in range(9)]
    # 8 and 4 are too many.
    assert work.asked == [8, 4, 2, 2, 2, 2, 1]
    assert "out of GPU memory with 8 numbers at a time; 4 from now on" in caplog.text
    batches.run([1, 2, 3], work)
    assert work.asked[-2:] == [2, 1]


def test_no_room_for_a_single_one_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        Batches(4, "numbers").run([1, 2, 3], Small(room=0))


def test_a_segmenter_with_little_memory_answers_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    image = np.full((120, 160, 3), 90, np.uint8)
    image[30:70, 20:60], image[40:90, 90:130] = (200, 30, 30), (30, 60, 200)
    segmenter = Segmenter.from_preset("tabletop", "cpu")
    expected = segmenter.observe(image)
    assert len(expected.proposals) >= 2
    clip, captioner = segmenter.clip, segmenter._captioner
    assert captioner is not None
    vision = captioner._model.vision_model
    for owner, name in ((clip._model, "encode_image"), (vision, "forward")):
        usual = getattr(owner, name)

        def little(*given: torch.Tensor, usual=usual, **named: torch.Tensor):  # type: ignore[no-untyped-def]
            pixels = given[0] if given else named["pixel_values"]
            if len(pixels) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory (faked)")
            return usual(*given, **named)

        monkeypatch.setattr(owner, name, little)
    with caplog.at_level(logging.WARNING):
        found = segmenter.observe(image)
    assert found.captions == expected.captions
    torch.testing.assert_close(found.features.regions, expected.features.regions)
    assert "crops for CLIP at a time" in caplog.text
    assert "crops for the captioner at a time" in caplog.text
