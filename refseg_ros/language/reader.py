# SPDX-License-Identifier: Apache-2.0
"""Which words belong to which thing: the items of one clause read from left to right.

Where the grammar leaves a choice, these rules make it:

* A relation or a relative clause is said of the noun right before it: in "the mug left of the bowl
  on the tray" the bowl is on the tray.
* After "and" a relation is said of what the relation before it was said of; after a comma, of the
  thing meant.
* A plain position after a landmark ("the ball next to the mug on the left"), a relation said to
  the utmost ("closest to the bowl"), "on the table" and every exclusion ("that is not red") are
  said of the thing meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from refseg_ros.language import lexicon
from refseg_ros.language.cursor import Cursor
from refseg_ros.language.drafts import Draft, DraftRelation, share_noun
from refseg_ros.language.expression import (
    Direction,
    NounPhrase,
    RelationKind,
)
from refseg_ros.language.grammar import Item, Kind
from refseg_ros.language.nouns import (
    has_stand_in,
    merge,
    parse_phrase,
    placed,
    pronoun,
    unique,
)
from refseg_ros.language.parts import named_whole
from refseg_ros.language.uses import read_use
from refseg_ros.language.verb_forms import is_present
from refseg_ros.language.wearing import is_colour, is_person, is_worn, relation_to

MAX_DEPTH: Final = 4
"""Landmarks within landmarks that are read: "left of the cup on the tray by the book" has 3."""

_HAVING: Final = (RelationKind.WITH, RelationKind.CONTAINING, RelationKind.CARRYING)
_MINE: Final = ("my", "our", "your")
_SPEAKERS: Final = ("i", "you", "we")
_TIMES: Final = ("before", "past")


class Reader(Cursor):
    """Reads one clause.

    Attributes:
        target: The thing meant.
        negated: What it is said not to be, in words.
        of_use: Items that say what something is for.
    """

    def __init__(self, tokens: Sequence[str], items: Sequence[Item]) -> None:
        super().__init__(tokens, items)
        self.target = Draft()
        self.negated: list[str] = []
        self.of_use: list[Item] = []
        self._base = self.target  # the thing meant, or the one excluded that is spoken of
        self._near = self.target  # the noun right before
        self._relative = False  # whether in a relative clause of that noun
        self._last: tuple[Draft, DraftRelation] | None = None  # whose relation was said last
        self._open: DraftRelation | None = None  # a "between" that lacks its second landmark

    def read(self) -> None:
        """Consumes every item."""
        while self._index < len(self._items):
            item = self._items[self._index]
            if item.kind is Kind.NEGATION:
                self._read_exclusion(item)
            elif item.kind is Kind.RELATION:
                self._read_relation(item, self._owner(item))
            elif item.kind is Kind.DIRECTION and not self._starts_phrase(item):
                self._read_direction(item)
            elif self._read_use(item):
                continue
            elif item.kind is Kind.PREPOSITION:
                self._read_preposition(item)
            elif item.kind is Kind.AND:
                self._read_and()
            elif item.kind is Kind.COMMA:
                self._base = self._near = self.target
                self._relative = False
                self._index += 1
            elif item.kind is Kind.LINK:
                self._relative = self._relative or item.word in lexicon.RELATIVE
                self._index += 1
            elif item.kind is Kind.STATE:
                self._read_state(item)
            elif item.kind is Kind.PRONOUN:
                self._read_pronoun(item)
            elif item.kind is Kind.OF and self._base.phrase.head:
                self._skip_phrase()
            elif item.kind is Kind.OF:
                self._read_group()
            else:
                self._read_noun(item)

    def _read_state(self, item: Item) -> None:
        """What a verb says: of the noun before, or of the one meant if only that can act."""
        owner, other = self._near, self._near is not self.target
        acts = is_present(item.word) and lexicon.is_animate(self.target.phrase.head)
        if other and acts and not lexicon.is_animate(owner.phrase.head):
            owner = self._near = self._base
        state = _in_words(self._tokens[item.start : item.stop])
        owner.phrase = replace(owner.phrase, states=unique((*owner.phrase.states, state)))
        self._index += 1

    def _starts_phrase(self, item: Item) -> bool:
        """Whether a bare position word here begins the phrase of the thing meant."""
        return item.prenominal and self._base.phrase == NounPhrase()

    def _read_noun(self, item: Item) -> None:
        """A phrase that nothing governs: the thing meant, or more about what was said."""
        owner = self._near if self._relative else self._base
        bare = item.kind is Kind.WORD
        said = owner.phrase
        predicative = bare and bool(said.head or (self._relative and said.text))
        phrase, stop = self._phrase(self._index, predicative)
        stop = max(stop, self._index + 1)
        after = self._stranded(stop) if self._near.phrase.text and phrase.head else 0
        if after:
            relation = self._items[after - 1].relation
            assert relation is not None
            self._relate(self._near, lexicon.CONVERSE[relation], Draft(phrase))
            stop = after
        elif said.head and (
            phrase.head or phrase == NounPhrase(count=phrase.count, is_plural=True)
        ):
            if self._is_renamed(said, phrase):
                # "my friend is the man on the left": the man says more.
                owner.phrase = merge(
                    replace(phrase, anaphora=None), replace(said, head="", text="")
                )
            elif self._relative and bare:
                words = tuple(phrase.text.split())
                owner.phrase = replace(said, qualities=said.qualities + words)
            else:
                self._unread += self._items[self._index : stop]
        else:
            owner.phrase = merge(said, phrase)
            start, self._index = self._index, stop
            self._relate_to_whole(owner, start, phrase)
        self._index = stop

    def _relate_to_whole(self, part: Draft, start: int, phrase: NounPhrase) -> None:
        """Read "the lid of the jar", which began at item ``start``: the lid is part of a jar."""
        whole = named_whole(self._items, start, self._index, phrase)
        if whole is not None and part.depth < MAX_DEPTH:
            last = self._last  # what "and" goes on about
            self._relate(part, RelationKind.PART_OF, Draft(whole))
            self._last = last

    def _is_renamed(self, said: NounPhrase, phrase: NounPhrase) -> bool:
        """Whether "is" and an article stand before another noun for the same thing."""
        before = self._items[self._index - 1] if self._index else None
        copula = before is not None and before.word in ("is", "are")
        item = self._items[self._index]
        here = item.kind is Kind.ARTICLE and item.word not in _MINE  # "that lady is my aunt"
        return copula and here and bool(said.head and phrase.head) and not self._relative

    def _read_group(self) -> None:
        """Read "of the two cups" after a position: the cups are those to choose from."""
        phrase, stop = self._phrase(self._index + 1)
        group = replace(phrase, group=phrase.count, count=None, is_plural=False)
        self._base.phrase = merge(self._base.phrase, group)
        self._index = max(stop, self._index + 1)

    def _read_pronoun(self, item: Item) -> None:
        phrase = pronoun(item.word)
        if phrase is not None and not self._base.phrase.text and not self._base.phrase.head:
            self._base.phrase = merge(self._base.phrase, phrase)
        elif item.word not in ("there", "here"):
            self._unread.append(item)
            if item.word in _SPEAKERS:
                self._skip_clause()
        self._index += 1

    def _read_and(self) -> None:
        """Read "and": a second landmark, a further relation of the same thing, or nothing."""
        self._index += 1
        following = self._kind_at(self._index)
        alternative = self._items[self._index - 1].word == "or"
        if self._last and following in (Kind.RELATION, Kind.NEGATION, Kind.LINK):
            self._near = self._last[0]
            if alternative and any(self._near is draft for draft in self.target.excluded):
                self._near = Draft()  # "not in the bowl or on the tray"
                self.target.excluded.append(self._near)
        elif self._last:
            phrase, stop = self._phrase(self._index)
            if not (phrase.head or has_stand_in(phrase)):
                return
            owner, relation = self._last
            if self._open:
                first = self._open.landmarks[0]
                if not (first.phrase.head or has_stand_in(first.phrase)):
                    # "between the red and the blue mug"
                    first.phrase = replace(first.phrase, head=phrase.head)
                self._near = Draft(phrase, depth=first.depth)
                self._open.landmarks.append(self._near)
                self._open = None
            else:
                relation.landmarks[0].name_each()
                self._relate(owner, relation.kind, Draft(phrase))
                self._last[1].joined = True
            self._index = stop
        elif following is Kind.ARTICLE and self._base.phrase.text:
            self._index -= 1
            self._skip_phrase()  # "the mug and the bowl" are two things

    def _read_direction(self, item: Item) -> None:
        """A position: of the thing meant, or in a relative clause of the noun before it."""
        carried = self._last and self._last[1].kind is RelationKind.WITH
        on_top = self._tokens[item.start : item.stop] == ["on", "top"]
        if self._last and carried and on_top:
            self._last[1].kind = RelationKind.CARRYING  # "with a spoon on top"
        else:
            base = self._base.phrase
            counted = item.word == "from" and (base.ordinal is None or base.ordinal_from)
            inner = self._relative or (counted and self._near.phrase.ordinal is not None)
            owner = self._near if inner else self._whole()  # "on the second shelf from the top"
            owner.phrase = placed(owner.phrase, item)
            self._near = owner
        self._index += 1

    def _whole(self) -> Draft:
        """The thing of which a part is meant without a noun of its own, else the thing meant."""
        parts = (item for item in self._base.relations if item.kind is RelationKind.PART_OF)
        part = None if self._base.phrase.head else next(parts, None)
        return self._base if part is None else part.landmarks[0]

    def _owner(self, item: Item) -> Draft:
        """The thing that a relation here is said of."""
        if item.utmost or not self._near.may_be_described:
            return self._base
        if self._near == Draft() and any(self._near is it for it in self.target.excluded):
            return self._near  # "not wearing a hat or holding a cup"
        has = item.relation in _HAVING
        if has and item.word != "with" and self._only_base_acts(self._near):
            return self._base  # "the man on a bench holding a cup"
        return self._near

    def _only_base_acts(self, owner: Draft) -> bool:
        """Whether the thing meant is somebody and what was said right before is a thing."""
        others = any(map(lexicon.is_animate, owner.phrase.text.split()))  # "the arm of the man"
        return lexicon.is_animate(self._base.phrase.head) and not others

    def _relate(
        self, owner: Draft, kind: RelationKind, landmark: Draft, extreme: bool = False
    ) -> None:
        worn = kind is RelationKind.WITH and lexicon.is_animate(owner.phrase.head)
        if worn and landmark.phrase.text.split()[-1:] == ["glasses"]:
            landmark.phrase = replace(landmark.phrase, head="glasses", is_plural=False)
        relation = owner.relate(kind, landmark, extreme)
        self._last = (owner, relation)
        if kind is RelationKind.BETWEEN and not landmark.phrase.is_plural:
            self._open = relation
        self._near = self._base if relation.on_support else landmark
        if kind is RelationKind.WITH and self._is_on_body(owner, landmark):
            self._near = owner  # "the man in a red hat on the bench": the man is
        self._relative = False

    def _is_on_body(self, owner: Draft, landmark: Draft) -> bool:
        """Whether a landmark is worn or held, such that what follows is said of its owner."""
        following = self._items[self._index : self._index + 2]
        if len(following) == 2 and following[1].word in lexicon.POSSESSIVES:
            return False  # "with a cup in her hand"
        if is_person(landmark.phrase) and not is_person(owner.phrase):
            return False  # "the pony with the girl in a red hat on it"
        acts = self._kind_at(self._index) in (Kind.LINK, Kind.STATE)
        return acts or is_worn(landmark.phrase) or lexicon.is_animate(owner.phrase.head)

    def _read_relation(self, item: Item, owner: Draft) -> None:
        """A relation and its landmark; without one, the position that it tells."""
        assert item.relation is not None
        start = self._index
        if owner.depth >= MAX_DEPTH:
            self._skip_phrase()
            return
        landmark = self._landmark(item)
        said = item.relation
        if self._tokens[item.stop : item.stop + 1] == ["which"]:
            said = lexicon.CONVERSE.get(said, said)  # "the bench on which the girl sits"
            item = replace(item, relation=said)
        kind = relation_to(item, owner.phrase, landmark, self._tokens)
        bare = self._kind_at(start + 1) is not Kind.ARTICLE  # "the knife in the orange" is none
        kind = kind if bare or not is_colour(landmark) else said
        if self._reverses(landmark, kind):
            return
        dressed = kind is RelationKind.WITH and item.relation is RelationKind.IN
        if dressed and self._only_base_acts(owner):
            owner = self._base  # "the woman at a desk in a green coat"
        if kind is RelationKind.WITH and bare and is_colour(landmark):
            colours = landmark.colours or tuple(landmark.text.split())
            owner.phrase = replace(owner.phrase, colours=unique((*owner.phrase.colours, *colours)))
        elif item.part and owner.phrase == _unnamed(owner.phrase) and landmark.text:
            self._read_part(item, owner, landmark)
        elif not landmark.text:
            self._read_bare_relation(item, owner, start)
        elif landmark.text in lexicon.VIEWER:
            self._relate_to_viewer(item, owner)
        elif landmark.text == "nothing":
            self.target.excluded.append(Draft())
            self._relate(self.target.excluded[-1], kind, Draft(NounPhrase(text="thing")))
        elif landmark.head in lexicon.NOT_LANDMARKS and not (
            kind is RelationKind.WITH and landmark.head in lexicon.PICTURE
        ):
            self._unread += self._items[start : self._index]
        else:
            draft = Draft(landmark)
            if kind is RelationKind.ON and landmark.head in lexicon.SUPPORTS:
                owner = owner if self._relative or not owner.depth else self._base
            for direction in item.within:
                self._place(owner, direction)
            for direction in item.directions:
                if direction is Direction.MIDDLE:
                    self._place(owner, direction)  # "in the middle left of the bowl"
                    continue
                beside = lexicon.RELATION_BESIDE[direction]
                owner.relations.append(DraftRelation(beside, [Draft(landmark)]))
            self._relate(owner, kind, draft, item.utmost)
            self._relate_to_whole(draft, start, landmark)
            if item.word == "whose":
                self._near, self._relative = draft, True  # "whose hair is red"

    def _read_part(self, item: Item, owner: Draft, landmark: NounPhrase) -> None:
        """Read "the left half of the cake": a place in a thing, without a noun of its own."""
        owner.phrase = replace(owner.phrase, directions=unique(item.part))
        self._relate(owner, RelationKind.PART_OF, Draft(landmark))

    def _landmark(self, item: Item) -> NounPhrase:
        """The phrase after the current item."""
        if item.pronoun:
            self._index += 1
            return pronoun(item.pronoun) or NounPhrase()
        phrase, stop = self._phrase(self._index + 1)
        if phrase == NounPhrase() and stop < len(self._items):
            said = self._items[stop]
            if said.kind is Kind.PRONOUN:
                known = pronoun(said.word) or NounPhrase(text=said.word)
                phrase, stop = known, stop + 1
        if not phrase.text and phrase.count:
            phrase = replace(phrase, text=self._items[stop - 1].word)  # "between the two"
        # Without a landmark, what was passed over is read by itself: "behind, left".
        self._index = stop if phrase.text else self._index + 1
        return phrase

    def _reverses(self, landmark: NounPhrase, said: RelationKind) -> bool:
        """Whether this is "… in it" after "the bowl with the ball": the bowl contains it."""
        if self._last is None:
            return False
        owner, last = self._last
        refers = landmark.text in ("it", "them", "itself") or not landmark.text
        if last.kind not in _HAVING or not refers or said not in lexicon.CONVERSE:
            return False
        if is_worn(last.landmarks[0].phrase) and not landmark.text:
            return True  # "with a cap on"
        somebody = bool(landmark.text) and is_person(owner.phrase)
        if somebody:
            owner, last = self._thing_of(owner, last)
        for relation in reversed(owner.relations):  # "with the duck and the mug on it"
            if somebody and is_worn(relation.landmarks[0].phrase):
                continue  # "with a friend in a red shirt on her left"
            relation.kind = lexicon.CONVERSE[said]
            if not relation.joined:
                break
        return True

    def _thing_of(self, owner: Draft, last: DraftRelation) -> tuple[Draft, DraftRelation]:
        """What "it" stands for after somebody, and what is had that the relation to it is to.

        The stool in "the stool with the girl in white socks sitting on it" and "the stool by the
        girl with a bag on it", the coat in "the man in a coat with a patch on it".
        """
        for outer in self._base.relations:
            if outer.landmarks[0] is owner:
                if outer.kind not in _HAVING:
                    owner.relations.remove(last)
                    self._base.relations.append(last)
                return self._base, (outer if outer.kind in _HAVING else last)
        before = owner.relations[-2:-1]
        had = before and before[0].kind is RelationKind.WITH and owner.relations[-1] is last
        if had and not is_worn(last.landmarks[0].phrase):
            owner.relations.pop()
            owner = owner.relations[-1].landmarks[-1]
            owner.relations.append(last)
        return owner, last

    def _read_bare_relation(self, item: Item, owner: Draft, start: int) -> None:
        """A relation without a landmark: "the one behind", "under"."""
        assert item.relation is not None
        direction = lexicon.DIRECTION_OF_RELATION.get(item.relation)
        if direction and item.word not in _TIMES:
            self._place(owner, direction)
        else:
            self._unread += self._items[start : self._index]

    def _place(self, owner: Draft, direction: Direction) -> None:
        item = Item(Kind.DIRECTION, 0, 0, "", (direction,))
        owner.phrase = placed(owner.phrase, item)

    def _relate_to_viewer(self, item: Item, owner: Draft) -> None:
        """Read "closest to me" as nearness and "in front of the camera" as a position."""
        near = item.relation in (RelationKind.NEXT_TO, RelationKind.IN_FRONT_OF)
        if not near and item.relation is not RelationKind.FAR_FROM:
            self._unread.append(item)
        elif item.utmost:
            nearest = Item(
                Kind.DIRECTION, item.start, item.stop, item.word, nearness=1 if near else -1
            )
            owner.phrase = placed(owner.phrase, nearest)
        else:
            self._place(owner, Direction.FRONT if near else Direction.BACK)

    def _read_use(self, item: Item) -> bool:
        """Read "to drink from" after "something"; whether it was that."""
        phrase = self._near.phrase
        standing = not lexicon.GENERIC_NOUNS.isdisjoint(phrase.text.split())
        use, size = "", 0
        if standing and not (phrase.head or phrase.superlatives):
            use, size = read_use(self._tokens[item.start :])
        if not use:
            return False
        self._near.phrase = replace(phrase, use=use)
        told = [other for other in self._items[self._index :] if other.start < item.start + size]
        self.of_use += told
        self._index += len(told)
        return True

    def _read_preposition(self, item: Item) -> None:
        """Read "the closest ball to the cone"; other prepositions are left unread."""
        if item.word == "than" and self._base.phrase.superlatives:
            # "bigger than the book" ranks nothing, and sizes are not compared.
            *rest, taken = self._base.phrase.superlatives
            self._unread += [said for said in self._items if said.word == taken.word]
            self._base.phrase = replace(self._base.phrase, superlatives=tuple(rest))
        elif item.word in ("to", "from"):
            nearest = self._base.take_nearness()
            if nearest:
                landmark = self._landmark(item)
                if landmark.text and landmark.text not in lexicon.VIEWER:
                    kind = RelationKind.NEXT_TO if nearest.most else RelationKind.FAR_FROM
                    self._relate(self._base, kind, Draft(landmark), extreme=True)
                    self._base.relations[-1].rank = nearest.rank
                else:
                    said = (*self._base.phrase.superlatives, nearest)
                    self._base.phrase = replace(self._base.phrase, superlatives=said)
                return
        self._skip_phrase()

    def _read_exclusion(self, item: Item) -> None:
        """Words after "not": a quality, a thing, or a position or relation."""
        owner = self.target
        self._index += 1
        while self._kind_at(self._index) is Kind.LINK or (
            self._index < len(self._items) and self._items[self._index].word in lexicon.STANDING
        ):
            self._index += 1
        start = self._index
        draft = Draft()
        if item.word == "non" and start < len(self._items):
            draft.phrase = parse_phrase(self._items[start : start + 1], 0, True)[0]
            self._index = start + 1
        elif self._kind_at(start) is Kind.STATE:
            verb = self._items[start]
            state = _in_words(self._tokens[verb.start : verb.stop])
            draft.phrase = replace(draft.phrase, states=(state,))
            self._index = start + 1
        elif item.relation is not None and self._kind_at(start) is Kind.RELATION:
            self._read_relation(self._items[start], draft)  # "without wearing a hat"
        elif item.word == "nor" and owner.excluded and self._kind_at(start) is Kind.ARTICLE:
            said = owner.excluded[-1].relations[-1:]  # "not on the box nor the shelf"
            again = Item(Kind.RELATION, item.start, item.stop, "nor")
            if said:
                self._index -= 1
                self._read_relation(replace(again, relation=said[0].kind), draft)
            else:
                self._read_excluded_noun(draft)
        elif item.relation is not None:
            self._index -= 1
            denied = replace(item, kind=Kind.RELATION)
            self._read_relation(denied, draft)
        elif self._kind_at(start) is Kind.RELATION:
            self._read_relation(self._items[start], draft)
        elif self._kind_at(start) is Kind.DIRECTION and not self._items[start].prenominal:
            draft.phrase = placed(draft.phrase, self._items[start])
            self._index = start + 1
        else:
            self._read_excluded_noun(draft)
        if draft == Draft():
            self._unread.append(item)
            return
        owner.excluded += self._each(draft, start) if item.word == "neither" else [draft]
        self._note_negated(start)
        self._read_alternatives(owner)
        if item.word == "nor":
            share_noun(owner)

    def _each(self, draft: Draft, start: int) -> list[Draft]:
        """Of "neither red, blue nor green" what is red and what is blue."""
        listed = any(item.kind is Kind.COMMA for item in self._items[start : self._index])
        said = draft.phrase
        if not listed or said.head or said.text.split() != list(said.colours):
            return [draft]
        return [Draft(NounPhrase(colour, colours=(colour,))) for colour in said.colours]

    def _read_excluded_noun(self, draft: Draft) -> None:
        """The phrase after "not"; what follows a noun in it is said of what is excluded."""
        bare = self._kind_at(self._index) is Kind.WORD
        draft.phrase, stop = parse_phrase(self._items, self._index, bare, alternatives=False)
        if draft.phrase == NounPhrase() and self._kind_at(stop) is Kind.PRONOUN:
            draft.phrase = pronoun(self._items[stop].word) or draft.phrase
            stop += 1
        self._index = stop
        if draft.phrase.head or draft.phrase.anaphora is not None:
            self._base = self._near = draft
            self._relative = False

    def _read_alternatives(self, owner: Draft) -> None:
        """Read "not red or blue": what follows "or" is excluded too."""
        while self._kind_at(self._index) is Kind.AND and self._kind_at(self._index + 1) in (
            Kind.WORD,
            Kind.ARTICLE,
        ):
            start = self._index + 1
            phrase, stop = parse_phrase(self._items, start, True, alternatives=False)
            if not phrase.text:
                return
            owner.excluded.append(Draft(phrase))
            self._index = stop
            self._note_negated(start)

    def _note_negated(self, start: int) -> None:
        """Keep the words from an item to the current one."""
        while start < self._index and self._kind_at(start) in (Kind.ARTICLE, Kind.LINK):
            start += 1
        if start < self._index:
            first, last = self._items[start], self._items[self._index - 1]
            self.negated.append(" ".join(self._tokens[first.start : last.stop]))


def _unnamed(phrase: NounPhrase) -> NounPhrase:
    """A phrase of which nothing is said but its number and place."""
    return NounPhrase(directions=phrase.directions, is_plural=phrase.is_plural)


def _in_words(tokens: Sequence[str]) -> str:
    return " ".join(token.strip('"') for token in tokens if token not in _UNSAID)


_UNSAID: Final = lexicon.ARTICLES | {"is", "are"}
