# SPDX-License-Identifier: Apache-2.0
"""Untrained networks of every kind that finds masks, small, in the files in which each comes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from refseg_ros.backbones import mobile_sam, torchvision_compat
from refseg_ros.backbones.sam import build_small_sam

torchvision_compat.ensure()
# They need a torchvision that can be imported.
import segment_anything  # noqa: E402
import transformers  # noqa: E402

SIDE = 64
PATCH = 16
SAM3_SIDE, SAM3_PATCH = 56, 14
JSON = {
    "img_size": 64,
    "stem": 8,
    "widths": [8, 16, 16],
    "prompt_dim": 32,
    "mlp_dim": 16,
    "num_heads": 2,
    "seeds": True,
}
MOBILE = {
    "img_size": SIDE,
    "embed_dims": (8, 16, 20, 40),
    "depths": (1, 1, 2, 1),
    "num_heads": (1, 2, 2, 2),
    "window_sizes": (2, 2, 4, 2),
    "prompt_dim": 32,
    "mlp_dim": 16,
}
DECODER = {"hidden_size": 32, "mlp_dim": 16, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
PROMPTS = {"hidden_size": 32, "image_size": SIDE, "patch_size": PATCH, "mask_input_channels": 4}
SAM3_PROMPTS = {**PROMPTS, "image_size": SAM3_SIDE, "patch_size": SAM3_PATCH}
LEVELS = [[16, 16], [8, 8], [4, 4]]
MEMORY = {
    "memory_attention_hidden_size": 32,
    "memory_attention_num_layers": 1,
    "memory_encoder_hidden_size": 32,
    "memory_encoder_output_channels": 8,
    "mask_downsampler_embed_dim": 32,
    "memory_fuser_embed_dim": 32,
    "memory_fuser_intermediate_dim": 16,
    "memory_fuser_num_layers": 1,
    "memory_attention_rope_feat_sizes": [4, 4],
}


def random(model: Any, seed: int = 0) -> Any:
    """Weights large enough that every place in the image and every point matters."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for value in model.parameters():
            value.normal_(std=0.3)
    return model.eval()


# segment-anything and MobileSAM


