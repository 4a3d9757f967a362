# SPDX-License-Identifier: Apache-2.0
"""What a network must do to find masks: look at an image once, and answer points with masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from refseg_ros.backbones.letterbox import Encoded
from refseg_ros.results import FloatArray, Proposals


class ProposalNetwork(Protocol):
    """A network that is prompted with points; it knows nothing of language."""

    def encode(self, image: NDArray[np.uint8]) -> Encoded:
        """Look at an image.

        Args:
            image: (H, W, 3) uint8 RGB of any size.

        Returns:
            What :meth:`decode` takes as often as wanted.
        """

    def decode(
        self, encoded: Encoded, points: Tensor, least: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Answer points, each by itself.

        Args:
            encoded: The image.
            points: (N, 2) float32 x, y in pixels of the network's input, on the thing meant;
                see :meth:`refseg_ros.backbones.letterbox.Frame.points`.
            least: Masks of no higher predicted IoU are left out; 0 keeps all.

        Returns:
            (K, h, w) float32 logits over the whole input, and (K,) float32 predicted IoUs: of
            each point in turn some masks, of the part and of the whole.
        """


class ConceptNetwork(Protocol):
    """A network that is prompted with noun phrases."""

    def check_phrases(self, phrases: Sequence[str]) -> None:
        """Refuse phrases that cannot be read to the end.

        Raises:
            ConfigError: One is too long.
        """

    def concept_masks(
        self, image: NDArray[np.uint8], phrases: Sequence[str], thresh: float
    ) -> tuple[Proposals, ...]:
        """Instances of what phrases name.

        Args:
            image: (H, W, 3) uint8 RGB of any size.
            phrases: Such as "mug" or "red book".
            thresh: Instances of a higher score than this are told.

        Returns:
            For each phrase its instances, ``quality`` being their scores in [0, 1]; none is
            fine.
        """


class BoxNetwork(Protocol):
    """A network that finds boxes of noun phrases and draws no masks."""

    def check_phrases(self, phrases: Sequence[str]) -> None:
        """Refuse phrases that cannot be read to the end.

        Raises:
            ConfigError: One is too long.
        """

    def concept_boxes(
        self, image: NDArray[np.uint8], phrases: Sequence[str], thresh: float
    ) -> tuple[tuple[FloatArray, FloatArray], ...]:
        """Boxes of what phrases name, the image seen once for all of them.

        Args:
            image: (H, W, 3) uint8 RGB of any size.
            phrases: Such as "mug" or "red book".
            thresh: Boxes of a higher score than this are told.

        Returns:
            For each phrase its boxes, the best first: (N, 4) float32 x0, y0, x1, y1 in pixels, not
            cut to the image, and (N,) float32 scores in [0, 1]; none is fine.
        """
