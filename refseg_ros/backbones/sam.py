# SPDX-License-Identifier: Apache-2.0
"""segment-anything networks through one loader: published ViTs, MobileSAM, the bundled one."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import torch
from safetensors.torch import load_file

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.conv_pyramid import STRIDE, ConvPyramid
from refseg_ros.backbones.mobile_sam import MARK, build_mobile_sam, own_names
from refseg_ros.config import SAM_ARCHITECTURES
from refseg_ros.errors import WeightsError

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

_WIDTHS = {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}  # channels of the published encoders


def load_sam(architecture: str, checkpoint: Path, device: torch.device) -> Sam:
    """Build a network and load its weights.

    Args:
        architecture: One of :data:`refseg_ros.config.SAM_ARCHITECTURES`, ``auto`` to tell which
            from the checkpoint, or the path of a JSON file with the keys of
            :func:`build_small_sam`.
        checkpoint: A ``.safetensors`` file, or a ``.pth`` or ``.pt`` as published.
        device: Where the network is put.

    Returns:
        The network in evaluation mode, float32.

    Raises:
        WeightsError: The architecture is unknown, or the file is missing, damaged, unsafe or
            made for another architecture.
    """
    if architecture == "auto":
        state = read_state_dict(checkpoint)
        architecture = architecture_of(state, checkpoint)
        sam = _build(architecture)
    else:
        sam = _build(architecture)
        state = read_state_dict(checkpoint)
    if architecture == "mobile_sam":
        state = own_names(state)
    try:
        sam.load_state_dict(state)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:300]
        raise WeightsError(
            f"{checkpoint} does not hold weights of {architecture}; give the architecture that "
            f"it was made for: {detail}"
        ) from error
    sam.to(device)
    sam.eval()
    return sam


def architecture_of(state: Mapping[str, torch.Tensor], checkpoint: Path) -> str:
    """Which of the published architectures tensors belong to.

    Args:
        state: Name to tensor.
        checkpoint: Where they are from, for the message.

    Raises:
        WeightsError: It is none of them.
    """
    if MARK in state:
        return "mobile_sam"
    places = state.get("image_encoder.pos_embed")
    width = places.shape[-1] if places is not None and places.ndim else 0
    if width not in _WIDTHS:
        raise WeightsError(
            f"{checkpoint} holds the weights of none of {', '.join(SAM_ARCHITECTURES)}; if it is "
            "for a network that a .json file describes, name that file as proposals.architecture"
        )
    return _WIDTHS[width]


def _build(architecture: str) -> Sam:
    torchvision_compat.ensure()
    from segment_anything import sam_model_registry

    if architecture == "mobile_sam":
        return build_mobile_sam()
    if architecture in SAM_ARCHITECTURES:
        built: Sam = sam_model_registry[architecture](checkpoint=None)
        return built
    if not architecture.endswith(".json"):
        raise WeightsError(
            f"architecture: {architecture!r} is not one of {', '.join(SAM_ARCHITECTURES)}, nor a "
            ".json file that describes a network"
        )
    try:
        description = json.loads(Path(architecture).read_text(encoding="utf-8"))
        return build_small_sam(**description)
    # Numbers that do not fit together end in assertions, and in errors of arithmetic and torch.
    except (OSError, ValueError, TypeError, ZeroDivisionError, AssertionError, RuntimeError) as e:
        raise WeightsError(f"architecture: {architecture} cannot be used: {e}") from e


def build_small_sam(
    *,
    img_size: int,
    stem: int,
    widths: list[int],
    prompt_dim: int,
    mlp_dim: int,
    num_heads: int,
    norm: str = "group",
    seeds: bool = False,
) -> Sam:
    """segment-anything's own ``Sam`` with small dimensions and a convolutional encoder.

    Args:
        img_size: Side of the square input in pixels, a multiple of 32.
        stem: Channels of the encoder at stride 4.
        widths: Its channels at strides 8, 16 and 32.
        prompt_dim: Channels of the embedding, prompts and decoder.
        mlp_dim: Hidden width of the decoder's transformer.
        num_heads: Its attention heads.
        norm: Normalisation of the encoder, ``group`` or ``batch``.
        seeds: Whether the encoder has a seed head.

    Returns:
        An untrained network.

    Raises:
        ValueError: ``img_size`` is not a positive multiple of 32, or ``norm`` unknown.
    """
    if img_size <= 0 or img_size % 32:
        raise ValueError(f"img_size: {img_size} is not a positive multiple of 32")
    torchvision_compat.ensure()
    from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    cells = img_size // STRIDE
    return Sam(
        image_encoder=ConvPyramid(  # type: ignore[arg-type]
            img_size, stem, widths, prompt_dim, norm, seeds
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=prompt_dim,
            image_embedding_size=(cells, cells),
            input_image_size=(img_size, img_size),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(
                depth=2, embedding_dim=prompt_dim, mlp_dim=mlp_dim, num_heads=num_heads
            ),
            transformer_dim=prompt_dim,
            iou_head_depth=3,
            iou_head_hidden_dim=128,
        ),
        pixel_mean=[123.675, 116.28, 103.53],
        pixel_std=[58.395, 57.12, 57.375],
    )


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read tensors by name, running no code of the file.

    Args:
        path: ``.safetensors``, or a file of ``torch.save`` that holds only tensors.

    Returns:
        Name to float32 tensor on the CPU.

    Raises:
        WeightsError: Missing, damaged, or with objects that are not tensors.
    """
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"{path} does not exist") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} holds more than tensors, or is damaged, and was not loaded: it could run "
            "code. Get it again from its publisher"
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, safetensors.SafetensorError) as error:
        raise WeightsError(
            f"{path} is damaged or cut short ({error}); get it again from its publisher"
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(value, torch.Tensor) for value in state.values()
    ):
        raise WeightsError(f"{path} is not a table of tensors by name")
    return {
        name: value.float() if value.is_floating_point() else value
        for name, value in state.items()
    }
