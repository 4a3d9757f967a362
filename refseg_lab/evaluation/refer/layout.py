# SPDX-License-Identifier: Apache-2.0
"""Which data sets there are, what files they consist of, and where those come from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from refseg_ros.errors import ConfigError, DatasetError
from refseg_ros.weights import cache_folder

_REFER = "https://github.com/lichengunc/refer"
_COCO = "https://cocodataset.org/#download (2014 Train images)"
COCO_IMAGES = ("images/mscoco/images/train2014", "images/train2014", "train2014")


@dataclass(frozen=True)
class Dataset:
    """A published data set.

    Attributes:
        title: The name as papers write it.
        splits: Splits by who made them; the first is the default.
        page: Where expressions and masks are published.
        pictures: Where the images are published.
        folders: Where images are looked for below the data folder, in this order.
        references: File name of the expressions without its ending; ``{by}`` and ``{split}`` are
            replaced.
        coco: Whether masks are in ``instances.json``; else they are with the expressions.
        boxes: Whether things are told by boxes alone: the box of an answer is compared.
        lines: Whether the expressions are one JSON object a line.
    """

    title: str
    splits: Mapping[str, tuple[str, ...]]
    page: str
    pictures: str
    folders: tuple[str, ...]
    references: str = "refs({by})"
    coco: bool = True
    boxes: bool = False
    lines: bool = False


_UNC = {"unc": ("val", "testA", "testB")}
DATASETS: Mapping[str, Dataset] = {
    "refcoco": Dataset("RefCOCO", _UNC, _REFER, _COCO, COCO_IMAGES),
    "refcoco+": Dataset("RefCOCO+", _UNC, _REFER, _COCO, COCO_IMAGES),
    "refcocog": Dataset(
        "RefCOCOg", {"umd": ("val", "test"), "google": ("val",)}, _REFER, _COCO, COCO_IMAGES
    ),
    "grefcoco": Dataset(
        "gRefCOCO",
        _UNC,
        "https://github.com/henghuiding/gRefCOCO",
        _COCO,
        COCO_IMAGES,
        "grefs({by})",
    ),
    "phrasecut": Dataset(
        "PhraseCut",
        {"": ("val", "test", "miniv")},
        "https://github.com/ChenyunWu/PhraseCutDataset",
        "https://homes.cs.washington.edu/~ranjay/visualgenome (images)",
        ("phrasecut/images", "images/VG"),
        "refer_{split}",
        coco=False,
    ),
    "ref-adv-s": Dataset(
        "Ref-Adv-s",
        {"": ("train",)},
        "https://huggingface.co/datasets/dddraxxx/ref-adv-s (rows without the pictures, as lines)",
        "the same page (each picture under its file_name)",
        ("ref-adv-s/images",),
        "{split}",
        coco=False,
        boxes=True,
        lines=True,
    ),
    "openref": Dataset(
        "OpenRef",
        {"": ("val", "train")},
        "https://huggingface.co/datasets/Wuzj/OpenRef",
        "the same page",
        ("openref/images",),
        "{split}",
        coco=False,
        boxes=True,
    ),
}


@dataclass(frozen=True)
class SplitFiles:
    """Files of one split, found.

    Attributes:
        dataset: Key of :data:`DATASETS`.
        by: Who made the split.
        split: Its name.
        references: The expressions.
        instances: COCO's annotations; None where masks are with the expressions.
        images: Folder of the pictures.
    """

    dataset: str
    by: str
    split: str
    references: Path
    instances: Path | None
    images: Path


def data_folder() -> Path:
    """Where data sets are looked for: ``REFSEG_DATA``, else ``refer`` in the cache folder."""
    return Path(os.environ.get("REFSEG_DATA") or cache_folder() / "refer")


def locate(dataset: str, split: str, by: str = "", data: Path | None = None) -> SplitFiles:
    """Find the files of a split.

    Args:
        dataset: Key of :data:`DATASETS`.
        split: Name of the split, such as ``testA``.
        by: Who made the split; "" is the usual one.
        data: Folder with one folder per data set; None is :func:`data_folder`.

    Raises:
        ConfigError: Unknown data set, maker or split; the message lists the known ones.
        DatasetError: Files are missing; the message says which, from where, and where to.
    """
    if dataset not in DATASETS:
        raise ConfigError(f"dataset: {dataset!r} is not one of {', '.join(DATASETS)}")
    known = DATASETS[dataset]
    by = by or next(iter(known.splits))
    if by not in known.splits:
        raise ConfigError(
            f"by: {dataset} has no {by!r}, but {', '.join(filter(None, known.splits))}"
        )
    if split not in known.splits[by]:
        raise ConfigError(
            f"split: {dataset} ({by}) has no {split!r}, but {', '.join(known.splits[by])}"
        )
    root = data or data_folder()
    folder = root / dataset
    stem = known.references.format(by=by, split=split)
    endings = (".json", ".p") if known.coco else (".jsonl" if known.lines else ".json",)
    references = [folder / f"{stem}{ending}" for ending in endings]
    found = next((path for path in references if path.is_file()), None)
    if found is None:
        raise DatasetError(
            f"{known.title}: {references[-1]} is missing; get it from {known.page} and put it "
            "there"
        )
    instances = folder / "instances.json" if known.coco else None
    if instances is not None and not instances.is_file():
        raise DatasetError(
            f"{known.title}: {instances} is missing; get it from {known.page} and put it there"
        )
    images = next((root / name for name in known.folders if (root / name).is_dir()), None)
    if images is None:
        raise DatasetError(
            f"{known.title}: its images are missing; get them from {known.pictures} and unpack "
            f"them as {root / known.folders[0]}"
        )
    return SplitFiles(dataset, by, split, found, instances, images)
