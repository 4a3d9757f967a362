# SPDX-License-Identifier: Apache-2.0
"""Global-Local CLIP: features of a mask within its image and of its crop, mixed.

Yu, Seo and Son, "Zero-shot Referring Image Segmentation with Global-Local Context Features", CVPR
2023: f = α f^G + (1 - α) f^L and t = β t^G + (1 - β) t^L, the mask of the greatest cosine. f^G is
:mod:`refseg_ros.backbones.clip_masked`, f^L a crop's; t^G is of the sentence and t^L of its head
noun phrase. As in the released code features are mixed as they come, of any length; only the
mixes are normalised.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional

GLOBAL, LOCAL = "G", "L"
"""Terms of the mask within its image and of the crop alone, for explanations."""


def mix(first: torch.Tensor, second: torch.Tensor, weight: float) -> torch.Tensor:
    """Unit vectors along ``weight`` · first + (1 - ``weight``) · second.

    Args:
        first: (..., D) features of any length.
        second: (..., D) features of any length.
        weight: In [0, 1].

    Returns:
        (..., D) L2-normalised; zeros where the mix is 0.
    """
    return functional.normalize(weight * first + (1.0 - weight) * second, dim=-1)


def mixed_regions(
    within: torch.Tensor, crops: torch.Tensor, alpha: float
) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
    """Region features and the parts that they are mixed from.

    Args:
        within: (N, D) features of the masks within the image, f^G.
        crops: (N, D) features of their crops, f^L.
        alpha: Weight of the former.

    Returns:
        (N, D) L2-normalised, and the parts by term, L2-normalised too.
    """
    parts = {
        GLOBAL: functional.normalize(within, dim=-1),
        LOCAL: functional.normalize(crops, dim=-1),
    }
    return mix(within, crops, alpha), parts
