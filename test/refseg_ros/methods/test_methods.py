# SPDX-License-Identifier: Apache-2.0
"""Every method on the bundled networks: it answers, says what it is, and changes nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from refseg_lab.simulation.benchmark import bundled_slice
from refseg_lab.simulation.thing_names import NAMES
from refseg_ros import Segmenter
from refseg_ros.backbones.device import Device
from refseg_ros.config import SegmenterConfig
from refseg_ros.config.methods import CoherenceConfig
from refseg_ros.methods.catalogue import METHODS, with_method
from refseg_ros.methods.coherence import Heated
from refseg_ros.methods.ref_diff import Pictured
from refseg_ros.methods.ref_diff_maps import inside_minus_outside
from refseg_ros.networks import Networks
from refseg_ros.stopwatch import Stopwatch

DEVICE = Device.from_name("cpu")


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks(DEVICE)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_answers_and_says_its_name(name: str, networks: Networks) -> None:
    config = with_method(SegmenterConfig.from_preset("tabletop"), name)
    segmenter = Segmenter.from_config(config, DEVICE, networks)
    assert segmenter.description.startswith(f"tabletop with {name} on cpu")
    scene = segmenter.observe(bundled_slice()[0].frame.rgb)
    text = bundled_slice()[0].referrals[0].expression
    selection = scene.select(text)
    assert selection.status.has_target
    assert selection.mask.any()
    assert np.isfinite([list(item.terms.values()) for item in selection.candidates]).all()
    assert selection.explain()


@pytest.mark.parametrize("name", METHODS)
def test_a_method_leaves_the_networks_alone(name: str) -> None:
    preset = SegmenterConfig.from_preset("tabletop")
    config = with_method(preset, name)
    for stage in ("proposals", "clip", "captions", "diffusion"):
        assert getattr(config, stage) == getattr(preset, stage)


def test_attention_of_the_bundled_network_lies_on_what_is_named(networks: Networks) -> None:
    """More of it on a thing than beside it, and more than of a word for another thing."""
    config = with_method(SegmenterConfig.from_preset("tabletop"), "ref_diff_free")
    segmenter = Segmenter.from_config(config, DEVICE, networks)
    on_it, on_others = [], []
    for scene in list(bundled_slice())[:4]:
        pictured = segmenter.observe(scene.frame.rgb).features.kept
        assert isinstance(pictured, Pictured)
        areas = scene.frame.areas(len(scene.spec.objects))
        shown = [row for row, area in enumerate(areas) if area >= 400]
        masks = np.stack([scene.frame.instances == row + 1 for row in shown])
        for place, row in enumerate(shown):
            item = scene.spec.objects[row]
            text = f"the {item.colour} {NAMES[item.category][0]}"
            scores = inside_minus_outside(pictured.attention(text, len(text)), masks)
            on_it.append(scores[place])
            on_others += np.delete(scores, place).tolist()
    assert len(on_it) > 15
    assert np.mean(on_it) > 0.2
    assert np.mean(on_it) > np.mean(on_others)


@pytest.mark.parametrize("name", ["global_local", "coherence"])
def test_what_is_kept_of_further_candidates_joins_what_is_kept(
    name: str, networks: Networks
) -> None:
    config = SegmenterConfig.from_preset("tabletop")
    if name == "coherence":
        config = replace(config, coherence=CoherenceConfig(weight=1.0, side=160))
    else:
        config = with_method(config, name)
    segmenter = Segmenter.from_config(config, DEVICE, networks)
    image = bundled_slice()[0].frame.rgb
    found = segmenter.proposer.propose(image)
    last = [len(found) - 2, len(found) - 1]
    looked = [
        segmenter.matcher.look(image, proposals, segmenter.clip, Stopwatch())[1]
        for proposals in (found, found.keep(range(last[0])), found.keep(last))
    ]
    whole, kept = looked[0], segmenter.matcher.joined(looked[1], looked[2], np.array([0, 1]))
    if isinstance(whole, Heated):
        assert isinstance(kept, Heated)
        torch.testing.assert_close(kept.dense.inside, whole.dense.inside)
        torch.testing.assert_close(kept.dense.outside, whole.dense.outside)
    else:
        torch.testing.assert_close(kept, whole)
