# SPDX-License-Identifier: Apache-2.0
"""SAM 3's detector: all instances of a noun phrase in an image, with scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.backbones.letterbox import Frame
from refseg_ros.backbones.sam_family import (
    HALF,
    KINDS_OF_TEXT,
    FamilyNetwork,
    Normalisation,
    load_model,
    read_colours,
    read_json,
)
from refseg_ros.errors import ConfigError, WeightsError
from refseg_ros.results import Proposals


class Sam3Concepts:
    """See :class:`refseg_ros.proposals.network.ConceptNetwork`."""

    def __init__(self, model: Any, tokenizer: Any, colours: Normalisation) -> None:
        """Put loaded parts together; most callers want :func:`load_concepts`.

        Args:
            model: A ``Sam3Model`` in evaluation mode, on its device.
            tokenizer: The tokenizer of its text encoder.
            colours: How it wants colours.
        """
        self._model = model
        self._tokenizer = tokenizer
        self._colours = colours
        self._side = int(model.config.image_size)
        self._tokens = int(model.config.text_config.max_position_embeddings)

    def check_phrases(self, phrases: Sequence[str]) -> None:
        """Refuse phrases that the text encoder cannot read to the end.

        Args:
            phrases: Such as "mug" or "red book".

        Raises:
            ConfigError: One is too long.
        """
        for phrase in phrases:
            self._read(phrase)

    def see(self, image: NDArray[np.uint8]) -> tuple[Any, Frame]:
        """What its vision encoder makes of an image, and where that lies in the input."""
        frame = Frame((image.shape[0], image.shape[1]), self._side, padded=False)
        pixels = frame.pixels(image).to(self._model.device)
        return self._model.get_vision_features(frame.pad(self._colours(pixels))), frame

    def concept_masks(
        self, seen: tuple[Any, Frame], phrases: Sequence[str], thresh: float
    ) -> tuple[Proposals, ...]:
        """Instances of what phrases name; see :class:`ConceptNetwork`.

        Raises:
            ConfigError: A phrase is too long.
        """
        return tuple(self._instances(*seen, phrase, thresh) for phrase in phrases)

    def _instances(self, seen: Any, frame: Frame, phrase: str, thresh: float) -> Proposals:
        answer = self._model(vision_embeds=seen, **self._read(phrase))
        # Whether the image shows it at all, and whether each query is one of it.
        present = answer.presence_logits.float().sigmoid()
        scores = (answer.pred_logits.float().sigmoid() * present)[0]
        kept = torch.nonzero(scores > thresh)[:, 0]
        shares = frame.enlarged(answer.pred_masks[0, kept].float().sigmoid())
        masks = (shares > 0.5).cpu().numpy()
        drawn = masks.any((1, 2))
        told = scores[kept].cpu().numpy()[drawn]
        return Proposals(masks[drawn], told, asked={phrase: float(present.max())})

    def _read(self, phrase: str) -> Mapping[str, torch.Tensor]:
        """Tokens, filled up as in training: arguments of the network by name."""
        words = self._tokenizer(
            phrase, padding="max_length", max_length=self._tokens, return_tensors="pt"
        )
        count = words["input_ids"].shape[1]
        if count > self._tokens:
            raise ConfigError(
                f"proposals.phrases: {phrase!r} is {count} tokens long; SAM 3 reads up to "
                f"{self._tokens}"
            )
        device = self._model.device
        return {name: words[name].to(device) for name in ("input_ids", "attention_mask")}


def load_concepts(
    folder: Path, points: FamilyNetwork | None = None, device: torch.device | None = None
) -> Sam3Concepts:
    """Load a detector of the SAM 3 family; nothing is downloaded.

    Args:
        folder: A whole SAM 3, as it was published, or its image model alone.
        points: The tracker of the same folder, loaded: both see the image through one backbone,
            and once.
        device: Where the network is put; that of ``points`` by default.

    Raises:
        ConfigError: The folder holds a network that takes no phrases.
        WeightsError: It is incomplete or damaged, or the installed transformers has no such class.
    """
    settings = read_json(folder / "config.json")
    kind = str(settings.get("model_type"))
    if kind not in KINDS_OF_TEXT:
        raise ConfigError(
            f"proposals.phrases: {folder} holds a {kind!r} network, which takes no phrases; use a "
            f"folder of model_type {' or '.join(KINDS_OF_TEXT)}, or no phrases"
        )
    name, part = KINDS_OF_TEXT[kind]
    parts = settings.get(part) if part else settings
    if not isinstance(parts, dict):
        raise WeightsError(f"{folder / 'config.json'} has no {part}; get it again")
    model = load_model(folder, name, parts)
    if points is not None:
        # The published file has the backbone's weights once, for both.
        shared = _OneLook.of(points.model.vision_encoder.backbone)
        model.vision_encoder.backbone = points.model.vision_encoder.backbone = shared
        device = points.model.device
    colours = read_colours(folder, HALF)
    tokenizer = _tokenizer(folder, model.config.text_config.vocab_size)
    return Sam3Concepts(model.to(device or "cpu"), tokenizer, colours)


class _OneLook(torch.nn.Module):
    """A backbone that is asked by two: the second gets what was made of the same pixels."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network
        self._last: tuple[torch.Tensor, Any] | None = None

    @classmethod
    def of(cls, network: torch.nn.Module) -> _OneLook:
        return network if isinstance(network, cls) else cls(network)

    def forward(self, pixels: torch.Tensor, **options: Any) -> Any:
        if (last := self._last) is not None:
            self._last = None
            if torch.equal(last[0], pixels):
                return last[1]
        self._last = (pixels, self.network(pixels, **options))
        return self._last[1]


def _tokenizer(folder: Path, rows: int) -> Any:
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # transformers wraps file errors in classes of many packages
        detail = " ".join(str(error).split())[:300]
        raise WeightsError(f"{folder}: its tokenizer cannot be loaded: {detail}") from error
    # transformers gives an empty vocabulary to a folder without a tokenizer.
    if 2 * len(tokenizer) < rows:
        raise WeightsError(
            f"{folder}: its tokenizer knows {len(tokenizer)} tokens and the network {rows}; get "
            "the folder again"
        )
    return tokenizer
