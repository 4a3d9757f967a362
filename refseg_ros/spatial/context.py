# SPDX-License-Identifier: Apache-2.0
"""What a sentence takes from those before it, as weights of the candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from refseg_ros.spatial import Placing
from refseg_ros.spatial.likeness import Likeness

_STEP: Final = 1e-6
"""Lead of each candidate over the next where all are equally it: only the order is kept."""


@dataclass(frozen=True)
class Context:
    """What was settled before a sentence was said.

    Attributes:
        within: The only candidates that may be meant, best first; None for all.
        level: Whether each of them looks like what is meant, so that looks do not decide.
        pinned: Landmarks that are known, by :attr:`NounPhrase.look`: the candidates that each is.
    """

    within: tuple[int, ...] | None = None
    level: bool = False
    pinned: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def settles_look(self) -> bool:
        """Whether it is known already what the thing meant looks like."""
        return self.level and self.within is not None

    def confine(self, look: Likeness) -> Likeness:
        """The look of N candidates, nothing left for those that cannot be meant."""
        if self.within is None:
            return look
        inside = list(self.within)
        shares, fits = np.zeros(len(look.shares)), np.zeros(len(look.fits))
        if self.level:
            shares[inside] = 1.0 - _STEP * np.arange(len(inside))
            fits[inside] = 1.0
        else:
            shares[inside], fits[inside] = look.shares[inside], look.fits[inside]
        if not shares.any():
            shares[inside] = 1.0  # all underflowed: none looks more like it than another
        return replace(look, shares=shares / shares.sum(), fits=fits)

    def restrict(self, placed: Placing) -> Placing:
        """A placing with only those eligible that may be meant."""
        if self.within is None:
            return placed
        inside = np.zeros(len(placed.eligible), np.bool_)
        inside[list(self.within)] = True
        eligible = placed.eligible & inside
        chosen = tuple(index for index in placed.chosen if eligible[index])
        if chosen:
            return replace(placed, eligible=eligible, chosen=chosen)
        # Nothing of what was said holds for any of them.
        return replace(placed, eligible=inside, chosen=self.within[:1], truth=0.0)

    def landmarks(self, count: int) -> dict[str, Likeness]:
        """The looks of the known landmarks among ``count`` candidates."""
        looks = {}
        for look, indices in self.pinned.items():
            marks = np.zeros(count)
            marks[list(indices)] = 1.0
            looks[look] = Likeness(marks / marks.sum(), marks)
        return looks


NOTHING_SAID: Final = Context()
"""The context of a sentence that stands by itself."""
