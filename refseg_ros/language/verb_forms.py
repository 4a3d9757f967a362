# SPDX-License-Identifier: Apache-2.0
"""Forms of English verbs, told by their ends and a list of the irregular ones."""

from __future__ import annotations

from typing import Final

from refseg_ros.language import lexicon

_PARTICIPLES: Final = lexicon.word_set(
    "beaten begun bent bitten blown borne bought bound bred broken brought built burnt "
    "caught chosen cleft clung cut dealt drawn driven drunk dug eaten fallen fed felt flown "
    "folded fought frozen given gone grown held hit hung hurt kept knit laid leant led left "
    "lent lit lost met mown overturned ridden risen sawn seen sent sewn shaken shaven shed "
    "shorn shot shown shut slept slid slit smelt sold spent spilt split spoilt spread spun "
    "stolen strewn struck stuck swept swollen swung taken taught thrown torn trodden turned "
    "understood upset wept won worn woven wound written"
)
"""Past participles of irregular verbs; those of others end in -ed."""
_PASTS: Final = lexicon.word_set(
    "ate began blew broke came chose drank drove fell flew froze gave grew ran rode sat shook "
    "spoke stood stole swam threw took tore went woke wore wrote"
)
"""Their past forms where those are other words, and none of them a noun."""
_NOT_PAST: Final = lexicon.word_set("hundred kindred sacred naked bobsled biped")


def is_present(word: str) -> bool:
    """Whether a word is the -ing form of a verb: "running", and not "ring"."""
    stem = word.removesuffix("ing")
    return stem != word and word not in lexicon.ING_NOUNS and any(c in "aeiouy" for c in stem)


def is_past(word: str) -> bool:
    """Whether a word is the past participle of a verb: "covered", "torn", and not "bed"."""
    stem = word.removesuffix("ed")
    regular = stem != word and stem[-1:] != "e" and any(letter in "aeiouy" for letter in stem)
    return word in _PARTICIPLES or word in _PASTS or (regular and word not in _NOT_PAST)
