# SPDX-License-Identifier: Apache-2.0
"""The folded two-way transformer answers as segment-anything's own."""

from __future__ import annotations

import pytest
import torch

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.two_way import attend


@pytest.mark.parametrize(("heads", "channels", "tokens"), [(2, 32, 7), (8, 64, 8), (1, 16, 5)])
@pytest.mark.parametrize("shared", [True, False])
def test_projections_folded_into_tokens_change_nothing(
    heads: int, channels: int, tokens: int, shared: bool
) -> None:
    torchvision_compat.ensure()
    from segment_anything.modeling import TwoWayTransformer

    torch.manual_seed(0)
    transformer = TwoWayTransformer(2, channels, heads, 48).eval()
    with torch.no_grad():
        # Biases and norms start at 0 and 1, where a mistake with them would not be seen.
        for parameter in transformer.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
        maps = torch.randn(1 if shared else 3, channels, 5, 6)
        codes = torch.randn(1 if shared else 3, channels, 5, 6)
        prompts = torch.randn(3, tokens, channels)
        expected = transformer(maps.expand(3, -1, -1, -1), codes.expand(3, -1, -1, -1), prompts)
        cells, places = maps.flatten(2).mT, codes.flatten(2).mT
        if shared:
            cells, places = cells[0], places[0]
        found = attend(transformer, cells, places, prompts)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
