# SPDX-License-Identifier: Apache-2.0
"""The splits of RefTabletop: which seeds and which profile of scenes each is made of."""

from __future__ import annotations

from dataclasses import dataclass

from refseg_ros.errors import ConfigError


@dataclass(frozen=True)
class Split:
    """Consecutive seeds of one profile.

    Attributes:
        name: what the split is called.
        first_seed: seed of its first scene.
        scenes: how many scenes it has.
        profile: see `sampling.sample_scene`.
    """

    name: str
    first_seed: int
    scenes: int
    profile: str

    def seeds(self) -> range:
        """The seeds of all its scenes."""
        return range(self.first_seed, self.first_seed + self.scenes)


#: All splits by name. Their seeds are disjoint; what is trained on stays below those of `val`.
SPLITS: dict[str, Split] = {
    split.name: split
    for split in (
        Split("train", 0, 4000, "train"),
        Split("val", 900_000, 200, "train"),
        Split("slice", 1_000_000, 40, "train"),
        Split("test", 2_000_000, 400, "train"),
        Split("test_compose", 2_100_000, 400, "compose"),
        Split("test_shift", 2_200_000, 400, "shift"),
        Split("test_wild", 2_300_000, 200, "wild"),
    )
}


def get_split(name: str) -> Split:
    """Looks up a split.

    Raises:
        ConfigError: if there is none of that name.
    """
    if name not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {name!r}")
    return SPLITS[name]
