# SPDX-License-Identifier: Apache-2.0
"""Settings of the picture's levels."""

from __future__ import annotations

from dataclasses import dataclass

from refseg_ros.config.fields import option


@dataclass(frozen=True)
class LevelsConfig:
    """Dark and hazy pictures are developed anew for the networks; by the defaults none is."""

    least_bright: float = option(
        0.0,
        "a picture whose bright parts (97 % of it are darker) are below this is brightened; 0 to "
        "1 of white",
        low=0.0,
        high=1.0,
    )
    bright: float = option(1.0, "to this", low=0.0, high=1.0)
    most_dark: float = option(
        1.0,
        "a picture whose dark parts (1 % of it is darker) are above this has its veil taken off",
        low=0.0,
        high=1.0,
    )
    dark: float = option(0.0, "down to this", low=0.0, high=1.0)
