# SPDX-License-Identifier: Apache-2.0
"""Windows around all that a proposal may hold, cut out once so that a training step is cheap.

A row is a square window at :data:`SIDE` pixels with the mask of what it shows and a blurred copy;
what varies from step to step (mask faults, turns, light) is done by :mod:`.crops`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_lab.training import vocabulary
from refseg_lab.training.common import Due, Image, Mask, Scenes, VisibleThing
from refseg_lab.training.crops import background_mask, bounds, fit, joined_mask
from refseg_lab.training.vocabulary import Kind, Meaning
from refseg_ros.config import ScoreConfig

logger = logging.getLogger(__name__)

SIDE = 96
BEHIND = 24
LEAST = 200
"""Objects below this many pixels at 640x480 are neither trained on nor asked for."""

_MARGIN = 1.3  # side of a window over the longer side of what it shows
_VERSION = 2
_REDUCED = 4  # the blurred copy is made of the picture at a quarter: its detail is far coarser
_EXTRA = 0.2  # rows of bare table, and rows of two things, for each row of an object


class WindowRow(NamedTuple):
    """What a window shows.

    Attributes:
        kind: A :class:`Kind`.
        category: Row of the categories.
        colour: Row of the colours.
        scale: Pixels of the picture for each of the window.
    """

    kind: int
    category: int
    colour: int
    scale: float


@dataclass(frozen=True)
class Bank:
    """All windows of a data set, memory-mapped.

    Attributes:
        windows: (N, 96, 96, 4) uint8, RGB and the mask in 0 to 255.
        behind: (N, 24, 24, 3) uint8, the same window of the blurred picture.
        rows: (N, 4) float64, see :class:`Row`.
        pictures: (S, 96, 96, 3) uint8, the whole scenes.
        captions: S sentences that describe them.
    """

    windows: NDArray[np.uint8]
    behind: NDArray[np.uint8]
    rows: NDArray[np.float64]
    pictures: NDArray[np.uint8]
    captions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def of_kind(self) -> dict[int, NDArray[np.int64]]:
        """The windows of each :class:`Kind`; of all, where there is none of it."""
        every = np.arange(len(self))
        found = {int(kind): np.flatnonzero(self.rows[:, 0] == kind) for kind in Kind}
        return {kind: indices if indices.size else every for kind, indices in found.items()}

    def draw(self, kind: int, rng: np.random.Generator) -> int:
        """A window of a kind, each as likely."""
        return int(rng.choice(self.of_kind[kind]))

    def pairs(self) -> list[tuple[int, int]]:
        """Category and colour of all things, each pair once, sorted."""
        things = self.rows[self.rows[:, 0] == Kind.OBJECT]
        return sorted({(int(category), int(colour)) for _, category, colour, _ in things})

    def meaning(self, index: int) -> Meaning:
        """What a window shows, in words' numbers."""
        kind, category, colour = (int(value) for value in self.rows[index, :3])
        return Meaning(kind, category, colour)


def least_window_area(scenes: Scenes) -> float:
    """:data:`LEAST` at the size of these scenes' pictures."""
    height, width = scenes.images.shape[1:3]
    return float(LEAST * height * width / (640 * 480))


def open_bank(folder: Path, scenes: Scenes) -> Bank:
    """The windows of a data set; made at the first call and kept beside it.

    Args:
        folder: Folder of the data set.
        scenes: The scenes in it, opened.
    """
    listing = hashlib.sha256((folder / "scenes.jsonl").read_bytes()).hexdigest()
    stored = folder / f"crops-{_VERSION}-{SIDE}-{listing[:12]}"
    if not stored.exists():
        with tempfile.TemporaryDirectory(dir=folder, prefix="crops-part-") as part:
            made = Path(part) / "made"
            made.mkdir()
            _write(made, scenes)
            if not stored.exists():  # two trainings may begin together
                made.rename(stored)
    return Bank(
        windows=np.load(stored / "windows.npy", mmap_mode="r"),
        behind=np.load(stored / "behind.npy", mmap_mode="r"),
        rows=np.load(stored / "rows.npy"),
        pictures=np.load(stored / "pictures.npy", mmap_mode="r"),
        captions=tuple(scene_captions(folder, scenes)),
    )


