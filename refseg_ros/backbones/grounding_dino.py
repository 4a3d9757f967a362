# SPDX-License-Identifier: Apache-2.0
"""Grounding DINO and MM Grounding DINO through transformers: boxes of whatever is asked.

Text and picture meet early in these networks, so that only what the backbone makes of the picture
serves all phrases. Each phrase is asked by itself: what is found of it depends on no other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.backbones.owl import box_corners, boxes_above, load_detector
from refseg_ros.errors import ConfigError
from refseg_ros.results import FloatArray


class _Seen(NamedTuple):
    """What is kept of a picture.

    Attributes:
        maps: What the backbone made of it: maps with their masks, and positional codes.
        shape: Of its pixels in the network's input.
        size: Its height and width in pixels.
    """

    maps: tuple[Any, Any]
    shape: tuple[int, ...]
    size: tuple[int, int]


class DinoBoxes:
    """See :class:`refseg_ros.proposals.network.BoxNetwork`."""

    def __init__(self, model: Any, processor: Any) -> None:
        """Put loaded parts together; most callers want :meth:`load`.

        Args:
            model: A ``GroundingDinoForObjectDetection`` or ``MMGroundingDinoForObjectDetection``
                in evaluation mode, on its device.
            processor: Its ``GroundingDinoProcessor``.
        """
        self._model, self._processor = model, processor
        self._backbone = model.model.backbone = _Recalling(model.model.backbone)

    @classmethod
    def load(cls, folder: Path, device: torch.device, kind: str = "GroundingDino") -> DinoBoxes:
        """Load a folder of ``save_pretrained``; nothing is downloaded.

        Args:
            folder: With the network and its processor.
            device: Where the network is put.
            kind: ``GroundingDino`` or ``MMGroundingDino``.

        Raises:
            WeightsError: It is incomplete, damaged, or holds another kind of network.
        """
        return cls(*load_detector(folder, device, kind, "Grounding DINO"))

    def check_phrases(self, phrases: Sequence[str]) -> None:
        """Refuse phrases that the text encoder cannot read to the end.

        Raises:
            ConfigError: One is too long.
        """
        most = self._model.config.max_text_len
        for phrase in phrases:
            if (count := self._words(phrase)["input_ids"].shape[1]) > most:
                raise ConfigError(
                    f"proposals.phrases: {phrase!r} is {count} tokens long; Grounding DINO reads "
                    f"up to {most}"
                )

    def see(self, image: NDArray[np.uint8]) -> _Seen:
        """Look at an (H, W, 3) uint8 RGB image of any size, once for all phrases."""
        device = self._model.device
        # Half precision moves its boxes by pixels.
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            pixels = self._processor.image_processor(images=image.copy(), return_tensors="pt")
            values = pixels["pixel_values"].to(device)
            maps = self._backbone.network(values, pixels["pixel_mask"].to(device))
        return _Seen(maps, tuple(values.shape), (image.shape[0], image.shape[1]))

    def concept_boxes(
        self, seen: _Seen, phrases: Sequence[str], thresh: float
    ) -> tuple[tuple[FloatArray, FloatArray], ...]:
        """Boxes of what phrases name; see :class:`refseg_ros.proposals.network.BoxNetwork`."""
        with torch.inference_mode(), torch.autocast(self._model.device.type, enabled=False):
            return tuple(self._found(seen, phrase, thresh) for phrase in phrases)

    def _found(self, seen: _Seen, phrase: str, thresh: float) -> tuple[FloatArray, FloatArray]:
        device = self._model.device
        with self._backbone.recalling(seen.maps):
            # The network reads nothing of the pixels but their shape.
            answer = self._model(
                pixel_values=torch.zeros(1, device=device).expand(seen.shape),
                **self._words(phrase).to(device),
            )
        scores = answer.logits[0].float().sigmoid().amax(-1).cpu()
        height, width = seen.size
        boxes = box_corners(answer.pred_boxes[0].float().cpu())
        return boxes_above(boxes * torch.tensor([width, height, width, height]), scores, thresh)

    def _words(self, phrase: str) -> Any:
        """Tokens as the processor makes them: small letters, and a full stop."""
        text = f"{phrase.strip().lower()}."
        return self._processor.tokenizer(text, return_token_type_ids=True, return_tensors="pt")


class _Recalling(torch.nn.Module):
    """The backbone within the network, which is told what it made of the picture at work."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self.position_embedding = network.position_embedding
        self._maps: tuple[Any, Any] | None = None
        self._lock = threading.Lock()

    @contextmanager
    def recalling(self, maps: tuple[Any, Any]) -> Iterator[None]:
        """While the network asks about a picture seen before; one thread at a time."""
        with self._lock:
            self._maps = maps
            try:
                yield
            finally:
                self._maps = None

    def forward(self, pixels: torch.Tensor, mask: torch.Tensor) -> tuple[list[Any], list[Any]]:
        """What the network made of the picture; its caller appends to the lists."""
        assert self._maps is not None
        maps, places = self._maps
        return list(maps), list(places)
