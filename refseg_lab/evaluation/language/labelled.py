# SPDX-License-Identifier: Apache-2.0
"""How well sentences are read that were labelled by hand.

A file of labels has one JSON object a line. ``text`` is the sentence; ``source`` groups sentences
in the table. The other fields say what is in it, and are left out where that is nothing:

- ``head``: lemma of the noun of the thing meant, "mug".
- ``looks``: words of how it looks: colours, materials, plain sizes, qualities, states; any order.
- ``place``: words of :class:`Direction`, ["top", "left"]; any order.
- ``relations``: lists of the words of a :class:`RelationKind` and the heads of its landmarks,
  [["left of", "book"], ["between", "cup", "bowl"]]; any order, "it" for a pronoun, "" for no noun.
- ``order``: ordinals and superlatives as :func:`parser_accuracy.reading` writes them, with
  spaces between: "2:left", "size+", "nearness-".
- ``number``: a count, "all" for a plural without one, "any" for any one.
- ``negated``: what it is said not to be, as said, without articles: ["red", "on left"].
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from refseg_lab.evaluation.parser_accuracy import reading
from refseg_ros.errors import RefsegError
from refseg_ros.language import Anaphora, NounPhrase, lemma, parse

LABEL_FIELDS: Final = (
    "head", "looks", "place", "relations", "order", "number", "negated",
)  # fmt: skip
"""Of a label, in the order of the table."""
_ARTICLES: Final = frozenset(("a", "an", "the"))


def read_labels(path: Path) -> list[Mapping[str, Any]]:
    """The labels of a file.

    Raises:
        RefsegError: It cannot be read, or a line is no label; names file and line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RefsegError(f"{path}: cannot be read ({error.strerror})") from None
    labels: list[Mapping[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            label = json.loads(line)
        except ValueError as error:
            raise RefsegError(f"{path}:{number}: no JSON ({error})") from None
        known = {"text", "source", *LABEL_FIELDS}
        if not isinstance(label, dict) or "text" not in label or set(label) - known:
            raise RefsegError(f"{path}:{number}: expected text and some of {sorted(known)}")
        labels.append(label)
    return labels


def said(text: str) -> dict[str, Any]:
    """What the parser reads in a sentence, in the notation of the labels."""
    expression = parse(text)
    target, noted = expression.target, reading(expression)
    looks = (*target.sizes, *target.colours, *target.materials, *target.qualities)
    looks += tuple(word for state in target.states for word in state.split())
    number: Any = target.count or ("any" if target.is_any else "all" * target.is_plural)
    relations = [
        [item.kind.words, *(_named(landmark) for landmark in item.landmarks)]
        for item in target.relations
    ]
    return {
        "head": target.head,
        "looks": looks,
        "place": [item.value for item in target.directions],
        "relations": relations,
        "order": " ".join(filter(None, (noted.get("ordinal"), *noted.get("superlatives", ())))),
        "number": number,
        "negated": expression.negated,
    }


def misread(label: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Fields that are read otherwise: what was expected, and what was read."""
    read = said(label["text"])
    pairs = {name: (_plain(label.get(name)), _plain(read[name])) for name in LABEL_FIELDS}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _named(landmark: NounPhrase) -> str:
    return landmark.head or "it" * (landmark.anaphora is Anaphora.SAME)


def _plain(value: Any) -> Any:
    """A field such that equal ones compare equal: lists in one order, words as lemmas."""
    if isinstance(value, str):
        return " ".join(lemma(word) for word in value.split() if word not in _ARTICLES)
    if isinstance(value, Sequence):
        plain = [
            tuple(map(_plain, item)) if not isinstance(item, str) else _plain(item)
            for item in value
        ]
        return sorted(set(plain)) or ""
    return value or ""
