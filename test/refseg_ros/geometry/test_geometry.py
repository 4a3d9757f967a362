# SPDX-License-Identifier: Apache-2.0
"""Positions worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from refseg_ros.errors import ImageError
from refseg_ros.geometry import MIN_POINTS, deproject, locate, rotation_from_quaternion

INTRINSICS = np.array([[100.0, 0.0, 10.0], [0.0, 50.0, 5.0], [0.0, 0.0, 1.0]])


def test_deproject() -> None:
    mask = np.zeros((12, 20), np.bool_)
    mask[5, 10] = mask[10, 15] = mask[0, 0] = mask[1, 1] = True
    depth = np.full(mask.shape, 2.0, np.float32)
    depth[0, 0], depth[1, 1] = 0.0, np.nan
    points = deproject(mask, depth, INTRINSICS)
    np.testing.assert_allclose(points, [[0, 0, 2], [0.1, 0.2, 2]])


def test_the_rim_does_not_move_the_target() -> None:
    mask = np.zeros((11, 21), np.bool_)
    mask[:, 8:13] = True
    depth = np.full(mask.shape, 1.0, np.float32)
    depth[0, 8:10] = 9.0  # background that the mask overlaps
    target = locate(mask, depth, INTRINSICS)
    assert target is not None
    np.testing.assert_allclose(target.position, [0, 0, 1], atol=1e-9)
    assert target.points == 55
    assert target.distance == pytest.approx(1.0)
    assert target.extent[2] == pytest.approx(0.0)
    assert target.extent[0] == pytest.approx(0.04)


def test_too_few_points_are_no_target() -> None:
    mask = np.zeros((11, 21), np.bool_)
    mask[5, : MIN_POINTS - 1] = True
    depth = np.ones(mask.shape, np.float32)
    assert locate(mask, depth, INTRINSICS) is None
    assert locate(np.ones_like(mask), np.zeros_like(depth), INTRINSICS) is None


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\), got \(2, 3\)"):
        deproject(np.ones((2, 2), np.bool_), np.ones((2, 3), np.float32), INTRINSICS)


def test_a_quaternion_turns_as_it_says() -> None:
    half = np.sqrt(0.5)
    about_z = rotation_from_quaternion(0.0, 0.0, half, half)
    np.testing.assert_allclose(about_z, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)
    # A camera's optical frame in its body's: x right is -y, y down is -z, z forward is x.
    optical = rotation_from_quaternion(-0.5, 0.5, -0.5, 0.5)
    np.testing.assert_allclose(optical, [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], atol=1e-12)
    np.testing.assert_allclose(rotation_from_quaternion(-1.5, 1.5, -1.5, 1.5), optical, atol=1e-12)


@pytest.mark.parametrize("parts", [(0.0, 0.0, 0.0, 0.0), (np.nan, 0.0, 0.0, 1.0)])
def test_what_is_no_quaternion_is_refused(parts: tuple[float, ...]) -> None:
    with pytest.raises(ImageError, match="not a quaternion"):
        rotation_from_quaternion(*parts)
