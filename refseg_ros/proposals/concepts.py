# SPDX-License-Identifier: Apache-2.0
"""Proposals by name: instances of a robot's own vocabulary, or whatever is there without any."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.backbones.device import Device
from refseg_ros.config import ProposalConfig
from refseg_ros.proposals import Proposer
from refseg_ros.proposals.network import BoxNetwork, ConceptNetwork
from refseg_ros.proposals.prune import intersections
from refseg_ros.proposals.scaling import finished, shrink
from refseg_ros.results import FloatArray, Proposals

logger = logging.getLogger(__name__)

FITS: Final = 0.6
"""IoU with a mask's box from which a box is of that mask."""


class PhraseProposer:
    """The phrases of a configuration are asked of every image, whatever will be said of it."""

    def __init__(
        self,
        concepts: ConceptNetwork,
        otherwise: Proposer,
        config: ProposalConfig,
        device: Device,
    ) -> None:
        """Wrap loaded networks.

        Args:
            concepts: Finds instances of phrases.
            otherwise: Finds masks where there are none.
            config: Phrases, thresholds and the pruning.
            device: Where and in which precision the network runs.

        Raises:
            ConfigError: A phrase is too long.
        """
        concepts.check_phrases(config.phrases)
        self._concepts = concepts
        self._otherwise = otherwise
        self._config = config
        self._device = device

    def propose(self, image: NDArray[np.uint8]) -> Proposals:
        """Find candidate masks.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            Pruned proposals at the image's resolution; none is fine.
        """
        config = self._config
        small = shrink(image, config.max_side)
        with torch.inference_mode(), self._device.precision():
            answers = self._concepts.concept_masks(small, config.phrases, config.phrase_thresh)
        named = [apart(answer, config.phrase_overlap) for answer in answers]
        found = finished(
            np.concatenate([answer.masks for answer in named]),
            np.concatenate([answer.quality for answer in named]),
            (image.shape[0], image.shape[1]),
            config,
            [
                name
                for name, answer in zip(config.phrases, named, strict=True)
                for _ in answer.masks
            ],
        )
        if len(found):
            return found
        logger.warning("no %s in view: proposing whatever is there", ", ".join(config.phrases))
        return self._otherwise.propose(image)


class NamingProposer:
    """Masks of points, named by the boxes that a detector finds of phrases."""

    def __init__(
        self, boxes: BoxNetwork, masks: Proposer, config: ProposalConfig, device: Device
    ) -> None:
        """Wrap loaded networks.

        Args:
            boxes: Finds boxes of phrases.
            masks: Finds masks, knowing nothing of language.
            config: Phrases and the threshold of their boxes.
            device: In which precision the network runs.

        Raises:
            ConfigError: A phrase is too long.
        """
        boxes.check_phrases(config.phrases)
        self._boxes, self._masks, self._config, self._device = boxes, masks, config, device

    def propose(self, image: NDArray[np.uint8]) -> Proposals:
        """Find candidate masks.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            Those of the points, in their order, named where a box fits; then a mask of its own for
            each box that fits none.
        """
        config = self._config
        with torch.inference_mode(), self._device.precision():
            found = self._boxes.concept_boxes(image, config.phrases, config.phrase_thresh)
        return with_names(self._masks.propose(image), config.phrases, found)


def with_names(
    masks: Proposals,
    phrases: Sequence[str],
    found: Sequence[tuple[FloatArray, FloatArray]],
) -> Proposals:
    """Masks with the names of boxes.

    Args:
        masks: N of an image.
        phrases: What was looked for.
        found: Boxes and scores for each phrase; see :class:`BoxNetwork`.

    Returns:
        The masks, each named by the best-scored box that lies about it, and those boxes that lie
        about none as masks of their own; what lies outside the image is left out.
    """
    size = (masks.masks.shape[1], masks.masks.shape[2])
    names, scores = [""] * len(masks), [1.0] * len(masks)
    told = [
        (float(score), phrase, np.clip(box, 0, (size[1], size[0]) * 2))
        for phrase, (boxes, values) in zip(phrases, found, strict=True)
        for box, score in zip(boxes, values, strict=True)
    ]
    drawn = masks
    for score, name, box in sorted(told, key=lambda item: -item[0]):
        fits = _ious(box, drawn.boxes)
        row = int(fits.argmax()) if len(fits) else -1
        if row < 0 or fits[row] < FITS:
            x0, y0, x1, y1 = np.round(box).astype(int).tolist()
            if x0 >= x1 or y0 >= y1:
                continue
            own = Proposals.from_boxes([box.tolist()], size)
            drawn = Proposals(
                np.concatenate([drawn.masks, own.masks]),
                np.append(drawn.quality, np.float32(score)),
                np.concatenate([drawn.boxes, own.boxes]),
            )
            row = len(names)
            names.append("")
            scores.append(1.0)
        if not names[row]:
            names[row], scores[row] = name, score
    return replace(drawn, names=tuple(names), scores=np.array(scores, np.float32))


def _ious(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """(N,) IoU of a box with N boxes."""
    common = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = common.clip(0).prod(1)
    whole = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1)
    ious: FloatArray = shared / np.maximum(whole - shared, 1e-6)
    return ious


def apart(found: Proposals, overlap: float) -> Proposals:
    """Instances of one phrase without those that lie in, on or about better ones.

    Args:
        found: With scores as quality.
        overlap: Intersection over the smaller area above which the worse goes; in [0, 1].

    Returns:
        Those that stay, best first.
    """
    shared = intersections(found.masks)
    kept: list[int] = []
    for index in np.argsort(-found.quality, kind="stable"):
        smaller = np.minimum(found.areas[index], found.areas[kept])
        if not (shared[index, kept] > overlap * smaller).any():
            kept.append(int(index))
    return found.keep(kept)
