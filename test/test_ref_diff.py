# SPDX-License-Identifier: Apache-2.0
"""Ref-Diff: its scores by hand, its attention recomputed, and the method on small networks."""

from __future__ import annotations

import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hand_made import Table
from tiny_diffusion import CONTEXT, build_unet, write_pipeline

from refseg_ros import Segmenter
from refseg_ros.backbones.cross_attention import Maps, recorded
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.diffusion import Attended, Diffusion, fitted
from refseg_ros.config import SegmenterConfig
from refseg_ros.config_methods import DiffusionConfig, RefDiffConfig
from refseg_ros.errors import ConfigError, WeightsError
from refseg_ros.language import Direction, parse
from refseg_ros.matching import SceneFeatures
from refseg_ros.matching.ref_diff import (
    CUTS,
    RefDiff,
    at_image,
    attention_map,
    bias_of_place,
    cut_proposals,
    inside_minus_outside,
    root_end,
)
from refseg_ros.methods import with_method
from refseg_ros.networks import Networks
from refseg_ros.simulation.benchmark import bundled_slice

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pipeline(tmp_path_factory.mktemp("pipeline"))


@pytest.fixture(scope="module")
def diffusion(folder: Path) -> Diffusion:
    return Diffusion.load(folder, device=CPU)


def segmenter(folder: Path, method: str, **changes: Any) -> Segmenter:
    config = SegmenterConfig.from_preset("tabletop")
    options = {"model": str(folder), "side": 64, "level": 1, **changes}
    config = replace(config, diffusion=replace(config.diffusion, **options))
    device = Device.from_name("cpu")
    return Segmenter.from_config(with_method(config, method), device, Networks(device))


# The attention.


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("normed", [None, "layer_norm"])
def test_recorded_attention_is_that_of_queries_and_keys(fused: bool, normed: str | None) -> None:
    from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

    unet = build_unet(cross_attention_norm=normed)
    unet.set_attn_processor(AttnProcessor2_0() if fused else AttnProcessor())
    generator = torch.Generator().manual_seed(0)
    latent = torch.randn(2, 4, 8, 8, generator=generator)
    words = torch.randn(2, CONTEXT, 12, generator=generator)
    seen: dict[str, torch.Tensor] = {}
    layers = {name: item for name, item in unet.named_modules() if name.endswith("attn2")}
    hooks = [
        getattr(layer, part).register_forward_hook(
            lambda _, __, output, key=f"{name}.{part}": seen.__setitem__(key, output)
        )
        for name, layer in layers.items()
        for part in ("to_q", "to_k")
    ]
    with torch.inference_mode():
        plain = unet(latent, 41, words).sample
        with recorded(unet) as maps:
            output = unet(latent, 41, words).sample
    for hook in hooks:
        hook.remove()
    assert torch.equal(output, plain)
    assert all(not type(item).__name__.startswith("_") for item in unet.attn_processors.values())
    assert sorted(item.layer for item in maps) == sorted(layers)
    for item in maps:
        queries, keys = seen[f"{item.layer}.to_q"], seen[f"{item.layer}.to_k"]
        heads = layers[item.layer].heads
        width = queries.shape[-1] // heads
        logits = torch.stack(
            [
                queries[..., h * width : (h + 1) * width]
                @ keys[..., h * width : (h + 1) * width].transpose(1, 2)
                / width**0.5
                for h in range(heads)
            ]
        )
        assert torch.allclose(item.logits, logits.mean(0), atol=1e-5)
        assert torch.allclose(item.shares, logits.softmax(-1).mean(0), atol=1e-6)
        assert torch.allclose(item.shares.sum(-1), torch.ones(1), atol=1e-5)


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


# The scores.


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
    none = torch.zeros(0, 2)
    return SceneFeatures(torch.eye(2), ("", ""), none, "", (), none, 10.0, pictured=pictured)


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
        assert root_end(text, parse(text).head) == len(root), text


# From pictures to networks and back.


def test_a_place_is_found_again_after_fitting() -> None:
    image = torch.zeros(3, 60, 100)
    image[:, 40:50, 70:80] = 1.0
    for square, procedure in ((False, "paper"), (True, "released"), (True, "paper")):
        picture, filled = fitted(image, 64, 16, square=square)
        assert picture.shape[1] % 16 == picture.shape[2] % 16 == 0
        values = np.asarray(picture[0], np.float64)
        back = at_image(values, picture.shape[1:], filled, (60, 100), procedure)
        rows, columns = np.nonzero(back > 0.5)
        assert abs(rows.mean() - 44.5) < 1.5, (square, procedure)
        assert abs(columns.mean() - 74.5) < 1.5, (square, procedure)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 900), (700, 3)])
def test_thin_pictures_fit(height: int, width: int) -> None:
    for square in (False, True):
        picture, (top, bottom, left, right) = fitted(
            torch.rand(3, height, width), 64, 16, square=square
        )
        assert min(picture.shape[1:]) >= 16
        assert bottom > top
        assert right > left


# The network.


