# SPDX-License-Identifier: Apache-2.0
"""TAS's own parser: spaCy, where it is installed and asked for (the paper: en_core_web_trf)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Protocol

from refseg_ros.errors import ConfigError
from refseg_ros.language.tas.sentences import Sentence


class SpacyToken(Protocol):
    """What is read of ``spacy.tokens.Token``."""

    i: int
    text: str
    whitespace_: str

    @property
    def head(self) -> SpacyToken:
        """What it depends on; a root is its own."""


class SpacySpan(Protocol):
    """What is read of ``spacy.tokens.Span``."""

    start: int
    end: int
    text: str


class SpacyDoc(Protocol):
    """What is read of ``spacy.tokens.Doc``."""

    def __iter__(self) -> Iterator[SpacyToken]:
        """Its tokens."""

    @property
    def noun_chunks(self) -> Iterable[SpacySpan]:
        """Its noun chunks."""


def sentence_of(doc: SpacyDoc) -> Sentence:
    """A parsed document as a :class:`Sentence`."""
    tokens = list(doc)
    return Sentence(
        words=tuple(token.text for token in tokens),
        heads=tuple(token.head.i for token in tokens),
        chunks=tuple((chunk.start, chunk.end) for chunk in doc.noun_chunks),
        spaces=tuple(bool(token.whitespace_) for token in tokens),
    )


class SpacyParser:
    """Sentences and noun chunks by a spaCy pipeline."""

    def __init__(self, pipeline: Callable[[str], SpacyDoc], name: str) -> None:
        """Wrap a loaded pipeline.

        Args:
            pipeline: Turns a text into a document with a dependency parse.
            name: What it is called in descriptions.
        """
        self.name = name
        # One sentence is asked of twice: for its head phrase and for its entity.
        self._parsed = lru_cache(maxsize=32)(pipeline)

    @classmethod
    def load(cls, model: str) -> SpacyParser:
        """Load an installed model, on the GPU where spaCy finds one.

        Args:
            model: Name of a model package, or its folder.

        Raises:
            ConfigError: spaCy or the model is not installed or does not load, or it cannot parse;
                the message says how to get it.
        """
        try:
            import spacy
        except ImportError as error:
            raise ConfigError(
                f"language.chunks: spacy:{model} needs spaCy, which cannot be imported ({error}); "
                "get it with `pip install refseg_ros[language]` or take language.chunks: own"
            ) from error
        spacy.prefer_gpu()
        try:
            pipeline: Any = spacy.load(model)
        except (OSError, ValueError, ImportError) as error:
            raise ConfigError(
                f"language.chunks: spaCy has no usable model {model!r}: "
                f"{' '.join(str(error).split())[:200]}; get it with `python -m spacy download "
                f"{model}` or take language.chunks: own"
            ) from error
        if not {"parser", "tagger"} <= set(pipeline.pipe_names):
            raise ConfigError(
                f"language.chunks: the spaCy model {model!r} finds no noun chunks, as it has no "
                f"parser or no tagger, only {', '.join(pipeline.pipe_names) or 'nothing'}; take "
                "one such as en_core_web_sm"
            )
        return cls(pipeline, f"spaCy {model}")

    def sentence(self, text: str) -> Sentence:
        """The parse of a sentence in lower case."""
        return sentence_of(self._parsed(text))

    def noun_chunks(self, text: str) -> tuple[str, ...]:
        """Texts of the noun chunks of a caption, as often as said."""
        return tuple(chunk.text for chunk in self._parsed(text).noun_chunks)
