# SPDX-License-Identifier: Apache-2.0
"""A text-prompted network is asked for the nouns of each sentence, and the rest is ours."""

from __future__ import annotations

from dataclasses import replace

import hand_made
import numpy as np
import pytest
from hand_made import Blocks, Words, asking

from refseg_ros import Conversation, Proposals, Status
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import ConfigError
from refseg_ros.explain.picture import draw_explanation
from refseg_ros.language import parse
from refseg_ros.language.vocabulary import nouns_of
from refseg_ros.networks import NoProposals
from refseg_ros.proposals.concepts import joined
from refseg_ros.scene import Scene
from refseg_ros.tracking import Tracker

RED, BLUE, GREEN = (10, 40, 30, 60), (60, 40, 80, 60), (90, 40, 110, 60)
HIDDEN = (160, 10, 190, 40)
KNOWN = {
    "cup": [(RED, 0.9), ((61, 40, 80, 60), 0.8)],  # the second nearly as points found it
    "mug": [(RED, 0.7)],
    "ball": [(GREEN, 0.6)],
    "book": [(HIDDEN, 0.8)],  # no point finds it
    "pear": [(GREEN, 0.3)],  # unsure
}


@pytest.fixture
def blocks() -> Blocks:
    drawn = Blocks(("red", RED), ("blue", BLUE), ("green", GREEN), ("red", HIDDEN))
    drawn.proposals = drawn.proposals.keep([0, 1, 2])
    return drawn


@pytest.fixture
def words() -> Words:
    return Words(KNOWN)


@pytest.fixture
def scene(blocks: Blocks, words: Words) -> Scene:
    return asking(blocks, words).observe(blocks.image)


@pytest.mark.parametrize(
    ("said", "box"),
    [
        ("the left cup", RED),
        ("the blue cup", BLUE),
        ("the cup next to the ball", BLUE),
        ("the book", HIDDEN),
        ("the ball left of the book", GREEN),
        ("the leftmost thing", RED),
        ("the green one", GREEN),
    ],
)
def test_language_and_space_work_on_what_nouns_find(
    scene: Scene, said: str, box: tuple[int, ...]
) -> None:
    found = scene.select(said)
    assert found.status is Status.SELECTED, found.reason
    assert found.box.tolist() == pytest.approx(list(box), abs=1)


def test_each_noun_is_asked_once_and_the_image_seen_once(
    scene: Scene, blocks: Blocks, words: Words
) -> None:
    said = ["the left cup", "the cup next to the ball", "the ball right of the cup", "the cups"]
    said += ["the blue cup", "the ball", "the leftmost thing", "the left cup", "the book"]
    for text in [*said, "the red book", *said]:
        assert scene.select(text).status.has_target, text
    assert words.asked == ["cup", "ball", "book"]
    assert words.seen == blocks.observed == 1


def test_a_sentence_with_known_nouns_costs_no_network(scene: Scene, words: Words) -> None:
    scene.select("the cup left of the book")
    clip = scene.models.clip
    assert isinstance(clip, hand_made.Clip)
    crops, asked = len(clip.shapes), len(words.asked)
    for said in ("the book right of the cup", "the cup left of the book", "the book", "the cup"):
        assert scene.select(said).status.has_target
    assert (len(clip.shapes), len(words.asked)) == (crops, asked)


def test_only_what_no_point_found_is_looked_at_by_clip(scene: Scene) -> None:
    clip = scene.models.clip
    assert isinstance(clip, hand_made.Clip)
    before = len(clip.shapes)
    scene.select("the cup left of the ball")
    assert len(clip.shapes) == before
    scene.select("the book")
    assert len(clip.shapes) == before + 1


def test_an_answer_carries_what_it_chose_from(scene: Scene) -> None:
    found = scene.select("the cup left of the book")
    assert found.proposals is not None
    assert found.proposals.names == ("cup", "cup", "", "book")
    assert found.proposals.scores[[0, 1, 3]].tolist() == pytest.approx([0.9, 0.8, 0.8])
    assert found.proposals.asked == pytest.approx({"cup": 0.9, "book": 0.8})
    converse = scene.select("the book right of the cup")
    assert converse.proposals is found.proposals
    assert len(found.candidates) == 4
    assert found.index is not None
    np.testing.assert_array_equal(found.mask, found.proposals.masks[found.index])
    # The scene itself stays what it was.
    assert len(scene.proposals) == 3
    assert scene.proposals.names == ()


def test_an_answer_is_explained_in_text_data_and_a_picture(scene: Scene) -> None:
    found = scene.select("the cup left of the book")
    assert found.proposals is not None
    assert "book" in found.explain()
    assert list(found.candidates[0].terms) == ["D"]
    assert len(found.to_dict()["candidates"]) == 4
    picture = draw_explanation(scene.image, found.proposals, found)
    assert picture.ndim == 3
    # A refusal shows what was there.
    none = scene.select("the elephant left of the book")
    assert none.proposals is not None
    assert draw_explanation(scene.image, none.proposals, none).ndim == 3


