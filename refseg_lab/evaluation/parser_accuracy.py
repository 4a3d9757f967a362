# SPDX-License-Identifier: Apache-2.0
"""How well the parser reads a labelled set.

``python -m refseg_lab.evaluation.parser_accuracy SET.jsonl`` prints it.

Each line of a set is an object with ``text``, ``phenomenon`` and the fields of :func:`reading`
that are not empty. Its odd lines (the first, third, …) are the development half, on which rules
may be tuned; the even ones are the test half.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from refseg_ros.language.expression import Anaphora, NounPhrase, ReferringExpression, Relation
from refseg_ros.language.parser import parse

FIELDS: Final = (
    "head",
    "attributes",
    "directions",
    "relations",
    "ordinal",
    "superlatives",
    "excluded",
    "count",
    "group",
    "plural",
    "any",
    "anaphora",
)
Label = Mapping[str, Any]


class Halves(NamedTuple):
    """The labelled expressions for tuning and for testing."""

    development: list[Label]
    test: list[Label]


def load(path: Path) -> Halves:
    """Reads a labelled set.

    Raises:
        OSError: The file cannot be read.
        ValueError: A line is no JSON object, or has a field that is not known.
    """
    labels: list[Label] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        label = json.loads(line)
        unknown = set(label) - {"text", "phenomenon", *FIELDS}
        if unknown or "text" not in label:
            raise ValueError(f"{path}:{number}: unknown fields {sorted(unknown)}, or no text")
        labels.append(label)
    return Halves(labels[::2], labels[1::2])


def reading(expression: ReferringExpression) -> dict[str, Any]:
    """What a parsed expression says, in the notation of the labels.

    Relations are written ``left_of(bowl[on(tray)])``: after the landmark's head ("it" for an
    anaphor, "_" if there is none) come ``@`` and its position, and its own relations in brackets;
    "!" marks what is said to the utmost, and a number after it the rank. Superlatives are
    ``size+``, ``nearness-``, ``size+2`` for the second largest; an ordinal is ``2:left``.
    """
    target = expression.target
    ordinal = "" if target.ordinal is None else str(target.ordinal)
    if target.ordinal_from:
        ordinal += ":" + "_".join(item.value for item in target.ordinal_from)
    said: dict[str, Any] = {
        "head": target.head,
        "attributes": sorted(target.attributes),
        "directions": _directions(target),
        "relations": [_relation(item) for item in target.relations],
        "ordinal": ordinal,
        "superlatives": _superlatives(target),
        "excluded": [_excluded(item) for item in target.excluded],
        "count": target.count,
        "group": target.group,
        "plural": target.is_plural,
        "any": target.is_any,
        "anaphora": target.anaphora.value if target.anaphora else "",
    }
    return {field: value for field, value in said.items() if value}


def _directions(phrase: NounPhrase) -> list[str]:
    return [item.value + "!" * (item in phrase.extremes) for item in phrase.directions]


def _superlatives(phrase: NounPhrase) -> list[str]:
    return [
        item.measure.value
        + ("+" if item.most else "-")
        + (str(item.rank) if item.rank > 1 else "")
        for item in phrase.superlatives
    ]


def _relation(relation: Relation) -> str:
    mark = "!" * relation.extreme + (str(relation.rank) if relation.rank > 1 else "")
    return f"{relation.kind.value}{mark}({','.join(map(_landmark, relation.landmarks))})"


def _landmark(phrase: NounPhrase) -> str:
    head = phrase.head or ("it" if phrase.anaphora is Anaphora.SAME else "_")
    return head + _places(phrase)


def _places(phrase: NounPhrase) -> str:
    where = "".join(f"@{item}" for item in _directions(phrase))
    nested = " ".join(_relation(item) for item in phrase.relations)
    return where + (f"[{nested}]" if nested else "")


def _excluded(phrase: NounPhrase) -> str:
    same = ("same",) if phrase.anaphora is Anaphora.SAME and not phrase.head else ()
    parts = (*phrase.attributes, *_superlatives(phrase), phrase.head, *same)
    return "_".join(filter(None, parts)) + _places(phrase)


def wrong_fields(label: Label) -> dict[str, tuple[Any, Any]]:
    """Fields read differently from their labels: what was expected, and what was read."""
    read = reading(parse(label["text"]))
    wrong = {}
    for field in FIELDS:
        expected = label.get(field)
        if field == "attributes" and expected:
            expected = sorted(expected)
        if expected != read.get(field):
            wrong[field] = (expected, read.get(field))
    return wrong


def measure_parser(labels: Sequence[Label]) -> dict[str, float]:
    """The share of expressions read right: per field, for place, and in every field.

    Returns:
        Shares in [0, 1] by field name; ``place`` asks for directions and relations, ``whole`` for
        every field.

    Raises:
        ValueError: There are no labels.
    """
    if not labels:
        raise ValueError("labels: expected at least one expression, got none")
    wrong = [wrong_fields(label) for label in labels]
    missed = {field: sum(field in item for item in wrong) for field in FIELDS}
    missed["place"] = sum("directions" in item or "relations" in item for item in wrong)
    missed["whole"] = sum(bool(item) for item in wrong)
    return {name: 1.0 - count / len(labels) for name, count in missed.items()}


def seconds_per_expression(labels: Sequence[Label], repeats: int = 5) -> float:
    """Median over the expressions of the best of ``repeats`` parses of each."""
    times = []
    for label in labels:
        best = float("inf")
        for _ in range(repeats):
            started = time.perf_counter()
            parse(label["text"])
            best = min(best, time.perf_counter() - started)
        times.append(best)
    return statistics.median(times)


def main(arguments: Sequence[str]) -> int:
    """Prints both halves' accuracy and the misreadings of the development half."""
    if len(arguments) != 1:
        print("usage: python -m refseg_lab.evaluation.parser_accuracy SET.jsonl", file=sys.stderr)
        return 2
    halves = load(Path(arguments[0]))
    development, test = measure_parser(halves.development), measure_parser(halves.test)
    print(f"{'field':14}development ({len(halves.development)})   test ({len(halves.test)})")
    for field, share in development.items():
        print(f"{field:14}{100 * share:15.1f} %{100 * test[field]:13.1f} %")
    median = seconds_per_expression([*halves.development, *halves.test])
    print(f"median {1e3 * median:.3f} ms an expression")
    for label in halves.development:
        for field, (expected, read) in wrong_fields(label).items():
            print(f"  {label['text']!r}: {field} is {read!r}, labelled {expected!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
