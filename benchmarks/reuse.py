# SPDX-License-Identifier: Apache-2.0
"""What could be kept of a scene when the next picture shows nearly the same.

Each bundled picture is observed twice, with other noise of a camera the second time; nothing else
changed. Counted is what is exactly as before: masks, crops (mask and pixels), captions, answers.
What is not bit for bit the same could only be kept by a threshold, and the second half says what
such a threshold would have to tell apart: a thing is painted in another colour, and the largest
change of a cell of 20 by 20 pixels is given, beside that by noise alone.

Run: ``python benchmarks/reuse.py [--pictures 20] [--noise 2]``
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from refseg_lab.evaluation.tabletop_source import TabletopSource
from refseg_lab.evaluation.timing import machine
from refseg_ros import Segmenter
from refseg_ros.scene import Scene

Image = NDArray[np.uint8]
_CELL = 20


def noisy(image: Image, deviation: float, rng: np.random.Generator) -> Image:
    """The picture with noise of a deviation in grey levels."""
    noise = rng.normal(0, deviation, image.shape)
    return np.clip(np.round(image + noise), 0, 255).astype(np.uint8)


def repainted(image: Image, scene: Scene) -> Image:
    """The picture with its smallest candidate's red and blue swapped."""
    painted = image.copy()
    mask = scene.proposals.masks[int(np.argmin(scene.proposals.areas))]
    painted[mask] = painted[mask][:, ::-1]
    return painted


def change(before: Image, after: Image) -> float:
    """Largest change of the mean colour of a cell, in grey levels."""
    apart = before.astype(np.float64) - after
    height, width = (side // _CELL * _CELL for side in apart.shape[:2])
    cells = apart[:height, :width].reshape(height // _CELL, _CELL, width // _CELL, _CELL, 3)
    return float(np.abs(cells.mean((1, 3))).max())


def main(arguments: list[str] | None = None) -> None:
    """The command ``python benchmarks/reuse.py``."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--pictures", type=int, default=20)
    made.add_argument("--noise", type=float, default=2.0, help="deviation in grey levels")
    options = made.parse_args(arguments)
    segmenter, rng = Segmenter.from_preset("tabletop", "cpu"), np.random.default_rng(0)
    counts = dict.fromkeys(("candidates", "masks", "crops", "captions", "answers", "same"), 0)
    by_noise, by_paint, shares = [], [], []
    for sample in TabletopSource(scenes=options.pictures).open():
        first, second = (noisy(sample.image, options.noise, rng) for _ in range(2))
        before, after = segmenter.observe(first), segmenter.observe(second)
        later = {mask.tobytes(): row for row, mask in enumerate(after.proposals.masks)}
        for row, mask in enumerate(before.proposals.masks):
            counts["candidates"] += 1
            if mask.tobytes() not in later:
                continue
            counts["masks"] += 1
            counts["crops"] += np.array_equal(first[mask], second[mask])
            counts["captions"] += before.captions[row] == after.captions[later[mask.tobytes()]]
        for question in sample.questions:
            one, other = (scene.select(question.expression) for scene in (before, after))
            counts["answers"] += 1
            fits = (one.mask & other.mask).sum() > 0.5 * (one.mask | other.mask).sum()
            counts["same"] += one.status is other.status and (fits or not one.mask.any())
        by_noise.append(change(first, second))
        by_paint.append(change(first, repainted(first, before)))
        seconds = before.seconds
        shares.append(1 - seconds["proposals"] / seconds["total"])
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{counts['candidates']} candidates: {counts['masks']} masks the same to the pixel, "
        f"{counts['crops']} crops too; of those masks {counts['captions']} are described alike"
    )
    console.print(f"{counts['same']} of {counts['answers']} answers are the same")
    console.print(
        f"largest change of a cell in grey levels: noise {min(by_noise):.1f} to "
        f"{max(by_noise):.1f}; the smallest thing in another colour {min(by_paint):.1f} to "
        f"{max(by_paint):.1f}"
    )
    console.print(
        f"crops, captions and texts are {statistics.median(shares):.0%} of observing (median); "
        f"{machine()}"
    )


if __name__ == "__main__":
    main()
