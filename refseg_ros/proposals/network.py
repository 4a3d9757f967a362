# SPDX-License-Identifier: Apache-2.0
"""What a network must do to find masks: look at an image once, and answer points with masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

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


class BoxPrompted(ProposalNetwork, Protocol):
    """One that answers boxes too."""

    def decode_boxes(self, encoded: Encoded, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Answer boxes, each by itself.

        Args:
            encoded: The image.
            boxes: (N, 4) float32 x0, y0, x1, y1 in pixels of the network's input.

        Returns:
            (N, h, w) float32 logits over the whole input, and (N,) float32 predicted IoUs.
        """


class PhraseNetwork(Protocol):
    """A network that is prompted with noun phrases."""

    def check_phrases(self, phrases: Sequence[str]) -> None:
        """Refuse phrases that cannot be read to the end.

        Raises:
            ConfigError: One is too long.
        """

    def see(self, image: NDArray[np.uint8]) -> Any:
        """Look at an (H, W, 3) uint8 RGB image of any size, once for all phrases."""


class ConceptNetwork(PhraseNetwork, Protocol):
    """One that draws masks of what phrases name."""

    def concept_masks(
        self, seen: Any, phrases: Sequence[str], thresh: float
    ) -> tuple[Proposals, ...]:
        """Instances of what phrases name.

        Args:
            seen: What :meth:`see` made of an image.
            phrases: Such as "mug" or "red book".
            thresh: Instances of a higher score than this are told.

        Returns:
            For each phrase its instances, ``quality`` being their scores in [0, 1], and
            ``asked`` how surely the image shows it; none is fine.
        """


class BoxNetwork(PhraseNetwork, Protocol):
    """One that finds boxes and draws no masks."""

    def concept_boxes(
        self, seen: Any, phrases: Sequence[str], thresh: float
    ) -> tuple[tuple[FloatArray, FloatArray], ...]:
        """Boxes of what phrases name.

        Args:
            seen: What :meth:`see` made of an image.
            phrases: Such as "mug" or "red book".
            thresh: Boxes of a higher score than this are told.

        Returns:
            For each phrase its boxes, the best first: (N, 4) float32 x0, y0, x1, y1 in pixels, not
            cut to the image, and (N,) float32 scores in [0, 1]; none is fine.
        """
