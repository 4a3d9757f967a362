# SPDX-License-Identifier: Apache-2.0
"""Which network a checkpoint is taken for, what is read beside it, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_networks
import torch
from checkout import ROOT
from tiny_networks import photo, segment_anything, transformers

from refseg_ros import networks, weights
from refseg_ros.backbones import mobile_sam
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.sam import architecture_of, load_sam
from refseg_ros.backbones.sam_family import HALF, IMAGENET, KINDS, Normalisation, read_colours
from refseg_ros.config import SAM_ARCHITECTURES, ProposalConfig, SegmenterConfig
from refseg_ros.errors import ConfigError, WeightsError
from refseg_ros.networks import Networks
from refseg_ros.proposals.grid import GridProposer
from refseg_ros.proposals.sam import SamProposer

CPU = Device.from_name("cpu")
HERE = Path("it.pth")
MOBILE, VIT_B = dict(mobile_sam.SIZES), segment_anything.sam_model_registry["vit_b"]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    root = tmp_path_factory.mktemp("networks")
    with tiny_networks.checkpoints(root, ["mobile_sam", "vit_b", "sam2"]) as found:
        yield found


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published architectures in their own sizes, whatever ``places`` did."""
    monkeypatch.setattr(mobile_sam, "SIZES", MOBILE)
    monkeypatch.setitem(segment_anything.sam_model_registry, "vit_b", VIT_B)


# which network


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_published_vits_are_told_by_their_widths(name: str, whole: None) -> None:
    with torch.device("meta"):
        state = segment_anything.sam_model_registry[name](checkpoint=None).state_dict()
    assert architecture_of(state, HERE) == name


def test_other_tensors_are_of_no_published_network() -> None:
    for state in ({}, {"image_encoder.pos_embed": torch.zeros(1, 4, 4, 96)}):
        with pytest.raises(WeightsError, match=r"it\.pth.*none of vit_b, vit_l, vit_h, mobile"):
            architecture_of(state, HERE)


def test_mobile_sam_is_taken_in_its_published_names_and_shapes(whole: None) -> None:
    state = tiny_networks.mobile_state(MOBILE)
    assert architecture_of(state, HERE) == "mobile_sam"
    # Of the network in its published code: so many tensors, so many numbers.
    assert len(state) == 439
    assert sum(value.numel() for value in state.values()) == 10_140_231
    sam = mobile_sam.build_mobile_sam()
    renamed = mobile_sam.own_names(state)
    unused = {f"image_encoder.{name}" for name in ("norm_head.weight", "norm_head.bias")}
    unused |= {f"image_encoder.head.{kind}" for kind in ("weight", "bias")}
    assert len(state) - len(renamed) == len(unused)
    assert sam.load_state_dict(renamed).missing_keys == []
    extra = {**state, "image_encoder.layers.0.blocks.9.conv1.c.weight": torch.zeros(1)}
    with pytest.raises(RuntimeError, match=r"trunk\.stages\.0\.blocks\.9"):
        sam.load_state_dict(mobile_sam.own_names(extra))


def test_mobile_sams_encoder_has_a_cell_for_16_pixels(places: dict[str, Path]) -> None:
    sam = load_sam("auto", places["mobile_sam"], torch.device("cpu"))
    with torch.inference_mode():
        assert sam.image_encoder(torch.zeros(1, 3, 64, 64)).shape == (1, 32, 4, 4)


def test_a_named_architecture_takes_no_other_checkpoint(places: dict[str, Path]) -> None:
    config = ProposalConfig(architecture="vit_b", checkpoint=str(places["mobile_sam"]))
    with pytest.raises(WeightsError, match=r"mobile_sam\.pt does not hold weights of vit_b"):
        Networks(CPU).proposer(config)


def test_published_generators_stay_and_others_have_ours(places: dict[str, Path]) -> None:
    proposers = {
        name: Networks(CPU).proposer(
            ProposalConfig(checkpoint=str(places[name]), architecture=architecture)
        )
        for name, architecture in (("vit_b", "vit_b"), ("mobile_sam", "auto"), ("sam2", "auto"))
    }
    assert isinstance(proposers["vit_b"], SamProposer)
    assert isinstance(proposers["mobile_sam"], GridProposer)
    assert isinstance(proposers["sam2"], GridProposer)


# settings


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"architecture": "vit_z"}, ["proposals.architecture", "'vit_z'", "mobile_sam", ".json"]),
        ({"phrases": ["mug", " "]}, ["proposals.phrases", "' '"]),
        ({"phrases": "mug"}, ["proposals.phrases", "list", "'mug'"]),
        ({"phrases": ["mug"], "prompts": "seeds"}, ["proposals.phrases", "'seeds'", "'grid'"]),
        ({"phrase_thresh": 1.5}, ["proposals.phrase_thresh", "1.5", "0 to 1"]),
        ({"phrase_overlap": -1}, ["proposals.phrase_overlap", "-1", "0 to 1"]),
    ],
)
def test_bad_values_are_named(values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        SegmenterConfig.from_mapping({"proposals": values})
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (
            "sam2",
            {"prompts": "seeds"},
            r"proposals\.prompts: 'seeds'.*sam2 does not have; use 'grid'",
        ),
        ("mobile_sam", {"prompts": "seeds"}, r"proposals\.prompts: 'seeds'"),
        ("mobile_sam", {"phrases": ("mug",)}, r"proposals\.phrases: .*mobile_sam\.pt takes no"),
        ("sam2", {"phrases": ("mug",)}, r"proposals\.phrases: .*'sam2' network"),
        ("sam2", {"architecture": "vit_b"}, r"proposals\.architecture: 'vit_b'.*folder.*auto"),
    ],
)
def test_what_a_network_cannot_do_is_told(
    name: str, change: dict[str, Any], words: str, places: dict[str, Path]
) -> None:
    config = dataclasses.replace(ProposalConfig(checkpoint=str(places[name])), **change)
    with pytest.raises(ConfigError, match=words):
        Networks(CPU).proposer(config)


