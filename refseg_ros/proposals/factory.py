# SPDX-License-Identifier: Apache-2.0
"""The proposer that a configuration asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refseg_ros.backbones.device import Device
from refseg_ros.backbones.mobile_sam import TinyVitEncoder
from refseg_ros.backbones.sam_family import FamilyNetwork
from refseg_ros.backbones.sam_network import SamNetwork
from refseg_ros.config import ProposalConfig
from refseg_ros.errors import ConfigError
from refseg_ros.proposals import Proposer
from refseg_ros.proposals.concepts import PhraseProposer
from refseg_ros.proposals.familiarity import Familiarity
from refseg_ros.proposals.grid import GridProposer
from refseg_ros.proposals.network import BoxPrompted, ConceptNetwork
from refseg_ros.proposals.sam import SamProposer
from refseg_ros.proposals.seeds import SeedProposer

if TYPE_CHECKING:
    from segment_anything.modeling import Sam


def make_proposer(
    network: Sam | FamilyNetwork,
    config: ProposalConfig,
    device: Device,
    concepts: ConceptNetwork | None = None,
    familiar: Familiarity | None = None,
) -> Proposer:
    """Wrap a loaded network.

    Args:
        network: On ``device``.
        config: ``config.prompts`` and ``config.phrases`` say which proposer.
        device: Where and in which precision it runs.
        concepts: What finds instances of ``config.phrases``, if there are any.
        familiar: Which pictures a network with a seed head knows, if that is on record.

    Raises:
        ConfigError: Prompts at seeds are asked of a network that has no seed head, phrases of one
            that takes none, or a phrase is too long.
    """
    if config.phrases and concepts is None:
        raise ConfigError(
            f"proposals.phrases: {config.checkpoint} takes no phrases; use a folder of SAM 3, or "
            "no phrases"
        )
    if isinstance(network, FamilyNetwork):
        if config.prompts == "seeds":
            raise ConfigError(
                f"proposals.prompts: 'seeds' needs a network with a seed head, which "
                f"{config.checkpoint} does not have; use 'grid'"
            )
        grid = GridProposer(network, config, device)
        return PhraseProposer(concepts, grid, config, device) if concepts else grid
    if config.prompts == "seeds":
        return SeedProposer(network, config, device, familiar)
    if isinstance(network.image_encoder, TinyVitEncoder):
        return GridProposer(SamNetwork(network), config, device)
    if config.generator == "own":
        return GridProposer(SamNetwork(network), config, device, as_published=True)
    # Published procedures are run by published code.
    return SamProposer(network, config, device)


def box_prompted(network: Sam | FamilyNetwork) -> BoxPrompted:
    """A loaded network for masks as one that answers boxes."""
    return network if isinstance(network, FamilyNetwork) else SamNetwork(network)
