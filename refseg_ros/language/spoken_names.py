# SPDX-License-Identifier: Apache-2.0
"""What candidates are called, for questions and for answers to them."""

from __future__ import annotations

from typing import Final

from refseg_ros.language import lemma
from refseg_ros.language.chunks import same_thing
from refseg_ros.language.expression import NounPhrase

_COUNTS: Final = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_IRREGULAR: Final = {
    "knife": "knives", "leaf": "leaves", "loaf": "loaves", "shelf": "shelves", "half": "halves",
    "man": "men", "woman": "women", "child": "children", "person": "people", "mouse": "mice",
    "foot": "feet", "tooth": "teeth", "potato": "potatoes", "tomato": "tomatoes",
}  # fmt: skip


def fits_name(said: NounPhrase, name: NounPhrase | None, noun: str = "") -> bool:
    """Whether a candidate of that name may be called so.

    Args:
        said: Only its head and colours are looked at.
        name: What the candidate is called; None fits nothing.
        noun: A head by which it was called before, which fits too.
    """
    if name is None:
        return False
    alike = not said.head or said.head in (name.head, noun) or same_thing(name.head, said.head)
    return alike and set(said.colours) <= set(name.colours)


def plural(noun: str) -> str:
    """Plural of an English noun such that :func:`lemma` gives it back; "" if there is none."""
    if noun in _IRREGULAR:
        word = _IRREGULAR[noun]
    elif noun.endswith(("s", "x", "ch", "sh", "z")):
        word = noun + "es"
    elif noun.endswith("y") and noun[-2:-1] not in "aeiou":
        word = noun[:-1] + "ies"
    else:
        word = noun + "s"
    return word if lemma(word) == noun and word != noun else ""


def counted(count: int, phrase: NounPhrase | None) -> str:
    """So many of a kind, as a sentence begins: "Two red mugs", "12 things"."""
    number = _COUNTS[count] if count < len(_COUNTS) else str(count)
    noun = plural(phrase.head) if phrase is not None else ""
    if phrase is None or not noun:
        return f"{number} things"
    return " ".join([number, *phrase.colours, *phrase.materials, noun])


def called(phrase: NounPhrase) -> str:
    """A thing with its article: "the red mug"."""
    return " ".join(["the", *phrase.colours, *phrase.materials, phrase.head])