def test_no_answer_depends_on_what_was_asked_before(blocks: Blocks) -> None:
    said = ["the cup", "the leftmost thing", "the ball", "the cup left of the book", "the book"]
    fresh = {}
    for text in said:
        alone = asking(blocks, Words(KNOWN)).observe(blocks.image).select(text)
        fresh[text] = (alone.status, alone.indices, alone.score, alone.reason)
    scene = asking(blocks, Words(KNOWN)).observe(blocks.image)
    for text in [*said, *reversed(said)]:
        now = scene.select(text)
        assert (now.status, now.indices, now.score, now.reason) == fresh[text]


def test_what_the_network_does_not_see_is_refused(scene: Scene) -> None:
    for said in ("the elephant", "the cup left of the elephant"):
        found = scene.select(said)
        assert (found.status, found.index) == (Status.NOT_FOUND, None)
        assert found.reason == "nothing in view is named 'elephant'"


def test_what_it_is_unsure_of_is_answered_in_doubt(scene: Scene, blocks: Blocks) -> None:
    found = scene.select("the green pear")
    assert found.status is Status.AMBIGUOUS
    assert found.indices == (2,)
    assert "no thing is named 'pear'" in found.reason
    # Without anything that tells looks there is nothing to go by.
    named = asking(blocks, Words(KNOWN), "given").observe(blocks.image)
    assert named.select("the pear").status is Status.NOT_FOUND


def test_several_of_a_noun_are_asked_about_and_the_answer_is_understood(
    scene: Scene, words: Words
) -> None:
    talk = Conversation()
    first = talk.ask(scene, "the cup")
    assert first.status is Status.AMBIGUOUS
    assert first.question == "Two cups: the left or the right one?"
    right = talk.ask(scene, "the right one")
    assert (right.status, right.indices) == (Status.SELECTED, (1,))
    assert talk.ask(scene, "the ball right of it").box.tolist() == list(GREEN)
    assert talk.ask(scene, "the other one").status is not Status.ERROR
    book = talk.ask(scene, "the book")
    assert book.box.tolist() == list(HIDDEN)
    assert talk.ask(scene, "that one").box.tolist() == list(HIDDEN)
    assert talk.ask(scene, "the ball left of it").box.tolist() == list(GREEN)
    assert words.asked == ["cup", "ball", "book"]


def test_what_was_meant_is_followed_into_the_next_image(blocks: Blocks) -> None:
    segmenter = asking(blocks, Words(KNOWN))
    talk = Conversation()
    first, second = (segmenter.observe(blocks.image.copy()) for _ in range(2))
    assert talk.ask(first, "the book").box.tolist() == list(HIDDEN)
    followed = talk.follow(second)
    assert followed is not None
    assert followed.box.tolist() == list(HIDDEN)
    assert talk.ask(second, "that one").box.tolist() == list(HIDDEN)
    again = talk.follow(first)
    assert again is not None
    assert again.box.tolist() == list(HIDDEN)


def test_a_tracker_follows_what_only_a_noun_found(blocks: Blocks) -> None:
    segmenter = asking(blocks, Words(KNOWN))
    scene = segmenter.observe(blocks.image)
    tracker = Tracker()
    found = tracker.start(scene, scene.select("the book"))
    assert found.box.tolist() == list(HIDDEN)
    assert tracker.update(blocks.image).state.status.has_target
    assert tracker.reobserved(segmenter.observe(blocks.image))


def test_concepts_alone_find_what_is_named_and_nothing_else(blocks: Blocks, words: Words) -> None:
    scene = asking(NoProposals(), words).observe(blocks.image)
    assert scene.select("the book right of the ball").box.tolist() == list(HIDDEN)
    found = scene.select("the leftmost thing")
    assert found.status is Status.NOT_FOUND
    assert found.reason == "this preset finds only what is named: name a thing"
    absent = scene.select("the elephant")
    assert (absent.status, absent.reason) == (
        Status.NOT_FOUND,
        "nothing in view is named 'elephant'",
    )


@pytest.mark.parametrize("text", ["phrase", "sentence"])
def test_of_an_unsure_noun_alone_there_is_nothing_to_choose_from(
    blocks: Blocks, words: Words, text: str
) -> None:
    segmenter = asking(NoProposals(), words)
    score = replace(segmenter.config.score, text=text)
    segmenter.config = replace(segmenter.config, score=score)
    found = segmenter.observe(blocks.image).select("the green pear")
    assert found.status is Status.NOT_FOUND


