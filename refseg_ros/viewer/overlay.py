# SPDX-License-Identifier: Apache-2.0
"""The picture of an answer: the mask over the image, its box, and a plate that says why."""

from __future__ import annotations

import colorsys
import math

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from refseg_ros.errors import ImageError
from refseg_ros.results import Candidate, Selection, Status
from refseg_ros.viewer.text import draw_text, printable, shorten, text_width, wrap

RgbImage = NDArray[np.uint8]
Colour = tuple[int, int, int]

STATUS_COLOURS: dict[Status, Colour] = {
    Status.IDLE: (148, 163, 184),
    Status.SELECTED: (45, 212, 160),
    Status.AMBIGUOUS: (251, 176, 40),
    Status.NOT_FOUND: (248, 113, 113),
    Status.LOST: (248, 113, 113),
    Status.ERROR: (248, 113, 113),
}
"""RGB of each status, on pictures and on the page."""

_DIM = 0.66  # brightness of what is not meant
_TINT = 0.16  # share of the status colour inside the mask
_SMALLEST_WITH_TEXT = 96  # pixels; below it text would cover the image
_WHITE: Colour = (255, 255, 255)
_SOFT: Colour = (203, 213, 225)
PLATE: Colour = (15, 23, 42)


def draw_overlay(
    image: RgbImage,
    selection: Selection,
    *,
    show_candidates: bool = False,
    labelled: bool = True,
) -> RgbImage:
    """Draws an answer over its image.

    The chosen mask is tinted and outlined, the rest a little dimmed; a plate holds expression,
    status, score and margin, or the reason where there is no target.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        selection: The answer; its mask is (H, W).
        show_candidates: Also draw the numbered boxes of the other candidates.
        labelled: Draw the plate; without it the picture suits a thumbnail.

    Returns:
        (H, W, 3) uint8 RGB, a new array.

    Raises:
        ImageError: The image is not (H, W, 3) uint8, or the mask is of another size.
    """
    _check_image(image)
    if selection.mask.shape != image.shape[:2]:
        raise ImageError(
            f"selection.mask: {selection.mask.shape} does not fit an image of "
            f"{image.shape[0]}×{image.shape[1]} pixels"
        )
    colour = STATUS_COLOURS[selection.status]
    has_mask = selection.status.has_target and bool(selection.mask.any())
    picture = _tint(image, selection.mask, colour) if has_mask else image.copy()
    if show_candidates:
        others = [c for c in selection.candidates if c.index not in selection.indices]
        _draw_boxes(picture, others)
    if has_mask:
        draw_outline(picture, selection.mask, colour)
        _draw_box(picture, selection.box, colour, max(1, _stroke(image) - 1))
    if not labelled or selection.status is Status.IDLE or _is_small(image):
        return picture
    return _draw_plate(picture, selection, selection.box if has_mask else None)


def draw_candidates(image: RgbImage, labels: NDArray[np.uint16]) -> RgbImage:
    """Draws every candidate of a label image: its outline and its number.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        labels: (H, W) integers, 0 = background, k = candidate k, as in ``~/label_image``.

    Returns:
        (H, W, 3) uint8 RGB, a new array.

    Raises:
        ImageError: The image is not (H, W, 3) uint8, or the labels are of another size.
    """
    _check_image(image)
    if labels.shape != image.shape[:2]:
        raise ImageError(f"labels: {labels.shape} does not fit an image of {image.shape[:2]}")
    picture = image.copy()
    numbers = [int(number) for number in np.unique(labels) if number]
    anchors = []
    for number in numbers:
        mask = labels == number
        colour = candidate_colour(number)
        picture[mask] = picture[mask] * 0.7 + np.array(colour) * 0.3
        draw_outline(picture, mask, colour)
        anchors.append(inner_point(mask))
    if _is_small(image):
        return picture
    return _draw_numbers(picture, numbers, anchors)


