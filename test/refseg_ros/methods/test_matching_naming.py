# SPDX-License-Identifier: Apache-2.0
"""What captions call the candidates, held against what was said."""

from __future__ import annotations

import pytest
import torch

from refseg_ros.language import NounPhrase, parse
from refseg_ros.language.caption_names import AGREES, DISAGREES, SILENT, Naming, agreements
from refseg_ros.methods.likeness import match, score_looks
from refseg_ros.methods.scoring import SceneFeatures


@pytest.mark.parametrize(
    ("caption", "said", "expected"),
    [
        ("a red mug", "the mug", AGREES),
        ("a red mug", "the red mugs", AGREES),
        ("a red mug", "the blue mug", DISAGREES),
        ("a red mug", "the red cup", DISAGREES),
        ("a red mug", "the red thing", AGREES),
        ("a red mug", "the blue thing", DISAGREES),
        ("a purple cube", "the violet block", AGREES),
        ("a close up of a mug", "the red mug", AGREES),
        ("a close-up view of a red mug", "the red mug", AGREES),
        ("picture of a mug", "the book", DISAGREES),
        ("a red mug on a table", "the mug on the left", AGREES),
        ("", "the red mug", SILENT),
        ("a red mug", "the leftmost thing", SILENT),
        ("a red mug", "the turquoise mug", AGREES),
    ],
)
def test_agreement(caption: str, said: str, expected: int) -> None:
    named = Naming.of_caption(caption)
    assert named.agreement(Naming.of_phrase(parse(said).target)) == expected


def test_each_candidate_is_compared() -> None:
    named = [Naming.of_caption(text) for text in ("a red mug", "a blue mug", "")]
    assert agreements(named, parse("the blue mug").target).tolist() == [-1.0, 1.0, 0.0]
    assert agreements((), parse("the blue mug").target).shape == (0,)


class Encoder:
    """Every text points the same way."""

    def encode_texts(self, texts: list[str], unit: bool = True) -> torch.Tensor:
        return torch.tensor([[1.0, 0.0]] * len(texts))

    def unknown_words(self, words: object) -> tuple[str, ...]:
        return ()


def test_captions_decide_whether_a_landmark_is_there() -> None:
    regions = torch.tensor([[0.8, 0.6], [0.8, -0.6]])
    features = SceneFeatures(regions, ("a red mug", "a blue book"), "", 10.0)
    mug = NounPhrase(text="mug", head="mug")
    # V is 8 for both: 8 + 2 and 8 - 2 logits against the 8 that are asked for.
    look = score_looks([(mug, False)], features, Encoder(), 8.0, caption_match=2.0)["mug"]
    assert look.fits == pytest.approx([0.880797, 0.119203], rel=1e-5)
    assert look.shares == pytest.approx([0.5, 0.5])
    assert features.named is features.named


def test_the_match_is_v_and_what_captions_say() -> None:
    logits = {"V": torch.tensor([7.0, 5.0]).numpy(), "C": torch.tensor([-1.5, 1.5]).numpy()}
    assert match(logits).tolist() == [5.5, 6.5]
    assert match({"V": logits["V"]}).tolist() == [7.0, 5.0]
