# SPDX-License-Identifier: Apache-2.0
"""Proposals by name: of phrases that are fixed, or of the nouns of each sentence.

What a text-prompted network makes of an image is kept on its scene as :class:`SeenConcepts`, which
is asked for each noun once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.backbones.batches import Batches
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.letterbox import Encoded
from refseg_ros.backbones.remembered import Remembered
from refseg_ros.config import ProposalConfig
from refseg_ros.errors import ConfigError
from refseg_ros.proposals import Proposer
from refseg_ros.proposals.grid import GridProposer
from refseg_ros.proposals.network import BoxNetwork, BoxPrompted, ConceptNetwork
from refseg_ros.proposals.prune import intersections
from refseg_ros.proposals.scaling import finished, shrink
from refseg_ros.results import FloatArray, Proposals
from refseg_ros.stopwatch import Stopwatch

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
            answers = self._concepts.concept_masks(
                self._concepts.see(small), config.phrases, config.phrase_thresh
            )
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
            seen = self._boxes.see(image)
            found = self._boxes.concept_boxes(seen, config.phrases, config.phrase_thresh)
        return with_names(self._masks.propose(image), config.phrases, found)


class BoxedConcepts:
    """A detector's boxes, drawn as masks by a network that answers boxes."""

    def __init__(
        self,
        boxes: BoxNetwork,
        masks: BoxPrompted | None,
        config: ProposalConfig,
        device: Device,
    ) -> None:
        """Wrap loaded networks.

        Args:
            boxes: Finds boxes of phrases.
            masks: Draws them; None leaves each box as a mask of its own.
            config: Batches, and the score below which nothing of a phrase is there.
            device: Where the networks are.
        """
        self._boxes, self._masks = boxes, masks
        self._device_type = device.torch_device.type
        self._least = config.absent_thresh
        self._batches = Batches(config.points_per_batch, "boxes")

    def check_phrases(self, phrases: Sequence[str]) -> None:
        """See :class:`ConceptNetwork`."""
        self._boxes.check_phrases(phrases)

    def see(self, image: NDArray[np.uint8], encoded: Encoded | None = None) -> Any:
        """Look at an image, for which the mask network's look may be there already."""
        if self._masks is not None and encoded is None:
            encoded = self._masks.encode(image)
        return self._boxes.see(image), encoded, (image.shape[0], image.shape[1])

    def concept_masks(
        self, seen: Any, phrases: Sequence[str], thresh: float
    ) -> tuple[Proposals, ...]:
        """Instances of what phrases name; see :class:`ConceptNetwork`."""
        kept, encoded, size = seen
        found = self._boxes.concept_boxes(kept, phrases, min(self._least, thresh))
        return tuple(
            replace(
                self._drawn(boxes[scores > thresh], scores[scores > thresh], encoded, size),
                asked={phrase: float(scores.max(initial=0.0))},
            )
            for phrase, (boxes, scores) in zip(phrases, found, strict=True)
        )

    def _drawn(
        self, boxes: FloatArray, scores: FloatArray, encoded: Encoded | None, size: tuple[int, int]
    ) -> Proposals:
        boxes = np.clip(boxes, 0, (size[1], size[0]) * 2)
        ends = np.round(boxes)
        kept = ((ends[:, 2:] - ends[:, :2]) > 0).all(1)
        boxes, scores = boxes[kept], scores[kept]
        if not len(boxes):
            return Proposals.empty(*size)
        if encoded is None or self._masks is None:
            return replace(Proposals.from_boxes(boxes, size), quality=scores)
        network, frame = self._masks, encoded.frame
        with torch.inference_mode(), torch.autocast(self._device_type, enabled=False):
            given = frame.points(torch.from_numpy(boxes).reshape(-1, 2)).reshape(-1, 4)
            parts = self._batches.run(
                given, lambda some: frame.enlarged(network.decode_boxes(encoded, some)[0]) > 0
            )
        masks = torch.cat(parts).cpu().numpy()
        drawn = masks.any((1, 2))
        return Proposals(masks[drawn], scores[drawn])


