# SPDX-License-Identifier: Apache-2.0
"""What the trainings show the networks, and the losses, worked out by hand."""

from __future__ import annotations

import gzip
import json
import math
import re
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from square_scenes import BLUE_MUG, RED_BOWL, RED_MUG, write_scenes

from refseg_lab.simulation import catalogue, phrasing
from refseg_lab.simulation.benchmark import bundled_slice
from refseg_lab.simulation.scene import PATTERNS
from refseg_lab.training import (
    bank,
    train_captioner,
    train_clip,
    vocabulary,
)
from refseg_lab.training.common import Scenes
from refseg_lab.training.vocabulary import Kind, Meaning
from refseg_ros import weights


@pytest.fixture
def scenes(tmp_path: Path) -> Scenes:
    return Scenes.open(write_scenes(tmp_path / "scenes"))


# texts


def test_every_simulated_category_has_names() -> None:
    assert catalogue.NAMED == vocabulary.CATEGORIES
    assert tuple(catalogue.COLOURS) == vocabulary.COLOURS


def test_captions_of_things_and_scenes() -> None:
    assert vocabulary.thing_caption("mug", "red") == "a red mug"
    assert vocabulary.thing_caption("cup", "orange") == "an orange cup"
    assert vocabulary.describe_scene([]) == "an empty table"
    assert vocabulary.describe_scene([RED_MUG]) == "a red mug on a table"
    assert vocabulary.describe_scene([RED_MUG], "wood") == "a red mug on a wooden table"
    three = [RED_MUG, BLUE_MUG, RED_BOWL]
    assert (
        vocabulary.describe_scene(three, "check") == "two mugs and a red bowl on a checked table"
    )
    alike = [("book", "pink"), RED_BOWL, ("duck", "red"), RED_BOWL]
    assert vocabulary.describe_scene(alike, "no such") == (
        "a pink book, two red bowls and a red duck on a table"
    )
    assert vocabulary.describe_scene([RED_MUG] * 9) == "many red mugs on a table"
    kinds = [(category, "red") for category in vocabulary.CATEGORIES[:6]]
    assert vocabulary.describe_scene(kinds).count("red") == 4


def test_the_captioner_can_spell_all_captions() -> None:
    known = set(vocabulary.caption_vocabulary())
    for category in vocabulary.CATEGORIES:
        for colour in vocabulary.COLOURS:
            assert set(vocabulary.describe_scene([(category, colour)]).split()) <= known
            for count in range(2, 9):
                said = vocabulary.describe_scene([(category, colour)] * count)
                assert set(said.split()) <= known
    for pattern in PATTERNS:
        assert set(vocabulary.describe_scene([RED_MUG], pattern).split()) <= known
        assert "table" != vocabulary.describe_scene([RED_MUG], pattern).split()[-2] != "a"
    assert set(vocabulary.EMPTY_TABLE.split()) | {",", "and"} <= known


def test_merges_of_two_words_by_hand() -> None:
    # All pairs occur once except (a, b), so it comes first; then by the alphabet.
    assert vocabulary.train_merges(["abc", "abd"]) == [
        ("a", "b"),
        ("ab", "c</w>"),
        ("ab", "d</w>"),
    ]
    assert vocabulary.train_merges(["a"]) == []


def test_the_text_encoder_knows_every_word_of_the_benchmark() -> None:
    expressions = [
        referral.expression for scene in bundled_slice() for referral in scene.referrals
    ]
    assert len(expressions) > 200
    said = {word for text in expressions for word in vocabulary.pieces(text)}
    assert said <= set(vocabulary.clip_words())
    # What the slice happens not to say: the tables from which expressions are made.
    source = Path(phrasing.__file__).read_text(encoding="utf-8")
    tables = source[source.index("_NUMBERS: Final") : source.index("class Speaker")]
    tables = re.sub(r"\{\w*\}", " ", tables)  # the names of what is put in are not said
    quoted = {
        word for text in re.findall(r'"([^"]*)"', tables) for word in vocabulary.pieces(text)
    }
    assert len(quoted) > 60
    assert quoted - {"hand", "bare"} <= set(vocabulary.clip_words())


def test_every_known_word_is_one_token(tmp_path: Path) -> None:
    train_clip.write_merges(tmp_path / "bpe.txt.gz")
    tokenizer = train_clip.clip_tokenizer(tmp_path / "bpe.txt.gz")
    assert {
        word: len(tokenizer.encode(word)) for word in vocabulary.clip_words()
    } == dict.fromkeys(vocabulary.clip_words(), 1)
    assert len(tokenizer.encode("gyroscope")) > 1


