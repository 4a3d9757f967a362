# SPDX-License-Identifier: Apache-2.0
"""Images made smaller before masks are found, and what was found brought back and pruned."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_ros.config import ProposalConfig
from refseg_ros.proposals.prune import prune
from refseg_ros.results import BoolMasks, FloatArray, Proposals

logger = logging.getLogger(__name__)


def shrink(image: NDArray[np.uint8], max_side: int) -> NDArray[np.uint8]:
    """An image whose longer side is at most ``max_side`` pixels; 0 leaves it as it is.

    Args:
        image: (H, W, 3) uint8.
        max_side: In pixels.

    Returns:
        (h, w, 3) uint8 of the same proportions, each side at least one pixel.
    """
    height, width = image.shape[:2]
    if not max_side or max(height, width) <= max_side:
        return image
    scale = max_side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def enlarge(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask at another size, its outline halfway between inside and outside.

    Args:
        mask: (h, w) bool.
        size: Height and width wanted, in pixels.

    Returns:
        (height, width) bool.
    """
    if mask.shape == size:
        return mask
    soft = cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft >= 0.5)


def finished(
    masks: Sequence[NDArray[np.bool_]] | BoolMasks,
    quality: FloatArray,
    size: tuple[int, int],
    config: ProposalConfig,
    names: Sequence[str] = (),
) -> Proposals:
    """What was found on a smaller image, at the size of the image and pruned.

    Args:
        masks: N of (h, w) bool.
        quality: (N,) float32.
        size: Height and width of the image in pixels.
        config: How proposals are pruned.
        names: N names, of which ``quality`` is the score; none if nothing has one.

    Returns:
        The proposals that stay; none is fine.
    """
    drawn = [enlarge(mask, size) for mask in masks]
    # Mending small regions, and resizing, can leave a mask without a pixel.
    alive = [index for index, mask in enumerate(drawn) if mask.any()]
    if not alive:
        return Proposals.empty(*size)
    found = Proposals(
        np.stack([drawn[index] for index in alive]),
        quality[alive],
        names=tuple(names[index] for index in alive) if names else (),
        scores=quality[alive] if names else np.zeros(0, np.float32),
    )
    kept = prune(
        found,
        min_area=config.min_area,
        max_area=config.max_area,
        overlap=config.overlap,
        duplicate_iou=config.duplicate_iou,
    )
    logger.debug("%d proposals, %d after pruning", len(found), len(kept))
    return kept
