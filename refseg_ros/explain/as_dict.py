# SPDX-License-Identifier: Apache-2.0
"""An answer and its explanation as plain values, ready for JSON."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from refseg_ros.explain.reading_in_words import reading
from refseg_ros.results import Candidate, Selection
from refseg_ros.results.explanation import Condition, Explanation, Landmark, Weighing


def as_dict(selection: Selection) -> dict[str, Any]:
    """The whole answer; see :meth:`Selection.to_dict`."""
    explanation = selection.explanation
    return {
        "size": {"height": selection.mask.shape[0], "width": selection.mask.shape[1]},
        "expression": _text(selection.expression),
        "status": selection.status.name,
        "reason": _text(selection.reason),
        "warnings": [_text(warning) for warning in selection.warnings],
        "question": _text(selection.question),
        "options": [_text(option) for option in selection.options],
        "tied": _numbers(selection.tied),
        "score": finite(selection.score),
        "margin": finite(selection.margin),
        "box": [finite(value) for value in selection.box],
        "area": int(selection.mask.sum()),
        "target": None if selection.index is None else selection.index + 1,
        "targets": _numbers(selection.indices),
        "candidates": [_candidate(item, explanation) for item in selection.candidates],
        "seconds": {name: finite(value) for name, value in selection.seconds.items()},
        "explanation": _explanation(explanation) if explanation else None,
    }


def finite(value: float) -> float | None:
    """A plain number with six digits after the point, or None for what JSON has no word for."""
    return round(float(value), 6) if math.isfinite(value) else None


def _text(text: str) -> str:
    """The text without lone surrogates, which no encoding of JSON can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _numbers(rows: tuple[int, ...]) -> list[int]:
    return [row + 1 for row in rows]


def _candidate(candidate: Candidate, explanation: Explanation | None) -> dict[str, Any]:
    plain = {
        "id": candidate.index + 1,
        "score": finite(candidate.score),
        "terms": {name: finite(value) for name, value in candidate.terms.items()},
        "eligible": candidate.eligible,
        "box": [finite(value) for value in candidate.box],
        "area": int(candidate.area),
        "caption": _text(candidate.caption),
    }
    if explanation is None:
        return plain
    index, weighing = candidate.index, explanation.weighing
    if explanation.total:
        plain["weighted"] = {term.name: finite(term.weighted[index]) for term in explanation.terms}
        plain["total"] = finite(explanation.total[index])
    return plain | (_weighed(weighing, index) if weighing.shares else {})


def _weighed(weighing: Weighing, index: int) -> dict[str, Any]:
    return {
        "share": finite(weighing.shares[index]),
        "fits": finite(weighing.fits[index]),
        "truth": finite(weighing.truth[index]),
        "holds": {key: finite(item.holds[index]) for key, item in weighing.keyed()},
        "ranks": {key: item.ranks[index] or None for key, item in weighing.keyed() if item.ranks},
        "ruled_out": _text(weighing.ruled_out[index]),
        "copies": _numbers(weighing.copies[index]),
    }


def _explanation(explanation: Explanation) -> dict[str, Any]:
    weighing = explanation.weighing
    read = dataclasses.asdict(reading(explanation.expression))
    return {
        "reading": {
            name: _text(value) if isinstance(value, str) else [_text(item) for item in value]
            for name, value in read.items()
        },
        "compared": _text(explanation.compared),
        "distractors": [_text(phrase) for phrase in explanation.distractors],
        "weights": {
            term.name: None if term.weight is None else finite(term.weight)
            for term in explanation.terms
        },
        "matched": weighing.matched,
        "conditions": [
            {"key": key, **_condition(condition)} for key, condition in weighing.keyed()
        ],
        "rectifier": weighing.rectifier or None,
        "checks": [
            {
                "name": check.name,
                "value": finite(check.value),
                "at_least": finite(check.at_least),
                "applies": check.applies,
                "says_no": check.says_no,
            }
            for check in explanation.checks
        ],
        "objections": [_text(item) for item in explanation.objections],
    }


def _condition(condition: Condition) -> dict[str, Any]:
    return {
        "kind": condition.kind.value,
        "words": _text(condition.words),
        "note": _text(condition.note),
        "landmarks": [_landmark(item) for item in condition.landmarks],
    }


def _landmark(landmark: Landmark) -> dict[str, Any]:
    return {
        "words": _text(landmark.words),
        "candidates": _numbers(landmark.chosen),
        "share": finite(landmark.share),
        "fits": finite(landmark.fits),
        "conditions": [_condition(item) for item in landmark.conditions],
    }
