# SPDX-License-Identifier: Apache-2.0
"""What centring does for refusal, on features with the spreads of published CLIPs.

Features are drawn, not measured: cosines of right pairs lie about .25 and of wrong ones about .20,
each with a deviation of .02; what a sentence has in common with all crops varies by .015, and what
a crop has in common with all texts by as much as is asked for. Half of the pictures show the thing
that is said, half do not, and the best match of a picture's candidates must tell which.

    python -m refseg_lab.evaluation.spreads
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.methods.centre import CROPS, NOUNS, Centre

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Spreads:
    """How cosines are drawn.

    Attributes:
        wrong: Mean cosine of a crop with a text of something else.
        gain: By how much that of a right pair is greater.
        noise: Deviation of a single cosine.
        text: Deviation of what a text has in common with all crops, in cosine.
        crop: Deviation of what a crop has in common with all texts.
        candidates: Crops of a picture.
    """

    wrong: float = 0.20
    gain: float = 0.05
    noise: float = 0.02
    text: float = 0.015
    crop: float = 0.0
    candidates: int = 18

    @property
    def lean(self) -> float:
        """Part of each unit feature along what all have in common."""
        return self.wrong**0.5

    @property
    def dimension(self) -> int:
        """Dimensions in which random rests of unit features have cosines of that noise."""
        return round(((1 - self.wrong) / self.noise) ** 2)

    def drawn(self, rng: np.random.Generator, count: int, offset: float) -> tuple[Array, Array]:
        """Parts along what is common (count, 1), and the rests (count, D), of unit features."""
        common = (self.lean + rng.normal(0, offset / self.lean, (count, 1))).clip(0.05, 0.95)
        rest = rng.normal(size=(count, self.dimension))
        return common, rest / np.linalg.norm(rest, axis=1, keepdims=True)


def joined(common: Array, rest: Array) -> torch.Tensor:
    """(N, 1 + D) float32 unit features."""
    return torch.from_numpy(np.hstack([common, np.sqrt(1 - common**2) * rest])).float()


def refusal_auc(present: Array, absent: Array) -> float:
    """Chance that a picture with the thing has the better match of the two."""
    ranks = np.concatenate([present, absent]).argsort().argsort()[: len(present)]
    pairs = len(present) * len(absent)
    return float((ranks.sum() - len(present) * (len(present) - 1) / 2) / pairs)


def simulate(spreads: Spreads, pictures: int = 2000, seed: int = 0) -> tuple[float, float]:
    """AUC of refusal by the best match, plain and centred.

    Args:
        spreads: How cosines are drawn.
        pictures: Pictures of either kind.
        seed: Of all draws.
    """
    rng = np.random.default_rng(seed)
    centre = Centre(
        joined(*spreads.drawn(rng, len(NOUNS), spreads.text)).mean(0),
        joined(*spreads.drawn(rng, CROPS, spreads.crop)).mean(0),
    )
    best = np.zeros((2, 2, pictures))
    for absent in (0, 1):
        for picture in range(pictures):
            lean, rests = spreads.drawn(rng, spreads.candidates, spreads.crop)
            own, rest = spreads.drawn(rng, 1, spreads.text)
            if not absent:
                rest = rest + rests[:1] * spreads.gain / (1 - spreads.wrong)
                rest /= np.linalg.norm(rest)
            regions, text = joined(lean, rests), joined(own, rest)[0]
            plain = regions @ text
            centred = plain - centre.shared(regions, text)
            best[:, absent, picture] = float(plain.max()), float(centred.max())
    return refusal_auc(*best[0]), refusal_auc(*best[1])


def main() -> None:
    """Print the figures for several spreads of the crops."""
    for crop in (0.0, 0.0075, 0.015):
        plain, centred = simulate(Spreads(crop=crop))
        print(f"crops vary by {crop:.4f}: AUC {plain:.3f} plain, {centred:.3f} centred")


if __name__ == "__main__":
    main()
