# SPDX-License-Identifier: Apache-2.0
"""What the small models read and say: names, templates, captions, and the merges to spell them."""

from __future__ import annotations

import enum
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from refseg_ros.simulation import catalogue

T = TypeVar("T")

NAMES: dict[str, tuple[str, ...]] = {
    "mug": ("mug",),
    "cup": ("cup", "paper cup"),
    "bowl": ("bowl",),
    "plate": ("plate", "dish"),
    "bottle": ("bottle",),
    "can": ("can", "soda can", "tin"),
    "ball": ("ball",),
    "cube": ("cube", "block"),
    "cone": ("cone", "traffic cone"),
    "pyramid": ("pyramid",),
    "banana": ("banana",),
    "pear": ("pear",),
    "star": ("star",),
    "heart": ("heart",),
    "spoon": ("spoon",),
    "book": ("book",),
    "duck": ("duck", "rubber duck", "toy duck"),
    "ring": ("ring", "hoop"),
    "tray": ("tray",),
    "brick": ("brick", "lego brick", "toy brick"),
    "car": ("car", "toy car"),
    "mushroom": ("mushroom", "toadstool"),
    "hammer": ("hammer",),
    "teapot": ("teapot", "tea pot"),
}
"""Category to its names; the first is the one that captions use."""
CATEGORIES = tuple(NAMES)
COLOURS = tuple(catalogue.COLOURS)
ALIASES = {"purple": ("violet",), "pink": ("rose",)}
GENERIC = ("thing", "object", "one", "item")
SIZES = ("small", "big", "large", "little", "medium")
PLACES = (
    "on the left",
    "on the right",
    "at the top",
    "at the bottom",
    "in the middle",
    "on the table",
    "on the left side",
    "at the back",
    "in front",
)
RELATIONS = (
    "next to",
    "to the left of",
    "to the right of",
    "behind",
    "in front of",
    "above",
    "below",
    "near",
    "beside",
    "left of",
    "right of",
)
BACKGROUND = (
    "the table",
    "the empty table",
    "a table",
    "background",
    "nothing",
    "the wall",
    "the floor",
    "a shadow",
    "the background",
    "an empty surface",
)
PART = ("a part of something", "a piece of an object", "a part", "half of an object")
TWO = ("two things", "two objects", "several things together")
TEMPLATES = (
    "a {}",
    "the {}",
    "{}",
    "a photo of a {}",
    "a photo of the {}",
    "this {}",
    "my {}",
    "a picture of a {}",
    "that {}",
)
SPOKEN = (
    "pick up grab find point to give me please where is and of with not leftmost rightmost which "
    "colored coloured an some other toy top bottom left right second first third"
)
"""Words of commands: never trained on, but each is one token, which leaves room for the rest."""

EMPTY_TABLE = "an empty table"
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]")
# The unused entries belong to the vocabulary with which the bundled captioner was made.
_CAPTION_WORDS = "' , ,.' a an and empty of on part something table the things two"


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
        colour: Row of :data:`COLOURS`; -1 in a text that names none.
    """

    kind: int
    category: int
    colour: int


_FIXED = {Kind.BACKGROUND: BACKGROUND, Kind.PART: PART, Kind.TWO: TWO}


def pick(rng: np.random.Generator, items: Sequence[T]) -> T:
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
        return pick(rng, _FIXED[kind]), Meaning(kind, -1, -1)
    phrase, said = _random_phrase(rng, shown)
    if rng.random() < 0.12:
        phrase = f"{pick(rng, SIZES)} {phrase}"
    text = pick(rng, TEMPLATES).format(phrase) if rng.random() < 0.7 else phrase
    chance = rng.random()
    if chance < 0.12:
        text += f" {pick(rng, PLACES)}"
    elif chance < 0.24:
        relation = pick(rng, RELATIONS)
        colour = f"{pick(rng, COLOURS)} " if rng.random() < 0.6 else ""
        text += f" {relation} the {colour}{NAMES[pick(rng, CATEGORIES)][0]}"
    return text, said


def _random_phrase(rng: np.random.Generator, shown: Meaning) -> tuple[str, Meaning]:
    chance, names = rng.random(), NAMES[CATEGORIES[shown.category]]
    name = names[0] if rng.random() < 0.75 else pick(rng, names)
    if chance < 0.3:
        return name, Meaning(Kind.OBJECT, shown.category, -1)
    colour = COLOURS[shown.colour]
    if colour in ALIASES and rng.random() < 0.1:
        colour = pick(rng, ALIASES[colour])
    if chance < 0.84:
        return f"{colour} {name}", shown
    said = Meaning(Kind.OBJECT, -1, shown.colour)
    return (f"{colour} {pick(rng, GENERIC)}" if chance < 0.94 else colour), said


def true_of(shown: Sequence[Meaning], said: Sequence[Meaning]) -> np.ndarray:
    """Which texts are true of which crops: (crops, texts) bool."""
    crop, text = np.asarray(shown)[:, None], np.asarray(said)[None]
    agrees = (crop == text) | ((text < 0) & (np.arange(3) > 0))
    return np.asarray(agrees.all(-1))


def describe(category: str, colour: str) -> str:
    """Caption of one thing: ``a red mug``, ``an orange cup``."""
    return f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {NAMES[category][0]}"


def describe_scene(things: Sequence[tuple[str, str]]) -> str:
    """Caption of an image.

    Args:
        things: (category, colour), the largest first; four at most are named.
    """
    if not things:
        return EMPTY_TABLE
    *others, last = [describe(category, colour) for category, colour in things[:4]]
    return f"{', '.join(others)} and {last} on a table" if others else f"{last} on a table"


def caption_vocabulary() -> dict[str, int]:
    """Token to id of the captioner."""
    words = {*_CAPTION_WORDS.split(), *COLOURS, *(names[0] for names in NAMES.values())}
    return {word: index for index, word in enumerate((*_SPECIAL, *sorted(words)))}


def head_words() -> list[str]:
    """Words of the names, sorted: the content of ``vocabulary.txt``."""
    return sorted({word for names in NAMES.values() for name in names for word in name.split()})


def clip_words() -> list[str]:
    """Every word that the text encoder gets as one token, sorted."""
    texts = [*TEMPLATES, *PLACES, *RELATIONS, *BACKGROUND, *PART, *TWO, *GENERIC, *SIZES, *COLOURS]
    texts += [alias for aliases in ALIASES.values() for alias in aliases]
    words = {word for text in texts for word in text.replace("{}", "").split()}
    return sorted(words | set(head_words()) | set(SPOKEN.split()))


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
