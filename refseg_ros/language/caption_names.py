# SPDX-License-Identifier: Apache-2.0
"""Whether what the captioner calls a candidate agrees with what was said.

Crop and caption err apart: CLIP takes a yellow can for a yellow bottle now and then, and the
captioner seldom the same one. A similarity of texts does not serve here, for "ball" is far from
"a red ball" and near "a red bowl"; names are compared as names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from refseg_ros.language import NounPhrase, parse
from refseg_ros.language.chunks import kinds_of
from refseg_ros.language.lexicon import SUPPORTS
from refseg_ros.language.synonyms import COLOUR_OF

AGREES, SILENT, DISAGREES = 1, 0, -1
CAPTIONS: Final = 1024
"""Captions that are kept as they were read."""

_VIEW = re.compile(
    r"^\W*(?:(?:a|an|the)\s+)?(?:close[\s-]?up\s+)?"
    r"(?:(?:close[\s-]?up|image|photo|photograph|picture|shot|view)\s+of\s+)",
    re.IGNORECASE,
)
"""What captioners say of the picture itself before they come to what it shows."""


@dataclass(frozen=True)
class Naming:
    """What something is called.

    Attributes:
        kinds: Names under which its head noun is known; none without a head.
        colours: Its basic colours; others are left out.
        phrase: The words themselves.
    """

    kinds: frozenset[str]
    colours: frozenset[str]
    phrase: NounPhrase = field(default_factory=NounPhrase)

    @classmethod
    def of_phrase(cls, phrase: NounPhrase) -> Naming:
        """What a phrase calls the thing that it is about."""
        colours = (COLOUR_OF[word] for word in phrase.colours if word in COLOUR_OF)
        return cls(kinds_of(phrase), frozenset(colours), phrase)

    @classmethod
    @lru_cache(maxsize=CAPTIONS)
    def of_caption(cls, caption: str) -> Naming:
        """What a caption calls the thing that it describes; the same is said of many pictures."""
        return cls.of_phrase(parse(_VIEW.sub("", caption)).target)

    @property
    def thing(self) -> NounPhrase | None:
        """The words for a thing; None if they name none, or what everything stands on."""
        head = self.phrase.head
        return self.phrase if head and head not in SUPPORTS else None

    def agreement(self, said: Naming) -> int:
        """Whether it is called what was said.

        Args:
            said: The naming of the phrase that was said.

        Returns:
            :data:`DISAGREES` if kind or colour are both known and another, else :data:`AGREES` if
            one of them is the same, else :data:`SILENT`.
        """
        both = [
            bool(mine & theirs)
            for mine, theirs in ((self.kinds, said.kinds), (self.colours, said.colours))
            if mine and theirs
        ]
        if not both:
            return SILENT
        return AGREES if all(both) else DISAGREES


def agreements(named: Sequence[Naming], said: NounPhrase) -> NDArray[np.float64]:
    """1, 0 or -1 for each candidate: see :meth:`Naming.agreement`.

    Args:
        named: What each of N candidates is called.
        said: The phrase to compare with.

    Returns:
        (N,) float64.
    """
    wanted = Naming.of_phrase(said)
    # What is captioned alike shares one naming.
    each = {id(item): item for item in named}
    found = {key: item.agreement(wanted) for key, item in each.items()}
    return np.array([found[id(item)] for item in named], np.float64)