def test_the_bundled_vocabularies_are_those_of_the_scripts(tmp_path: Path) -> None:
    train_clip.write_merges(tmp_path / "bpe.txt.gz")
    with gzip.open(weights.resolve("bundled:clip") / "bpe.txt.gz") as ours:
        assert ours.read() == gzip.decompress((tmp_path / "bpe.txt.gz").read_bytes())
    assert weights.bundled_vocabulary() == set(vocabulary.known_names())
    tokenizer = json.loads(
        (weights.resolve("bundled:captioner") / "tokenizer.json").read_text(encoding="utf-8")
    )
    assert tokenizer["model"]["vocab"] == vocabulary.caption_vocabulary()


@given(st.integers(0, 2**32), st.integers(0, 23), st.integers(-1, 9), st.sampled_from(Kind))
def test_random_texts_are_true_and_name_what_they_say(
    seed: int, category: int, colour: int, kind: Kind
) -> None:
    shown = Meaning(kind, category, colour)
    text, said = vocabulary.random_text(np.random.default_rng(seed), shown)
    assert vocabulary.true_of([shown], [said]).all()
    if said.category >= 0:
        assert any(name in text for name in vocabulary.NAMES[vocabulary.CATEGORIES[category]])
    assert set(vocabulary.pieces(text)) <= set(vocabulary.clip_words())
    if said.colour >= 0:
        name = vocabulary.COLOURS[colour]
        assert any(option in text for option in (name, *vocabulary.ALIASES.get(name, ())))
    if kind != Kind.OBJECT:
        assert said == (kind, -1, -1)


