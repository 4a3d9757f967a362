# SPDX-License-Identifier: Apache-2.0
"""Pictures whose regions and names are known, and the sentences that people said of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refseg_ros.errors import RefsegError

SMALLEST: Final = 30
"""Pixels below which a polygon is no region."""
NONE, AMBIGUOUS = "none", "amb"
"""What is wanted where nothing is meant, and where a question is the right answer."""
DIALOGUE: Final = "dialogue:"
"""What a sentence begins with that is a turn of a conversation."""
_USUAL_SIZES: Final = ((640, 480), (480, 640), (640, 640))
"""Widths and heights of COCO's pictures, where none is given."""

_COCO: Final = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, "
    "fire hydrant, -, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, "
    "elephant, bear, zebra, giraffe, -, backpack, umbrella, -, -, handbag, tie, suitcase, "
    "frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, "
    "surfboard, tennis racket, bottle, -, wine glass, cup, fork, knife, spoon, bowl, banana, "
    "apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, "
    "potted plant, bed, -, dining table, -, -, toilet, -, tv, laptop, mouse, remote, keyboard, "
    "cell phone, microwave, oven, toaster, sink, refrigerator, -, book, clock, vase, scissors, "
    "teddy bear, hair drier, toothbrush"
)
COCO_NAMES: Final = {
    number: name for number, name in enumerate(_COCO.split(", "), start=1) if name != "-"
}
"""COCO's category numbers, 1 to 90 with gaps."""


@dataclass(frozen=True)
class NamedPicture:
    """The regions of one picture.

    Attributes:
        name: Of the picture.
        size: Height and width in pixels.
        outlines: (K, 2) x, y corners of each of N regions.
        names: What each region is called, in one or several ways; none where nobody said.
    """

    name: str
    size: tuple[int, int]
    outlines: tuple[NDArray[np.float64], ...]
    names: tuple[tuple[str, ...], ...]

    @property
    def masks(self) -> NDArray[np.bool_]:
        """(N, H, W) bool, none empty."""
        return np.stack([filled(outline, self.size) for outline in self.outlines])


@dataclass(frozen=True)
class TrueSentence:
    """A sentence with what it means.

    Attributes:
        text: As it was said.
        picture: What it was said of.
        wanted: Rows of the regions meant; none where nothing is meant, or a question is right.
        source: Name of the file, for the tables.
        asks_back: Whether it is right to ask which one is meant.
        follows: Whether it is a turn of a conversation; the one before it is the sentence before.
    """

    text: str
    picture: NamedPicture
    wanted: tuple[int, ...]
    source: str
    asks_back: bool = False
    follows: bool = False


def filled(outline: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) bool: the inside of (K, 2) x, y corners, at least one pixel of it."""
    height, width = size
    canvas = np.zeros(size, np.uint8)
    corners = np.clip(np.round(outline), 0, (width - 1, height - 1)).astype(np.int32)
    cv2.fillPoly(canvas, [corners], 1)
    mask: NDArray[np.bool_] = canvas > 0
    return mask


def read_sentences(folder: Path) -> list[TrueSentence]:
    """All sentences with regions of a folder and of the folders in it.

    Args:
        folder: Holds ``*.jsonl`` files of boxes, and ``sentences.json`` beside polygons.

    Raises:
        RefsegError: There are none, or a file is not as it must be; names file and line.
    """
    found: list[TrueSentence] = []
    for path in sorted(folder.rglob("*.json*")):
        with _checked(path):
            if path.name == "sentences.json":
                found += _read_photos(path)
            elif path.suffix == ".jsonl":
                found += _read_boxes(path)
    return found


@contextmanager
def _checked(where: object) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RefsegError(f"{where}: cannot be read ({error.strerror})") from None
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise RefsegError(f"{where}: not as docs/language.md has it ({error!r})") from None


def _read_boxes(path: Path) -> Iterator[TrueSentence]:
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        with _checked(f"{path}:{number}"):
            entry = json.loads(line)
            sentence = _boxed(entry, path.stem) if "boxes" in entry else None
        if sentence is not None:
            yield sentence


def _boxed(entry: Mapping[str, Any], source: str) -> TrueSentence:
    boxes = np.array(entry["boxes"], np.float64).reshape(-1, 4)
    named = entry["names"] if "names" in entry else [[name] for name in entry["cats"]]
    names = tuple(tuple(name.replace("_", " ") for name in each) for each in named)
    if len(names) != len(boxes) or not len(boxes):
        raise ValueError(f"{len(boxes)} boxes and {len(names)} names")
    if "size" in entry:
        width, height = entry["size"]
    else:
        needs = boxes[:, 2:].max(0)
        fitting = [size for size in _USUAL_SIZES if (needs <= size).all()]
        width, height = fitting[0] if fitting else np.ceil(needs).astype(int).tolist()
    outlines = tuple(boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2))
    name = str(entry.get("region", entry.get("image", "")))
    picture = NamedPicture(name, (int(height), int(width)), outlines, names)
    target = entry["target"]
    if target is not None and not 0 <= int(target) < len(boxes):
        raise ValueError(f"target {target} of {len(boxes)} boxes")
    return TrueSentence(
        str(entry["text"]), picture, () if target is None else (int(target),), source
    )


def _read_photos(path: Path) -> Iterator[TrueSentence]:
    entries: Sequence[Mapping[str, Any]] = json.loads(path.read_text("utf-8"))
    before: NamedPicture | None = None
    for entry in entries:
        picture = _polygons(path.parent / f"{entry['split']}_{int(entry['image']):012d}")
        text, want = str(entry["text"]), entry["want"]
        turn = text.startswith(DIALOGUE)
        rows = () if want in (NONE, AMBIGUOUS) else np.atleast_1d(want).tolist()
        yield TrueSentence(
            text.removeprefix(DIALOGUE).strip(),
            picture,
            tuple(rows),
            "photos",
            asks_back=want == AMBIGUOUS,
            follows=turn and before is picture,
        )
        before = picture if turn else None


@lru_cache(maxsize=64)
def _polygons(stem: Path) -> NamedPicture:
    """Polygons in YOLO's form, with COCO's category numbers, at the size of the photo."""
    with Image.open(stem.with_suffix(".jpg")) as photo:
        width, height = photo.size
    outlines, names = [], []
    for line in stem.with_suffix(".txt").read_text("utf-8").splitlines():
        number, *corners = line.split()
        outline = np.array(corners, np.float64).reshape(-1, 2) * (width, height)
        if filled(outline, (height, width)).sum() >= SMALLEST:
            outlines.append(outline)
            names.append((COCO_NAMES[int(number)],))
    return NamedPicture(stem.name, (height, width), tuple(outlines), tuple(names))