def test_measured_in_space_are_all_of_them(blocks: Blocks, words: Words) -> None:
    depth = np.full((100, 200), 2.0, np.float32)
    depth[:, 150:] = 1.0
    scene = asking(blocks, words).observe(blocks.image, depth=depth)
    asked = scene.asked(["book"])
    assert asked.space is not None
    assert asked.space.depths.tolist() == pytest.approx([2, 2, 2, 1])
    far = asked.measured(depth + 1)
    assert far.space is not None
    assert far.space.depths.tolist() == pytest.approx([3, 3, 3, 2])
    assert scene.asked(["book"]) is asked
    assert words.asked == ["book"]


def test_rows_stay_when_more_nouns_are_asked(scene: Scene) -> None:
    book = scene.asked(["book"])
    more = book.asked(["cup", "book", "ball"])
    assert list(more.proposals.asked) == ["book", "ball", "cup"]
    assert more.begins_as(book)
    assert not book.begins_as(more)
    np.testing.assert_array_equal(more.proposals.masks[:4], book.proposals.masks)
    assert more.asked(["cup"]) is more
    assert book.asked(["cup", "ball"]) is more or book.asked(["cup", "ball"]).begins_as(more)


def test_an_answer_in_a_conversation_is_followed_in_the_rows_that_it_has(
    scene: Scene, words: Words
) -> None:
    talk = Conversation()
    talk.ask(scene, "the book")
    found = talk.ask(scene, "the ball left of it")
    assert found.proposals is not None
    assert list(found.proposals.asked) == ["book", "ball"]
    held = scene.holding(found.proposals)
    np.testing.assert_array_equal(held.proposals.masks, found.proposals.masks)
    assert held.begins_as(scene.asked(["book"]))
    started = Tracker().start(scene, found)
    assert started.box.tolist() == list(GREEN)
    depth = np.full((100, 200), 2.0, np.float32)
    assert list(held.measured(depth).proposals.asked) == ["book", "ball"]
    assert words.asked == ["book", "ball"]


def test_one_thing_may_have_two_names(scene: Scene) -> None:
    both = scene.asked(["mug", "cup"])
    assert both.proposals.names == ("cup", "cup", "", "mug")
    assert both.proposals.scores[[0, 1, 3]].tolist() == pytest.approx([0.9, 0.8, 0.7])
    np.testing.assert_array_equal(both.features.regions[3], both.features.regions[0])
    assert both.layout.copies[0, 3]
    # As of several masks of one thing one is meant, not one of several things.
    found = scene.select("the cup left of the mug")
    assert found.status is not Status.SELECTED
    assert scene.select("the mug left of the cup").box.tolist() == list(RED)


def test_copies_of_candidates_are_merged_and_the_rest_appended() -> None:
    base = Proposals.from_boxes([[0, 0, 10, 10], [20, 0, 30, 10]], (40, 40))
    found = Proposals.from_boxes(
        [[0, 0, 10, 9], [0, 0, 10, 5], [20, 20, 30, 30]], (40, 40), ["a"] * 3, [0.5, 0.9, 0.4]
    )
    together, added = joined(base, replace(found, asked={"a": 0.9}))
    assert added == ((1, -1), (2, -1))
    assert together.names == ("a", "", "a", "a")
    assert together.scores.tolist() == pytest.approx([0.5, 1.0, 0.9, 0.4])
    assert together.asked == {"a": 0.9}
    again, added = joined(together, replace(found.keep([0]), names=("b",)))
    assert added == ((0, 0),)
    assert again.names == ("a", "", "a", "a", "b")


@pytest.mark.parametrize(
    ("said", "nouns"),
    [
        ("the red mug left of the big book", ("mug", "book")),
        ("the leftmost thing", ()),
        ("the mug on the table", ("mug", "table")),
        ("the second traffic light from the left", ("traffic light",)),
        ("the shiny red mug", ("mug",)),
        ("the coffee mugs", ("coffee mug",)),
        ("the hot dog", ("hot dog",)),
        ("the cups that are not next to the bowl", ("cup", "bowl")),
        ("the mug between the bowl and the glass", ("mug", "bowl", "glass")),
    ],
)
def test_nouns_of_a_sentence(said: str, nouns: tuple[str, ...]) -> None:
    assert nouns_of(parse(said)) == nouns


def test_a_noun_too_long_for_the_network_is_left_to_looks(scene: Scene) -> None:
    found = scene.select("the red " + "m" * 30)
    assert found.status is Status.AMBIGUOUS


def test_methods_that_cannot_use_it_say_so() -> None:
    config = SegmenterConfig.from_preset("edge")
    asks = replace(config.proposals, detector="folder")
    with pytest.raises(ConfigError, match=r"score\.matcher must not be ref_diff"):
        replace(config, proposals=asks, score=replace(config.score, matcher="ref_diff"))
    with pytest.raises(ConfigError, match="'none' is for a detector"):
        replace(config.proposals, prompts="none")
