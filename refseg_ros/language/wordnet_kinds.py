# SPDX-License-Identifier: Apache-2.0
"""Kinds of things and what they are for, by WordNet's own files; no other library is needed.

A noun is a kind of another if one of its senses has one of the other's above it. It serves a use
if the definition of a sense, or of one close above it, says so: a cup is "usually used for
drinking", a rubber "used to erase". Only senses of what can be seen count.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from refseg_ros.errors import ConfigError
from refseg_ros.language.tas.wordnet import WordNet
from refseg_ros.language.tokens import normalise, tokenise

_VISIBLE: Final = frozenset((3, 5, 6, 8, 13, 17, 18, 20, 27))
"""Numbers of WordNet's lexicographer files of things: Tops, animal, artifact, body, food, object,
person, plant and substance (lexnames(5WN))."""
_ABOVE: Final = ("@", "@i")
"""Pointers to what is more general."""
_NEAR: Final = 3
"""Steps up that a use is looked for: a cup, its kind crockery …; what is far above serves all."""


class ThingKinds(Protocol):
    """Tells kinds of things, and what things are for."""

    def is_kind(self, noun: str, general: str) -> bool:
        """Whether a noun names a kind of what another names: "apple" of "fruit"."""
        ...

    def serves(self, noun: str, use: str) -> bool:
        """Whether what a noun names is for something: "cup" "to drink from"."""
        ...


class _Sense(NamedTuple):
    """A synset of ``data.noun``.

    Attributes:
        file: Number of its lexicographer file.
        above: Offsets of the more general ones.
        definition: What it means, without examples.
    """

    file: int
    above: tuple[int, ...]
    definition: str


class WordNetKinds:
    """The kinds of things that WordNet has; a :class:`ThingKinds`."""

    def __init__(self, wordnet: WordNet) -> None:
        """Read ``data.noun`` beside the files of a WordNet.

        Raises:
            ConfigError: It cannot be read.
        """
        self._wordnet = wordnet
        self._path = wordnet.path / "data.noun"
        try:
            self._data = self._path.read_bytes()
        except (OSError, KeyError) as error:
            raise ConfigError(f"language.kinds: cannot read {self._path}: {error}") from error
        self._senses = lru_cache(maxsize=4096)(self._visible)
        self.is_kind = lru_cache(maxsize=4096)(self._is_kind)
        self.serves = lru_cache(maxsize=4096)(self._serves)

    @classmethod
    def find(cls, folder: str = "") -> WordNetKinds:
        """Open WordNet as :meth:`WordNet.find` does."""
        return cls(WordNet.find(folder, "language.kinds"))

    def _is_kind(self, noun: str, general: str) -> bool:
        wanted = set(self._senses(general))
        return bool(wanted) and any(offset in wanted for offset, _ in self._above(noun))

    def _serves(self, noun: str, use: str) -> bool:
        verb = use.split()[0] if use else ""
        near = (offset for offset, steps in self._above(noun) if steps <= _NEAR)
        return bool(verb) and any(self._says(offset, verb) for offset in near)

    def _says(self, offset: int, verb: str) -> bool:
        """Whether a definition has "for drinking" or "to drink"; a book is "written" with none."""
        words = tokenise(normalise(self._sense(offset).definition)[0])
        return any(
            (word.endswith("ing") and verb in self._wordnet.forms(word, "verb"))
            or (word == verb and before == "to")
            for before, word in zip(["", *words], words, strict=False)
        )

    def _above(self, noun: str) -> Iterator[tuple[int, int]]:
        """Senses of a noun and all above them, each once, with the steps up."""
        level, steps, seen = list(self._senses(noun)), 0, set[int]()
        while level:
            level = [offset for offset in dict.fromkeys(level) if offset not in seen]
            for offset in level:
                seen.add(offset)
                yield offset, steps
            level = [above for offset in level for above in self._sense(offset).above]
            steps += 1

    def _visible(self, noun: str) -> tuple[int, ...]:
        """Offsets of the senses of a noun, of one word or two, that can be seen."""
        synsets = self._wordnet.synsets(noun.replace(" ", "_"))
        nouns = (offset for part, offset in synsets if part == "noun")
        return tuple(offset for offset in nouns if self._sense(offset).file in _VISIBLE)

    def _sense(self, offset: int) -> _Sense:
        """The synset that begins at an offset of the file.

        Raises:
            ConfigError: None does.
        """
        end = self._data.find(b"\n", offset)
        line = self._data[offset : end if end >= 0 else None].decode("utf-8", "replace")
        fields, _, gloss = line.partition("|")
        words = fields.split()
        try:
            if int(words[0]) != offset:
                raise ValueError
            first = 4 + 2 * int(words[3], 16)
            count, pointers = int(words[first]), words[first + 1 :]
            above = tuple(
                int(pointers[4 * k + 1]) for k in range(count) if pointers[4 * k] in _ABOVE
            )
            return _Sense(int(words[1]), above, gloss.split('"')[0])
        except (IndexError, ValueError):
            raise ConfigError(
                f"language.kinds: no synset of WordNet begins at {offset} of {self._path}"
            ) from None


def open_kinds(source: str) -> ThingKinds | None:
    """What a configuration's ``language.kinds`` names; None for our own tables alone.

    Raises:
        ConfigError: WordNet is not there or damaged.
    """
    name, _, folder = source.partition(":")
    return WordNetKinds.find(folder) if name == "wordnet" else None
