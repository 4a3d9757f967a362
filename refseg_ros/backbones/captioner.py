# SPDX-License-Identifier: Apache-2.0
"""Captions through transformers: BLIP, BLIP-2, and networks that are asked in a chat."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.batches import Batches
from refseg_ros.backbones.blip_attention import fuse_attention
from refseg_ros.backbones.greedy import greedy_tokens, is_plain
from refseg_ros.errors import WeightsError

PROMPT = "What is in this picture?"
KINDS = {"blip": "BlipForConditionalGeneration", "blip-2": "Blip2ForConditionalGeneration"}
"""``model_type`` of a saved configuration to the class of transformers that loads it; others are
left to ``AutoModelForImageTextToText`` and must have a chat template."""
_TEMPLATES = (
    *("chat_template.jinja", "chat_template.json"),
    *("processor_config.json", "tokenizer_config.json"),
)


class Captioner:
    """A captioning network that describes images in batches."""

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        device: torch.device,
        max_new_tokens: int = 30,
        num_beams: int = 5,
        batch_size: int = 16,
        prompt: str = "",
    ) -> None:
        """Put loaded parts together; most callers want :meth:`load`.

        Args:
            model: A transformers model with ``generate``, on ``device``.
            processor: Its image processor and tokenizer.
            device: Where it is.
            max_new_tokens: Longest caption in tokens.
            num_beams: Beams of the search; 1 is greedy.
            batch_size: Images described at a time.
            prompt: What a network with a chat template is asked; "" for one without.
        """
        self._prompt = prompt
        self._dtype = next(iter(model.parameters())).dtype
        self._model = model
        self._processor = processor
        self._device = device
        self._options = {
            "max_new_tokens": max_new_tokens,
            "num_beams": num_beams,
            "do_sample": False,
        }
        self._greedy = num_beams == 1 and is_plain(model)
        self._crops = Batches(batch_size, "crops for the captioner")

    @property
    def chats(self) -> bool:
        """Whether it answers questions: it has a chat template."""
        return bool(self._prompt)

    @property
    def blip_vision(self) -> Any:
        """BLIP's image tower; None of another network."""
        kind = getattr(self._model.config, "model_type", "")
        return self._model.vision_model if kind == "blip" else None

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        device: torch.device,
        max_new_tokens: int = 30,
        num_beams: int = 5,
        batch_size: int = 16,
        dtype: torch.dtype = torch.float32,
        prompt: str = PROMPT,
    ) -> Captioner:
        """Load what ``save_pretrained`` wrote; nothing is downloaded.

        Args:
            folder: With ``config.json``, weights, tokenizer and image processor.
            device: Where to put it.
            max_new_tokens: Longest caption in tokens.
            num_beams: Beams of the search; 1 is greedy.
            batch_size: Images described at a time.
            dtype: Of the weights, and of what is computed with them, whatever autocast says: that
                would cast anew in each step of decoding.
            prompt: What a network with a chat template is asked about each image.

        Raises:
            WeightsError: The folder is missing, incomplete, damaged or of another kind.
        """
        torchvision_compat.ensure()
        import transformers
        from transformers.models.auto.modeling_auto import (
            MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
        )

        try:
            kind = json.loads((folder / "config.json").read_text("utf-8")).get("model_type")
        except (OSError, ValueError, AttributeError) as error:
            raise WeightsError(f"captioner: {folder} has no readable config.json") from error
        chats = kind not in KINDS and kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
        chats = chats and any(_has_template(folder / name) for name in _TEMPLATES)
        if not chats and kind not in KINDS:
            raise WeightsError(
                f"captioner: {folder} holds a {kind!r} model; supported are {', '.join(KINDS)}, "
                "and image-text-to-text networks with a chat template"
            )
        transformers.utils.logging.disable_progress_bar()
        try:
            model, report = getattr(
                transformers, KINDS.get(kind, "AutoModelForImageTextToText")
            ).from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=dtype,
                output_loading_info=True,
            )
            processor = transformers.AutoProcessor.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, backend="pil"
            )
        except Exception as error:  # transformers wraps file errors in classes of many packages
            detail = " ".join(str(error).split())[:300]
            raise WeightsError(f"captioner: {folder} cannot be loaded: {detail}") from error
        _check_complete(folder, model, report["missing_keys"], processor)
        if dtype is not torch.float32:  # which the bundled captioner was fitted in, to the bit
            fuse_attention(model)
        return cls(
            model.to(device).eval(),
            processor,
            device=device,
            max_new_tokens=max_new_tokens,
            num_beams=num_beams,
            batch_size=batch_size,
            prompt=prompt if chats else "",
        )

    def _own_precision(self) -> torch.autocast:
        return torch.autocast(self._device.type, enabled=False)

    def caption(self, images: Sequence[NDArray[np.uint8]]) -> list[str]:
        """Describe images.

        Args:
            images: N arrays (h, w, 3) uint8 RGB of any size.

        Returns:
            N captions without special tokens.
        """
        with torch.inference_mode(), self._own_precision():
            parts = self._crops.run(images, self._describe)
        return [caption for part in parts for caption in part]

    def _describe(self, images: Sequence[NDArray[np.uint8]]) -> list[str]:
        if self._prompt:
            return self.reply(images, self._prompt, **self._options)
        pictures = [Image.fromarray(image) for image in images]
        pixels = self._processor(images=pictures, return_tensors="pt")["pixel_values"]
        pixels = pixels.to(self._device, self._dtype)
        if self._greedy:
            tokens = greedy_tokens(self._model, pixels, self._options["max_new_tokens"])
        else:
            tokens = self._model.generate(pixel_values=pixels, **self._options)
        texts = self._processor.batch_decode(tokens, skip_special_tokens=True)
        return [text.strip() for text in texts]

    def reply(self, images: Sequence[NDArray[np.uint8]], prompt: str, **options: Any) -> list[str]:
        """What a network with a chat template says of each image.

        Args:
            images: N arrays (h, w, 3) uint8 RGB of any size.
            prompt: What it is asked.
            options: Of ``generate``, such as ``max_new_tokens`` and ``max_time`` in seconds.
        """
        turn = [{"type": "image"}, {"type": "text", "text": prompt}]
        said = self._processor.apply_chat_template(
            [{"role": "user", "content": turn}], add_generation_prompt=True, tokenize=False
        )
        self._processor.tokenizer.padding_side = "left"  # what is said next follows the last token
        inputs = self._processor(
            text=[said] * len(images),
            images=[[Image.fromarray(image)] for image in images],
            return_tensors="pt",
            padding=True,
        )
        inputs = {
            name: value.to(self._device, self._dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
        }
        with torch.inference_mode(), self._own_precision():
            tokens = self._model.generate(**inputs, **options)
        new = tokens[:, inputs["input_ids"].shape[1] :]
        texts = self._processor.batch_decode(new, skip_special_tokens=True)
        return [" ".join(text.split()) for text in texts]


def _has_template(path: Path) -> bool:
    """Whether a file of a folder is, or holds, a chat template."""
    if path.suffix != ".json" or not path.is_file():
        return path.is_file()
    try:
        return "chat_template" in json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _check_complete(folder: Path, model: Any, missing: Collection[str], processor: Any) -> None:
    # transformers gives random numbers to tensors that a file lacks, and an empty vocabulary to
    # a folder without a tokenizer: both would caption, with nonsense.
    if missing:
        raise WeightsError(
            f"captioner: the weights in {folder} lack {len(missing)} tensors, such as "
            f"{min(missing)}; get the folder again"
        )
    words, rows = len(processor.tokenizer), model.get_input_embeddings().num_embeddings
    if 2 * words < rows:
        raise WeightsError(
            f"captioner: the tokenizer in {folder} knows {words} tokens and the network {rows}; "
            "get the folder again"
        )