def tiny_vit(checkpoint: None = None) -> Any:
    """In place of ``sam_model_registry["vit_b"]``: the same parts and tensors, smaller."""
    parts = segment_anything.modeling
    encoder = parts.ImageEncoderViT(
        img_size=SIDE,
        patch_size=PATCH,
        embed_dim=16,
        depth=2,
        num_heads=2,
        out_chans=32,
        use_rel_pos=True,
        window_size=2,
        global_attn_indexes=(1,),
    )
    cells = (SIDE // PATCH, SIDE // PATCH)
    transformer = parts.TwoWayTransformer(depth=2, embedding_dim=32, mlp_dim=16, num_heads=2)
    return parts.Sam(
        encoder,
        parts.PromptEncoder(32, cells, (SIDE, SIDE), 16),
        parts.MaskDecoder(transformer_dim=32, transformer=transformer, iou_head_hidden_dim=16),
    )


def mobile_shapes(sizes: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Tensors of MobileSAM's encoder by the names in ``mobile_sam.pt``, from its published code.

    Args:
        sizes: As ``refseg_ros.backbones.mobile_sam.SIZES``.
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name: str, given: int, out: int, size: int) -> None:
        shapes[f"{name}.c.weight"] = (out, given, size, size)
        for kind in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.bn.{kind}"] = (out,)
        shapes[f"{name}.bn.num_batches_tracked"] = ()

    def pair(name: str, *shape: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]

    dims = sizes["embed_dims"]
    conv("patch_embed.seq.0", 3, dims[0] // 2, 3)
    conv("patch_embed.seq.2", dims[0] // 2, dims[0], 3)
    for layer, (dim, depth) in enumerate(zip(dims, sizes["depths"], strict=True)):
        window, heads = sizes["window_sizes"][layer], sizes["num_heads"][layer]
        for block in (f"layers.{layer}.blocks.{index}" for index in range(depth)):
            if layer == 0:
                conv(f"{block}.conv1", dim, 4 * dim, 1)
                conv(f"{block}.conv2", 1, 4 * dim, 3)
                conv(f"{block}.conv3", 4 * dim, dim, 1)
                continue
            shapes[f"{block}.attn.attention_biases"] = (heads, window * window)
            pair(f"{block}.attn.norm", dim)
            pair(f"{block}.attn.qkv", 3 * dim, dim)
            pair(f"{block}.attn.proj", dim, dim)
            pair(f"{block}.mlp.norm", dim)
            pair(f"{block}.mlp.fc1", 4 * dim, dim)
            pair(f"{block}.mlp.fc2", dim, 4 * dim)
            conv(f"{block}.local_conv", 1, dim, 3)
        if layer < 3:
            after = dims[layer + 1]
            conv(f"layers.{layer}.downsample.conv1", dim, after, 1)
            conv(f"layers.{layer}.downsample.conv2", 1, after, 3)
            conv(f"layers.{layer}.downsample.conv3", after, after, 1)
    pair("norm_head", dims[-1])
    pair("head", 1000, dims[-1])
    out = sizes["prompt_dim"]
    shapes["neck.0.weight"], shapes["neck.2.weight"] = (out, dims[-1], 1, 1), (out, out, 3, 3)
    pair("neck.1", out)
    pair("neck.3", out)
    return {f"image_encoder.{name}": shape for name, shape in shapes.items()}


def mobile_state(sizes: dict[str, Any]) -> dict[str, torch.Tensor]:
    """A whole random checkpoint; decoder and prompt encoder are segment-anything's own."""
    state = {
        name: value
        for name, value in random(mobile_sam.build_mobile_sam()).state_dict().items()
        if not name.startswith("image_encoder.")
    }
    for name, shape in mobile_shapes(sizes).items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
        elif name.endswith("running_var"):
            state[name] = torch.rand(shape) + 0.5
        else:
            state[name] = 0.3 * torch.randn(shape)
    return state


# transformers


def _sam(kind: str) -> Any:
    vision = {
        "hidden_size": 16,
        "output_channels": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": PATCH,
        "window_size": 2,
        "global_attn_indexes": [0, 1] if kind == "SamHQ" else [1],
        "num_pos_feats": 16,
        "mlp_dim": 16,
    }
    decoder = {**DECODER, "vit_dim": 16} if kind == "SamHQ" else DECODER
    return _model(
        kind, vision_config=vision, prompt_encoder_config=PROMPTS, mask_decoder_config=decoder
    )


def _model(kind: str, **settings: Any) -> Any:
    config = getattr(transformers, f"{kind}Config")(**settings)
    return getattr(transformers, f"{kind}Model")(config)


def _sam2(kind: str, **more: Any) -> Any:
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [8, 4, 4, 4],
        "global_attention_blocks": [3],
        "window_positional_embedding_background_size": [2, 2],
    }
    vision = {
        "backbone_config": backbone,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": LEVELS,
        "fpn_hidden_size": 32,
    }
    return _model(
        kind,
        vision_config=vision,
        prompt_encoder_config=PROMPTS,
        mask_decoder_config=DECODER,
        **more,
    )


def _edgetam(kind: str, **more: Any) -> Any:
    backbone = {
        "model_type": "timm_wrapper",
        "architecture": "repvit_m1",
        "num_classes": 2,
        "model_args": {
            "in_chans": 3,
            "features_only": True,
            "out_indices": [0, 1, 2, 3],
            "embed_dim": [8, 16, 16, 24],
            "depth": [1, 1, 1, 1],
        },
    }
    vision = {
        "model_type": "edgetam_vision_model",
        "backbone_config": backbone,
        "backbone_channel_list": [24, 16, 16, 8],
        "backbone_feature_sizes": LEVELS,
        "fpn_hidden_size": 32,
    }
    return _model(
        kind,
        vision_config=vision,
        prompt_encoder_config=PROMPTS,
        mask_decoder_config=DECODER,
        **more,
    )


def _sam3_vision() -> dict[str, Any]:
    backbone = {
        "model_type": "sam3_vit_model",
        "hidden_size": 32,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SAM3_SIDE,
        "patch_size": SAM3_PATCH,
        "window_size": 2,
        "global_attn_indexes": [1],
        "pretrain_image_size": 28,
    }
    return {
        "model_type": "sam3_vision_model",
        "backbone_config": backbone,
        "fpn_hidden_size": 32,
        "backbone_feature_sizes": LEVELS,
    }


def _sam3_tracker() -> Any:
    return _model(
        "Sam3Tracker",
        vision_config=_sam3_vision(),
        prompt_encoder_config=SAM3_PROMPTS,
        mask_decoder_config=DECODER,
    )


def _sam3_detector() -> dict[str, Any]:
    small = {
        "hidden_size": 32,
        "num_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    text = {
        "vocab_size": len(VOCABULARY),
        "hidden_size": 16,
        "intermediate_size": 16,
        "projection_dim": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 32,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    return {
        "vision_config": _sam3_vision(),
        "text_config": text,
        "geometry_encoder_config": small,
        "detr_encoder_config": small,
        "detr_decoder_config": {"num_queries": 6, **small},
        "mask_decoder_config": {"hidden_size": 32, "num_attention_heads": 2},
    }


def _sam3_video() -> Any:
    tracker = {
        "vision_config": _sam3_vision(),
        "prompt_encoder_config": SAM3_PROMPTS,
        "mask_decoder_config": DECODER,
        "image_size": SAM3_SIDE,
        "memory_attention_feed_forward_hidden_size": 16,
        **MEMORY,
    }
    return _model("Sam3Video", detector_config=_sam3_detector(), tracker_config=tracker)


def _sam3() -> Any:
    return _model("Sam3", **_sam3_detector())


def _sam3_lite_text() -> Any:
    parts = _sam3_detector()
    text = {
        **{name: parts["text_config"][name] for name in ("vocab_size", "projection_dim")},
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 32,
    }
    return _model("Sam3LiteText", **{**parts, "text_config": text})


def _grounding_dino(kind: str) -> Any:
    backbone = transformers.SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=2,
        out_indices=[2, 3, 4],
    )
    text = transformers.BertConfig(
        vocab_size=len(WORD_PIECES),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    config = getattr(transformers, f"{kind}Config")(
        backbone_config=backbone,
        text_config=text,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=12,
    )
    return getattr(transformers, f"{kind}ForObjectDetection")(config)


_LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = {
    word: number
    for number, word in enumerate(
        ["<|startoftext|>", "<|endoftext|>", *_LETTERS, *(f"{letter}</w>" for letter in _LETTERS)]
    )
}
"""Of a tokenizer that spells."""


def _word_pieces() -> list[str]:
    """Those of a tokenizer that spells, with BERT's numbers for what the network itself knows."""
    pieces = [f"[unused{number}]" for number in range(1030)]
    for number, piece in {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]"}.items():
        pieces[number] = piece
    pieces[1012], pieces[1029] = ".", "?"
    for number, letter in enumerate(_LETTERS):
        pieces[200 + number], pieces[300 + number] = letter, f"##{letter}"
    return pieces


WORD_PIECES = _word_pieces()

FOLDERS: dict[str, Callable[[], Any]] = {
    "sam": lambda: _sam("Sam"),
    "sam_hq": lambda: _sam("SamHQ"),
    "sam2": lambda: _sam2("Sam2"),
    "sam2_video": lambda: _sam2(
        "Sam2Video", image_size=SIDE, memory_attention_feed_forward_hidden_size=16, **MEMORY
    ),
    "edgetam": lambda: _edgetam("EdgeTam"),
    "edgetam_video": lambda: _edgetam(
        "EdgeTamVideo", image_size=SIDE, memory_attention_mlp_hidden_size=16, **MEMORY
    ),
    "sam3_tracker": _sam3_tracker,
    "sam3_video": _sam3_video,
    "sam3": _sam3,
    "sam3_lite_text": _sam3_lite_text,
    "grounding-dino": lambda: _grounding_dino("GroundingDino"),
    "mm-grounding-dino": lambda: _grounding_dino("MMGroundingDino"),
}
"""By ``model_type``."""

TEXT_PROMPTED = ("sam3", "sam3_lite_text", "grounding-dino", "mm-grounding-dino")
"""Those that find what a text names, and nothing without one."""


FILES = ("json", "vit_b", "mobile_sam")
"""Networks that are one file each."""


@contextlib.contextmanager
def checkpoints(root: Path, kinds: Iterable[str]) -> Iterator[dict[str, Path]]:
    """Checkpoints by name; the published architectures of one file are small meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(segment_anything.sam_model_registry, "vit_b", tiny_vit)
        patch.setattr(mobile_sam, "SIZES", MOBILE)
        write = {kind: write_file if kind in FILES else write_folder for kind in kinds}
        yield {kind: write[kind](kind, root / kind) for kind in write}


def write_folder(kind: str, folder: Path) -> Path:
    """What ``save_pretrained`` writes, with the tensors' names as they were published."""
    model = random(FOLDERS[kind]())
    model.save_pretrained(folder)
    if kind == "sam3_video":
        # transformers 5.23 doubles prefixes when it saves one, and cannot read that again.
        state = {name: value.contiguous() for name, value in model.state_dict().items()}
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    if kind in ("sam3", "sam3_lite_text", "sam3_video"):
        transformers.CLIPTokenizer(vocab=VOCABULARY, merges=[]).save_pretrained(folder)
    if kind.endswith("grounding-dino"):
        (folder / "vocab.txt").write_text("\n".join(WORD_PIECES), encoding="utf-8")
        pixels = transformers.GroundingDinoImageProcessorPil(
            size={"shortest_edge": 64, "longest_edge": 96}
        )
        words = transformers.BertTokenizer(str(folder / "vocab.txt"))
        transformers.GroundingDinoProcessor(pixels, words).save_pretrained(folder)
    return folder


def write_file(kind: str, folder: Path) -> Path:
    """A file of tensors; for ``json`` beside the description of the network."""
    folder.mkdir(parents=True)
    if kind == "json":
        (folder / "small.json").write_text(json.dumps(JSON), encoding="utf-8")
        model = random(build_small_sam(**JSON))
        with torch.no_grad():  # it sees things everywhere, and takes its masks for good
            model.image_encoder.seeds.out.bias += 2
            model.mask_decoder.iou_prediction_head.layers[-1].bias += 2
        path = folder / "model.safetensors"
        save_file(model.state_dict(), path)
        return path
    path = folder / {"vit_b": "sam_vit_b_01ec64.pth", "mobile_sam": "mobile_sam.pt"}[kind]
    state = random(tiny_vit()).state_dict() if kind == "vit_b" else mobile_state(MOBILE)
    torch.save(state, path)
    return path


def photo(height: int, width: int) -> NDArray[np.uint8]:
    """Colours that change with the place, and slowly enough for any scaling to keep them."""
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = [np.sin(5 * rows + 3 * columns), np.cos(7 * columns), np.sin(4 * columns - 6 * rows)]
    return np.stack([127 + 120 * wave for wave in waves], 2).astype(np.uint8)
