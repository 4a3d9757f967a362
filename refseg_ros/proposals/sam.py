# SPDX-License-Identifier: Apache-2.0
"""Proposals of segment-anything's automatic mask generator, pruned as TAS does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.device import Device
from refseg_ros.config import ProposalConfig
from refseg_ros.proposals.scaling import finished, shrink
from refseg_ros.results import Proposals

if TYPE_CHECKING:
    from segment_anything.modeling import Sam


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
        masks = [record["segmentation"] for record in records]
        quality = np.array([record["predicted_iou"] for record in records], np.float32)
        return finished(masks, quality, (image.shape[0], image.shape[1]), self._config)


def _in_float32(
    module: torch.nn.Module, inputs: object, outputs: tuple[torch.Tensor, ...]
) -> tuple[torch.Tensor, ...]:
    return tuple(output.float() for output in outputs)
