# SPDX-License-Identifier: Apache-2.0
"""Stored splits: what is written is what is read, and what is damaged or foreign is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refseg_lab.simulation import Frame, RendererUnavailable, TabletopRenderer, sample_scene
from refseg_lab.simulation.benchmark import (
    SIZE,
    SLICE_FOLDER,
    bundled_slice,
    make_split,
    open_split,
)
from refseg_lab.simulation.expressions import benchmark_referrals
from refseg_lab.simulation.splits import SPLITS, get_split
from refseg_lab.simulation.storage import SceneFiles, read_depth, read_instances, write_depth
from refseg_ros.errors import ConfigError


def test_seeds_of_the_splits_are_disjoint_and_training_stays_below() -> None:
    taken: set[int] = set()
    for split in SPLITS.values():
        assert taken.isdisjoint(split.seeds())
        taken |= set(split.seeds())
    assert max(SPLITS["train"].seeds()) < min(SPLITS["val"].seeds())
    for name in ("test", "test_compose", "test_shift"):
        assert SPLITS[name].scenes == 400
    with pytest.raises(ConfigError, match=r"split must be one of train, val, .* got 'tset'"):
        get_split("tset")


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A copy of the first three bundled scenes as a split of their own."""
    folder = tmp_path / "slice"
    for path in (p for index in range(3) for p in SceneFiles(SLICE_FOLDER, index)):
        target = folder / path.relative_to(SLICE_FOLDER)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    lines = (SLICE_FOLDER / "scenes.jsonl").read_bytes().splitlines(keepends=True)[:3]
    listing = b"".join(lines)
    manifest = json.loads((SLICE_FOLDER / "manifest.json").read_text(encoding="utf-8"))
    manifest.update(scenes=3, sha256=hashlib.sha256(listing).hexdigest())
    (folder / "scenes.jsonl").write_bytes(listing)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def test_a_split_is_read_lazily_and_in_parts(stored: Path) -> None:
    split = open_split(stored)
    (stored / "rgb" / "000002.jpg").write_bytes(b"damaged")
    part = split[:2]
    assert (len(split), len(part)) == (3, 2)
    assert [scene.name for scene in part] == ["slice_0000", "slice_0001"]
    assert split[-2].spec == sample_scene(SPLITS["slice"].first_seed + 1)
    with pytest.raises(IndexError):
        part[2]
    with pytest.raises(ConfigError, match=r"scene 2 of .*no JPEG picture"):
        split[2]


def test_a_scene_has_all_ground_truth(stored: Path) -> None:
    scene = open_split(stored)[0]
    width, height = SIZE
    frame = scene.frame
    assert frame.rgb.shape == (height, width, 3)
    assert (frame.depth.dtype, frame.depth.shape) == (np.float32, (height, width))
    assert frame.instances.dtype == np.uint8
    assert len(frame.full_areas) == len(scene.spec.objects)
    seen = frame.areas(len(scene.spec.objects))
    assert all(part <= whole for part, whole in zip(seen, frame.full_areas, strict=True))
    assert frame.jpeg == (stored / "rgb" / "000000.jpg").read_bytes()
    for referral in scene.referrals:
        assert all(0 <= k < len(scene.spec.objects) for k in referral.targets)


def test_a_missing_file_is_named(stored: Path) -> None:
    (stored / "depth" / "000001.png").unlink()
    with pytest.raises(ConfigError, match=r"000001\.png is missing"):
        open_split(stored)


