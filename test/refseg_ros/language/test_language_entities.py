# SPDX-License-Identifier: Apache-2.0
"""Entities of the released rectifier, from spaCy's parses set by hand and from our own rules."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import spacy
from hand_made import Blocks, segmenter
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc

from refseg_ros.config import LanguageConfig
from refseg_ros.errors import ConfigError
from refseg_ros.language.tas.entities import MAX_WORDS, Entity, find_entity, head_phrase
from refseg_ros.language.tas.sentences import OwnParser, Sentence, sketch
from refseg_ros.language.tas.spacy_parser import SpacyParser, sentence_of
from refseg_ros.language.tas.tools import LanguageTools
from refseg_ros.language.tokens import plain
from refseg_ros.spatial.rectifier import said_part

VOCAB = spacy.blank("en").vocab
OWN = OwnParser()


def doc(*tokens: str) -> Doc:
    """A document of tokens written ``word/POS/head/dependency``, the head by its index."""
    parts = [token.split("/") for token in tokens]
    words, tags, heads, relations = (list(column) for column in zip(*parts, strict=True))
    return Doc(VOCAB, words=words, pos=tags, heads=[int(head) for head in heads], deps=relations)


# As spaCy's models parse them.
PARSES = {
    "left man": doc("left/ADJ/1/amod", "man/NOUN/1/ROOT"),
    "top left pizza": doc("top/ADJ/2/amod", "left/ADJ/2/amod", "pizza/NOUN/2/ROOT"),
    "man on left": doc("man/NOUN/0/ROOT", "on/ADP/0/prep", "left/NOUN/1/pobj"),
    "man on the left": doc(
        "man/NOUN/0/ROOT", "on/ADP/0/prep", "the/DET/3/det", "left/NOUN/1/pobj"
    ),
    "the left man": doc("the/DET/2/det", "left/ADJ/2/amod", "man/NOUN/2/ROOT"),
    "red left car": doc("red/ADJ/2/amod", "left/ADJ/2/amod", "car/NOUN/2/ROOT"),
    "a man on the left side": doc(
        "a/DET/1/det", "man/NOUN/1/ROOT", "on/ADP/1/prep", "the/DET/5/det", "left/ADJ/5/amod",
        "side/NOUN/2/pobj",
    ),
    "leftmost man": doc("leftmost/ADJ/1/amod", "man/NOUN/1/ROOT"),
    "biggest pizza": doc("biggest/ADJ/1/amod", "pizza/NOUN/1/ROOT"),
    "man to the left of the woman": doc(
        "man/NOUN/0/ROOT", "to/ADP/0/prep", "the/DET/3/det", "left/NOUN/1/pobj", "of/ADP/3/prep",
        "the/DET/6/det", "woman/NOUN/4/pobj",
    ),
    "man left of the woman": doc(
        "man/NOUN/0/ROOT", "left/ADV/0/advmod", "of/ADP/1/prep", "the/DET/4/det",
        "woman/NOUN/2/pobj",
    ),
    "pizza top left": doc("pizza/NOUN/0/ROOT", "top/ADV/0/advmod", "left/ADV/0/advmod"),
    "boy with a laptop": doc(
        "boy/NOUN/0/ROOT", "with/ADP/0/prep", "a/DET/3/det", "laptop/NOUN/1/pobj"
    ),
}  # fmt: skip

RECTIFIED = {
    "left man": "left",
    "top left pizza": "top left",
    "man on left": "left",
    "man on the left": "left",
    "the left man": "",
    "red left car": "",
    "a man on the left side": "",
    "leftmost man": "",
    "biggest pizza": "",
    "man to the left of the woman": "left",
    "man left of the woman": "",
    "pizza top left": "",
    "boy with a laptop": "",
}
"""What the released code does with them, run on the same parses."""


def _part(entity: Entity | None) -> str:
    return " ".join(direction.value for direction in said_part(entity))


@pytest.mark.parametrize("text", RECTIFIED)
def test_the_released_rules_on_parses_of_spacy(text: str) -> None:
    sentence = sentence_of(PARSES[text])
    assert _part(find_entity(text, sentence)) == RECTIFIED[text]


@pytest.mark.parametrize("text", RECTIFIED)
def test_our_sketch_is_what_spacy_says(text: str) -> None:
    expected, found = sentence_of(PARSES[text]), sketch(text.split())
    assert (found.words, found.heads) == (expected.words, expected.heads)
    assert found.chunks == expected.chunks
    assert _part(find_entity(text, found)) == RECTIFIED[text]


def test_relations_and_superlatives() -> None:
    sentence = sentence_of(PARSES["a man on the left side"])
    entity = find_entity("a man on the left side", sentence)
    assert entity is not None
    assert entity.head == entity.target == "a man"
    assert [(each.words, each.other) for each in entity.relations] == [
        ((), "a man"),
        (("on", "side"), "the left side"),
    ]
    assert entity.superlatives == (("on", "left", "side"),)
    assert entity.chunks == ("a man", "a man", "the left side", "the left side", "the left side")


def test_chunks_grow_by_what_hangs_on_them_up_to_the_next_chunk() -> None:
    entity = find_entity("", sentence_of(PARSES["pizza top left"]))
    assert entity is not None
    assert (entity.head, entity.target) == ("pizza top left", "pizza")
    entity = find_entity("", sentence_of(PARSES["boy with a laptop"]))
    assert entity is not None
    assert entity.head == "boy"


def test_words_before_a_chunk_that_hang_on_it_are_taken_in() -> None:
    # "only", which depends on the chunk's noun but is outside of it.
    sentence = Sentence(("only", "the", "man"), (2, 2, 2), ((1, 3),))
    entity = find_entity("only the man", sentence)
    assert entity is not None
    assert (entity.head, entity.target) == ("only the man", "the man")


def test_a_root_outside_of_chunks_gives_way_to_its_first_child() -> None:
    # "standing man": a verb with the man as its first child.
    sentence = Sentence(("man", "standing", "left"), (1, 1, 1), ((0, 1),))
    assert head_phrase(sentence) == "man"
    entity = find_entity("man standing left", sentence)
    assert entity is not None
    assert entity.target == "man"


def test_without_it_the_first_chunk_leads_and_the_phrase_is_the_sentence() -> None:
    # "is that there a man": the root's first child is in no chunk; "man" depends on "there",
    # whose first child is the chunk itself.
    sentence = Sentence(("is", "now", "there", "man"), (0, 0, 0, 2), ((3, 4),))
    assert head_phrase(sentence) == "is now there man"
    entity = find_entity("is now there man", sentence)
    assert entity is not None
    assert (entity.head, entity.target) == ("man", "is now there man")
    assert said_part(entity) == ()


def test_of_several_roots_the_phrase_has_the_last_and_the_entity_the_first() -> None:
    sentence = Sentence(("man", "dog"), (0, 1), ((0, 1), (1, 2)))
    assert head_phrase(sentence) == "dog"
    entity = find_entity("man dog", sentence)
    assert entity is not None
    assert (entity.head, entity.target) == ("man", "dog")


def test_nothing_and_too_much_have_no_entity() -> None:
    assert find_entity("", Sentence((), ())) is None
    assert head_phrase(Sentence((), ())) == ""
    assert find_entity("on", sketch(["on"])) is None
    assert find_entity("", sketch(["left", "man"] * MAX_WORDS)) is None


def test_text_is_as_written() -> None:
    sentence = sentence_of(Doc(VOCAB, words=["t", "-", "shirt", "man"], spaces=[0, 0, 1, 0],
                               heads=[2, 2, 3, 3], deps=["compound", "punct", "compound", "ROOT"],
                               pos=["NOUN", "PUNCT", "NOUN", "NOUN"]))  # fmt: skip
    assert head_phrase(sentence) == "t-shirt man"


def test_commands_are_no_part_of_our_sentence() -> None:
    entity = LanguageTools().entity("Please pick up the RED mug  on the left!")
    assert entity is not None
    assert entity.sentence == "please pick up the red mug on the left!"
    assert (entity.target, _part(entity)) == ("the red mug", "left")


WORDS = (
    "the", "a", "left", "right", "top", "man", "of", "on", "to", "in", ",", "and", ".", "red",
    "is", "that", "standing", "eating", "it", "two",
)  # fmt: skip


@settings(deadline=None)
@given(st.text(max_size=200) | st.lists(st.sampled_from(WORDS), max_size=90).map(" ".join))
def test_every_text_is_a_tree_with_chunks_apart(text: str) -> None:
    sentence = OWN.sentence(plain(text))
    assert len(sentence.heads) == len(sentence.words)
    assert len(sentence.roots) == (1 if sentence.words else 0)
    covered = [index for chunk in sentence.chunks for index in range(*chunk)]
    assert covered == sorted(set(covered))
    find = find_entity(plain(text), sentence)
    assert find is None or find.chunks
    assert isinstance(head_phrase(sentence), str)


def test_noun_chunks_of_spacy_and_ours_keep_what_is_said_twice() -> None:
    caption = "a man and a man"
    parsed = doc(
        "a/DET/1/det", "man/NOUN/1/ROOT", "and/CCONJ/1/cc", "a/DET/4/det", "man/NOUN/1/conj"
    )
    parser = SpacyParser({caption: parsed}.__getitem__, "test")
    assert parser.noun_chunks(caption) == OWN.noun_chunks(caption) == ("a man", "a man")
    assert parser.sentence(caption) == sentence_of(parsed)


def test_a_missing_model_says_how_to_get_it() -> None:
    with pytest.raises(ConfigError, match=r"language\.chunks.*'en_none'.*spacy download en_none"):
        LanguageTools.load(LanguageConfig(chunks="spacy:en_none"))


def test_missing_spacy_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(ConfigError, match=r"needs spaCy.*pip install refseg_ros\[language\]"):
        LanguageTools.load(LanguageConfig(chunks="spacy:en_core_web_trf"))


def test_a_model_without_a_parser_is_refused(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path)
    with pytest.raises(ConfigError, match=r"finds no noun chunks.*only nothing"):
        SpacyParser.load(str(tmp_path))


def test_spacy_is_imported_only_when_asked_for() -> None:
    import subprocess

    code = "import refseg_ros, sys; sys.exit('spacy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_active_is_told() -> None:
    assert LanguageTools().description == "noun chunks by own rules, synonyms by own groups"
    tools = LanguageTools(SpacyParser(PARSES.__getitem__, "spaCy en_core_web_trf"))
    assert tools.description == "noun chunks by spaCy en_core_web_trf, synonyms by own groups"
    assert tools.head_phrase("A man on the  LEFT side") == "a man"


def test_a_segmenter_rectifies_by_the_parse_that_it_is_given() -> None:
    # For us "left" hangs on the preposition; here it is said to hang on "block" itself.
    text = "block on the left"
    flat = doc("block/NOUN/0/ROOT", "on/ADP/0/prep", "the/DET/3/det", "left/ADV/0/advmod")
    captions = doc("a/DET/2/det", "red/ADJ/2/amod", "block/NOUN/2/ROOT")
    blocks = Blocks(
        ("red", (150, 10, 190, 50)), ("red", (10, 10, 40, 40)), ("red", (90, 60, 110, 80))
    )
    parser = SpacyParser({text: flat, "a red block": captions}.__getitem__, "spaCy test")
    theirs = segmenter(blocks, "paper", language=LanguageTools(parser))
    ours = segmenter(blocks, "paper")
    assert "noun chunks by spaCy test" in theirs.description
    assert theirs.observe(blocks.image).select(text).index == 0
    assert ours.observe(blocks.image).select(text).index == 1
