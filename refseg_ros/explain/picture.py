# SPDX-License-Identifier: Apache-2.0
"""An explanation as one picture: the frame, how the sentence was read, and the best candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from refseg_ros.errors import ImageError
from refseg_ros.explain.canvas import (
    CARD,
    FAIR,
    GOOD,
    INK,
    LINE,
    POOR,
    QUIET,
    Canvas,
    Colour,
    RgbImage,
    chip_height,
    faded,
    step,
)
from refseg_ros.explain.explanation import Condition, Explanation, Landmark, Term
from refseg_ros.explain.wording import (
    check_words,
    clean,
    formula,
    held,
    number,
    read_lines,
    remark,
    said,
    taken_for,
    weighted_name,
)
from refseg_ros.matching.crops import region_images
from refseg_ros.results import Candidate, Proposals, Selection
from refseg_ros.viewer.overlay import (
    STATUS_COLOURS,
    candidate_colour,
    draw_outline,
    draw_tag,
    inner_point,
)

See = Callable[[RgbImage, Proposals], Iterable[RgbImage]]

WIDTH = 1280
_MARGIN, _GAP = 24, 14
_FRAME = 720, 540  # pixels that the frame may fill
_THUMB = 118
_TEXT, _SMALL = 16, 14
_ROW = 19  # from bar to bar
_MOST_CHIPS = 4
_GREY: Colour = (148, 163, 184)


def draw_explanation(
    image: RgbImage,
    proposals: Proposals,
    selection: Selection,
    *,
    most: int = 6,
    see: See = region_images,
) -> RgbImage:
    """Draws how an answer came about.

    On top the whole frame with numbered outlines, beside it how the sentence was read, what was
    taken for landmarks, and the thresholds. Below a card for each of the best candidates: the crop
    that CLIP saw, the outline in the image, each term before (pale) and after (full) weighting,
    shares, and how far each thing that was said holds.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        proposals: Those of the image, whose rows the candidates name.
        selection: The answer.
        most: Candidates with a card, best first.
        see: Makes the crops that the network was shown, (h, w, 3) uint8 each.

    Returns:
        (h, 1280, 3) uint8 RGB.

    Raises:
        ImageError: The image is not (H, W, 3) uint8, or the masks are of another size.
        ValueError: ``most`` is below 1, or a candidate is not among the proposals.
    """
    _check(image, proposals, selection, most)
    shown = selection.candidates[:most]
    # Drawn twice: first to see how high it gets.
    height = _draw(Canvas(WIDTH, 1), image, proposals, selection, shown, see)
    canvas = Canvas(WIDTH, height)
    _draw(canvas, image, proposals, selection, shown, see)
    return canvas.array()


def _check(image: RgbImage, proposals: Proposals, selection: Selection, most: int) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ImageError(f"image: expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    if proposals.masks.shape[1:] != image.shape[:2]:
        raise ImageError(
            f"proposals: masks of {proposals.masks.shape[1:]} do not fit an image of "
            f"{image.shape[:2]}"
        )
    if most < 1:
        raise ValueError(f"most: expected at least 1 candidate, got {most}")
    highest = max((item.index for item in selection.candidates), default=-1)
    if highest >= len(proposals):
        raise ValueError(
            f"selection: candidate {highest + 1} is not among {len(proposals)} proposals"
        )


def _draw(
    canvas: Canvas,
    image: RgbImage,
    proposals: Proposals,
    selection: Selection,
    shown: Sequence[Candidate],
    see: See,
) -> int:
    """Draws everything; gives the height that it takes."""
    y = _header(canvas, selection)
    frame = _frame(image, proposals, selection, shown)
    canvas.paste(frame, (_MARGIN, y))
    left = _MARGIN + frame.shape[1] + 24
    bottom = max(y + frame.shape[0], _panel(canvas, selection, left, y)) + _GAP
    if not shown:
        return bottom + _MARGIN - _GAP
    crops = list(see(image, proposals.keep([item.index for item in shown])))
    cards = _Cards(canvas, image, proposals, selection, shown)
    bottom = cards.legend(bottom)
    width = (WIDTH - 2 * _MARGIN - _GAP) // 2
    for place, (item, crop) in enumerate(zip(shown, crops, strict=True)):
        x = _MARGIN + (place % 2) * (width + _GAP)
        cards.draw(item, crop, x, bottom + place // 2 * (cards.height + _GAP), width)
    bottom += -(-len(shown) // 2) * (cards.height + _GAP)
    more = len(selection.candidates) - len(shown)
    if more:
        words = f"and {more} more, none above them"
        canvas.text((_MARGIN, bottom - 4), words, _SMALL, QUIET)
        bottom += step(_SMALL)
    return bottom + _MARGIN - _GAP


def _header(canvas: Canvas, selection: Selection) -> int:
    """What was asked, and the verdict."""
    colour = STATUS_COLOURS[selection.status]
    room = WIDTH - 2 * _MARGIN
    asked = clean(selection.expression)
    words = f"“{asked}”" if asked else "(no expression)"
    canvas.text((_MARGIN, 16), words, 28, INK, room)
    name = selection.status.name.replace("_", " ").capitalize()
    figures = ""
    if selection.status.has_target:
        figures = f" · score {number(selection.score)} · margin {number(selection.margin)}"
    canvas.text((_MARGIN, 56), name + figures, 20, colour, room)
    y = canvas.paragraph((_MARGIN, 84), clean(selection.reason, 600), _TEXT, QUIET, room, 3)
    for warning in selection.warnings[:3]:
        y = canvas.paragraph((_MARGIN, y), f"warning: {clean(warning)}", _TEXT, FAIR, room, 1)
    return round(y) + 12


def _frame(
    image: RgbImage, proposals: Proposals, selection: Selection, shown: Sequence[Candidate]
) -> RgbImage:
    """The whole image with the outlines of all candidates, those that are spoken of numbered."""
    scale = min(_FRAME[0] / image.shape[1], _FRAME[1] / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    picture = _resized(image, size)
    spoken = {item.index for item in shown} | set(selection.indices)
    if selection.explanation is not None:
        spoken |= set(_landmarks(selection.explanation.weighing.conditions))
    anchors = {}
    order = [item.index for item in reversed(selection.candidates)]
    chosen = [index for index in order if index in selection.indices]
    for index in [index for index in order if index not in chosen] + chosen:
        mask = _resized(proposals.masks[index].astype(np.uint8), size, nearest=True) > 0
        if not mask.any():
            continue
        if index in chosen:
            picture[mask] = picture[mask] * 0.75 + np.array(_colour(selection, index)) * 0.25
        draw_outline(picture, mask, _colour(selection, index) if index in spoken else _GREY)
        if index in spoken:
            anchors[index] = inner_point(mask)
    canvas = Canvas(*size)
    canvas.paste(picture, (0, 0))
    for index, (x, y) in anchors.items():
        place = x - 5 - 5 * len(str(index + 1)), y - 10
        draw_tag(canvas.draw, place, str(index + 1), 17, _colour(selection, index))
    return canvas.array()


def _resized(picture: RgbImage, size: tuple[int, int], *, nearest: bool = False) -> RgbImage:
    shrinks = size[0] < picture.shape[1]
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.array(cv2.resize(picture, size, interpolation=how), np.uint8)


def _colour(selection: Selection, index: int) -> Colour:
    """The status' colour for what is chosen, else the candidate's own."""
    if index in selection.indices:
        return STATUS_COLOURS[selection.status]
    return candidate_colour(index + 1)


def _landmarks(conditions: Iterable[Condition]) -> Iterator[int]:
    """Rows of the candidates that were taken for landmarks, at any depth."""
    for condition in conditions:
        for landmark in condition.landmarks:
            yield from landmark.chosen
            yield from _landmarks(landmark.conditions)


def _panel(canvas: Canvas, selection: Selection, left: int, top: int) -> int:
    """How the sentence was read, what was taken for landmarks, and the thresholds."""
    explanation = selection.explanation
    if explanation is None:
        return top
    width, y = WIDTH - _MARGIN - left, float(top)
    rows = [(label, words, INK) for label, words in read_lines(explanation) if label != "meant"]
    captions = {item.index: item.caption for item in selection.candidates}
    for key, condition in explanation.weighing.keyed():
        rows += [(key, words, INK) for words in _taken(condition.landmarks, captions)]
    if explanation.distractors:
        phrases = ", ".join(clean(item, 60) for item in explanation.distractors)
        rows.append(("N is of", clean(phrases), QUIET))
    y = _title(canvas, "How it was read", left, y)
    for label, words, colour in rows[:18]:
        canvas.text((left, y), label, _TEXT, QUIET, 100)
        y = canvas.paragraph((left + 108, y), words, _TEXT, colour, width - 108, 3)
    if explanation.checks or explanation.objections:
        y = _title(canvas, "Decision", left, y + 10)
    for check in explanation.checks:
        asks, numbers, says = check_words(check)
        colour = {"yes": GOOD, "no": POOR}.get(says, QUIET)
        canvas.draw.ellipse((left, y + 5, left + 10, y + 15), fill=colour)
        canvas.text((left + 18, y), asks, _TEXT, INK, 160)
        tail = numbers if says in ("yes", "no") else f"{numbers} · {says}"
        canvas.text((left + 186, y), tail, _TEXT, QUIET, width - 186)
        y += step(_TEXT)
    for objection in explanation.objections[:4]:
        words = clean(objection)
        y = canvas.paragraph((left, y + 4), f"against: {words}", _TEXT, FAIR, width, 3)
    return round(y)


def _taken(landmarks: Sequence[Landmark], captions: dict[int, str]) -> Iterator[str]:
    return (clean(taken_for(item, captions)) for item in landmarks)


def _title(canvas: Canvas, words: str, left: float, y: float) -> float:
    canvas.text((left, y), words, 18, INK)
    return y + step(18) + 4


@dataclass
class _Cards:
    """The cards of the best candidates: one scale of logits for all."""

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
        """Of a card in pixels."""
        bars = len(self.shown[0].terms) + (3 if self.explanation else 1)
        inner = max(_THUMB, bars * _ROW)
        chips = -(-len(self.conditions) // 2) * (chip_height() + 6)
        return 44 + inner + chips + (10 if chips else 8)

    def legend(self, y: int) -> int:
        """What the cards show, in a line."""
        if self.explanation is None:
            return y
        words = f"logits: total = {formula(self.explanation)}, "
        words += f"beside “{clean(self.explanation.compared, 80)}”; "
        words += "pale: before weighting, full: after"
        if not self.explanation.weighing.matched:
            words = "nothing is said of looks: shares are the masks' quality, not the total"
        self.canvas.text((_MARGIN, y), words, _SMALL, QUIET, WIDTH - 2 * _MARGIN)
        return y + step(_SMALL) + 4

    def draw(self, item: Candidate, crop: RgbImage, x: int, y: int, width: int) -> None:
        """Draws the card of a candidate with its upper left corner at x, y."""
        canvas, chosen = self.canvas, item.index in self.selection.indices
        colour = _colour(self.selection, item.index)
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
            thumb = _fitted(picture, _THUMB)
            left = x + 12 + place * (_THUMB + 8)
            canvas.paste(thumb, (left, top))
        self._bars(item, x + 12 + 2 * (_THUMB + 8) + 8, top, x + width - 12)
        self._chips(item, x + 12, y, width - 24)

    def _standing(self, item: Candidate) -> str:
        if item.index in self.selection.indices:
            return "chosen"
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
        picture = _resized(part, size)
        draw_outline(picture, _resized(inside, size, nearest=True) > 0, colour)
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
        colour = _colour(self.selection, item.index)
        place = (left, y, right)
        self._bar("score", number(item.score, 3), item.score, (0.0, 1.0), colour, place)

    def _term(
        self, name: str, value: float, term: Term | None, index: int, place: tuple[int, int, int]
    ) -> None:
        weighted = term.weighted[index] if term else value
        label = weighted_name(term) if term else name
        figures = number(value)
        if term and term.weight != 1:
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
        if before is not None:
            area = (scale[0], y + 3, scale[1], y + 13)
            self.canvas.bar(area, before, bounds, faded(colour, 0.45))
        inset = 2 if before is not None else 0
        area = (scale[0], y + 3 + inset, scale[1], y + 13 - inset)
        self.canvas.bar(area, value, bounds, colour)

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


def _fitted(picture: RgbImage, side: int) -> RgbImage:
    """A picture in the middle of a black square."""
    scale = side / max(picture.shape[:2])
    width = max(1, round(picture.shape[1] * scale))
    height = max(1, round(picture.shape[0] * scale))
    square = np.zeros((side, side, 3), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = _resized(picture, (width, height))
    return square
