# SPDX-License-Identifier: Apache-2.0
"""Region images: what CLIP and the captioner see of a proposal (TAS, "masked" and "blurred")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_ros.results import Proposals

Image = NDArray[np.uint8]

MEAN_COLOUR: Final = (123, 117, 104)
"""Mean colour of the pictures that CLIP was trained on, RGB."""


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


def pad_evenly(image: Image) -> Image:
    """Pad an (h, w, 3) image with black by as many whole pixels on both sides, as TAS does.

    Where height and width differ by an odd number the result is one pixel short of a square.
    """
    height, width = image.shape[:2]
    across, down = max(0, height - width) // 2, max(0, width - height) // 2
    return np.pad(image, ((down, down), (across, across), (0, 0)))


def squash(image: Image) -> Image:
    """Stretch an (h, w, 3) image to a square of its longer side."""
    side = max(image.shape[:2])
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


_PADDED: Final = {"whole": pad_to_square, "released": pad_evenly, "squashed": squash}


def blur(image: Image, kernel: int) -> Image:
    """Gaussian blur with OpenCV's own sigma for the kernel: 11.6 px for the paper's 75.

    Args:
        image: (H, W, 3) uint8.
        kernel: Side in pixels; an even number is taken as the next odd one.
    """
    side = kernel | 1
    # The reflecting border needs an image, not a minimum size: OpenCV handles 1x1.
    return np.asarray(cv2.GaussianBlur(image, (side, side), 0), np.uint8)


NOISE: Final = 0.3
"""Correlation of neighbouring pixels below which a picture is noise; scenes have 0.8 and more."""


def is_noise(image: Image) -> bool:
    """Whether neighbouring pixels of an (H, W, 3) image have nothing to do with each other."""
    grey = image.mean(2, dtype=np.float32)
    left, right = grey[:, :-1] - grey.mean(), grey[:, 1:] - grey.mean()
    spread = float(np.sqrt((left**2).sum() * (right**2).sum()))
    return spread > 0 and float((left * right).sum()) < NOISE * spread


def region_images(
    image: Image,
    proposals: Proposals,
    blur_kernel: int = 0,
    crop: str = "whole",
    behind: Image | None = None,
) -> Iterator[Image]:
    """Square crops, one a proposal: the image inside the mask, outside it black or blurred.

    A black background gives TAS's CLIP crop, a blurred one its caption crop.

    Args:
        image: (H, W, 3) uint8 RGB.
        proposals: N proposals of that image.
        blur_kernel: Kernel that blurs the image outside the mask, in pixels; 0 makes it black.
        crop: ``whole``: the tight box of the mask, padded to a square. ``released``: that of
            TAS's code, whose boxes are as wide as the distance of the first and the last pixel
            and so lose the last column and row; a box of no width or height, of which that code
            makes no image, is taken one pixel wide or high. Padded by :func:`pad_evenly`.
            ``squashed``: the tight box on :data:`MEAN_COLOUR` where it would be on black,
            stretched to a square (Yu et al., CVPR 2023).
        behind: The image blurred, where that was done before.

    Yields:
        (s, s, 3) uint8; one side may be s - 1 if ``released``.

    Raises:
        ValueError: ``crop`` is unknown.
    """
    if crop not in _PADDED:
        raise ValueError(f"crop: expected one of {', '.join(_PADDED)}, got {crop!r}")
    pad, lost = _PADDED[crop], int(crop == "released")
    empty = np.array(MEAN_COLOUR if crop == "squashed" else (0, 0, 0), np.uint8)
    if behind is None and blur_kernel and len(proposals):
        behind = blur(image, blur_kernel)
    for mask, box in zip(proposals.masks, proposals.boxes, strict=True):
        x0, y0, x1, y1 = (int(value) for value in box)
        window = np.s_[y0 : max(y0 + 1, y1 - lost), x0 : max(x0 + 1, x1 - lost)]
        inside = mask[window][..., None]
        outside = empty if behind is None else behind[window]
        yield pad(np.where(inside, image[window], outside))
