# SPDX-License-Identifier: Apache-2.0
"""From the files of a data set to images with expressions, each checked before use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from refseg_lab.evaluation.refer.layout import SplitFiles
from refseg_lab.evaluation.refer.pickles import read_plain_pickle
from refseg_ros.errors import DatasetError


@dataclass(frozen=True)
class Expression:
    """One sentence of one reference: one item of the test.

    Attributes:
        key: Unique in the data set: reference and sentence.
        text: REFER's normalised sentence, ``sent``; or ``raw``, as it was typed.
        objects: Rows of :attr:`ReferImage.objects` that are meant; none for a no-target one.
    """

    key: str
    text: str
    objects: tuple[int, ...]


@dataclass(frozen=True)
class ReferImage:
    """One image with all that is asked of it.

    Attributes:
        name: Unique in the data set.
        path: Path of the picture.
        size: Height and width as annotated; zeros where only the picture tells.
        objects: What COCO's or PhraseCut's file says of each mask; of a box its four corners.
        expressions: In the order of the file.
        boxes: Whether the objects are boxes.
    """

    name: str
    path: Path
    size: tuple[int, int]
    objects: tuple[Any, ...] = field(repr=False)
    expressions: tuple[Expression, ...]
    boxes: bool = False


def read_split(place: SplitFiles, raw: bool = False) -> tuple[ReferImage, ...]:
    """Read the expressions of a split, grouped by image.

    Args:
        place: Files from :func:`refseg_lab.evaluation.refer.layout.locate`.
        raw: Whether REFER's sentences are taken as they were typed, not normalised.

    Returns:
        Images in the order in which they first occur.

    Raises:
        DatasetError: A file is damaged, holds more than plain values, or refers to something not
            there; or the split is empty.
    """
    references = _references(place.references)
    if place.instances is not None:
        images = _coco(place, references, _json(place.instances), raw)
    elif place.dataset in _OF_BOXES:
        images = _OF_BOXES[place.dataset](place, references)
    else:
        images = _phrasecut(place, references)
    if not images:
        raise DatasetError(f"{place.references}: has no expressions of the split {place.split!r}")
    return images


class _Group:
    """One image while it is collected."""

    def __init__(self, name: str, path: Path, size: tuple[int, int], boxes: bool = False) -> None:
        self.name, self.path, self.size, self.boxes = name, path, size, boxes
        self.rows: dict[Any, int] = {}
        self.objects: list[Any] = []
        self.expressions: list[Expression] = []

    def row(self, key: Any, description: Any) -> int:
        if key not in self.rows:
            self.rows[key] = len(self.objects)
            self.objects.append(description)
        return self.rows[key]

    def done(self) -> ReferImage:
        return ReferImage(
            self.name,
            self.path,
            self.size,
            tuple(self.objects),
            tuple(self.expressions),
            self.boxes,
        )


def _coco(
    place: SplitFiles, references: list[Any], coco: Any, raw: bool
) -> tuple[ReferImage, ...]:
    images = {_of(item, "id", int, "image"): item for item in _of(coco, "images", list, "file")}
    masks = {
        _of(item, "id", int, "annotation"): item for item in _of(coco, "annotations", list, "file")
    }
    groups: dict[int, _Group] = {}
    for reference in references:
        what = f"{place.references}: reference {_get(reference, 'ref_id')}"
        if _of(reference, "split", str, what) != place.split:
            continue
        number = _of(reference, "image_id", int, what)
        if number not in images:
            raise DatasetError(f"{what}: image {number} is not in {place.instances}")
        if number not in groups:
            groups[number] = _coco_group(place, images[number], number)
        group = groups[number]
        rows = []
        for target in _targets(reference, what):
            if target not in masks:
                raise DatasetError(f"{what}: annotation {target} is not in {place.instances}")
            rows.append(group.row(target, masks[target].get("segmentation")))
        for sentence in _of(reference, "sentences", list, what):
            text = _of(sentence, "raw" if raw and _get(sentence, "raw") else "sent", str, what)
            key = f"{_of(reference, 'ref_id', int, what)}:{_of(sentence, 'sent_id', int, what)}"
            group.expressions.append(Expression(key, text, tuple(rows)))
    return tuple(group.done() for group in groups.values())


def _coco_group(place: SplitFiles, image: Any, number: int) -> _Group:
    what = f"{place.instances}: image {number}"
    size = (_of(image, "height", int, what), _of(image, "width", int, what))
    return _Group(str(number), _inside(place.images, _of(image, "file_name", str, what)), size)


def _targets(reference: Any, what: str) -> Iterator[int]:
    """Annotations that are meant: one in REFER, any number in gRefCOCO, where -1 is none."""
    given = _get(reference, "ann_id")
    if _get(reference, "no_target"):
        return
    for number in given if isinstance(given, list) else [given]:
        if not isinstance(number, int) or isinstance(number, bool):
            raise DatasetError(f"{what}: ann_id {number!r} is no number")
        if number >= 0:
            yield number


def _phrasecut(place: SplitFiles, references: list[Any]) -> tuple[ReferImage, ...]:
    groups: dict[str, _Group] = {}
    for reference in references:
        what = f"{place.references}: task {_get(reference, 'task_id')}"
        number = str(_of(reference, "image_id", int, what))
        if number not in groups:
            groups[number] = _Group(number, _inside(place.images, f"{number}.jpg"), (0, 0))
        key = _of(reference, "task_id", str, what)
        rows = []
        for row, polygons in enumerate(_of(reference, "Polygons", list, what)):
            flat = _flat(polygons, what)
            rows.append(groups[number].row((key, row), flat))
        text = _of(reference, "phrase", str, what)
        groups[number].expressions.append(Expression(key, text, tuple(rows)))
    return tuple(group.done() for group in groups.values())


def _ref_adv(place: SplitFiles, rows: list[Any]) -> tuple[ReferImage, ...]:
    """Ref-Adv-s: ``solution`` is the box of ``normal_caption``, its corners in pixels."""
    groups: dict[str, _Group] = {}
    for number, row in enumerate(rows, start=1):
        what = f"{place.references}:{number}"
        size = (_of(row, "height", int, what), _of(row, "width", int, what))
        group = _boxed(place, groups, _of(row, "file_name", str, what), size)
        box = group.row(number, _corners(_of(row, "solution", list, what), what))
        text = _of(row, "normal_caption", str, what)
        group.expressions.append(Expression(str(number), text, (box,)))
    return tuple(group.done() for group in groups.values())


def _openref(place: SplitFiles, entries: list[Any]) -> tuple[ReferImage, ...]:
    """OpenRef: boxes of ``positive`` in per cent of the picture; ``negative`` means nothing."""
    groups: dict[str, _Group] = {}
    for number, entry in enumerate(entries):
        what = f"{place.references}: entry {number}"
        group = _boxed(place, groups, _of(entry, "image", str, what), (0, 0))
        rows = []
        for order, box in enumerate(_of(entry, "proposal", list, what)):
            height, width = (_of(box, f"original_{k}", int, what) for k in ("height", "width"))
            group.size = (height, width)
            rows.append(group.row((number, order), _percent(box, group.size, what)))
        text = _of(entry, "positive", str, what)
        group.expressions.append(Expression(f"{number}+", text, tuple(rows)))
        if _get(entry, "negative"):
            text = _of(entry, "negative", str, what)
            group.expressions.append(Expression(f"{number}-", text, ()))
    return tuple(group.done() for group in groups.values())


def _boxed(
    place: SplitFiles, groups: dict[str, _Group], name: str, size: tuple[int, int]
) -> _Group:
    """The group of an image of boxes."""
    if name not in groups:
        groups[name] = _Group(name, _inside(place.images, name), size, boxes=True)
    return groups[name]


def _percent(box: Any, size: tuple[int, int], what: str) -> list[list[float]]:
    """A box in per cent of the picture, as a polygon in pixels."""
    height, width = size
    x, y, wide, high = (_get(box, name) for name in ("x", "y", "width", "height"))
    try:
        corners = [x * width, y * height, (x + wide) * width, (y + high) * height]
        return _corners([value / 100 for value in corners], what)
    except TypeError:
        raise DatasetError(f"{what}: a box is {str(box)[:60]!r}") from None


def _corners(box: Any, what: str) -> list[list[float]]:
    """A box ``[x0, y0, x1, y1]`` as a polygon."""
    numbers = [value for value in box if isinstance(value, int | float)]
    if len(numbers) != 4 or not (numbers[0] < numbers[2] and numbers[1] < numbers[3]):
        raise DatasetError(f"{what}: {str(box)[:60]!r} is no box of left, top, right, bottom")
    left, top, right, bottom = map(float, numbers)
    return [[left, top, right, top, right, bottom, left, bottom]]


_OF_BOXES: Final = {"ref-adv-s": _ref_adv, "openref": _openref}


def _flat(polygons: Any, what: str) -> list[list[float]]:
    """PhraseCut's ``[[x, y], …]`` as COCO's ``[x, y, …]``."""
    try:
        return [[float(value) for point in polygon for value in point] for polygon in polygons]
    except (TypeError, ValueError):
        raise DatasetError(f"{what}: a polygon is no list of pairs") from None


def _inside(folder: Path, name: str) -> Path:
    if Path(name).name != name:
        raise DatasetError(f"{folder}: {name!r} is not the name of a file in it")
    return folder / name


def _references(path: Path) -> list[Any]:
    readers = {".json": _json, ".jsonl": _lines}
    values = readers.get(path.suffix, read_plain_pickle)(path)
    if not isinstance(values, list):
        raise DatasetError(f"{path}: holds a {type(values).__name__} and not a list")
    return values


def _lines(path: Path) -> Any:
    return _json(path, as_lines=True)


def _json(path: Path, as_lines: bool = False) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()] if as_lines else json.loads(text)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: damaged or cut short ({error}); get it again") from None


def _get(item: Any, key: str) -> Any:
    return item.get(key) if isinstance(item, Mapping) else None


def _of(item: Any, key: str, kind: type, what: str) -> Any:
    value = _get(item, key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise DatasetError(f"{what}: {key} is {str(value)[:60]!r}, not {kind.__name__}")
    return value
