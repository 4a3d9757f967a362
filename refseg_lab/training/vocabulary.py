# SPDX-License-Identifier: Apache-2.0
"""What the small models read and say: names, templates, captions, and the merges to spell them."""

from __future__ import annotations

import enum
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from refseg_lab.simulation import catalogue, thing_names
from refseg_lab.simulation.thing_names import plural
from refseg_lab.training.wordings import (
    ADJECTIVES,
    BACKGROUND,
    COMMANDS,
    NEGATIONS,
    NUMBERS,
    PART,
    PLACES,
    RELATIONS,
    SPOKEN,
    TEMPLATES,
    TWO,
)

T = TypeVar("T")

NAMES = thing_names.NAMES
CATEGORIES = tuple(NAMES)
COLOURS = tuple(catalogue.COLOURS)
ALIASES = {colour: names[1:] for colour, names in thing_names.COLOUR_NAMES.items()}
GENERIC = (*thing_names.GENERIC, "one")
EMPTY_TABLE = "an empty table"
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]")
_CAPTION_WORDS = ", a an and empty on table"
COUNTS = ("two", "three", "four", "five", "six", "many")
TABLES = {
    "plain": "plain",
    "wood": "wooden",
    "marble": "marble",
    "check": "checked",
    "stripes": "striped",
    "speckle": "speckled",
    "tiles": "tiled",
    "cloth": "covered",
}
"""Pattern of a table's surface to its adjective."""


class Kind(enum.IntEnum):
    """What a crop shows."""

    OBJECT = 0
    BACKGROUND = 1
    PART = 2
    TWO = 3


class Meaning(NamedTuple):
    """What a crop shows or a text says.

    Attributes:
        kind: A :class:`Kind`.
        category: Row of :data:`CATEGORIES`; -1 in a text that names none.
        colour: Row of :data:`COLOURS`; -1 in a text that names none, and of a crop whose hues
            were turned.
    """

    kind: int
    category: int
    colour: int


_FIXED = {Kind.BACKGROUND: BACKGROUND, Kind.PART: PART, Kind.TWO: TWO}


def one_of(rng: np.random.Generator, items: Sequence[T]) -> T:
    """One of ``items``, each as likely."""
    return items[int(rng.integers(len(items)))]


def random_text(rng: np.random.Generator, shown: Meaning) -> tuple[str, Meaning]:
    """A text that is true of a crop, and what of the crop it names.

    Sizes, places and relations are added as words that a crop cannot answer, so that the
    features learn to disregard them.

    Args:
        rng: Source of chance.
        shown: What the crop shows.
    """
    kind = Kind(shown.kind)
    if kind in _FIXED:
        return one_of(rng, _FIXED[kind]), Meaning(kind, -1, -1)
    phrase, said = _random_phrase(rng, shown)
    if rng.random() < 0.16:
        phrase = f"{one_of(rng, ADJECTIVES)} {phrase}"
    chance = rng.random()
    if chance < 0.55:
        text = one_of(rng, TEMPLATES).format(phrase)
    elif chance < 0.67:
        text = f"{one_of(rng, COMMANDS)} the {phrase}"
    elif chance < 0.71 and said.category >= 0:
        text = f"{one_of(rng, NUMBERS)} {plural(phrase)}"
    else:
        text = phrase
    return text + _random_tail(rng, shown, said), said


def _random_tail(rng: np.random.Generator, shown: Meaning, said: Meaning) -> str:
    """Place, relation or a colour that it has not; empty for three in four."""
    chance = rng.random()
    if chance < 0.1:
        return f" {one_of(rng, PLACES)}"
    if chance < 0.23:
        colour = f"{one_of(rng, COLOURS)} " if rng.random() < 0.6 else ""
        other = f"the {colour}{NAMES[one_of(rng, CATEGORIES)][0]}"
        if chance < 0.12:
            return f" between {other} and the {NAMES[one_of(rng, CATEGORIES)][0]}"
        return f" {one_of(rng, RELATIONS)} {other}"
    if chance < 0.25 and said.colour < 0:
        others = [colour for row, colour in enumerate(COLOURS) if row != shown.colour]
        return f" {one_of(rng, NEGATIONS)} {one_of(rng, others)}"
    return ""


def _random_phrase(rng: np.random.Generator, shown: Meaning) -> tuple[str, Meaning]:
    chance, names = rng.random(), NAMES[CATEGORIES[shown.category]]
    name = names[0] if rng.random() < 0.75 else one_of(rng, names)
    if chance < 0.3 or shown.colour < 0:
        return name, Meaning(Kind.OBJECT, shown.category, -1)
    colour = COLOURS[shown.colour]
    if colour in ALIASES and rng.random() < 0.1:
        colour = one_of(rng, ALIASES[colour])
    if chance < 0.84:
        return f"{colour} {name}", shown
    said = Meaning(Kind.OBJECT, -1, shown.colour)
    return (f"{colour} {one_of(rng, GENERIC)}" if chance < 0.94 else colour), said


