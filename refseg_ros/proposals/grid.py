# SPDX-License-Identifier: Apache-2.0
"""Proposals from a grid of points, over any network that answers points.

The procedure of segment-anything's automatic generator (Kirillov et al. 2023, appendix B), with
the same meaning of every threshold. What is measured on masks, stability and boxes, is measured
at the resolution of the network's answers, unless it is to be as published; only masks that stay
are brought to that of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.batches import Batches
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.letterbox import Encoded, Frame
from refseg_ros.config import ProposalConfig
from refseg_ros.proposals.network import ProposalNetwork
from refseg_ros.proposals.scaling import finished, shrink
from refseg_ros.results import BoolMasks, FloatArray, Proposals, boxes_from_masks

_DRAWN_AT_ONCE = 16


class _Found(NamedTuple):
    """Masks that passed the network's own measures.

    Attributes:
        logits: (N, h, w) float32 over the network's whole input.
        quality: (N,) float32 predicted IoUs.
        boxes: (N, 4) float32, half-open, in cells of ``logits``.
    """

    logits: Tensor
    quality: Tensor
    boxes: Tensor


class GridProposer:
    """A grid of points, each answered with masks; of masks of the same thing the best stays."""

    def __init__(
        self,
        network: ProposalNetwork,
        config: ProposalConfig,
        device: Device,
        as_published: bool = False,
    ) -> None:
        """Wrap a loaded network.

        Args:
            network: On ``device``.
            config: Thresholds of the generator and of the pruning.
            device: Where and in which precision images are encoded.
            as_published: Whether stability and boxes are measured at the resolution of the image
                and boxes end at their last pixel, as segment-anything's own generator has it: the
                same masks are found, in a little more time.
        """
        self._network = network
        self._as_published = as_published
        self._points = Batches(config.points_per_batch, "points")
        self._config = config
        self._device = device

    def propose(self, image: NDArray[np.uint8]) -> Proposals:
        """Find candidate masks.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            Pruned proposals at the image's resolution, the best first unless pruning ordered
            them otherwise; none is fine.
        """
        return self.look(image)[0]

    def look(self, image: NDArray[np.uint8]) -> tuple[Proposals, Encoded]:
        """As :meth:`propose`, and what the network made of the image, for further prompts."""
        small = shrink(image, self._config.max_side)
        with torch.inference_mode():
            with self._device.precision():
                encoded = self._network.encode(small)
            # Half precision would move points by pixels, and the decoder is small.
            with torch.autocast(self._device.torch_device.type, enabled=False):
                found = self._answers(encoded)
                kept = torchvision_compat.nms(
                    found.boxes, found.quality, self._config.box_nms_thresh
                )
                masks = _drawn(found.logits[kept], encoded.frame)
            quality = found.quality[kept].cpu().numpy()
        # A mask of one cell can fall between the pixels of a tiny image.
        seen = masks.any((1, 2))
        masks, quality = mended(
            masks[seen], quality[seen], self._config.fill_area, self._config.box_nms_thresh
        )
        size = (image.shape[0], image.shape[1])
        return finished(masks, quality, size, self._config), encoded

    def _answers(self, encoded: Encoded) -> _Found:
        """The good masks of all points."""
        frame = encoded.frame
        places = grid(self._config.points_per_side, frame.image)
        points = frame.points(places.to(self._device.torch_device))

        def answer(batch: Tensor) -> _Found:
            logits, quality = self._network.decode(encoded, batch, self._config.pred_iou_thresh)
            return _joined(
                [
                    self._trusted(frame, *some)
                    for some in zip(
                        logits.split(_DRAWN_AT_ONCE), quality.split(_DRAWN_AT_ONCE), strict=True
                    )
                ]
            )

        return _joined(self._points.run(points, answer))

    def _trusted(self, frame: Frame, logits: Tensor, quality: Tensor) -> _Found:
        """Those of some masks that the network itself takes for good."""
        seen = frame.enlarged(logits) if self._as_published else frame.shown(logits)
        good = trusted(seen, quality, self._config)
        found = boxes(seen[good] > 0)
        if self._as_published:
            found[:, 2:] -= 1
        return _Found(logits[good], quality[good], found)


def _joined(parts: Sequence[_Found]) -> _Found:
    return _Found(*(torch.cat(values) for values in zip(*parts, strict=True)))


def grid(per_side: int, size: tuple[int, int]) -> Tensor:
    """The middles of ``per_side`` by ``per_side`` cells, row by row.

    Args:
        per_side: Points along each side.
        size: Height and width of the image in pixels.

    Returns:
        (per_side², 2) float32 x, y in pixels of the image.
    """
    places = (torch.arange(per_side) + 0.5) / per_side
    rows, columns = torch.meshgrid(places, places, indexing="ij")
    return torch.stack([columns.flatten() * size[1], rows.flatten() * size[0]], 1)


def stability(logits: Tensor, offset: float) -> Tensor:
    """How little a mask changes with the logit from which a cell belongs to it.

    Args:
        logits: (N, h, w).
        offset: What the logit is raised and lowered by.

    Returns:
        (N,) float32: the smaller mask's area over the larger one's; 0 where both are empty.
    """
    # In 64 bits, as it is otherwise, counting takes nine times as long on a CPU.
    inner, outer = (
        (logits > shift).flatten(1).sum(1, dtype=torch.int32) for shift in (offset, -offset)
    )
    return inner / outer.clamp(min=1)


def trusted(logits: Tensor, quality: Tensor, config: ProposalConfig) -> Tensor:
    """Which masks the network itself takes for good; as in segment-anything, 0 asks for nothing.

    Args:
        logits: (N, h, w) of the image's own part of the input.
        quality: (N,) predicted IoUs.
        config: ``pred_iou_thresh``, ``stability_score_thresh`` and ``stability_score_offset``.

    Returns:
        Indices of the masks that are not empty and pass, int64, ascending.
    """
    good = logits.flatten(1).amax(1) > 0
    if config.pred_iou_thresh:
        good &= quality > config.pred_iou_thresh
    if config.stability_score_thresh:
        steady = stability(logits, config.stability_score_offset)
        good &= steady >= config.stability_score_thresh
    return torch.nonzero(good)[:, 0]


def boxes(masks: Tensor) -> Tensor:
    """Tight half-open boxes.

    Args:
        masks: (N, h, w) bool, none empty.

    Returns:
        (N, 4) float32 ``x0, y0, x1, y1`` in cells.
    """
    spans = []
    for axis in (1, 2):
        # Which columns, then which rows, have a cell of the mask. A maximum of bytes is found on a
        # CPU in a fiftieth of the time of `any`.
        taken = masks.view(torch.uint8).amax(axis).float()
        cells = taken.shape[1]
        spans += [taken.argmax(1), cells - taken.flip(1).argmax(1)]
    return torch.stack([spans[0], spans[2], spans[1], spans[3]], 1).float()


def _drawn(logits: Tensor, frame: Frame) -> BoolMasks:
    """(N, H, W) bool at the resolution of the image."""
    parts = [(frame.enlarged(part) > 0).cpu().numpy() for part in logits.split(_DRAWN_AT_ONCE)]
    return np.concatenate([np.zeros((0, *frame.image), np.bool_), *parts])


def mended(
    masks: BoolMasks, quality: FloatArray, area: int, box_iou: float
) -> tuple[BoolMasks, FloatArray]:
    """Masks without small holes and islands, and without those that became copies thereby.

    Args:
        masks: (N, H, W) bool.
        quality: (N,) float32.
        area: Holes and islands of fewer pixels are mended; 0 leaves all as it is.
        box_iou: Box IoU above which one of two masks goes, a mended one rather than another.

    Returns:
        The masks that stay and their quality.
    """
    if not area or not len(masks):
        return masks, quality
    whole = np.empty_like(masks)
    intact = np.empty(len(masks), np.float32)
    for index, mask in enumerate(masks):
        whole[index], changed = without_flecks(mask, area)
        intact[index] = not changed
    kept = torchvision_compat.nms(
        torch.from_numpy(boxes_from_masks(whole)), torch.from_numpy(intact), box_iou
    ).numpy()
    return whole[kept], quality[kept]


def without_flecks(mask: NDArray[np.bool_], area: int) -> tuple[NDArray[np.bool_], bool]:
    """A mask without small holes and islands, as segment-anything mends it.

    Args:
        mask: (H, W) bool, not empty.
        area: Holes and islands of fewer pixels are mended, at least 1.

    Returns:
        The mask, and whether it had any.
    """
    torchvision_compat.ensure()
    from segment_anything.utils.amg import remove_small_regions

    part = _surroundings(mask, area)
    filled, had_holes = remove_small_regions(mask[part], area, mode="holes")
    filled, had_islands = remove_small_regions(filled, area, mode="islands")
    whole = np.zeros_like(mask)
    whole[part] = filled
    return whole, had_holes or had_islands


def _surroundings(mask: NDArray[np.bool_], area: int) -> tuple[slice, slice]:
    """As much of the picture as is needed to tell the holes of a mask from what lies outside.

    That is the box of the mask, and on each side that is not at the picture's edge a strip of
    ``area`` pixels, which keeps the outside from being taken for a hole; else the whole picture.
    It starts at even pixels: OpenCV numbers regions by blocks of 2 x 2, and of islands of a size
    the one numbered first is kept.
    """
    spans = [np.flatnonzero(mask.any(axis))[[0, -1]] for axis in (1, 0)]
    margin = -(-area // int(min(last + 1 - first for first, last in spans)))
    part = []
    for (first, last), size in zip(spans, mask.shape, strict=True):
        before, after = int(first), size - 1 - int(last)
        if 0 < before < margin or 0 < after < margin:
            return slice(None), slice(None)
        start = max(0, before - margin) // 2 * 2
        part.append(slice(start, min(size, int(last) + 1 + margin)))
    return part[0], part[1]
