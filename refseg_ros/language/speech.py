# SPDX-License-Identifier: Apache-2.0
"""Text as people type and recognisers write it, made regular before it is taken apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from refseg_ros.language import lexicon
from refseg_ros.language.tokens import CLAUSE_END, COMMA, tokenise

_APART: Final = re.compile(r"(?<=\w)\s+'\s?(s|re|d|m|ll|t|ve)\b|(?<=\w)\s+-\s+(?=\w)")
_LIKE: Final = re.compile(r"(?<=\w)-(like)\b")
_OWNER: Final = re.compile(r"(\w+)(?:'s|s')(?=\s+\w)")
_QUOTED: Final = re.compile(r"[\"\u201c\u201d]\s*([^\"\u201c\u201d]{1,60}?)\s*[\"\u201c\u201d]")
_RUN_TOGETHER: Final = {
    "whats": "what is", "thats": "that is", "wheres": "where is", "whos": "who is",
    "theres": "there is", "heres": "here is", "its": "its", "hes": "he is", "shes": "she is",
    "theyre": "they are", "youre": "you are", "im": "i am", "ive": "i have", "youve": "you have",
    "dont": "do not", "doesnt": "does not", "didnt": "did not", "isnt": "is not",
    "arent": "are not", "wasnt": "was not", "cant": "can not", "wont": "will not",
    "wouldnt": "would not", "gonna": "going to", "wanna": "want to", "gotta": "have to",
    "gimme": "give me", "lemme": "let me", "leftside": "left side", "rightside": "right side",
    "lefthand": "left hand", "righthand": "right hand", "alot": "a lot", "incolor": "in color",
    "atop": "atop", "upsidedown": "upside-down",
}  # fmt: skip
"""Words that lost their apostrophe or their space."""
_AT_START: Final = {"id": "i would", "ill": "i will", "lets": "let us"}
"""The same, where another word is spelt so: only at the beginning of a sentence."""
_SOUNDS: Final = lexicon.word_set(
    "umm ummm uhm uhh erm err ehm mmm mhm mhh hm ah ahh oh ooh wow yeah yea yep alrighty thx ty "
    "cheers lol"
)
_ASIDES: Final = frozenset((COMMA, CLAUSE_END))


def spoken(text: str) -> tuple[list[str], frozenset[str]]:
    """Tokens of a normalised text, and the words said in the possessive.

    Sounds are left out, contractions written without an apostrophe are spelt out, and a text in
    quotation marks after other words is one token that begins with a quotation mark.
    """
    text = _LIKE.sub(r"\1", _APART.sub(_together, text))
    owners = frozenset(match[1] for match in _OWNER.finditer(text))
    tokens: list[str] = []
    end = 0
    for match in _QUOTED.finditer(text):
        tokens += tokenise(text[end : match.start()])
        inner = tokenise(match[1])
        after = text[match.end() :].lstrip()[:1]
        aside = bool(tokens) and tokens[-1] not in _ASIDES | lexicon.ARTICLES
        said = aside and (not after.isalnum() or tokens[-1] in lexicon.SAYING)
        tokens += ['"' + " ".join(inner) + '"'] if said and inner else inner
        end = match.end()
    tokens += tokenise(text[end:])
    return _regular(tokens), owners


def _together(match: re.Match[str]) -> str:
    """The joint of two parts that were typed apart: "t - shirt", "daughter ' s"."""
    return "'" + match[1] if match[1] else "-"


def _regular(tokens: Sequence[str]) -> list[str]:
    found: list[str] = []
    for token in tokens:
        starts = not found or found[-1] in _ASIDES
        if token in _SOUNDS:
            continue
        if token == "like" and (starts or found[-1] in _BEFORE_LIKE):
            continue
        if token == "down" and found[-1:] == ["upside"]:
            found[-1] = "upside-down"
            continue
        meant = _RUN_TOGETHER.get(token) or (_AT_START.get(token) if starts else None)
        found += meant.split() if meant else [token]
    return found


_BEFORE_LIKE: Final = lexicon.word_set("want need grab get give is um uh please robot")
"""Words after which "like" says nothing ("i want like the red one")."""
