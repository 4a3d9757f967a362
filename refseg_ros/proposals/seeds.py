# SPDX-License-Identifier: Apache-2.0
"""Proposals from the prompts of a seed head: a few points where things are, in place of a grid.

The image is encoded once. Each local maximum of the predicted distance to the edge, where the
head sees a thing, is a prompt; masks are kept by segment-anything's own measures, predicted IoU
and stability (Kirillov et al. 2023, appendix B). Where the head sees things that no kept mask
covers there is a second round, and a third tells things apart that lie on, in or before one
another: a click on the one with a negative click on the other.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from refseg_ros.backbones.conv_pyramid import SEED_STRIDE, STRIDE, ConvPyramid
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.sam_decoding import (
    FINER,
    answer_points,
    at_once,
    corners,
    cut,
    draw,
    predicted,
)
from refseg_ros.config import ProposalConfig
from refseg_ros.errors import ConfigError
from refseg_ros.proposals.familiarity import Familiarity
from refseg_ros.proposals.grid import stability
from refseg_ros.proposals.prune import survivors
from refseg_ros.proposals.refine import refined
from refseg_ros.results import Proposals

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

logger = logging.getLogger(__name__)

_PADDED_TO = 32  # the encoder's deepest stride
_MASK_STRIDE = STRIDE // FINER
_MARGIN = 3  # cells about a mask that are drawn with it
_EMPTY = -32.0  # logit of what lies outside a window
_NEAR = 0.2  # share of the input's side within which a seed is a rival of another


@dataclass(frozen=True)
class _Encoded:
    """An image in the network's terms.

    Attributes:
        embedding: (1, C, h, w).
        shows: (2 h', 2 w') float32 in [0, 1]: how likely each seed cell of the image's own part
            shows a thing; h', w' leave out cells that are only padding.
        depth: (2 h', 2 w') float32 in [0, 1]: each cell's predicted distance to the edge, as a
            share of the greatest.
        scale: Pixels of the input for each pixel of the image: across, down.
    """

    embedding: Tensor
    shows: NDArray[np.float32]
    depth: NDArray[np.float32]
    scale: tuple[float, float]


@dataclass(frozen=True)
class _Masks:
    """Masks in the image's own part of the network's finest grid.

    Attributes:
        logits: (N, H, W) float32.
        quality: (N,) float32 predicted IoUs.
        stability: (N,) float32 in [0, 1].
    """

    logits: NDArray[np.float32]
    quality: NDArray[np.float32]
    stability: NDArray[np.float32]

    def __getitem__(self, rows: NDArray[np.int64]) -> _Masks:
        return _Masks(self.logits[rows], self.quality[rows], self.stability[rows])


class SeedProposer:
    """Prompts at seeds, over a network of :func:`refseg_ros.backbones.sam.build_small_sam`."""

    def __init__(
        self,
        sam: Sam,
        config: ProposalConfig,
        device: Device,
        familiar: Familiarity | None = None,
    ) -> None:
        """Wrap a loaded network.

        Args:
            sam: The network, on ``device``.
            config: Thresholds; those of the grid are not used.
            device: Where and in which precision it runs.
            familiar: Which pictures the network knows; None if nobody says.

        Raises:
            ConfigError: The network has no seed head.
        """
        encoder = sam.image_encoder
        if not isinstance(encoder, ConvPyramid) or encoder.seeds is None:
            raise ConfigError(
                f"proposals.prompts: 'seeds' needs a network with a seed head, which "
                f"{config.architecture} does not have; use 'grid'"
            )
        # A third faster on a CPU.
        encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._sam = sam
        self._encoder, self._seeds = encoder, encoder.seeds
        self._config = config
        self._device = device
        self._familiar = familiar
        with torch.inference_mode():
            self._codes = sam.prompt_encoder.get_dense_pe()

    def propose(self, image: NDArray[np.uint8]) -> Proposals:
        """Find candidate masks.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            Pruned proposals at the image's resolution; none is fine.
        """
        pixels = image.shape[0] * image.shape[1]
        with torch.inference_mode():
            encoded = self._encode(image)
            seeds = self._peaks(encoded.shows, encoded.depth)
            kept = self._pruned(self._answers(encoded, seeds[:, None]), pixels)
            more = self._peaks(_left(encoded.shows, kept), encoded.depth)
            rivals = self._rivals(np.concatenate([seeds, more]))
            for clicks in (more[:, None], rivals):
                if len(clicks):
                    kept = self._pruned(_join(kept, self._answers(encoded, clicks)), pixels)
        found = self._drawn(image, kept, encoded.scale)
        logger.debug("%d and %d seeds, %d proposals", len(seeds), len(more), len(found))
        if self._familiar is None:
            return found
        return replace(found, strangeness=self._familiar.strangeness(_own_cells(encoded)))

    def mean_feature(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(C,) mean of the encoder's features over an (H, W, 3) uint8 RGB image."""
        with torch.inference_mode():
            return np.asarray(_own_cells(self._encode(image)).flatten(1).mean(1), np.float32)

    @property
    def side(self) -> int:
        """Pixels to which the longer side of an image is brought."""
        return self._encoder.img_size

    def outlines(
        self, image: NDArray[np.uint8], points: NDArray[np.float32], side: int
    ) -> Proposals:
        """The good masks of clicks, as they are; nothing is pruned.

        Args:
            image: (H, W, 3) uint8 RGB, which may be a part of a larger one.
            points: (N, 2) float32 x, y in its pixels.
            side: Pixels to which its longer side is brought, at most :attr:`side`; that of a part
                in proportion.

        Returns:
            Masks at the image's resolution; none if the network trusts none.
        """
        with torch.inference_mode():
            encoded = self._encode(image, side)
            clicks = ((points + 0.5) * encoded.scale).astype(np.float32)
            masks = self._answers(encoded, clicks[:, None])
        # A mask may lie in the padding alone.
        seen = np.flatnonzero((masks.logits > 0).any((1, 2)))
        return self._drawn(image, masks[seen], encoded.scale)

    def _encode(self, image: NDArray[np.uint8], side: int = 0) -> _Encoded:
        height, width = image.shape[:2]
        side = side or self._encoder.img_size
        longer = max(height, width)
        size = (max(1, round(width * side / longer)), max(1, round(height * side / longer)))
        shrinks = longer > side
        small = cv2.resize(
            image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
        pixels = torch.from_numpy(small).to(self._device.torch_device).permute(2, 0, 1).float()
        pixels = (pixels - self._sam.pixel_mean) / self._sam.pixel_std
        padding = (0, -size[0] % _PADDED_TO, 0, -size[1] % _PADDED_TO)
        padded = functional.pad(pixels, padding)[None].to(memory_format=torch.channels_last)
        with self._device.precision():
            embedding = self._encoder(padded)
            maps = self._seeds(embedding)
        cells = (-(-size[1] // SEED_STRIDE), -(-size[0] // SEED_STRIDE))
        shows, depth = maps[0, :, : cells[0], : cells[1]].float().sigmoid().cpu().numpy()
        return _Encoded(embedding.float(), shows, depth, (size[0] / width, size[1] / height))

    def _peaks(
        self, shows: NDArray[np.float32], depth: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """(N, 2) float32 x, y in pixels of the input: local maxima, highest first."""
        height = np.where(shows > self._config.seed_thresh, depth, 0).astype(np.float32)
        around = cv2.dilate(height, np.ones((5, 5), np.uint8))
        rows, columns = np.nonzero((height > 0) & (height == around))
        order = np.argsort(-height[rows, columns], kind="stable")[: self._config.max_seeds]
        cells = np.stack([columns[order], rows[order]], 1).astype(np.float32)
        return np.asarray((cells + 0.5) * SEED_STRIDE, np.float32)

    def _rivals(self, seeds: NDArray[np.float32]) -> NDArray[np.float32]:
        """(P, 2, 2) float32: each of (N, 2) seeds, with each of the nearest other ones."""
        apart = np.linalg.norm(seeds[:, None] - seeds[None], axis=2)
        np.fill_diagonal(apart, np.inf)
        nearest = np.argsort(apart, 1, kind="stable")[:, : self._config.seed_rivals]
        one = np.repeat(np.arange(len(seeds)), nearest.shape[1])
        other = nearest.ravel()
        near = apart[one, other] <= _NEAR * self._encoder.img_size
        return np.stack([seeds[one[near]], seeds[other[near]]], 1)

    def _answers(self, encoded: _Encoded, points: NDArray[np.float32]) -> _Masks:
        """The good masks of clicks, brought from their windows to the whole grid.

        Args:
            encoded: The image.
            points: (N, 1 or 2, 2) x, y in pixels of the input: a click on the thing, and one
                beside it.
        """
        grid = tuple(-(-side * SEED_STRIDE // _MASK_STRIDE) for side in encoded.shows.shape)
        if not len(points):
            return _Masks(np.zeros((0, *grid), np.float32), *np.zeros((2, 0), np.float32))
        device = self._device.torch_device
        given = torch.from_numpy(points).to(device)
        labels = torch.ones(points.shape[:2], device=device)
        labels[:, 1:] = 0
        # Half precision would blur places, so prompts are embedded outside of it.
        prompts, _ = self._sam.prompt_encoder(points=(given, labels), boxes=None, masks=None)
        embedding = encoded.embedding
        shape = (embedding.shape[2], embedding.shape[3])
        first, size = corners((given[:, 0] / STRIDE).long(), shape)
        found, quality, steady, which = self._good(embedding, prompts, first, size)
        corner = (first[which] * FINER).cpu().numpy()
        wide = (embedding.shape[2] * FINER, embedding.shape[3] * FINER)
        whole = np.full((len(found), *wide), _EMPTY, np.float32)
        for canvas, mask, (x, y) in zip(whole, found.cpu().numpy(), corner, strict=True):
            canvas[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        return _Masks(whole[:, : grid[0], : grid[1]], quality.cpu().numpy(), steady.cpu().numpy())

    def _good(
        self, embedding: Tensor, prompts: Tensor, first: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits in their windows of the masks that the network itself trusts.

        Besides their predicted IoUs, their stability, and the rows of their prompts.
        """
        parts = []
        rows = torch.arange(len(prompts), device=prompts.device)
        for some in rows.split(at_once(embedding[..., : size[0], : size[1]])):
            same = torch.zeros(len(some), dtype=torch.int64, device=some.device)
            with self._device.precision():
                answers, cells = answer_points(
                    self._sam,
                    cut(embedding, same, first[some], size),
                    cut(self._codes, same, first[some], size),
                    prompts[some],
                )
                quality = predicted(self._sam, answers).float()
                which, chosen = torch.nonzero(
                    quality >= self._config.pred_iou_thresh, as_tuple=True
                )
                logits = draw(self._sam, answers, cells, size, which, chosen).float()
            offset = self._config.stability_score_offset
            steady = stability(logits, offset)
            seen = logits.flatten(1).amax(1) > offset
            good = (steady >= self._config.stability_score_thresh) & seen
            told = quality[which, chosen][good]
            parts.append((logits[good], told, steady[good], some[which[good]]))
        logits, quality, steady, which = (torch.cat(part) for part in zip(*parts, strict=True))
        return logits, quality, steady, which

    def _pruned(self, masks: _Masks, pixels: int) -> _Masks:
        """What the configuration keeps, best first; the image has so many pixels."""
        config = self._config
        found = masks.logits > 0
        shrunk = found.shape[1] * found.shape[2] / pixels
        kept = survivors(
            found,
            masks.quality * masks.stability,  # ranks better than either of them alone
            min_area=config.min_area * shrunk if config.min_area >= 1 else config.min_area,
            max_area=config.max_area,
            overlap=config.overlap,
            duplicate_iou=config.duplicate_iou,
        )
        return masks[kept]

    def _drawn(
        self, image: NDArray[np.uint8], masks: _Masks, scale: tuple[float, float]
    ) -> Proposals:
        """Masks at the resolution of the image."""
        drawn = np.zeros((len(masks.logits), *image.shape[:2]), bool)
        step = (scale[0] / _MASK_STRIDE, scale[1] / _MASK_STRIDE)
        for mask, logits in zip(drawn, masks.logits, strict=True):
            part, soft = enlarged(logits, step, image.shape[:2])
            mask[part] = (refined(image[part], soft) if self._config.refine else soft) > 0
        alive = np.flatnonzero(drawn.any((1, 2)))
        return Proposals(drawn[alive], masks.quality[alive])


def enlarged(
    logits: NDArray[np.float32], step: tuple[float, float], size: tuple[int, int]
) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """Logits of a mask, in pixels of the image, about the mask.

    Args:
        logits: (h, w), somewhere positive.
        step: Cells of the grid for each pixel of the image: across, down.
        size: Height and width of the image.

    Returns:
        Where in the image they lie, with a margin, and the logits there.
    """
    rows, columns = (np.flatnonzero((logits > 0).any(axis)) for axis in (1, 0))
    spans = [
        (
            max(0, int((cells[0] - _MARGIN) / by)),
            min(most, int((cells[-1] + 1 + _MARGIN) / by) + 1),
        )
        for cells, by, most in ((rows, step[1], size[0]), (columns, step[0], size[1]))
    ]
    (top, bottom), (left, right) = spans
    # Middles of pixels lie at halves, in the image as in the grid.
    place = np.array(
        [
            [step[0], 0, (left + 0.5) * step[0] - 0.5],
            [0, step[1], (top + 0.5) * step[1] - 0.5],
        ]
    )
    drawn = cv2.warpAffine(
        logits,
        place,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.s_[top:bottom, left:right], np.asarray(drawn, np.float32)


def _left(shows: NDArray[np.float32], masks: _Masks) -> NDArray[np.float32]:
    """Where things are seen that no mask covers, nor touches."""
    covered = np.asarray((masks.logits > 0).any(0), np.uint8)
    size = shows.shape[::-1]
    cells = cv2.resize(cv2.dilate(covered, np.ones((3, 3), np.uint8)), size) > 0
    return np.where(cells, 0, shows).astype(np.float32)


def _join(one: _Masks, other: _Masks) -> _Masks:
    pairs = ((getattr(one, name), getattr(other, name)) for name in _Masks.__annotations__)
    return _Masks(*(np.concatenate(pair) for pair in pairs))


def _own_cells(encoded: _Encoded) -> Tensor:
    """(C, h, w) float32 features of the image itself, without its padding."""
    rows, columns = (max(1, side * SEED_STRIDE // STRIDE) for side in encoded.shows.shape)
    return encoded.embedding[0, :, :rows, :columns].cpu()
