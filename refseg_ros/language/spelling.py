# SPDX-License-Identifier: Apache-2.0
"""Text as people type and recognisers write it, made regular before it is taken apart.

Misspelt function, position, size and colour words are put right where there is little doubt: a
word is put right if it is one edit (a letter missing, added, changed, or two swapped) from
exactly one known word of five letters or more, has its first letter, and is no word of its own
that we know of. Nouns are never changed: a name that is not known is an answer, not a slip.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from refseg_ros.language import lexicon
from refseg_ros.language.tokens import CLAUSE_END, COMMA, tokenise

_APART: Final = re.compile(r"(?<=\w)\s+'\s?(s|re|d|m|ll|t|ve)\b|(?<=\w)\s+-\s+(?=\w)")
_ITS: Final = re.compile(r"\b(with|of|on|in|under|to|by|from|near|behind|has|have) it's(?= \w)")
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
    "noone": "no person", "nobody": "no person", "atop": "atop", "upsidedown": "upside-down",
}  # fmt: skip
"""Words that lost their apostrophe or their space."""
_MODALS: Final = lexicon.word_set("might may must should could would")
_AT_START: Final = {"id": "i would", "ill": "i will", "lets": "let us"}
"""The same, where another word is spelt so: only at the beginning of a sentence."""
_SOUNDS: Final = lexicon.word_set(
    "umm ummm uhm uhh erm err ehm mmm mhm mhh hm ah ahh oh ooh wow yeah yea yep alrighty thx ty "
    "cheers lol"
)
_ASIDES: Final = frozenset((COMMA, CLAUSE_END))

_SHORTEST: Final = 4
"""Letters of the shortest word that is put right: one less than the shortest known one."""

_JOINED: Final = {
    "leftof": "left of", "rightof": "right of", "nextto": "next to", "nexto": "next to",
    "infront": "in front", "infrontof": "in front of", "ontop": "on top", "closeto": "close to",
    "inbetween": "between", "topleft": "top left", "topright": "top right",
    "bottomleft": "bottom left", "bottomright": "bottom right", "farleft": "far left",
    "farright": "far right",
}  # fmt: skip
"""Words run together."""
_SHORT: Final = {
    "teh": "the", "hte": "the", "bleu": "blue", "lft": "left", "letf": "left", "rt": "right",
    "btm": "bottom", "ctr": "center", "frnt": "front", "btw": "between", "btwn": "between",
    "pls": "please", "plz": "please", "u": "you", "blu": "blue", "gry": "grey", "wht": "white",
    "blk": "black", "grn": "green", "bg": "background",
}  # fmt: skip
"""Short forms as typed, and slips in words too short for the rule."""
_TARGETS: Final = lexicon.word_set(
    "above below behind beside between under underneath beneath inside within without against "
    "adjacent nearest closest farthest furthest closer nearer "
    "right bottom upper lower middle center centre front corner leftmost rightmost topmost "
    "bottommost background foreground "
    "small large bigger biggest smaller smallest larger largest little tallest shortest longest "
    "green yellow purple brown black white orange violet silver turquoise wooden "
    "first second third fourth fifth sixth seventh eighth other another please except"
)
"""The words that others are put right to."""
_PROTECTED: Final = lexicon.word_set(
    "abode bedside bellow bellows belly blank block blocks blow blown brawn brow bran browny "
    "bugger bagger canter censer closet closets clover cloister loser corned cornet coroner "
    "corker cornea fist firs fiesta font frond frost fort forth filth fifty firth sixty smith "
    "seventy eight eighty greed greek greet groan lager larder largo lover loner lodger linger "
    "lounger lowered lowed longer meddle muddle otter ocher orangey righty solver salver sliver "
    "silvery shall smell stall smeller spall udder unders violent violin while whine write waiter "
    "whit whiten wooded insider seconder frontal greener whiter blacker bottomed excerpt exempt "
    "pleased witch whiting upped bower lowers smelter nether neated neater centred contra anther"
)
"""Words of their own that are one edit from one of those."""


def spoken(text: str) -> tuple[list[str], frozenset[str]]:
    """Tokens of a normalised text, and the words said in the possessive.

    A text in quotation marks after other words is one token that begins with a quotation mark.
    """
    text = _LIKE.sub(r"\1", _APART.sub(_together, text))
    text = _ITS.sub(r"\1 its", text)
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
    return tokens, owners


def _together(match: re.Match[str]) -> str:
    """The joint of two parts that were typed apart: "t - shirt", "daughter ' s"."""
    return "'" + match[1] if match[1] else "-"


def regular(tokens: Sequence[str]) -> list[str]:
    """Tokens without sounds, contractions that lost their apostrophe spelt out."""
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
        if token == "one" and found[-1:] == ["no"]:
            token = "person"
        if token == "be" and not _MODALS.isdisjoint(found[-1:]):
            found[-1] = "is"  # "that might be my scooter"
            continue
        meant = _RUN_TOGETHER.get(token) or (_AT_START.get(token) if starts else None)
        found += meant.split() if meant else [token]
        if found[-1] in ("color", "colour"):
            joint = found[-2:-1] == ["in"]  # "green in colour"
            if lexicon.COLOURS.intersection(found[-2 - joint : -1]):
                del found[-1 - joint :]
    return found


_BEFORE_LIKE: Final = lexicon.word_set("want need grab get give is um uh please robot")
"""Words after which "like" says nothing ("i want like the red one")."""


def _known() -> frozenset[str]:
    """Words that are never changed."""
    single = {
        word
        for phrases in (lexicon.LEAD_IN, lexicon.TRAILING, tuple(lexicon.RELATION_PHRASES))
        for phrase in phrases
        for word in phrase
    }
    return frozenset().union(
        single, lexicon.ADJECTIVES, lexicon.LINKS, lexicon.PRONOUNS, lexicon.ARTICLES,
        lexicon.NUMBERS, lexicon.ORDINALS, lexicon.OTHER_PREPOSITIONS, lexicon.GENERIC_NOUNS,
        lexicon.FRAME_WORDS, lexicon.SIDE_WORDS, lexicon.SUPPORTS, lexicon.ABSTRACT,
        lexicon.FILLERS, lexicon.INTENSIFIERS, lexicon.MEASURES, lexicon.ING_NOUNS, _PROTECTED,
    )  # fmt: skip


def _forms(word: str) -> Iterator[str]:
    """The word, and it without one of its letters: two words one edit apart share a form."""
    yield word
    for index in range(1, len(word)):
        yield word[:index] + word[index + 1 :]


_KNOWN: Final = _known() | _TARGETS
_INDEX: Final[dict[str, list[str]]] = {}
for _word in sorted(_TARGETS):
    for _form in _forms(_word):
        _INDEX.setdefault(_form, []).append(_word)


def _one_edit(a: str, b: str) -> bool:
    """Whether one letter missing, added or changed, or two neighbours swapped, tell them apart."""
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    if len(a) != len(b):
        short, long = sorted((a[start:], b[start:]), key=len)
        return len(long) - len(short) == 1 and long[1:] == short
    rest = a[start + 2 :] == b[start + 2 :]
    swapped = rest and a[start : start + 2] == b[start : start + 2][::-1]
    return swapped or a[start + 1 :] == b[start + 1 :]


def _nearest(word: str) -> str | None:
    """The one known word a single edit away; None if there is none, or two."""
    near = {
        target
        for form in _forms(word)
        for target in _INDEX.get(form, ())
        if target[0] == word[0] and _one_edit(word, target)
    }
    return near.pop() if len(near) == 1 else None


def _is_known(token: str) -> bool:
    """Whether a token is a word, or the plural of one, as it stands."""
    return token in _KNOWN or not token.isalpha() or token.removesuffix("s") in _KNOWN


def corrected(tokens: Sequence[str]) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    """Tokens with misspelt known words put right.

    Args:
        tokens: Tokens from :func:`refseg_ros.language.tokens.tokenise`.

    Returns:
        The tokens, and pairs of each word as said and as it was read.
    """
    read: list[str] = []
    pairs: list[tuple[str, str]] = []
    for token in tokens:
        meant = _JOINED.get(token) or _SHORT.get(token)
        longest = _SHORTEST <= len(token) <= _LONGEST
        if meant is None and longest and not _is_known(token):
            meant = _nearest(token)
        if meant is None or meant == token:
            read.append(token)
        else:
            read.extend(meant.split())
            pairs.append((token, meant))
    return read, tuple(dict.fromkeys(pairs))


_LONGEST: Final = max(map(len, _TARGETS)) + 1
