# SPDX-License-Identifier: Apache-2.0
"""Pictures that are like those of the training, and pictures that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from checkout import ROOT
from safetensors.torch import save_file

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_lab.training.familiar import fitted_familiarity
from refseg_ros import Segmenter
from refseg_ros.answer import STRANGE_PICTURE
from refseg_ros.errors import WeightsError
from refseg_ros.image_io import read_image
from refseg_ros.proposals.familiarity import FAMILIAR, Familiarity
from refseg_ros.proposals.seeds import SeedProposer

PHOTOS = ROOT.parent / "shared" / "data" / "photos"


@pytest.fixture(scope="module")
def tabletop() -> Segmenter:
    return Segmenter.from_preset("tabletop", "cpu")


def test_the_distance_is_that_of_mahalanobis() -> None:
    known = Familiarity(torch.tensor([1.0, 2.0]), torch.diag(torch.tensor([4.0, 0.25])), 10.0)
    embedding = torch.zeros(2, 3, 5)
    assert known.strangeness(embedding) == pytest.approx((4 * 1 + 0.25 * 4) / 10)
    embedding[0], embedding[1] = 1.0, 2.0
    assert known.strangeness(embedding) == 0


def test_a_network_without_the_file_knows_nothing_of_it_and_damage_is_told(tmp_path: Path) -> None:
    assert Familiarity.beside(tmp_path / "model.safetensors") is None
    (tmp_path / FAMILIAR).write_bytes(b"not a tensor")
    with pytest.raises(WeightsError, match="familiar"):
        Familiarity.beside(tmp_path / "model.safetensors")
    save_file({"mean": torch.zeros(2)}, tmp_path / FAMILIAR)
    with pytest.raises(WeightsError, match="damaged"):
        Familiarity.beside(tmp_path / "model.safetensors")


def test_bundled_scenes_are_familiar_at_any_size(tabletop: Segmenter) -> None:
    proposer = tabletop.proposer
    assert isinstance(proposer, SeedProposer)
    for scene in [bundled_scenes()[index] for index in range(6)]:
        for image in (scene.frame.rgb, scene.frame.rgb[::2, ::2], scene.frame.rgb[:, 140:500]):
            assert proposer.propose(np.ascontiguousarray(image)).strangeness < 1


def test_noise_and_near_darkness_are_not(tabletop: Segmenter) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    dark = (bundled_scenes()[0].frame.rgb * 0.1).astype(np.uint8)
    for image in (noise, dark):
        assert tabletop.proposer.propose(image).strangeness > 1


def test_an_answer_about_a_strange_picture_says_so_and_is_unsure(tabletop: Segmenter) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    found = tabletop.observe(noise).select("the leftmost thing")
    assert STRANGE_PICTURE in found.warnings
    assert found.score <= 0.5
    known = tabletop.observe(bundled_scenes()[0].frame.rgb).select("the leftmost thing")
    assert known.index is not None
    assert STRANGE_PICTURE not in known.warnings


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photos are not here")
def test_photos_are_strange(tabletop: Segmenter) -> None:
    proposer = tabletop.proposer
    told = [proposer.propose(read_image(path)).strangeness for path in PHOTOS.glob("*.jpg")]
    assert np.mean(np.array(told) > 1) >= 0.9


def test_the_fit_knows_its_pictures_and_tells_others_apart() -> None:
    rng = np.random.default_rng(0)
    known, other = rng.normal(3, 1, (200, 4)), rng.normal(3, 1, (60, 4))
    tensors = fitted_familiarity(known, other)
    fitted = Familiarity(tensors["mean"], tensors["precision"], float(tensors["limit"]))

    def strangeness(feature: np.ndarray) -> float:
        return fitted.strangeness(torch.from_numpy(feature.astype(np.float32))[:, None, None])

    assert np.mean([strangeness(feature) > 1 for feature in other]) <= 0.02
    assert strangeness(known.mean(0)) < 0.01
    assert strangeness(np.full(4, 9.0)) > 1
