# SPDX-License-Identifier: Apache-2.0
"""An explanation out of what the stages computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from refseg_ros.language.expression import ReferringExpression
from refseg_ros.results.explanation import Check, Column, Explanation, Term, Weighing

if TYPE_CHECKING:
    from refseg_ros.methods.scoring import ScoreTable


def explain(
    expression: ReferringExpression,
    table: ScoreTable | None,
    weighing: Weighing,
    checks: Sequence[Check],
    objections: Sequence[str],
) -> Explanation:
    """Put together what is known of an answer.

    Args:
        expression: The sentence, taken apart.
        table: The matcher's scores; None if they are not to be explained.
        weighing: What became of the candidates after them.
        checks: The decision's checks.
        objections: What speaks against the answer, in words; empty ones are left out.
    """
    told = tuple(item for item in objections if item)
    if table is None:
        return Explanation(expression, weighing=weighing, checks=tuple(checks), objections=told)
    terms = tuple(_term(table, name) for name in table.terms)
    return Explanation(
        expression,
        table.text,
        table.distractors,
        terms,
        tuple(table.total.tolist()),
        weighing,
        tuple(checks),
        told,
    )


def _term(table: ScoreTable, name: str) -> Term:
    values = table.terms[name]
    weight = np.asarray(table.weights.get(name, 1.0), np.float64)
    weighted: Column = tuple((weight * values).tolist())
    alike = weight.ndim == 0 or (weight.size > 0 and bool((weight == weight[0]).all()))
    return Term(name, tuple(values.tolist()), weighted, float(weight.flat[0]) if alike else None)