def test_what_is_true_of_what() -> None:
    shown = [Meaning(0, 3, 1), Meaning(0, 3, 2), Meaning(1, 3, 1)]
    said = [Meaning(0, 3, -1), Meaning(0, -1, 1), Meaning(0, 3, 2), Meaning(1, -1, -1)]
    expected = [[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]
    assert vocabulary.true_of(shown, said).astype(int).tolist() == expected


def test_of_an_unknown_colour_no_colour_is_true_or_false() -> None:
    shown = [Meaning(0, 3, -1), Meaning(0, 3, 2)]
    said = [Meaning(0, 3, -1), Meaning(0, 3, 2), Meaning(0, -1, 1), Meaning(1, -1, -1)]
    assert vocabulary.true_of(shown, said).astype(int).tolist() == [[1, 0, 0, 0], [1, 1, 0, 0]]
    assert vocabulary.unclear(shown, said).astype(int).tolist() == [[0, 1, 1, 0], [0, 0, 0, 0]]


# CLIP and captions


def test_the_contrastive_loss_by_hand() -> None:
    images, scale = torch.eye(2), torch.tensor(4.0)
    one_each = torch.tensor([[True, False], [False, True]])
    loss = train_clip.contrastive_loss(images, torch.eye(2), scale, one_each)
    assert loss.item() == pytest.approx(math.log1p(math.exp(-4)), abs=1e-6)
    same = torch.tensor([[1.0, 0], [1, 0]])
    both = torch.ones(2, 2, dtype=torch.bool)
    loss = train_clip.contrastive_loss(same, same, scale, both)
    assert loss.item() == pytest.approx(math.log(2))


def test_a_text_that_is_true_of_nothing_only_repels() -> None:
    images, texts = torch.tensor([[1.0, 0.0]]), torch.eye(2)
    true = torch.tensor([[True, False]])
    loss = train_clip.contrastive_loss(images, texts, torch.tensor(4.0), true)
    # Among one image every text finds it at no cost; the image has two texts to choose from.
    assert loss.item() == pytest.approx(0.5 * math.log1p(math.exp(-4)), abs=1e-6)


def test_what_is_unclear_changes_nothing() -> None:
    images, texts = torch.eye(3)[:2], torch.eye(3)
    true = torch.tensor([[True, False, False], [False, True, False]])
    unclear = torch.tensor([[False, False, True], [False, False, True]])
    with_it = train_clip.contrastive_loss(images, texts, torch.tensor(4.0), true, unclear)
    without = train_clip.contrastive_loss(images, texts[:2], torch.tensor(4.0), true[:, :2])
    assert with_it.item() == pytest.approx(without.item(), abs=1e-6)


PAIRS = [(1, 2), (1, 3), (5, 2), (6, 7)]


def test_texts_of_a_batch_hold_a_true_one_for_each_crop() -> None:
    rng = np.random.default_rng(0)
    shown = [Meaning(Kind.OBJECT, 1, 2), Meaning(Kind.TWO, 3, 4), Meaning(Kind.BACKGROUND, 0, 0)]
    texts, said = train_clip.random_texts(shown, PAIRS, rng)
    true = vocabulary.true_of(shown, said)
    assert len(texts) == len(said) == 3 + 44 + 3
    assert true.diagonal().all()
    assert not true.all(1).any()


def test_hard_negatives_are_things_of_the_data() -> None:
    rng = np.random.default_rng(0)
    near = [train_clip.swapped(Meaning(Kind.OBJECT, 1, 2), PAIRS, rng)[1:] for _ in range(200)]
    assert set(near) == {(1, 3), (5, 2)}
    assert near.count((5, 2)) > near.count((1, 3))
    far = [train_clip.swapped(Meaning(Kind.TWO, 1, 2), PAIRS, rng)[1:] for _ in range(200)]
    assert set(far) == set(PAIRS)


def test_captions_of_a_batch_fit_their_crops(scenes: Scenes, tmp_path: Path) -> None:
    stored = bank.open_bank(tmp_path / "scenes", scenes)
    rng = np.random.default_rng(0)
    images, texts, shown = train_captioner.random_examples(stored, 60, rng)
    assert images.shape == (60, 64, 64, 3)
    assert images.dtype == np.float32
    for text, meaning in zip(texts, shown, strict=True):
        if meaning.kind == Kind.BACKGROUND:
            assert text == "an empty table"
        elif meaning.kind < 0:
            assert text == "two mugs and a red bowl on a table"
        else:
            category, colour = (
                vocabulary.CATEGORIES[meaning.category],
                vocabulary.COLOURS[meaning.colour],
            )
            assert text.endswith(f" {category}")
            assert meaning.colour < 0 or text == f"a {colour} {category}"
    assert {meaning.colour for meaning in shown} >= {-1, 0, 2}


class Echo:
    """A decoder that is sure of the next of the tokens that it reads, and a table of those."""

    def text_decoder(self, input_ids: torch.Tensor, **rest: torch.Tensor) -> types.SimpleNamespace:
        self.read = input_ids
        following = torch.roll(self.truth, -1, 1)
        logits = torch.nn.functional.one_hot(following, 200).float() * 30
        return types.SimpleNamespace(logits=logits)


def test_the_caption_loss_asks_for_no_unknown_colour() -> None:
    echo, seen = Echo(), torch.zeros(2, 1, 1)
    echo.truth = train_captioner.to_ids(["a red mug", "an orange bowl"])
    known = [Meaning(Kind.OBJECT, 0, 0), Meaning(Kind.OBJECT, 2, 4)]

    def loss(ids: torch.Tensor, shown: list[Meaning]) -> float:
        rng = np.random.default_rng(0)
        return float(train_captioner.caption_loss(echo, ids, seen, shown, rng))

    right = loss(echo.truth, known)
    wrong_colour = train_captioner.to_ids(["a blue mug", "a green bowl"])
    assert loss(wrong_colour, known) > right + 5
    unknown = [meaning._replace(colour=-1) for meaning in known]
    assert loss(wrong_colour, unknown) == pytest.approx(loss(echo.truth, unknown))
    wrong_thing = train_captioner.to_ids(["a red cup", "an orange ball"])
    assert loss(wrong_thing, unknown) > loss(echo.truth, unknown) + 5


def test_colours_that_are_read_are_sometimes_others() -> None:
    echo = Echo()
    echo.truth = train_captioner.to_ids(["a red mug"] * 200)
    shown = [Meaning(Kind.OBJECT, 0, 0)] * 200
    rng = np.random.default_rng(0)
    train_captioner.caption_loss(echo, echo.truth, torch.zeros(200, 1, 1), shown, rng)
    changed = echo.read != echo.truth
    assert not changed[:, [0, 1, 3, 4]].any()
    assert 0.1 < changed[:, 2].float().mean() < 0.4
    assert set(echo.read[:, 2].tolist()) <= set(train_captioner.model_ids(vocabulary.COLOURS))


def test_the_class_loss_leaves_out_what_has_no_name() -> None:
    logits = torch.zeros(4, 34)
    logits[0, 3] = logits[0, 24 + 2] = 50.0
    shown = [Meaning(Kind.OBJECT, 3, 2), Meaning(-1, -1, -1), Meaning(Kind.BACKGROUND, 1, 1)]
    named = train_captioner.class_loss(logits, [*shown, Meaning(Kind.OBJECT, 3, -1)])
    only = train_captioner.class_loss(logits[[0, 3]], [shown[0], Meaning(Kind.OBJECT, 3, -1)])
    assert named.item() == pytest.approx(only.item())
    assert only.item() > math.log(24) / 2
    assert train_captioner.class_loss(logits[:1], shown[1:2]).item() == 0
