# SPDX-License-Identifier: Apache-2.0
"""Ref-Diff: its maps and scores by hand, and the method on small networks."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hand_made import Table
from tiny_diffusion import write_pipeline

from refseg_lab.simulation.benchmark import bundled_slice
from refseg_ros import Segmenter
from refseg_ros.backbones.cross_attention import Maps
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.diffusion import Attended
from refseg_ros.config import SegmenterConfig
from refseg_ros.config.methods import DiffusionConfig, RefDiffConfig
from refseg_ros.errors import ConfigError
from refseg_ros.language import Direction, parse
from refseg_ros.methods.catalogue import with_method
from refseg_ros.methods.ref_diff import RefDiff, root_end, root_of
from refseg_ros.methods.ref_diff_maps import (
    CUTS,
    attention_map,
    bias_of_place,
    cut_proposals,
    inside_minus_outside,
)
from refseg_ros.methods.scoring import SceneFeatures
from refseg_ros.networks import Networks

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pipeline(tmp_path_factory.mktemp("pipeline"))


def segmenter(folder: Path, method: str, **changes: Any) -> Segmenter:
    config = SegmenterConfig.from_preset("tabletop")
    options = {"model": str(folder), "side": 64, "level": 1, **changes}
    config = replace(config, diffusion=replace(config.diffusion, **options))
    device = Device.from_name("cpu")
    return Segmenter.from_config(with_method(config, method), device, Networks(device))


# The scores.


def maps_of(layer: str, columns: list[list[float]], shares: list[list[float]]) -> Maps:
    """A layer with two words over as many places as a column has."""
    return Maps(layer, torch.tensor(columns).T[None], torch.tensor(shares).T[None])


def test_attention_of_a_word_by_hand() -> None:
    fine = maps_of("fine", [[0.0] * 4, [0, 1, 2, 4]], [[0.9, 0.8, 0.6, 0.2], [0.1, 0.2, 0.4, 0.8]])
    bare = maps_of("fine", [[0.0] * 4, [0, 0, 1, 0]], [[1.0] * 4, [0.0] * 4])
    coarse = maps_of("coarse", [[0.0], [8.0]], [[0.5], [0.6]])
    step = Attended((fine, coarse), (bare, coarse))
    one = DiffusionConfig(level=1, guidance=3.0)
    assert attention_map([step], 1, (2, 2), one) == pytest.approx(
        np.array([[0.1, 0.2], [0.4, 0.8]])
    )
    every = attention_map([step], 1, (2, 2), replace(one, level=0))
    assert every == pytest.approx(np.array([[0.35, 0.4], [0.5, 0.7]]))
    # 3·told − 2·untold is 0, 3, 4, 12, which is stretched to 0, 1/4, 1/3, 1.
    guided = attention_map([step], 1, (2, 2), one, "released")
    assert guided == pytest.approx(np.array([[0, 0.25], [1 / 3, 1]]))
    with pytest.raises(ConfigError, match=r"diffusion\.level: 4 is not one of 0, 1, 2"):
        attention_map([step], 1, (2, 2), replace(one, level=4))


def test_attention_of_steps_is_their_mean() -> None:
    first = maps_of("a", [[0.0, 2.0]], [[0.0, 0.2]])
    second = maps_of("a", [[0.0, 1.0]], [[0.4, 0.2]])
    steps = [Attended((first,), ()), Attended((second,), ())]
    found = attention_map(steps, 0, (1, 2), DiffusionConfig(level=1))
    assert found == pytest.approx(np.array([[0.2, 0.2]]))


def test_inside_minus_outside_by_hand() -> None:
    values = np.zeros((6, 6))
    values[1:3, 1:4] = 0.8
    values[5, 5] = 0.4
    masks = np.zeros((3, 6, 6), bool)
    masks[0, 1:3, 1:4] = True
    masks[1, 1:5, 1:4] = True
    masks[2] = True
    expected = [0.8 - 0.4 / 30, 0.4 - 0.4 / 24, 5.2 / 36]
    assert inside_minus_outside(values, masks) == pytest.approx(expected)


def test_a_map_is_cut_at_nineteen_heights() -> None:
    values = np.arange(101).reshape(1, 101) / 100
    found = cut_proposals(values)
    assert len(CUTS) == len(found) == 19
    assert found.masks.sum((1, 2)).tolist() == [101 - percent for percent in range(5, 100, 5)]
    # 0.05 and above: a mean of 0.525, and of 0.02 below.
    assert found.quality[0] == pytest.approx(0.525 - 0.02)
    assert len(cut_proposals(np.zeros((4, 4)))) == 0


def test_the_picture_fades_from_the_place_that_is_said() -> None:
    left = bias_of_place((2, 5), [Direction.LEFT])
    assert left == pytest.approx(np.array([[1, 0.75, 0.5, 0.25, 0]] * 2))
    corner = bias_of_place((3, 3), [Direction.BOTTOM, Direction.RIGHT])
    assert corner == pytest.approx(np.array([[0, 0, 0], [0, 0.25, 0.5], [0, 0.5, 1]]))
    released = bias_of_place((1, 5), [Direction.RIGHT, Direction.TOP], "released")
    assert released == pytest.approx(np.array([[0, 0, 0.25, 0.625, 1]]))
    assert (bias_of_place((2, 2), [Direction.MIDDLE]) == 1).all()


class HandMade:
    """What a picture would say, as numbers."""

    def __init__(self) -> None:
        self.masks = np.zeros((2, 1, 4), bool)
        self.masks[0, 0, :2] = self.masks[1, 0, 2:] = True
        self.asked: list[tuple[str, int]] = []
        self.places: list[tuple[Direction, ...]] = []

    def attention(self, text: str, end: int) -> np.ndarray:
        self.asked.append((text, end))
        return np.array([[0.0, 0.2, 0.6, 1.0]])

    def regions(self, directions: tuple[Direction, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        self.places.append(tuple(directions))
        return torch.tensor([[2.0, 0], [0, 1]]), torch.tensor([[0.6, 0.8], [1.0, 0]])


def features_of(pictured: Any) -> SceneFeatures:
    return SceneFeatures(torch.eye(2), ("", ""), "", 10.0, kept=pictured)


TEXTS = Table({"the mug on the left": [1.0, 0.0], "mug": [0.0, 1.0]})


def test_scores_by_hand() -> None:
    pictured = HandMade()
    table = RefDiff(RefDiffConfig(alpha=0.2, beta=0.25)).score(
        features_of(pictured), parse("the mug on the left"), TEXTS
    )
    # The mean of both texts is (1, 1) / √2; regions 2 and 1 look like it by 0.707 each.
    half = 0.5**0.5
    within, crops = [10 * half, 10 * half], [10 * 1.4 * half, 10 * half]
    looks = [0.25 * a + 0.75 * b for a, b in zip(within, crops, strict=True)]
    attention = [10 * (0.1 - 0.8), 10 * (0.8 - 0.1)]
    assert table.terms["G"] == pytest.approx(within)
    assert table.terms["L"] == pytest.approx(crops)
    assert table.terms["V"] == pytest.approx(looks)
    assert table.terms["A"] == pytest.approx(attention)
    expected = [0.8 * a + 0.2 * b for a, b in zip(looks, attention, strict=True)]
    assert table.total == pytest.approx(expected)
    summed = sum(table.weights[name] * table.terms[name] for name in table.terms)
    assert summed == pytest.approx(expected)
    assert pictured.asked == [("the mug on the left", len("the mug"))]
    assert pictured.places == [(Direction.LEFT,)]


def test_released_compares_crops_with_the_sentence_alone() -> None:
    config = RefDiffConfig(procedure="released", alpha=0.0, beta=0.25, largest=1)
    pictured = HandMade()
    pictured.masks[1, 0, 1] = True
    table = RefDiff(config).score(features_of(pictured), parse("the mug on the left"), TEXTS)
    assert table.terms["L"] == pytest.approx([6.0, 10.0])
    assert table.terms["G"] == pytest.approx([10 * 0.5**0.5] * 2)
    # Of two candidates only the larger one may be chosen.
    assert table.total[1] == pytest.approx(0.25 * table.terms["G"][1] + 0.75 * 10)
    assert table.total[0] < table.total[1] - 50


def test_attention_alone_decides_where_nothing_else_counts() -> None:
    table = RefDiff(RefDiffConfig(alpha=1.0)).score(
        features_of(HandMade()), parse("the mug on the left"), TEXTS
    )
    assert list(table.terms) == ["A"]
    assert table.total == pytest.approx([-7.0, 7.0])


def test_features_of_another_method_are_refused() -> None:
    with pytest.raises(ValueError, match="observed for it"):
        RefDiff(RefDiffConfig()).score(features_of(None), parse("the mug"), TEXTS)


def test_the_root_is_the_noun_of_the_thing_meant() -> None:
    for text, root in (
        ("the red mug left of the blue book", "the red mug"),
        ("pick up the mugs", "pick up the mugs"),
        ("the red one", "the red one"),
    ):
        assert root_end(text, root_of(parse(text))) == len(root), text


def test_what_stands_for_a_noun_is_the_root_where_there_is_no_other() -> None:
    for text, root in (
        ("the object on the left of the mug", "object"),
        ("the red thing", "thing"),
        ("pick up the item that is blue", "item"),
        ("the mug next to the red thing", "mug"),
        ("leftmost", ""),
    ):
        assert root_of(parse(text)) == root, text


def test_the_preset_is_the_released_method_with_its_own_networks() -> None:
    config = SegmenterConfig.from_preset("paper_ref_diff")
    assert replace(with_method(config, "ref_diff_released"), name=config.name) == config


# The method.


def test_ten_sentences_encode_the_image_once(folder: Path) -> None:
    made = segmenter(folder, "ref_diff")
    assert isinstance(made.matcher, RefDiff)
    network = made.matcher.diffusion
    assert network is not None
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    scene = made.observe(bundled_slice()[0].frame.rgb)
    hook = network._unet.register_forward_hook(count)
    colours, nouns = ("red", "blue"), ("mug", "book", "cup", "ball", "duck")
    for colour, noun in itertools.product(colours, nouns):
        assert scene.select(f"the {colour} {noun}").status.has_target
    hook.remove()
    assert network.encoded == 1
    assert calls == 10 * DiffusionConfig().start


def test_answers_depend_on_the_seed_alone(folder: Path) -> None:
    image = bundled_slice()[0].frame.rgb
    first, same, other = (
        segmenter(folder, "ref_diff", seed=seed).observe(image).select("the red mug")
        for seed in (0, 0, 1)
    )
    terms = [[item.terms["A"] for item in made.candidates] for made in (first, same, other)]
    assert terms[0] == terms[1]
    assert terms[0] != terms[2]


def test_without_a_segmentor_each_sentence_has_candidates_of_its_own(folder: Path) -> None:
    made = segmenter(folder, "ref_diff_free")
    scene = made.observe(bundled_slice()[0].frame.rgb)
    assert len(scene.proposals) == 0
    found = [scene.select(text) for text in ("the red mug", "the blue book")]
    for selection in found:
        assert selection.status.has_target
        assert 0 < len(selection.candidates) <= 19
        assert selection.mask.shape == scene.size
        totals = {
            item.index: 0.9 * item.terms["V"] + 0.1 * item.terms["A"]
            for item in selection.candidates
        }
        assert max(totals, key=totals.__getitem__) == selection.index
        # Its index is a row of its own proposals; the scene has none.
        assert selection.proposals is not None
        assert selection.index is not None
        assert np.array_equal(selection.proposals.masks[selection.index], selection.mask)
    assert not np.array_equal(found[0].mask, found[1].mask)
    assert scene.select("  ").status.name == "ERROR"
    assert "ref_diff_free" in made.description


def test_a_followed_sentence_leans_on_nothing_without_lasting_candidates(folder: Path) -> None:
    from refseg_ros import Conversation

    scene = segmenter(folder, "ref_diff_free").observe(bundled_slice()[0].frame.rgb)
    talk = Conversation()
    assert talk.ask(scene, "the red mug").status.has_target
    assert talk.ask(scene, "the other one").expression == "the other one"
    again = talk.follow(scene)
    assert again is not None
    assert again.expression == "the other one"
