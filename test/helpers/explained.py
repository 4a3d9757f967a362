# SPDX-License-Identifier: Apache-2.0
"""A hand-made answer with known terms, for tests of explanations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from spatial_layouts import layout

from refseg_ros.config import DecisionConfig
from refseg_ros.decision.choice import decide, rank
from refseg_ros.language import parse
from refseg_ros.language.usable import looks_of
from refseg_ros.methods.scoring import ScoreTable, shares
from refseg_ros.results import Proposals, Selection
from refseg_ros.spatial import Layout, place
from refseg_ros.spatial.likeness import Likeness

V, P, N = np.array([12.0, 8.0, 3.0]), np.array([10.0, 20.0, 0.0]), np.array([5.0, 5.0, 10.0])
TOTAL = np.array([9.5, 6.5, -4.0])
"""V + 0.1·P − 0.7·N: 12 + 1 − 3.5, 8 + 2 − 3.5 and 3 + 0 − 7."""
TABLE = ScoreTable(
    {"V": V, "P": P, "N": N}, TOTAL, {"P": 0.1, "N": -0.7}, "mug", ("a book", "a bowl")
)
CAPTIONS = ("a red mug", "a blue mug", "a book")
WHERE = layout((10, 40, 30, 60), (70, 40, 90, 60), (45, 40, 55, 60))
"""From left to right a mug, a book and a mug; their rows are 0, 2 and 1."""
THRESHOLDS = DecisionConfig(min_match=6.6, min_margin=0.1, min_truth=0.1)
IMAGE = np.full((100, 100, 3), 90, np.uint8)


def answer(
    text: str,
    *,
    absolute: str = "extreme",
    closeness: float = 0.03,
    where: Layout = WHERE,
    captions: tuple[str, ...] = CAPTIONS,
    table: ScoreTable | None = TABLE,
    config: DecisionConfig = THRESHOLDS,
) -> Selection:
    """What the stages after the matcher make of :data:`TABLE`; row 2 surely is any landmark."""
    expression = parse(text)
    surely = Likeness(np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0]))
    looks = {item.look: surely for item, _ in looks_of(expression.target)}
    look = Likeness(shares(TOTAL, "logits"), np.array([0.99, 0.8, 0.03]))
    placed = place(look, expression, looks, where, absolute, closeness)
    candidates = rank(TABLE, placed, where.proposals, captions)
    return decide(expression, candidates, placed, where.proposals, config, {}, table=table)


def crowd(count: int) -> tuple[Selection, Proposals]:
    """An answer to "the mug towards the right" among so many squares of 9 pixels, at most 100."""
    corners = [(10 * (k % 10), 10 * (k // 10)) for k in range(count)]
    where = layout(*((x, y, x + 9, y + 9) for x, y in corners))
    logits = np.linspace(10.0, 7.0, count)
    table = ScoreTable({"V": logits}, logits, text="mug")
    expression = parse("the rightmost mug")
    look = Likeness(shares(logits, "logits"), np.ones(count))
    placed = place(look, expression, {}, where, "extreme")
    candidates = rank(table, placed, where.proposals, ("a thing",) * count)
    config = DecisionConfig()
    return (
        decide(expression, candidates, placed, where.proposals, config, {}, table=table),
        where.proposals,
    )


def hostile(text: str) -> Selection:
    """An answer with a text in every place that holds one."""
    selection = answer("the second mug from the left that is not next to the book")
    assert selection.explanation is not None
    explained = selection.explanation
    conditions = tuple(
        replace(
            item,
            words=text,
            note=text,
            landmarks=tuple(replace(each, words=text) for each in item.landmarks),
        )
        for item in explained.weighing.conditions
    )
    weighing = replace(explained.weighing, conditions=conditions, ruled_out=(text,) * 3)
    return replace(
        selection,
        expression=text,
        reason=text or "none",
        warnings=(text,),
        candidates=tuple(replace(item, caption=text) for item in selection.candidates),
        explanation=replace(
            explained,
            expression=parse(text),
            compared=text,
            distractors=(text,) * 3,
            weighing=weighing,
            objections=(text,),
        ),
    )


HOSTILE = (
    "",
    "[red]mug[/red] [/] [bold",
    "\x1b[31mred\x1b[0m\x07\x00\r\n\tmug\x9b2J",
    "mug " * 2500,
    "m" * 10_000,
    "כוס אדומה \u202e\u2066mug\u2069 كوب",
    "\ud800 lone",
    "👩‍👩‍👧‍👦 杯子 e\u0301" * 20,
    "'\"; {0} %s $(x) \\",
)
