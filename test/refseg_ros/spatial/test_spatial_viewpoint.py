# SPDX-License-Identifier: Apache-2.0
"""Whose left is meant: a table seen by a camera and told by others who look at it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_rays import BOXES, K, X, Y, Z, rendered

from refseg_lab.simulation.benchmark import bundled_slice
from refseg_ros import Segmenter, Viewpoint
from refseg_ros.errors import ImageError
from refseg_ros.language import RelationKind, parse
from refseg_ros.results import Proposals
from refseg_ros.spatial import Layout, place
from refseg_ros.spatial.likeness import Likeness
from refseg_ros.spatial.relations import relation_support
from refseg_ros.spatial.space import check_inputs, measure

CAMERA = np.stack([X, Y, Z], 1)
"""Turns the camera's optical frame into the table's right, away and up."""
SIZE = (240, 320)


def frame(degrees: float, name: str = "base_link") -> Viewpoint:
    """A robot whose forward is so many degrees to the left of the camera's, seen from above."""
    turn = np.radians(degrees)
    forward = np.array([-np.sin(turn), np.cos(turn), 0.0])
    left = np.array([-np.cos(turn), -np.sin(turn), 0.0])
    axes = np.stack([forward, left, np.array([0.0, 0.0, 1.0])])
    return Viewpoint(name, axes @ CAMERA)


def told(text: str, layout: Layout) -> int:
    """Which of candidates that all look like it a sentence means."""
    count = len(layout)
    look = Likeness(np.full(count, 1 / count), np.ones(count))
    return place(look, parse(text), {}, layout, "extreme").index


def layouts(viewpoint: Viewpoint) -> list[Layout]:
    """The boxes of the table, with depth and without."""
    depth, proposals = rendered()
    return [
        Layout(proposals, space=measure(proposals, given_depth, K, viewpoint))
        for given_depth in (depth, None)
    ]


NEAR, FAR, TOWER = range(3)


@pytest.mark.parametrize("measured", [0, 1], ids=["depth", "picture"])
@pytest.mark.parametrize(
    ("degrees", "right", "front", "back"),
    [
        (0, TOWER, NEAR, FAR),
        (180, FAR, FAR, NEAR),
        (90, FAR, TOWER, NEAR),
        (-90, NEAR, NEAR, TOWER),
    ],
)
def test_sides_are_those_of_the_frame(
    degrees: float, right: int, front: int, back: int, measured: int
) -> None:
    layout = layouts(frame(degrees))[measured]
    if degrees != 180:  # from the other side near and far are equally far to the right
        assert told("the cube on the right", layout) == right
    if abs(degrees) != 90:  # likewise
        assert told("the cube at the front", layout) == front
        assert told("the cube at the back", layout) == back


@pytest.mark.parametrize("measured", [0, 1], ids=["depth", "picture"])
def test_relations_turn_with_the_frame(measured: int) -> None:
    def holds(kind: RelationKind, landmark: int, degrees: float) -> list[bool]:
        weights = np.eye(3)[landmark]
        support = relation_support(kind, weights, layouts(frame(degrees))[measured])
        return (support > 0.5).tolist()

    assert holds(RelationKind.LEFT_OF, TOWER, 0) == [True, True, False]
    assert holds(RelationKind.RIGHT_OF, TOWER, 180) == [True, True, False]
    assert holds(RelationKind.LEFT_OF, TOWER, 180) == [False] * 3
    assert holds(RelationKind.BEHIND, NEAR, 0) == [False, True, False]
    assert holds(RelationKind.BEHIND, FAR, 180) == [True, False, False]
    assert holds(RelationKind.IN_FRONT_OF, NEAR, 180) == [False, True, False]
    # A robot that looks to the camera's left has what is behind for the camera on its right.
    assert holds(RelationKind.RIGHT_OF, NEAR, 90) == [False, True, False]
    assert holds(RelationKind.LEFT_OF, NEAR, -90) == [False, True, False]


def test_a_frame_that_looks_as_the_camera_does_changes_little() -> None:
    _, proposals = rendered()
    own = Layout(proposals)
    for layout in layouts(frame(0)):
        assert layout.viewer == "base_link"
        for text in ("left of", "right of", "behind", "in front of"):
            kind = parse(f"the cube {text} the bowl").relations[0].kind
            for landmark in range(len(BOXES)):
                weights = np.eye(len(BOXES))[landmark]
                ours = relation_support(kind, weights, layout) > 0.5
                assert (ours == (relation_support(kind, weights, own) > 0.5)).all()


