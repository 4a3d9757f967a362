# SPDX-License-Identifier: Apache-2.0
"""Writes which pictures the bundled proposal network knows: `familiar.safetensors` beside it.

Prints how bright those pictures are, too, which is what `levels` of the preset is set to.

The covariance of the encoder's mean features is shrunk towards its diagonal, as a few hundred
pictures tell little of small correlations. The limit lies above what pictures of another split
reach, so that no photograph is needed to choose it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from refseg_lab.simulation.benchmark import TabletopSplit, make_split, open_split
from refseg_lab.training.common import command
from refseg_lab.training.export import BUNDLED, write_checksums
from refseg_ros import Segmenter
from refseg_ros.config.levels import LevelsConfig
from refseg_ros.levels import levels
from refseg_ros.proposals.familiarity import FAMILIAR
from refseg_ros.proposals.seeds import SeedProposer

PICTURES = {"train": 300, "val": 60}
"""Scenes of each split: those that are known, and those by which the limit is chosen."""
SHRUNK = 0.3
"""Share of the diagonal in the covariance."""
DARKER = 0.8
"""Limit of darkness, as a share of the darkest picture's: what was learnt from stays as it is."""
ABOVE = 1.2
"""The limit, as a multiple of the distance that 1 % of the other split's pictures exceed."""


def mean_features(proposer: SeedProposer, split: TabletopSplit) -> NDArray[np.float64]:
    """(N, C) mean features of the pictures of a split."""
    return np.array([proposer.mean_feature(scene.frame.rgb) for scene in split], np.float64)


def usual_levels(pictures: Iterable[NDArray[np.uint8]]) -> LevelsConfig:
    """Limits well beyond the darkest of the pictures and at the haziest, and their medians."""
    dark, bright = np.array([levels(picture) for picture in pictures]).T
    return LevelsConfig(
        least_bright=round(DARKER * float(bright.min()), 2),
        bright=round(float(np.median(bright)), 2),
        most_dark=round(float(dark.max()), 2),
        dark=round(float(np.median(dark)), 2),
    )


def fitted_familiarity(
    known: NDArray[np.float64], other: NDArray[np.float64]
) -> dict[str, torch.Tensor]:
    """Mean, inverse covariance and limit.

    Args:
        known: (N, C) features of pictures like those of the training.
        other: (M, C) features of further ones, by which the limit is chosen.

    Returns:
        The tensors of :class:`refseg_ros.proposals.familiarity.Familiarity`, float32.
    """
    mean, covariance = known.mean(0), np.cov(known.T)
    precision = np.linalg.inv((1 - SHRUNK) * covariance + SHRUNK * np.diag(np.diag(covariance)))
    apart = other - mean
    distances = np.einsum("ij,jk,ik->i", apart, precision, apart)
    values = {"mean": mean, "precision": precision, "limit": ABOVE * np.quantile(distances, 0.99)}
    return {
        name: torch.from_numpy(np.asarray(value, np.float32)).contiguous()
        for name, value in values.items()
    }


def main(arguments: list[str] | None = None) -> None:
    """The command ``python -m refseg_lab.training.familiar``."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument(
        "--data",
        type=Path,
        default=Path("build/familiar"),
        help="folder of the splits train and val; pictures that are missing are rendered",
    )
    made.add_argument("--out", type=Path, default=BUNDLED, help="folder of the bundled models")
    options = made.parse_args(arguments)

    def run() -> None:
        proposer = Segmenter.from_preset("tabletop", "cpu").proposer
        assert isinstance(proposer, SeedProposer)
        features = []
        for name, scenes in PICTURES.items():
            make_split(name, options.data / name, scenes)
            split = open_split(options.data / name)
            features.append(mean_features(proposer, split))
            if name == "train":
                print(usual_levels(scene.frame.rgb for scene in split))
        path = options.out / "sam" / FAMILIAR
        save_file(fitted_familiarity(*features), path)
        path.chmod(0o644)  # safetensors makes files that only their owner can read
        write_checksums(options.out)

    command(run)


if __name__ == "__main__":
    main()
