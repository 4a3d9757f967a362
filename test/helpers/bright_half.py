# SPDX-License-Identifier: Apache-2.0
"""A segmenter that answers every expression with the left half, in any process."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refseg_ros.results import Proposals, Selection, Status


@dataclass(frozen=True)
class _Scene:
    proposals: Proposals

    def select(self, text: str) -> Selection:
        mask = self.proposals.masks[0]
        return Selection(
            expression=text,
            status=Status.SELECTED,
            reason="it is on the left",
            mask=mask,
            box=self.proposals.boxes[0],
            score=0.75,
            margin=0.5,
            index=0,
            candidates=(),
            seconds={"total": time.perf_counter()},
        )


class Bright:
    """The left half is meant."""

    description = "left half"

    def __init__(self, pause: float = 0.0) -> None:
        self._pause = pause

    def observe(
        self,
        image: NDArray[np.uint8],
        depth: NDArray[np.float32] | None = None,
        intrinsics: NDArray[np.float64] | None = None,
    ) -> _Scene:
        time.sleep(self._pause)
        mask = np.zeros((1, *image.shape[:2]), np.bool_)
        mask[:, :, : image.shape[1] // 2] = True
        return _Scene(Proposals(mask, np.ones(1, np.float32)))
