# SPDX-License-Identifier: Apache-2.0
"""COCO's masks, polygons and run lengths, through pycocotools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refseg_ros.errors import ConfigError, DatasetError

LARGEST = 1 << 28
"""Most pixels of an image; more is a damaged file."""


def decode(segmentation: Any, size: tuple[int, int], what: str) -> NDArray[np.bool_]:
    """The mask of one object.

    Args:
        segmentation: A list of polygons ``[x0, y0, x1, y1, …]``; or ``{"size", "counts"}``, run
            lengths as a list (crowds) or compressed as a string.
        size: Height and width of the image.
        what: Names the object in messages.

    Returns:
        (H, W) bool: the union of the polygons.

    Raises:
        DatasetError: The description is none of these, or does not fit the image.
        ConfigError: pycocotools is not installed.
    """
    try:
        from pycocotools import mask as coco
    except ImportError:
        raise ConfigError(
            "masks: pycocotools is not installed; pip install 'refseg_ros[refer]'"
        ) from None

    height, width = size
    if not (height > 0 and width > 0 and height * width <= LARGEST):
        raise DatasetError(f"{what}: an image of {height}×{width} pixels")
    try:
        if isinstance(segmentation, Mapping):
            coded = _runs(segmentation, size, what)
            rles = [
                coded if isinstance(coded["counts"], bytes) else coco.frPyObjects(coded, *size)
            ]
        else:
            rles = coco.frPyObjects(_polygons(segmentation, what), height, width)
        mask = np.asarray(coco.decode(coco.merge(rles)), bool)
    except DatasetError:
        raise
    except Exception as error:  # pycocotools raises what its C code and Cython make of bad input
        raise DatasetError(f"{what}: its mask cannot be decoded ({error})") from None
    return mask


def _polygons(given: Any, what: str) -> list[list[float]]:
    if not isinstance(given, list) or not given:
        raise DatasetError(f"{what}: has neither polygons nor run lengths")
    for polygon in given:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise DatasetError(f"{what}: a polygon is not three or more pairs x, y")
        values = np.asarray(polygon, np.float64)
        if not np.isfinite(values).all() or np.abs(values).max() > 1e6:
            raise DatasetError(f"{what}: a polygon has a corner that is no place")
    return given


def _runs(given: Mapping[str, Any], size: tuple[int, int], what: str) -> dict[str, Any]:
    if list(given.get("size", ())) != list(size):
        raise DatasetError(
            f"{what}: run lengths are of size {given.get('size')} and the image {list(size)}"
        )
    counts = given.get("counts")
    if isinstance(counts, str):
        counts = counts.encode("ascii", "replace")
    runs = counts if isinstance(counts, list) else _uncompressed(counts, what)
    if (
        not all(isinstance(run, int) and run >= 0 for run in runs)
        or sum(runs) != size[0] * size[1]
    ):
        raise DatasetError(f"{what}: run lengths do not add up to {size[0]}×{size[1]} pixels")
    return {"size": list(size), "counts": counts}


def _uncompressed(counts: Any, what: str) -> list[int]:
    """Run lengths of COCO's compressed string: five bits a character, differences from the third.

    They are only added up here: pycocotools believes them and writes where they say.
    """
    if not isinstance(counts, bytes):
        raise DatasetError(f"{what}: counts are neither a list nor a string")
    runs: list[int] = []
    place = 0
    while place < len(counts):
        value = shift = 0
        more = True
        while more:
            if place >= len(counts) or shift > 60:
                raise DatasetError(f"{what}: run lengths are cut short")
            bits = counts[place] - 48
            value |= (bits & 0x1F) << shift
            more, shift, place = bool(bits & 0x20), shift + 5, place + 1
            if not more and bits & 0x10:
                value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs
