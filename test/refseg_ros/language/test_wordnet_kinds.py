# SPDX-License-Identifier: Apache-2.0
"""Kinds and uses of things by a WordNet of a few synsets, in the format of Princeton's files."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_wordnet import SYNSETS, written

from refseg_ros.config import LanguageConfig
from refseg_ros.errors import ConfigError
from refseg_ros.language import parse
from refseg_ros.language.tas.tools import LanguageTools
from refseg_ros.language.vocabulary import Vocabulary, with_uses
from refseg_ros.language.wordnet_kinds import WordNetKinds


@pytest.fixture
def kinds(tmp_path: Path) -> WordNetKinds:
    return WordNetKinds.find(str(written(tmp_path, SYNSETS)))


@pytest.mark.parametrize(
    ("noun", "general", "is_kind"),
    [
        ("chisel", "edge tool", True),
        ("chisel", "instrument", True),
        ("chisels", "instruments", True),
        ("instrument", "chisel", False),
        ("mug", "artefact", True),
        ("fool", "person", True),
        ("beaker", "words", False),  # that sense cannot be seen
        ("qwerty", "instrument", False),
        ("chisel", "qwerty", False),
        ("", "", False),
    ],
)
def test_kinds(kinds: WordNetKinds, noun: str, general: str, is_kind: bool) -> None:
    assert kinds.is_kind(noun, general) is is_kind


@pytest.mark.parametrize(
    ("noun", "use", "serves"),
    [
        ("beaker", "drink from", True),
        ("eraser", "erase with", True),
        ("chisel", "carve with", True),
        ("chisel", "cut with", True),  # an edge tool is for cutting
        ("novel", "write with", False),  # it was written
        ("mug", "drink from", False),  # its definition does not say so; our own table does
        ("beaker", "", False),
        ("beaker", "fly with", False),
    ],
)
def test_uses(kinds: WordNetKinds, noun: str, use: str, serves: bool) -> None:
    assert kinds.serves(noun, use) is serves


def test_a_vocabulary_finds_kinds_and_uses_of_its_words(kinds: WordNetKinds) -> None:
    plain = Vocabulary.of(("mug", "chisel", "eraser", "novel"))
    known = Vocabulary(plain.nouns, plain.compounds, plain.looks, kinds)
    for text, names in (
        ("the instrument", ("chisel", "eraser")),
        ("something to erase with", ("eraser",)),
        ("something to drink from", ("mug",)),  # by our own table
        ("the person", ()),  # of which our own table has kinds, and a mug is none
        ("the quux", ()),
    ):
        assert known.known_part(parse(text))[0].target.names == names
        assert (
            text == "something to drink from" or not plain.known_part(parse(text))[0].target.names
        )


def test_names_of_what_is_seen_are_found_by_kind_and_use(kinds: WordNetKinds) -> None:
    seen = ("chisel", "mug", "rubber")
    assert with_uses(parse("the instrument").target, seen, kinds).names == ("chisel", "rubber")
    assert with_uses(parse("something to erase with").target, seen, kinds).names == ("rubber",)
    assert with_uses(parse("the chisel").target, seen, kinds).names == ()
    beside = with_uses(parse("the mug by the instrument").target, seen, kinds)
    assert beside.relations[0].landmarks[0].names == ("chisel", "rubber")


def test_a_configuration_asks_for_it(tmp_path: Path) -> None:
    assert LanguageTools.load(LanguageConfig()).kinds is None
    folder = written(tmp_path, SYNSETS)
    tools = LanguageTools.load(LanguageConfig(kinds=f"wordnet:{folder}"))
    assert tools.kinds is not None
    assert tools.kinds.is_kind("chisel", "instrument")
    with pytest.raises(ConfigError, match=r"language\.kinds: no index\.noun"):
        LanguageTools.load(LanguageConfig(kinds=f"wordnet:{folder / 'none'}"))


def test_damaged_files_are_told(tmp_path: Path) -> None:
    folder = written(tmp_path, SYNSETS)
    (folder / "data.noun").write_text("cut off")
    with pytest.raises(ConfigError, match=r"language\.kinds: no synset of WordNet begins at"):
        WordNetKinds.find(str(folder)).is_kind("chisel", "instrument")
    (folder / "data.noun").unlink()
    with pytest.raises(ConfigError, match=r"language\.kinds: cannot read"):
        WordNetKinds.find(str(folder))
