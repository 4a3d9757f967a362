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
    KINDS,
    FamilyNetwork,
    Normalisation,
    load_model,
    read_colours,
    read_settings,
)
from refseg_ros.errors import ConfigError, WeightsError
from refseg_ros.results import Proposals

_KIND = "sam3_video"  # what was published: the detector and the tracker in one folder


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

    def concept_masks(
        self, image: NDArray[np.uint8], phrases: Sequence[str], thresh: float
    ) -> tuple[Proposals, ...]:
        """Instances of what phrases name.

        Args:
            image: (H, W, 3) uint8 RGB of any size.
            phrases: Such as "mug" or "red book".
            thresh: Instances of a higher score than this are told.

        Returns:
            For each phrase its instances, ``quality`` being their scores in [0, 1]; none is
            fine.

        Raises:
            ConfigError: A phrase is too long.
        """
        frame = Frame((image.shape[0], image.shape[1]), self._side, padded=False)
        pixels = frame.pixels(image).to(self._model.device)
        seen = self._model.get_vision_features(frame.pad(self._colours(pixels)))
        return tuple(self._instances(seen, phrase, frame, thresh) for phrase in phrases)

    def _instances(self, seen: Any, phrase: str, frame: Frame, thresh: float) -> Proposals:
        answer = self._model(vision_embeds=seen, **self._read(phrase))
        # Whether the image shows it at all, and whether each query is one of it.
        present = answer.presence_logits.float().sigmoid()
        scores = (answer.pred_logits.float().sigmoid() * present)[0]
        kept = torch.nonzero(scores > thresh)[:, 0]
        shares = frame.enlarged(answer.pred_masks[0, kept].float().sigmoid())
        masks = (shares > 0.5).cpu().numpy()
        drawn = masks.any((1, 2))
        return Proposals(masks[drawn], scores[kept].cpu().numpy()[drawn])

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


def load_concepts(folder: Path, points: FamilyNetwork) -> Sam3Concepts:
    """Load the detector beside the tracker of the same folder; nothing is downloaded.

    Args:
        folder: A whole SAM 3, as it was published.
        points: Its tracker, loaded; both see the image through one backbone.

    Raises:
        ConfigError: The folder holds a network that takes no phrases.
        WeightsError: It is incomplete or damaged.
    """
    settings = read_settings(folder)
    if settings["model_type"] != _KIND:
        raise ConfigError(
            f"proposals.phrases: {folder} holds a {settings['model_type']!r} network, which takes "
            f"no phrases; use a folder of model_type {_KIND}, or no phrases"
        )
    parts = settings.get("detector_config")
    if not isinstance(parts, dict):
        raise WeightsError(f"{folder / 'config.json'} has no detector_config; get it again")
    model = load_model(folder, "Sam3", parts)
    # The published file has the backbone's weights once, for both.
    model.vision_encoder.backbone = points.model.vision_encoder.backbone
    colours = read_colours(folder, KINDS[_KIND].colours)
    tokenizer = _tokenizer(folder, model.config.text_config.vocab_size)
    return Sam3Concepts(model.to(points.model.device), tokenizer, colours)


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