@given(
    degrees=st.floats(-180, 180),
    column=st.floats(0, 320),
    row=st.floats(0, 240),
    along=st.floats(0.02, 0.3),
)
def test_a_thing_moved_to_the_right_lies_farther_right(
    degrees: float, column: float, row: float, along: float
) -> None:
    viewpoint = frame(degrees)
    ray = np.array([(column - 160) / 300, (row - 120) / 300, 1.0])
    point = ray * 0.6 / max(-(ray @ viewpoint.up), 0.05)
    moved = point + along * viewpoint.right
    if moved[2] < 0.1:
        return
    pixel = moved[:2] / moved[2] * 300 + (160, 120)
    before, after = viewpoint.on_plan(np.array([[column, row], pixel]), SIZE, K)
    if -ray @ viewpoint.up / np.linalg.norm(ray) > 0.06 and -moved @ viewpoint.up > 0.07:
        assert after[0] > before[0]
        assert after[1] == pytest.approx(before[1], abs=1e-6 * max(1.0, abs(before[1])))


def test_the_plan_has_the_middle_and_the_scale_of_the_picture() -> None:
    viewpoint = frame(0)
    plan = viewpoint.on_plan(np.array([[160.0, 120.0], [190.0, 120.0]]), SIZE, K)
    assert plan[0] == pytest.approx([160, 120])
    assert plan[1] == pytest.approx([190, 120])
    # Rays at the horizon and above it end somewhere far, not in infinity.
    high = viewpoint.on_plan(np.array([[160.0, -1e6], [160.0, -150.0]]), SIZE, K)
    assert np.isfinite(high).all()


@pytest.mark.parametrize("degrees", [180, 90])
def test_in_the_picture_is_in_the_picture(degrees: float) -> None:
    for layout in layouts(frame(degrees)):
        assert told("the rightmost cube in the picture", layout) == TOWER
        assert told("the cube at the top of the image", layout) == FAR
        assert told("the cube at the bottom left of the image", layout) == NEAR


def test_an_optical_frame_has_its_own_axes() -> None:
    same = Viewpoint("other_camera_optical_frame", np.eye(3))
    assert same.right == pytest.approx([1, 0, 0])
    assert same.away == pytest.approx([0, 0, 1])
    assert same.up == pytest.approx([0, -1, 0])
    body = Viewpoint("base_link", np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]))
    assert body.right == pytest.approx(same.right)
    assert body.away == pytest.approx(same.away)
    assert body.up == pytest.approx(same.up)


@pytest.mark.parametrize(
    ("name", "rotation", "said"),
    [
        ("", np.eye(3), "no name"),
        ("map", np.eye(4), "rotation matrix"),
        ("map", 2 * np.eye(3), "rotation matrix"),
        ("map", np.full((3, 3), np.nan), "rotation matrix"),
        ("map", np.diag([1.0, 1.0, -1.0]), "reflection"),
    ],
)
def test_what_is_no_frame_is_refused(name: str, rotation: np.ndarray, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        Viewpoint(name, rotation)


def test_a_frame_in_which_no_table_is_seen_is_refused() -> None:
    with pytest.raises(ImageError, match="needs the camera matrix"):
        check_inputs(SIZE, None, None, frame(0))
    upside_down = Viewpoint("map", np.diag([1.0, -1.0, -1.0]) @ frame(0).rotation)
    with pytest.raises(ImageError, match=r"map: .* does not look down .*\+40 degrees"):
        check_inputs(SIZE, None, K, upside_down)


def test_without_candidates_nothing_is_measured() -> None:
    nothing = Proposals.empty(*SIZE)
    layout = Layout(nothing, space=measure(nothing, None, K, frame(30)))
    assert layout.places.shape == (0, 2)


def test_a_scene_is_asked_from_another_side() -> None:
    segmenter = Segmenter.from_preset("tabletop", device="cpu")
    scene = bundled_slice()[0]
    pixels, intrinsics = scene.frame.rgb, scene.frame.intrinsics
    plain = segmenter.observe(pixels)
    # The bundled cameras look down by about as much as this one.
    turned = plain.measured(None, intrinsics, frame(180, "operator"))
    middle = pixels.shape[1] / 2
    for side, of_camera in (("left", 1), ("right", -1)):
        found = turned.select(f"the {side}most thing")
        assert f"towards the {side} as operator sees it" in found.reason
        assert found.index is not None
        assert of_camera * (plain.layout.centres[found.index, 0] - middle) > 0
    with pytest.raises(ImageError, match="needs the camera matrix"):
        segmenter.observe(pixels, viewpoint=frame(0))
