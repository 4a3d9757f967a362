# SPDX-License-Identifier: Apache-2.0
"""TAS's synonym rule on Princeton WordNet's own files; no other library is needed.

Two phrases are synonyms if their first nouns share at least three synsets of any part of speech.
The released code asks for a path similarity above 0.9, which only a synset and itself have: that
of neighbours is 0.5. Most nouns have fewer than three and so are no synonyms of themselves.
"""

from __future__ import annotations

import os
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from refseg_ros.errors import ConfigError
from refseg_ros.language.grammar import Kind, scan
from refseg_ros.language.lexicon import ADJECTIVES
from refseg_ros.language.nouns import is_adjective
from refseg_ros.language.tokens import normalise, tokenise

SHARED_SYNSETS: Final = 3
"""Pairs of identical synsets from which the released code calls words synonyms."""

Synset = tuple[str, int]
"""Part of speech and offset in its data file."""
Folder = Path | zipfile.Path

_PARTS: Final = ("noun", "verb", "adj", "adv")
_ENDINGS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "noun": (
        ("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"),
        ("shes", "sh"), ("men", "man"), ("ies", "y"),
    ),
    "verb": (
        ("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"),
        ("ing", ""),
    ),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}  # fmt: skip
"""WordNet's rules of detachment (morphy(7WN)), with "ves" as NLTK has it."""


class WordNet:
    """Which synsets a word is in."""

    def __init__(self, folder: Folder) -> None:
        """Read index and exception files.

        Args:
            folder: With ``index.noun``, ``noun.exc`` and so on for verb, adj and adv.

        Raises:
            ConfigError: A file is missing or is not in WordNet's format.
        """
        self.path = folder
        self.folder = str(folder)
        self._index = {part: _Lines(folder, f"index.{part}") for part in _PARTS}
        self._exceptions = {part: _Lines(folder, f"{part}.exc") for part in _PARTS}
        self.synsets = lru_cache(maxsize=4096)(self._synsets)

    @classmethod
    def find(cls, folder: str = "", setting: str = "language.synonyms") -> WordNet:
        """Open WordNet where it is installed.

        Args:
            folder: To look into; "" for NLTK's data folders and the system's.
            setting: What asks for it, for the message.

        Raises:
            ConfigError: There is none; the message says how to get it.
        """
        places: list[Folder] = [Path(folder)] if folder else list(_places())
        for place in places:
            if (place / "index.noun").is_file():
                return cls(place)
        raise ConfigError(
            f"{setting}: no index.noun of WordNet in {', '.join(map(str, places))}; get "
            "it with `apt install wordnet-base` or `python -m nltk.downloader wordnet`, name its "
            f"folder as wordnet:DIR, or take {setting}: own"
        )

    def _synsets(self, word: str) -> tuple[Synset, ...]:
        """Synsets of a word and of its base forms, as often as they are met.

        Args:
            word: One word, in any case.
        """
        found: list[Synset] = []
        for part in _PARTS:
            for form in self.forms(word.lower(), part):
                found += [(part, offset) for offset in self._offsets(form, part)]
        return tuple(found)

    def forms(self, word: str, part: str) -> tuple[str, ...]:
        """A word and its base forms, those that WordNet has as a part of speech.

        Args:
            word: In lower case.
            part: "noun", "verb", "adj" or "adv".
        """
        shorter = (
            word[: len(word) - len(ending)] + base
            for ending, base in _ENDINGS[part]
            if word.endswith(ending)
        )
        forms = (word, *(self._exceptions[part].line(word)[1:] or shorter))
        return tuple(form for form in dict.fromkeys(forms) if self._index[part].line(form))

    def is_noun(self, word: str) -> bool:
        """Whether a word or a base form of it is a noun."""
        return any(part == "noun" for part, _ in self.synsets(word))

    def _offsets(self, form: str, part: str) -> tuple[int, ...]:
        fields = self._index[part].line(form)
        return tuple(map(int, fields[-int(fields[2]) :])) if fields else ()


class _Lines:
    """A file of lines that begin with a word, looked up by it."""

    def __init__(self, folder: Folder, name: str) -> None:
        path = folder / name
        try:
            self._text = "\n" + path.read_text(encoding="utf-8")
        except (OSError, KeyError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"language.synonyms: cannot read WordNet's {path}: {error}"
            ) from error
        self._path = path
        self._counted = name.startswith("index.")

    def line(self, word: str) -> list[str]:
        """Fields of the line of a word, itself first; none if there is no such line."""
        # The licence at the head of a file is indented: only a word can begin a line.
        start = self._text.find(f"\n{word} ") + 1 if word else 0
        if not start:
            return []
        end = self._text.find("\n", start)
        fields = self._text[start : end if end >= 0 else None].split()
        if self._counted and not _is_index_line(fields):
            raise ConfigError(
                f"language.synonyms: the line of {word!r} in {self._path} is not WordNet's"
            )
        return fields


def _is_index_line(fields: list[str]) -> bool:
    """Lemma, part of speech, count of synsets, …, as many offsets."""
    if len(fields) < 4 or not fields[2].isdecimal():
        return False
    count = int(fields[2])
    return 0 < count <= len(fields) - 3 and all(field.isdecimal() for field in fields[-count:])


def _places() -> Iterator[Folder]:
    """Where WordNet is looked for: NLTK's data folders, unpacked or not, then the system's."""
    named = [Path(item) for item in os.environ.get("NLTK_DATA", "").split(os.pathsep) if item]
    prefix = Path(sys.prefix)
    usual = [Path.home(), prefix, prefix / "share", prefix / "lib"]
    usual += [Path(place) for place in ("/usr/share", "/usr/local/share", "/usr/lib")]
    for folder in [*named, *(place / "nltk_data" for place in usual)]:
        yield folder / "corpora" / "wordnet"
        packed = folder / "corpora" / "wordnet.zip"
        if zipfile.is_zipfile(packed):
            yield zipfile.Path(packed, "wordnet/")
    yield Path("/usr/share/wordnet")


class WordNetRule:
    """The released synonym rule; a :class:`refseg_ros.language.SynonymRule`."""

    def __init__(self, wordnet: WordNet) -> None:
        self._wordnet = wordnet
        self.name = f"WordNet in {wordnet.folder}"

    def __call__(self, a: str, b: str) -> bool:
        """Whether the first nouns of two phrases share :data:`SHARED_SYNSETS` synsets."""
        nouns = self.first_noun(a), self.first_noun(b)
        if not all(nouns):
            return False
        first, second = (Counter(self._wordnet.synsets(noun)) for noun in nouns)
        return sum(count * second[synset] for synset, count in first.items()) >= SHARED_SYNSETS

    def first_noun(self, phrase: str) -> str:
        """The first word of a phrase that is a noun in WordNet and no adjective before a noun.

        This stands for the released code's tagger. "" if there is none.
        """
        tokens = tokenise(normalise(phrase)[0])
        words = [item.word for item in scan(tokens) if item.kind is Kind.WORD]
        for index, word in enumerate(words):
            qualifies = is_adjective(word) or (word in ADJECTIVES and index + 1 < len(words))
            if not qualifies and self._wordnet.is_noun(word):
                return word
        return ""
