# SPDX-License-Identifier: Apache-2.0
"""A small data set in REFER's format, and a segmenter that knows three colours."""

from __future__ import annotations

import json
import pickle
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from refseg_ros.results import Proposals, Selection, Status

HEIGHT, WIDTH = 40, 60
COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255), "green": (0, 255, 0)}
DRAWN = {"red": (5, 15, 5, 15), "blue": (20, 30, 20, 40), "green": (30, 38, 50, 58)}
"""Rows and columns of what the pictures show: 100, 200 and 64 pixels."""


def _box(rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[np.uint8]:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[slice(*rows), slice(*columns)] = 1
    return mask


def _counts(mask: NDArray[np.uint8]) -> list[int]:
    """COCO's uncompressed run lengths, column by column, beginning with zeros."""
    flat = mask.flatten(order="F")
    changes = np.flatnonzero(np.diff(np.concatenate([[0], flat, [2]])))
    return np.diff(np.concatenate([[0], changes])).tolist()


def _packed(mask: NDArray[np.uint8]) -> dict[str, Any]:
    coded = coco.encode(np.asfortranarray(mask))
    return {"size": list(coded["size"]), "counts": coded["counts"].decode("ascii")}


def annotations() -> dict[str, Any]:
    """Of red as a polygon; of the left half of blue as a crowd; of green in compressed runs."""
    return {
        "red": [[5, 5, 15, 5, 15, 15, 5, 15]],
        "blue": {"size": [HEIGHT, WIDTH], "counts": _counts(_box((20, 30), (20, 30)))},
        "green": _packed(_box((30, 38), (50, 58))),
    }


def make_images(folder: Path, names: list[str]) -> None:
    """Pictures with three things on grey."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for colour, (top, bottom, left, right) in DRAWN.items():
        picture[top:bottom, left:right] = COLOURS[colour]
    for name in names:
        Image.fromarray(picture).save(folder / name)


def make_refer(root: Path, dataset: str = "refcoco", images: int = 2, by: str = "unc") -> Path:
    """Write a data set: images 1 to N of the split val, and one more of train.

    Returns:
        The pickle.
    """
    names = [f"COCO_train2014_{number:012d}.png" for number in range(1, images + 2)]
    make_images(root / "images/mscoco/images/train2014", names)
    folder = root / dataset
    folder.mkdir(parents=True, exist_ok=True)
    shapes = annotations()
    instances: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    references: list[dict[str, Any]] = []
    for number, name in enumerate(names, 1):
        size = {"height": HEIGHT, "width": WIDTH}
        instances["images"].append({"id": number, "file_name": name, **size})
        split = "train" if number == len(names) else "val"
        sentences = {
            "red": ["red one", "the red thing"],
            "blue": ["blue"],
            "green": ["green boom"],
        }
        for place, (colour, texts) in enumerate(sentences.items()):
            key = 10 * number + place
            crowd = int(colour == "blue")
            instances["annotations"].append(
                {"id": key, "image_id": number, "segmentation": shapes[colour], "iscrowd": crowd}
            )
            references.append(
                {
                    "ref_id": key,
                    "ann_id": key,
                    "image_id": number,
                    "split": split,
                    "category_id": 1,
                    "file_name": f"COCO_train2014_{number:012d}_{place}.jpg",
                    "sent_ids": [100 * key + row for row in range(len(texts))],
                    "sentences": [
                        {"sent_id": 100 * key + row, "sent": text, "raw": text.upper() + "!"}
                        for row, text in enumerate(texts)
                    ],
                }
            )
    (folder / "instances.json").write_text(json.dumps(instances))
    path = folder / f"refs({by}).p"
    path.write_bytes(pickle.dumps(references, protocol=0))
    return path


def make_grefcoco(root: Path) -> None:
    """One image: two things at once, one thing, and two expressions that mean nothing."""
    make_refer(root, "grefcoco", images=1)
    texts = {
        "red and blue": [10, 11],
        "red": [10],
        "yellow": [-1],
        "red that is not there": [-1],
    }
    references = [
        {
            "ref_id": row,
            "image_id": 1,
            "split": "val",
            "ann_id": targets,
            "no_target": targets == [-1],
            "sentences": [{"sent_id": row, "sent": text}],
        }
        for row, (text, targets) in enumerate(texts.items())
    ]
    (root / "grefcoco/grefs(unc).json").write_text(json.dumps(references))


def make_phrasecut(root: Path) -> None:
    """One image, one phrase of two polygons."""
    make_images(root / "phrasecut/images", ["7.jpg"])
    red = [[5, 5], [15, 5], [15, 15], [5, 15]]
    blue = [[20, 20], [40, 20], [40, 30], [20, 30]]
    tasks = [
        {"task_id": "7__1", "image_id": 7, "phrase": "red and blue", "Polygons": [[red], [blue]]}
    ]
    (root / "phrasecut/refer_val.json").write_text(json.dumps(tasks))


def make_ref_adv(root: Path) -> None:
    """One image, two boxes: all of red and the left half of blue."""
    make_images(root / "ref-adv-s/images", ["7.png"])
    shared = {"file_name": "7.png", "width": WIDTH, "height": HEIGHT, "image_source": "drawn"}
    rows = [
        {**shared, "normal_caption": "red", "solution": [5.0, 5.0, 15.0, 15.0]},
        {**shared, "normal_caption": "blue", "solution": [20, 20, 30, 30]},
    ]
    (root / "ref-adv-s/train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def make_openref(root: Path) -> None:
    """One image: a box with something that is not there, and nothing at all."""
    make_images(root / "openref/images", ["7.png"])
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    red = {"x": 500 / WIDTH, "y": 500 / HEIGHT, "width": 1000 / WIDTH, "height": 1000 / HEIGHT}
    entries = [
        {"image": "7.png", "relation_type": "single", "proposal": [{**red, **size}],
         "positive": "red", "negative": "yellow", "bbox_num": 1},
        {"image": "7.png", "relation_type": "none", "proposal": [], "positive": "green",
         "bbox_num": 0},
    ]  # fmt: skip
    (root / "openref/val.json").write_text(json.dumps(entries))


class Colours:
    """Answers with all pixels of the colours that are named; "boom" is an exception."""

    description = "colours"

    def __init__(self, looked: Path | None = None, pause: float = 0.0) -> None:
        self._looked, self._pause = looked, pause

    def observe(
        self,
        image: NDArray[np.uint8],
        depth: NDArray[np.float32] | None = None,
        intrinsics: NDArray[np.float64] | None = None,
    ) -> _Scene:
        if self._looked is not None:
            with self._looked.open("a") as stream:
                stream.write("looked\n")
        time.sleep(self._pause)
        return _Scene(image)


class _Scene:
    def __init__(self, image: NDArray[np.uint8]) -> None:
        near = {
            colour: (np.abs(image.astype(int) - value) < 60).all(2)
            for colour, value in COLOURS.items()
        }
        self._masks = near
        masks = np.stack(list(near.values()))
        self.proposals = Proposals(masks, np.ones(len(masks), np.float32))

    def select(self, text: str) -> Selection:
        size = (self.proposals.masks.shape[1], self.proposals.masks.shape[2])
        if "boom" in text:
            raise RuntimeError("boom")
        named = [self._masks[word] for word in text.split() if word in COLOURS]
        if not named:
            return Selection.none(text, Status.NOT_FOUND, "no colour is named", size)
        mask = np.logical_or.reduce(named)
        return Selection(
            expression=text,
            status=Status.SELECTED,
            reason="its colour",
            mask=mask,
            box=np.zeros(4, np.float32),
            score=1.0,
            margin=1.0,
            index=None,
            candidates=(),
            seconds={},
        )


@dataclass(frozen=True)
class ColoursLoader:
    """Loads :class:`Colours` in any process."""

    looked: Path | None = None
    pause: float = 0.0

    def __call__(self) -> Colours:
        return Colours(self.looked, self.pause)
