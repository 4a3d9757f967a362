# SPDX-License-Identifier: Apache-2.0
"""The proposer that a configuration asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refseg_ros.backbones.device import Device
from refseg_ros.config import ProposalConfig
from refseg_ros.proposals import Proposer
from refseg_ros.proposals.sam import SamProposer
from refseg_ros.proposals.seeds import SeedProposer

if TYPE_CHECKING:
    from segment_anything.modeling import Sam


def make_proposer(sam: Sam, config: ProposalConfig, device: Device) -> Proposer:
    """Wrap a loaded network.

    Args:
        sam: The network, on ``device``.
        config: ``config.prompts`` says which proposer.
        device: Where and in which precision it runs.

    Raises:
        ConfigError: Prompts at seeds are asked of a network that has no seed head.
    """
    kind = SeedProposer if config.prompts == "seeds" else SamProposer
    return kind(sam, config, device)
