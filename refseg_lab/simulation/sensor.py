# SPDX-License-Identifier: Apache-2.0
"""What a camera does to a rendered picture: blur, exposure, noise, compression."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

from refseg_lab.simulation.scene import SensorSpec

Rgb8 = NDArray[np.uint8]

#: Width in pixels to which `SensorSpec.blur` refers.
BLUR_WIDTH = 640

# Grey levels are about the power 1/2.2 of light.
_GAMMA = 2.2
# Shot noise grows with the root of the signal; at full white it is this share of the whole noise.
_SHOT_SHARE = 0.8


def expose(rgb: Rgb8, sensor: SensorSpec) -> Rgb8:
    """Gives the picture that a sensor would deliver, before compression.

    Args:
        rgb: (H, W, 3) uint8, the ideal picture.
        sensor: what to do; equal specs give equal pictures.

    Returns:
        (H, W, 3) uint8, a new array.
    """
    levels = rgb
    if sensor.blur > 0.0:
        sigma = sensor.blur * rgb.shape[1] / BLUR_WIDTH
        levels = np.asarray(cv2.GaussianBlur(levels, (0, 0), sigma), dtype=np.uint8)
    if sensor.exposure != 0.0:
        # light -> light * 2^stops, in grey levels, where white saturates.
        gain = 2.0 ** (sensor.exposure / _GAMMA)
        table = np.clip(np.rint(np.arange(256) * gain), 0.0, 255.0).astype(np.uint8)
        levels = table[levels]
    if sensor.noise > 0.0:
        levels = _noisy(levels, sensor)
    return levels.copy() if levels is rgb else levels


def _noisy(levels: Rgb8, sensor: SensorSpec) -> Rgb8:
    """Adds read noise and, growing with the signal, shot noise."""
    generator = Generator(PCG64(sensor.seed))
    grain = generator.standard_normal(levels.shape, dtype=np.float32)
    share = np.arange(256, dtype=np.float32) / np.float32(255.0)
    # Normalised so that the middle grey has the stated deviation.
    variance = (1.0 - _SHOT_SHARE + _SHOT_SHARE * share) / (1.0 - 0.5 * _SHOT_SHARE)
    deviation = (np.float32(sensor.noise) * np.sqrt(variance)).astype(np.float32)
    grain *= deviation[levels]
    grain += levels
    np.rint(grain, out=grain)
    return np.clip(grain, 0.0, 255.0, out=grain).astype(np.uint8)


def encode_jpeg(rgb: Rgb8, quality: int) -> bytes:
    """Compresses a picture.

    Args:
        rgb: (H, W, 3) uint8.
        quality: 1..100.

    Raises:
        ValueError: if the quality is out of range.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"quality must lie in 1..100, got {quality}")
    swapped = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", swapped, [int(cv2.IMWRITE_JPEG_QUALITY), quality])
    if not done:
        raise ValueError(f"rgb of shape {rgb.shape} could not be compressed")
    return data.tobytes()


def decode_jpeg(data: bytes) -> Rgb8:
    """(H, W, 3) uint8 RGB of a compressed picture.

    Raises:
        ValueError: if the bytes are no picture.
    """
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if pixels is None:
        raise ValueError(f"{len(data)} bytes are no JPEG picture")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)
