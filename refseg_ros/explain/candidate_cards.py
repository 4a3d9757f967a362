# SPDX-License-Identifier: Apache-2.0
"""The cards of an explanation's picture: what the best candidates look like and score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from refseg_ros.explain.canvas import (
    CARD,
    INK,
    LINE,
    QUIET,
    Canvas,
    Colour,
    RgbImage,
    chip_height,
    faded,
    step,
)
from refseg_ros.explain.wording import clean, formula, held, number, remark, said, weighted_name
from refseg_ros.results import Candidate, Proposals, Selection, Status
from refseg_ros.results.explanation import Term
from refseg_ros.viewer.overlay import STATUS_COLOURS, candidate_colour, draw_outline, draw_tag

_THUMB = 118
_TEXT, _SMALL = 16, 14
_ROW = 19  # from bar to bar
_MOST_CHIPS = 4


@dataclass
class Cards:
    """The cards of the best candidates: one scale of logits for all.

    Attributes:
        canvas: Where to draw.
        image: (H, W, 3) uint8 RGB.
        proposals: Those of the image.
        selection: The answer.
        shown: The candidates that get a card, at least one.
    """

    canvas: Canvas
    image: RgbImage
    proposals: Proposals
    selection: Selection
    shown: Sequence[Candidate]

    def __post_init__(self) -> None:
        explanation = self.selection.explanation
        self.explanation = explanation if explanation and explanation.terms else None
        self.conditions = (
            list(explanation.weighing.keyed())[:_MOST_CHIPS]
            if explanation and explanation.weighing.shares
            else []
        )
        values = [0.0]
        for item in self.shown:
            values += [value for value in item.terms.values() if np.isfinite(value)]
            values += [self.explanation.total[item.index]] if self.explanation else []
        self.bounds = min(values), max(values)

    @property
    def height(self) -> int:
        """Height of a card in pixels."""
        bars = len(self.shown[0].terms) + (3 if self.explanation else 1)
        inner = max(_THUMB, bars * _ROW)
        chips = -(-len(self.conditions) // 2) * (chip_height() + 6)
        return 44 + inner + chips + (10 if chips else 8)

    def legend(self, x: int, y: int, width: int) -> int:
        """Draws what the cards show, in a line; gives y below it."""
        words = "left the crop as CLIP sees it, right where it lies"
        if self.explanation is not None:
            words += f" · logits beside “{clean(self.explanation.compared, 80)}”: total = "
            words += formula(self.explanation)
            if any(term.weight not in (0, 1) for term in self.explanation.terms):
                words += ", pale before weighting, full after"
            if not self.explanation.weighing.matched:
                words += " · not used: the sentence says nothing of looks"
        self.canvas.text((x, y), words, _SMALL, QUIET, width)
        return y + step(_SMALL) + 4

    def draw(self, item: Candidate, crop: RgbImage, x: int, y: int, width: int) -> None:
        """Draws the card of a candidate with its upper left corner at x, y."""
        canvas, chosen = self.canvas, item.index in self.selection.indices
        colour = colour_of(self.selection, item.index)
        edge = colour if chosen else None
        canvas.box((x, y, x + width, y + self.height), CARD, edge)
        draw_tag(canvas.draw, (x + 12, y + 11), str(item.index + 1), _TEXT, colour)
        note = remark(self.selection, item) or self._standing(item)
        ink = colour if chosen else QUIET
        caption = canvas.text(
            (x + 48, y + 11), clean(item.caption, 80), _TEXT, INK if item.eligible else QUIET, 250
        )
        canvas.text((caption + 14, y + 12), note, _SMALL, ink, x + width - 12 - caption - 14)
        top = y + 38
        for place, picture in enumerate((crop, self._outlined(item, colour))):
            thumb = fitted_square(picture, _THUMB)
            left = x + 12 + place * (_THUMB + 8)
            canvas.paste(thumb, (left, top))
        self._bars(item, x + 12 + 2 * (_THUMB + 8) + 8, top, x + width - 12)
        self._chips(item, x + 12, y, width - 24)

    def _standing(self, item: Candidate) -> str:
        if item.index in self.selection.indices:
            return "chosen" if self.selection.status is Status.SELECTED else "best guess"
        best = [other.score for other in self.shown if other.index in self.selection.indices]
        if not best:
            refused = item is self.shown[0] and item.eligible
            return "the best, and refused" if refused else ""
        return f"behind by {number(max(0.0, min(best) - item.score))}"

    def _outlined(self, item: Candidate, colour: Colour) -> RgbImage:
        """The surroundings of a candidate with its outline."""
        mask = self.proposals.masks[item.index]
        x0, y0, x1, y1 = (int(value) for value in self.proposals.boxes[item.index])
        height, width = mask.shape
        side = min(round(1.7 * max(x1 - x0, y1 - y0)) + 8, max(height, width))
        left = min(max(0, (x0 + x1 - side) // 2), max(0, width - side))
        top = min(max(0, (y0 + y1 - side) // 2), max(0, height - side))
        window = np.s_[top : top + side, left : left + side]
        part, inside = self.image[window], mask[window].astype(np.uint8)
        scale = _THUMB / max(part.shape[:2])
        size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
        picture = resized_picture(part, size)
        draw_outline(picture, resized_picture(inside, size, nearest=True) > 0, colour)
        return picture

    def _bars(self, item: Candidate, left: int, top: int, right: int) -> None:
        explanation = self.explanation
        terms = {term.name: term for term in explanation.terms} if explanation else {}
        y = top
        for name, value in item.terms.items():
            term = terms.get(name)
            self._term(name, value, term, item.index, (left, y, right))
            y += _ROW
        if explanation is not None:
            total = explanation.total[item.index]
            self._bar("total", number(total), total, self.bounds, INK, (left, y, right))
            share = explanation.weighing.shares[item.index]
            place = (left, y + _ROW, right)
            self._bar("share", number(share, 3), share, (0.0, 1.0), QUIET, place)
            y += 2 * _ROW
        colour = colour_of(self.selection, item.index)
        place = (left, y, right)
        self._bar("score", number(item.score, 3), item.score, (0.0, 1.0), colour, place)

    def _term(
        self, name: str, value: float, term: Term | None, index: int, place: tuple[int, int, int]
    ) -> None:
        weighted = term.weighted[index] if term and term.weight != 0 else value
        label = weighted_name(term) if term else name
        figures = number(value)
        if term and term.weight not in (0, 1):
            figures = f"{figures} → {number(weighted)}"
        colour = _TERM_COLOURS.get(name, QUIET)
        self._bar(label, figures, weighted, self.bounds, colour, place, before=value)

    def _bar(
        self,
        label: str,
        figures: str,
        value: float,
        bounds: tuple[float, float],
        colour: Colour,
        place: tuple[int, int, int],
        before: float | None = None,
    ) -> None:
        left, y, right = place
        self.canvas.text((left, y - 1), label, _SMALL, QUIET, 54)
        self.canvas.right((right, y - 1), figures, _SMALL, INK)
        scale = left + 58, right - 108
        self.canvas.draw.rectangle((scale[0], y + 3, scale[1], y + 13), fill=LINE)
        if before is not None and before != value:
            area = (scale[0], y + 3, scale[1], y + 13)
            self.canvas.bar(area, before, bounds, faded(colour, 0.45))
        inset = 2 if before is not None else 0
        area = (scale[0], y + 3 + inset, scale[1], y + 13 - inset)
        self.canvas.bar(area, value, bounds, colour)
        if bounds[0] < 0 < bounds[1]:
            zero = scale[0] - bounds[0] / (bounds[1] - bounds[0]) * (scale[1] - scale[0])
            self.canvas.draw.line((zero, y + 1, zero, y + 15), fill=QUIET)

    def _chips(self, item: Candidate, left: int, top: int, width: int) -> None:
        rows = -(-len(self.conditions) // 2)
        y = top + self.height - rows * (chip_height() + 6) - 4
        across = 1 if len(self.conditions) == 1 else 2
        each = (width - (across - 1) * 8) / across
        for place, (key, condition) in enumerate(self.conditions):
            x = left + (place % across) * (each + 8)
            words, figure = f"{key} {said(condition)}", held(condition, item.index)
            height = y + place // across * (chip_height() + 6)
            self.canvas.chip((x, height), words, figure, condition.holds[item.index], each)


_TERM_COLOURS: dict[str, Colour] = {
    "V": (96, 165, 250),
    "P": (167, 139, 250),
    "N": (244, 114, 182),
}


def fitted_square(picture: RgbImage, side: int) -> RgbImage:
    """A picture in the middle of a black square."""
    scale = side / max(picture.shape[:2])
    width = max(1, round(picture.shape[1] * scale))
    height = max(1, round(picture.shape[0] * scale))
    square = np.zeros((side, side, 3), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = resized_picture(picture, (width, height))
    return square


def resized_picture(
    picture: RgbImage, size: tuple[int, int], *, nearest: bool = False
) -> RgbImage:
    """A picture of another size = (width, height) in pixels; a new array."""
    shrinks = size[0] < picture.shape[1]
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.array(cv2.resize(picture, size, interpolation=how), np.uint8)


def colour_of(selection: Selection, index: int) -> Colour:
    """The status' colour for what is chosen, else the candidate's own."""
    if index in selection.indices:
        return STATUS_COLOURS[selection.status]
    return candidate_colour(index + 1)
