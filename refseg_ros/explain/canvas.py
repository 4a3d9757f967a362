# SPDX-License-Identifier: Apache-2.0
"""A dark sheet to draw an explanation on: text, chips and bars in one style."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from refseg_ros.viewer.text import draw_text, shorten, text_width, wrap

RgbImage = NDArray[np.uint8]
Colour = tuple[int, int, int]

GROUND: Colour = (11, 15, 20)
CARD: Colour = (23, 30, 38)
LINE: Colour = (41, 50, 61)
INK: Colour = (230, 235, 241)
QUIET: Colour = (147, 160, 174)
GOOD: Colour = (45, 212, 160)
FAIR: Colour = (251, 176, 40)
POOR: Colour = (248, 113, 113)


class Canvas:
    """A sheet of a fixed width and of any height; y grows downwards, in pixels."""

    def __init__(self, width: int, height: int) -> None:
        """An empty sheet."""
        self.image = Image.new("RGB", (width, height), GROUND)
        self.draw = ImageDraw.Draw(self.image)

    def text(
        self,
        place: tuple[float, float],
        words: str,
        size: int,
        colour: Colour = INK,
        width: float = math.inf,
    ) -> float:
        """Draws one line, cut to a width; ``place`` is its upper left corner.

        Returns:
            x of its right end.
        """
        line = words if math.isinf(width) else shorten(words, size, width)
        draw_text(self.draw, (place[0], place[1] + size), line, size, colour)
        return place[0] + text_width(line, size)

    def right(
        self, place: tuple[float, float], words: str, size: int, colour: Colour = INK
    ) -> None:
        """Draws one line that ends at ``place``, its upper right corner."""
        self.text((place[0] - text_width(words, size), place[1]), words, size, colour)

    def paragraph(
        self,
        place: tuple[float, float],
        words: str,
        size: int,
        colour: Colour,
        width: float,
        most: int,
    ) -> float:
        """Draws words over at most so many lines.

        Returns:
            y below the last line.
        """
        x, y = place
        for line in wrap(words, size, width, most):
            self.text((x, y), line, size, colour, width)
            y += step(size)
        return y

    def box(
        self, area: tuple[float, float, float, float], fill: Colour, edge: Colour | None = None
    ) -> None:
        """Draws a rounded box; ``area`` is x0, y0, x1, y1."""
        self.draw.rounded_rectangle(area, 6, fill=fill, outline=edge, width=2 if edge else 0)

    def bar(
        self,
        area: tuple[float, float, float, float],
        value: float,
        bounds: tuple[float, float],
        colour: Colour,
    ) -> None:
        """Draws a bar from 0 to a value; nothing for a value that is not finite.

        Args:
            area: x0, y0, x1, y1 of the whole scale.
            value: Its length, cut to ``bounds``.
            bounds: Values at the left and right end; 0 lies between them.
            colour: RGB.
        """
        low, high = bounds
        x0, y0, x1, y1 = area
        if not math.isfinite(value) or high <= low:
            return
        ends = sorted((0.0, min(max(value, low), high)))
        left, right = (x0 + (end - low) / (high - low) * (x1 - x0) for end in ends)
        self.draw.rectangle((left, y0, max(right, left + 1), y1), fill=colour)

    def chip(
        self, place: tuple[float, float], words: str, figure: str, holds: float, width: float
    ) -> None:
        """Draws a condition as a field that is filled as far as it holds."""
        size = 14
        (x, y), colour = place, grade(holds)
        height = chip_height()
        self.box((x, y, x + width, y + height), LINE)
        if holds > 0.02:
            self.box((x, y, x + max(width * min(holds, 1.0), 12), y + height), faded(colour))
        self.right((x + width - 8, y + 4), figure, size, colour)
        room = width - 24 - text_width(figure, size)
        self.text((x + 8, y + 4), words, size, INK, room)

    def paste(self, picture: RgbImage, place: tuple[int, int]) -> None:
        """Puts a picture with its upper left corner at a place."""
        self.image.paste(Image.fromarray(picture), place)

    def array(self) -> RgbImage:
        """The sheet as (H, W, 3) uint8 RGB."""
        return np.array(self.image)


def step(size: int) -> int:
    """Distance from line to line, for text of a size."""
    return round(size * 1.4)


def chip_height() -> int:
    """Height of a chip."""
    return 24


def grade(holds: float) -> Colour:
    """Green for what holds, amber for what hardly does, red for what does not."""
    return GOOD if holds >= 0.5 else FAIR if holds >= 0.1 else POOR


def faded(colour: Colour, share: float = 0.3) -> Colour:
    """A colour sunk into the ground of a card."""
    red, green, blue = (
        round(c * share + g * (1 - share)) for c, g in zip(colour, CARD, strict=True)
    )
    return red, green, blue