def true_of(shown: Sequence[Meaning], said: Sequence[Meaning]) -> np.ndarray:
    """Which texts are true of which crops: (crops, texts) bool."""
    crop, text = np.asarray(shown)[:, None], np.asarray(said)[None]
    agrees = (crop == text) | ((text < 0) & (np.arange(3) > 0))
    return np.asarray(agrees.all(-1))


def unclear(shown: Sequence[Meaning], said: Sequence[Meaning]) -> np.ndarray:
    """Which texts name a colour where a crop's is not known: (crops, texts) bool."""
    crop, text = np.asarray(shown)[:, None, 2], np.asarray(said)[None, :, 2]
    return np.asarray((crop < 0) & (text >= 0))


def thing_caption(category: str, colour: str) -> str:
    """Caption of one thing: ``a red mug``, ``an orange cup``."""
    return f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {NAMES[category][0]}"


def describe_scene(things: Sequence[tuple[str, str]], pattern: str = "") -> str:
    """Caption of an image: ``a red mug, two ducks and a book on a wooden table``.

    Things of one category are counted together and have a colour where all have the same.

    Args:
        things: (category, colour), the largest first; four categories at most are named.
        pattern: Pattern of the table's surface; empty if unknown.
    """
    table = f"{TABLES[pattern]} table" if pattern in TABLES else "table"
    article = "an" if table[0] in "aeiou" else "a"
    if not things:
        return EMPTY_TABLE
    colours: dict[str, list[str]] = {}
    for category, colour in things:
        colours.setdefault(category, []).append(colour)
    *others, last = [_counted(category, seen) for category, seen in list(colours.items())[:4]]
    named = f"{', '.join(others)} and {last}" if others else last
    return f"{named} on {article} {table}"


def _counted(category: str, colours: Sequence[str]) -> str:
    if len(colours) == 1:
        return thing_caption(category, colours[0])
    number = COUNTS[min(len(colours), len(COUNTS) + 1) - 2]
    colour = f"{colours[0]} " if len(set(colours)) == 1 else ""
    return f"{number} {colour}{plural(NAMES[category][0])}"


def caption_vocabulary() -> dict[str, int]:
    """Token to id of the captioner."""
    words = {*_CAPTION_WORDS.split(), *COLOURS, *COUNTS, *TABLES.values()}
    words |= {form for names in NAMES.values() for form in (names[0], plural(names[0]))}
    return {word: index for index, word in enumerate((*_SPECIAL, *sorted(words)))}


def known_names() -> list[str]:
    """Names of things and of colours, sorted: the content of ``vocabulary.txt``."""
    colours = [*COLOURS, *(word for names in ALIASES.values() for word in names)]
    return sorted({*colours, *(name for names in NAMES.values() for name in names)})


def clip_words() -> list[str]:
    """Every word that the text encoder gets as one token, sorted."""
    texts = [
        *TEMPLATES,
        *PLACES,
        *RELATIONS,
        *COMMANDS,
        *NUMBERS,
        *NEGATIONS,
        *ADJECTIVES,
        *GENERIC,
    ]
    texts += [
        *BACKGROUND,
        *PART,
        *TWO,
        *COLOURS,
        *(word for item in ALIASES.values() for word in item),
    ]
    texts += [plural(name) for names in NAMES.values() for name in names]
    words = {word for text in texts for word in pieces(text.replace("{}", ""))}
    named = {word for name in known_names() for word in name.split()}
    return sorted(words | named | set(SPOKEN.split()))


def pieces(text: str) -> list[str]:
    """What open_clip's tokenizer spells apart: words, and the end of "isn't"."""
    return re.findall(r"'t|[a-z]+", text.lower())


def train_merges(words: Sequence[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, most frequent pair first, after which each word is one token.

    Args:
        words: Lower-case ASCII words; other words are still spelt in pieces.

    Returns:
        Merges in the order in which they are applied; the last letter carries ``</w>``.
    """
    spelt = [[*word[:-1], word[-1] + "</w>"] for word in words]
    merges: list[tuple[str, str]] = []
    while True:
        pairs = Counter(pair for parts in spelt for pair in itertools.pairwise(parts))
        if not pairs:
            return merges
        # Of equally frequent pairs the first by the alphabet, so that the file is always the same.
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        spelt = [_merge(parts, best) for parts in spelt]


def _merge(parts: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for part in parts:
        if merged and merged[-1] == pair[0] and part == pair[1]:
            merged[-1] += part
        else:
            merged.append(part)
    return merged
