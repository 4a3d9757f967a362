# SPDX-License-Identifier: Apache-2.0
"""Diffusion networks: attention recomputed, steps as the scheduler has them, damaged files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_diffusion import CONTEXT, build_unet, write_pipeline

from refseg_ros.backbones.cross_attention import recorded
from refseg_ros.backbones.diffusion import Diffusion, fitted
from refseg_ros.config.methods import DiffusionConfig
from refseg_ros.errors import ConfigError, WeightsError
from refseg_ros.methods.ref_diff import at_image

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pipeline(tmp_path_factory.mktemp("pipeline"))


@pytest.fixture(scope="module")
def diffusion(folder: Path) -> Diffusion:
    return Diffusion.load(folder, device=CPU)


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
