# SPDX-License-Identifier: Apache-2.0
"""An explanation as one picture: the frame, how the sentence was read, and the best candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_ros.errors import ImageError
from refseg_ros.explain.candidate_cards import Cards, colour_of, resized_picture
from refseg_ros.explain.canvas import FAIR, GOOD, INK, POOR, QUIET, Canvas, Colour, RgbImage, step
from refseg_ros.explain.wording import (
    best_first,
    check_words,
    clean,
    number,
    objections,
    read_lines,
    taken_for,
)
from refseg_ros.methods.crops import region_images
from refseg_ros.results import Candidate, Proposals, Selection
from refseg_ros.results.explanation import Condition
from refseg_ros.viewer.overlay import STATUS_COLOURS, draw_outline, draw_tag, inner_point

See = Callable[[RgbImage, Proposals], Iterable[RgbImage]]

WIDTH = 1280
_MARGIN, _GAP = 24, 14
_FRAME = 640, 480  # pixels that the frame may fill
_TEXT, _SMALL = 16, 14
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
    shown = best_first(selection)[:most]
    frame = _frame(image, proposals, selection, shown)
    crops = list(see(image, proposals.keep([item.index for item in shown])))

    def drawn(height: int) -> tuple[Canvas, int]:
        canvas = Canvas(WIDTH, height)
        cards = Cards(canvas, image, proposals, selection, shown)
        return canvas, _draw(canvas, selection, frame, cards, crops)

    _, height = drawn(1)  # to see how high it gets
    return drawn(height)[0].array()


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
    selection: Selection,
    frame: RgbImage,
    cards: Cards,
    crops: Sequence[RgbImage],
) -> int:
    """Draws everything; gives the height that it takes."""
    y = _header(canvas, selection)
    canvas.paste(frame, (_MARGIN, y))
    left = _MARGIN + frame.shape[1] + 24
    bottom = max(y + frame.shape[0], _panel(canvas, selection, left, y)) + _GAP
    if not cards.shown:
        return bottom + _MARGIN - _GAP
    bottom = cards.legend(_MARGIN, bottom, WIDTH - 2 * _MARGIN)
    width = (WIDTH - 2 * _MARGIN - _GAP) // 2
    for place, (item, crop) in enumerate(zip(cards.shown, crops, strict=True)):
        x = _MARGIN + (place % 2) * (width + _GAP)
        cards.draw(item, crop, x, bottom + place // 2 * (cards.height + _GAP), width)
    bottom += -(-len(crops) // 2) * (cards.height + _GAP)
    more = len(selection.candidates) - len(crops)
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
    picture = resized_picture(image, size)
    spoken = {item.index for item in shown} | set(selection.indices)
    if selection.explanation is not None:
        spoken |= set(_landmarks(selection.explanation.weighing.conditions))
    anchors = {}
    # Later ones lie on top: the spoken of on the rest, the best on the others, the chosen on all.
    ranked = [item.index for item in reversed(best_first(selection))]
    rest = [index for index in range(len(proposals)) if index not in spoken]
    chosen = [index for index in ranked if index in selection.indices]
    between = [index for index in ranked if index in spoken and index not in chosen]
    for index in (*rest, *between, *chosen):
        mask = resized_picture(proposals.masks[index].astype(np.uint8), size, nearest=True) > 0
        if not mask.any():
            continue
        if index in chosen:
            picture[mask] = picture[mask] * 0.75 + np.array(colour_of(selection, index)) * 0.25
        if index not in spoken:
            _draw_thin(picture, mask)
        else:
            draw_outline(picture, mask, colour_of(selection, index))
            anchors[index] = inner_point(mask)
    canvas = Canvas(*size)
    canvas.paste(picture, (0, 0))
    tags: list[tuple[int, int]] = []
    for index, (x, y) in reversed(anchors.items()):
        # Masks of one thing share their middle: the number of the worse goes below.
        while any(abs(x - other) < 26 and abs(y - row) < 23 for other, row in tags):
            y += 23
        tags.append((x, y))
        place = x - 5 - 5 * len(str(index + 1)), y - 10
        draw_tag(canvas.draw, place, str(index + 1), 17, colour_of(selection, index))
    return canvas.array()


def _draw_thin(picture: RgbImage, mask: NDArray[np.bool_]) -> None:
    """The outline of a candidate that nothing else is said of."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, found, -1, _GREY, 1, cv2.LINE_AA)


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
    rows = [(label, words, INK) for label, words in read_lines(explanation)]
    captions = {item.index: item.caption for item in selection.candidates}
    for item in explanation.weighing.conditions:
        taken = [taken_for(landmark, captions) for landmark in item.landmarks]
        rows += [("landmark", clean(words), INK) for words in taken]
    if explanation.weighing.rectifier:
        rows.append(("rectifier", clean(explanation.weighing.rectifier), INK))
    if explanation.distractors:
        phrases = ", ".join(clean(item, 60) for item in explanation.distractors)
        rows.append(("N is of", clean(phrases), QUIET))
    y = _title(canvas, "How it was read", left, y)
    for label, words, colour in rows[:18]:
        canvas.text((left, y), label, _TEXT, QUIET, 100)
        y = canvas.paragraph((left + 108, y), words, _TEXT, colour, width - 108, 3)
    against = objections(selection)
    if explanation.checks or against:
        y = _title(canvas, "Decision", left, y + 10)
    for check in explanation.checks:
        asks, numbers, says = check_words(check)
        colour = {"yes": GOOD, "no": POOR}.get(says, QUIET)
        canvas.draw.ellipse((left, y + 5, left + 10, y + 15), fill=colour)
        canvas.text((left + 18, y), asks, _TEXT, INK, 160)
        tail = numbers if says in ("yes", "no") else f"{numbers} · {says}"
        canvas.text((left + 186, y), tail, _TEXT, QUIET, width - 186)
        y += step(_TEXT)
    for words in against[:4]:
        y = canvas.paragraph((left, y + 4), f"against: {words}", _TEXT, FAIR, width, 3)
    return round(y)


def _title(canvas: Canvas, words: str, left: float, y: float) -> float:
    canvas.text((left, y), words, 18, INK)
    return y + step(18) + 4
