# SPDX-License-Identifier: Apache-2.0
"""A short film of a pick: the arm from the side, and what the segmenter said in a corner."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from refseg_lab.picking.cell import TIME_STEP, PickingCell
from refseg_ros.viewer.overlay import PLATE
from refseg_ros.viewer.text import draw_text, text_width

_EVERY = 0.12  # seconds of the simulation between pictures
_SHOWN_MS = 90  # a picture, so a little faster than real
_WIDTH = 600
_INSET = 0.36  # of the width
_TEXT = 18  # pixels
_MARGIN = 8
_FIRST, _LAST = 8, 14  # how often the first and the last picture are shown
_QUALITY = 76


class PickFilm:
    """Pictures of one pick.

    Args:
        cell: What is filmed.
        command: What is asked.
    """

    def __init__(self, cell: PickingCell, command: str) -> None:
        self._cell = cell
        self.command = command
        self._pictures: list[NDArray[np.uint8]] = []
        self._inset: NDArray[np.uint8] | None = None
        self._step = 0
        self._camera = replace(
            cell.spec.camera,
            target=(-0.16, 0.0, 0.24),
            azimuth=math.radians(-62.0),
            elevation=math.radians(26.0),
            distance=1.75,
            fovy=math.radians(36.0),
            roll=0.0,
        )

    def start(self, answer: NDArray[np.uint8]) -> None:
        """Starts filming; `answer` is the picture in the corner, (H, W, 3) uint8."""
        self._inset = answer
        self._shoot()
        self._cell.after_step = self._on_step

    def stop(self) -> None:
        """Stops filming."""
        self._cell.after_step = None
        self._shoot()

    def _on_step(self) -> None:
        self._step += 1
        if self._step % round(_EVERY / TIME_STEP) == 0:
            self._shoot()

    def _shoot(self) -> None:
        self._pictures.append(self._cell.picture(self._camera))

    def frames(self) -> list[Image.Image]:
        """The pictures with the corner."""
        return [self._composed(shot) for shot in self._pictures]

    def _composed(self, shot: NDArray[np.uint8]) -> Image.Image:
        height = round(_WIDTH * shot.shape[0] / shot.shape[1])
        frame = Image.fromarray(shot).resize((_WIDTH, height), Image.Resampling.LANCZOS)
        if self._inset is not None:
            wide = round(_INSET * _WIDTH)
            tall = round(wide * self._inset.shape[0] / self._inset.shape[1])
            corner = Image.fromarray(self._inset).resize((wide, tall), Image.Resampling.LANCZOS)
            framed = Image.new("RGB", (wide + 4, tall + 4), "white")
            framed.paste(corner, (2, 2))
            frame.paste(framed, (_WIDTH - wide - 4 - _MARGIN, _MARGIN))
        draw, text = ImageDraw.Draw(frame), f"“{self.command}”"
        width = text_width(text, _TEXT)
        box = (_MARGIN, height - _TEXT - 4 * _MARGIN, width + 4 * _MARGIN, height - _MARGIN)
        draw.rounded_rectangle(box, _MARGIN, fill=PLATE)
        draw_text(draw, (2.5 * _MARGIN, box[3] - 1.5 * _MARGIN), text, _TEXT, (255, 255, 255))
        return frame

    def save(self, path: Path) -> None:
        """Writes an animated WebP that repeats."""
        frames = self.frames()
        times = [_SHOWN_MS] * len(frames)
        times[0], times[-1] = _FIRST * _SHOWN_MS, _LAST * _SHOWN_MS
        frames[0].save(
            path,
            save_all=True,
            append_images=frames[1:],
            duration=times,
            loop=0,
            quality=_QUALITY,
            method=4,
        )
