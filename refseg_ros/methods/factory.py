# SPDX-License-Identifier: Apache-2.0
"""From configuration to method; each is imported where it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refseg_ros.config import SegmenterConfig
from refseg_ros.language.tas.tools import LanguageTools
from refseg_ros.methods.scoring import Matcher
from refseg_ros.methods.tas import Tas

if TYPE_CHECKING:
    from refseg_ros.backbones.diffusion import Diffusion


def make_matcher(
    config: SegmenterConfig, language: LanguageTools, diffusion: Diffusion | None = None
) -> Matcher:
    """The method that a configuration names.

    Args:
        config: Names it, and says its weights.
        language: Takes captions and sentences apart for it.
        diffusion: What ref_diff looks words up with; None for other methods.
    """
    if config.score.matcher == "ref_diff":
        from refseg_ros.methods.ref_diff import RefDiff

        return RefDiff(config.ref_diff, config.diffusion, diffusion)
    if config.score.matcher == "global_local":
        from refseg_ros.methods.global_local import GlobalLocal

        return GlobalLocal(config.global_local, config.score.crop, language)
    tas = Tas(config.score, language)
    if not config.coherence.weight:
        return tas
    from refseg_ros.methods.coherence import CoherentTas

    return CoherentTas(tas, config.coherence)
