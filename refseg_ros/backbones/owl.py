# SPDX-License-Identifier: Apache-2.0
"""OWLv2 through transformers: an image is seen once, and boxes found of whatever is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from refseg_ros.backbones import torchvision_compat
from refseg_ros.errors import ConfigError, WeightsError
from refseg_ros.results import FloatArray

PROMPT: Final = "a photo of a {}"
"""What it was trained to be asked with."""
OVERLAP: Final = 0.5
"""IoU above which the worse of two boxes of one phrase goes."""


class OwlBoxes:
    """See :class:`refseg_ros.proposals.network.BoxNetwork`."""

    def __init__(self, model: Any, processor: Any) -> None:
        """Put loaded parts together; most callers want :meth:`load`.

        Args:
            model: An ``Owlv2ForObjectDetection`` in evaluation mode, on its device.
            processor: Its ``Owlv2Processor``.
        """
        self._model, self._processor = model, processor
        self._tokens = int(model.config.text_config.max_position_embeddings)

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> OwlBoxes:
        """Load a folder of ``save_pretrained``; nothing is downloaded.

        Args:
            folder: With the network and its processor.
            device: Where the network is put.

        Raises:
            WeightsError: It is incomplete, damaged, or holds another kind of network.
        """
        return cls(*load_detector(folder, device, "Owlv2", "OWLv2"))

    def check_phrases(self, phrases: Sequence[str]) -> None:
        """Refuse phrases that the text encoder cannot read to the end.

        Raises:
            ConfigError: One is too long.
        """
        for phrase in phrases:
            count = len(self._processor.tokenizer(PROMPT.replace("{}", phrase))["input_ids"])
            if count > self._tokens:
                raise ConfigError(
                    f"proposals.phrases: {phrase!r} is {count} tokens long with its prompt; OWLv2 "
                    f"reads up to {self._tokens}"
                )

    def see(self, image: NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor]:
        """(1, K, D) features of the image's K places, and (K, 4) the box of each in pixels."""
        model = self._model
        with torch.inference_mode():
            pixels = self._processor(images=image.copy(), return_tensors="pt")["pixel_values"]
            grid, _ = model.image_embedder(pixels.to(model.device, model.dtype))
            features = grid.flatten(1, 2)
            # It sees a square, in whose upper left the image lies.
            side = max(image.shape[:2])
            boxes = box_corners(model.box_predictor(features, grid)[0].float().cpu()) * side
        return features, boxes

    def concept_boxes(
        self, seen: tuple[torch.Tensor, torch.Tensor], phrases: Sequence[str], thresh: float
    ) -> tuple[tuple[FloatArray, FloatArray], ...]:
        """Boxes of what phrases name; see :class:`BoxNetwork`."""
        features, boxes = seen
        with torch.inference_mode():
            logits, _ = self._model.class_predictor(features, self._read(phrases)[None])
            scores = logits[0].float().sigmoid().cpu()
        return tuple(boxes_above(boxes, column, thresh) for column in scores.unbind(1))

    def _read(self, phrases: Sequence[str]) -> torch.Tensor:
        """(M, D) unit features of phrases."""
        prompts = [PROMPT.replace("{}", phrase) for phrase in phrases]
        words = self._processor(text=[prompts], return_tensors="pt").to(self._model.device)
        asked = self._model.owlv2.get_text_features(words["input_ids"], words["attention_mask"])
        return functional.normalize(asked.pooler_output, dim=-1)


def box_corners(boxes: torch.Tensor) -> torch.Tensor:
    """(N, 4) x0, y0, x1, y1 of boxes by their middle and extent."""
    middle, extent = boxes.split(2, -1)
    return torch.cat([middle - extent / 2, middle + extent / 2], -1)


def boxes_above(
    boxes: torch.Tensor, scores: torch.Tensor, thresh: float
) -> tuple[FloatArray, FloatArray]:
    """Those of K boxes of one phrase that score above a threshold, the best first.

    Args:
        boxes: (K, 4).
        scores: (K,).
        thresh: The threshold; of two that overlap by more than :data:`OVERLAP` the better stays.
    """
    good = torch.nonzero(scores > thresh)[:, 0]
    kept = good[torchvision_compat.nms(boxes[good], scores[good], OVERLAP)]
    return boxes[kept].numpy(), scores[kept].numpy()


def load_detector(folder: Path, device: torch.device, kind: str, name: str) -> tuple[Any, Any]:
    """A detector of transformers with all of its tensors, and its processor.

    Args:
        folder: A folder written by ``save_pretrained``; nothing is downloaded.
        device: Where the network is put.
        kind: The class's name, without ``ForObjectDetection``.
        name: What people call it.

    Raises:
        WeightsError: The folder is incomplete, damaged, or holds another kind of network.
    """
    torchvision_compat.ensure()
    import transformers

    _need(folder, name)
    try:
        model, report = getattr(transformers, f"{kind}ForObjectDetection").from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
        processor = getattr(transformers, f"{kind.removeprefix('MM')}Processor").from_pretrained(
            folder, local_files_only=True
        )
    except Exception as error:  # transformers wraps file errors in classes of many packages
        detail = " ".join(str(error).split())[:300]
        raise WeightsError(f"{folder} cannot be loaded as {name}: {detail}") from error
    # transformers gives random numbers to tensors that a file lacks.
    if missing := report["missing_keys"]:
        raise WeightsError(
            f"the weights in {folder} lack {len(missing)} tensors, such as {min(missing)}; "
            "get the folder again"
        )
    return model.to(device).eval(), processor


def _need(folder: Path, name: str) -> None:
    """Name what a folder lacks; the library says something else of each."""
    wanted = {
        "config.json": ("config.json",),
        "model.safetensors": ("model.safetensors", "model.safetensors.index.json"),
        "preprocessor_config.json": ("preprocessor_config.json", "processor_config.json"),
        "tokenizer.json": ("tokenizer.json", "vocab.txt", "vocab.json"),
    }
    lacking = [
        file
        for file, forms in wanted.items()
        if not any((folder / form).is_file() for form in forms)
    ]
    if lacking:
        raise WeightsError(
            f"{folder} cannot be loaded as {name}: it lacks {', '.join(lacking)}; copy the whole "
            "model page into it, or save network and processor there by save_pretrained"
        )
