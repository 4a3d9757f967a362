# SPDX-License-Identifier: Apache-2.0
"""Who finds masks: any object that turns an image into :class:`refseg_ros.results.Proposals`."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from refseg_ros.results import Proposals


class Proposer(Protocol):
    """Finds candidate masks, knowing nothing of language."""

    def propose(self, image: NDArray[np.uint8]) -> Proposals:
        """Candidate masks of an (H, W, 3) uint8 RGB image, at its own resolution."""
