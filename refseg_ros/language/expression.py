# SPDX-License-Identifier: Apache-2.0
"""What a sentence says: made by the parser, read by the matcher and the spatial rules."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

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
    """How the thing meant stands to another thing.

    ``UNDER`` is said of what something stands on or hangs over ("under the duck"), ``BELOW`` of
    what is lower ("below the duck"). ``CONTAINING`` and ``CARRYING`` are the converses of ``IN``
    and ``ON``: "the bowl with the ball in it", "the book with the ball on it". ``WITH`` names a
    part, an outfit or a companion ("with the handle", "with the ball"); of a person also what is
    held. ``HELD_BY`` is said of what somebody holds, wears, carries or rides, and ``PART_OF`` of
    a part named by its place ("the front of the car") or by a noun ("the lid of the jar").
    """

    LEFT_OF = "left_of"
    RIGHT_OF = "right_of"
    ABOVE = "above"
    BELOW = "below"
    UNDER = "under"
    IN_FRONT_OF = "in_front_of"
    BEHIND = "behind"
    NEXT_TO = "next_to"
    FAR_FROM = "far_from"
    ON = "on"
    IN = "in"
    CARRYING = "carrying"
    CONTAINING = "containing"
    WITH = "with"
    BETWEEN = "between"
    HELD_BY = "held_by"
    PART_OF = "part_of"

    @property
    def words(self) -> str:
        """As it is said: "left of"."""
        return self.value.replace("_", " ")


class Measure(str, enum.Enum):
    """What a superlative ranks things by."""

    SIZE = "size"
    HEIGHT = "height"
    LENGTH = "length"
    WIDTH = "width"
    NEARNESS = "nearness"


class Anaphora(str, enum.Enum):
    """What a phrase takes from the thing that was meant before; for the caller to resolve.

    ``SAME``: that very thing ("it", "that one", "the same mug again"). ``OTHER``: another thing of
    its kind ("the other one", "another mug"). ``ONE``: a thing of its kind, which may be that very
    thing ("the left one", "the red one"); where nothing was meant before, a thing of any kind.
    """

    SAME = "same"
    OTHER = "other"
    ONE = "one"


@dataclass(frozen=True)
class Superlative:
    """The thing that comes first when things are ranked by a measure.

    Attributes:
        measure: What they are ranked by; NEARNESS is to the camera.
        most: Whether the greatest comes first ("biggest", "nearest"); else the least ("smallest",
            "farthest").
        rank: 1 for the first; 2 in "second largest".
        word: The word, as said.
    """

    measure: Measure
    most: bool
    rank: int = 1
    word: str = ""


@dataclass(frozen=True)
class NounPhrase:
    """One thing, or several of a kind, and everything that is said of it.

    Attributes:
        text: The words without articles, numbers and position words: "red mug", "it".
        head: Lemma of the head noun; "" if there is none ("the red one").
        colours: Colour words as said.
        materials: Material words as said.
        sizes: Words of plain size as said ("big", "tiny"), no superlatives.
        qualities: Its other words before the head or after "is", as said: "shiny", "coffee" in
            "coffee mug", "heaviest".
        states: What it does or what was done to it, each as said: "riding a horse", "covered".
        superlatives: Sizes and nearness to the utmost, "the biggest". Comparatives count as such
            ("the bigger of the two", "the bigger mug").
        directions: Absolute positions, in the order said, each once.
        extremes: Those of ``directions`` that were said to the utmost ("leftmost", "far left").
        ordinal: 2 for "second … from the left"; "last" counts from the other end, and is -1
            ("second to last" -2) where no direction is said. None if there is none, or if it
            belongs to a superlative or a relation.
        ordinal_from: Direction whose end the ordinal counts from; () if none is said.
        relations: How it stands to other things, in the order said.
        excluded: Phrases that it must not fit, each what follows one "not": "not red" has only
            colours, "without a handle" a WITH relation, "not the one on the left" directions.
            Their heads are empty where the noun is not repeated.
        count: Number said of the things meant: 2 in "the two mugs", "both mugs"; None otherwise.
        group: Number said of those to choose from: 2 in "the left one of the two mugs".
        is_plural: Whether more than one such thing is asked for: "mugs", "every mug", "both".
        is_any: Whether any one that fits will do: "any mug", "one of the mugs", "either".
        anaphora: What it takes from the thing meant before; None if it stands by itself.
        use: What it is for, as said after "to": "drink from"; "" if that is not said.
        names: Nouns of which any will do, where the head is none that the models know: banana
            and pear for "fruit". The parser leaves it empty.
    """

    text: str = ""
    head: str = ""
    colours: tuple[str, ...] = ()
    materials: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    superlatives: tuple[Superlative, ...] = ()
    directions: tuple[Direction, ...] = ()
    extremes: tuple[Direction, ...] = ()
    ordinal: int | None = None
    ordinal_from: tuple[Direction, ...] = ()
    relations: tuple[Relation, ...] = ()
    excluded: tuple[NounPhrase, ...] = ()
    count: int | None = None
    group: int | None = None
    is_plural: bool = False
    is_any: bool = False
    anaphora: Anaphora | None = None
    use: str = ""
    names: tuple[str, ...] = ()

    @property
    def alternatives(self) -> tuple[NounPhrase, ...]:
        """The phrase by each of its :attr:`names`: "red pear"; itself where it has none."""
        words = self.text.split()
        kept = [word for word in words if lemma(word) != self.head] if self.head else words[:-1]
        return tuple(
            replace(self, text=" ".join((*kept, name)), head=name, names=()) for name in self.names
        ) or (self,)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Sizes, colours and materials together."""
        return self.sizes + self.colours + self.materials

    @property
    def look(self) -> str:
        """What one such thing looks like: :attr:`text` with a singular head, without sizes.

        Colours and materials said elsewhere ("the mug that is red") come first: "red mug"; states
        come last: "dog chasing a ball".
        Size is relative to the other things in the picture, which no crop of one thing shows.
        """
        ranked = self.sizes + tuple(item.word for item in self.superlatives)
        words = [word for word in self.text.split() if word not in ranked]
        words = [self.head if lemma(word) == self.head else word for word in words]
        if self.is_plural and words and not self.head:
            words[-1] = lemma(words[-1])  # "red things"
        added = [word for word in self.colours + self.materials if word not in words]
        return " ".join([*added, *words, *self.states])

    @property
    def size_words(self) -> tuple[str, ...]:
        """Plain sizes and superlatives of size as said: "big", "smallest", "tallest"."""
        return self.sizes + tuple(
            item.word for item in self.superlatives if item.measure is not Measure.NEARNESS
        )


