# SPDX-License-Identifier: Apache-2.0
"""Procedural textures that tile without seams."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

from refseg_lab.simulation.scene import SurfaceSpec

#: Width and height of every texture in pixels.
TEXTURE_SIZE = 256


def paint(surface: SurfaceSpec) -> NDArray[np.uint8]:
    """Paints one tile of a surface.

    Returns:
        (256, 256, 3) uint8 RGB, the same for equal specs.
    """
    rng = Generator(PCG64(surface.seed))
    mix = _MAKERS[surface.pattern](rng)[..., None]
    first, second = (np.asarray(c, np.float32) for c in (surface.first, surface.second))
    grain = rng.standard_normal((TEXTURE_SIZE, TEXTURE_SIZE, 1), dtype=np.float32)
    rgb = first + (second - first) * mix.astype(np.float32)
    rgb *= 255.0 * (1.0 + np.float32(0.02) * grain)
    return np.asarray(np.clip(rgb, 0.0, 255.0), dtype=np.uint8)


def _noise(rng: Generator, x_cycles: float, y_cycles: float) -> NDArray[np.float64]:
    """Smooth noise in 0..1 with about the given number of waves across a tile."""
    size = TEXTURE_SIZE
    # A Gaussian spectrum is nothing beyond four deviations, so no chance is drawn there.
    rows, columns = (min(math.ceil(4.0 * n), size // 2 - 1) for n in (y_cycles, x_cycles))
    fy, fx = np.arange(-rows, rows + 1)[:, None], np.arange(columns + 1)[None, :]
    envelope = np.exp(-0.5 * ((fy / y_cycles) ** 2 + (fx / x_cycles) ** 2))
    real, imaginary = rng.standard_normal((2, *envelope.shape))
    spectrum = np.zeros((size, size // 2 + 1), np.complex128)
    spectrum[fy % size, fx] = (real + 1j * imaginary) * envelope
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, s=(size, size))
    return np.clip(0.5 + field / (4.0 * field.std() + 1e-12), 0.0, 1.0)


def _plain(rng: Generator) -> NDArray[np.float64]:
    return 0.35 * _noise(rng, 3, 3)


def _wood(rng: Generator) -> NDArray[np.float64]:
    rows = np.arange(TEXTURE_SIZE)[:, None] / TEXTURE_SIZE
    planks = int(rng.integers(2, 6))
    bent = rows * 26.0 + 3.0 * _noise(rng, 2, 3)
    grain = 0.5 + 0.5 * np.sin(2 * np.pi * bent)
    shade = rng.uniform(0.0, 0.5, planks)[(rows[:, 0] * planks).astype(int) % planks][:, None]
    mix = 0.35 * grain + 0.35 * _noise(rng, 4, 60) + shade
    seam = (rows * planks) % 1.0 < 0.012 * planks
    return np.clip(np.where(seam, 1.0, mix), 0.0, 1.0)


def _marble(rng: Generator) -> NDArray[np.float64]:
    veins = np.abs(_noise(rng, 4, 4) - 0.5) + 0.25 * np.abs(_noise(rng, 11, 11) - 0.5)
    return np.clip(1.0 - 7.0 * veins, 0.0, 1.0) * 0.8 + 0.2 * _noise(rng, 3, 3)


def _check(rng: Generator) -> NDArray[np.float64]:
    cells = 2 * int(rng.integers(1, 5))
    index = np.arange(TEXTURE_SIZE) * cells // TEXTURE_SIZE
    return ((index[:, None] + index[None, :]) % 2) * 0.9 + 0.1 * _noise(rng, 6, 6)


def _stripes(rng: Generator) -> NDArray[np.float64]:
    bands, share = int(rng.integers(2, 9)), float(rng.uniform(0.25, 0.6))
    phase = (np.arange(TEXTURE_SIZE) * bands / TEXTURE_SIZE) % 1.0
    lines = (phase < share).astype(np.float64)
    flat = np.broadcast_to(lines[:, None], (TEXTURE_SIZE, TEXTURE_SIZE))
    return 0.9 * (flat if rng.uniform() < 0.5 else flat.T) + 0.1 * _noise(rng, 6, 6)


def _speckle(rng: Generator) -> NDArray[np.float64]:
    waves = float(rng.uniform(20, 60))
    return np.asarray(_noise(rng, waves, waves) > float(rng.uniform(0.58, 0.7)), dtype=np.float64)


def _tiles(rng: Generator) -> NDArray[np.float64]:
    """Square tiles of slightly different shades with grout between them."""
    cells = int(rng.integers(2, 5))
    place = np.arange(TEXTURE_SIZE) * cells / TEXTURE_SIZE
    cell, inside = place.astype(int), place % 1.0
    shades = rng.uniform(0.0, 0.35, (cells, cells))
    grout = np.abs(inside - 0.5) > 0.5 - 0.012 * cells
    mix = shades[cell[:, None], cell[None, :]] + 0.15 * _noise(rng, 8, 8)
    return np.asarray(np.where(grout[:, None] | grout[None, :], 1.0, mix), dtype=np.float64)


def _cloth(rng: Generator) -> NDArray[np.float64]:
    """A plain weave: threads over and under one another, with soft folds."""
    threads = 2 * int(rng.integers(16, 28))
    place = np.arange(TEXTURE_SIZE) * threads / TEXTURE_SIZE
    cell, round_ = place.astype(int), np.sin(np.pi * (place % 1.0))
    over = (cell[:, None] + cell[None, :]) % 2 == 0
    weave = np.where(over, round_[:, None], round_[None, :])
    return np.clip(0.55 * (1.0 - weave) + 0.45 * _noise(rng, 3, 3), 0.0, 1.0)


def _gingham(rng: Generator) -> NDArray[np.float64]:
    """Bands both ways, darkest where they cross."""
    bands, share = int(rng.integers(3, 8)), float(rng.uniform(0.4, 0.6))
    phase = (np.arange(TEXTURE_SIZE) * bands / TEXTURE_SIZE) % 1.0
    lines = (phase < share).astype(np.float64)
    return 0.45 * (lines[:, None] + lines[None, :]) + 0.1 * _noise(rng, 6, 6)


def _terrazzo(rng: Generator) -> NDArray[np.float64]:
    """Chips of stone of several sizes and shades in cement."""
    mix = 0.15 * _noise(rng, 4, 4)
    for waves, shade in ((10, 0.95), (18, 0.6), (34, 0.8)):
        chips = _noise(rng, waves, waves) > float(rng.uniform(0.74, 0.8))
        mix = np.where(chips, shade, mix)
    return np.asarray(mix, dtype=np.float64)


def _places() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows and columns in 0..1, to be broadcast."""
    place = (np.arange(TEXTURE_SIZE) + 0.5) / TEXTURE_SIZE
    return place[:, None], place[None, :]


