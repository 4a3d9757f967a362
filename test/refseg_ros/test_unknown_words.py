# SPDX-License-Identifier: Apache-2.0
"""What is answered to words that the models never learnt, to stuff, to nothing and to noise."""

from __future__ import annotations

import numpy as np
import pytest
from benchmark_scripts import benchmark
from dialogue_bench import COLOURS, scene, talk
from spatial_layouts import around

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros import Segmenter, Status
from refseg_ros.scene import Scene

CUPS = scene(
    ["red cup", "white cup", "pink banana", "blue pear"],
    around(20, 30), around(80, 30), around(20, 80), around(80, 45),
)  # fmt: skip
PLATES = scene(
    ["red plate", "blue plate", "red ball", "blue bowl"],
    (10, 50, 40, 70), (60, 50, 90, 70), (20, 48, 30, 60), (40, 10, 60, 30),
)  # fmt: skip


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.from_preset("tabletop", device="cpu")


@pytest.fixture(scope="module")
def observed(segmenter: Segmenter) -> Scene:
    return segmenter.observe(bundled_scenes()[0].frame.rgb)


@pytest.mark.parametrize(
    ("text", "index", "word"),
    [
        ("the golden banana", 2, "golden"),
        ("the tea cup on the left", 0, "tea"),
        ("the banana that is shiny", 2, "shiny"),
        ("the pear next to the wooden cup", 3, "wooden"),
    ],
)
def test_the_known_part_is_found_and_the_rest_is_named(text: str, index: int, word: str) -> None:
    found = CUPS.select(text)
    assert (found.status, found.index) == (Status.AMBIGUOUS, index)
    assert f"'{word}' of" in found.reason


def test_where_nothing_known_is_said_nothing_is_found() -> None:
    found = CUPS.select("the golden one")
    assert found.status is Status.NOT_FOUND
    assert "'golden'" in found.reason
    assert CUPS.select("the cup holder").status is Status.NOT_FOUND
    assert CUPS.select("the golden mug").status is Status.NOT_FOUND


def test_an_answer_to_the_question_settles_an_unknown_word() -> None:
    asked = talk(CUPS, "the golden cup")
    assert asked.options == ("the red one", "the white one")
    assert talk(CUPS, "the golden cup", "the white one").index == 1
    assert talk(CUPS, "the golden cup", "the white one").status is Status.SELECTED


@pytest.mark.parametrize("text", ["the golden cup", "the tea cup", "the shiny green brick"])
def test_unknown_words_before_things_of_the_bundled_models(observed: Scene, text: str) -> None:
    found = observed.select(text)
    assert found.status is Status.AMBIGUOUS
    assert text.split()[-1] in observed.captions[found.indices[0]]
    assert text.split()[1] in found.reason


def test_kinds_of_kinds_and_uses() -> None:
    assert CUPS.select("the blue fruit").index == 3
    assert CUPS.select("the blue fruit").status is Status.SELECTED
    assert set(CUPS.select("the fruit").tied) == {2, 3}
    assert set(CUPS.select("something to drink from").tied) == {0, 1}
    assert CUPS.select("the white cup next to the fruit").index == 1
    for text in ("the furniture", "something to write with"):
        refused = CUPS.select(text)
        assert refused.status is Status.NOT_FOUND
        assert text.split(maxsplit=1)[1] in refused.reason


def test_a_sentence_in_another_language_is_told_so() -> None:
    for text, language in (("prends la tasse rouge", "French"), ("赤いコップ", "Japanese")):
        refused = CUPS.select(text)
        assert refused.status is Status.NOT_FOUND
        assert f"seems to be {language}" in refused.reason
    assert "helicopter" in CUPS.select("the helicopter").reason


def test_anything_red_is_a_red_thing() -> None:
    for text in ("anything red", "whatever's red", "something red", "the thing that is red"):
        found = COLOURS.select(text)
        assert (found.status, found.index) == (Status.SELECTED, 0), text
    assert PLATES.select("everything red").indices == (0, 2)
    assert PLATES.select("the blue stuff").indices == (1, 3)


def test_nothing_on_it() -> None:
    for text in ("the plate with nothing on it", "the plate that has nothing on it"):
        assert PLATES.select(text).index == 1
    assert PLATES.select("the plate with something on it").index == 0
    assert PLATES.select("the red plate with nothing on it").status is not Status.SELECTED
    assert PLATES.select("the thing on top of something").index == 2


def test_the_background_is_no_thing() -> None:
    for text in ("the background", "select the background please"):
        refused = CUPS.select(text)
        assert refused.status is Status.NOT_FOUND
        assert "background" in refused.reason


NOISE = ("the thing on the left", "the thing not left of the cup", "the biggest thing", "red")


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (48, 64), (480, 640)])
def test_nothing_is_selected_in_noise(segmenter: Segmenter, shape: tuple[int, int]) -> None:
    for seed in range(2):
        pixels = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
        noise = segmenter.observe(pixels)
        for text in NOISE:
            assert noise.select(text).status is not Status.SELECTED, (seed, text)


def test_things_are_still_told_by_their_place_alone(observed: Scene) -> None:
    for text in ("the thing on the left", "the biggest thing", "the object in the middle"):
        assert observed.select(text).status.has_target


def test_the_sweeps(capsys: pytest.CaptureFixture[str]) -> None:
    sweeps = benchmark("unknown_words")
    assert sweeps.main(["--scenes", "2", "--wrong", "5"]) == 0
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    rows = [row for row in rows if row[0].removeprefix("| ") in sweeps.SWEEPS]
    assert len(rows) == len(sweeps.SWEEPS)
    for name, count, wrong, *_ in rows[:2]:
        assert int(count.replace(",", "")) >= 150, name
        assert float(wrong.split()[0]) <= 1.0, name
