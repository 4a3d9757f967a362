# SPDX-License-Identifier: Apache-2.0
"""Words and numbers that text and picture have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from refseg_ros.explain.reading_in_words import reading
from refseg_ros.results import Candidate, Selection
from refseg_ros.results.explanation import Check, Condition, Explanation, Landmark, Term
from refseg_ros.viewer.text import printable

_LONGEST = 300
_DEEPEST = 4


def clean(text: str, most: int = _LONGEST) -> str:
    """The text on one line without control characters, cut after ``most`` characters."""
    line = printable(text[: 4 * most])
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def number(value: float, digits: int = 2) -> str:
    """A number, with a real minus sign; "–" if it is not finite."""
    return f"{value:.{digits}f}".replace("-", "−") if math.isfinite(value) else "–"


def weighted_name(term: Term) -> str:
    """What stands over a weighted column: "0.1·P", "−0.7·N", "p·P" for weights that differ.

    A term of weight 0 is no part of the sum and has no such column.
    """
    if term.weight is None:
        return f"{term.name.lower()}·{term.name}"
    return term.name if term.weight in (0, 1) else f"{term.weight:g}·{term.name}".replace("-", "−")


def formula(explanation: Explanation) -> str:
    """The sum of the terms: "V + 0.1·P − 0.7·N"."""
    parts = [weighted_name(term) for term in explanation.terms if term.weight != 0]
    return " + ".join(parts).replace("+ −", "− ")


def read_lines(explanation: Explanation) -> Iterator[tuple[str, str]]:
    """How the sentence was read: a label and words for all that was said."""
    read = reading(explanation.expression)
    yield "meant", clean(read.referring) or "nothing is named"
    rows: Mapping[str, str | tuple[str, ...]] = {
        "head": read.head,
        "attributes": read.attributes,
        "position": read.directions,
        "ordinal": read.ordinal,
        "superlative": read.superlatives,
        "relation": read.relations,
        "must not be": read.exclusions,
        "how many": read.count,
        "before": read.before,
        "destination": read.destination,
        "unread": read.unread,
        "read as": read.corrections,
    }
    for label, value in rows.items():
        words = value if isinstance(value, str) else ", ".join(value)
        if words:
            yield label, clean(words)


def taken_for(landmark: Landmark, captions: Mapping[int, str], depth: int = 0) -> str:
    """Which candidates were taken for a landmark, and how surely."""
    names = []
    for index in landmark.chosen[:4]:
        caption = clean(captions.get(index, ""), 40)
        names.append(f"{index + 1}" + (f" ({caption})" if caption else ""))
    names += ["…"] if len(landmark.chosen) > 4 else []
    words = f"'{clean(landmark.words, 60)}' is {', '.join(names)}, {number(landmark.share)} sure"
    inner = [item for condition in landmark.conditions for item in condition.landmarks]
    if inner and depth < _DEEPEST:
        words += ", as " + ", ".join(taken_for(item, captions, depth + 1) for item in inner)
    return words


def held(condition: Condition, index: int) -> str:
    """How far a condition holds for a candidate: "0.97", the place in an order, yes or no."""
    if condition.ranks:
        rank = condition.ranks[index]
        return f"no. {rank}" if rank else "–"
    if condition.kind.value == "rectifier":
        return "yes" if condition.holds[index] else "no"
    return number(condition.holds[index])


def said(condition: Condition) -> str:
    """A condition in words."""
    prefix = {"exclusion": "not ", "rectifier": "lies "}.get(condition.kind.value, "")
    return prefix + clean(condition.words, 80)


def remark(selection: Selection, candidate: Candidate) -> str:
    """What else is to be said of a candidate: why it is out, or whose copy it is."""
    weighing = selection.explanation.weighing if selection.explanation else None
    if weighing is None or not weighing.ruled_out:
        return "" if candidate.eligible else "ruled out"
    why = weighing.ruled_out[candidate.index]
    if not candidate.eligible:
        return f"out: {clean(why, 100)}" if why else "ruled out"
    twins = [index for index in weighing.copies[candidate.index] if index in selection.indices]
    if twins and candidate.index not in selection.indices:
        return f"same thing as {twins[0] + 1}"
    return ""


def best_first(selection: Selection) -> tuple[Candidate, ...]:
    """The candidates as they are shown: those ruled out by what their looks alone would give."""
    weighing = selection.explanation.weighing if selection.explanation else None
    if weighing is None or not weighing.shares:
        return selection.candidates
    shares = weighing.shares
    return tuple(
        sorted(selection.candidates, key=lambda c: (not c.eligible, -c.score, -shares[c.index]))
    )


def objections(selection: Selection) -> list[str]:
    """What speaks against the answer, less what its reason says already."""
    told = selection.explanation.objections if selection.explanation else ()
    return [clean(item) for item in told if item not in selection.reason]


def check_words(check: Check) -> tuple[str, str, str]:
    """A threshold in words: what it asks, the numbers, and what it says."""
    asks = {
        "min_match": "looks like it",
        "min_truth": "what is said holds",
        "min_margin": "lead over the next",
    }.get(check.name, check.name)
    if not math.isfinite(check.at_least) or (check.at_least <= 0 and check.name != "min_match"):
        return asks, number(check.value), "not asked"
    numbers = f"{number(check.value)}, at least {number(check.at_least)}"
    if not check.applies:
        return asks, numbers, "does not apply"
    return asks, numbers, "no" if check.says_no else "yes"