def scene_captions(folder: Path, scenes: Scenes) -> Iterator[str]:
    """What each picture of a data set shows: its largest things, and the table."""
    least = least_window_area(scenes)
    lines = (folder / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
    for line, things in zip(lines, scenes.things, strict=True):
        large = sorted(things, key=lambda thing: -thing.area)
        seen = [(thing.category, thing.colour) for thing in large if thing.area >= least]
        table = json.loads(line)["spec"].get("table", {})
        yield vocabulary.describe_scene(seen, table.get("pattern", ""))


def _write(folder: Path, scenes: Scenes) -> None:
    least, tell = least_window_area(scenes), Due(20)
    count = sum(thing.area >= least for thing in scenes.all_things())
    most = int(count * (1 + 2 * _EXTRA)) + 2 * len(scenes)
    windows = np.lib.format.open_memmap(
        folder / "windows.all.npy", mode="w+", dtype=np.uint8, shape=(most, SIDE, SIDE, 4)
    )
    behind = np.zeros((most, BEHIND, BEHIND, 3), np.uint8)
    pictures = np.zeros((len(scenes), SIDE, SIDE, 3), np.uint8)
    rows: list[WindowRow] = []
    for scene in range(len(scenes)):
        image = np.asarray(scenes.images[scene])
        pictures[scene] = fit(image, SIDE)
        blurred = reduced_blur(image)
        for meaning, mask in _shown(scenes, scene, least):
            if len(rows) == most:
                break
            windows[len(rows)], behind[len(rows)], scale = window(image, blurred, mask)
            rows.append(WindowRow(*meaning, scale))
        if tell():
            logger.info("windows of scene %d of %d", scene, len(scenes))
    kept = np.lib.format.open_memmap(
        folder / "windows.npy", mode="w+", dtype=np.uint8, shape=(len(rows), SIDE, SIDE, 4)
    )
    for start in range(0, len(rows), 512):
        kept[start : start + 512] = windows[start : min(start + 512, len(rows))]
    kept.flush()
    (folder / "windows.all.npy").unlink()
    np.save(folder / "behind.npy", behind[: len(rows)])
    np.save(folder / "pictures.npy", pictures)
    np.save(folder / "rows.npy", np.array(rows, np.float64))
    logger.info("%d windows in %s", len(rows), folder)


def _shown(scenes: Scenes, scene: int, least: float) -> Iterator[tuple[Meaning, Mask]]:
    rng = np.random.default_rng(scene)
    instances = np.asarray(scenes.instances[scene])
    for thing in scenes.things[scene]:
        if thing.area < least:
            continue
        mask, meaning = instances == thing.instance, _meaning(thing)
        yield meaning, mask
        if rng.random() < _EXTRA:
            bare = background_mask(mask, instances, rng)
            if bare is not None:
                yield meaning._replace(kind=int(Kind.BACKGROUND)), bare
        if rng.random() < _EXTRA:
            both = joined_mask(mask, thing.instance, instances, rng)
            if both is not None:
                yield meaning._replace(kind=int(Kind.TWO)), both


def _meaning(thing: VisibleThing) -> Meaning:
    category, colour = (
        vocabulary.CATEGORIES.index(thing.category),
        vocabulary.COLOURS.index(thing.colour),
    )
    return Meaning(int(Kind.OBJECT), category, colour)


def reduced_blur(image: Image) -> Image:
    """The background of TAS's caption crops, at a quarter of the picture's size."""
    height, width = image.shape[:2]
    size = (max(1, width // _REDUCED), max(1, height // _REDUCED))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    # OpenCV's own sigma for the kernel, as the segmenter's blur has it.
    sigma = 0.3 * ((ScoreConfig().blur_kernel - 1) * 0.5 - 1) + 0.8
    return np.asarray(cv2.GaussianBlur(small, (0, 0), sigma / _REDUCED), np.uint8)


def window(image: Image, blurred: Image, mask: Mask) -> tuple[Image, Image, float]:
    """The square around a mask, what lies beyond the picture being black.

    Args:
        image: (H, W, 3) uint8 RGB.
        blurred: The output of :func:`reduced_blur`.
        mask: (H, W) bool, not empty.

    Returns:
        (96, 96, 4) uint8 with the mask as fourth channel, (24, 24, 3) uint8, and how many pixels
        of the picture one of the window covers.
    """
    y0, y1, x0, x1 = bounds(mask)
    half = max(4, round(_MARGIN * max(y1 - y0, x1 - x0) / 2))
    top, left = (y0 + y1) // 2 - half, (x0 + x1) // 2 - half
    cut = _cut(image, top, left, 2 * half)
    covers = _cut(mask.astype(np.uint8) * 255, top, left, 2 * half)
    way = cv2.INTER_AREA if 2 * half > SIDE else cv2.INTER_CUBIC
    made = np.empty((SIDE, SIDE, 4), np.uint8)
    made[..., :3] = cv2.resize(cut, (SIDE, SIDE), interpolation=way)
    made[..., 3] = cv2.resize(covers, (SIDE, SIDE), interpolation=way)
    quarter = max(1, 2 * half // _REDUCED)
    soft = _cut(blurred, round(top / _REDUCED), round(left / _REDUCED), quarter, edge=True)
    return made, _shrunk(soft, BEHIND), 2 * half / SIDE


def _shrunk(image: Image, side: int) -> Image:
    way = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (side, side), interpolation=way), np.uint8)


def _cut(image: Image, top: int, left: int, side: int, *, edge: bool = False) -> Image:
    height, width = image.shape[:2]
    y0, x0, y1, x1 = max(0, top), max(0, left), min(height, top + side), min(width, left + side)
    border = cv2.BORDER_REPLICATE if edge else cv2.BORDER_CONSTANT
    sides = (y0 - top, top + side - y1, x0 - left, left + side - x1)
    return np.asarray(cv2.copyMakeBorder(image[y0:y1, x0:x1], *sides, border), np.uint8)
