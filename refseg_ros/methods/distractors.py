# SPDX-License-Identifier: Apache-2.0
"""Which phrases of the captions may speak against a candidate: those of other things."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refseg_ros.language import ReferringExpression, head_noun, is_abstract
from refseg_ros.language import parse as read
from refseg_ros.language.chunks import kinds, kinds_of
from refseg_ros.language.expression import NounPhrase


@dataclass(frozen=True)
class Spoken:
    """A noun phrase of a caption, read once for all expressions.

    Attributes:
        abstract: Whether it names no thing ("the background").
        kinds: Names of the kinds of thing that it names, see :func:`phrases.kinds`.
        head: Its head noun; "" without one.
        marks: Its colours and materials.
    """

    abstract: bool
    kinds: frozenset[str]
    head: str
    marks: frozenset[str]

    @classmethod
    def of(cls, phrase: str) -> Spoken:
        """Read a phrase."""
        found = read(phrase).target
        marks = frozenset(found.colours + found.materials)
        return cls(is_abstract(phrase), kinds(phrase), head_noun(phrase) or "", marks)


def proper_distractors(
    phrases: Sequence[Spoken], expression: ReferringExpression
) -> NDArray[np.int64]:
    """Phrases of things that are neither meant nor spoken of, each once.

    Left out are abstract phrases ("the background"); what may be the thing meant: a phrase with
    its head by lemma or group, or if no head was said ("the red one") one that shares a colour or
    material with it, and any phrase if none of these was said either; landmarks of its relations
    at any depth; and a phrase of the same head, colours and materials as one before it.

    Args:
        phrases: Noun phrases of captions.
        expression: What is looked for.

    Returns:
        Their rows, ascending.
    """
    target = expression.target
    if not target.head and not (target.colours or target.materials):
        return np.zeros(0, np.int64)
    named = [kinds_of(phrase) for phrase in (target, *_landmarks(target))]
    spoken_of = frozenset[str]().union(*named)
    rows, seen = [], set()
    for row, phrase in enumerate(phrases):
        if phrase.abstract or phrase.kinds & spoken_of:
            continue
        if not target.head and not phrase.marks.isdisjoint(target.colours + target.materials):
            continue
        key = (phrase.head, phrase.marks)
        if key not in seen:
            seen.add(key)
            rows.append(row)
    return np.array(rows, np.int64)


def _landmarks(phrase: NounPhrase) -> Iterator[NounPhrase]:
    for relation in phrase.relations:
        for landmark in relation.landmarks:
            yield landmark
            yield from _landmarks(landmark)
