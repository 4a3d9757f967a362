# SPDX-License-Identifier: Apache-2.0
"""MobileSAM (Zhang et al. 2023): SAM with TinyViT as its encoder, loaded as it was published.

The encoder is timm's TinyViT. MobileSAM's has other names for the same tensors, no stride where
the last stage begins, so that it sees 64 by 64 cells of 1024 pixels, and the neck of SAM.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from refseg_ros.backbones import torchvision_compat

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

SIZES: Mapping[str, Any] = {
    "img_size": 1024,
    "embed_dims": (64, 128, 160, 320),
    "depths": (2, 2, 6, 2),
    "num_heads": (2, 4, 5, 10),
    "window_sizes": (7, 7, 14, 7),
    "prompt_dim": 256,
    "mlp_dim": 2048,
}
"""The published network's: side of the input in pixels, TinyViT's stages, SAM's decoder."""

MARK = "image_encoder.patch_embed.seq.0.c.weight"
"""A tensor that only MobileSAM's checkpoints have."""

_STRIDE = 16
_PREFIX = "image_encoder."
# TinyViT was trained to classify; its head stayed in the published file and is not used.
_UNUSED = ("norm_head.", "head.")
_RENAMED = (
    (re.compile(r"^patch_embed\.seq\.0\."), "patch_embed.conv1."),
    (re.compile(r"^patch_embed\.seq\.2\."), "patch_embed.conv2."),
    (re.compile(r"^layers\."), "stages."),
    (re.compile(r"(conv\d?)\.c\."), r"\1.conv."),
)
_DOWNSAMPLE = re.compile(r"^stages\.(\d+)\.downsample\.")


class TinyVitEncoder(nn.Module):
    """TinyViT with SAM's neck."""

    def __init__(
        self,
        *,
        img_size: int,
        embed_dims: tuple[int, ...],
        depths: tuple[int, ...],
        num_heads: tuple[int, ...],
        window_sizes: tuple[int, ...],
        out_dim: int,
    ) -> None:
        """Build it untrained.

        Args:
            img_size: Side of the square input in pixels, a multiple of 16.
            embed_dims: Channels of the four stages.
            depths: Their blocks.
            num_heads: Their attention heads; the first has none.
            window_sizes: Their attention windows in cells.
            out_dim: Channels of the embedding.
        """
        super().__init__()
        torchvision_compat.ensure()
        from segment_anything.modeling.common import LayerNorm2d
        from timm.models.tiny_vit import TinyVit

        self.img_size = img_size
        trunk: Any = TinyVit(
            num_classes=0,
            embed_dims=embed_dims,
            depths=depths,
            num_heads=num_heads,
            window_sizes=window_sizes,
            drop_path_rate=0.0,
        )
        trunk.head = nn.Identity()
        trunk.stages[-1].downsample.conv2.conv.stride = (1, 1)
        self.trunk = trunk
        self.neck = nn.Sequential(
            nn.Conv2d(embed_dims[-1], out_dim, 1, bias=False),
            LayerNorm2d(out_dim),
            nn.Conv2d(out_dim, out_dim, 3, padding=1, bias=False),
            LayerNorm2d(out_dim),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode.

        Args:
            pixels: (B, 3, side, side) float32, normalised.

        Returns:
            (B, C, side / 16, side / 16).
        """
        embedding: Tensor = self.neck(self.trunk.forward_features(pixels))
        return embedding


def build_mobile_sam() -> Sam:
    """segment-anything's own ``Sam`` around :class:`TinyVitEncoder`, in the published sizes.

    Returns:
        An untrained network.
    """
    torchvision_compat.ensure()
    from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    sizes = dict(SIZES)
    dim, mlp_dim = sizes.pop("prompt_dim"), sizes.pop("mlp_dim")
    cells = sizes["img_size"] // _STRIDE
    return Sam(
        image_encoder=TinyVitEncoder(out_dim=dim, **sizes),  # type: ignore[arg-type]
        prompt_encoder=PromptEncoder(
            embed_dim=dim,
            image_embedding_size=(cells, cells),
            input_image_size=(sizes["img_size"], sizes["img_size"]),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(
                depth=2, embedding_dim=dim, mlp_dim=mlp_dim, num_heads=8
            ),
            transformer_dim=dim,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        ),
        pixel_mean=[123.675, 116.28, 103.53],
        pixel_std=[58.395, 57.12, 57.375],
    )


def own_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a published checkpoint, by the names that :func:`build_mobile_sam` has.

    Args:
        state: The tensors of ``mobile_sam.pt``, by their names there.

    Returns:
        The same tensors without those of the classification head.
    """
    renamed = {}
    for name, value in state.items():
        inner = name.removeprefix(_PREFIX)
        if inner == name:
            renamed[name] = value
        elif not inner.startswith(_UNUSED):
            renamed[_PREFIX + _own_name(inner)] = value
    return renamed


def _own_name(name: str) -> str:
    if name.startswith("neck."):
        return name
    for pattern, other in _RENAMED:
        name = pattern.sub(other, name)
    # A stage of MobileSAM ends with the downsampling with which timm's next one begins.
    name = _DOWNSAMPLE.sub(lambda found: f"stages.{int(found[1]) + 1}.downsample.", name)
    return f"trunk.{name}"
