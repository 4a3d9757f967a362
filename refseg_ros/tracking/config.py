# SPDX-License-Identifier: Apache-2.0
"""Thresholds of tracking."""

from __future__ import annotations

from dataclasses import dataclass

from refseg_ros.config.fields import option


@dataclass(frozen=True)
class TrackingConfig:
    """When a mask is believed, doubted and given up."""

    sure: float = option(
        0.6, "confidence from which the mask is followed without doubt", low=0, high=1
    )
    least: float = option(0.3, "confidence below which a picture counts as a miss", low=0, high=1)
    patience: int = option(
        2, "pictures in a row that are misses until the thing is lost", low=1, high=100
    )
    period: int = option(
        10, "pictures after which a followed thing is observed again; 0: only in doubt", low=0
    )
    memory: int = option(
        16, "pictures kept, in which the answer to an observation may still be used", low=1
    )
    points: int = option(80, "corners followed on the thing, and as many around it", low=8)
    consistent: float = option(
        1.5, "pixels that a corner may miss its start when it is followed back", low=0.1
    )
    window: int = option(
        320, "pixels along each side of the part in which the outline is drawn anew", low=64
    )
    shape: float = option(
        0.5, "IoU with the moved mask from which a new outline is taken for it", low=0, high=1
    )
    same_shape: float = option(
        0.75, "the same from which a lost thing is seen again where it was", low=0, high=1
    )
    shrunk: float = option(
        0.3, "share of all of it below which a thing is taken for hidden",
        low=0, high=1,
    )  # fmt: skip
    unlike: float = option(
        0.5,
        "cosine of CLIP features at which what is seen is surely something else",
        low=-1,
        high=1,
    )
