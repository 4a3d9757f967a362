# SPDX-License-Identifier: Apache-2.0
"""segment-anything's ``Sam``, with whatever encoder, as a network that answers points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from refseg_ros.backbones.conv_pyramid import ConvPyramid
from refseg_ros.backbones.letterbox import Encoded, Frame
from refseg_ros.backbones.mobile_sam import TinyVitEncoder
from refseg_ros.backbones.sam_decoding import answer_points, at_once, draw, predicted

if TYPE_CHECKING:
    from segment_anything.modeling import Sam


class SamNetwork:
    """See :class:`refseg_ros.proposals.network.ProposalNetwork`."""

    def __init__(self, sam: Sam) -> None:
        """Wrap a loaded network.

        Args:
            sam: In evaluation mode, on its device.
        """
        if isinstance(sam.image_encoder, (ConvPyramid, TinyVitEncoder)):
            # A third faster on a CPU.
            sam.image_encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
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
        values = values.to(memory_format=torch.channels_last)
        return Encoded(sam.image_encoder(values).float(), frame)

    def decode(
        self, encoded: Encoded, points: Tensor, least: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Answer points, each by itself.

        Args:
            encoded: The image.
            points: (N, 2) float32 x, y in pixels of the input.
            least: Draw only those of each point's three masks with a higher predicted IoU; 0 draws
                all.

        Returns:
            (K, h, w) float32 logits and (K,) float32 predicted IoUs.
        """
        sam, embedding = self._sam, encoded.embeddings
        given = points[:, None].to(sam.device)
        labels = torch.ones(given.shape[:2], dtype=torch.int64, device=given.device)
        prompts, _ = sam.prompt_encoder(points=(given, labels), boxes=None, masks=None)
        codes = sam.prompt_encoder.get_dense_pe()
        size = (embedding.shape[2], embedding.shape[3])
        parts = []
        for some in prompts.split(at_once(embedding)):
            answers, cells = answer_points(sam, embedding, codes, some)
            # The first mask is for clear prompts, which one point is not.
            quality = predicted(sam, answers)[:, 1:]
            wanted = quality > least if least else torch.ones_like(quality, dtype=torch.bool)
            which, chosen = torch.nonzero(wanted, as_tuple=True)
            logits = draw(sam, answers, cells, size, which, chosen + 1)
            parts.append((logits, quality[which, chosen]))
        masks, qualities = zip(*parts, strict=True)
        return torch.cat(masks), torch.cat(qualities)

    def decode_boxes(self, encoded: Encoded, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Answer boxes, each by itself; see :class:`refseg_ros.proposals.network.BoxPrompted`."""
        sam, embedding = self._sam, encoded.embeddings
        prompts, _ = sam.prompt_encoder(points=None, boxes=boxes.to(sam.device), masks=None)
        codes = sam.prompt_encoder.get_dense_pe()
        size = (embedding.shape[2], embedding.shape[3])
        parts = []
        for some in prompts.split(at_once(embedding)):
            answers, cells = answer_points(sam, embedding, codes, some)
            rows = torch.arange(len(some), device=some.device)
            # The first mask is for clear prompts.
            logits = draw(sam, answers, cells, size, rows, torch.zeros_like(rows))
            parts.append((logits, predicted(sam, answers)[:, 0]))
        masks, qualities = zip(*parts, strict=True)
        return torch.cat(masks), torch.cat(qualities)