def candidate_colour(number: int) -> Colour:
    """A colour for candidate ``number``: golden-ratio hues, so neighbours differ."""
    red, green, blue = colorsys.hsv_to_rgb((number * 0.618034) % 1.0, 0.65, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def text_size(image: RgbImage) -> int:
    """Height in pixels of the text that suits an image: a 28th of its smaller side."""
    return max(11, round(min(image.shape[:2]) / 28))


def _check_image(image: RgbImage) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ImageError(f"image: expected (H, W, 3) uint8, got {image.shape} {image.dtype}")


def _is_small(image: RgbImage) -> bool:
    return min(image.shape[:2]) < _SMALLEST_WITH_TEXT


def _stroke(image: RgbImage) -> int:
    """Line width in pixels that suits an image."""
    return max(1, round(min(image.shape[:2]) / 320))


def _tint(image: RgbImage, mask: NDArray[np.bool_], colour: Colour) -> RgbImage:
    dimmed: RgbImage = cv2.convertScaleAbs(image, alpha=_DIM)  # type: ignore[assignment]
    lit = image[mask] * (1 - _TINT) + np.array(colour, np.float32) * _TINT
    dimmed[mask] = lit.astype(np.uint8)
    return dimmed


def draw_outline(picture: RgbImage, mask: NDArray[np.bool_], colour: Colour) -> None:
    """Draws a line of the colour inside a thin dark one, so that it shows on any background.

    Args:
        picture: (H, W, 3) uint8 RGB; changed.
        mask: (H, W) bool; its outlines, those of holes too.
        colour: RGB.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    width = _stroke(picture)
    cv2.drawContours(picture, contours, -1, PLATE, width + 2, cv2.LINE_AA)
    cv2.drawContours(picture, contours, -1, colour, width, cv2.LINE_AA)


def _pixel_box(picture: RgbImage, box: NDArray[np.float32]) -> tuple[int, int, int, int] | None:
    """The box's corner pixels, inside the picture; None if it is empty or not finite."""
    height, width = picture.shape[:2]
    if not np.isfinite(box).all() or box[2] <= box[0] or box[3] <= box[1]:
        return None
    x0, x1 = (int(np.clip(v, 0, width - 1)) for v in (box[0], box[2] - 1))
    y0, y1 = (int(np.clip(v, 0, height - 1)) for v in (box[1], box[3] - 1))
    return x0, y0, x1, y1


def _draw_box(picture: RgbImage, box: NDArray[np.float32], colour: Colour, thickness: int) -> None:
    corners = _pixel_box(picture, box)
    if corners is not None:
        x0, y0, x1, y1 = corners
        cv2.rectangle(picture, (x0, y0), (x1, y1), colour, thickness)


def _draw_boxes(picture: RgbImage, candidates: list[Candidate]) -> None:
    """Numbered thin boxes; grey where the position rules the candidate out."""
    size = max(10, round(text_size(picture) * 0.8))
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    for candidate in reversed(candidates):  # the best last, so on top
        corners = _pixel_box(picture, candidate.box)
        if corners is None:
            continue
        colour = _WHITE if candidate.eligible else (148, 163, 184)
        draw.rectangle(corners, outline=colour, width=1)
        if not _is_small(picture):
            draw_tag(draw, corners[:2], str(candidate.index + 1), size, colour)
    picture[:] = np.asarray(canvas)


def draw_tag(
    draw: ImageDraw.ImageDraw, corner: tuple[float, float], text: str, size: int, colour: Colour
) -> None:
    """Draws a small filled tag with dark text.

    Args:
        draw: Where to draw.
        corner: x and y in pixels of its upper left corner.
        text: One short line.
        size: Height of the text in pixels.
        colour: RGB of the tag.
    """
    x, y = corner
    width = text_width(text, size) + size * 0.7
    draw.rectangle((x, y, x + width, y + size * 1.25), fill=colour)
    draw_text(draw, (x + size * 0.35, y + size), text, size, PLATE)


def inner_point(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """The pixel deepest inside a mask: on the object even if that is hollow.

    Args:
        mask: (H, W) bool with at least one true pixel.

    Returns:
        Its x and y.
    """
    padded = np.pad(mask.astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(column), int(row)


def _draw_numbers(
    picture: RgbImage, numbers: list[int], anchors: list[tuple[int, int]]
) -> RgbImage:
    size = text_size(picture)
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    for number, (x, y) in zip(numbers, anchors, strict=True):
        text = str(number)
        half = text_width(text, size) / 2 + size * 0.35
        draw_tag(draw, (x - half, y - size * 0.6), text, size, candidate_colour(number))
    return np.array(canvas)


def _plate_lines(selection: Selection, size: int, width: float) -> list[str]:
    """The lines of the plate: what was asked, then the outcome, then the reason if it helps."""
    name = selection.status.name.replace("_", " ").capitalize()
    asked = printable(selection.expression)
    outcome = name
    if selection.status.has_target:
        outcome += f" · score {_number(selection.score)} · margin {_number(selection.margin)}"
    lines = [f"“{asked}”" if asked else "(no expression)", outcome]
    if selection.status is not Status.SELECTED:
        lines += wrap(printable(selection.reason), size, width, most=3)
    return [shorten(line, size, width) for line in lines]


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def _draw_plate(
    picture: RgbImage, selection: Selection, box: NDArray[np.float32] | None
) -> RgbImage:
    height, width = picture.shape[:2]
    size = text_size(picture)
    pad, step = size * 0.6, size * 1.3
    lines = _plate_lines(selection, size, width * 0.92 - 2 * pad)
    room = max(1, int((height * 0.6 - pad) // step))  # a low, wide image gets fewer lines
    lines = lines[:room]
    plate_width = max(text_width(line, size) for line in lines) + 2 * pad
    plate_height = len(lines) * step + pad
    left, top = _plate_corner(picture, box, plate_width, plate_height, size * 0.4)
    area = (left, top, left + plate_width, top + plate_height)

    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas, "RGBA")
    radius = size * 0.35
    colour = STATUS_COLOURS[selection.status]
    draw.rounded_rectangle(area, radius, fill=(*PLATE, 225))
    draw.rounded_rectangle((left, top, left + size * 0.25, area[3]), radius * 0.4, fill=colour)
    draw = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        ink = (_WHITE, colour, _SOFT)[min(number, 2)]
        baseline = top + pad * 0.4 + size + number * step
        draw_text(draw, (left + pad, baseline), line, size, ink)
    return np.array(canvas)


def _plate_corner(
    picture: RgbImage,
    box: NDArray[np.float32] | None,
    plate_width: float,
    plate_height: float,
    gap: float,
) -> tuple[float, float]:
    """Left and top of the plate: above the box, else below it, else the lower left corner."""
    height, width = picture.shape[:2]
    corners = None if box is None else _pixel_box(picture, box)
    lowest = height - plate_height - gap
    if corners is None:
        return gap, max(0.0, lowest)
    x0, y0, x1, y1 = corners
    left = min(max((x0 + x1 - plate_width) / 2, gap), max(gap, width - plate_width - gap))
    if y0 - gap - plate_height >= 0:
        return left, y0 - gap - plate_height
    if y1 + gap + plate_height <= height:
        return left, y1 + gap
    return gap, max(0.0, lowest)
