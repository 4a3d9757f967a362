# SPDX-License-Identifier: Apache-2.0
"""Where an image lies in the square input of a network that answers points with masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Frame:
    """How an image is brought to a network's input, and masks back to the image.

    Attributes:
        image: Height and width of the image in pixels.
        side: Side of the square input in pixels.
        padded: Whether the image keeps its proportions, at the top left and with padding after
            it, as SAM has it; SAM 2 and 3 squash it to the square.
    """

    image: tuple[int, int]
    side: int
    padded: bool

    @property
    def filled(self) -> tuple[int, int]:
        """Height and width of the part of the input that shows the image, in pixels."""
        if not self.padded:
            return self.side, self.side
        scale = self.side / max(self.image)
        height, width = (max(1, int(length * scale + 0.5)) for length in self.image)
        return height, width

    def pixels(self, image: NDArray[np.uint8]) -> Tensor:
        """The image at the size at which the network sees it.

        Pillow scales it for every network: what the original code of SAM does, and what differs
        by a grey level or so from the scaling of torchvision, without needing that.

        Args:
            image: (H, W, 3) uint8 RGB, of the size of :attr:`image`.

        Returns:
            (3, h, w) float32 in 0 to 255, h and w those of :attr:`filled`.
        """
        height, width = self.filled
        scaled = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(scaled)).permute(2, 0, 1).float()

    def pad(self, values: Tensor) -> Tensor:
        """Fill the square.

        Args:
            values: (3, h, w), h and w those of :attr:`filled`.

        Returns:
            (1, 3, side, side), zeros after the values.
        """
        height, width = self.filled
        return functional.pad(values, (0, self.side - width, 0, self.side - height))[None]

    def points(self, places: Tensor) -> Tensor:
        """Places in the image as places in the input.

        Args:
            places: (N, 2) float32 x, y in pixels of the image.

        Returns:
            (N, 2) float32 x, y in pixels of the input.
        """
        height, width = self.filled
        scale = [width / self.image[1], height / self.image[0]]
        return places * places.new_tensor(scale)

    def shown(self, logits: Tensor) -> Tensor:
        """Masks without the cells that show nothing but padding.

        Args:
            logits: (..., h, w) over the whole input, at any resolution.

        Returns:
            (..., h', w').
        """
        rows, columns = (
            -(-filled * cells // self.side)
            for filled, cells in zip(self.filled, logits.shape[-2:], strict=True)
        )
        return logits[..., :rows, :columns]

    def enlarged(self, logits: Tensor) -> Tensor:
        """Masks at the resolution of the image, the way each network's own code does it.

        Args:
            logits: (N, h, w) over the whole input.

        Returns:
            (N, H, W).
        """
        maps = logits[:, None]
        if self.padded:
            maps = functional.interpolate(maps, (self.side, self.side), mode="bilinear")
            maps = maps[..., : self.filled[0], : self.filled[1]]
        return functional.interpolate(maps, self.image, mode="bilinear")[:, 0]


@dataclass(frozen=True)
class Encoded:
    """An image that a network has looked at.

    Attributes:
        embeddings: What the network's decoder takes, float32.
        frame: Where the image lies in the network's input.
    """

    embeddings: Any
    frame: Frame
