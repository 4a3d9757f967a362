# SPDX-License-Identifier: Apache-2.0
"""From any text to plain tokens and lemmas. Linear in the length of the text, and total."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_CHARS: Final = 2000
"""Characters that are read; a sentence for a robot is far shorter."""

CLAUSE_END: Final = "."
COMMA: Final = ","

_TOKEN = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|\.{2,}|[,.;:!?()\n]")
_SLASHED = re.compile(r"\bw/(o\b)?")
_CONTRACTIONS: Final = {
    "n't": "not",
    "'s": "is",
    "'re": "are",
    "'d": "would",
    "'m": "am",
    "'ll": "will",
}
_IS_HOSTS: Final = frozenset(
    [
        *("where", "what", "that", "which", "who", "it", "there", "here", "let", "he", "she"),
        *("whatever", "whichever", "something", "anything", "everything"),
    ]
)
_HYPHENATED: Final = frozenset(
    ("left", "right", "top", "bottom", "upper", "lower", "front", "back")
)

_IRREGULAR: Final = {
    "knives": "knife", "leaves": "leaf", "loaves": "loaf", "shelves": "shelf", "halves": "half",
    "wolves": "wolf", "scarves": "scarf", "calves": "calf", "wives": "wife", "men": "man",
    "women": "woman", "children": "child", "people": "person", "mice": "mouse", "geese": "goose",
    "feet": "foot", "teeth": "tooth", "dice": "die", "oxen": "ox", "buses": "bus", "gases": "gas",
    "lenses": "lens", "canvases": "canvas", "viruses": "virus", "cactuses": "cactus",
    "cacti": "cactus",
    "octopuses": "octopus", "walruses": "walrus", "potatoes": "potato", "tomatoes": "tomato",
    "mangoes": "mango", "heroes": "hero", "quizzes": "quiz", "cookies": "cookie",
    "movies": "movie", "brownies": "brownie", "smoothies": "smoothie",
    "zombies": "zombie", "hoodies": "hoodie",
    "veggies": "veggie", "headaches": "headache",
}  # fmt: skip
_SINGULAR_IN_S: Final = frozenset(
    [
        "scissors",
        "pants",
        "jeans",
        "shorts",
        "trousers",
        "headphones",
        "tongs",
        "pliers",
        "sunglasses",
        "goggles",
        "lens",
        "gas",
        "canvas",
        "bus",
        "christmas",
        "tweezers",
        "binoculars",
        "pyjamas",
        "pajamas",
        "series",
        "species",
    ]
)


def normalise(text: str) -> tuple[str, bool]:
    """Readable lower-case text: compatibility forms folded, invisible characters gone.

    Args:
        text: Any string, lone surrogates and control characters included.

    Returns:
        The text, at most :data:`MAX_CHARS` characters, and whether its end was cut off.
    """
    truncated = len(text) > MAX_CHARS
    folded = unicodedata.normalize("NFKC", text[:MAX_CHARS]).lower().replace("\u2019", "'")
    # Format characters (zero-width, bidirectional marks) sit inside words and are removed; control
    # characters separate words.
    kept = []
    for char in folded[:MAX_CHARS]:
        category = unicodedata.category(char)
        if category not in ("Cf", "Cs"):
            kept.append(" " if category == "Cc" and char != "\n" else char)
    return "".join(kept), truncated or len(folded) > MAX_CHARS


def plain(text: str) -> str:
    """A sentence in lower case and single spaces, without characters that are not to be seen."""
    return " ".join(normalise(text)[0].split())


def tokenise(text: str) -> list[str]:
    """Words, :data:`COMMA` and :data:`CLAUSE_END` of a normalised text.

    Contractions are spelt out ("isn't" → "is not"), possessive 's is dropped, hyphenated words are
    taken apart ("top-left" → "top left") unless a part is a single letter ("t-shirt"), and "left
    most" or "left-most" become one word.
    """
    tokens: list[str] = []
    for raw in _TOKEN.findall(_SLASHED.sub(_spelt_out, text)):
        if raw in ",:;()" or raw.startswith(".."):
            tokens.append(COMMA)
        elif raw in ".!?\n":
            tokens.append(CLAUSE_END)
        else:
            tokens.extend(_split(raw))
    joined: list[str] = []
    for token in tokens:
        if token == "most" and joined and joined[-1] in _HYPHENATED:
            joined[-1] += "most"
        elif joined and joined[-1] == "most" and token in _HYPHENATED:
            joined[-1] = token + "most"
        else:
            joined.append(token)
    return joined


def _spelt_out(match: re.Match[str]) -> str:
    """What "w/o" or "w/" stands for."""
    return " without " if match.group(1) else " with "


def _split(raw: str) -> list[str]:
    """Words of one raw token."""
    if raw == "can't":
        return ["can", "not"]
    for ending, word in _CONTRACTIONS.items():
        host = raw.removesuffix(ending)
        if host != raw and host:
            if ending == "'s" and host not in _IS_HOSTS:
                return _split(host)
            return [host, "us" if (host, ending) == ("let", "'s") else word]
    parts = raw.replace("'", "").split("-")
    if len(parts) > 1 and min(map(len, parts)) > 1:
        return parts
    return ["-".join(parts)]


def lemma(word: str) -> str:
    """Singular of an English noun by rule; a word that is none comes back as it is."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or word in _SINGULAR_IN_S or not word.endswith("s"):
        return word
    if word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-1] if len(word) == 4 else word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes", "zzes")):
        return word[:-2]
    return word[:-1]
