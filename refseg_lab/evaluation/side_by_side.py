# SPDX-License-Identifier: Apache-2.0
"""Several configurations on the same pictures: networks are loaded once and run once.

What a network answers is remembered until the next picture, under the very pixels or words that
it was asked. Configurations that find the same masks and cut the same crops so share proposals,
features and captions, whichever of their other fields differ, and each answers exactly what it
would answer alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_lab.evaluation.measure import measure_scene
from refseg_lab.evaluation.records import Sample, SceneResult
from refseg_ros.backbones.captioner import Captioner
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.device import Device
from refseg_ros.config import CaptionConfig, ClipConfig, ProposalConfig, SegmenterConfig
from refseg_ros.networks import Networks
from refseg_ros.proposals import Proposer
from refseg_ros.recordings.observed import Observer
from refseg_ros.results import Proposals
from refseg_ros.segmenter import Segmenter

T = TypeVar("T")
Image = NDArray[np.uint8]


class Memory:
    """Answers of networks by what they were asked."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._known: dict[Hashable, Any] = {}

    def recall(self, key: Hashable, ask: Callable[[], T]) -> T:
        """The answer to a question, asked only if it is not known.

        Args:
            key: Identifies the question; equal only for the same question to the same network.
            ask: Asks it.
        """
        if key not in self._known:
            self._known[key] = ask()
        return cast("T", self._known[key])

    def forget(self) -> None:
        """Forget all answers."""
        self._known.clear()


def digest(images: Sequence[Image]) -> bytes:
    """A key of images: of their sizes and all of their pixels, in their order.

    Args:
        images: (h, w, 3) uint8 arrays.
    """
    code = hashlib.blake2b(digest_size=16)
    for image in images:
        code.update(f"{image.shape}".encode())
        code.update(np.ascontiguousarray(image).data)
    return code.digest()


class SharedNetworks(Networks):
    """Networks that remember; :meth:`forget` before the next picture."""

    def __init__(self, device: Device) -> None:
        """Load nothing yet.

        Args:
            device: Where the networks are put.
        """
        super().__init__(device)
        self._memory = Memory()

    def forget(self) -> None:
        """Make room for another picture."""
        self._memory.forget()

    def proposer(self, config: ProposalConfig) -> Proposer:
        """What finds masks; as :meth:`Networks.proposer`."""
        return _SharedProposer(super().proposer(config), self._memory, config)

    def clip(self, config: ClipConfig) -> ClipEncoder:
        """What encodes crops and texts; as :meth:`Networks.clip`."""
        return _SharedClip(super().clip(config), self._memory, config)

    def captioner(self, config: CaptionConfig) -> Captioner:
        """What describes crops; as :meth:`Networks.captioner`."""
        return _SharedCaptioner(super().captioner(config), self._memory, config)


class _SharedProposer:
    def __init__(self, proposer: Proposer, memory: Memory, config: ProposalConfig) -> None:
        self._proposer, self._memory, self._config = proposer, memory, config

    def propose(self, image: Image) -> Proposals:
        key = ("proposals", self._config, digest([image]))
        return self._memory.recall(key, lambda: self._proposer.propose(image))


class _SharedClip(ClipEncoder):
    def __init__(self, clip: ClipEncoder, memory: Memory, config: ClipConfig) -> None:
        vars(self).update(vars(clip))  # the same network; only two calls are others
        self._clip, self._memory, self._config = clip, memory, config

    def encode_images(self, images: Sequence[Image], unit: bool = True) -> torch.Tensor:
        key = ("images", self._config, digest(images), unit)
        return self._memory.recall(key, lambda: self._clip.encode_images(images, unit))

    def encode_texts(self, texts: Sequence[str], unit: bool = True) -> torch.Tensor:
        key = ("texts", self._config, tuple(texts), unit)
        return self._memory.recall(key, lambda: self._clip.encode_texts(texts, unit))


class _SharedCaptioner(Captioner):
    def __init__(self, captioner: Captioner, memory: Memory, config: CaptionConfig) -> None:
        vars(self).update(vars(captioner))
        self._captioner, self._memory, self._config = captioner, memory, config

    def caption(self, images: Sequence[Image]) -> list[str]:
        key = ("captions", self._config, digest(images))
        return list(self._memory.recall(key, lambda: self._captioner.caption(images)))


class Variants:
    """Segmenters that are measured side by side."""

    def __init__(
        self, observers: Sequence[Observer], forget: Callable[[], None] = lambda: None
    ) -> None:
        """Keep the segmenters.

        Args:
            observers: One per configuration, in order.
            forget: Called after each picture.
        """
        self._observers = tuple(observers)
        self._forget = forget

    def __call__(self, sample: Sample) -> tuple[SceneResult, ...]:
        """Measure all of them on one picture.

        Args:
            sample: The picture with its questions.

        Returns:
            One result per configuration; the answers keep no masks.
        """
        try:
            return tuple(_without_masks(measure_scene(item, sample)) for item in self._observers)
        finally:
            self._forget()


def _without_masks(result: SceneResult) -> SceneResult:
    answers = tuple(dataclasses.replace(answer, mask=b"") for answer in result.answers)
    return dataclasses.replace(result, answers=answers)


@dataclass(frozen=True)
class VariantsLoader:
    """Loads segmenters that share their networks.

    Attributes:
        configs: The segmenters' configurations.
        device: Device name for :meth:`refseg_ros.backbones.device.Device.from_name`.
    """

    configs: tuple[SegmenterConfig, ...]
    device: str = "auto"

    def find(self) -> None:
        """Look for all files, and load nothing.

        Raises:
            ConfigError: The device is not there.
            WeightsError: A checkpoint is missing.
        """
        Device.from_name(self.device)
        for config in self.configs:
            Networks.find(config)

    def __call__(self) -> Variants:
        """Load the networks.

        Raises:
            ConfigError: The device is not there.
            WeightsError: A checkpoint is missing or damaged.
        """
        device = Device.from_name(self.device)
        networks = SharedNetworks(device)
        segmenters = [Segmenter.from_config(item, device, networks) for item in self.configs]
        return Variants(segmenters, networks.forget)
