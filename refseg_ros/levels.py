# SPDX-License-Identifier: Apache-2.0
"""Pictures as bright as those that a small network learnt from, as a camera's exposure does it.

A picture within the limits stays as it is, to the bit.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from refseg_ros.config.levels import LevelsConfig

MOST_GAIN: Final = 10.0
"""Gain beyond which there are too few grey levels left to tell anything."""
_STEP: Final = 8  # every eighth pixel each way tells the levels of a picture
_SHARES: Final = (1.0, 97.0)
_LUMINANCE: Final = np.array((0.299, 0.587, 0.114), np.float32)


def levels(image: NDArray[np.uint8]) -> tuple[float, float]:
    """How bright the dark and the bright parts of a picture are.

    Args:
        image: (H, W, 3) uint8 RGB, at least one pixel.

    Returns:
        Light below which 1 % and 97 % of it lie, in 0 to 1.
    """
    light = image[::_STEP, ::_STEP].astype(np.float32) @ _LUMINANCE / 255.0
    dark, bright = np.percentile(light, _SHARES)
    return float(dark), float(bright)


def levelled(image: NDArray[np.uint8], config: LevelsConfig) -> NDArray[np.uint8]:
    """A picture with its veil taken off and its bright parts bright, where it lacks that.

    Args:
        image: (H, W, 3) uint8 RGB, at least one pixel.
        config: Limits, and what to aim at.

    Returns:
        The picture itself where it is within the limits; else (H, W, 3) uint8.
    """
    if config.least_bright <= 0.0 and config.most_dark >= 1.0:
        return image
    dark, bright = levels(image)
    veil = max(0.0, dark - config.dark) / (1.0 - config.dark) if dark > config.most_dark else 0.0
    bright = (bright - veil) / (1.0 - veil) if veil < 1.0 else 1.0
    gain = 1.0
    if bright < config.least_bright:
        gain = min(MOST_GAIN, config.bright / max(bright, 1e-6))
    if not veil and gain == 1.0:
        return image
    light = (np.arange(256) / 255.0 - veil) * gain / max(1.0 - veil, 1e-6)
    return np.clip(np.rint(255.0 * light), 0, 255).astype(np.uint8)[image]
