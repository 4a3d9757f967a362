# SPDX-License-Identifier: Apache-2.0
"""Values remembered by string."""

from __future__ import annotations

from collections.abc import Sequence

from refseg_ros.backbones.remembered import Remembered


class Lengths:
    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> list[int]:
        self.asked.append(list(texts))
        return [len(text) for text in texts]


def test_each_string_is_worked_out_once() -> None:
    made, memory = Lengths(), Remembered[int](10)
    assert memory.recall(["a", "bb", "a"], made) == {"a": 1, "bb": 2}
    assert memory.recall(["ccc", "bb"], made) == {"ccc": 3, "bb": 2}
    assert memory.recall([], made) == {}
    assert made.asked == [["a", "bb"], ["ccc"]]


def test_what_was_not_asked_for_the_longest_is_forgotten() -> None:
    made, memory = Lengths(), Remembered[int](2)
    for text in ("a", "bb", "a", "ccc"):
        memory.recall([text], made)
    assert len(memory) == 2
    memory.recall(["a", "bb"], made)
    assert made.asked == [["a"], ["bb"], ["ccc"], ["bb"]]
    # More at once than are kept are all answered.
    assert len(memory.recall(["1", "2", "3"], made)) == 3
    assert len(memory) == 2
