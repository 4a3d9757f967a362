# SPDX-License-Identifier: Apache-2.0
"""From configuration to method."""

from __future__ import annotations

from refseg_ros.backbones.diffusion import Diffusion
from refseg_ros.config import SegmenterConfig
from refseg_ros.language.tas.tools import LanguageTools
from refseg_ros.methods.coherence import CoherentTas
from refseg_ros.methods.global_local import GlobalLocal
from refseg_ros.methods.ref_diff import RefDiff
from refseg_ros.methods.scoring import Matcher
from refseg_ros.methods.tas import Tas


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
        return RefDiff(config.ref_diff, config.diffusion, diffusion)
    if config.score.matcher == "global_local":
        return GlobalLocal(config.global_local, config.score.crop, language)
    tas = Tas(config.score, language)
    return CoherentTas(tas, config.coherence) if config.coherence.weight else tas