# folders


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, r"config\.json cannot be read"),
        ("{", r"config\.json cannot be read"),
        ("[]", r"config\.json holds no table"),
        ("{}", "holds a 'None' network; proposals come from one of sam, sam_hq, sam2"),
        ('{"model_type": "blip"}', "holds a 'blip' network"),
        ('{"model_type": "sam3_video"}', "has no tracker_config"),
        ('{"model_type": "sam2"}', "cannot be loaded as Sam2"),
        ('{"model_type": "sam", "vision_config": 3}', "cannot be loaded as Sam"),
    ],
)
def test_folders_of_other_things_are_refused(text: str | None, words: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(WeightsError, match=words):
        Networks(CPU).proposer(ProposalConfig(checkpoint=str(tmp_path)))


def test_pickled_weights_of_a_folder_are_not_read(places: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((places["sam2"] / "config.json").read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="cannot be loaded as Sam2"):
        Networks(CPU).proposer(ProposalConfig(checkpoint=str(tmp_path)))


def test_all_files_are_looked_for_before_the_first_is_loaded(
    places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("load_sam", "load_family"):
        monkeypatch.setattr(networks, name, lambda *given: pytest.fail("loaded"))
    paper = SegmenterConfig.from_preset("paper")

    def find(**changes: str) -> None:
        Networks.find(
            dataclasses.replace(paper, proposals=dataclasses.replace(ProposalConfig(), **changes))
        )

    (tmp_path / "config.json").write_text('{"model_type": "blip"}', encoding="utf-8")
    with pytest.raises(WeightsError, match="'blip'"):
        find(checkpoint=str(tmp_path))
    with pytest.raises(WeightsError, match=r"none\.json"):
        find(checkpoint=str(places["vit_b"]), architecture="none.json")
    with pytest.raises(ConfigError, match="folder"):
        find(checkpoint=str(places["sam2"]), architecture="vit_b")
    with pytest.raises(WeightsError, match="clip_vit_b_32_openai"):
        find(checkpoint=str(places["sam2"]))


@pytest.mark.parametrize("name", ["sam_vit_b_01ec64.pth", "sam_vit_l_0b3195.pth", "mobile_sam.pt"])
def test_smaller_published_sams_are_known_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFSEG_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=rf"{name}.*Apache-2\.0.*https://"):
        weights.resolve(name)


def test_the_page_names_all_that_can_be_loaded() -> None:
    page = ROOT / "docs" / "networks.md"
    text = page.read_text(encoding="utf-8")
    assert [kind for kind in (*KINDS, *SAM_ARCHITECTURES) if f"`{kind}`" not in text] == []


# colours


def test_mean_and_deviation_are_read_where_the_folder_has_them(tmp_path: Path) -> None:
    assert read_colours(tmp_path, HALF) == HALF
    own = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
    images = transformers.Sam2ImageProcessor(**own)
    images.save_pretrained(tmp_path)
    assert (tmp_path / "preprocessor_config.json").exists()
    expected = Normalisation((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert read_colours(tmp_path, HALF) == expected
    (tmp_path / "preprocessor_config.json").unlink()
    transformers.Sam2Processor(images).save_pretrained(tmp_path)
    assert (tmp_path / "processor_config.json").exists()
    assert read_colours(tmp_path, HALF) == expected


def test_colours_are_shares_of_255_less_the_mean() -> None:
    pixels = torch.tensor([255.0, 0.0, 51.0])[:, None, None]
    values = Normalisation((0.5, 0.5, 0.0), (0.5, 0.25, 0.1))(pixels)
    torch.testing.assert_close(values.flatten(), torch.tensor([1.0, -2.0, 2.0]))


@pytest.mark.parametrize(
    "values",
    [
        {"image_mean": [0.5, 0.5]},
        {"image_mean": [0.5] * 3},
        {"image_mean": [0.5] * 3, "image_std": [0.5, 0.5]},
        {"image_mean": [0.5] * 3, "image_std": [0.5, 0.5, 0.0]},
        {"image_mean": [0.5] * 3, "image_std": "wide"},
    ],
)
def test_colours_that_are_none_are_refused(values: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(WeightsError, match=r"preprocessor_config\.json: image_mean, image_std"):
        read_colours(tmp_path, IMAGENET)


# the published sizes


@pytest.mark.slow
def test_a_whole_vit_b_finds_masks(tmp_path: Path, whole: None) -> None:
    sam = tiny_networks.random(VIT_B(checkpoint=None))
    torch.save(sam.state_dict(), tmp_path / "sam_vit_b_01ec64.pth")
    _finds_masks(tmp_path / "sam_vit_b_01ec64.pth", SamProposer)


@pytest.mark.slow
def test_a_whole_mobile_sam_finds_masks(tmp_path: Path, whole: None) -> None:
    torch.save(tiny_networks.mobile_state(MOBILE), tmp_path / "mobile_sam.pt")
    _finds_masks(tmp_path / "mobile_sam.pt", GridProposer)


def _finds_masks(checkpoint: Path, kind: type) -> None:
    config = ProposalConfig(
        checkpoint=str(checkpoint),
        points_per_side=1,
        pred_iou_thresh=0.0,
        stability_score_thresh=0.0,
        fill_area=0,
        min_area=1,
    )
    proposer = Networks(CPU).proposer(config)
    assert isinstance(proposer, kind)
    found = proposer.propose(photo(48, 64))
    assert found.masks.shape[1:] == (48, 64)
    assert len(found) >= 1
    assert np.isfinite(found.quality).all()