@dataclass(frozen=True)
class Relation:
    """A relation between the thing meant and one landmark, or two for ``BETWEEN``.

    Attributes:
        kind: See :class:`RelationKind`.
        landmarks: One, or two for "between A and B" (one for "between the two mugs"). They have
            relations and exclusions of their own.
        on_support: Whether it says that the thing is on the table or floor.
        extreme: Whether the thing is the utmost in it: "the mug closest to the bowl" is NEXT_TO,
            "furthest from" FAR_FROM, "furthest left of" LEFT_OF.
        rank: Place of an extreme: 1 for the first, 2 in "second closest to the bowl".
    """

    kind: RelationKind
    landmarks: tuple[NounPhrase, ...]
    on_support: bool = False
    extreme: bool = False
    rank: int = 1

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
        target: The thing meant, with all that is said of it.
        negated: What it is said not to be, in words ("red", "on the left"), in the order said;
            :attr:`NounPhrase.excluded` has the same taken apart.
        content_words: Lemmas of every word that names a thing or a quality, each once, landmarks
            and negated words included, position and function words left out.
        destination: Where a thing is to be put, in words ("in the bowl"): no part of which one.
        unread: Words that the parser could make nothing of, in the order said; they are in no
            phrase. Articles, commands and courtesies are not among them.
        corrections: Pairs of a word as said and as it was read: ("gren", "green").
        truncated: Whether the text was longer than the parser reads, and its end ignored.
        in_picture: Whether places are said to be the picture's ("above the book in the picture"),
            whatever is measured in space.
        language: Another language that the sentence seems to be in; "" for English, or where none
            is sure.
    """

    text: str
    referring: str = ""
    target: NounPhrase = NounPhrase()
    negated: tuple[str, ...] = ()
    content_words: tuple[str, ...] = ()
    destination: str = ""
    unread: tuple[str, ...] = ()
    corrections: tuple[tuple[str, str], ...] = ()
    truncated: bool = False
    in_picture: bool = False
    language: str = ""

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
    def relations(self) -> tuple[Relation, ...]:
        """How the thing meant stands to other things."""
        return self.target.relations

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Positions of the thing meant as a picture shows them, the depth not being known.

        Those of :attr:`target`, and FRONT for the nearest to the camera and BACK for the farthest.
        """
        return tuple(dict.fromkeys(self.target.directions + self._nearness))

    @property
    def extremes(self) -> tuple[Direction, ...]:
        """Those of :attr:`directions` that were said to the utmost ("leftmost")."""
        return tuple(dict.fromkeys(self.target.extremes + self._nearness))

    @property
    def ordinal(self) -> int | None:
        """Rank along :attr:`directions`: 2 for "second … from the left", "second nearest"."""
        ranks = (
            item.rank
            for item in self.target.superlatives
            if item.measure is Measure.NEARNESS and item.rank > 1
        )
        return self.target.ordinal or next(ranks, None)

    @property
    def _nearness(self) -> tuple[Direction, ...]:
        return tuple(
            Direction.FRONT if item.most else Direction.BACK
            for item in self.target.superlatives
            if item.measure is Measure.NEARNESS
        )

    @property
    def is_empty(self) -> bool:
        """Whether the sentence by itself says nothing that a picture could be searched for.

        "it" is empty until the caller has put the thing meant before in its place.
        """
        target = self.target
        said = self.directions or self.relations or target.superlatives or target.use
        return not (self.content_words or said)
