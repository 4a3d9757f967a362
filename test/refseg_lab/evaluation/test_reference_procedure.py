# SPDX-License-Identifier: Apache-2.0
"""The reference procedure chooses what the package chooses, and is compared honestly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from benchmark_scripts import benchmark

from refseg_ros.backbones.device import Device
from refseg_ros.proposals.prune import drop_contained

published_sizes, reference_procedure = map(benchmark, ("published_sizes", "reference_procedure"))


@pytest.fixture(scope="module")
def contenders() -> Any:
    return published_sizes.reference_and_ours("small", Device.from_name("cpu"), 6)


@pytest.mark.parametrize("sentence", published_sizes.SENTENCES)
def test_the_same_mask_is_chosen(contenders: Any, sentence: str) -> None:
    reference, _, ours = contenders
    image = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    seen, scene = reference.observe(image), ours.observe(image)
    assert len(seen.masks) == len(scene.proposals) == 6
    assert tuple(seen.captions) == scene.captions
    assert seen.caption == scene.caption
    for theirs, mine in zip(seen.masks, scene.proposals.masks, strict=True):
        np.testing.assert_array_equal(theirs, mine)
    np.testing.assert_array_equal(reference.choose(seen, sentence), scene.select(sentence).mask)


def test_pairs_in_a_loop_go_as_by_a_product_of_matrices() -> None:
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 60, (20, 2))
    masks = np.zeros((20, 120, 120), bool)
    for mask, (x, y) in zip(masks, corners, strict=True):
        mask[y : y + rng.integers(46, 60), x : x + rng.integers(46, 60)] = True
    records = [{"segmentation": mask, "number": number} for number, mask in enumerate(masks)]
    kept = reference_procedure.without_overlaps(records, 0.4)
    assert [record["number"] for record in kept] == drop_contained(masks, 0.4).tolist()
    assert 1 <= len(kept) < 20


def test_differences_are_told_by_their_reason() -> None:
    masks = np.zeros((4, 10, 10), bool)
    masks[0, :4], masks[1, :5], masks[2, 6:], masks[3, :, 9] = True, True, True, True
    seen = reference_procedure.Observed(np.zeros((10, 10, 3), np.uint8), [], [], [], "", [])
    seen.masks = [masks[0], masks[2]]
    told = [
        reference_procedure.verdict(theirs, ours, seen, candidates)
        for theirs, ours, candidates in (
            (masks[0], masks[0], [masks[0]]),
            (masks[0], masks[1], [masks[1]]),
            (masks[0], masks[2], [masks[0], masks[2]]),
            (masks[0], masks[3], [masks[0], masks[3]]),
            (masks[0], masks[2], [masks[2]]),
            (masks[0], None, []),
            (None, None, []),
        )
    ]
    assert told == [
        "same", "other outline", "other choice", "other candidates", "other candidates",
        "refused", "same",
    ]  # fmt: skip


def test_published_sizes_are_measured_on_toy_networks(capsys: pytest.CaptureFixture[str]) -> None:
    published_sizes.main(
        ["--sizes", "small", "--device", "cpu", "--runs", "1", "--candidates", "2"]
    )
    printed = capsys.readouterr().out
    for row in ("reference: first answer", "first answer without P", "second command with P"):
        assert row in printed
    assert "small sizes, random weights, 2 candidates" in printed
