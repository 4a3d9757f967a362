# SPDX-License-Identifier: Apache-2.0
"""Wider light and tone for training crops than the renderer has, and which colours survive it.

The renderer lights each scene with white lamps and shows it with a straight tone curve. Other
cameras and rooms do neither. So most crops are lit and developed anew: a ramp of light across
the crop, with a tint; exposure and white balance; saturation; gamma and a filmic shoulder; a
veil of stray light. Where that makes a colour look like another one of the ten, the colour of
the crop counts as unknown, so that the borders between colour names stay where they are. What the
white balance does to it is not counted: white stays white in a warm room.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.catalogue import COLOURS

Floats = NDArray[np.float32]

WIDE = 0.75
"""Share of the crops that the recipe lights anew; the others keep the renderer's light."""
EXPOSURE = (0.0, 0.45)
"""Mean and deviation of the logarithm of the exposure."""
BALANCE = 0.2
"""Deviation of the logarithm of the white balance, a channel."""
RAMP, TINT = 0.5, 0.35
"""Deviations of the logarithm of light from one side of a crop to the other, and of its colour."""
SATURATION = (0.55, 1.25)
"""Least and greatest factor."""
GAMMA = 0.28
"""Deviation of the logarithm of the exponent."""
VEIL = 0.05
"""Deviation of the stray light, of white."""

_LUMINANCE = np.array((0.299, 0.587, 0.114), np.float32)
_ROWS = {name: row for row, name in enumerate(COLOURS)}
_HUES = (14.0, 42.0, 68.0, 165.0, 255.0, 300.0, 345.0)
"""Where red, orange, yellow, green, blue, purple and pink end, in degrees; then red again."""
_NAMED = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "red")
_GREY, _PALE = 0.4, 0.7  # saturations below which nothing has a hue, and red is pink
_BLACK, _WHITE, _BROWN = 0.1, 0.33, 0.55  # values below which all, grey and orange are darker


def relight(
    crops: NDArray[np.uint8], rng: np.random.Generator, share: float = WIDE
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Light and develop some of the crops anew; what is purely black stays so.

    Args:
        crops: (N, s, s, 3).
        rng: Source of chance.
        share: How many of them, in [0, 1].

    Returns:
        (N, s, s, 3), and (N,) whether the middle of each would still look of the same colour if
        the light were white.
    """
    shown: NDArray[np.bool_] = np.any(crops, axis=3, keepdims=True)
    chosen = np.flatnonzero(rng.random(len(crops)) < share)
    made, kept = crops.copy(), np.ones(len(crops), np.bool_)
    if not len(chosen):
        return made, kept
    plain = crops[chosen].astype(np.float32) / np.float32(255)
    ramps = _ramps(len(chosen), crops.shape[1], rng)
    development = _Development.of_chance(len(chosen), rng)
    lit = np.clip(np.rint(development.of(plain * ramps) * 255), 1, 255) * shown[chosen]
    made[chosen] = lit.astype(np.uint8)
    middles = _middle(plain)
    after = development.in_white_light().of(middles[:, None, None])[:, 0, 0]
    kept[chosen] = looks_like(middles) == looks_like(after)
    return made, kept


def looks_like(colours: Floats) -> NDArray[np.int64]:
    """Which of the ten colours each looks like by itself: (N, 3) in 0 to 1 to (N,) rows."""
    hue, saturation, value = cv2.split(cv2.cvtColor(colours[None], cv2.COLOR_RGB2HSV))
    named = np.array([_ROWS[name] for name in _NAMED])[np.searchsorted(_HUES, hue[0], "right")]
    orange, red = named == _ROWS["orange"], named == _ROWS["red"]
    pale = red & (saturation[0] < _PALE) & (value[0] > _BROWN)
    named = np.where(orange & (value[0] < _BROWN), _ROWS["brown"], named)
    named = np.where(pale, _ROWS["pink"], named)
    grey = np.where(value[0] < _WHITE, _ROWS["black"], _ROWS["white"])
    named = np.where(saturation[0] < _GREY, grey, named)
    return np.asarray(np.where(value[0] < _BLACK, _ROWS["black"], named))


def filmic(light: Floats) -> Floats:
    """A film's curve: dark and bright are compressed (Narkowicz's fit of ACES)."""
    curve = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    return np.asarray(np.clip(curve, 0, 1), np.float32)


def _middle(crops: Floats) -> Floats:
    """(N, 3) mean colour of the middle of each crop, without what is black: mostly the thing."""
    quarter = crops.shape[1] // 4
    inner = crops[:, quarter : 3 * quarter, quarter : 3 * quarter]
    counted = inner.any(3, keepdims=True)
    return np.asarray(inner.sum((1, 2)) / np.maximum(1, counted.sum((1, 2))), np.float32)


def _ramps(count: int, side: int, rng: np.random.Generator) -> Floats:
    """(N, s, s, 3) light that grows towards a side of the crop, and changes its colour."""
    along = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    turns = rng.uniform(0, 2 * np.pi, (count, 1, 1)).astype(np.float32)
    place = np.cos(turns) * along[None, :, None] + np.sin(turns) * along[None, None, :]
    tinted = rng.random((count, 1)) < 0.6
    slopes = rng.normal(0, RAMP, (count, 1)) + tinted * rng.normal(0, TINT, (count, 3))
    return np.exp(place[..., None] * slopes[:, None, None].astype(np.float32))


class _Development(NamedTuple):
    """What light, camera and film make of N crops; each (N, 1, 1, 1) or (N, 1, 1, 3) float32."""

    exposure: Floats
    balance: Floats
    saturation: Floats
    film: Floats
    gamma: Floats
    veil: Floats

    @classmethod
    def of_chance(cls, count: int, rng: np.random.Generator) -> _Development:
        film = rng.uniform(0, 1, count) * (rng.random(count) < 0.6)
        veil = np.abs(rng.normal(0, VEIL, (count, 1))) * rng.uniform(0.8, 1.2, (count, 3))
        drawn = (
            np.exp(rng.normal(*EXPOSURE, count)),
            np.exp(rng.normal(0, BALANCE, (count, 3))),
            rng.uniform(*SATURATION, count),
            film,
            np.exp(rng.normal(0, GAMMA, count)),
            veil,
        )
        return cls(*(item.reshape(count, 1, 1, -1).astype(np.float32) for item in drawn))

    def in_white_light(self) -> _Development:
        """The same without a cast."""
        grey = (self.balance @ _LUMINANCE)[..., None]
        return self._replace(balance=grey, veil=self.veil.mean(3, keepdims=True))

    def of(self, light: Floats) -> Floats:
        """(N, h, w, 3) light to the picture's values, in 0 to 1."""
        light = light * (self.exposure * self.balance)
        grey = (light @ _LUMINANCE)[..., None]
        light = np.maximum(grey + (light - grey) * self.saturation, 0)
        light = (1 - self.film) * np.clip(light, 0, 1) + self.film * filmic(light)
        light = light**self.gamma
        return np.asarray(self.veil + (1 - self.veil) * light, np.float32)
