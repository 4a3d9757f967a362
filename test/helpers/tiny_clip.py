# SPDX-License-Identifier: Apache-2.0
"""open_clip's image towers, small and with the same random weights each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from refseg_ros.backbones import torchvision_compat


def seeded(make: Callable[[], torch.nn.Module]) -> Any:
    torch.manual_seed(0)
    network = make().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network


def build_vit(blocks: int) -> Any:
    """4 x 4 patches of 32 x 32 pixels."""
    torchvision_compat.ensure()
    from open_clip.transformer import VisionTransformer

    return seeded(lambda: VisionTransformer(32, 8, 16, blocks, 2, 4.0, output_dim=6))


def build_resnet() -> Any:
    """2 x 2 cells of 64 x 64 pixels."""
    torchvision_compat.ensure()
    from open_clip.modified_resnet import ModifiedResNet

    return seeded(lambda: ModifiedResNet((1, 1, 1, 1), 6, 4, image_size=64, width=8))
