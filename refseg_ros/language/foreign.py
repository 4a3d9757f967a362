# SPDX-License-Identifier: Apache-2.0
"""Whether a sentence is in another language than English, so that its reader can be told.

A robot's sentence has five words or so: too few for letter statistics, enough for small words. It
only words a refusal; nothing is refused for it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from refseg_ros.language import lexicon
from refseg_ros.language.grammar import Kind, scan

_SMALL: Final = {
    "German": "der die das den dem des ein eine einen einem einer und nicht mit auf neben links "
    "rechts von vom im ist bitte mir gib nimm zeig rote roten rotes blaue gelbe grüne hinter vor",
    "French": "le la les un une des du de et avec sur dans est qui gauche droite rouge bleu bleue "
    "vert verte jaune moi donne prends prend montre côté derrière devant plaît",
    "Spanish": "el la los las un una unos unas del de y con en sobre está que izquierda derecha "
    "rojo roja azul verde amarillo amarilla dame coge toma junto detrás por favor",
    "Italian": "il lo la gli le un una uno del della di e con su sul sulla nel che sinistra "
    "destra rosso rossa blu verde giallo gialla prendi dammi accanto dietro per favore",
    "Portuguese": "o a os as um uma do da de e com em no na sobre que esquerda direita vermelho "
    "vermelha azul verde amarelo amarela pega pegue me ao lado atrás por favor",
    "Dutch": "de het een van en met op naast links rechts in is die pak geef mij rode blauwe gele "
    "groene achter voor alsjeblieft",
    "Polish": "i w na z od do po lewej prawej czerwony czerwona czerwoną niebieski niebieską "
    "zielony żółty weź daj mi obok za przed proszę",
    "Turkish": "bir ve ile bu şu sol sağ soldaki sağdaki kırmızı mavi yeşil sarı al ver bana "
    "yanındaki üstündeki lütfen",
}
"""The small words, sides, colours and commands of languages in Latin letters."""
_WORDS: Final = {name: lexicon.word_set(words) for name, words in _SMALL.items()}
_SCRIPTS: Final = {
    "CYRILLIC": "Russian or another language in Cyrillic letters", "GREEK": "Greek",
    "ARABIC": "in Arabic letters", "HEBREW": "Hebrew", "DEVANAGARI": "in Devanagari letters",
    "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean", "THAI": "Thai",
    "CJK": "Chinese or Japanese",
}  # fmt: skip
"""First word of the Unicode name of a letter to the language that it tells."""
_FEW: Final = 2
"""Foreign small words that make a sentence foreign."""


def language_of(text: str, tokens: Sequence[str]) -> str:
    """The language that a sentence seems to be in, in words; "" for English or where none is sure.

    Args:
        text: The normalised sentence.
        tokens: Its words.
    """
    letters = [char for char in text if char.isalpha()]
    names = (unicodedata.name(char, "?").split()[0] for char in letters if not char.isascii())
    scripts = [_SCRIPTS[name] for name in names if name in _SCRIPTS]
    if 2 * len(scripts) > len(letters):
        return next((name for name in scripts if name == "Japanese"), scripts[0])
    foreign = {name: sum(token in words for token in tokens) for name, words in _WORDS.items()}
    likely = max(foreign, key=lambda name: foreign[name])
    if foreign[likely] < _FEW:
        return ""
    english = sum(item.kind is not Kind.WORD for item in scan(tokens))
    english += sum(token in lexicon.ADJECTIVES for token in tokens)
    return likely if foreign[likely] > english else ""
