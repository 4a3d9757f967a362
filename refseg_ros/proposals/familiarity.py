# SPDX-License-Identifier: Apache-2.0
"""Whether a picture is like those that a small network was trained on.

The mean of the encoder's features over a picture, and how far it lies from the means of training
pictures (Mahalanobis, Lee et al., NeurIPS 2018). It costs nothing beside the encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from refseg_ros.errors import WeightsError

FAMILIAR: Final = "familiar.safetensors"
"""File beside a network's checkpoint."""


@dataclass(frozen=True)
class Familiarity:
    """The pictures that a network knows, as its own features have them.

    Attributes:
        mean: (C,) float32 mean feature of a training picture.
        precision: (C, C) float32 inverse covariance of those means.
        limit: Squared distance at which a picture counts as unlike all of them.
    """

    mean: Tensor
    precision: Tensor
    limit: float

    @classmethod
    def beside(cls, checkpoint: Path) -> Familiarity | None:
        """What came with a checkpoint; None if nothing did.

        Raises:
            WeightsError: The file is damaged.
        """
        path = checkpoint.with_name(FAMILIAR)
        if not path.is_file():
            return None
        try:
            tensors = load_file(path)
            return cls(tensors["mean"], tensors["precision"], float(tensors["limit"]))
        except (SafetensorError, KeyError) as error:
            raise WeightsError(f"{path} is damaged: {error}; install refseg_ros again") from error

    def strangeness(self, embedding: Tensor) -> float:
        """How far a picture lies from those of the training; above 1 it is unlike them.

        Args:
            embedding: (C, h, w) float32 features of the picture's own cells, on the CPU.
        """
        apart = embedding.flatten(1).mean(1) - self.mean
        return float(apart @ self.precision @ apart) / self.limit
