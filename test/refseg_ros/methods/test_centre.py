# SPDX-License-Identifier: Apache-2.0
"""Matching without what all crops and all texts of a CLIP have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from refseg_ros.config import SegmenterConfig
from refseg_ros.methods.catalogue import METHODS, with_method
from refseg_ros.methods.centre import CROPS, NOUNS, Centre, plain_crops
from refseg_ros.methods.scoring import SceneFeatures


class Encoder:
    """Random unit features; counts what it is asked."""

    def __init__(self, fingerprint: str = "f" * 16) -> None:
        self.fingerprint, self.asked = fingerprint, 0

    def _units(self, count: int) -> torch.Tensor:
        self.asked += count
        drawn = torch.randn(count, 5, generator=torch.Generator().manual_seed(count))
        return torch.nn.functional.normalize(drawn, dim=-1)

    def encode_texts(self, texts: Sequence[str], unit: bool = True) -> torch.Tensor:
        return self._units(len(texts))

    def encode_images(
        self, images: Sequence[NDArray[np.uint8]], unit: bool = True
    ) -> torch.Tensor:
        return self._units(len(images))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REFSEG_CACHE", str(tmp_path))
    return tmp_path


def test_means_are_made_once_for_each_network(cache: Path) -> None:
    first, again = Encoder(), Encoder()
    made = Centre.of(first)  # type: ignore[arg-type]
    assert first.asked == len(NOUNS) + CROPS
    kept = Centre.of(again)  # type: ignore[arg-type]
    assert again.asked == 0
    assert torch.equal(made.texts, kept.texts)
    assert torch.equal(made.crops, kept.crops)
    other = Encoder("0" * 16)
    Centre.of(other)  # type: ignore[arg-type]
    assert other.asked
    assert len(list((cache / "centres").iterdir())) == 2


def test_a_damaged_or_unwritable_cache_costs_only_time(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Centre.of(Encoder())  # type: ignore[arg-type]
    next((cache / "centres").iterdir()).write_bytes(b"half")
    again = Centre.of(Encoder())  # type: ignore[arg-type]
    assert torch.equal(made.crops, again.crops)
    (cache / "file").touch()
    monkeypatch.setenv("REFSEG_CACHE", str(cache / "file"))
    assert torch.equal(Centre.of(Encoder()).crops, made.crops)  # type: ignore[arg-type]


def test_the_bank_is_the_same_each_time_and_varied() -> None:
    crops = list(plain_crops())
    assert len(crops) == CROPS
    assert all(np.array_equal(one, two) for one, two in zip(crops, plain_crops(), strict=True))
    assert len({crop.tobytes() for crop in crops}) == CROPS
    assert len(set(NOUNS)) == len(NOUNS) > 90


def test_logits_are_those_of_centred_features() -> None:
    encoder = Encoder()
    regions, texts = encoder.encode_images([np.zeros((1, 1, 3), np.uint8)] * 4), torch.randn(3, 5)
    centre = Centre(torch.randn(5), torch.randn(5))
    plain = SceneFeatures(regions, ("",) * 4, "", 7.0)
    centred = SceneFeatures(regions, ("",) * 4, "", 7.0, centre=centre)
    expected = 7.0 * (texts - centre.texts) @ (regions - centre.crops).T
    assert centred.looks_like(texts) == pytest.approx(
        expected.double().numpy(), rel=1e-4, abs=1e-4
    )
    one = centred.centred(7.0 * regions @ texts[0], texts[0])
    assert one.numpy() == pytest.approx(expected[0].numpy(), rel=1e-4, abs=1e-4)
    assert (plain.looks_like(texts) == (7.0 * texts @ regions.T).double().numpy()).all()


def test_it_is_the_preset_s_whichever_method_is_used() -> None:
    centred = {"fast", "edge", "best"}
    for name in (*centred, "paper", "paper_rn50", "tabletop", "tabletop_paper"):
        config = SegmenterConfig.from_preset(name)
        assert config.score.centre == (name in centred)
        assert with_method(config, "robust").score.centre == (name in centred)
        for method in set(METHODS) - {"robust"}:  # as published
            assert not with_method(config, method).score.centre