def _spots(rng: Generator) -> NDArray[np.float64]:
    """Spots in rows, or in rows that are shifted against each other."""
    cells, radius, shifted = int(rng.integers(1, 5)) * 2, rng.uniform(0.2, 0.42), rng.uniform()
    rows, columns = (cells * axis for axis in _places())
    columns = columns + 0.5 * (np.floor(rows) % 2) * (shifted < 0.5)
    far = np.hypot(rows % 1.0 - 0.5, columns % 1.0 - 0.5)
    return np.asarray(far < radius, dtype=np.float64)


def _chevron(rng: Generator) -> NDArray[np.float64]:
    bands, teeth = (int(rng.integers(2, 7)) for _ in range(2))
    rows, columns = _places()
    bent = rows * bands + rng.uniform(0.3, 1.0) * np.abs((columns * teeth) % 1.0 - 0.5) * 2
    return np.asarray(bent % 1.0 < rng.uniform(0.3, 0.6), dtype=np.float64)


def _diamonds(rng: Generator) -> NDArray[np.float64]:
    cells, size = (int(rng.integers(2, 6)) for _ in range(2)), rng.uniform(0.3, 0.5)
    rows, columns = (abs((n * axis) % 1.0 - 0.5) for n, axis in zip(cells, _places(), strict=True))
    far = rows + columns
    inner = (far < 0.5 * size) & (rng.uniform() < 0.5)
    return np.where(inner, 0.4, np.asarray(far < size, dtype=np.float64))


def _markers(rng: Generator) -> NDArray[np.float64]:
    """A board of square markers: random cells within a frame, as calibration boards have."""
    count, cells = int(rng.integers(2, 5)), int(rng.integers(4, 7))
    bits = np.zeros((count, count, cells + 4, cells + 4))
    bits[..., 1:-1, 1:-1] = 1.0
    bits[..., 2:-2, 2:-2] = rng.uniform(size=(count, count, cells, cells)) < 0.5
    board = bits.transpose(0, 2, 1, 3).reshape(count * (cells + 4), -1)
    index = np.arange(TEXTURE_SIZE) * len(board) // TEXTURE_SIZE
    return np.asarray(board[index][:, index], dtype=np.float64)


def _waves(rng: Generator) -> NDArray[np.float64]:
    bands, turns = int(rng.integers(2, 8)), int(rng.integers(1, 5))
    rows, columns = _places()
    bent = rows * bands + rng.uniform(0.15, 0.5) * np.sin(2 * np.pi * turns * columns)
    return np.asarray(bent % 1.0 < rng.uniform(0.3, 0.6), dtype=np.float64)


def _grid(rng: Generator) -> NDArray[np.float64]:
    """Thin lines both ways, as on cutting mats and squared paper."""
    cells, width = int(rng.integers(3, 13)), rng.uniform(0.04, 0.14)
    rows, columns = ((cells * axis) % 1.0 < width for axis in _places())
    return np.asarray(rows | columns, dtype=np.float64)


def _blotches(rng: Generator) -> NDArray[np.float64]:
    """Large smooth patches in steps of shade."""
    waves, steps = float(rng.uniform(2, 9)), int(rng.integers(2, 5))
    return np.floor(_noise(rng, waves, waves) * steps * 0.999) / max(1, steps - 1)


_MAKERS = {
    "plain": _plain,
    "wood": _wood,
    "marble": _marble,
    "check": _check,
    "stripes": _stripes,
    "speckle": _speckle,
    "tiles": _tiles,
    "cloth": _cloth,
    "gingham": _gingham,
    "terrazzo": _terrazzo,
    "spots": _spots,
    "chevron": _chevron,
    "diamonds": _diamonds,
    "markers": _markers,
    "waves": _waves,
    "grid": _grid,
    "blotches": _blotches,
}
