# SPDX-License-Identifier: Apache-2.0
"""Films show what their kind says."""

from __future__ import annotations

import pytest

from refseg_lab.simulation.placement import footprint_corners, separated
from refseg_lab.simulation.rasteriser import rasterise
from refseg_lab.simulation.sequences import KINDS, Film, sample_film

LENGTH = 9


def areas(film: Film) -> list[int]:
    """Pixels of the target in each frame."""
    frames = (rasterise(spec, 160, 120).instances for spec in film.frames)
    return [int((instances == film.target + 1).sum()) for instances in frames]


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_one_film(kind: str) -> None:
    film = sample_film(5, kind, LENGTH)
    assert film == sample_film(5, kind, LENGTH)
    assert film != sample_film(6, kind, LENGTH)
    assert len(film.frames) == LENGTH
    assert len({spec.camera for spec in film.frames}) == LENGTH
    assert len({tuple(item.name for item in spec.objects) for spec in film.frames}) == 1
    assert rasterise(film.frames[0], 160, 120).full_areas[film.target] > 150


def test_the_target_is_hidden_and_seen_again() -> None:
    seen = areas(sample_film(5, "occlusion", LENGTH))
    assert min(seen) < 0.1 * seen[0]
    assert min(seen[0], seen[-1]) > 150


def test_the_target_leaves_the_picture_and_comes_back() -> None:
    film = sample_film(5, "exit", LENGTH)
    seen = areas(film)
    assert min(seen[0], seen[-1]) > 150
    assert min(seen) < 0.1 * seen[0]
    # Nothing is moved but the camera.
    assert len({spec.objects for spec in film.frames}) == 1


def test_what_moves_meets_nothing() -> None:
    for kind in ("moving", "alike"):
        film = sample_film(7, kind, LENGTH)
        mover = film.target if kind == "moving" else len(film.frames[0].objects) - 1
        first, last = film.frames[0].objects, film.frames[-1].objects
        assert first[mover].position != last[mover].position
        if kind == "alike":
            assert first[mover].name == first[film.target].name
        for spec in film.frames:
            others = [item for index, item in enumerate(spec.objects) if index != mover]
            moved = footprint_corners(spec.objects[mover])
            assert all(separated(moved, footprint_corners(item), 0.0) for item in others)


def test_what_is_no_film_is_refused() -> None:
    with pytest.raises(ValueError, match="kind must be one of camera, moving"):
        sample_film(0, "zoom")
    with pytest.raises(ValueError, match="at least 8 pictures, got 7"):
        sample_film(0, "camera", 7)
