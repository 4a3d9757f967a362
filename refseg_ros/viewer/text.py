# SPDX-License-Identifier: Apache-2.0
"""Text on pictures, for any script that some font of this machine can show.

OpenCV's own text has ASCII only. Pillow draws TrueType fonts, but the one that it carries stops
at ASCII too, so every character is taken from the first font of a chain that has it.
"""

from __future__ import annotations

import functools
import importlib.util
import unicodedata
from pathlib import Path

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "Arial Unicode.ttf",
)
_MISSING = "\U0010ffff"  # a noncharacter: no font has it, so its picture is "no such glyph"


def _bundled_fonts() -> list[str]:
    """Fonts inside installed packages: MuJoCo carries Atkinson Hyperlegible (OFL)."""
    found = importlib.util.find_spec("mujoco")
    if found is None or not found.submodule_search_locations:
        return []
    assets = Path(next(iter(found.submodule_search_locations))) / "studio" / "assets"
    return [str(path) for path in sorted(assets.glob("AtkinsonHyperlegibleNext*.ttf"))]


@functools.lru_cache(maxsize=16)
def font_chain(size: int) -> tuple[Font, ...]:
    """The fonts to try, best first, for text of ``size`` pixels; at least one."""
    fonts: list[Font] = []
    for name in (*_bundled_fonts(), *_SYSTEM_FONTS):
        try:
            fonts.append(ImageFont.truetype(name, size))
        except OSError:  # not on this machine; the next one may be
            continue
    return (*fonts, ImageFont.load_default(size))


@functools.lru_cache(maxsize=4096)
def _font_of(character: str, size: int) -> Font:
    """The first font of the chain that has the character, else the first font."""
    fonts = font_chain(size)
    for font in fonts:
        shape, missing = font.getmask(character), font.getmask(_MISSING)
        if shape.size != missing.size or bytes(shape) != bytes(missing):
            return font
    return fonts[0]


def _runs(text: str, size: int) -> list[tuple[str, Font]]:
    """The text cut where the font changes."""
    runs: list[tuple[str, Font]] = []
    for character in text:
        font = _font_of(character, size)
        if runs and runs[-1][1] is font:
            runs[-1] = (runs[-1][0] + character, font)
        else:
            runs.append((character, font))
    return runs


def printable(text: str) -> str:
    """The text on one line: white space made single blanks, control characters dropped."""
    composed = unicodedata.normalize("NFC", text)
    shown = (c for c in composed if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join("".join(shown).split())


def text_width(text: str, size: int) -> float:
    """Width in pixels of one line of text at ``size`` pixels."""
    return sum(font.getlength(part) for part, font in _runs(text, size))


def shorten(text: str, size: int, width: float) -> str:
    """The longest beginning of the text that fits ``width`` pixels, ``…`` where it was cut."""
    text = text[:2000]
    if text_width(text, size) <= width:
        return text
    low, high = 0, len(text)
    while low < high:  # text_width grows with the length, so halve
        middle = (low + high + 1) // 2
        if text_width(text[:middle].rstrip() + "…", size) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…"


def wrap(text: str, size: int, width: float, most: int) -> list[str]:
    """The text broken at blanks into at most ``most`` lines; the last one may be too long.

    Args:
        text: See :func:`printable`; what comes after 2000 characters is left out.
        size: Height of the font in pixels.
        width: Width of a line in pixels.
        most: Lines, at least 1.
    """
    lines = [""]
    for word in text[:2000].split():
        longer = f"{lines[-1]} {word}".strip()
        if len(lines) == most or text_width(longer, size) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return [line for line in lines if line]


def draw_text(
    draw: ImageDraw.ImageDraw,
    position: tuple[float, float],
    text: str,
    size: int,
    colour: tuple[int, int, int],
) -> None:
    """Draws one line with its baseline's left end at ``position`` = (x, y) pixels.

    Args:
        draw: Where to draw.
        position: x and y of the baseline's start in pixels.
        text: One line; see :func:`printable`.
        size: Height of the font in pixels.
        colour: RGB.
    """
    x, y = position
    for part, font in _runs(text, size):
        draw.text((x, y), part, fill=colour, font=font, anchor="ls")
        x += font.getlength(part)
