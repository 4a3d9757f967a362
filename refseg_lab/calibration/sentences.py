# SPDX-License-Identifier: Apache-2.0
"""Labelled sentences: a folder of pictures and a CSV of what is said about them and where it is.

The CSV has the columns ``image`` (a file beside it), ``sentence`` and ``where``: two numbers are
a point on the thing meant, four its box ``x0 y0 x1 y1`` in pixels, and ``absent`` says that the
thing is not in the picture.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from refseg_lab.evaluation.measure import RIGHT_IOU
from refseg_ros.errors import RefsegError

COLUMNS: Final = ("image", "sentence", "where")
ABSENT: Final = "absent"
LEAST: Final = 20
"""Sentences of each kind, present and absent, below which nothing is fitted."""


@dataclass(frozen=True)
class LabelledSentence:
    """A sentence about a picture.

    Attributes:
        image: File of the picture.
        text: What is said.
        where: A point ``(x, y)`` on the thing meant, or its half-open box ``(x0, y0, x1, y1)``,
            in pixels; () if the thing is not in the picture.
    """

    image: Path
    text: str
    where: tuple[float, ...] = ()

    @property
    def is_absent(self) -> bool:
        """Whether the thing is not in the picture."""
        return not self.where

    def shown_by(self, masks: NDArray[np.bool_], boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which masks show the thing meant.

        Args:
            masks: (N, H, W) bool.
            boxes: (N, 4) their half-open pixel boxes.

        Returns:
            (N,) bool: whether a mask covers the point, or its box has IoU ≥ 0.5 with the one
            given; all false of an absent thing.
        """
        if self.is_absent:
            return np.zeros(len(masks), np.bool_)
        if len(self.where) == 2:
            column, row = (int(value) for value in self.where)
            return np.asarray(masks[:, row, column])
        return np.asarray(_box_ious(boxes, np.array(self.where)) >= RIGHT_IOU)

    def check_within(self, height: int, width: int) -> None:
        """Check that what is meant lies in the picture.

        Raises:
            RefsegError: It does not.
        """
        inside = all(
            0 <= value <= limit - (len(self.where) == 2)
            for value, limit in zip(self.where, (width, height) * 2, strict=False)
        )
        if not inside:
            place = " ".join(f"{value:g}" for value in self.where)
            raise RefsegError(
                f"{self.image}: {self.text!r}: {place} is not within its {width}x{height} pixels"
            )


def _box_ious(boxes: NDArray[np.float32], box: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) IoU of boxes with one box."""
    found = boxes.astype(np.float64)
    sides = np.minimum(found[:, 2:], box[2:]) - np.maximum(found[:, :2], box[:2])
    shared = sides.clip(0).prod(1)
    union = (found[:, 2:] - found[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - shared
    return np.asarray(shared / union)


def read_labelled_sentences(place: Path) -> tuple[LabelledSentence, ...]:
    """Read the labelled sentences of a folder.

    Args:
        place: A folder with one CSV, or a CSV; separated by commas, semicolons or tabs.

    Raises:
        RefsegError: There is no such file, a line cannot be read (the message names it), or there
            are fewer than :data:`LEAST` sentences about present or absent things.
    """
    path = _listing(place)
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise RefsegError(f"{path}: cannot be read as text: {error}") from None
    head = lines[0] if lines else ""
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise RefsegError(
            f"{path}: its first line must name the columns {', '.join(COLUMNS)}; "
            f"{', '.join(missing)} is missing"
        )
    found = [_sentence(path, reader.line_num, row) for row in reader]
    _check_enough(path, found)
    return tuple(found)


def _listing(place: Path) -> Path:
    if place.is_file():
        return place
    if not place.is_dir():
        raise RefsegError(f"{place}: no such folder or CSV file")
    listings = sorted(place.glob("*.csv"))
    if len(listings) != 1:
        names = ", ".join(path.name for path in listings) or "none"
        raise RefsegError(f"{place}: expected one CSV file, found {names}")
    return listings[0]


def _sentence(path: Path, line: int, row: Mapping[str, str | None]) -> LabelledSentence:
    image, text, where = ((row[name] or "").strip() for name in COLUMNS)
    if not (image and text and where):
        raise RefsegError(f"{path}: line {line}: image, sentence and where must all be given")
    picture = path.parent / image
    if not picture.is_file():
        raise RefsegError(f"{path}: line {line}: there is no picture {picture}")
    numbers = _numbers(where)
    if numbers is None:
        raise RefsegError(
            f"{path}: line {line}: where is {where!r}; allowed are a point 'x y', a box "
            f"'x0 y0 x1 y1' with x0 < x1 and y0 < y1, and {ABSENT!r}"
        )
    return LabelledSentence(picture, text, numbers)


def _numbers(where: str) -> tuple[float, ...] | None:
    """The coordinates; () of what is absent, None if there is no sense in them."""
    if where.lower() == ABSENT:
        return ()
    try:
        found = tuple(float(item) for item in where.replace(",", " ").replace(";", " ").split())
    except ValueError:
        return None
    box = len(found) == 4 and found[0] < found[2] and found[1] < found[3]
    return found if all(map(math.isfinite, found)) and (box or len(found) == 2) else None


def _check_enough(path: Path, found: Sequence[LabelledSentence]) -> None:
    absent = sum(item.is_absent for item in found)
    for kind, count in (("are there", len(found) - absent), ("are absent", absent)):
        if count < LEAST:
            raise RefsegError(
                f"{path}: {count} sentences about things that {kind}; at least {LEAST} are "
                "needed, and about 30 of each kind are better"
            )
    if len({item.image for item in found}) < 2:
        raise RefsegError(f"{path}: all sentences are about one picture; at least 2 are needed")
