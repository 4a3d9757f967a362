# SPDX-License-Identifier: Apache-2.0
"""segment-anything's ``Sam``, with whatever encoder, as a network that answers points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from refseg_ros.backbones.frame import Encoded, Frame

if TYPE_CHECKING:
    from segment_anything.modeling import Sam


class SamNetwork:
    """See :class:`refseg_ros.proposals.network.ProposalNetwork`."""

    def __init__(self, sam: Sam) -> None:
        """Wrap a loaded network.

        Args:
            sam: In evaluation mode, on its device.
        """
        self._sam = sam

    def encode(self, image: NDArray[np.uint8]) -> Encoded:
        """Look at an image.

        Args:
            image: (H, W, 3) uint8 RGB of any size.

        Returns:
            ``embeddings`` being (1, C, h, w).
        """
        sam = self._sam
        frame = Frame((image.shape[0], image.shape[1]), sam.image_encoder.img_size, padded=True)
        pixels = frame.pixels(image).to(sam.device)
        values = frame.pad((pixels - sam.pixel_mean) / sam.pixel_std)
        return Encoded(sam.image_encoder(values).float(), frame)

    def decode(self, encoded: Encoded, points: Tensor) -> tuple[Tensor, Tensor]:
        """Answer points, each by itself.

        Args:
            encoded: The image.
            points: (N, 2) float32 x, y in pixels of the input.

        Returns:
            (N, 3, h, w) float32 logits and (N, 3) float32 predicted IoUs.
        """
        sam = self._sam
        given = points[:, None].to(sam.device)
        labels = torch.ones(given.shape[:2], dtype=torch.int64, device=given.device)
        sparse, dense = sam.prompt_encoder(points=(given, labels), boxes=None, masks=None)
        logits, quality = sam.mask_decoder(
            image_embeddings=encoded.embeddings,
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
        return logits, quality
