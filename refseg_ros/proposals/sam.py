# SPDX-License-Identifier: Apache-2.0
"""Proposals of segment-anything's automatic mask generator, pruned as TAS does."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.device import Device
from refseg_ros.config import ProposalConfig
from refseg_ros.proposals.prune import prune
from refseg_ros.results import Proposals

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

logger = logging.getLogger(__name__)


class SamProposer:
    """segment-anything's own generator over any ``Sam``, published or bundled."""

    def __init__(self, sam: Sam, config: ProposalConfig, device: Device) -> None:
        """Wrap a loaded network.

        Args:
            sam: The network, on ``device``.
            config: Thresholds of the generator and of the pruning.
            device: Where and in which precision it runs.
        """
        torchvision_compat.ensure()
        from segment_anything import SamAutomaticMaskGenerator

        self._config = config
        self._device = device
        # The generator hands scores and masks to numpy, which knows no bfloat16.
        sam.mask_decoder.register_forward_hook(_in_float32)
        self._generator = SamAutomaticMaskGenerator(
            sam,
            points_per_side=config.points_per_side,
            points_per_batch=config.points_per_batch,
            pred_iou_thresh=config.pred_iou_thresh,
            stability_score_thresh=config.stability_score_thresh,
            stability_score_offset=config.stability_score_offset,
            box_nms_thresh=config.box_nms_thresh,
            min_mask_region_area=config.fill_area,
        )

    def propose(self, image: NDArray[np.uint8]) -> Proposals:
        """Find candidate masks.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            Pruned proposals at the image's resolution; none is fine.
        """
        small = shrink(image, self._config.max_side)
        with torch.inference_mode(), self._device.precision():
            records = self._generator.generate(small)
        masks = [enlarge(record["segmentation"], image.shape[:2]) for record in records]
        # Mending small regions, and resizing, can leave a mask without a pixel.
        alive = [index for index, mask in enumerate(masks) if mask.any()]
        if not alive:
            return Proposals.empty(*image.shape[:2])
        found = Proposals(
            masks=np.stack([masks[index] for index in alive]),
            quality=np.array([records[index]["predicted_iou"] for index in alive], np.float32),
        )
        config = self._config
        kept = prune(
            found,
            min_area=config.min_area,
            max_area=config.max_area,
            overlap=config.overlap,
            duplicate_iou=config.duplicate_iou,
        )
        logger.debug("%d proposals, %d after pruning", len(found), len(kept))
        return kept


def _in_float32(
    module: torch.nn.Module, inputs: object, outputs: tuple[torch.Tensor, ...]
) -> tuple[torch.Tensor, ...]:
    return tuple(output.float() for output in outputs)


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