def test_steps_are_those_of_the_scheduler(diffusion: Diffusion, folder: Path) -> None:
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
    scheduler.set_timesteps(20)
    assert scheduler.timesteps.tolist()[::-1] == diffusion._times(20)
    generator = torch.Generator().manual_seed(1)
    latent, noise = torch.randn(2, 1, 4, 4, 4, generator=generator).unbind(0)
    theirs = scheduler.step(noise, 51, latent, eta=0.0).prev_sample
    assert torch.allclose(diffusion._reversed(latent, noise, 51, 1), theirs, atol=1e-5)


def test_velocity_gives_the_steps_of_the_scheduler(tmp_path: Path) -> None:
    from diffusers import DDIMScheduler

    made = Diffusion.load(write_pipeline(tmp_path, "v_prediction"), device=CPU)
    scheduler = DDIMScheduler.from_pretrained(tmp_path / "scheduler")
    scheduler.set_timesteps(20)
    latent = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    words = made.states(["the red mug"])
    with torch.inference_mode():
        noise, _ = made._predict(latent, 501, words)
        velocity = made._unet(latent, 501, words).sample
    theirs = scheduler.step(velocity, 501, latent, eta=0.0).prev_sample
    assert torch.allclose(made._reversed(latent, noise, 501, 451), theirs, atol=1e-5)


def test_noise_is_that_of_the_first_step_or_one_later(diffusion: Diffusion) -> None:
    pixels = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(5))
    alphas = diffusion._scheduler.alphas_cumprod
    clean = diffusion._vae.encode((2 * pixels - 1)[None]).latent_dist.mode()
    clean = clean * diffusion._vae.config.scaling_factor
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(9))
    for late, time in ((False, 51), (True, 101)):
        noised = diffusion.noised(pixels, 20, 2, guided=False, late=late, seed=9)
        expected = alphas[time].sqrt() * clean + (1 - alphas[time]).sqrt() * noise
        assert torch.allclose(noised.latent, expected, atol=1e-5)
        assert noised.times == (51, 1)


def test_halves_in_one_batch_are_the_halves_apart(diffusion: Diffusion) -> None:
    pixels = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(5))
    noised = diffusion.noised(pixels, 20, 2, guided=True, late=False, seed=0)
    steps = diffusion.attend(noised, "the red mug", 4.0)
    told, untold = diffusion.states(["the red mug"]), diffusion.states([""])
    with torch.inference_mode():
        first = [diffusion._predict(noised.latent, 51, item)[0] for item in (untold, told)]
        guided = first[0] + 4.0 * (first[1] - first[0])
        latent = diffusion._reversed(noised.latent, guided, 51, 1)
        apart = [diffusion._predict(latent, 1, item)[1] for item in (untold, told)]
    for batched, alone in zip((steps[1].untold, steps[1].told), apart, strict=True):
        for one, other in zip(batched, alone, strict=True):
            assert torch.allclose(one.logits, other.logits, atol=1e-4)


def test_the_token_of_a_word(diffusion: Diffusion) -> None:
    text = "the red mug left of the blue book"
    ids = diffusion._tokenizer(text).input_ids
    words = diffusion._tokenizer.convert_ids_to_tokens(ids)
    assert words[diffusion.token(text, len("the red mug"))] == "mug</w>"
    # A word beyond the context: the last that is read, before the end.
    assert diffusion.token(text, len(text)) == CONTEXT - 2
    assert diffusion.token("", 0) == 1


# The method.


def test_ten_sentences_encode_the_image_once(folder: Path) -> None:
    made = segmenter(folder, "ref_diff")
    network = made._diffusion
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


# What can go wrong.


def test_the_extra_is_named_where_diffusers_is_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ConfigError, match=r"refseg_ros\[diffusion\]"):
        Diffusion.load(folder, device=CPU)


def test_damaged_pipelines_are_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    with pytest.raises(WeightsError, match="has no vae, unet, text_encoder"):
        Diffusion.load(tmp_path, device=CPU)
    weights = Path("unet") / "diffusion_pytorch_model.safetensors"
    cut, lacking, other = (tmp_path / name for name in ("cut", "lacking", "other"))
    for place in (cut, lacking, other):
        shutil.copytree(folder, place)
    (cut / weights).write_bytes((folder / weights).read_bytes()[:5000])
    with pytest.raises(WeightsError, match="cannot be loaded"):
        Diffusion.load(cut, device=CPU)
    state = load_file(folder / weights)
    state.pop("conv_in.bias")
    save_file(state, lacking / weights, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"lacks 1 weights, such as conv_in\.bias"):
        Diffusion.load(lacking, device=CPU)
    path = other / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "prediction_type": "sample"}))
    with pytest.raises(WeightsError, match="'sample' is not one of epsilon, v_prediction"):
        Diffusion.load(other, device=CPU)


def test_steps_out_of_range_are_refused(diffusion: Diffusion) -> None:
    pixels = torch.rand(3, 16, 16)
    with pytest.raises(ConfigError, match=r"diffusion\.start: 3 is not one of 1 to 2"):
        diffusion.noised(pixels, 2, 3, guided=False, late=False, seed=0)
    with pytest.raises(ConfigError, match=r"diffusion\.start: 3 is more than the 2 steps"):
        DiffusionConfig(steps=2, start=3)
    with pytest.raises(ConfigError, match=r"diffusion\.steps: 2000"):
        diffusion.noised(pixels, 2000, 1, guided=False, late=False, seed=0)
