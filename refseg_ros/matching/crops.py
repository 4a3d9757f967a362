# SPDX-License-Identifier: Apache-2.0
"""Region images: what CLIP and the captioner see of a proposal (TAS, "masked" and "blurred")."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_ros.results import Proposals

Image = NDArray[np.uint8]


def pad_to_square(image: Image) -> Image:
    """Pad an (h, w, 3) image with black to a square, the image in the middle.

    The odd pixel goes to the right or to the bottom, as floor division puts it.
    """
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, 3), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return square


def blur(image: Image, kernel: int) -> Image:
    """Gaussian blur with OpenCV's own sigma for the kernel: 11.6 px for the paper's 75.

    Args:
        image: (H, W, 3) uint8.
        kernel: Side in pixels; an even number is taken as the next odd one.
    """
    side = kernel | 1
    # The reflecting border needs an image, not a minimum size: OpenCV handles 1x1.
    return np.asarray(cv2.GaussianBlur(image, (side, side), 0), np.uint8)


def region_images(image: Image, proposals: Proposals, blur_kernel: int = 0) -> Iterator[Image]:
    """Square crops, one a proposal: the image inside the mask, outside it black or blurred.

    A black background gives TAS's CLIP crop, a blurred one its caption crop.

    Args:
        image: (H, W, 3) uint8 RGB.
        proposals: N proposals of that image.
        blur_kernel: Of the blurred copy of the image outside the mask; 0 for black.

    Yields:
        (s, s, 3) uint8, the tight box of the mask padded with black to a square.
    """
    behind = blur(image, blur_kernel) if blur_kernel and len(proposals) else None
    for mask, box in zip(proposals.masks, proposals.boxes, strict=True):
        x0, y0, x1, y1 = (int(value) for value in box)
        window = np.s_[y0:y1, x0:x1]
        inside = mask[window][..., None]
        outside = np.uint8(0) if behind is None else behind[window]
        yield pad_to_square(np.where(inside, image[window], outside))
