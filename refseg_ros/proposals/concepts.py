# SPDX-License-Identifier: Apache-2.0
"""Proposals by name: instances of a robot's own vocabulary, or whatever is there without any."""

from __future__ import annotations

import logging

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.backbones.device import Device
from refseg_ros.config import ProposalConfig
from refseg_ros.proposals import Proposer
from refseg_ros.proposals.network import ConceptNetwork
from refseg_ros.proposals.prune import intersections
from refseg_ros.proposals.scaling import finished, shrink
from refseg_ros.results import Proposals

logger = logging.getLogger(__name__)


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
        )
        if len(found):
            return found
        logger.warning(
            "nothing of %s is seen: proposing whatever is there", ", ".join(config.phrases)
        )
        return self._otherwise.propose(image)


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
