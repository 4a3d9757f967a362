# SPDX-License-Identifier: Apache-2.0
"""Candidates in space: a table seen at an angle, with boxes of known places and heights on it."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from table_rays import K, rendered

from refseg_lab.simulation.benchmark import bundled_slice
from refseg_ros import Segmenter
from refseg_ros.errors import ImageError
from refseg_ros.language import RelationKind, parse
from refseg_ros.results import Proposals
from refseg_ros.spatial import Layout
from refseg_ros.spatial.orders import by_measure
from refseg_ros.spatial.relations import relation_support
from refseg_ros.spatial.space import Space, check_inputs, measure


def test_above_is_over_it_where_anything_is_over_it() -> None:
    # A cube on a slab, a tower beside it that reaches higher up in the picture, a cube far behind.
    boxes = [
        (-0.10, 0.60, 0.06, 0.0, 0.03),
        (-0.12, 0.60, 0.02, 0.03, 0.07),
        (0.00, 0.62, 0.02, 0.0, 0.16),
        (-0.10, 0.95, 0.03, 0.0, 0.06),
    ]
    depth, proposals = rendered(boxes)
    measured = laid_out(measure(proposals, depth, K), proposals)
    slab, cube = [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]
    above = relation_support(RelationKind.ABOVE, slab, measured)
    assert above.argmax() == 1
    assert above[1] > 0.9
    assert np.delete(above, 1).max() < 0.05
    below = relation_support(RelationKind.BELOW, cube, measured)
    assert below[0] > 0.9
    assert np.delete(below, 0).max() < 0.05
    # In the picture the one far behind is above the slab as well.
    flat = relation_support(RelationKind.ABOVE, slab, Layout(proposals))
    assert flat[3] > 0.9
    # Which may be said.
    said = relation_support(RelationKind.ABOVE, slab, replace(measured, in_picture=True))
    assert said == pytest.approx(flat)
    # Nothing is over the tower or the far cube: the picture is meant.
    tower = [0.0, 0.0, 1.0, 0.0]
    for kind in (RelationKind.ABOVE, RelationKind.BELOW):
        seen = relation_support(kind, tower, Layout(proposals))
        assert relation_support(kind, tower, measured) == pytest.approx(seen)


def test_places_on_the_table_and_heights_above_it() -> None:
    depth, proposals = rendered()
    space = measure(proposals, depth, K)
    assert space.ground is not None
    assert space.heights is not None
    # The camera stands over 0 on the table; only fronts and tops are seen.
    assert space.heights[:, 1] == pytest.approx([0.05, 0.05, 0.16], abs=0.006)
    assert space.ground[:, 0] == pytest.approx([-0.10, -0.10, 0.15], abs=0.012)
    apart = space.ground[1, 1] - space.ground[0, 1]
    assert apart == pytest.approx(0.20, abs=0.02)
    assert (np.diff(space.depths[:2]) > 0.1).all()


def test_noise_and_holes_change_little() -> None:
    depth, proposals = rendered()
    rng = np.random.default_rng(3)
    noisy = depth + rng.normal(0, 0.002, depth.shape).astype(np.float32)
    noisy[rng.random(depth.shape) < 0.3] = 0
    noisy[rng.random(depth.shape) < 0.1] = np.nan
    clean, space = measure(proposals, depth, K), measure(proposals, noisy, K)
    assert space.ground == pytest.approx(clean.ground, abs=0.012)
    assert space.heights[:, 1] == pytest.approx(clean.heights[:, 1], abs=0.008)


def test_what_cannot_be_measured_is_left_open() -> None:
    depth, proposals = rendered()
    assert measure(proposals, depth, None).ground is None
    blind = measure(proposals, np.zeros_like(depth), K)
    assert np.isnan(blind.depths).all()
    assert blind.ground is None
    hidden = depth.copy()
    hidden[proposals.masks[2]] = np.nan
    partly = measure(proposals, hidden, K)
    assert np.isnan(partly.depths).tolist() == [False, False, True]
    assert partly.ground is None
    rough = np.random.default_rng(0).uniform(0.3, 3.0, depth.shape).astype(np.float32)
    assert measure(proposals, rough, K).ground is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert measure(Proposals.empty(240, 320), depth, K).depths.shape == (0,)
        measure(proposals, np.full_like(depth, np.inf), K)


def laid_out(space: Space, proposals: Proposals) -> Layout:
    return Layout(proposals, space=space)


def test_behind_and_tallest_are_measured() -> None:
    depth, proposals = rendered()
    layout = laid_out(measure(proposals, depth, K), proposals)
    behind = relation_support(RelationKind.BEHIND, [1.0, 0.0, 0.0], layout)
    assert behind[1] > 0.95
    assert behind[2] < 0.05  # ten centimetres farther, but a quarter of a metre aside
    front = relation_support(RelationKind.IN_FRONT_OF, [0.0, 1.0, 0.0], layout)
    assert front[0] > 0.95
    assert front[2] < 0.05
    target = parse("the tallest cube").target
    assert by_measure(target.superlatives[0], target, layout).values.argmax() == 2


@pytest.mark.parametrize(
    ("depth", "intrinsics", "said"),
    [
        (np.zeros((3, 4), np.float32), None, "as large as the image"),
        (np.zeros((4, 3), np.uint16), None, "floating-point metres"),
        (np.zeros((4, 3), np.float32), np.eye(2), "camera matrix"),
        (np.zeros((4, 3), np.float32), np.diag([0.0, 1.0, 1.0]), "focal lengths"),
        (np.zeros((4, 3), np.float32), np.diag([np.nan, 1.0, 1.0]), "finite"),
    ],
)
def test_what_is_no_depth_image_is_refused(
    depth: np.ndarray, intrinsics: np.ndarray | None, said: str
) -> None:
    with pytest.raises(ImageError, match=said):
        check_inputs((4, 3), depth, intrinsics)


def test_a_scene_observed_with_depth_answers_by_it() -> None:
    segmenter = Segmenter.from_preset("tabletop", device="cpu")
    scene = bundled_slice()[0]
    observed = segmenter.observe(scene.frame.rgb, scene.frame.depth, scene.frame.intrinsics)
    assert observed.space is not None
    assert observed.space.ground is not None
    assert "depth" in observed.seconds
    assert observed.layout.measured
    nearest = observed.select("the nearest thing")
    assert "without depth" not in nearest.reason
    assert observed.select("the biggest thing").status.has_target
    with pytest.raises(ImageError, match="depth"):
        segmenter.observe(scene.frame.rgb, scene.frame.depth[:10])
