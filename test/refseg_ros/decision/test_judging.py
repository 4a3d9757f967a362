# SPDX-License-Identifier: Apache-2.0
"""Close calls decided by a network that sees the candidates numbered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dialogue_bench import COLOURS, MUGS
from numpy.typing import NDArray

from refseg_ros.config.methods import JudgeConfig
from refseg_ros.decision.judging import judged, numbered
from refseg_ros.results import Selection, Status
from refseg_ros.scene import Scene


class Judge:
    """Says what it is told to, and keeps what it was asked."""

    def __init__(self, said: str) -> None:
        self.said = said
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def reply(self, images: Sequence[NDArray[np.uint8]], prompt: str, **options: Any) -> list[str]:
        self.asked.append((prompt, options))
        return [self.said] * len(images)


def ask(scene: Scene, text: str, judge: Judge, **settings: Any) -> Selection:
    first = scene.select(text)
    decision = scene.models.config.decision
    return judged(first, scene, judge, JudgeConfig(**settings), decision)  # type: ignore[arg-type]


def test_the_judge_chooses_between_what_is_tied() -> None:
    first = MUGS.select("the red mug")
    assert first.status is Status.AMBIGUOUS
    for said, row in (("1", 0), ("2", 1), (" Number 2.", 1)):
        judge = Judge(said)
        found = ask(MUGS, "the red mug", judge, seconds=3.0)
        index = first.tied[row]
        assert found.status is Status.SELECTED
        assert found.indices == (found.index,) == (index,)
        assert (found.mask == MUGS.proposals.masks[index]).all()
        assert found.reason.startswith(f"the judge chose candidate {index + 1} of ")
        assert not found.question
        ((prompt, options),) = judge.asked
        assert '"the red mug"' in prompt
        assert options["max_time"] == 3.0
        assert options["max_new_tokens"] <= 6


@pytest.mark.parametrize("said", ["", "the left one", "0", "7"])
def test_what_is_no_number_leaves_the_answer(said: str) -> None:
    first, found = MUGS.select("the red mug"), ask(MUGS, "the red mug", Judge(said))
    assert found.status is Status.AMBIGUOUS
    assert found.index == first.index
    assert found.question == first.question
    assert f"said {said!r}" in found.reason


def test_nobody_is_asked_where_there_is_nothing_to_choose() -> None:
    judge = Judge("1")
    models = replace(MUGS, models=_with(MUGS, judge)).models
    assert models.judge is judge
    assert replace(MUGS, models=models).select("the blue book").status is Status.SELECTED
    assert replace(COLOURS, models=models).select("the zebra").status is Status.NOT_FOUND
    assert not judge.asked
    assert replace(MUGS, models=models).select("the red mug").status is Status.SELECTED
    assert len(judge.asked) == 1
    assert ask(COLOURS, "the mug", Judge("1"), most=2).status is Status.AMBIGUOUS


def _with(scene: Scene, judge: Judge) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(**{**vars(scene.models), "judge": judge})


def test_things_are_outlined_and_numbered_inside() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    masks = np.zeros((2, 100, 200), np.bool_)
    masks[0, 20:80, 10:90] = masks[1, 20:80, 110:190] = True
    drawn = numbered(image, masks)
    changed = (drawn != image).any(2)
    assert not image.any()
    assert changed[20, 10:90].all()
    assert changed[45:56, 40:60].any()
    assert changed[45:56, 140:160].any()
    assert not changed[:15].any()
