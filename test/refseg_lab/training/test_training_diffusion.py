# SPDX-License-Identifier: Apache-2.0
"""The training of the latent diffusion: what it sees and reads, its losses, scripts and export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from square_scenes import write_scenes

from refseg_lab.training import (
    common,
    export,
    glimpses,
    latent,
    train_autoencoder,
    train_diffusion,
)
from refseg_lab.training.common import Scenes, VisibleThing
from refseg_lab.training.vocabulary import NAMES
from refseg_ros import weights
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.diffusion import Diffusion
from refseg_ros.errors import WeightsError

CLIP = weights.resolve("bundled:clip")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_scenes(folder / "train")
    write_scenes(folder / "val", 1)
    return folder


def test_a_glimpse_names_what_it_shows_most_of() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    instances = np.zeros((480, 640), np.uint8)
    instances[200:280, 300:380], instances[0:40, 0:40] = 1, 2
    image[instances == 1] = (250, 0, 0)
    things = (
        VisibleThing(0, 1, "mug", "red", 6400),
        VisibleThing(0, 2, "book", "blue", 1600),
        VisibleThing(0, 3, "bowl", "green", 500),  # hidden
    )
    seen = set()
    for seed in range(40):
        part, shown = glimpses.glimpse(image, instances, things, np.random.default_rng(seed))
        assert part.shape == (96, 128, 3)
        names = [thing.category for thing in shown]
        assert "bowl" not in names
        red = int((part[..., 0] > 125).sum())
        # The mug is 80 x 80 pixels, shown at 0.32 to 0.5 times its size.
        least, most = 0.6 * 6400 * 0.32**2, 6400 * 0.5**2
        assert red >= 0.9 * least if "mug" in names else red <= 0.6 * 1.1 * most
        seen |= {tuple(names)}
    assert ("mug",) in seen
    assert () in seen


def test_sentences_name_only_what_is_there() -> None:
    things = (("mug", "red"), ("book", "blue"))
    nouns = {"can"} | {
        word for category, _ in things for name in NAMES[category] for word in name.split()
    }
    others = {word for names in NAMES.values() for name in names for word in name.split()} - nouns
    rng, texts = np.random.default_rng(0), set()
    for _ in range(300):
        text = glimpses.sentence(things, rng)
        assert not set(text.replace(",", "").split()) & others, text
        texts.add(text)
    assert len(texts) > 100
    assert any(text.startswith("the red mug ") and text.endswith("blue book") for text in texts)


def test_glimpses_are_made_once(data: Path) -> None:
    scenes = Scenes.open(data / "train")
    first = glimpses.open_glimpses(data / "train", scenes)
    assert len(first) == len(first.images) > 0
    assert all(len(things) for things in first.things)
    again = glimpses.open_glimpses(data / "train", scenes)
    assert np.array_equal(first.images, again.images)
    assert first.things == again.things


def test_the_text_encoder_is_the_text_tower_of_clip() -> None:
    clip = ClipEncoder.load(CLIP, device=torch.device("cpu"))
    model: Any = clip._model
    tokenizer, encoder = latent.diffusion_tokenizer(CLIP), latent.build_text_encoder(CLIP)
    texts = ["pick up the red mug left of the blue book, please", "zyxw isn't", "", "MUG!"]
    tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    theirs = clip._tokenizer(texts)
    ends = (tokens == len(tokenizer) - 1).int().argmax(1)
    for row, end in enumerate(ends.tolist()):
        assert tokens[row, : end + 1].tolist() == theirs[row, : end + 1].tolist()
    states = encoder(tokens).last_hidden_state[torch.arange(len(texts)), ends]
    expected = model.encode_text(theirs)
    assert torch.allclose(states @ model.text_projection, expected, atol=1e-4)


def test_a_network_that_knows_the_noise_has_no_loss() -> None:
    alphas = latent.build_scheduler().alphas_cumprod
    latents, noise = torch.randn(2, 3, 8, 2, 2, generator=torch.Generator().manual_seed(0))
    times = torch.tensor([0, 500, 999])

    class Knows(torch.nn.Module):
        def forward(self, mixed: torch.Tensor, at: torch.Tensor, _: torch.Tensor) -> Any:
            kept = alphas[at][:, None, None, None]
            assert torch.allclose(mixed, kept.sqrt() * latents + (1 - kept).sqrt() * noise)
            made = kept.sqrt() * noise - (1 - kept).sqrt() * latents
            return type("Output", (), {"sample": made + 0.5})

    loss = train_diffusion.velocity_loss(Knows(), latents, latents, times, noise, alphas)
    assert loss.tolist() == pytest.approx([0.25] * 3)


def test_edges_count_by_hand() -> None:
    true = torch.zeros(1, 1, 2, 2)
    made = torch.tensor([[[[0.0, 1.0], [0.0, 0.0]]]])
    # Across: 1 and 0; down: 0 and 1.
    assert float(train_autoencoder.edge_loss(made, true)) == pytest.approx(1.0)


def test_scripts_train_and_export_a_pipeline(data: Path, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    runs = tmp_path / "runs"
    given = ["--data", str(data), "--batch", "2"]
    train_autoencoder.main([*given, "--out", str(runs / "autoencoder"), "--steps", "2"])
    chosen = ["--autoencoder", str(runs / "autoencoder"), "--out", str(runs / "diffusion")]
    train_diffusion.main([*given, *chosen, "--steps", "2"])
    torch.set_num_threads(threads)
    export.export_diffusion(runs / "diffusion", tmp_path / "out")
    made = Diffusion.load(tmp_path / "out", device=torch.device("cpu"))
    assert made.factor == latent.FACTOR
    kept = torch.load(runs / "autoencoder" / "latents-train.pt", weights_only=True)["latents"]
    scaling = made._vae.config.scaling_factor
    assert scaling * float(kept.float().std()) == pytest.approx(1.0)
    pixels = torch.rand(3, 32, 32)
    noised = made.noised(pixels, 20, 2, guided=True, late=False, seed=0)
    assert len(made.attend(noised, "the red mug", 3.0)) == 2
    state = common.read_checkpoint(runs / "diffusion")["unet"]
    name, value = next(iter(state.items()))
    assert torch.allclose(made._unet.state_dict()[name], value, atol=1e-3)


def test_latents_of_another_autoencoder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="train the diffusion network first"):
        train_diffusion.latent_factor(tmp_path)
