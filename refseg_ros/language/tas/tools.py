# SPDX-License-Identifier: Apache-2.0
"""The parser and the synonym rule that a configuration asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from refseg_ros.config import LanguageConfig
from refseg_ros.language.chunks import SynonymRule, same_thing
from refseg_ros.language.tas.entities import Entity, find_entity, head_phrase
from refseg_ros.language.tas.sentences import OwnParser, SentenceParser
from refseg_ros.language.tas.spacy_parser import SpacyParser
from refseg_ros.language.tokens import plain

if TYPE_CHECKING:
    from refseg_ros.language.wordnet_kinds import ThingKinds


@dataclass(frozen=True)
class LanguageTools:
    """What takes captions and sentences apart where TAS asks spaCy and WordNet.

    Attributes:
        parser: Noun chunks and dependencies.
        synonyms: Which phrases name the same thing.
        synonyms_name: What it is, in a word or two.
        kinds: What tells kinds and uses of things beside our own tables; None for nothing.
    """

    parser: SentenceParser = field(default_factory=OwnParser)
    synonyms: SynonymRule = same_thing
    synonyms_name: str = "own groups"
    kinds: ThingKinds | None = None

    @classmethod
    def load(cls, config: LanguageConfig) -> LanguageTools:
        """Load what a configuration names.

        Raises:
            ConfigError: It is not installed; the message says how to get it.
        """
        source, _, model = config.chunks.partition(":")
        parser: SentenceParser = SpacyParser.load(model) if source == "spacy" else OwnParser()
        kinds = None
        if config.kinds != "own":
            from refseg_ros.language.wordnet_kinds import open_kinds

            kinds = open_kinds(config.kinds)
        source, _, folder = config.synonyms.partition(":")
        if source == "own":
            return cls(parser, kinds=kinds)
        from refseg_ros.language.tas.wordnet import WordNet, WordNetRule

        rule = WordNetRule(WordNet.find(folder))
        return cls(parser, rule, rule.name, kinds)

    @property
    def description(self) -> str:
        """Both in words: ``noun chunks by own rules, synonyms by own groups``."""
        return f"noun chunks by {self.parser.name}, synonyms by {self.synonyms_name}"

    def head_phrase(self, text: str) -> str:
        """The target's noun phrase, see :func:`refseg_ros.language.tas.entities.head_phrase`.

        Args:
            text: A sentence as it was given.
        """
        return head_phrase(self.parser.sentence(plain(text)))

    def entity(self, text: str) -> Entity | None:
        """The entity that the released rectifier looks at, if there is one.

        Args:
            text: A sentence as it was given.
        """
        sentence = plain(text)
        return find_entity(sentence, self.parser.sentence(sentence))
