# SPDX-License-Identifier: Apache-2.0
"""Which question an unsure answer asks, and that each option leads back to its candidate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from checkout import ROOT
from dialogue_bench import COLOURS, MUGS, scene, talk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spatial_layouts import around

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros import Conversation, Proposals, Segmenter, Status
from refseg_ros.scene import Scene


@pytest.mark.parametrize(
    ("names", "boxes", "text", "question"),
    [
        (["red mug"] * 2, [around(20, 50), around(70, 50)], "the mug",
         "Two red mugs: the left or the right one?"),
        (["red mug"] * 3, [around(20, 50), around(50, 50), around(80, 50)], "the red mug",
         "Three red mugs: the left, the middle or the right one?"),
        (["red mug"] * 4, [around(15, 50), around(40, 50), around(60, 50), around(85, 50)],
         "the mug",
         "Four red mugs: the first, the second, the third or the fourth from the left?"),
        (["red mug", "blue mug"], [around(20, 50), around(70, 50)], "the mug",
         "Two mugs: the red or the blue one?"),
        (["red ball"] * 2, [around(50, 45, 24), around(52, 50, 8)], "the ball",
         "Two red balls: the big or the small one?"),
        (["red book"] * 2, [around(50, 20), around(52, 80)], "the book",
         "Two red books: the nearer or the farther one?"),
        (["red mug", "red cup"], [around(20, 50), around(70, 50)], "the red thing",
         "Do you mean the red mug or the red cup?"),
        (["red ball"] * 2, [around(50, 40), around(53, 44)], "the ball",
         "Two red balls: candidate 1 or 2?"),
        (["red mug"] * 5, [around(10 + 20 * k, 50) for k in range(5)], "the mug",
         "Five red mugs: candidate 1, 2, 3, 4 or 5?"),
    ],
)  # fmt: skip
def test_it_asks_for_what_tells_them_apart(
    names: list[str], boxes: list[tuple[int, int, int, int]], text: str, question: str
) -> None:
    answer = scene(names, *boxes).select(text)
    assert answer.status is Status.AMBIGUOUS
    assert sorted(answer.tied) == list(range(len(names)))
    assert answer.question == question


def test_of_place_it_asks_for_what_differs_most() -> None:
    pair = scene(["red mug", "red mug"], around(20, 20), around(27, 80))
    assert "nearer" in pair.select("the mug").question
    level = scene(["red mug", "red mug"], around(20, 30), around(21, 70))
    assert level.select("the left mug").question == "Two red mugs: the nearer or the farther one?"


def test_copies_of_one_thing_are_one_choice() -> None:
    double = scene(["red mug"] * 3, around(20, 50, 20), around(70, 50), around(40, 20))
    masks = double.proposals.masks.copy()
    masks[2] = masks[0]
    masks[2, :42] = False
    double = replace(double, proposals=Proposals(masks, double.proposals.quality))
    answer = double.select("the mug")
    assert len(answer.tied) == 2
    assert answer.question == "Two red mugs: the left or the right one?"


def test_an_answer_that_is_sure_asks_nothing() -> None:
    for text in ("the blue book", "the mug on the left", "any mug", "the spoon", ""):
        answer = MUGS.select(text)
        assert (answer.question, answer.options, answer.tied) == ("", (), ())


def test_which_of_several() -> None:
    assert COLOURS.select("the two mugs").question == "Three mugs: which two?"
    assert talk(COLOURS, "the two mugs", "the left two").indices == (0, 1)
    assert talk(COLOURS, "the two mugs", "the two on the right").indices == (2, 1)
    # Fewer than were asked for: there is nothing to choose.
    short = MUGS.select("the three mugs")
    assert (short.status, short.question) == (Status.AMBIGUOUS, "")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["red", "blue", "orange"]),
            st.sampled_from(["mug", "mug", "cup"]),
            st.integers(15, 185),
            st.integers(15, 185),
            st.integers(8, 26),
        ),
        min_size=2,
        max_size=6,
    ),
    st.sampled_from(["the mug", "the red one", "the big cup", "the left mug", "the nearest one"]),
    st.booleans(),
)
def test_each_option_leads_to_its_candidate_and_no_other(
    things: list[tuple[str, str, int, int, int]], text: str, captioned: bool
) -> None:
    boxes = [around(column, row, side) for _, _, column, row, side in things]
    if any(not scene_box_seen(k, boxes) for k in range(len(boxes))):
        return
    names = [f"{colour} {kind}" for colour, kind, *_ in things]
    where = scene(names, *boxes, captioned=captioned, size=200)
    answer = where.select(text)
    if answer.status is not Status.AMBIGUOUS or len(answer.tied) < 2:
        return
    assert answer.question.endswith("?")
    assert len(answer.options) == len(answer.tied)
    chosen = [talk(where, text, option) for option in answer.options]
    assert all(item.status is Status.SELECTED for item in chosen), answer.question
    assert sorted(item.index or 0 for item in chosen) == sorted(answer.tied), answer.question


def scene_box_seen(index: int, boxes: list[tuple[int, int, int, int]]) -> bool:
    """Whether a rectangle has a pixel that no later one hides."""
    canvas = np.zeros((200, 200), np.int64)
    for number, (x0, y0, x1, y1) in enumerate(boxes, start=1):
        canvas[y0:y1, x0:x1] = number
    return bool((canvas == index + 1).any())


@pytest.fixture(scope="module")
def observed() -> list[tuple[Scene, list[str]]]:
    """Bundled scenes as the bundled models see them, and what is asked of them."""
    segmenter = Segmenter.from_preset("tabletop", device="cpu")
    scenes = []
    for bundled in bundled_scenes()[3:6]:
        seen = segmenter.observe(bundled.frame.rgb)
        words = {word for caption in seen.captions for word in caption.split()[1:]}
        texts = [referral.expression for referral in bundled.referrals]
        scenes.append((seen, texts + [f"the {word} one" for word in sorted(words)]))
    return scenes


def test_options_lead_back_with_the_bundled_models(
    observed: list[tuple[Scene, list[str]]],
) -> None:
    asked = 0
    for seen, texts in observed:
        for text in texts:
            answer = seen.select(text)
            if answer.status is not Status.AMBIGUOUS or len(answer.tied) < 2:
                continue
            if not answer.options:
                continue
            asked += 1
            chosen = [talk(seen, text, option) for option in answer.options]
            where = f"{text!r}: {answer.question}"
            assert all(item.status is Status.SELECTED for item in chosen), where
            assert sorted(item.indices[0] for item in chosen) == sorted(answer.tied), where
    assert asked >= 6


def test_the_transcript_in_the_docs_is_what_is_said(
    observed: list[tuple[Scene, list[str]]],
) -> None:
    page = (ROOT / "docs" / "dialogue.md").read_text(encoding="utf-8")
    shown = page.split("<!-- transcript: scene 3 -->")[1].split("```")[1].strip().splitlines()
    conversation, lines = Conversation(), []
    for text in (line[2:] for line in shown if line.startswith("> ")):
        answer = conversation.ask(observed[0][0], text)
        numbers = ", ".join(str(index + 1) for index in answer.indices)
        said = answer.question or f"candidate {numbers}"
        lines += [f"> {text}", f"{answer.status.name:<10} {said}"]
    assert lines == shown


def test_what_was_found_is_found_again_in_a_noisy_image(
    observed: list[tuple[Scene, list[str]]],
) -> None:
    seen, _ = observed[0]
    noise = np.random.default_rng(0).normal(0.0, 3.0, seen.image.shape)
    image = np.clip(np.roll(seen.image, 4, axis=1) * 0.95 + noise, 0, 255).astype(np.uint8)
    later = seen.models.observe(image)
    conversation = Conversation()
    first = conversation.ask(seen, f"the {seen.captions[0].removeprefix('a ')}")
    assert first.index is not None
    again = conversation.ask(later, "it")
    assert again.status is Status.SELECTED
    shifted = np.roll(first.mask, 4, axis=1)
    assert (again.mask & shifted).sum() >= 0.8 * (again.mask | shifted).sum()
