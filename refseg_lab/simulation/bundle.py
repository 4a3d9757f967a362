# SPDX-License-Identifier: Apache-2.0
"""Rendered scenes that come with the package, for use where no OpenGL is at hand.

They are the split `slice` of the benchmark. `benchmark.bundled_slice` gives them with the
expressions that are measured; here they come with every plain expression, for demonstrations.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import overload

from refseg_lab.simulation.benchmark import (
    SLICE_FOLDER,
    TabletopScene,
    TabletopSplit,
    bundled_slice,
    make_split,
)
from refseg_lab.simulation.expressions import refer
from refseg_lab.simulation.splits import SPLITS

#: Number of bundled scenes.
SCENES = SPLITS["slice"].scenes

_KEPT = 8


class BundledScenes(Sequence[TabletopScene]):
    """The bundled scenes in the order of their seeds, read when they are asked for.

    Their referrals are what `expressions.refer` gives.

    Raises:
        ConfigError: if the package was installed without them.
    """

    def __init__(self) -> None:
        self._split = bundled_slice()

    def __len__(self) -> int:
        return len(self._split)

    @overload
    def __getitem__(self, index: int) -> TabletopScene: ...

    @overload
    def __getitem__(self, index: slice) -> list[TabletopScene]: ...

    def __getitem__(self, index: int | slice) -> TabletopScene | list[TabletopScene]:
        """Reads one scene, or several.

        Raises:
            ConfigError: if a file is damaged.
            IndexError: if there is no such scene.
        """
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        return _told(self._split, range(len(self))[index])


@lru_cache(_KEPT)
def _told(split: TabletopSplit, index: int) -> TabletopScene:
    scene = split[index]
    return replace(scene, referrals=tuple(refer(scene.spec, scene.frame)))


@lru_cache(1)
def bundled_scenes() -> BundledScenes:
    """Opens the bundled scenes.

    Raises:
        ConfigError: if the package was installed without them.
    """
    return BundledScenes()


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m refseg_lab.simulation.bundle`."""
    parser = argparse.ArgumentParser(description="Render the scenes that come with the package.")
    parser.add_argument(
        "--out", type=Path, default=SLICE_FOLDER, help="folder to write (default: the package's)"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes to render with")
    options = parser.parse_args(arguments)
    make_split("slice", options.out, workers=options.workers)


if __name__ == "__main__":
    main()
