# SPDX-License-Identifier: Apache-2.0
"""What a sentence says: made by the parser, read by the matcher and the spatial rules."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from refseg_ros.language.tokens import lemma


class Direction(str, enum.Enum):
    """An absolute position in the picture, as the viewer sees it.

    ``FRONT`` is near the camera and ``BACK`` far from it; without depth they are read as low and
    high in the picture, which holds for a view down onto a table.
    """

    LEFT = "left"
    RIGHT = "right"
    TOP = "top"
    BOTTOM = "bottom"
    MIDDLE = "middle"
    FRONT = "front"
    BACK = "back"


class RelationKind(str, enum.Enum):
    """How the thing meant stands to another thing."""

    LEFT_OF = "left_of"
    RIGHT_OF = "right_of"
    ABOVE = "above"
    BELOW = "below"
    IN_FRONT_OF = "in_front_of"
    BEHIND = "behind"
    NEXT_TO = "next_to"
    FAR_FROM = "far_from"
    ON = "on"
    IN = "in"
    CONTAINING = "containing"
    WITH = "with"
    BETWEEN = "between"


@dataclass(frozen=True)
class NounPhrase:
    """One thing that is named.

    Attributes:
        text: The words without articles, numbers and position words: "red mug", "it".
        head: Lemma of the head noun; "" if there is none ("the red one").
        colours: Colour words as said.
        materials: Material words as said.
        sizes: Size words as said ("big", "smallest").
        directions: Absolute positions, in the order said, each once.
        extremes: Those of ``directions`` that were said to the utmost ("leftmost", "far left").
        ordinal: 2 for "second … from the left"; None if there is no ordinal.
    """

    text: str = ""
    head: str = ""
    colours: tuple[str, ...] = ()
    materials: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    directions: tuple[Direction, ...] = ()
    extremes: tuple[Direction, ...] = ()
    ordinal: int | None = None

    @property
    def attributes(self) -> tuple[str, ...]:
        """Sizes, colours and materials together."""
        return self.sizes + self.colours + self.materials

    @property
    def look(self) -> str:
        """What one such thing looks like: :attr:`text` with a singular head, without sizes.

        Colours and materials said elsewhere ("the mug that is red") come first: "red mug".
        Size is relative to the other things in the picture, which no crop of one thing shows.
        """
        words = [word for word in self.text.split() if word not in self.sizes]
        words = [self.head if lemma(word) == self.head else word for word in words]
        added = [word for word in self.colours + self.materials if word not in words]
        return " ".join([*added, *words])

    @property
    def is_plural(self) -> bool:
        """Whether more than one such thing is asked for: "mugs", "the two red cubes"."""
        words = self.text.split()
        return bool(self.head) and any(lemma(word) == self.head != word for word in words)


@dataclass(frozen=True)
class Relation:
    """A relation between the thing meant and one landmark, or two for ``BETWEEN``.

    Attributes:
        kind: See :class:`RelationKind`.
        landmarks: One, or two for "between A and B" (one for "between the two mugs").
        on_support: Whether it only says that the thing is on the table or floor, as everything is.
    """

    kind: RelationKind
    landmarks: tuple[NounPhrase, ...]
    on_support: bool = False

    @property
    def phrase(self) -> str:
        """The landmarks in words: "blue bowl", "book and bowl"."""
        return " and ".join(landmark.text for landmark in self.landmarks)

    @property
    def head(self) -> str:
        """Lemma of the first landmark's head noun; "" if it has none."""
        return self.landmarks[0].head if self.landmarks else ""


@dataclass(frozen=True)
class ReferringExpression:
    """A sentence, taken apart.

    Attributes:
        text: The sentence as it was given, whole.
        referring: The part that says what is meant: lower case, single spaces, no command, no
            courtesy. "" if nothing is named.
        target: The thing meant.
        relations: How it stands to other things, in the order said.
        negated: What it is said not to be ("red", "on the left"), in the order said.
        content_words: Lemmas of every word that names a thing or a quality, each once, landmarks
            and negated words included, position and function words left out.
        truncated: Whether the text was longer than the parser reads, and its end ignored.
    """

    text: str
    referring: str = ""
    target: NounPhrase = NounPhrase()
    relations: tuple[Relation, ...] = ()
    negated: tuple[str, ...] = ()
    content_words: tuple[str, ...] = ()
    truncated: bool = False

    @property
    def head(self) -> str:
        """Lemma of the head noun; "" if there is none."""
        return self.target.head

    @property
    def head_phrase(self) -> str:
        """The head's noun phrase without articles and position words: "red mug"."""
        return self.target.text

    @property
    def attributes(self) -> tuple[str, ...]:
        """Sizes, colours and materials of the thing meant."""
        return self.target.attributes

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Absolute positions of the thing meant."""
        return self.target.directions

    @property
    def extremes(self) -> tuple[Direction, ...]:
        """Those directions that were said to the utmost ("leftmost")."""
        return self.target.extremes

    @property
    def ordinal(self) -> int | None:
        """2 for "second … from the left"; None if there is no ordinal."""
        return self.target.ordinal

    @property
    def is_empty(self) -> bool:
        """Whether the sentence says nothing that a picture could be searched for."""
        return not (self.content_words or self.directions or self.relations)
