# SPDX-License-Identifier: Apache-2.0
"""Names that come with the proposals, as evidence: a term D beside those of a method."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.language.caption_names import Naming
from refseg_ros.language.expression import NounPhrase
from refseg_ros.language.kinship import KIND_OF, STRANGE, WIDER, kinship
from refseg_ros.results import Proposals

if TYPE_CHECKING:
    from refseg_ros.methods.scoring import TextEncoder

NAMED: Final = "D"
"""Term of the names that a detector gave."""
SURE_ENOUGH: Final = float(np.log(0.05))
"""Logits of D from which a thing may be called so: a wider name with a score of 0.1.

It takes the place of ``decision.min_match``, which is fitted for a CLIP, where names decide."""

NAMELESS: Final = 0.02
"""How likely what has no name is called what was said, beside the likeliest that has a name."""


@dataclass(frozen=True)
class Names:
    """What a source of proposals calls them.

    Attributes:
        names: N noun phrases, "" for what has no name; () where nothing has one.
        scores: (N,) in [0, 1], how sure it is.
        distinct: The names, each once.
        features: (len(distinct), D) unit text features of CLIP; D is 0 without one.
    """

    names: tuple[str, ...] = ()
    scores: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    distinct: tuple[str, ...] = ()
    features: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 0))

    @classmethod
    def of(cls, proposals: Proposals, encoder: TextEncoder) -> Names:
        """The names of proposals; none is fine."""
        distinct = tuple(dict.fromkeys(filter(None, proposals.names)))
        if not distinct:
            return cls()
        encoded = encoder.encode_texts(list(distinct))
        return cls(proposals.names, proposals.scores, distinct, encoded)

    def __bool__(self) -> bool:
        return bool(self.distinct)

    @cached_property
    def read(self) -> tuple[Naming, ...]:
        """The distinct names, taken apart once for all expressions."""
        return tuple(Naming.of_caption(name) for name in self.distinct)

    def tell(self, said: NounPhrase) -> bool:
        """Whether a name says all that is said of looks.

        Not where a name is only wider than the word: which person is a woman, looks tell.

        Args:
            said: A phrase.
        """
        wanted, marks = Naming.of_phrase(said), {*said.colours, *said.materials}
        return any(
            kinship(name, wanted) >= KIND_OF
            and marks <= {*name.phrase.colours, *name.phrase.materials}
            for name in self.read
        )

    @property
    def tell_colours(self) -> bool:
        """Whether any name tells a colour or a material."""
        return any(item.phrase.colours or item.phrase.materials for item in self.read)

    def logits(
        self, said: NounPhrase, encoder: TextEncoder, logit_scale: float
    ) -> NDArray[np.float64]:
        """D: the logarithm of how likely each is called what was said, by name and score.

        Where no name is the word that was said, a kind of it or wider, CLIP's text features say
        which name comes nearest, if there is a CLIP.

        Args:
            said: A phrase.
            encoder: What made :attr:`features`.
            logit_scale: The encoder's scale; cosines times this are logits.

        Returns:
            (N,) float64, at most 0.
        """
        wanted = Naming.of_phrase(said)
        near = np.array([kinship(name, wanted) for name in self.read])
        if self.features.shape[1] and near.max() <= STRANGE:
            text = encoder.encode_texts([said.look])[0]
            shares = torch.softmax(logit_scale * self.features @ text, 0).double().numpy()
            near = np.maximum(WIDER * shares, STRANGE)
        by_name = dict(zip(self.distinct, near.tolist(), strict=True))
        pairs = list(zip(self.names, self.scores.tolist(), strict=True))
        best = max(by_name[name] * score for name, score in pairs if name)
        nameless = NAMELESS * best if best > STRANGE else NAMELESS
        likely = [
            max(by_name[name] * score, STRANGE) if name else nameless for name, score in pairs
        ]
        logits: NDArray[np.float64] = np.log(likely)
        return logits


NO_NAMES: Final = Names()
"""Nothing has a name."""
