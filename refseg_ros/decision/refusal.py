# SPDX-License-Identifier: Apache-2.0
"""Why a sentence is refused before anything is scored."""

from __future__ import annotations

from typing import Final

from refseg_ros.language.lexicon import SCENERY
from refseg_ros.language.reading import Reading
from refseg_ros.results import Status

Refusal = tuple[Status, str]
NOTHING_SEEN: Final[Refusal] = (
    Status.NOT_FOUND,
    "nothing in the image stands out as an object",
)
ONLY_NAMED: Final[Refusal] = (
    Status.NOT_FOUND,
    "this preset finds only what is named: name a thing",
)


def refusal(reading: Reading, *, told: bool = False) -> Refusal | None:
    """Why a sentence has no answer whatever is seen, if so.

    Args:
        reading: The sentence.
        told: Whether it is known from before what to look for.

    Returns:
        Status and reason, or None when scoring makes sense.
    """
    expression, aside = reading.expression, str(reading.unused)
    if expression.head in SCENERY and not (reading.any_words or told):
        return Status.NOT_FOUND, f"the {expression.head} is not something that can be selected"
    if expression.is_empty and not (reading.any_words or told):
        if not expression.text.strip():
            return Status.ERROR, "the expression is empty; say what to look for"
        if expression.target.anaphora is not None:
            return Status.ERROR, (
                "the expression refers only to what was meant before, and nothing was; name a "
                "thing, a colour or a place"
            )
        return Status.ERROR, (
            "the expression names nothing to look for: name a thing, a colour or a place"
        )
    if aside and not told and not (reading.placed or reading.says_how_it_looks):
        if reading.unused.unknown:
            return Status.NOT_FOUND, f"{aside}, and nothing else is said"
        return Status.ERROR, f"{aside}, and nothing else is said: name the thing that is meant"
    return None


def unknown_noun(reading: Reading, *, told: bool = False) -> Refusal | None:
    """Why a sentence cannot be answered by models that do not know its nouns, if so.

    Args:
        reading: The sentence.
        told: Whether it is known from before what to look for.
    """
    if reading.guessing:
        return None
    own = () if told else (reading.expression.target,)
    landmarks = (item for item, denied in reading.looks if not denied)
    known = reading.vocabulary
    for phrase in (*own, *landmarks):
        head = phrase.head
        if phrase.names or reading.any_words:
            continue
        if phrase.use:
            reason = f"no known thing is there 'to {phrase.use}'"
        elif known is None or not head or head in known:
            continue
        elif reading.foreign:
            reason = reading.foreign
        elif reading.named:
            reason = f"nothing in view is named '{head}'"
        else:
            reason = f"'{head}' is not a word that these models know"
        return Status.NOT_FOUND, reason
    return None
