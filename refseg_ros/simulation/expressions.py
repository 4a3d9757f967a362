# SPDX-License-Identifier: Apache-2.0
"""Referring expressions for simulated scenes, each true of exactly one visible object.

Left, right, top and bottom are meant in the picture. An expression is given only where the scene
leaves no doubt: things are seen well enough, and places differ by clear margins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from refseg_ros.simulation.renderer import Frame
from refseg_ros.simulation.scene import SceneSpec

#: Fewest visible pixels of an object that may be spoken of, at 480x360.
MIN_AREA = 120
#: Least distance of centroids that decides a place, as a share of the picture's width.
MARGIN = 0.06
#: Kinds of expressions, in the order in which `refer` gives them.
KINDS = ("category", "colour", "colour_only", "position", "relation")

_THING = "thing"


@dataclass(frozen=True)
class Referral:
    """A referring expression and what it means.

    Attributes:
        expression: the sentence, e.g. "the mug on the left".
        object_index: index into `spec.objects` of the one object meant.
        kind: one of `KINDS`.
    """

    expression: str
    object_index: int
    kind: str


@dataclass(frozen=True)
class _Seen:
    """A visible object: its index, words and centroid as shares of the picture's width."""

    index: int
    category: str
    colour: str
    x: float
    y: float


def refer(spec: SceneSpec, frame: Frame) -> list[Referral]:
    """Gives every unambiguous expression for a rendered scene, in a fixed order.

    Objects that are almost hidden (visible, but by less than `MIN_AREA`) can neither be meant nor
    ruled out, so no expression is given that could be true of them.

    Args:
        spec: the scene.
        frame: its rendering.
    """
    height, width = frame.instances.shape
    least = MIN_AREA * height * width / (480.0 * 360.0)
    areas = frame.areas(len(spec.objects))
    seen = [_look(spec, frame, k) for k, area in enumerate(areas) if area >= least]
    doubtful = [_look(spec, frame, k) for k, area in enumerate(areas) if 0 < area < least]
    found = [
        *_by_words(seen, doubtful),
        *_by_position(seen, doubtful),
        *_by_relation(seen, doubtful),
    ]
    return sorted(found, key=lambda referral: KINDS.index(referral.kind))


def _look(spec: SceneSpec, frame: Frame, index: int) -> _Seen:
    rows, columns = np.nonzero(frame.instances == index + 1)
    width = frame.instances.shape[1]
    item = spec.objects[index]
    return _Seen(index, item.category, item.colour, columns.mean() / width, rows.mean() / width)


def _by_words(seen: list[_Seen], doubtful: list[_Seen]) -> Iterator[Referral]:
    """Category, colour with category, and colour alone."""
    makers: tuple[tuple[str, Callable[[_Seen], str]], ...] = (
        ("category", lambda item: f"the {item.category}"),
        ("colour", lambda item: f"the {item.colour} {item.category}"),
        ("colour_only", lambda item: f"the {item.colour} {_THING}"),
    )
    for kind, phrase in makers:
        counts = Counter(phrase(item) for item in (*seen, *doubtful))
        for item in seen:
            if counts[phrase(item)] == 1:
                yield Referral(phrase(item), item.index, kind)


def _groups(
    seen: list[_Seen], doubtful: list[_Seen]
) -> Iterator[tuple[str, list[_Seen], frozenset[int]]]:
    """Noun phrases that two or more visible objects share, and none that is almost hidden."""
    phrases: dict[str, list[_Seen]] = {}
    for item in seen:
        for phrase in (item.category, f"{item.colour} {item.category}", _THING):
            phrases.setdefault(phrase, []).append(item)
    unclear = {p for d in doubtful for p in (d.category, f"{d.colour} {d.category}", _THING)}
    told: set[tuple[frozenset[int], bool]] = set()
    for phrase, members in phrases.items():
        indices = frozenset(item.index for item in members)
        # "red mug" says no more than "mug" where all the mugs are red.
        if len(members) >= 2 and phrase not in unclear and (indices, phrase == _THING) not in told:
            yield phrase, members, indices
            told.add((indices, phrase == _THING))


def _by_position(seen: list[_Seen], doubtful: list[_Seen]) -> Iterator[Referral]:
    """Places in the picture among the objects that share a noun phrase."""
    for phrase, members, _ in _groups(seen, doubtful):
        for item in members:
            others = [other for other in members if other is not item]
            for words in _places(item, others):
                yield Referral(words.format(phrase), item.index, "position")


def _places(item: _Seen, others: list[_Seen]) -> Iterator[str]:
    left = all(item.x <= other.x - MARGIN for other in others)
    right = all(item.x >= other.x + MARGIN for other in others)
    top = all(item.y <= other.y - MARGIN for other in others)
    bottom = all(item.y >= other.y + MARGIN for other in others)
    for holds, side, extreme in (
        (left, "on the left", "leftmost"),
        (right, "on the right", "rightmost"),
        (top, "at the top", "topmost"),
        (bottom, "at the bottom", "bottommost"),
    ):
        if holds:
            yield f"the {{}} {side}"
            yield f"the {extreme} {{}}"
    for vertical, row in ((top, "top"), (bottom, "bottom")):
        for horizontal, column in ((left, "left"), (right, "right")):
            if vertical and horizontal:
                yield f"the {row} {column} {{}}"
    if len(others) == 2:
        low, high = sorted(other.x for other in others)
        if low + MARGIN <= item.x <= high - MARGIN:
            yield "the {} in the middle"


def _by_relation(seen: list[_Seen], doubtful: list[_Seen]) -> Iterator[Referral]:
    """Places relative to another object that a category or a colour and category names alone."""
    counts: Counter[str] = Counter()
    for item in (*seen, *doubtful):
        counts.update((item.category, f"{item.colour} {item.category}"))
    anchors = []
    for item in seen:
        names = (item.category, f"{item.colour} {item.category}")
        unique = [name for name in names if counts[name] == 1]
        if unique:
            anchors.append((unique[0], item))
    for phrase, members, indices in _groups(seen, doubtful):
        if phrase == _THING:
            continue
        for name, anchor in anchors:
            if anchor.index not in indices:
                for words, item in _relations(members, anchor):
                    yield Referral(f"the {phrase} {words} the {name}", item.index, "relation")


def _relations(members: list[_Seen], anchor: _Seen) -> Iterator[tuple[str, _Seen]]:
    """Relations to the anchor that clearly hold of one member and clearly not of the others."""
    for words, offset in (
        ("to the left of", lambda item: anchor.x - item.x),
        ("to the right of", lambda item: item.x - anchor.x),
        ("above", lambda item: anchor.y - item.y),
        ("below", lambda item: item.y - anchor.y),
    ):
        clear = [item for item in members if offset(item) >= MARGIN]
        denied = [item for item in members if offset(item) <= -MARGIN / 3.0]
        if len(clear) == 1 and len(clear) + len(denied) == len(members):
            yield words, clear[0]
    gaps = sorted((np.hypot(item.x - anchor.x, item.y - anchor.y), item.index) for item in members)
    if gaps[0][0] <= 0.3 and gaps[0][0] * 1.6 <= gaps[1][0]:
        yield "next to", next(item for item in members if item.index == gaps[0][1])