class ConceptProposer:
    """Masks of points or none, and beside them what the nouns of sentences find."""

    def __init__(
        self,
        concepts: ConceptNetwork,
        masks: Proposer,
        config: ProposalConfig,
        device: Device,
    ) -> None:
        """Wrap loaded networks.

        Args:
            concepts: Finds instances of nouns.
            masks: Finds masks, knowing nothing of language; a grid of points shares its look at
                the image with boxes.
            config: Thresholds.
            device: In which precision the networks run.
        """
        self._concepts, self._masks, self._config, self._device = concepts, masks, config, device

    def propose(self, image: NDArray[np.uint8]) -> Proposals:
        """Candidate masks without any noun."""
        return self._masks.propose(image)

    def look(self, image: NDArray[np.uint8], watch: Stopwatch) -> tuple[Proposals, SeenConcepts]:
        """Candidate masks without any noun, and what is kept for nouns.

        Args:
            image: (H, W, 3) uint8 RGB.
            watch: Told how long the points took, and the look of the text-prompted network.
        """
        small, network = shrink(image, self._config.max_side), self._concepts
        with torch.inference_mode():
            encoded = None
            with watch.stage("points"):
                if isinstance(self._masks, GridProposer):
                    found, encoded = self._masks.look(image)
                else:
                    found = self._masks.propose(image)
            with watch.stage("detector"), self._device.precision():
                if isinstance(network, BoxedConcepts):
                    kept = network.see(small, encoded)
                else:
                    kept = network.see(small)
        size = (image.shape[0], image.shape[1])
        return found, SeenConcepts(network, kept, size, self._config, self._device)


Made = TypeVar("Made")


class SeenConcepts:
    """What a text-prompted network keeps of an image; threads may share it."""

    def __init__(
        self,
        network: ConceptNetwork,
        kept: Any,
        size: tuple[int, int],
        config: ProposalConfig,
        device: Device,
    ) -> None:
        """Keep it.

        Args:
            network: What is asked.
            kept: What :meth:`ConceptNetwork.see` made of the image.
            size: Height and width of the image in pixels.
            config: Thresholds.
            device: In which precision the network runs.
        """
        self._network, self._kept, self._size = network, kept, size
        self.config, self._device = config, device
        self._found: Remembered[tuple[Proposals, Any]] = Remembered(NOUNS)

    def ask(
        self, nouns: Sequence[str], describe: Callable[[Proposals], Made]
    ) -> tuple[tuple[Proposals, Made], ...]:
        """What each noun finds, and what was made of it: both once, for the last nouns.

        Args:
            nouns: Such as "mug"; one that the network cannot read finds nothing.
            describe: Looks at instances of one noun.

        Returns:
            For each noun its instances, named so, with how surely they are that.
        """

        def look_up(new: Sequence[str]) -> list[tuple[Proposals, Made]]:
            found = [self._instances(noun) for noun in new]
            return [(item, describe(item)) for item in found]

        known = self._found.recall(nouns, look_up)
        return tuple(known[noun] for noun in dict.fromkeys(nouns))

    def _instances(self, noun: str) -> Proposals:
        config = self.config
        try:
            self._network.check_phrases([noun])
        except ConfigError:
            # Whether one is there it does not say.
            return replace(Proposals.empty(*self._size), asked={noun: 1.0})
        with torch.inference_mode(), self._device.precision():
            (answer,) = self._network.concept_masks(self._kept, [noun], config.phrase_thresh)
        best = apart(answer, config.phrase_overlap)
        names = [noun] * len(best)
        found = finished(best.masks, best.quality, self._size, config, names)
        return replace(found, asked=answer.asked)


NOUNS: Final = 64
"""Nouns whose instances are kept of an image."""
SAME_MASK: Final = 0.7
"""Mask IoU from which an instance of a noun is a candidate that is there already."""


def joined(base: Proposals, found: Proposals) -> tuple[Proposals, tuple[tuple[int, int], ...]]:
    """Candidates with the instances of a noun among them.

    Args:
        base: N candidates, which keep their rows.
        found: Instances, named.

    Returns:
        The candidates, those without a name that an instance is a copy of by its name, then the
        other instances; and of each of these its row in ``found``, and the candidate that it is a
        copy of: one thing may be a "fruit" and a "banana". -1 if it is none.
    """
    names, scores = list(base.names or ("",) * len(base)), base.scores.copy()
    added = []
    for row, (box, mask) in enumerate(zip(found.boxes, found.masks, strict=True)):
        near = np.flatnonzero(_ious(box, base.boxes) > SAME_MASK / 2)
        shared = [float((mask & other).sum() / (mask | other).sum()) for other in base.masks[near]]
        same = int(near[int(np.argmax(shared))]) if shared and max(shared) >= SAME_MASK else -1
        if same < 0 or names[same]:
            added.append((row, same))
        else:
            names[same], scores[same] = found.names[row], found.scores[row]
    new = found.keep([row for row, _ in added])
    return Proposals(
        np.concatenate([base.masks, new.masks]),
        np.concatenate([base.quality, new.quality]),
        np.concatenate([base.boxes, new.boxes]),
        (*names, *(new.names or ("",) * len(new))),
        np.concatenate([scores, new.scores]),
        base.strangeness,
        {**base.asked, **found.asked},
    ), tuple(added)


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
