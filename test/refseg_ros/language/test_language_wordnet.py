# SPDX-License-Identifier: Apache-2.0
"""The released synonym rule on a WordNet of a few words, in the format of Princeton's files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from refseg_ros.config import LanguageConfig
from refseg_ros.errors import ConfigError
from refseg_ros.language.tas import wordnet as module
from refseg_ros.language.tas.tools import LanguageTools
from refseg_ros.language.tas.wordnet import WordNet, WordNetRule

LICENCE = (
    "  1 This software and database is being provided to you, the LICENSEE, by  \n  2 dog  \n"
)
FILES = {
    # lemma pos synsets pointers [symbols] senses tagged offset…
    "index.noun": """\
bass n 1 1 @ 1 0 00000700
bus n 1 2 @ ~ 1 1 00000800
dog n 2 3 @ ~ #m 2 1 00000100 00000200
doggie n 3 1 @ 3 0 00000100 00000200 00000900
guy n 1 1 @ 1 0 00000310
hound n 2 1 @ 2 0 00000100 00000200
man n 3 2 @ ~ 3 2 00000300 00000310 00000320
mug n 2 1 @ 2 0 00000500 00000510
orange n 3 1 @ 3 0 00000600 00000610 00000620
pizza n 1 1 @ 1 1 00000400
""",
    "index.verb": """\
dog v 1 1 @ 1 0 00000100
hound v 1 1 @ 1 0 00000100
man v 1 1 @ 1 0 00000330
""",
    "index.adj": "big a 2 1 & 2 2 00000010 00000020\n",
    "index.adv": "",
    "noun.exc": "men man\nwolves wolf\n",
    "verb.exc": "",
    "adj.exc": "bigger big\n",
    "adv.exc": "",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, lines in FILES.items():
        head = LICENCE if name.startswith("index") else ""
        (tmp_path / name).write_text(head + lines, encoding="utf-8")
    return tmp_path


@pytest.fixture
def rule(folder: Path) -> WordNetRule:
    return WordNetRule(WordNet.find(str(folder)))


@pytest.mark.parametrize(
    ("word", "synsets"),
    [
        ("dog", [("noun", 100), ("noun", 200), ("verb", 100)]),
        ("DOGS", [("noun", 100), ("noun", 200), ("verb", 100)]),
        ("dogging", []),  # no such verb form: its base would be "dogg" or "dogge"
        ("men", [("noun", 300), ("noun", 310), ("noun", 320)]),
        ("buses", [("noun", 800)]),
        ("manned", []),
        ("bigger", [("adj", 10), ("adj", 20)]),
        ("biggest", []),
        ("1", []),
        ("", []),
        ("This", []),
        ("bas", []),
    ],
)
def test_synsets_of_all_parts_of_speech(
    folder: Path, word: str, synsets: list[tuple[str, int]]
) -> None:
    assert list(WordNet(folder).synsets(word)) == synsets


def test_an_ending_is_taken_off_once(folder: Path) -> None:
    # "mugses" is "mugs" (ses → s) or "mugse" (s), neither of which is there.
    assert WordNet(folder).synsets("mugses") == ()
    assert WordNet(folder).synsets("mugs") == (("noun", 500), ("noun", 510))


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("a dog", "the hound", True),  # two synsets as nouns and one as verbs
        ("a dog", "the doggies", False),  # two
        ("a man", "the men", True),
        ("a man", "the guy", False),
        ("a pizza", "the pizza", False),  # no synonym of itself
        ("a mug", "a mug", False),
        ("an orange", "an orange", True),
        ("the orange mug", "an orange", False),
        ("the big mug", "big", False),
        ("", "a dog", False),
    ],
)
def test_three_shared_synsets_make_a_synonym(
    rule: WordNetRule, a: str, b: str, same: bool
) -> None:
    assert rule(a, b) is same
    assert rule(b, a) is same


@pytest.mark.parametrize(
    ("phrase", "noun"),
    [
        ("a big red dog", "dog"),
        ("dog mug", "dog"),
        ("the orange dog", "dog"),
        ("the orange", "orange"),
        ("a qwerty", ""),
    ],
)
def test_the_first_noun(rule: WordNetRule, phrase: str, noun: str) -> None:
    assert rule.first_noun(phrase) == noun


def test_it_is_found_in_nltks_folders_packed_or_not(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path_factory.mktemp("nltk")
    (data / "corpora").mkdir()
    monkeypatch.setenv("NLTK_DATA", str(data))
    with zipfile.ZipFile(data / "corpora" / "wordnet.zip", "w") as packed:
        for name in FILES:
            packed.write(folder / name, f"wordnet/{name}")
    found = WordNet.find()
    assert found.folder.startswith(str(data / "corpora" / "wordnet.zip"))
    assert len(found.synsets("dog")) == 3
    (data / "corpora" / "wordnet").symlink_to(folder)
    tools = LanguageTools.load(LanguageConfig(synonyms="wordnet"))
    assert tools.description.endswith(f"synonyms by WordNet in {data / 'corpora' / 'wordnet'}")
    assert tools.synonyms("a dog", "a hound")


def test_a_missing_wordnet_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"language\.synonyms.*nowhere.*apt install wordnet"):
        LanguageTools.load(LanguageConfig(synonyms=f"wordnet:{tmp_path / 'nowhere'}"))
    monkeypatch.setattr(module, "_places", lambda: iter([tmp_path / "a", tmp_path / "b"]))
    with pytest.raises(ConfigError, match=r"/a, .*/b; get it with"):
        WordNet.find()


def test_half_a_wordnet_names_the_missing_file(folder: Path) -> None:
    (folder / "verb.exc").unlink()
    with pytest.raises(ConfigError, match=r"cannot read WordNet's .*verb\.exc"):
        WordNet.find(str(folder))


@pytest.mark.parametrize("line", ["dog", "dog n x", "dog n 9 1 @ 1 1 00000001", "dog n 1 @ a b"])
def test_a_line_of_another_format_is_refused(folder: Path, line: str) -> None:
    (folder / "index.noun").write_text(f"{line} \n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"'dog' in .*index\.noun is not WordNet's"):
        WordNet(folder).synsets("dog")
