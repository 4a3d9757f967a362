# SPDX-License-Identifier: Apache-2.0
"""The SAM family that transformers carries: SAM, SAM-HQ, SAM 2 and 2.1, EdgeTAM, SAM 3's tracker.

Folders are those of ``save_pretrained``. Images are prepared here and not by the library's image
processors: those of SAM 2 and 3 exist for torchvision alone, and which of two back ends runs
changes results between machines. Mean and deviation are read from the folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.letterbox import Encoded, Frame
from refseg_ros.backbones.precision import in_dtype
from refseg_ros.errors import WeightsError

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Normalisation:
    """What is subtracted from colours in [0, 1], and what they are divided by.

    Attributes:
        mean: The means of red, green and blue.
        deviation: The deviations of red, green and blue.
    """

    mean: Colour
    deviation: Colour

    def __call__(self, pixels: Tensor) -> Tensor:
        """Normalise (3, h, w) in 0 to 255."""
        mean, deviation = (
            torch.tensor(values, device=pixels.device)[:, None, None]
            for values in (self.mean, self.deviation)
        )
        return (pixels / 255 - mean) / deviation


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class FamilyKind:
    """What a ``model_type`` of a saved configuration stands for.

    Attributes:
        name: The name, without ``Model``, of the transformers class that answers points.
        padded: Whether images keep their proportions.
        colours: What its networks were trained on, where the folder does not say.
        part: Key of the part of the configuration that this class takes; "" is all of it.
    """

    name: str
    padded: bool
    colours: Normalisation
    part: str = ""


KINDS: Mapping[str, FamilyKind] = {
    "sam": FamilyKind("Sam", True, IMAGENET),
    "sam_hq": FamilyKind("SamHQ", True, IMAGENET),
    "sam2": FamilyKind("Sam2", False, IMAGENET),
    "sam2_video": FamilyKind("Sam2", False, IMAGENET),
    "edgetam": FamilyKind("EdgeTam", False, IMAGENET),
    "edgetam_video": FamilyKind("EdgeTam", False, IMAGENET),
    "sam3_tracker": FamilyKind("Sam3Tracker", False, HALF),
    "sam3_video": FamilyKind("Sam3Tracker", False, HALF, "tracker_config"),
}
"""By ``model_type``. Published SAM 2.1, EdgeTAM and SAM 3 are the video ones, which hold more."""
KINDS_OF_TEXT: Mapping[str, tuple[str, str]] = {
    "sam3_video": ("Sam3", "detector_config"),  # as published: detector and tracker in one folder
    "sam3": ("Sam3", ""),
    "sam3_lite_text": ("Sam3LiteText", ""),
}
"""By ``model_type``: the name, without ``Model``, of the transformers class that takes phrases,
and the part of the configuration that it takes."""


class FamilyNetwork:
    """See :class:`refseg_ros.proposals.network.ProposalNetwork`."""

    def __init__(self, model: Any, kind: FamilyKind, colours: Normalisation) -> None:
        """Wrap a loaded network; most callers want :func:`load_family`.

        Args:
            model: A transformers model in evaluation mode, on its device.
            kind: What it is.
            colours: How it wants colours.
        """
        self.model = model
        self._kind = kind
        self._colours = colours
        self._side = int(model.config.prompt_encoder_config.image_size)

    def encode(self, image: NDArray[np.uint8]) -> Encoded:
        """Look at an image.

        Args:
            image: (H, W, 3) uint8 RGB of any size.

        Returns:
            ``embeddings`` being arguments of the network, by name.
        """
        frame = Frame((image.shape[0], image.shape[1]), self._side, self._kind.padded)
        pixels = frame.pixels(image).to(self.model.device)
        found = self.model.get_image_embeddings(frame.pad(self._colours(pixels)))
        names = ["image_embeddings"]
        if self._kind.name == "SamHQ":
            names.append("intermediate_embeddings")
        else:
            found = (found,)
        return Encoded(dict(zip(names, in_dtype(found, torch.float32), strict=True)), frame)

    def decode(
        self, encoded: Encoded, points: Tensor, least: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Answer points, each by itself.

        Args:
            encoded: The image.
            points: (N, 2) float32 x, y in pixels of the input.
            least: Draw only those of each point's three masks with a higher predicted IoU; 0 draws
                all.

        Returns:
            (K, h, w) float32 logits and (K,) float32 predicted IoUs.
        """
        given = points[None, :, None].to(self.model.device)
        labels = torch.ones(given.shape[:3], dtype=torch.int64, device=given.device)
        answer = self.model(
            input_points=given, input_labels=labels, multimask_output=True, **encoded.embeddings
        )
        logits, quality = answer.pred_masks[0].flatten(0, 1), answer.iou_scores[0].flatten()
        if not least:
            return logits, quality
        good = quality > least
        return logits[good], quality[good]

    def decode_boxes(self, encoded: Encoded, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Answer boxes, each by itself; see :class:`refseg_ros.proposals.network.BoxPrompted`."""
        given = boxes[None].to(self.model.device)
        answer = self.model(input_boxes=given, multimask_output=False, **encoded.embeddings)
        return answer.pred_masks[0, :, 0].float(), answer.iou_scores[0, :, 0].float()


def load_family(folder: Path, device: torch.device) -> FamilyNetwork:
    """Load what ``save_pretrained`` wrote; nothing is downloaded.

    Args:
        folder: With ``config.json`` and ``model.safetensors``; with ``preprocessor_config.json``
            or ``processor_config.json`` where its colours are others than usual.
        device: Where the network is put.

    Raises:
        WeightsError: The folder is incomplete, damaged, or holds another kind of network.
    """
    settings = read_settings(folder)
    kind = KINDS[settings["model_type"]]
    model = load_model(folder, kind.name, settings[kind.part] if kind.part else settings)
    return FamilyNetwork(model.to(device), kind, read_colours(folder, kind.colours))


def read_settings(folder: Path) -> Mapping[str, Any]:
    """The configuration of a network that is one of :data:`KINDS`.

    Args:
        folder: With ``config.json``.

    Raises:
        WeightsError: There is none, it is damaged, or of a network that finds no masks.
    """
    settings = read_json(folder / "config.json")
    kind = str(settings.get("model_type"))
    if kind not in KINDS:
        raise WeightsError(
            f"{folder} holds a {kind!r} network; proposals come from one of {', '.join(KINDS)}"
        )
    part = KINDS[kind].part
    if part and not isinstance(settings.get(part), dict):
        raise WeightsError(f"{folder / 'config.json'} has no {part}; get the folder again")
    return settings


def load_model(folder: Path, name: str, settings: Mapping[str, Any]) -> Any:
    """A network of transformers with all of its tensors, and none besides.

    Args:
        folder: A folder written by ``save_pretrained``.
        name: The class's name, without ``Model``.
        settings: Its configuration.

    Returns:
        The network in evaluation mode, float32, on the CPU.

    Raises:
        WeightsError: Files are missing or damaged, or of another architecture.
    """
    torchvision_compat.ensure()
    import transformers

    if not hasattr(transformers, f"{name}Model"):
        raise WeightsError(
            f"{folder} holds a {name} network, which transformers {transformers.__version__} does "
            "not have; install a newer one"
        )
    transformers.utils.logging.disable_progress_bar()
    try:
        model, report = getattr(transformers, f"{name}Model").from_pretrained(
            folder,
            config=getattr(transformers, f"{name}Config").from_dict(dict(settings)),
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except Exception as error:  # transformers wraps file errors in classes of many packages
        detail = " ".join(str(error).split())[:300]
        raise WeightsError(f"{folder} cannot be loaded as {name}: {detail}") from error
    # transformers gives random numbers to tensors that a file lacks.
    for fault, verb in (("missing_keys", "lack"), ("unexpected_keys", "have unknown")):
        if report[fault]:
            raise WeightsError(
                f"the weights in {folder} {verb} {len(report[fault])} tensors, such as "
                f"{min(report[fault])}; get the folder again"
            )
    return model.eval()


def read_colours(folder: Path, usual: Normalisation) -> Normalisation:
    """How the network in a folder wants colours.

    Args:
        folder: With ``processor_config.json``, ``preprocessor_config.json`` or neither.
        usual: What its kind was trained on, for a folder with neither.

    Raises:
        WeightsError: The file is damaged, or its values are no colours.
    """
    for name in ("processor_config.json", "preprocessor_config.json"):
        path = folder / name
        if not path.exists():
            continue
        settings = read_json(path)
        settings = settings.get("image_processor", settings)
        if "image_mean" not in settings:
            continue
        try:
            red, green, blue = (float(value) for value in settings["image_mean"])
            wide = tuple(float(value) for value in settings["image_std"])
            if len(wide) != 3 or min(wide) <= 0:
                raise ValueError(f"image_std: {wide}")
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError(
                f"{path}: image_mean, image_std: not three numbers: {error}"
            ) from error
        return Normalisation((red, green, blue), wide)
    return usual


def read_json(path: Path) -> dict[str, Any]:
    """A file that holds one table.

    Raises:
        WeightsError: It is missing or damaged.
    """
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read: {error}; get the folder again") from error
    if not isinstance(settings, dict):
        raise WeightsError(f"{path} holds no table; get the folder again")
    return settings
