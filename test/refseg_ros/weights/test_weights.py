# SPDX-License-Identifier: Apache-2.0
"""Where weights are looked for, and what is said when they are not there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from refseg_ros import Segmenter, weights
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import WeightsError


def test_a_path_of_the_user_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFSEG_CACHE", str(tmp_path / "cache"))
    mine = tmp_path / "mine.pth"
    mine.touch()
    assert weights.resolve(str(mine)) == mine


def test_the_cache_comes_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFSEG_CACHE", str(tmp_path))
    cached = tmp_path / "sam_vit_h_4b8939.pth"
    cached.touch()
    assert weights.resolve("sam_vit_h_4b8939.pth") == cached


def test_a_missing_published_file_says_where_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFSEG_CACHE", str(tmp_path))
    paper = SegmenterConfig.from_preset("paper")
    for name in (paper.proposals.checkpoint, paper.clip.checkpoint, paper.captions.model):
        with pytest.raises(WeightsError) as error:
            weights.resolve(name)
        assert "https://" in str(error.value)
        assert str(tmp_path) in str(error.value)


def test_all_missing_files_of_a_preset_are_named_with_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFSEG_CACHE", str(tmp_path))
    (tmp_path / "blip-image-captioning-base").mkdir()
    (tmp_path / "blip-image-captioning-base" / "vocab.txt").touch()
    with pytest.raises(WeightsError) as error:
        Segmenter.from_preset("fast", "cpu")
    told = str(error.value)
    assert "`refseg weights download fast` gets all" in told
    captioner = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    absent = ("mobile_sam.pt", "clip_vit_b_32_openai")
    names = (*absent, *(f"blip-image-captioning-base/{name}" for name in captioner))
    assert all(str(tmp_path / name) in told for name in names)
    assert "special_tokens_map.json" not in told


def test_a_missing_file_of_the_user_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nonesuch\.pth"):
        weights.resolve(str(tmp_path / "nonesuch.pth"))


def test_missing_bundled_weights_are_an_installation_fault() -> None:
    with pytest.raises(WeightsError, match="install refseg_ros again"):
        weights.resolve("bundled:nonesuch")


def test_the_bundled_files_are_those_of_their_checksums() -> None:
    folder = weights.resolve("bundled:")
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    found = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    assert found == listed
    assert {"sam/model.safetensors", "captioner/model.safetensors"} <= set(listed)
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert total < 25_000_000


def test_a_changed_bundled_file_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "sam").mkdir()
    weight = tmp_path / "sam" / "model.safetensors"
    weight.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  sam/model.safetensors\n")
    for path in (tmp_path, tmp_path / "sam", weight):
        weights.check_sums(path, tmp_path)
    weights.check_sums.cache_clear()
    weight.write_bytes(b"Weights")
    for path in (tmp_path, tmp_path / "sam", weight):
        with pytest.raises(WeightsError, match="changed"):
            weights.check_sums(path, tmp_path)
    weight.unlink()
    with pytest.raises(WeightsError, match="install refseg_ros again"):
        weights.check_sums(tmp_path, tmp_path)


def test_the_cache_is_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFSEG_CACHE", str(tmp_path))
    assert weights.cache_folder() == tmp_path
    monkeypatch.delenv("REFSEG_CACHE")
    assert weights.cache_folder() == Path.home() / ".cache" / "refseg_ros"


def test_an_empty_name_is_not_the_working_folder() -> None:
    with pytest.raises(WeightsError, match="''"):
        weights.resolve("")
