# SPDX-License-Identifier: Apache-2.0
"""What is known of how an answer came about: immutable plain values, one column a quantity.

Columns have one number a candidate, in the order of ``Scene.proposals``: the number of candidate
``i`` is ``column[i]``, and it is labelled ``i + 1``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refseg_ros.language.expression import ReferringExpression

Column = tuple[float, ...]


class ConditionKind(str, enum.Enum):
    """What is said of a thing beside its looks."""

    RELATION = "relation"
    EXCLUSION = "exclusion"
    SIZE = "size"
    POSITION = "position"
    ORDER = "order"
    RECTIFIER = "rectifier"


@dataclass(frozen=True)
class Term:
    """One part of the score.

    Attributes:
        name: ``V`` crop with text, ``P`` caption with text, ``N`` crop with distractors,
            ``C`` what the caption names; ``G`` and ``L`` the parts of a mixed V, the mask within
            the image and its crop; ``A`` attention and ``H`` heat, each inside minus outside.
        values: (N,) logits before weighting.
        weighted: (N,) logits after it; the terms' sum is :attr:`Explanation.total`.
        weight: Factor between the two, negative for what is subtracted, 0 for what only the
            decision looks at; None if it differs from candidate to candidate.
    """

    name: str
    values: Column
    weighted: Column
    weight: float | None


@dataclass(frozen=True)
class Landmark:
    """What was taken for a thing that another is told by.

    Attributes:
        words: The words as said: "blue book".
        chosen: Rows of the candidates taken for it, the best first.
        share: In [0, 1], how sure that is beside the other candidates; of several their sum.
        fits: In [0, 1], how well the best of all candidates looks like it at all.
        conditions: What is said of it beside its looks.
    """

    words: str
    chosen: tuple[int, ...]
    share: float
    fits: float
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Condition:
    """One thing that is said beside looks, and how far it holds for each candidate.

    Attributes:
        kind: See :class:`ConditionKind`.
        words: The condition in words: "left of 'blue book'", "towards the right".
        note: What was done for it, in words.
        holds: (N,) in [0, 1]. Relations, exclusions, sizes and positions multiply the share with
            it. Of an order it tells how near a candidate comes to the chosen ones, 0 for those
            that do not compete; of the rectifier it is 0 or 1.
        ranks: For an order, (N,) place of each that competes, from 1, and 0 for the others.
        landmarks: What was taken for the landmarks of a relation, or for those that an exclusion
            names.
    """

    kind: ConditionKind
    words: str
    note: str
    holds: Column
    ranks: tuple[int, ...] = ()
    landmarks: tuple[Landmark, ...] = ()


@dataclass(frozen=True)
class Weighing:
    """What became of the candidates between their looks and the choice.

    Attributes:
        matched: Whether looks decide the shares; false for "the leftmost thing", where the
            proposals' own quality takes their place.
        shares: (N,) summing to 1, before anything but looks is weighed.
        fits: (N,) in [0, 1], whether each looks like what was said at all; the border is at 0.5.
        truth: (N,) in [0, 1], the product of what relations, exclusions, sizes and positions hold.
        conditions: What is said beside looks, in the order in which it was weighed.
        ruled_out: (N,) why each was out of the choice; "" if it was in it.
        copies: (N,) rows of the other masks of the same thing.
    """

    matched: bool = True
    shares: Column = ()
    fits: Column = ()
    truth: Column = ()
    conditions: tuple[Condition, ...] = ()
    ruled_out: tuple[str, ...] = ()
    copies: tuple[tuple[int, ...], ...] = ()

    @property
    def rectifier(self) -> str:
        """The decision of the paper's rectifier, in words; "" where it had none to make."""
        kind = ConditionKind.RECTIFIER
        return next((item.note for item in self.conditions if item.kind is kind), "")

    def keyed(self) -> Iterator[tuple[str, Condition]]:
        """The conditions, each with a short key: A, B and so on to Z, then A1, B1."""
        for number, condition in enumerate(self.conditions):
            yield chr(65 + number % 26) + (str(number // 26) if number >= 26 else ""), condition


@dataclass(frozen=True)
class Check:
    """One threshold of the decision.

    Attributes:
        name: Its field in ``DecisionConfig``: "min_match", "min_truth" or "min_margin".
        value: What was reached.
        at_least: What was asked for; of a set, ``min_margin`` times the least chosen share.
        applies: Whether it was asked at all: not of "any mug", nor of words that name no look.
    """

    name: str
    value: float
    at_least: float
    applies: bool = True

    @property
    def says_no(self) -> bool:
        """Whether it speaks against the answer."""
        return self.applies and self.value < self.at_least


@dataclass(frozen=True)
class Explanation:
    """How an answer came about.

    Attributes:
        expression: The sentence, taken apart.
        compared: The text that crops and captions were compared with; "" if nothing was.
        distractors: The phrases that N compares with: what the captions name, less what is meant.
        terms: The parts of the score; none if the sentence was refused before anything was scored.
        total: (N,) logits, the weighted terms' sum.
        weighing: What became of the candidates, from looks to the choice.
        checks: The thresholds of the decision.
        objections: What speaks against the answer or was left aside for it, in words.
    """

    expression: ReferringExpression
    compared: str = ""
    distractors: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    total: Column = ()
    weighing: Weighing = Weighing()
    checks: tuple[Check, ...] = ()
    objections: tuple[str, ...] = ()