def test_a_changed_listing_is_refused(stored: Path) -> None:
    listing = stored / "scenes.jsonl"
    listing.write_bytes(listing.read_bytes()[:-40])
    with pytest.raises(ConfigError, match=r"scenes\.jsonl is not what manifest\.json says"):
        open_split(stored)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "is no manifest"),
        ("{", "is no manifest"),
        ('{"format": 1, "split": "other", "scenes": 3, "sha256": ""}', "split must be one of"),
        ('{"format": 99, "split": "slice", "scenes": 3, "sha256": ""}', "format 99"),
    ],
)
def test_other_manifests_are_refused(stored: Path, text: str, message: str) -> None:
    (stored / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        open_split(stored)


def test_a_folder_without_a_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no whole split"):
        open_split(tmp_path)


def test_pictures_that_do_not_belong_to_the_listing_are_refused(stored: Path) -> None:
    shutil.copy(stored / "instances" / "000001.png", stored / "instances" / "000000.png")
    with pytest.raises(ConfigError, match="scene 0 of"):
        open_split(stored)[0]
    shutil.copy(stored / "rgb" / "000002.jpg", stored / "depth" / "000002.png")
    with pytest.raises(ConfigError, match=r"scene 2 of .*16-bit"):
        open_split(stored)[2]


def _set_field(record: dict[str, Any], *path: Any, value: object) -> None:
    *way, last = path
    for key in way:
        record = record[key]
    record[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("referrals", 0, "targets"), [99], "a target is none of its"),
        (("referrals", 0, "targets"), [], "do not go with the phenomenon"),
        (("referrals", 0, "targets"), None, "not the dictionary of a Referral"),
        (("referrals", 0, "form"), "mug", "form must be a NounPhrase, got 'mug'"),
        (("referrals", 0, "form"), {"form": "Place"}, "not the fields of a Place"),
        (("spec", "weather"), "rain", "'weather' is no field of a SceneSpec"),
        (("spec", "sensor"), {"zoom": 2}, "unexpected keyword argument 'zoom'"),
        (("spec", "objects", 0, "category"), "cloud", "category must be one of"),
        (("areas",), [1], "visible areas"),
    ],
)
def test_wrong_lines_are_refused(
    stored: Path, path: tuple[Any, ...], value: object, message: str
) -> None:
    lines = (stored / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
    record = json.loads(lines[0])
    _set_field(record, *path, value=value)
    listing = "".join(f"{line}\n" for line in (json.dumps(record), *lines[1:])).encode()
    manifest = json.loads((stored / "manifest.json").read_text(encoding="utf-8"))
    manifest["sha256"] = hashlib.sha256(listing).hexdigest()
    (stored / "scenes.jsonl").write_bytes(listing)
    (stored / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"scene 0 of .*{message}"):
        open_split(stored)[0]
    assert open_split(stored)[1].referrals


def test_cut_pictures_are_refused(stored: Path) -> None:
    for index, kind in enumerate(("rgb/000000.jpg", "instances/000001.png", "depth/000002.png")):
        path = stored / kind
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(ConfigError, match=f"scene {index} of"):
            open_split(stored)[index]


def test_depth_is_kept_to_the_millimetre(tmp_path: Path) -> None:
    depth = np.array([[0.5004, 1.2346], [11.9999, 70.0]], np.float32)
    write_depth(tmp_path / "d.png", depth)
    expected = np.array([[0.5, 1.235], [12.0, 65.535]], np.float32)
    np.testing.assert_allclose(read_depth(tmp_path / "d.png"), expected, atol=1e-6)
    with pytest.raises(ValueError, match="no instance ids"):
        read_instances(tmp_path / "d.png")


def test_wrong_orders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"scenes must lie in 1\.\.40 for slice, got 41"):
        make_split("slice", tmp_path / "s", 41)
    with pytest.raises(ConfigError, match="workers must be at least 1, got 0"):
        make_split("slice", tmp_path / "s", 1, 0)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds other things \(notes\.txt\)"):
        make_split("slice", tmp_path, 1)
    with pytest.raises(ConfigError, match="is a file"):
        make_split("slice", tmp_path / "notes.txt", 1)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    photo = tmp_path / "data" / "rgb" / "holiday.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_text("mine")
    with pytest.raises(ConfigError, match=r"holds other things \(rgb/holiday\.jpg\)"):
        make_split("slice", tmp_path / "data", 1)
    assert photo.read_text() == "mine"


def test_a_folder_of_another_split_is_kept(stored: Path) -> None:
    with pytest.raises(ConfigError, match="holds the split slice, not test"):
        make_split("test", stored, 1)
    assert len(open_split(stored)) == 3


@pytest.fixture(scope="module")
def frame() -> Iterator[Frame]:
    try:
        renderer = TabletopRenderer(*SIZE)
    except RendererUnavailable as error:
        pytest.skip(str(error))
    with renderer:
        yield renderer.render(sample_scene(SPLITS["slice"].first_seed))


@pytest.mark.usefixtures("frame")
def test_making_goes_on_where_it_stopped(stored: Path) -> None:
    truth = open_split(stored)[1]
    (stored / "manifest.json").unlink()  # as if interrupted
    (stored / "instances" / "000001.png").unlink()
    kept = stored / "rgb" / "000000.jpg"
    before = kept.stat().st_mtime_ns
    steps: list[tuple[int, int]] = []
    make_split("slice", stored, 2, 1, lambda done, whole: steps.append((done, whole)))
    assert steps == [(1, 2), (2, 2)]
    assert kept.stat().st_mtime_ns == before
    again = open_split(stored)
    assert len(again) == 2
    assert not (stored / "rgb" / "000002.jpg").exists()
    scene = again[1]
    assert scene.spec == truth.spec
    np.testing.assert_array_equal(scene.frame.instances, truth.frame.instances)
    assert scene.referrals == tuple(benchmark_referrals(scene.spec, scene.frame, "slice"))


def test_the_bundled_slice_is_small() -> None:
    assert len(bundled_slice()) == 40
    size = sum(path.stat().st_size for path in SLICE_FOLDER.rglob("*") if path.is_file())
    assert size < 5_000_000
