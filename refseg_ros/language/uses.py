# SPDX-License-Identifier: Apache-2.0
"""What things are for ("to drink from"), only where people seldom argue about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from refseg_ros.language import lexicon

USES: Final = {
    use: tuple(members.split())
    for uses, members in (
        ("drink from, drink out of", "mug cup glass bottle can"),
        ("drink", "beer wine juice coffee tea milk soda"),
        ("pour from, pour with", "teapot bottle jug kettle"),
        ("eat", "banana pear apple orange peach plum bread cake pizza sandwich cheese"),
        ("eat from, eat off, eat out of", "bowl plate"),
        ("eat with", "spoon fork"),
        ("stir with", "spoon"),
        ("cut with", "knife scissors saw"),
        ("write with, draw with", "pen pencil marker crayon"),
        ("write on", "paper notebook"),
        ("sit on", "chair sofa stool bench"),
        ("sleep on, sleep in, lie on", "bed"),
        ("read", "book newspaper magazine"),
        ("hammer with, hit nails with, drive nails with", "hammer"),
        ("throw, kick, play catch with", "ball"),
        ("wear", "shirt jacket hat shoe trousers dress sweater"),
        ("drive", "car truck bus van"),
        ("ride", "bicycle motorcycle horse"),
    )
    for use in uses.split(", ")
}  # fmt: skip
"""What something is for, as said after "to", to the kinds of thing that serve."""

_LEADS: Final = frozenset((
    ("to",), ("i", "can"), ("you", "can"), ("we", "can"), ("i", "could"), ("you", "could"),
    ("for",),
))  # fmt: skip
"""What comes before a use, "that" left out."""
_LONGEST: Final = max(len(use.split()) for use in USES)
_STRANDED: Final = lexicon.word_set("from with on off out of in into at")
_NO_VERBS: Final = (
    lexicon.ARTICLES | lexicon.DIRECTION_WORDS.keys() | lexicon.PRONOUNS | lexicon.LINKS
    | lexicon.FRAME_WORDS | lexicon.NUMBERS.keys()
)  # fmt: skip


def read_use(tokens: Sequence[str]) -> tuple[str, int]:
    """What a thing is for, said right after it: "to drink from", "i can sit on", "for writing".

    Args:
        tokens: Those after the thing.

    Returns:
        The use, one of :data:`USES` if it is in it, and how many tokens it takes; "" and 0 where
        there is none.
    """
    lead = next((size for size in (2, 1) if tuple(tokens[:size]) in _LEADS), 0)
    said = list(tokens[lead : lead + _LONGEST])
    if not lead or not said or said[0] in _NO_VERBS:
        return "", 0
    if tokens[lead - 1] == "for":
        if not said[0].endswith("ing") or said[0] in lexicon.ING_NOUNS:
            return "", 0
        said[0] = _plain_verb(said[0])
    has_article = said[1:2] and said[1] in lexicon.ARTICLES
    for size in range(1 if has_article else len(said), 0, -1):
        if (use := " ".join(said[:size])) in USES and (size > 1 or tokens[lead - 1] != "for"):
            return use, lead + size
    if tokens[lead - 1] == "for":
        known = next((use for use in USES if use.split()[0] == said[0]), "")
        return (known, lead + 1) if known else ("", 0)
    # "to cut the bread with" is to cut with.
    ends = (k for k in range(lead + 1, min(lead + 5, len(tokens))) if tokens[k] in _STRANDED)
    stop = next(ends, 0)
    return (f"{said[0]} {tokens[stop]}", stop + 1) if stop else (said[0], lead + 1)


def _plain_verb(word: str) -> str:
    """The verb of a word in -ing, of those that are known: "writing" → "write"."""
    stem = word.removesuffix("ing")
    verbs = {use.split()[0] for use in USES}
    return next((form for form in (stem, stem + "e", stem[:-1]) if form in verbs), stem)
