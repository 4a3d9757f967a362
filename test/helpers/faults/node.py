# SPDX-License-Identifier: Apache-2.0
"""The segmenter node with its real models, which fail on request: run by the fault harness.

What goes wrong is read from the file that ``REFSEG_FAULT`` names, at each observation.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from refseg_ros.ros.process import run
from refseg_ros.ros.segmenter_node import SegmenterNode, load_segmenter


class Failing:
    """A segmenter that does what the file says before it observes."""

    def __init__(self, segmenter: Any, orders: Path) -> None:
        self._segmenter = segmenter
        self._orders = orders

    def __getattr__(self, name: str) -> Any:
        return getattr(self._segmenter, name)

    def observe(self, image: Any) -> Any:
        order = self._orders.read_text(encoding="utf-8") if self._orders.exists() else ""
        if order == "raise":
            raise RuntimeError("the models fell over")
        if order == "cuda":
            import torch

            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB (faked)")
        if order == "memory":
            raise MemoryError
        if order == "exit":
            raise SystemExit(3)
        if order == "slow":
            time.sleep(3.0)
        return self._segmenter.observe(image)


def main() -> None:
    orders = Path(os.environ["REFSEG_FAULT"])
    run(
        "refseg",
        lambda: SegmenterNode(
            lambda config, device: Failing(load_segmenter(config, device), orders)
        ),
        None,
    )


if __name__ == "__main__":
    main()
