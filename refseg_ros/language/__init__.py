# SPDX-License-Identifier: Apache-2.0
"""Language: a sentence in, what it refers to out. No model, no download, deterministic."""

from __future__ import annotations

from refseg_ros.language.chunks import (
    SynonymRule,
    is_abstract,
    noun_chunks,
    noun_phrases,
    same_thing,
)
from refseg_ros.language.expression import (
    Anaphora,
    Direction,
    Measure,
    NounPhrase,
    ReferringExpression,
    Relation,
    RelationKind,
    Superlative,
)
from refseg_ros.language.nouns import head_noun
from refseg_ros.language.parser import parse
from refseg_ros.language.tokens import lemma

__all__ = [
    "Anaphora",
    "Direction",
    "Measure",
    "NounPhrase",
    "ReferringExpression",
    "Relation",
    "RelationKind",
    "Superlative",
    "SynonymRule",
    "head_noun",
    "is_abstract",
    "lemma",
    "noun_chunks",
    "noun_phrases",
    "parse",
    "same_thing",
]
